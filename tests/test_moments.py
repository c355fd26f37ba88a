"""Moments hold what Eq. 5 needs of the rows, whatever order, names or pieces the rows come in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import random_rows

from scs import Moments, solve


def moments_of(rows, order=slice(None)):
    return Moments.from_arrays(
        rows.X[order], rows.y[order], rows.clusters[order], intercept=rows.intercept
    )


def assert_same(a, b, rtol=1e-10):
    np.testing.assert_array_equal(a.labels, b.labels)
    assert a.names == b.names
    for name in ("n", "mean_x", "mean_y", "within_xx", "within_xy", "within_yy"):
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


@settings(max_examples=60, deadline=None)
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


def test_the_order_of_a_merge_does_not_matter():
    rows = random_rows(3, n_clusters=9)
    third = len(rows.y) // 3
    a, b, c = (
        moments_of(rows, part)
        for part in (slice(0, third), slice(third, 2 * third), slice(2 * third, None))
    )
    assert_same((a + b) + c, a + (b + c))
    assert_same(a + b, b + a)


@settings(max_examples=25, deadline=None)
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
