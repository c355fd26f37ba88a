"""Moments hold what Eq. 5 needs of the rows, whatever order, names or pieces the rows come in."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import Rows, random_rows

from scs import Moments, solve


def moments_of(rows, order=slice(None)):
    return Moments.from_arrays(
        rows.X[order], rows.y[order], rows.clusters[order], intercept=rows.intercept
    )


def assert_same(a, b, rtol=1e-10):
    np.testing.assert_array_equal(a.labels, b.labels)
    assert (a.names, a.slope_names) == (b.names, b.slope_names)
    of_slopes = ("mean_z", "within_zz", "within_zx", "within_zy")
    for name in ("n", "mean_x", "mean_y", "within_xx", "within_xy", "within_yy", *of_slopes):
        expected = np.asarray(getattr(b, name))
        scale = np.abs(expected).max(initial=1.0)
        np.testing.assert_allclose(getattr(a, name), expected, rtol=0, atol=rtol * scale)


@pytest.mark.parametrize("seed", range(8))
def test_cross_products_are_those_of_the_rows(seed):
    rows = random_rows(seed)
    moments = moments_of(rows)
    X = np.column_stack([np.ones(len(rows.y)), rows.X]) if rows.intercept else rows.X
    np.testing.assert_allclose(moments.xtx, X.T @ X, rtol=1e-11)
    np.testing.assert_allclose(moments.xty, X.T @ rows.y, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(moments.yty, rows.y @ rows.y, rtol=1e-12)
    for k in range(rows.n_clusters):
        mine = rows.clusters == k
        assert moments.n[k] == mine.sum()
        np.testing.assert_allclose(moments.mean_x[k], X[mine].mean(axis=0), atol=1e-12)
    assert moments.n_rows == len(rows.y)


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), pieces=st.integers(1, 5))
def test_pieces_merge_to_the_whole(seed, pieces):
    rows = random_rows(seed)
    order = np.random.default_rng(seed).permutation(len(rows.y))
    chunks = [
        (rows.X[part], rows.y[part], rows.clusters[part])
        for part in np.array_split(order, pieces)
        if len(part)
    ]
    assert_same(Moments.from_chunks(iter(chunks), intercept=rows.intercept), moments_of(rows))


LABELS = {
    "whole numbers": lambda k: k * 7 - 20,
    "large ones": lambda k: 2**60 + k,  # a float would not tell them apart
    "text": lambda k: f"school {k}",
    "dates": lambda k: np.datetime64("2020-01-01") + k,
    "tuples": lambda k: ("a", k),
    "floats": lambda k: k / 4,
}


def as_labels(kind, clusters):
    labels = [LABELS[kind](int(k)) for k in clusters]
    return labels if kind in ("text", "tuples") else np.array(labels)


@pytest.mark.slow
@settings(max_examples=150)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(sorted(LABELS)), data=st.data())
def test_any_split_in_any_order_gives_the_same_moments(seed, kind, data):
    """Every row is dealt to some chunk, so that clusters are spread over all of them."""
    rows = random_rows(seed)
    n_chunks = data.draw(st.integers(1, 9))
    dealt = np.random.default_rng(seed).integers(0, n_chunks, len(rows.y))
    order = data.draw(st.permutations(range(n_chunks)))
    chunks = [
        (rows.X[dealt == i], rows.y[dealt == i], as_labels(kind, rows.clusters[dealt == i]))
        for i in order
        if (dealt == i).any()
    ]
    found = Moments.from_chunks(chunks, intercept=rows.intercept)
    whole = Moments.from_arrays(
        rows.X, rows.y, as_labels(kind, rows.clusters), intercept=rows.intercept
    )
    assert_same(found, whole, rtol=1e-12)
    assert_same(sum(Moments.from_arrays(*c, intercept=rows.intercept) for c in chunks), whole)


def test_numbers_of_several_types_are_one_kind_of_label():
    rows = random_rows(5, n_clusters=9, intercept=False)
    deal = np.arange(len(rows.y)) % 4
    types = [np.int8, np.int64, float, np.uint16]
    chunks = [
        (rows.X[deal == i], rows.y[deal == i], rows.clusters[deal == i].astype(types[i]))
        for i in range(4)
    ]
    assert_same(Moments.from_chunks(chunks), moments_of(rows))
    assert_same(Moments.from_chunks(chunks[:2]), moments_of(rows, deal < 2))


def test_labels_of_two_kinds_do_not_merge():
    a = Moments.from_arrays([[1.0]], [1.0], [1])
    b = Moments.from_arrays([[1.0]], [1.0], ["1"])
    with pytest.raises(TypeError, match="labels of type str, but those known are of type number"):
        a + b
    with pytest.raises(TypeError, match="labels of type str"):
        Moments.from_chunks([([[1.0]], [1.0], [1]), ([[1.0]], [1.0], ["1"])])


def exact_moments(rows):
    """Cluster means and centred products of [X, y] in rational arithmetic."""
    table = [[Fraction(float(v)) for v in row] for row in np.column_stack([rows.X, rows.y])]
    columns = range(len(table[0]))
    means, products = [], [[Fraction(0)] * len(columns) for _ in columns]
    for k in range(rows.n_clusters):
        mine = [row for row, cluster in zip(table, rows.clusters) if cluster == k]
        mean = [sum(column) / len(mine) for column in zip(*mine)]
        means.append([float(v) for v in mean])
        for i in columns:
            for j in columns:
                products[i][j] += sum((r[i] - mean[i]) * (r[j] - mean[j]) for r in mine)
    return np.array(means), np.array(products, dtype=float)


@pytest.mark.parametrize("shift", [0.0, 1e6, 1e9])
@pytest.mark.parametrize("n_chunks", [1, 5, 40])
def test_moments_are_those_of_rational_arithmetic(shift, n_chunks):
    rows = random_rows(7, n_clusters=6, intercept=False)
    rows = Rows(rows.X + shift, rows.y - 3 * shift, rows.clusters, False)
    order = np.random.default_rng(0).permutation(len(rows.y))
    chunks = [
        (rows.X[part], rows.y[part], rows.clusters[part])
        for part in np.array_split(order, n_chunks)
        if len(part)
    ]
    found = Moments.from_chunks(chunks)
    means, products = exact_moments(rows)
    np.testing.assert_allclose(found.mean_x, means[:, :-1], rtol=1e-15, atol=1e-15)
    # The mean of every piece is rounded at the size of the data, and so is a distance of two.
    digits = 1e-14 + 1e-15 * shift
    scale = np.sqrt(np.outer(np.diag(products), np.diag(products)))
    assert (np.abs(found.within_xx - products[:-1, :-1]) <= digits * scale[:-1, :-1]).all()
    assert (np.abs(found.within_xy - products[:-1, -1]) <= digits * scale[:-1, -1]).all()
    assert found.within_yy == pytest.approx(products[-1, -1], rel=digits)


def test_the_order_of_a_merge_does_not_matter():
    rows = random_rows(3, n_clusters=9)
    third = len(rows.y) // 3
    a, b, c = (
        moments_of(rows, part)
        for part in (slice(0, third), slice(third, 2 * third), slice(2 * third, None))
    )
    assert_same((a + b) + c, a + (b + c))
    assert_same(a + b, b + a)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), budget=st.integers(0, 6))
def test_row_order_labels_and_chunks_change_no_solution(seed, budget):
    rows = random_rows(seed)
    rng = np.random.default_rng(seed + 1)
    first = solve(moments_of(rows), budget, gap=1e-8)
    order = rng.permutation(len(rows.y))
    shuffled = solve(moments_of(rows, order), budget, gap=1e-8)
    assert shuffled.objective == pytest.approx(first.objective, rel=3e-8)

    names = rng.permutation(rows.n_clusters)
    renamed = Moments.from_arrays(rows.X, rows.y, names[rows.clusters], intercept=rows.intercept)
    assert solve(renamed, budget, gap=1e-8).objective == pytest.approx(first.objective, rel=3e-8)

    scaled = Moments.from_arrays(rows.X, 1000.0 * rows.y, rows.clusters, intercept=rows.intercept)
    solution = solve(scaled, budget, gap=1e-8)
    assert solution.objective == pytest.approx(1e6 * first.objective, rel=3e-8)
    if np.array_equal(solution.support, first.support):  # ties may break either way
        np.testing.assert_allclose(solution.gamma, 1000 * first.gamma, rtol=1e-6, atol=1e-6)


def test_data_far_from_zero_lose_no_digits():
    rows = random_rows(11, n_clusters=8, intercept=True)
    near = solve(moments_of(rows), 3, gap=1e-8)
    far = Moments.from_arrays(rows.X + 1e6, rows.y - 1e7, rows.clusters, intercept=True)
    assert solve(far, 3, gap=1e-8).objective == pytest.approx(near.objective, rel=1e-6)


def test_merging_needs_the_same_columns():
    a = Moments.from_arrays([[1.0, 2.0]], [1.0], ["a"])
    b = Moments.from_arrays([[1.0]], [1.0], ["a"])
    with pytest.raises(ValueError, match=r"different columns.*merge moments of the same columns"):
        a + b
    with pytest.raises(ValueError, match=r"chunks is empty"):
        Moments.from_chunks([])
    with pytest.raises(TypeError):
        a + 1
