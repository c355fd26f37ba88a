"""Means over replications, with their standard errors."""

from __future__ import annotations

import numpy as np
from scipy import stats


def monte_carlo(values: np.ndarray) -> tuple[float, float]:
    """Return the mean over replications and its standard error (NaN from fewer than two)."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return float(values.mean()), float("nan")
    return float(values.mean()), float(stats.sem(values))


def ratio_of_means(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Return mean(a) / mean(b) over paired replications, and its standard error (delta method)."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    ratio = a.mean() / b.mean()
    return float(ratio), float(stats.sem(a - ratio * b) / abs(b.mean()))
