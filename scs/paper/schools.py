"""Simulated pupils in schools, few of which differ: for the first page and its chapter."""

from __future__ import annotations

import numpy as np
import pandas as pd

EFFECTS = (4.0, -5.0, 5.0)  # points that three schools add or take away
LEAST_SCHOOLS = 8


def simulate_schools(seed: int = 1, n_schools: int = 30) -> tuple[pd.DataFrame, pd.Series]:
    """Draw pupils of schools that differ a great deal in their intake, and three in what they add.

    A pupil's score is 50 + 5 prior + (the school's effect) + error, the error normal with a
    standard deviation of 6; ``prior`` is the school's intake, standard normal, and a standard
    normal part of the pupil's own.

    Parameters
    ----------
    seed : int
        Of the random numbers, >= 0.
    n_schools : int
        At least 8. Each has 20 to 59 pupils.

    Returns
    -------
    pupils : DataFrame
        One row a pupil: ``school`` ("School 07"), ``prior`` (what the pupil knew before, in
        standard deviations) and ``score`` (points).
    truth : Series
        What each school adds, in points, by label; 0 for all but three.

    Raises
    ------
    ValueError
        There are fewer than 8 schools.

    Examples
    --------
    >>> pupils, truth = simulate_schools()
    >>> len(pupils), list(truth[truth != 0].index)
    (1199, ['School 07', 'School 18', 'School 24'])
    """
    if n_schools < LEAST_SCHOOLS:
        raise ValueError(f"n_schools must be at least {LEAST_SCHOOLS}, got {n_schools}.")
    rng = np.random.default_rng(seed)
    size = rng.integers(20, 60, n_schools)
    code = np.repeat(np.arange(n_schools), size)
    intake = rng.normal(0, 1, n_schools)
    prior = intake[code] + rng.normal(size=size.sum())
    effect = np.zeros(n_schools)
    different = [n_schools // 5, 3 * n_schools // 5 - 1, 4 * n_schools // 5 - 1]
    effect[different] = EFFECTS
    score = 50 + 5 * prior + effect[code] + rng.normal(0, 6, size.sum())
    digits = len(str(n_schools))
    labels = np.array([f"School {k + 1:0{max(2, digits)}d}" for k in range(n_schools)])
    pupils = pd.DataFrame({"school": labels[code], "prior": prior, "score": score})
    return pupils, pd.Series(effect, index=pd.Index(labels, name="school"), name="truth")
