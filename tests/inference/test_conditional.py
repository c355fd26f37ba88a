"""Intervals after the naming: the truncated law by integration, coverage by rejection sampling."""

import numpy as np
import pytest
from scipy import integrate, stats

from scs.inference.conditional import conditional_interval, fcr_interval, truncated_cdf


@pytest.mark.parametrize("g", [-6.0, -0.5, 0.0, 1.0, 4.0, 9.0])
@pytest.mark.parametrize(("c", "z"), [(2.0, 2.0), (2.5, 3.0), (3.5, 6.0)])
def test_the_truncated_law_by_integration(g, c, z):
    law = stats.norm(g).pdf
    left = integrate.quad(law, -60, -c, points=[min(g, -c)], limit=200)[0]
    middle = integrate.quad(law, c, z, limit=200)[0]
    right = integrate.quad(law, c, 60, points=[max(g, c)], limit=200)[0]
    ours = truncated_cdf(np.array([z]), np.array([c]), np.array([g]))[0]
    assert ours == pytest.approx((left + middle) / (left + right), abs=1e-7)


@pytest.mark.parametrize("g", [0.0, 1.0, 2.5, 4.0])
def test_they_hold_what_they_promise_given_the_naming(g):
    rng = np.random.default_rng(1)
    z = rng.normal(g, 1.0, 400_000 if g < 2 else 20_000)
    c = 3.0 if g >= 1 else 2.5
    named = z[np.abs(z) >= c][:3000]
    low, high = conditional_interval(named, np.ones(len(named)), np.full(len(named), c))
    held = np.mean((low <= g) & (g <= high))
    error = np.sqrt(0.95 * 0.05 / len(named))
    assert held >= 0.95 - 3 * error
    # The usual interval does not hold it where naming is chance.
    usual = np.mean(np.abs(named - g) <= 1.96)
    assert usual < 0.5 or g >= 1


def test_none_excludes_its_own_estimate_and_signs_mirror():
    z = np.array([2.6, 3.0, 5.0, 12.0])
    error, c = np.array([0.1, 2.0, 1.0, 3.0]), np.full(4, 2.6)
    low, high = conditional_interval(z * error, error, c)
    assert (low <= z * error).all() and (z * error <= high).all()
    mirrored = conditional_interval(-z * error, error, c)
    np.testing.assert_allclose(mirrored[0], -high)
    np.testing.assert_allclose(mirrored[1], -low)


def test_far_from_the_threshold_it_is_the_usual_one():
    low, high = conditional_interval(np.array([30.0]), np.array([1.0]), np.array([3.0]))
    np.testing.assert_allclose([low[0], high[0]], [30 - 1.959964, 30 + 1.959964], atol=1e-5)


def test_fcr_intervals_widen_with_the_number_that_was_looked_at():
    value, error = np.array([3.0, -4.0]), np.array([1.0, 0.5])
    low, high = fcr_interval(value, error, 100, 0.05, 1e6)
    np.testing.assert_allclose((high - low) / 2 / error, stats.norm.isf(0.05 * 2 / 200), rtol=1e-4)


def test_there_are_none_where_nobody_is_named():
    nobody = np.zeros(0)
    low, high = conditional_interval(nobody, nobody, nobody, df=nobody)
    assert len(low) == len(high) == 0
