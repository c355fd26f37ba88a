"""Each metric on numbers worked out by hand."""

import numpy as np
import pytest

from scs.inference.monte_carlo import monte_carlo, ratio_of_means
from scs.paper import metrics

truth = np.array([10.0, 0.0, -10.0, 0.0])
estimate = np.array([9.0, 0.5, 0.0, 0.0])


def test_by_hand():
    assert metrics.squared_error(truth, estimate) == 1 + 0.25 + 100
    assert metrics.mean_squared_error(truth, estimate) == (1 + 0.25 + 100) / 4
    assert metrics.sparsity(estimate) == 0.5
    assert metrics.true_positive_rate(truth, estimate) == 0.5
    assert metrics.false_discovery_proportion(truth, estimate) == 0.5
    assert metrics.icc(3.0, 1.0) == 0.75
    # The sample variance of the four estimates is 58.6875 / 3 = 19.5625.
    assert metrics.icc_of_effects(estimate, 2.0) == pytest.approx(19.5625 / 21.5625)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"shapes \(3,\) and \(3, 1\) differ"):
        metrics.mean_squared_error(np.arange(3), np.arange(3)[:, None])


def test_empty_selections_and_truths():
    nothing = np.zeros(4)
    assert metrics.false_discovery_proportion(truth, nothing) == 0.0
    assert metrics.true_positive_rate(truth, nothing) == 0.0
    assert np.isnan(metrics.true_positive_rate(nothing, estimate))
    assert np.isnan(metrics.icc(0.0, 0.0))


def test_ratio_of_means_has_the_error_that_simulation_shows():
    rng = np.random.default_rng(0)
    truth_a, truth_b = 3.0, 2.0
    found = []
    for _ in range(2000):
        common = rng.normal(size=50)
        a = truth_a + common + rng.normal(size=50)
        b = truth_b + common
        found.append(ratio_of_means(a, b))
    ratios, errors = np.array(found).T
    assert ratios.mean() == pytest.approx(1.5, abs=0.02)
    assert np.median(errors) == pytest.approx(ratios.std(), rel=0.1)


def test_monte_carlo_error():
    mean, error = monte_carlo(np.array([1.0, 2.0, 3.0, 4.0]))
    assert mean == 2.5
    assert error == pytest.approx(np.sqrt(5 / 3) / 2)
    assert np.isnan(monte_carlo(np.array([1.0]))[1])
