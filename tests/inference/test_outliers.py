"""Least trimmed squares against the textbook, against enumeration, and its promises."""

from itertools import combinations

import numpy as np
import pytest
import statsmodels.api as sm

from scs import detect_outliers
from scs.inference.outliers import fast_trimming


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


def trimmed_sum(full, y, out):
    """Least squares without some rows, columns in units of the rows kept."""
    kept = np.setdiff1d(np.arange(len(y)), out)
    sizes = np.linalg.norm(full[kept], axis=0)
    sizes[sizes == 0] = 1.0
    beta = np.linalg.lstsq(full[kept] / sizes, y[kept], rcond=1e-11)[0] / sizes
    return float(np.sum((y[kept] - full[kept] @ beta) ** 2))


def spoil(kind, X, y, out, rng):
    """Move some rows: off the line, far out in x or y, together, onto a grid, into few levels."""
    if kind == "shifted":
        y[out] += 8.0
    elif kind == "far in x":
        X[out[0], 0] = rng.choice([1e3, 1e6, 1e9])
    elif kind == "far in y":
        y[out[0]] = rng.choice([1e3, 1e6, 1e9, -1e12])
    elif kind == "masked":
        X[out] = 5 + 0.1 * rng.normal(size=(len(out), X.shape[1]))
        y[out] = -10.0
    elif kind == "ties":
        X[:], y[:] = np.round(X), np.round(y)
    elif kind == "levels":
        X[:, 0] = np.arange(len(y)) < len(out) + rng.integers(0, 3)
    elif kind == "large":
        X *= 1e6
        y *= 1e7
        y += 1e7
    return X, y


KINDS = ["plain", "shifted", "far in x", "far in y", "masked", "ties", "levels", "large"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_equals_enumeration(seed, kind):
    """Every trimming of up to 12 rows; a row left out weighs nothing, wherever it lies."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    n_columns, intercept = int(rng.integers(1, 4)), bool(rng.integers(2))
    n_rows = int(rng.integers(n_columns + 5, 13))
    count = int(rng.integers(1, min(n_rows - n_columns - 2, 4) + 1))
    X, y = rng.normal(size=(n_rows, n_columns)), rng.normal(size=n_rows)
    y += X.sum(axis=1)
    X, y = spoil(kind, X, y, rng.choice(n_rows, size=count, replace=False), rng)
    full = np.column_stack([np.ones(n_rows), X]) if intercept else X
    values = {out: trimmed_sum(full, y, out) for out in combinations(range(n_rows), count)}
    best = min(values.values())
    rounding = 1e-20 * float(np.median(y**2))
    try:
        found = detect_outliers(X, y, count=count, intercept=intercept, gap=1e-6)
    except ValueError as error:
        assert kind in ("ties", "levels")
        assert "is not determined" in str(error)
        return
    solution = found.solution
    assert solution.status == "optimal"
    assert solution.objective == found.trimmed_sum
    assert solution.objective <= best * (1 + 1e-6) + rounding
    assert solution.bound <= best * (1 + 1e-12) + rounding
    assert found.trimmed_sum == pytest.approx(
        trimmed_sum(full, y, found.rows), rel=1e-9, abs=rounding
    )
    for out, value in values.items():
        if value <= best * (1 + 1e-9):
            assert np.isin(np.flatnonzero(solution.membership == "in"), out).all()
            assert not np.isin(np.flatnonzero(solution.membership == "out"), out).any()


@pytest.mark.parametrize("far", ["x", "y"])
@pytest.mark.parametrize("size", [1e3, 1e6, 1e9])
def test_a_row_however_far_is_left_out(far, size):
    """Twenty rows, two of them shifted, and one of which a weight of 1e-4 would be too much."""
    rng = np.random.default_rng(0)
    x = np.linspace(-2, 2, 20) + 0.1 * rng.normal(size=20)
    y = 1 + x + 0.4 * rng.normal(size=20)
    y[[3, 7]] += 8.0
    if far == "x":
        x[11] = size
    else:
        y[11] = size
    full = np.column_stack([np.ones(20), x])
    best = min(combinations(range(20), 3), key=lambda out: trimmed_sum(full, y, out))
    assert best == (3, 7, 11)
    found = detect_outliers(x[:, None], y, count=3)
    np.testing.assert_array_equal(found.rows, best)
    assert found.solution.status == "optimal"
    assert found.trimmed_sum == pytest.approx(trimmed_sum(full, y, best), rel=1e-9)
    assert (found.solution.membership[list(best)] == "in").all()


def test_units_change_nothing():
    X, y = stackloss()
    one = detect_outliers(X, y, count=4)
    other = detect_outliers(X * 1e-7 + 3.0, y * 1e8 - 5.0, count=4)
    np.testing.assert_array_equal(one.rows, other.rows)
    np.testing.assert_array_equal(one.solution.membership, other.solution.membership)
    np.testing.assert_allclose(other.beta[1:], one.beta[1:] * 1e15, rtol=1e-7)
    assert other.trimmed_sum == pytest.approx(one.trimmed_sum * 1e16, rel=1e-6)


def test_rows_on_a_line_and_a_coefficient_that_is_lost():
    x = np.arange(12.0)
    y = 2 * x
    y[[2, 5]] += [3.0, -4.0]
    found = detect_outliers(x[:, None], y, count=2)
    np.testing.assert_array_equal(found.rows, [2, 5])
    assert (found.solution.objective, found.solution.gap) == (0.0, 0.0)
    assert found.solution.status == "optimal"
    # Only two rows say anything of the second column, and these are the ones to leave out.
    other = np.zeros(12)
    other[[2, 5]] = 1.0
    with pytest.raises(ValueError, match="on which column 'x2' can be written with the other"):
        detect_outliers(np.column_stack([x, other]), y, count=2)


def test_what_is_proved_holds_against_trimmings_from_anywhere():
    rng = np.random.default_rng(3)
    X = rng.standard_t(2, size=(60, 2))
    y = X.sum(axis=1) + rng.standard_t(1, size=60)
    full = np.column_stack([np.ones(60), X])
    found = detect_outliers(X, y, share=0.2, time_limit=5.0)
    for trial in range(300):
        keep = rng.permutation(found.rows)[: trial % 12]
        others = np.setdiff1d(np.arange(60), keep)
        out = np.concatenate([keep, rng.choice(others, size=12 - len(keep), replace=False)])
        value = trimmed_sum(full, y, out)
        assert found.solution.bound <= value
        if value < found.trimmed_sum * (1 + 1e-9):
            assert (found.solution.membership[out] != "out").all()


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
