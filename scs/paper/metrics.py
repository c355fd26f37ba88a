"""What the tables measure: errors of coefficients and effects, selection, ICC."""

from __future__ import annotations

import numpy as np


def squared_error(truth: np.ndarray, estimate: np.ndarray) -> float:
    """Return the squared l2 distance, sum_j (truth_j - estimate_j)^2 (Tables B1-B6, B8-B13)."""
    return float(np.sum(_difference(truth, estimate) ** 2))


def mean_squared_error(y: np.ndarray, predicted: np.ndarray) -> float:
    """Return mean_i (y_i - predicted_i)^2 (Figures 3, B3, B4; Table C1)."""
    return float(np.mean(_difference(y, predicted) ** 2))


def _difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape} differ: compare entry with entry.")
    return a - b


def sparsity(gamma: np.ndarray) -> float:
    """Return the share of effects that are exactly zero (Table B7)."""
    return float(np.mean(np.asarray(gamma) == 0))


def true_positive_rate(truth: np.ndarray, estimate: np.ndarray) -> float:
    """Return the share of truly non-zero effects that are selected; NaN if there is none."""
    real = np.asarray(truth) != 0
    return float(np.mean(np.asarray(estimate)[real] != 0)) if real.any() else float("nan")


def false_discovery_proportion(truth: np.ndarray, estimate: np.ndarray) -> float:
    """Return the share of selected effects that are truly zero; 0 if nothing is selected."""
    chosen = np.asarray(estimate) != 0
    return float(np.mean(np.asarray(truth)[chosen] == 0)) if chosen.any() else 0.0


def icc(var_u: float, var_e: float) -> float:
    """Return the intraclass correlation var_u / (var_u + var_e); NaN if both are 0 (Table B14)."""
    total = var_u + var_e
    return float(var_u / total) if total > 0 else float("nan")


def icc_of_effects(gamma: np.ndarray, residual_var: float) -> float:
    """Return the ICC of a selection, from the variance of its K effects and the residuals'."""
    return icc(float(np.var(gamma, ddof=1)), residual_var)
