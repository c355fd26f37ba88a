"""`fit` without labels: how many groups of rows there are, and which level each has."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import narwhals as nw
import numpy as np

from scs.data.containers import column_name
from scs.data.frames import as_frame, check_column
from scs.data.labels import coded_labels
from scs.data.rows import ModelRows, model_rows
from scs.estimators.fitted_groups import FittedGroups
from scs.estimators.prediction import checked_level
from scs.estimators.standard import Standard
from scs.inference.folds import in_order
from scs.inference.mixture import (
    Mixture,
    best_of_shares,
    choose_mixture,
    noise_does_as_well,
    refuse_few,
)

_COLUMN = "(group)"  # of codes of the labels that there are, -1 elsewhere


def fit_groups(
    formula: str,
    data: Any,
    groups: str | None,
    n_groups: int | str,
    *,
    missing: str = "refuse",
    level: float = 0.95,
) -> FittedGroups:
    """Fit levels of groups whose labels are not known, or known of some rows only.

    Parameters
    ----------
    formula, data, missing
        As in `scs.fit`.
    groups : str or None
        None: no row has a label. A column: rows that miss a label there are allotted to the groups
        of the others.
    n_groups : int or "auto"
        Number of groups; "auto": of smallest BIC, or all labels of ``groups``.
    level : float
        Of the intervals.

    Raises
    ------
    ValueError, TypeError
        What `scs.fit` refuses of formula and data; no intercept; a number of groups that rows or
        labels do not allow.
    """
    level = checked_level(level, "level")
    rows, labels = _read(formula, data, groups, missing)
    if not rows.intercept:
        raise ValueError("groups have levels of their own: leave '- 1' or '0 +' out of formula.")
    labelled = groups is not None
    count = _checked_number(n_groups, len(labels) if labelled else None)
    known = np.asarray(rows.design.labels)[rows.design.codes].astype(np.intp)
    ordered = in_order(rows.design)  # what is drawn must not hang on the order of rows
    standard = Standard.of(ordered, intercept=True, ridge_fixed=0.0)
    X, y = standard.design(ordered).X, ordered.y
    codes = np.asarray(ordered.labels)[ordered.codes].astype(np.intp)
    tried: tuple[Mixture, ...]
    of_known = codes if labelled else None
    if count is not None:
        refuse_few(len(y), X.shape[1] + 2 * count, count)
    if labelled:
        found = best_of_shares(X, y, len(labels), known=codes)
        tried = (found,)
    elif count is None:
        found, tried = choose_mixture(X, y)
    else:
        tried = _up_to(X, y, count)
        found = tried[-1]
    noise = noise_does_as_well(X, y, found, of_known)
    chosen_by = "the labels" if labelled else "the number asked for"
    if count is None and not labelled:
        chosen_by = "BIC"
        if noise:
            found, chosen_by = tried[0], "a test against noise"
    return FittedGroups(
        formula=formula,
        groups=groups,
        labels=labels if labelled else np.arange(1, found.n_groups + 1),
        chosen_by=chosen_by,
        noise=noise,
        mixture=found,
        tried=tried,
        standard=standard,
        rows=rows,
        known=known,
        level=level,
    )


def _read(
    formula: str, data: Any, groups: str | None, missing: str
) -> tuple[ModelRows, np.ndarray]:
    """Return the rows, whose clusters are codes of labels, and the labels."""
    frame = as_frame(data)
    names = list(frame.columns)
    codes, labels = np.full(len(frame), -1), np.empty(0)
    if groups is not None:
        groups = column_name(groups, "groups")
        check_column(groups, names, "groups")
        codes, labels = coded_labels(frame[groups])
        if not len(labels):
            raise ValueError(f"groups: no row has a label in {groups!r}: pass groups=None.")
        frame = frame.drop(groups)
    column = _COLUMN + "_" * max((len(name) for name in names), default=0)  # no name is as long
    series = nw.new_series(column, codes, nw.Int64, backend=nw.get_native_namespace(frame))
    rows = model_rows(formula, frame.with_columns(series).to_native(), column, missing=missing)
    return rows, labels


def _checked_number(n_groups: Any, n_labels: int | None) -> int | None:
    """Return the number of groups asked for, None where it is to be chosen."""
    if isinstance(n_groups, str) and n_groups == "auto":
        return None
    if isinstance(n_groups, bool) or not isinstance(n_groups, Integral) or n_groups < 1:
        raise ValueError(f"n_groups must be 'auto' or a whole number from 1, got {n_groups!r}.")
    if n_labels is not None and n_groups != n_labels:
        raise ValueError(
            f"n_groups={n_groups} with {n_labels} labels: leave n_groups out, for each label is a "
            "group."
        )
    return int(n_groups)


def _up_to(X: np.ndarray, y: np.ndarray, count: int) -> tuple[Mixture, ...]:
    """Return the mixtures of 1 to so many groups: each begins from those of one group less."""
    tried: list[Mixture] = []
    for n_groups in range(1, count + 1):
        tried.append(best_of_shares(X, y, n_groups, before=tried[-1] if tried else None))
    return tuple(tried)
