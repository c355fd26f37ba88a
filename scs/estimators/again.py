"""The next model from the last one: the same on other rows, with another formula, side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from scs.data.roles import WEIGHTS
from scs.estimators.fitted import FittedModel
from scs.estimators.formula import fit

_SHOWN = ("n_selected", "fdr", "theta", "sigma", "log_likelihood", "df", "aic", "bic", "objective")


def refit(model: FittedModel, data: Any, **changes: Any) -> FittedModel:
    """Fit the same formula with the same options to other rows.

    Parameters
    ----------
    model : FittedModel
        Loaded ones too: options are saved with a model.
    data : data frame or dict of columns
    **changes
        Options of `scs.fit` that are to be others.

    Raises
    ------
    ValueError, TypeError
        As `scs.fit`.

    Examples
    --------
    >>> import scs
    >>> table = {"y": [1, 2, 2, 3, 9, 8, 2, 1], "school": list("aabbccdd")}
    >>> model = scs.fit("y ~ 1", table, "school", budget=1)
    >>> scs.refit(model, table, budget=0).selected.tolist()
    []
    """
    return _fitted(model, _regression(model).formula, data, changes)


def update(model: FittedModel, formula: str, data: Any, **changes: Any) -> FittedModel:
    """Fit another formula, in which ``.`` stands for that side of the model's, as in R.

    Parameters
    ----------
    model : FittedModel
    formula : str
        Such as ``". ~ . + x"``, ``"~ . - x"`` or ``"log(.) ~ ."``.
    data : data frame or dict of columns
    **changes
        Options of `scs.fit` that are to be others.

    Raises
    ------
    ValueError, TypeError
        A formula without a tilde; else as `scs.fit`.

    Examples
    --------
    >>> import scs
    >>> table = {"y": [1, 2, 2, 3, 9, 8, 2, 1], "school": list("aabbccdd"), "x": [1, 2] * 4}
    >>> model = scs.fit("y ~ 1", table, "school", budget=1)
    >>> scs.update(model, "~ . + x", table).formula
    'y ~ 1 + x'
    """
    old_left, old_right = _sides(_regression(model).formula)
    left, right = _sides(formula)
    new = f"{_with(left or '.', old_left)} ~ {_with(right or '.', old_right)}"
    return _fitted(model, new, data, changes)


def _fitted(model: FittedModel, formula: str, data: Any, changes: Mapping[str, Any]) -> FittedModel:
    options = _without_old_weights(_regression(model).options, changes)
    return _regression(fit(formula, data, model.groups, **{**options, **changes}))


def _without_old_weights(options: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return options without weights that ``weights`` or ``weight_kind`` among changes replace."""
    if not changes.keys() & {"weights", "weight_kind"}:
        return dict(options)
    before = [options[name] for name in WEIGHTS if options.get(name)]
    kept = {name: value for name, value in options.items() if name not in WEIGHTS}
    return kept if "weights" in changes or not before else kept | {"weights": before[0]}


def _regression(model: Any) -> FittedModel:
    """Return the model, which must be one of a Gaussian outcome."""
    if isinstance(model, FittedModel):
        return model
    raise TypeError(
        f"model is a {type(model).__name__}: refit, update and compare take what scs.fit returns "
        "for a Gaussian outcome. Call scs.fit again."
    )


def compare(*models: FittedModel) -> pd.DataFrame:
    """Return models of the same rows side by side, the least AIC first.

    AIC and BIC are given the clusters named and know nothing of the search among clusters: between
    models that name the same ones they compare what else is in the formula.

    Parameters
    ----------
    *models : FittedModel
        Two or more.

    Returns
    -------
    DataFrame, indexed by formula
        Columns of `FittedModel.glance`, ``same_names`` (as the first row's) and ``delta_aic``.

    Raises
    ------
    ValueError
        Fewer than two models, of other rows or outcomes, or with random slopes.
    """
    if len(models) < 2:
        raise ValueError("compare wants two models or more.")
    first = models[0]
    for model in models:
        if _regression(model).rows.slopes is not None:
            raise ValueError("compare: of models with a random intercept alone.")
        m, n = model.moments, first.moments
        if m.n_rows != n.n_rows or not np.isclose(m.yty, n.yty, rtol=1e-9):
            raise ValueError(
                f"compare: {model.formula!r} is of other rows or another outcome than "
                f"{first.formula!r}: fit both to the same table."
            )
    order = np.argsort([model.glance()["aic"][0] for model in models], kind="stable")
    ordered = [models[i] for i in order]
    table = pd.concat([model.glance()[list(_SHOWN)] for model in ordered], ignore_index=True)
    names = [set(model.solution.selected.tolist()) for model in ordered]
    table["same_names"] = [each == names[0] for each in names]
    table["delta_aic"] = table["aic"] - table["aic"].min()
    table.index = pd.Index([model.formula for model in ordered], name="formula")
    return table


def _sides(formula: str) -> tuple[str, str]:
    """Return both sides of a formula as they are written; the tilde is in no backticks."""
    parts = re.split(r"(`[^`]*`)", formula)
    for i in range(0, len(parts), 2):
        left, tilde, right = parts[i].partition("~")
        if tilde:
            return "".join([*parts[:i], left]).strip(), "".join([right, *parts[i + 1 :]]).strip()
    raise ValueError(f"formula {formula!r} has no tilde: write '. ~ . + x'.")


def _with(side: str, old: str) -> str:
    """Put the old side in the place of each dot that stands alone, in brackets where it must."""

    def placed(dot: re.Match[str]) -> str:
        before, after = dot.string[: dot.start()].rstrip(), dot.string[dot.end() :].lstrip()
        binds = before.endswith(tuple(":*/^-")) or after.startswith(tuple(":*/^"))
        return f"({old})" if binds else old

    parts = re.split(r"(`[^`]*`)", side)
    parts[::2] = [re.sub(r"(?<![\w.])\.(?![\w.])", placed, part) for part in parts[::2]]
    return "".join(parts)
