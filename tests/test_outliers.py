"""Least trimmed squares against the textbook, against enumeration, and its promises."""

from itertools import combinations

import numpy as np
import pytest
import statsmodels.api as sm

from scs import detect_outliers
from scs.outliers import fast_trimming


def stackloss():
    table = sm.datasets.stackloss.load_pandas().data
    return table.drop(columns="STACKLOSS"), table["STACKLOSS"]


def test_stackloss_is_certified():
    """Rows 1, 3, 4 and 21, counted from 1, are the textbook's answer."""
    found = detect_outliers(*stackloss(), count=4)
    assert found.solution.status == "optimal"
    np.testing.assert_array_equal(found.rows + 1, [1, 3, 4, 21])
    # Least squares on the other 17 rows: what reweighted LTS of R's robustbase prints too.
    np.testing.assert_allclose(found.beta, [-37.65246, 0.79769, 0.57734, -0.06706], atol=5e-6)


@pytest.mark.parametrize("seed", range(10))
def test_equals_enumeration(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(11, 1)), rng.normal(size=11)
    y[:3] += 8.0
    full = np.column_stack([np.ones(11), X])
    weight = 1e-4 / (1 + 1e-4)

    def total(out):
        w = np.ones(11)
        w[list(out)] = weight
        beta = np.linalg.lstsq(full * np.sqrt(w)[:, None], y * np.sqrt(w), rcond=None)[0]
        return float(w @ (y - full @ beta) ** 2)

    best = min(total(out) for out in combinations(range(11), 3))
    found = detect_outliers(X, y, count=3, gap=1e-8)
    assert found.solution.objective == pytest.approx(best, rel=1e-8)
    assert found.solution.bound <= best * (1 + 1e-12)


def test_masked_outliers_are_found_and_the_gap_is_honest():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 5))
    y = X.sum(axis=1) + rng.normal(size=100)
    X[:20] = 5 + 0.5 * rng.normal(size=(20, 5))
    y[:20] = X[:20].sum(axis=1) - 30 + rng.normal(size=20)
    found = detect_outliers(X, y, share=0.2, time_limit=2.0)
    assert found.is_outlier[:20].all()
    assert 0 <= found.solution.bound <= found.solution.objective
    assert found.solution.status in ("optimal", "time_limit")


def test_the_heuristic_never_rises_above_least_squares():
    X, y = stackloss()
    full = np.column_stack([np.ones(21), X])
    out = fast_trimming(full, y.to_numpy(), 4)
    np.testing.assert_array_equal(out + 1, [1, 3, 4, 21])
    assert fast_trimming(full, y.to_numpy(), 0).size == 0


def test_what_is_wrong_is_said():
    X, y = stackloss()
    with pytest.raises(ValueError, match="share and count: pass exactly one"):
        detect_outliers(X, y)
    with pytest.raises(ValueError, match=r"share must lie in \[0, 0\.5\)"):
        detect_outliers(X, y, share=0.7)
    with pytest.raises(ValueError, match="count=17 leaves 4 of 21 rows for 4 coefficients"):
        detect_outliers(X, y, count=17)
