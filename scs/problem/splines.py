"""Non-linear covariates: a spline basis whose columns enter together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.interpolate import BSpline

from scs.data.design import as_matrix
from scs.problem.constraints import Together


def spline_basis(
    x: Any, n_columns: int = 4, *, degree: int = 3, name: str = "x"
) -> tuple[pd.DataFrame, Together]:
    """Return the columns of a B-spline in one covariate, and the rule that they enter together.

    Parameters
    ----------
    x : array-like, shape (N,)
        The covariate; finite.
    n_columns : int
        Columns, at least ``degree``. Knots lie at quantiles of ``x``.
    degree : int
        Of the pieces, >= 1.
    name : str
        The columns are called ``name[1]``, ``name[2]`` and so on.

    Returns
    -------
    DataFrame, shape (N, n_columns)
        Each column has mean 0: with an intercept they span all splines of these knots.
    Together
        To pass in ``solve(..., constraints=[...])``.

    Raises
    ------
    ValueError
        Too few columns, or too few different values of ``x``.
    """
    values = as_matrix(np.asarray(x)[:, None], name)[0][:, 0]
    if degree < 1 or n_columns < degree:
        raise ValueError(
            f"n_columns must be at least the degree ({degree}), which is at least 1, got "
            f"{n_columns}."
        )
    if len(np.unique(values)) <= n_columns:
        raise ValueError(
            f"{name} has {len(np.unique(values))} different values, too few for {n_columns} "
            "columns: ask for fewer, or use it as it is."
        )
    inner = np.quantile(values, np.linspace(0, 1, n_columns - degree + 2)[1:-1])
    ends = [values.min()] * (degree + 1), [values.max()] * (degree + 1)
    basis = BSpline.design_matrix(values, np.concatenate([ends[0], inner, ends[1]]), degree)
    # The full basis adds up to one everywhere: the intercept stands for the column left out.
    columns = basis.toarray()[:, 1:]
    columns -= columns.mean(axis=0)
    names = tuple(f"{name}[{j + 1}]" for j in range(columns.shape[1]))
    index = x.index if isinstance(x, pd.Series) else None
    return pd.DataFrame(columns, columns=list(names), index=index), Together(columns=names)
