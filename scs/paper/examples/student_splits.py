"""A reading of the students' numbers: the mixed models fitted to two thirds of the students.

Nothing in the paper says so. In its simulations the mixed models see the training rows alone and
MIO sees training and validation rows; two thirds of the students, and all of them, are the like.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from scs.baselines import fit_gaussian, fit_laplace
from scs.moments.moments import Moments

SPLITS = 200
SHARE = 2 / 3  # of the students, chosen at random
_FITTED = ("LMM (Gaussian)", "LMM (Laplace)")  # to two thirds; OLS and MIO to all


def split_scores(
    moments: Moments,
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
    fits: pd.DataFrame,
    effects: pd.DataFrame,
    *,
    splits: int = SPLITS,
    seed: int = 0,
) -> pd.DataFrame:
    """Return what Table C1 and Figures 4 and C2 would be by this reading, for each split.

    Parameters
    ----------
    moments : Moments
        Of all rows, which evaluate every fit.
    rows : (X, y, students)
        The rows themselves, without the column of ones.
    fits : DataFrame, shape (P, methods)
        Coefficients of every method on all rows; those of OLS and MIO are used.
    effects : DataFrame, shape (K, methods)
        Raw averages and effects on all rows, by student; those of MIO are used.
    splits : int
        Random choices of two thirds of the students.
    seed : int

    Returns
    -------
    DataFrame
        One row per split; columns (table, first, second): mean squared errors over all rows under
        ("C1", method, ""), correlations under ("Fig. 4", ...) and ("Fig. C2", ...).
    """
    X, y, students = rows
    names = np.unique(students)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(splits):
        inside = np.isin(students, rng.permutation(names)[: round(SHARE * len(names))])
        part = Moments.from_arrays(X[inside], y[inside], students[inside], intercept=True)
        mixed = dict(zip(_FITTED, (fit_gaussian(part), fit_laplace(part, effects="linear"))))
        beta = fits.assign(**{name: fit.beta for name, fit in mixed.items()})
        gamma = effects.loc[part.labels].assign(
            **{name: fit.effects for name, fit in mixed.items()}
        )
        row = {("C1", name, ""): population_mse(moments, fit.beta) for name, fit in mixed.items()}
        for table, values in (("Fig. 4", gamma), ("Fig. C2", beta)):
            methods = [str(method) for method in values]
            together = values.corr().to_numpy()
            row |= {
                (table, first, second): float(together[i, j])
                for i, first in enumerate(methods)
                for j, second in enumerate(methods)
                if i != j
            }
        found.append(row)
    return pd.DataFrame(found)


def population_mse(moments: Moments, beta: np.ndarray) -> float:
    """Return the mean of (y - X beta)^2 over the rows behind the moments."""
    beta = np.asarray(beta)
    square = moments.yty - 2 * beta @ moments.xty + beta @ moments.xtx @ beta
    return float(square / moments.n_rows)
