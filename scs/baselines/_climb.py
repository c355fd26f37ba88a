"""Maximise a profile log-likelihood over the variance ratio theta = var_u / var_e >= 0.

The profile can have several local maxima, and one at theta = 0, so it is scanned from 0 to where it
only falls; every place where its slope turns from up to down is then refined by Newton steps kept
inside a bracket, and the highest maximum wins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

STEP = 4.0  # ratio of neighbouring thetas in the scan
TOLERANCE = 1e-9  # slope in units of standard errors
LARGEST = 1e15


@dataclass(frozen=True)
class Point:
    """A profile at one theta: value, first and second derivative in theta, what else was fitted."""

    theta: float
    value: float
    slope: float
    curvature: float
    state: Any = None


# profile(theta, near, rough): `near` is a Point to start from, `rough` asks for the sign of the
# slope only.
Profile = Callable[[float, "Point | None", bool], Point]


def highest(profile: Profile, n: np.ndarray, top: float) -> Point:
    """Return the highest maximum of the profile over theta >= 0.

    Parameters
    ----------
    profile : callable (theta, near, rough) -> Point
    n : ndarray, shape (K,)
        Cluster sizes: they set the scale, since theta acts through n_k theta.
    top : float
        A guess of the theta beyond which the profile only falls.
    """
    points = [profile(0.0, None, False)]
    theta = 0.3 / n.max()
    while True:
        points.append(profile(theta, points[-1], True))
        if (theta >= top and points[-1].slope < 0) or theta > LARGEST:
            break
        theta *= STEP
    found = [points[0]] if points[0].slope <= 0 else []
    for i, (left, right) in enumerate(pairwise(points)):
        if left.slope > 0 >= right.slope:
            # One cell wider, because the slopes of the scan are rough.
            lower = points[max(i - 1, 0)].theta
            start = left if left.value > right.value and left.theta > 0 else right
            found.append(climb(profile, start, n, lower, right.theta * STEP))
    return max(found or points, key=lambda point: point.value)


def climb(profile: Profile, start: Point, n: np.ndarray, lower: float, upper: float) -> Point:
    """Refine one maximum in s = log(1 + n theta), which covers 0 to infinity."""
    unit = float(np.median(n))
    point = start

    def at(s: float) -> tuple[float, float, Point]:
        nonlocal point
        point = profile(np.expm1(s) / unit, point, False)
        rate = (1.0 + unit * point.theta) / unit  # d theta / ds, which is its own derivative
        slope = point.slope * rate
        return slope, point.curvature * rate**2 + slope, point

    return ascend(at, *np.log1p(unit * np.array([start.theta, lower, upper])))


def ascend(at: Callable[[float], tuple], s: float, low: float, high: float) -> Any:
    """Find where a slope vanishes from above: Newton inside a bracket, bisecting where it fails.

    Parameters
    ----------
    at : callable s -> (slope, curvature, what to return)
    s : float
        The start.
    low, high : float
        The slope is positive (or falls) at ``low`` and negative at ``high``, which may be infinite.
    """
    s = min(max(s, low), high)
    for _ in range(100):
        slope, curvature, result = at(float(s))
        low, high = (s, high) if slope > 0 else (low, s)
        if curvature < 0 and abs(slope) <= TOLERANCE * np.sqrt(-curvature):
            break
        if np.isfinite(high) and high - low <= 1e-14 * high:
            break
        s = s - slope / curvature if curvature < 0 else np.inf
        if not low < s < high:
            # The middle of the bracket, or (no upper end yet) a step of one.
            s = (low + high) / 2 if np.isfinite(high) else low + 1.0
    return result
