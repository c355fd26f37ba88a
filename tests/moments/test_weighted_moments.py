"""Weights of rows in the moments: frequencies against repeated rows, precisions against sums."""

import numpy as np
import pandas as pd
import pytest

from scs import Moments, solve, solve_path
from scs.data.design import Design
from scs.moments.resampling import CentredRows, resampled_clusters, resampled_rows


def rows_of(seed, n_rows=90, n_clusters=7):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 3)) + 10.0 ** rng.integers(0, 4)
    clusters = np.concatenate([np.arange(n_clusters), rng.integers(0, n_clusters, n_rows)])[:n_rows]
    y = X @ rng.normal(size=3) + 3.0 * (clusters == 2) + rng.normal(size=n_rows)
    return rng, X, y, clusters


def assert_same(a, b, rtol=1e-10):
    np.testing.assert_array_equal(a.labels, b.labels)
    assert a.n_rows == b.n_rows
    for name in ("n", "counts", "mean_x", "mean_y", "mean_z", "log_weights"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=rtol, atol=rtol)
    for name in ("within_xx", "within_xy", "within_yy", "within_zz", "within_zx", "within_zy"):
        expected = np.asarray(getattr(b, name))
        scale = max(np.abs(expected).max(initial=0.0), np.trace(b.within_xx))
        np.testing.assert_allclose(getattr(a, name), expected, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("seed", range(10))
def test_a_frequency_is_rows_repeated(seed):
    rng, X, y, k = rows_of(seed)
    times = rng.integers(0, 5, len(y))
    again = np.repeat(np.arange(len(y)), times)
    given = {"intercept": bool(seed % 2)}
    weighted = Moments.from_arrays(X, y, k, X[:, :2] ** 2, frequency_weights=times, **given)
    repeated = Moments.from_arrays(X[again], y[again], k[again], X[again, :2] ** 2, **given)
    assert_same(weighted, repeated)
    assert weighted.rows is None and weighted.mean_weight == 1.0


@pytest.mark.parametrize("seed", range(10))
def test_a_precision_weights_every_sum_and_counts_one_row(seed):
    rng, X, y, k = rows_of(seed)
    w = rng.gamma(0.5, size=len(y))
    m = Moments.from_arrays(X, y, k, X[:, :1], precision_weights=w, intercept=True)
    table = np.column_stack([np.ones(len(y)), X])
    np.testing.assert_allclose(m.xtx, table.T @ (w[:, None] * table), rtol=1e-10)
    np.testing.assert_allclose(m.xty, table.T @ (w * y), rtol=1e-9)
    np.testing.assert_allclose(m.yty, y @ (w * y), rtol=1e-10)
    np.testing.assert_allclose(m.n, [w[k == label].sum() for label in m.labels], rtol=1e-12)
    np.testing.assert_array_equal(m.counts, np.bincount(k))
    np.testing.assert_allclose(m.log_weights, np.log(w).sum(), rtol=1e-12)
    for j, label in enumerate(m.labels):
        z, v = X[k == label, 0], w[k == label]
        spread = v @ (z - v @ z / v.sum()) ** 2
        np.testing.assert_allclose(m.within_zz[j, 0, 0], spread, rtol=1e-8)


@pytest.mark.parametrize("kind", ["frequency_weights", "precision_weights", "both"])
def test_weighted_chunks_and_sums_are_the_whole(kind):
    rng, X, y, k = rows_of(3, n_rows=200)
    weights = {
        "frequency_weights": rng.integers(0, 4, 200).astype(float),
        "precision_weights": rng.gamma(1.0, size=200),
    }
    if kind != "both":
        weights = {kind: weights[kind]}
    offset = rng.normal(size=200)
    whole = Moments.from_arrays(X, y, k, X[:, :1], **weights, offset=offset, intercept=True)

    def piece(rows):
        own = {name: values[rows] for name, values in weights.items()}
        arrays = {"X": X[rows], "y": y[rows], "clusters": k[rows], "Z": X[rows, :1]}
        return {**arrays, **own, "offset": offset[rows]}

    cuts = np.split(np.arange(200), [30, 31, 150])
    assert_same(Moments.from_chunks([piece(rows) for rows in cuts], intercept=True), whole)
    cuts = np.split(np.arange(200), [30, 60, 150])
    parts = [Moments.from_arrays(**piece(rows), intercept=True) for rows in cuts]
    assert_same(sum(parts), whole)


def test_rows_without_weights_count_one_beside_rows_with():
    rng, X, y, k = rows_of(4)
    w = np.where(np.arange(len(y)) < 50, 1.0, rng.gamma(1.0, size=len(y)))
    first = Moments.from_arrays(X[:50], y[:50], k[:50])
    second = Moments.from_arrays(X[50:], y[50:], k[50:], precision_weights=w[50:])
    whole = Moments.from_arrays(X, y, k, precision_weights=w)
    assert_same(first + second, whole)
    assert_same(second + first, whole)


def test_an_offset_is_subtracted():
    rng, X, y, k = rows_of(5)
    offset = rng.normal(size=len(y))
    assert_same(
        Moments.from_arrays(X, y, k, offset=offset, intercept=True),
        Moments.from_arrays(X, y - offset, k, intercept=True),
        rtol=0,
    )


@pytest.mark.parametrize("method", ["auto", "exact", "outer", "alternating"])
def test_every_method_solves_frequencies_as_repeated_rows(method):
    rng, X, y, k = rows_of(6)
    times = rng.integers(1, 4, len(y))
    again = np.repeat(np.arange(len(y)), times)
    weighted = Moments.from_arrays(X, y, k, frequency_weights=times, intercept=True)
    repeated = Moments.from_arrays(X[again], y[again], k[again], intercept=True)
    a, b = (solve(m, 2, method=method, gap=1e-9) for m in (weighted, repeated))
    np.testing.assert_array_equal(a.support, b.support)
    np.testing.assert_allclose(a.objective, b.objective, rtol=1e-10)
    np.testing.assert_allclose(a.beta[1:], b.beta[1:], rtol=1e-8)
    np.testing.assert_allclose(a.gamma, b.gamma, rtol=1e-8)


def test_a_path_of_frequencies_is_that_of_repeated_rows():
    rng, X, y, k = rows_of(7)
    times = rng.integers(1, 4, len(y))
    again = np.repeat(np.arange(len(y)), times)
    weighted = Moments.from_arrays(X, y, k, frequency_weights=times, intercept=True)
    repeated = Moments.from_arrays(X[again], y[again], k[again], intercept=True)
    for a, b in zip(solve_path(weighted, range(4)), solve_path(repeated, range(4)), strict=True):
        np.testing.assert_array_equal(a.support, b.support)
        np.testing.assert_allclose(a.objective, b.objective, rtol=1e-10)


@pytest.mark.parametrize("budget", [0, 1, 2])
def test_precisions_are_solved_as_every_support_says(budget):
    from itertools import combinations

    rng, X, y, k = rows_of(8)
    w = rng.gamma(0.7, size=len(y))
    m = Moments.from_arrays(X, y, k, precision_weights=w, intercept=True)
    table = np.column_stack([np.ones(len(y)), X - X.mean(axis=0)])
    values = []
    for support in combinations(range(7), budget):
        ones = (k[:, None] == np.array(support, dtype=int)).astype(float)
        A = np.sqrt(w)[:, None] * np.hstack([table, ones])
        ridge = np.diag([0.0] * 4 + [1.0] * budget)
        b = np.sqrt(w) * y
        best = np.linalg.solve(A.T @ A + ridge, A.T @ b)
        values.append((np.sum((b - A @ best) ** 2) + best @ ridge @ best, support))
    value, support = min(values)
    found = solve(m, budget, ridge=1.0, ridge_fixed=0.0, gap=1e-9)
    np.testing.assert_allclose(found.objective, value, rtol=1e-9)
    assert tuple(found.support) == support
    assert found.bound <= value * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_resampled_rows_carry_their_precision(seed):
    rng, X, y, k = rows_of(seed)
    w = rng.gamma(0.7, size=len(y))
    design = Design.from_table(X, y, k, precision_weights=w)
    order = np.argsort(design.codes, kind="stable")
    rows = CentredRows.of(design, True)
    from scs.moments.resampling import drawn_rows

    drawn = order[drawn_rows(rows, np.random.default_rng(seed))]
    copied = Moments.from_arrays(
        X[drawn], y[drawn], k[drawn], precision_weights=w[drawn], intercept=True
    )
    assert_same(resampled_rows(rows, np.random.default_rng(seed))[0], copied, rtol=1e-8)
    found, clusters = resampled_clusters(rows, np.random.default_rng(seed))
    pieces = [np.flatnonzero(design.codes == each) for each in clusters]
    labels = np.repeat(np.arange(len(clusters)), [len(piece) for piece in pieces])
    index = np.concatenate(pieces)
    expected = Moments.from_arrays(
        X[index], y[index], labels, precision_weights=w[index], intercept=True
    )
    assert_same(found, expected, rtol=1e-8)


def test_resampled_frequencies_are_those_of_repeated_rows():
    rng, X, y, k = rows_of(2)
    times = rng.integers(1, 4, len(y))
    again = np.repeat(np.arange(len(y)), times)
    a = CentredRows.of(Design.from_table(X, y, k, frequency_weights=times), False)
    b = CentredRows.of(Design.from_table(X[again], y[again], k[again]), False)
    for draw in (resampled_rows, resampled_clusters):
        one, other = (draw(rows, np.random.default_rng(1))[0] for rows in (a, b))
        assert_same(one, other, rtol=1e-12)


BAD = [
    ({"frequency_weights": [1, 2, -1]}, r"frequency_weights is negative in row 2 \(-1\)"),
    ({"precision_weights": [1, np.nan, 1]}, "precision_weights has a missing value .* row 1"),
    ({"precision_weights": [1, np.inf, 1]}, "precision_weights has an infinite value .* row 1"),
    ({"frequency_weights": [0, 0, 0]}, "frequency_weights is zero in every row"),
    ({"frequency_weights": [1, 1.5, 1]}, "1.5 in row 1, .* precision_weights"),
    ({"frequency_weights": [1, 1]}, "frequency_weights has 2 entries but X has 3 rows"),
    ({"precision_weights": ["a", "b", "c"]}, "precision_weights holds text"),
    ({"precision_weights": np.ones((3, 1))}, r"precision_weights has the shape \(3, 1\)"),
    (
        {"frequency_weights": [1, 0, 0], "precision_weights": [0, 1, 1]},
        "frequency_weights times precision_weights is zero in every row",
    ),
    ({"offset": [0.0, 1.0]}, "offset has 2 entries but X has 3 rows"),
    ({"offset": [0.0, np.nan, 1.0]}, "offset has a missing value"),
]


@pytest.mark.parametrize(("given", "message"), BAD)
def test_what_is_no_weight_is_refused_by_name_and_row(given, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Moments.from_arrays([[1.0], [2.0], [3.0]], [1.0, 2.0, 4.0], ["a", "a", "b"], **given)


def test_weights_with_other_row_labels_are_refused():
    X = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
    weights = pd.Series([1.0, 2.0, 3.0], index=[2, 1, 0])
    with pytest.raises(ValueError, match="precision_weights has other row labels"):
        Moments.from_arrays(X, [1.0, 2.0, 4.0], ["a", "a", "b"], precision_weights=weights)


def test_a_chunk_of_weight_0_adds_nothing():
    chunk = {"X": [[1.0], [2.0]], "y": [1.0, 2.0], "clusters": ["a", "b"]}
    nothing = {"X": [[9.0]], "y": [9.0], "clusters": ["c"], "precision_weights": [0.0]}
    whole = Moments.from_chunks([nothing, chunk, nothing])
    assert whole.labels.tolist() == ["a", "b"] and whole.n_rows == 2
    with pytest.raises(ValueError, match="weight 0 in every row"):
        Moments.from_chunks([nothing])


def test_a_chunk_by_name_says_what_it_lacks():
    with pytest.raises(ValueError, match="chunk 0 has no 'clusters'"):
        Moments.from_chunks([{"X": [[1.0]], "y": [1.0]}])
    with pytest.raises(ValueError, match="chunk 0 has 'weights'"):
        Moments.from_chunks([{"X": [[1.0]], "y": [1.0], "clusters": ["a"], "weights": [1.0]}])
