"""Prediction intervals of new rows, and what is said of the rows that were fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from scs.data.design import find_labels
from scs.data.frames import as_frame
from scs.data.new_rows import new_offset, new_outcome, new_rows, new_weights
from scs.data.roles import PRECISION
from scs.inference.background import Between
from scs.inference.effects import EffectInference

if TYPE_CHECKING:
    from scs.estimators.fitted import FittedModel

#: Ridge on the effects from which a cluster of few rows shows it.
SHRINKS = 0.01


def checked_level(level: Any, name: str) -> float:
    """Return a level of confidence, or say what is wrong with it."""
    if isinstance(level, bool) or not isinstance(level, int | float | np.number):
        raise TypeError(f"{name} must be a number between 0 and 1, got {level!r}: try 0.95.")
    if not 0 < level < 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {level!r}: try 0.95.")
    return float(level)


def error_df(model: FittedModel) -> float:
    """Return the degrees of freedom of the errors' variance, NaN where nothing tells it."""
    found = model.selection.inference
    if found is None:
        return float("nan")
    df = np.asarray(found.df_error)
    return float(df) if df.ndim == 0 else Between.from_moments(model.inner).df


def known_clusters(model: FittedModel, new_data: Any) -> np.ndarray:
    """Return the cluster of each new row as an index into the labels, -1 for another or none."""
    frame = as_frame(new_data, "new_data")
    if model.groups not in frame.columns:
        return np.full(len(frame), -1, dtype=np.intp)
    return find_labels(model.solution.labels, frame[model.groups])


def with_interval(model: FittedModel, new_data: Any, level: float) -> pd.DataFrame:
    """Return predictions of new rows with intervals for their outcomes.

    The variance of an outcome about its prediction is that of its own error, of the coefficients
    and of the cluster's effect. A row of no known cluster is taken as one of a cluster that the
    tree draws by its shares, with a background effect of its own. Quantiles are of Student's t.
    """
    level = checked_level(level, "interval")
    found = _refuse_interval(model)
    X = new_rows(model.rows, new_data, "new_data")
    where = known_clusters(model, new_data)
    predicted = model.predict(new_data)
    spread = model.smoother.variance(model.standard.rows(X), where)
    precision = new_weights(model.rows, new_data, "new_data", (PRECISION,))
    of_row = 1.0 / precision[PRECISION] if precision else 1.0
    # Without a background clusters that are not named are alike: what they differ is error.
    var_e = found.var_e if model.theta else np.fmax(found.var_e, model.var_e)
    variance = var_e * (of_row + spread)
    new = where < 0
    if new.any():
        variance[new] += model.spread_of_assigned(X[new])
    half = stats.t.isf((1.0 - level) / 2.0, error_df(model)) * np.sqrt(variance)
    return pd.DataFrame(
        {"predicted": predicted, "low": predicted - half, "high": predicted + half},
        index=new_data.index if isinstance(new_data, pd.DataFrame) else None,
    )


def _refuse_interval(model: FittedModel) -> EffectInference:
    """Return what is known of the errors, or refuse an interval that would not hold."""
    found = model.selection.inference
    if model.rows.slopes is not None:
        raise ValueError("interval: of models with a random intercept alone; leave it out.")
    if found is None:
        raise ValueError(f"interval: {model.selection.note or 'nothing tells the variance.'}")
    model.selection.suppose_normal("interval", "leave it out")
    if model.ridge_fixed or (
        model.ridge >= SHRINKS * model.moments.mean_weight and len(model.solution.support)
    ):
        raise ValueError(
            f"interval: a ridge (ridge={model.ridge:g}, ridge_fixed={model.ridge_fixed:g}) shrinks "
            "what it would be about: fit with ridge=1e-4 and ridge_fixed=0."
        )
    return found


def augmented(model: FittedModel, data: Any) -> pd.DataFrame:
    """Return what the model says of each row: see `FittedModel.augment`."""
    if data is None:
        return _of_fitted_rows(model)
    frame = as_frame(data, "data").to_pandas()
    if isinstance(data, pd.DataFrame):
        frame.index = data.index
    X = new_rows(model.rows, data, "data")
    fixed, offset = model.fixed_part(X), new_offset(model.rows, data, "data")
    if offset is not None:
        fixed = fixed + offset
    fitted = np.asarray(model.predict(data))
    found = {"fitted": fitted, "fixed": fixed}
    outcome = new_outcome(model.rows, data, "data")
    if outcome is not None:
        found |= {"residual": outcome - fitted, "residual_fixed": outcome - fixed}
    twice = [name for name in found if name in frame.columns]
    if twice:
        raise ValueError(
            f"data has a column {twice[0]!r}, which augment() would add: rename it first."
        )
    return frame.assign(**found)


def _of_fitted_rows(model: FittedModel) -> pd.DataFrame:
    """Return the rows that were fitted with residuals and leverage."""
    design = model.rows.design
    if design.n_rows != model.moments.n_rows:
        held = "none of its rows (it was loaded)" if not len(design.y) else "a sample of its rows"
        raise ValueError(f"augment(): the model holds {held}: pass the table, augment(data).")
    fixed = model.fixed_part(design.X)
    effects, slopes = model.solution.cluster_effects[design.codes], model.rows.slopes
    if slopes is None:
        fitted = fixed + effects
        solved_in = model.standard.rows(design.X)
        leverage = model.smoother.leverage(solved_in, design.codes, design.precision)
    else:
        fitted = fixed + slopes.scale.added(slopes.Z, effects)
        leverage = np.full(len(fixed), np.nan)
    residual, known = design.y - fitted, 0.0 if design.offset is None else design.offset
    root = 1.0 if design.precision is None else np.sqrt(design.precision)
    with np.errstate(divide="ignore", invalid="ignore"):
        standardised = root * residual / np.sqrt(model.var_e * (1.0 - leverage))
    standardised[leverage > 1.0 - 1e-9] = np.nan  # the row fits itself, whatever its outcome
    return pd.DataFrame(
        {
            model.groups: design.labels[design.codes],
            model.rows.outcome: design.y + known,
            "fitted": fitted + known,
            "fixed": fixed + known,
            "residual": residual,
            "residual_fixed": design.y - fixed,
            "leverage": leverage,
            "residual_standardised": standardised,
        }
    )
