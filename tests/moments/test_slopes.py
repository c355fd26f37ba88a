"""Moments with random slopes hold what the rows hold, whichever way the rows come in."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from general_problems import slope_rows
from numpy.testing import assert_allclose, assert_array_equal
from test_files import NAMES, table, write
from test_moments import assert_same

from scs import DesignWarning, Moments, SlopeMoments
from scs.baselines.gaussian import fit_gaussian
from scs.baselines.laplace import loglik_laplace
from scs.baselines.ols import fit_ols
from scs.data.design import Design
from scs.data.rank import Rank
from scs.inference.background import Between
from scs.inference.certified import background_at
from scs.inference.intervals import model_intervals
from scs.inference.mundlak import within_between
from scs.inference.naming import name_clusters
from scs.moments.rank import keep_columns
from scs.moments.resampling import CentredRows, drawn_rows, resampled_clusters, resampled_rows

SLOPES = ["x1", "x3"]


def direct(frame, slopes=("x1", "x3"), covariates=("x1", "x2", "x3")):
    X, Z = (frame[list(columns)].astype(float) for columns in (covariates, slopes))
    return Moments.from_arrays(X, frame["y"], frame["school"], Z, intercept=True)


def exact_products(a, b):
    """Sum of products about the means of two columns, in rational arithmetic, and a's mean."""
    a, b = ([Fraction(float(value)) for value in column] for column in (a, b))
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    return float(sum((p - mean_a) * (q - mean_b) for p, q in zip(a, b))), float(mean_a)


@pytest.mark.parametrize("far", [0.0, 1e7])
@pytest.mark.parametrize("seed", range(6))
def test_each_cluster_has_the_products_of_its_own_rows(seed, far):
    rows = slope_rows(seed, n_slopes=2)
    X, Z = rows.X + far, rows.Z - far
    moments = Moments.from_arrays(X, rows.y, rows.clusters, Z, intercept=rows.intercept)
    first = int(rows.intercept)
    for k in range(rows.n_clusters):
        mine = rows.clusters == k
        for q in range(2):
            for r in range(2):
                expected, mean = exact_products(Z[mine, q], Z[mine, r])
                assert moments.within_zz[k, q, r] == pytest.approx(expected, rel=1e-8, abs=1e-8)
                assert moments.mean_z[k, q] == pytest.approx(mean, rel=1e-15)
            for j in range(X.shape[1]):
                expected, _ = exact_products(Z[mine, q], X[mine, j])
                found = moments.within_zx[k, q, first + j]
                assert found == pytest.approx(expected, rel=1e-7, abs=1e-7)
            expected, _ = exact_products(Z[mine, q], rows.y[mine])
            assert moments.within_zy[k, q] == pytest.approx(expected, rel=1e-8, abs=1e-8)
    assert not moments.within_zx[:, :, :first].any()


def test_more_rows_than_are_summed_at_a_time():
    rng = np.random.default_rng(0)
    n = 40_000
    clusters, Z, y = rng.integers(0, 3, n), rng.normal(size=(n, 1)) + 5, rng.normal(size=n)
    moments = Moments.from_arrays(Z * 2, y, clusters, Z)
    for k in range(3):
        z, mine = Z[clusters == k, 0], y[clusters == k]
        centred = z - z.mean()
        assert moments.mean_z[k, 0] == pytest.approx(z.mean(), rel=1e-13)
        assert moments.within_zz[k, 0, 0] == pytest.approx(centred @ centred, rel=1e-12)
        assert moments.within_zx[k, 0, 0] == pytest.approx(2 * centred @ centred, rel=1e-12)
        assert moments.within_zy[k, 0] == pytest.approx(centred @ mine, rel=1e-9)


def test_one_type_with_or_without_slopes():
    rows = slope_rows(3)
    assert SlopeMoments is Moments
    old = SlopeMoments.from_arrays(rows.X, rows.y, rows.clusters, rows.Z, intercept=True)
    new = Moments.from_arrays(rows.X, rows.y, rows.clusters, intercept=True, Z=rows.Z)
    assert_same(old, new, rtol=0)
    alone = Moments.from_arrays(rows.X, rows.y, rows.clusters, intercept=True)
    assert_same(new.base, alone, rtol=0)
    assert alone.base is alone
    assert (new.n_effects, alone.n_effects) == (2, 1)
    assert alone.effect_names == ("intercept",)
    K, P = alone.mean_x.shape
    shapes = [alone.mean_z.shape, alone.within_zz.shape, alone.within_zx.shape]
    assert shapes == [(K, 0), (K, 0, 0), (K, 0, P)]  # no memory
    assert alone.within_zy.shape == (K, 0)


@pytest.mark.parametrize("seed", range(12))
def test_chunks_and_sums_give_the_moments_of_all_rows(seed):
    rows = slope_rows(seed, n_slopes=1 + seed % 3)
    rng = np.random.default_rng(seed)
    labels = np.array([f"c{k}" for k in range(rows.n_clusters)])[rows.clusters]
    order = rng.permutation(len(rows.y))
    pieces = [part for part in np.array_split(order, rng.integers(1, 7)) if len(part)]
    chunks = [(rows.X[part], rows.y[part], labels[part], rows.Z[part]) for part in pieces]
    whole = Moments.from_arrays(rows.X, rows.y, labels, rows.Z, intercept=rows.intercept)
    assert_same(Moments.from_chunks(iter(chunks), intercept=rows.intercept), whole)
    each = [Moments.from_arrays(*chunk, intercept=rows.intercept) for chunk in chunks]
    assert_same(sum(each), whole)
    assert_same(sum(each[::-1]), whole)


def test_a_column_that_is_one_throughout_a_chunk_is_no_column_of_ones():
    X, y, clusters = np.arange(8.0)[:, None], np.arange(8.0) ** 2, np.array(list("abababab"))
    Z = np.array([1.0] * 4 + [0.0, 1.0] * 2)[:, None]
    chunks = [(X[part], y[part], clusters[part], Z[part]) for part in (slice(4), slice(4, 8))]
    assert_same(Moments.from_chunks(chunks), Moments.from_arrays(X, y, clusters, Z))
    # Nor is one whose mean is 1 in each cluster.
    Z = np.where(np.arange(8) < 4, 0.5, 1.5)[:, None]
    assert (Moments.from_arrays(X, y, clusters, Z).mean_z == 1).all()
    ones = [(*chunk[:3], np.ones((4, 1))) for chunk in chunks]
    with pytest.raises(ValueError, match=r"Z column 'z1' is constant"):
        Moments.from_chunks(ones)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("batch_rows", [1, 37, 1000])
def test_files_give_the_moments_of_all_rows(tmp_path, kind, batch_rows):
    frame = table()
    for i, part in enumerate(np.array_split(np.random.default_rng(1).permutation(200), 3)):
        piece = frame.iloc[part]
        if kind == "csv":
            piece.astype({"x3": int}).to_csv(tmp_path / f"{i}.csv", index=False)
        else:
            write(piece, tmp_path / f"{i}.parquet", row_group_size=30)
    found = Moments.from_files(
        tmp_path, **NAMES, slopes=SLOPES, intercept=True, batch_rows=batch_rows
    )
    assert_same(found, direct(frame), rtol=1e-9)
    shared = Moments.from_files(tmp_path, **NAMES, slopes=SLOPES, intercept=True, n_jobs=2)
    alone = Moments.from_files(tmp_path, **NAMES, slopes=SLOPES, intercept=True)
    assert_same(shared, alone, rtol=0)


def test_slopes_need_not_be_covariates_and_may_be_categories(tmp_path):
    frame = table().assign(region=np.resize(["west", "east", "north"], 200))
    path = write(frame, tmp_path / "a.parquet")
    options = {"covariates": ["x2"], "intercept": True}
    found = Moments.from_files(path, **NAMES, slopes=["x1"], **options)
    assert_same(found, direct(frame, ["x1"], ["x2"]), rtol=1e-9)
    found = Moments.from_files(path, **NAMES, slopes=["region"], categories=["region"], **options)
    for level in ("north", "west"):
        frame[f"region[T.{level}]"] = frame["region"] == level
    assert_same(found, direct(frame, ["region[T.north]", "region[T.west]"], ["x2"]), rtol=1e-9)


def test_rows_without_a_slope_are_left_out_or_refused(tmp_path):
    frame = table()
    frame.loc[[3, 130], "x1"] = np.nan
    path = write(frame, tmp_path / "a.parquet")
    options = {**NAMES, "covariates": ["x2"], "slopes": ["x1"], "intercept": True}
    with pytest.raises(ValueError, match=r"missing value in column 'x1', row 4"):
        Moments.from_files(path, **options)
    with pytest.warns(DesignWarning, match=r"2 of 200 rows were left out"):
        found = Moments.from_files(path, **options, missing="drop")
    assert_same(found, direct(frame.dropna(), ["x1"], ["x2"]), rtol=1e-9)


@pytest.mark.parametrize("npartitions", [1, 2, 20])
def test_dask_gives_the_moments_of_all_rows(npartitions):
    dask = pytest.importorskip("dask", reason="Dask is an extra")
    dd = pytest.importorskip("dask.dataframe", reason="Dask is an extra")
    frame = table()
    with dask.config.set(scheduler="synchronous"):
        parts = dd.from_pandas(frame, npartitions=npartitions)
        found = Moments.from_dask(parts, **NAMES, slopes=SLOPES, intercept=True)
    assert_same(found, direct(frame), rtol=1e-9)


def test_what_is_wrong_with_slopes_is_said(tmp_path):
    path = write(table().assign(note="text", one=1), tmp_path / "a.parquet")
    for slopes, error, words in (
        (["x9"], ValueError, r"slopes: there is no column 'x9'"),
        (["school"], ValueError, r"slopes: 'school' is the outcome or the cluster"),
        (["x1", "x1"], ValueError, r"slopes: 'x1' is named twice"),
        (["note"], TypeError, r"slope 'note' holds text: pass categories=\['note'\] .* of slopes"),
        (["one"], ValueError, r"Z column 'one' is constant"),
    ):
        with pytest.raises(error, match=words):
            Moments.from_files(path, **NAMES, covariates=["x1"], slopes=slopes)
    rows = slope_rows(1)
    with_z = (rows.X, rows.y, rows.clusters, rows.Z)
    with pytest.raises(ValueError, match=r"chunk 1 has slopes of \(\), these moments of \('z1',\)"):
        Moments.from_chunks([with_z, with_z[:3]])
    with pytest.raises(ValueError, match=r"chunk 0 has 2 parts"):
        Moments.from_chunks([with_z[:2]])
    with pytest.raises(ValueError, match=r"other has slopes of"):
        Moments.from_arrays(*with_z) + Moments.from_arrays(*with_z[:3])
    X, Z = pd.DataFrame(rows.X), pd.DataFrame(rows.Z, index=np.arange(len(rows.y)) + 1)
    with pytest.raises(ValueError, match=r"Z has other row labels than X"):
        Moments.from_arrays(X, rows.y, rows.clusters, Z)
    with pytest.raises(ValueError, match=r"Z has other row labels than X"):
        Moments.from_chunks([(X, rows.y, rows.clusters, Z)])


def sorted_rows(seed):
    rows = slope_rows(seed, n_clusters=6, n_slopes=2)
    mixed = np.random.default_rng(seed).permutation(len(rows.y))
    design = Design.from_table(rows.X[mixed], rows.y[mixed], rows.clusters[mixed])
    Z = rows.Z[mixed] + 100.0 * (seed % 2)
    centred = CentredRows.of(design, rows.intercept, Z, ("a", "b"))
    return centred, design, pd.DataFrame(Z, columns=["a", "b"])


def assert_close(found, expected):
    for name in (*vars(expected),):
        if getattr(expected, name) is None:
            assert getattr(found, name) is None
        elif name not in ("labels", "names", "slope_names"):
            assert_allclose(
                getattr(found, name), getattr(expected, name), rtol=1e-9, atol=1e-9, err_msg=name
            )
    assert found.slope_names == expected.slope_names


@pytest.mark.parametrize("seed", range(8))
def test_moments_of_drawn_rows_are_those_of_the_copied_rows(seed):
    rows, design, Z = sorted_rows(seed)
    order = np.argsort(design.codes, kind="stable")
    drawn = order[drawn_rows(rows, np.random.default_rng(seed))]
    arrays = (design.X[drawn], design.y[drawn], design.codes[drawn], Z.iloc[drawn])
    copied = Moments.from_arrays(*arrays, intercept=rows.intercept)
    found, clusters = resampled_rows(rows, np.random.default_rng(seed))
    assert_array_equal(clusters, np.arange(6))
    assert_close(found, copied)


@pytest.mark.parametrize("seed", range(8))
def test_a_cluster_drawn_twice_enters_as_two(seed):
    rows, design, Z = sorted_rows(seed)
    found, drawn = resampled_clusters(rows, np.random.default_rng(seed))
    pieces = [np.flatnonzero(design.codes == k) for k in drawn]
    labels = np.repeat(np.arange(len(drawn)), [len(piece) for piece in pieces])
    index = np.concatenate(pieces)
    arrays = (design.X[index], design.y[index], labels, Z.iloc[index])
    assert_close(found, Moments.from_arrays(*arrays, intercept=rows.intercept))


def test_columns_left_out_are_left_out_of_the_products_with_slopes():
    rows = slope_rows(2, n_columns=3, intercept=True)
    kept = keep_columns(rows.moments(), Rank(("x1", "x2", "x3"), np.array([0, 2]), {}, True))
    fewer = pd.DataFrame(rows.X[:, [0, 2]], columns=["x1", "x3"])
    expected = Moments.from_arrays(fewer, rows.y, rows.clusters, rows.Z, intercept=True)
    assert_same(kept, expected, rtol=1e-12)


@pytest.mark.parametrize(
    "use",
    [
        fit_ols,
        fit_gaussian,
        lambda m: loglik_laplace(m, np.zeros(m.n_columns), 1.0, 1.0),
        Between.from_moments,
        lambda m: background_at(m, 1),
        name_clusters,
        within_between,
        lambda m: model_intervals(m, np.zeros(m.n_columns), np.zeros(m.n_clusters), ridge=1.0),
    ],
)
def test_what_knows_no_slopes_refuses_them(use):
    """Without the refusal it would answer for another model."""
    rows = slope_rows(4, n_clusters=7, n_columns=1, intercept=True)
    moments = rows.moments()
    with pytest.raises(ValueError, match=r"random slopes of z1: pass moments.base"):
        use(moments)
    use(moments.base)
