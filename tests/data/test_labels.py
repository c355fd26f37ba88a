"""Cluster labels never merge, split or appear from nowhere, whatever the container.

The oracle is Python's own equality of the labels: their sorted set, and the rows of each.
"""

import warnings
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scs
from scs import LabelWarning, Moments, SignificantClusterRegressor, solve
from scs.cli import main
from scs.data.alike import find_alike, folded
from scs.data.columns import choose_columns
from scs.data.labels import as_clusters, as_written, coded_labels, find_labels, joined_labels
from scs.data.sources import open_source
from scs.data.tables import open_table, read_columns
from scs.moments.files import read_batches, read_files
from scs.moments.moments import SlopeMoments

BIG, LARGER = 2**53, 2**63
TEXT = st.text("aAb\0 \xa0é\u0301e7?", min_size=1, max_size=4)
FAMILIES = {
    "int64": st.integers(BIG, BIG + 9) | st.integers(-LARGER, LARGER - 1),
    "uint64": st.integers(LARGER, LARGER + 9) | st.integers(0, 2**64 - 1),
    "text": TEXT | st.sampled_from(["NA", "nan", "None", "?", "", "N/A", "007", "7", "1E5"]),
    "bool": st.booleans(),
    "date": st.dates(date(1700, 1, 1), date(2200, 1, 1)),
}
ARROW = {
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "text": pa.string(),
    "bool": pa.bool_(),
    "date": pa.date32(),
}
quiet = pytest.mark.filterwarnings("ignore::scs.LabelWarning", "ignore::scs.DesignWarning")


def masked(labels, family):
    hidden = [label is None for label in labels]
    filler = next(label for label in labels if label is not None)
    filled = [filler if label is None else label for label in labels]
    return np.ma.MaskedArray(as_numpy(filled, family), mask=hidden)


def as_numpy(labels, family):
    """The type that keeps every label: NumPy's own text would drop a NUL at the end."""
    types = {"int64": np.int64, "uint64": np.uint64, "bool": bool, "date": "M8[D]"}
    return np.array(labels, dtype=types.get(family, object))


def as_category(labels, family):
    values = sorted({label for label in labels if label is not None})
    levels = pd.Index(values, dtype=object if family in ("text", "date") else family)
    return pd.Categorical.from_codes(
        [-1 if label is None else values.index(label) for label in labels], levels
    )


def nullable(labels, family):
    dtypes = {"int64": "Int64", "uint64": "UInt64", "text": "string", "bool": "boolean"}
    return pd.array(labels, dtype=dtypes.get(family, object))


def arrow_backed(labels, family):
    return pd.array(pa.array(labels, ARROW[family]), dtype=pd.ArrowDtype(ARROW[family]))


def polars(labels, family):
    return pl.Series(pl.from_arrow(pa.array(labels, ARROW[family])))


# Each takes labels, None where one is missing, and the name of their family.
CONTAINERS = {
    "list": lambda labels, _: list(labels),
    "objects": lambda labels, _: as_objects(labels),
    "masked": masked,
    "pandas objects": lambda labels, _: pd.Series(as_objects(labels), dtype=object),
    "nullable": lambda labels, family: pd.Series(nullable(labels, family)),
    "arrow-backed": lambda labels, family: pd.Series(arrow_backed(labels, family)),
    "categories": lambda labels, family: pd.Series(as_category(labels, family)),
    "bare categories": as_category,
    "index": lambda labels, family: pd.Index(arrow_backed(labels, family)),
    "polars": polars,
    "arrow": lambda labels, family: pa.array(labels, ARROW[family]),
    "chunked": lambda labels, family: pa.chunked_array([labels[:2], labels[2:]], ARROW[family]),
    "dictionary": lambda labels, family: pa.array(labels, ARROW[family]).dictionary_encode(),
}


def as_objects(labels):
    return np.fromiter(labels, dtype=object, count=len(labels))


@st.composite
def labelled(draw, families=tuple(FAMILIES), missing=True, fewest=2):
    """A family, and 24 labels of it of which some may be missing; each occurs twice at least."""
    family = draw(st.sampled_from(families))
    distinct = draw(st.lists(FAMILIES[family], min_size=fewest, max_size=6, unique=True))
    more = draw(st.lists(st.sampled_from(distinct), min_size=24 - 2 * len(distinct), max_size=24))
    labels = draw(st.permutations([*distinct, *distinct, *more[: 24 - 2 * len(distinct)]]))
    for row in draw(st.sets(st.integers(0, 23), max_size=3)) if missing else ():
        labels[row] = None
    return family, labels


def numbers(labels):
    rng = np.random.default_rng(7)
    return rng.normal(size=len(labels)), rng.normal(size=len(labels))


def expected(labels):
    """The labels there are, and the moments and the solution with these numbered by hand."""
    return _expected(tuple(labels))


@cache
def _expected(labels):
    kept = [row for row, label in enumerate(labels) if label is not None]
    names = sorted({labels[row] for row in kept})
    x, y = (values[kept] for values in numbers(labels))
    codes = [names.index(labels[row]) for row in kept]
    moments = Moments.from_arrays(pd.DataFrame({"x": x}), y, codes, intercept=True)
    return names, moments, solve(moments, 1)


def assert_as_expected(found, solution, labels, rtol=0.0):
    names, moments, best = expected(labels)
    assert as_plain(found.labels) == names
    counts = Counter(label for label in labels if label is not None)
    assert found.n.tolist() == [counts[name] for name in names]
    np.testing.assert_allclose(found.mean_y, moments.mean_y, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(solution.objective, best.objective, rtol=rtol)
    if rtol and len(names) == 2:
        return  # each of two clusters may be the one that differs: rounding decides
    np.testing.assert_array_equal(solution.support, best.support)
    np.testing.assert_allclose(solution.gamma, best.gamma, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(solution.beta, best.beta, rtol=rtol, atol=rtol)


def as_plain(labels):
    """Labels as Python's own; a date may come as a time at midnight from what has no dates."""
    if labels.dtype.kind == "M":
        labels = labels.astype("M8[D]")
    return labels.tolist()


@quiet
@settings(max_examples=60, deadline=None, derandomize=True)
@given(labelled())
def test_every_container_gives_the_same_codes_and_labels(case):
    family, labels = case
    names = sorted({label for label in labels if label is not None})
    codes = [-1 if label is None else names.index(label) for label in labels]
    messages = set()
    for name, build in CONTAINERS.items():
        container = build(labels, family)
        found, distinct = coded_labels(container)
        assert [None if k < 0 else as_plain(distinct)[k] for k in found] == labels, name
        assert find_labels(as_numpy(names, family), container).tolist() == codes, name
        if None in labels:
            with pytest.raises(ValueError, match=r"^clusters has a missing label") as error:
                as_clusters(container, len(labels))
            messages.add(str(error.value))
        else:
            again, ordered = as_clusters(container, len(labels))
            assert (again.tolist(), as_plain(ordered)) == (codes, names), name
    if None in labels:
        (message,) = messages  # one rule, and one way to say it
        assert f" in row {labels.index(None)} ({labels.count(None)} in all)" in message


TABLES = {
    "columns": lambda c, f: c("list"),
    "pandas objects": lambda c, f: pd.DataFrame(c("pandas objects")),
    "nullable": lambda c, f: pd.DataFrame(c("nullable")),
    "arrow-backed": lambda c, f: pd.DataFrame(c("arrow-backed")),
    "categories": lambda c, f: pd.DataFrame(c("categories")),
    "polars": lambda c, f: pl.DataFrame(c("polars")),
    "arrow": lambda c, f: pa.table(c("chunked")),
    "dictionary": lambda c, f: pa.table(c("dictionary")),
}


def tables(labels, family):
    """The same rows as a table of every kind."""
    x, y = numbers(labels)

    def columns(container):
        return {"x": x, "y": y, "g": CONTAINERS[container](labels, family)}

    return {name: build(columns, family) for name, build in TABLES.items()}


@quiet
@settings(max_examples=12, deadline=None, derandomize=True)
@given(labelled())
def test_every_table_gives_the_same_fit_and_the_same_predictions(case):
    family, labels = case
    predictions = set()
    for table in tables(labels, family).values():
        model = scs.fit("y ~ x", table, "g", 1, missing="drop", background="none", ridge_fixed=1.0)
        # Rows are summed up in the order of their content: last digits differ from those by hand.
        assert_as_expected(model.moments, model.solution, labels, rtol=1e-11)
        assert model.rows.n_dropped == labels.count(None)
        predictions.add(tuple(model.predict(table)))
    assert len(predictions) == 1
    x, _ = numbers(labels)
    best = expected(labels)[2]
    names = expected(labels)[0]
    if len(names) == 2 and list(model.solution.support) != list(best.support):
        return  # each of two clusters may be the one that differs
    known = [row for row, label in enumerate(labels) if label is not None]
    own = best.gamma[[names.index(labels[row]) for row in known]]
    found = np.array(predictions.pop())[known]
    np.testing.assert_allclose(found, best.beta[0] + x[known] * best.beta[1] + own, rtol=1e-9)


@quiet
@settings(max_examples=12, deadline=None, derandomize=True)
@given(labelled())
def test_estimators_arrays_chunks_and_sums_agree(case):
    family, labels = case
    kept = [label for label in labels if label is not None]
    x, y = numbers(labels)
    there = np.array([label is not None for label in labels])
    X, y = pd.DataFrame({"x": x[there]}), y[there]
    for build in CONTAINERS.values():
        clusters = build(kept, family)
        whole = Moments.from_arrays(X, y, clusters, intercept=True)
        model = SignificantClusterRegressor(1, ridge_fixed=None).fit(X, y, clusters)
        assert_as_expected(whole, model.solution_, labels, rtol=1e-11)
        own = model.predict(X, clusters) - model.intercept_ - X["x"].to_numpy() * model.coef_
        codes = as_clusters(kept, len(kept))[0]
        np.testing.assert_allclose(own, model.solution_.gamma[codes], atol=1e-12)
    # Chunks in containers of different kinds, cut where one may hold small numbers only.
    parts = [slice(0, 5), slice(5, 6), slice(6, None)]
    kinds = ["list", "arrow-backed", "polars"]
    chunks = [
        (X[part].reset_index(drop=True), y[part], CONTAINERS[kind](kept[part], family))
        for part, kind in zip(parts, kinds, strict=True)
    ]
    merged = Moments.from_chunks(chunks, intercept=True)
    assert_as_expected(merged, solve(merged, 1), labels, rtol=1e-11)
    added = sum(Moments.from_arrays(*chunk, intercept=True) for chunk in chunks)
    assert_as_expected(added, solve(added, 1), labels, rtol=1e-11)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("labels")


@quiet
@settings(max_examples=12, deadline=None, derandomize=True)
@given(labelled())
def test_parquet_through_both_readers(folder, case):
    family, labels = case
    x, y = numbers(labels)
    for kind in ("arrow", "dictionary"):
        path = folder / f"{kind}.parquet"
        table = pa.table({"x": x, "y": y, "g": CONTAINERS[kind](labels, family)})
        pq.write_table(table, path, row_group_size=7)
        found = Moments.from_files(
            path, outcome="y", cluster="g", intercept=True, missing="drop", batch_rows=5
        )
        assert_as_expected(found, solve(found, 1), labels, rtol=1e-11)
        read = read_columns(open_table(path), ["y", "x", "g"], labels=["g"])
        model = scs.fit("y ~ x", read, "g", 1, missing="drop", background="none", ridge_fixed=1.0)
        assert_as_expected(model.moments, model.solution, labels, rtol=1e-11)


WRITTEN = ["007", "7", "1E5", "100000", "01", "1", "+1", "-1", "1.0", "0", "-0", " 7", "true", "NA"]
WRITTEN += ["2020-01-01", str(2**64 - 1), str(BIG), str(BIG + 1), "0x10", "1_0", "٣", "inf"]


def as_read(labels):
    """What a CSV file's labels are: text, unless all are whole numbers as `str` writes them."""
    there = [label for label in labels if label is not None]
    whole = all(label.lstrip("-").isdecimal() and label.isascii() for label in there)
    if whole and all(str(int(label)) == label for label in there):
        return [None if label is None else int(label) for label in labels]
    return labels


@quiet
@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(WRITTEN), min_size=2, max_size=6, unique=True)
    | st.lists(st.integers(-9, 2**64 - 1).map(str), min_size=2, max_size=5, unique=True)
    | st.lists(TEXT.filter(str.strip), min_size=2, max_size=5, unique=True),
    st.booleans(),
)
def test_csv_through_both_readers(folder, distinct, gap):
    whole = as_read(distinct)
    if isinstance(whole[0], int) and min(whole) < 0 and max(whole) >= LARGER:
        whole = distinct  # no type of 64 bits holds both
    labels, written = 4 * whole, 4 * distinct
    if gap:
        labels[3] = written[3] = None
    x, y = numbers(labels)
    path = folder / "table.csv"
    pd.DataFrame({"x": x, "y": y, "g": written}).to_csv(path, index=False)
    shared = {"outcome": "y", "cluster": "g", "intercept": True, "missing": "drop"}
    found = Moments.from_files(path, **shared, keep_na_text=True, batch_rows=3)
    assert_as_expected(found, solve(found, 1), labels, rtol=1e-11)
    read = read_columns(open_table(path, keep_na_text=True), ["y", "x", "g"], labels=["g"])
    model = scs.fit("y ~ x", read, "g", 1, missing="drop", background="none", ridge_fixed=1.0)
    assert_as_expected(model.moments, model.solution, labels, rtol=1e-11)
    np.testing.assert_array_equal(found.labels, model.moments.labels)
    assert found.labels.dtype == model.moments.labels.dtype


@quiet
@settings(max_examples=8, deadline=None, derandomize=True)
@given(labelled(families=("int64", "uint64", "text", "bool")))
def test_dask_with_every_kind_of_column(case):
    dask = pytest.importorskip("dask", reason="Dask is an extra: pip install '.[dask]'")
    dd = pytest.importorskip("dask.dataframe", reason="Dask is an extra: pip install '.[dask]'")
    family, labels = case
    x, y = numbers(labels)
    for kind in ("nullable", "arrow-backed", "categories"):
        frame = pd.DataFrame({"x": x, "y": y, "g": CONTAINERS[kind](labels, family)})
        with dask.config.set(scheduler="synchronous"):
            found = Moments.from_dask(
                dd.from_pandas(frame, npartitions=4),
                outcome="y",
                cluster="g",
                intercept=True,
                missing="drop",
            )
        assert_as_expected(found, solve(found, 1), labels, rtol=1e-11)


@quiet
@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    labelled(families=("int64", "uint64", "text", "date"), missing=False, fewest=3),
    st.randoms(use_true_random=False),
)
def test_names_and_the_order_of_rows_change_nothing(case, random):
    family, labels = case
    names = sorted(set(labels))
    x, y = numbers(labels)
    y = y + 9 * np.array([label == names[0] for label in labels])  # one best choice
    first = solve(Moments.from_arrays(x[:, None], y, labels, intercept=True), 1)
    assert as_plain(first.labels[first.support]) == names[:1]
    order = list(range(len(labels)))
    random.shuffle(order)
    clusters = CONTAINERS["arrow-backed"]([labels[row] for row in order], family)
    moved = solve(Moments.from_arrays(x[order, None], y[order], clusters, intercept=True), 1)
    assert as_plain(moved.labels) == names
    np.testing.assert_allclose(moved.gamma, first.gamma, rtol=1e-12, atol=1e-12)
    # Other names in another order: the same rows are named.
    other = [f"n{len(names) - names.index(label):02d}" for label in labels]
    renamed = solve(Moments.from_arrays(x[:, None], y, other, intercept=True), 1)
    np.testing.assert_allclose(renamed.gamma[::-1], first.gamma, rtol=1e-12, atol=1e-12)


def eight(first=BIG):
    """A table of eight ids that floats take for fewer, one row of which has none."""
    labels = [first + k % 8 for k in range(40)]
    labels[5] = None
    x, y = numbers(labels)
    y = y + 20 * np.array([label == first + 3 for label in labels])
    return pa.table({"y": y, "x": x, "g": pa.array(labels, pa.uint64())})


@quiet
@pytest.mark.parametrize("first", [BIG, LARGER])
def test_eight_large_ids_stay_eight(tmp_path, capsys, first):
    table = eight(first)
    pandas = table.to_pandas(types_mapper=pd.ArrowDtype)
    nullables = pandas.assign(g=nullable(table["g"].to_pylist(), "uint64"))
    for data in (table, pl.from_arrow(table), pandas, nullables):
        model = scs.fit("y ~ x", data, "g", 1, missing="drop")
        assert model.solution.labels.tolist() == [first + k for k in range(8)]
        assert model.selected.tolist() == [first + 3]
        own = data[3:4] if not isinstance(data, pd.DataFrame) else data.iloc[3:4]
        near = data[4:5] if not isinstance(data, pd.DataFrame) else data.iloc[4:5]
        assert model.predict(own)[0] - model.predict(near)[0] > 9
    pq.write_table(table, tmp_path / "t.parquet")
    pandas.to_csv(tmp_path / "t.csv", index=False)
    for name in ("t.parquet", "t.csv"):
        found = Moments.from_files(tmp_path / name, outcome="y", cluster="g", missing="drop")
        assert found.labels.tolist() == [first + k for k in range(8)]
        line = ["fit", str(tmp_path / name), "--outcome", "y", "--cluster", "g", "--budget", "1"]
        assert main([*line, "--bootstrap", "0", "--missing", "drop"]) == 0
        out = capsys.readouterr().out
        assert "8 by g" in out
        assert f"\n  {first + 3} " in out


@quiet
def test_decimals_are_whole_numbers_where_they_are_whole(tmp_path):
    """As data bases export keys of twenty digits."""
    table = eight().set_column(2, "g", eight()["g"].cast(pa.decimal128(20, 0)))
    pq.write_table(table, tmp_path / "t.parquet")
    names = [BIG + k for k in range(8)]
    shared = {"outcome": "y", "cluster": "g", "missing": "drop"}
    assert Moments.from_files(tmp_path, **shared).labels.tolist() == names
    read = read_columns(open_table(tmp_path / "t.parquet"), ["y", "x", "g"], labels=["g"])
    assert scs.fit("y ~ x", read, "g", 1, missing="drop").solution.labels.tolist() == names
    half = [Decimal("1.5"), Decimal("1.50"), Decimal("2")]
    codes, labels = as_clusters(half, 3)
    assert codes.tolist() == [0, 0, 1]
    assert labels.tolist() == [Decimal("1.5"), 2]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_numbers_that_were_rounded_already_are_refused(dtype, tmp_path):
    first = 2 ** (np.finfo(dtype).nmant + 1)
    values = np.array([1, first - 1, first], dtype=dtype)
    labels = as_clusters(values[:2], 2)[1]
    assert labels.dtype == np.int64
    assert labels.tolist() == [1, first - 1]
    for container in (values, list(values), pd.Series(values), pa.array(values)):
        with pytest.raises(
            ValueError, match=rf"^clusters holds {first} in row 2 as {dtype}.*Int64"
        ):
            as_clusters(container, 3)
    if dtype != "float16":
        frame = pd.DataFrame({"y": [1.0, 2.0, 4.0], "x": [0.0, 1.0, 1.0], "g": values})
        frame.to_parquet(tmp_path / "t.parquet")
        with pytest.raises(ValueError, match=rf"t.parquet: clusters holds {first} in row 3"):
            Moments.from_files(tmp_path / "t.parquet", outcome="y", cluster="g")
        model = SignificantClusterRegressor(1).fit(frame[["x"]], frame["y"], [1, 2, first])
        with pytest.raises(ValueError, match=f"clusters holds {first} in row 2"):
            model.predict(frame[["x"]], values)


def test_whole_numbers_beside_missing_or_in_other_types_are_the_same_labels():
    for container in ([3.0, 10.0, np.nan], pd.Series([3, 10, None]), np.array([3, 10], "int8")):
        codes, labels = coded_labels(container)
        assert labels.dtype == np.int64
        assert labels[codes[:2]].tolist() == [3, 10]
    assert find_labels(np.array([3, 10]), [10.0, np.nan, 3.5]).tolist() == [1, -1, -1]
    exact = coded_labels([BIG + 1, BIG + 2, 0.5])[1]
    assert exact.tolist() == [BIG + 1, BIG + 2, 0.5]
    assert coded_labels([0.0, -0.0, 1.5])[0].tolist() == [0, 0, 1]


def test_int64_beside_uint64_is_merged_without_rounding():
    a, b = np.array([1, BIG + 1, BIG + 2]), np.array([BIG + 1, LARGER, LARGER + 1], np.uint64)
    assert joined_labels([a, b]).tolist() == [*a.tolist(), *b.tolist()]
    X, y = np.arange(6.0)[:, None] ** 2, np.arange(6.0)
    total = Moments.from_arrays(X[:3], y[:3], a) + Moments.from_arrays(X[3:], y[3:], b)
    assert total.labels.tolist() == [1, BIG + 1, BIG + 2, LARGER, LARGER + 1]
    assert total.n.tolist() == [1, 2, 1, 1, 1]
    slopes = [
        SlopeMoments.from_arrays(X[part], y[part], c, X[part] + 1)
        for part, c in ((slice(3), a), (slice(3, 6), b))
    ]
    assert sum(slopes).labels.tolist() == total.labels.tolist()
    # The same through validation rows, which are put below the others.
    rows = pd.DataFrame({"y": np.arange(8.0) % 3, "x": np.arange(8.0), "g": [1, BIG + 1] * 4})
    held = rows.assign(g=np.array([LARGER, LARGER + 1] * 4, dtype=np.uint64))
    model = scs.fit("y ~ x", rows, "g", validation=held)
    assert model.solution.labels.tolist() == [1, BIG + 1, LARGER, LARGER + 1]


def test_masked_entries_are_missing_and_no_cluster():
    for values in (["a", "b", "c"], [1, 2, 3], np.array(["a", "b", "?"], dtype=object)):
        hidden = np.ma.MaskedArray(values, mask=[False, True, False])
        codes, labels = coded_labels(hidden)
        assert codes.tolist() == [0, -1, 1]
        assert labels.tolist() == [values[0], values[2]]
    assert coded_labels([1, np.ma.masked, 2])[0].tolist() == [0, -1, 1]


MISSING = [None, np.nan, float("nan"), pd.NaT, pd.NA, np.datetime64("NaT"), Decimal("NaN")]


@pytest.mark.parametrize("nothing", MISSING, ids=repr)
@pytest.mark.parametrize("label", ["a", 7, 1.5, True, date(2020, 1, 1), ("a", 1)], ids=repr)
def test_every_kind_of_missing_label_is_one(label, nothing):
    codes, labels = coded_labels([label, nothing, label])
    assert codes.tolist() == [0, -1, 0]
    assert len(labels) == 1
    table = {"y": [1.0, 2.0, 4.0, 3.0], "g": [label, label, nothing, label]}
    with pytest.raises(ValueError, match=r"1 in 'g'; 1 of 4 rows, the first in row 2\)"):
        scs.fit("y ~ 1", table, "g", 1)
    assert scs.fit("y ~ 1", table, "g", 1, missing="drop").moments.n.tolist() == [3]


def test_a_tuple_with_a_missing_part_is_missing():
    codes, labels = coded_labels([("a", np.nan), ("a", 1), ("a", float("nan")), ("a", 1)])
    assert codes.tolist() == [-1, 0, -1, 0]
    assert labels.tolist() == [("a", 1)]


def test_text_that_differs_after_a_nul_stays_apart(tmp_path):
    labels = ["a", "a\0", "a\0b", "b"] * 6
    x, y = numbers(labels)
    y = y + 30 * np.array([label == "a\0" for label in labels])
    kinds = {name: build(labels, "text") for name, build in CONTAINERS.items()}
    kinds["NumPy's text of any length"] = np.array(labels, dtype=np.dtypes.StringDType())
    for name, clusters in kinds.items():
        with pytest.warns(LabelWarning, match=r"labels 'a' and 'a\\x00' differ only"):
            model = SignificantClusterRegressor(1).fit(x[:, None], y, clusters)
        assert model.solution_.labels.tolist() == ["a", "a\0", "a\0b", "b"], name
        assert model.selected_.tolist() == ["a\0"], name
        known = model.predict(np.zeros((2, 1)), ["a", "a\0"])
        assert known[1] - known[0] > 20


ALIKE = {
    "case": ("Ward A", "ward a"),
    "blanks": ("a", "a "),
    "tab": ("a", "\ta"),
    "two blanks": ("a b", "a  b"),
    "non-breaking": ("a b", "a\xa0b"),
    "composed": ("\xe9", "e\u0301"),
    "wide": ("A1", "\uff211"),
    "invisible": ("ab", "a\u200bb"),
    "mark of order": ("ab", "\ufeffab"),
    "sharp s": ("Strasse", "Straße"),
    "nul": ("ab", "ab\0"),
    "bell": ("a\x07b", "ab"),
    "unit separator": ("ab", "\x1fab"),
    "leading zero": ("7", "007"),
    "decimal": ("7", "7.0"),
    "another script": ("7", "\u0667"),
}


@pytest.mark.parametrize("pair", ALIKE.values(), ids=ALIKE)
def test_labels_that_look_alike_are_named_once_and_kept_apart(tmp_path, capsys, pair):
    distinct = [*pair, "\U0001f600", "\U0001f600 "]  # another pair, behind
    labels = distinct * 6
    x, y = numbers(labels)
    X, frame = x[:, None], pd.DataFrame({"y": y, "x": x, "g": labels})
    frame.to_parquet(tmp_path / "t.parquet")
    parts = np.array_split(np.arange(24), 5)
    chunks = [(X[part], y[part], [labels[row] for row in part]) for part in parts]
    doors = [
        lambda: Moments.from_arrays(X, y, labels),
        lambda: Moments.from_chunks(chunks),
        lambda: Moments.from_files(tmp_path / "t.parquet", outcome="y", cluster="g"),
        lambda: SignificantClusterRegressor(1).fit(X, y, labels).solution_,
        lambda: scs.fit("y ~ x", frame, "g", 1, bootstrap=2).solution,
    ]
    said = set()
    for door in doors:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert door().labels.tolist() == sorted(distinct)
        (note,) = [w for w in caught if w.category is LabelWarning]
        said.add(str(note.message))
    (text,) = said
    shown = " and ".join(map(ascii if pair == ALIKE["composed"] else repr, sorted(pair)))
    assert text.startswith(f"cluster labels {shown} differ only in")
    assert "\n" not in text
    line = ["fit", str(tmp_path / "t.parquet"), "--outcome", "y", "--cluster", "g", "--budget", "1"]
    assert main([*line, "--bootstrap", "2"]) == 0
    assert capsys.readouterr().err == f"scs: note: {text}\n"


@pytest.mark.parametrize(
    ("pair", "what"),
    [
        (("a", "a "), "blanks"),
        (("a b", "a\xa0b"), "blanks"),
        (("Ward A", "ward a"), "case"),
        (("a", "A "), "blanks and case"),
        (("ab", "ab\0"), "control characters"),
        (("ab", "a\x1fb"), "control characters"),
        (("ab", "A\0b"), "control characters and case"),
        (("ab", "a\u200bb"), "invisible characters"),
        (("A1", "\uff211"), "Unicode form"),
        (("fi", "\ufb01"), "Unicode form"),
        (("A-1", "A\u20131"), "Unicode form"),
        (("A1", "\u04101"), "Unicode form"),
        (("a1", "\u04101"), "Unicode form and case"),
        (("\u2764", "\u2764\ufe0f"), "invisible characters"),
        (("7", "007"), "leading zeros or decimals"),
        (("07", "7.0"), "leading zeros or decimals"),
    ],
)
def test_what_two_labels_differ_in_is_named(pair, what):
    (found,) = find_alike(pair)
    assert " and ".join(found.kinds) == what and found.count == 1
    for text in pair:  # each kind is needed: without one of them they are still two
        others = found.kinds[1:]
        assert folded(text, found.kinds) == folded(pair[0], found.kinds)
        assert folded(pair[0], others) != folded(pair[1], others)


def test_every_kind_of_likeness_is_named():
    labels = ["7", "007", "07", "Ward", "ward", "a", "a ", "b", "b\0", "z"] * 3
    x, y = numbers(labels)
    frame = pd.DataFrame({"y": y, "x": x, "g": labels})
    doors = [
        lambda: Moments.from_arrays(x[:, None], y, labels),
        lambda: SignificantClusterRegressor(1).fit(x[:, None], y, labels),
        lambda: scs.ols(x[:, None], y, labels),
        lambda: scs.fit("y ~ x", frame, "g", 1),
    ]
    for door in doors:
        with pytest.warns(LabelWarning, match="^cluster labels ") as caught:
            door()
        (text,) = {str(w.message) for w in caught if w.category is LabelWarning}
        assert "'007' and '07' differ only in leading zeros or decimals (2 such pairs)" in text
        assert "'Ward' and 'ward' differ only in case" in text
        assert "'a' and 'a ' differ only in blanks" in text
        assert r"'b' and 'b\x00' differ only in control characters" in text
        assert "'z'" not in text and "\n" not in text


def test_levels_that_look_alike_are_named_too(tmp_path):
    levels = ["male", "Male", "female", "female "] * 6
    x, y = numbers(levels)
    frame = pd.DataFrame({"y": y, "x": x, "sex": levels, "g": np.repeat(["a", "b", "c"], 8)})
    note = "column '(C\\()?sex\\)?': levels 'Male' and 'male' differ only in case; 'female' and "
    note += "'female ' differ only in blanks: each counts as a category"
    for formula, data in [
        ("y ~ x + sex", frame),
        ("y ~ x + C(sex)", frame),
        ("y ~ x + sex", frame.astype({"sex": "category"})),
        ("y ~ x + sex", pl.from_pandas(frame)),
    ]:
        with pytest.warns(LabelWarning, match=note):
            assert len(scs.fit(formula, data, "g", 1).coef) == 5
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.warns(LabelWarning, match=note):
        Moments.from_files(
            tmp_path / "t.parquet", outcome="y", cluster="g", categories=["sex"], intercept=True
        )
    codes = frame.assign(sex=["7", "007", "8", "9"] * 6)
    with pytest.warns(LabelWarning, match="'007' and '7' differ only in leading zeros or decimals"):
        scs.fit("y ~ sex", codes, "g", 1)


@pytest.mark.parametrize("text", ["nan", "NaN", "None", "<NA>", "NaT", "", " "])
def test_text_that_a_missing_value_became_is_noted(text):
    labels = ["a", text, "b"] * 6
    x, y = numbers(labels)
    frame = pd.DataFrame({"y": y, "x": x, "g": labels, "other": np.repeat(["u", "v"], 9)})
    note = f"{text!r} may have been missing values"
    for door in (
        lambda: Moments.from_arrays(x[:, None], y, labels),
        lambda: scs.fit("y ~ x", frame, "g", 1),
        lambda: scs.fit("y ~ x + g", frame, "other", 1),
    ):
        with pytest.warns(LabelWarning, match=note):
            door()


def test_a_pair_of_one_form_is_shown_by_its_code_points():
    labels = ["\xe9", "e\u0301"]
    with pytest.warns(LabelWarning, match=r"'e\\u0301' and '\\xe9'"):
        Moments.from_arrays(np.arange(2.0)[:, None], [1, 2], labels)
    assert str(find_alike(["A", "\u0410"])[0]).startswith(r"'A' and '\u0410' differ")


@pytest.mark.parametrize(
    "labels",
    [
        ["a", "b"],
        ["a1", "a2"],
        ["1.1", "1.10"],
        ["é", "e"],
        ["\u0434\u0430", "\u0434\u043e"],
        [1, 2],
    ],
)
def test_labels_that_differ_to_the_eye_give_no_note(labels):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Moments.from_arrays(np.arange(2.0)[:, None], [1, 2], labels)


COUNTRIES = ["NA", "BW", "NA", "ZA", "null", "BW", "NA", "ZA", "BW", "NA", "ZA", ""]


def countries(path, numbers_too=False):
    rng = np.random.default_rng(3)
    x = [f"{value:.6f}" for value in rng.normal(size=24)]
    if numbers_too:
        x[2] = "NA"
    rows = zip(rng.normal(size=24), x, 2 * COUNTRIES, strict=True)
    path.write_text("y,x,country\n" + "".join(f"{y:.6f},{x},{c}\n" for y, x, c in rows))
    return path


def test_text_read_as_missing_is_told_and_can_be_kept(tmp_path, capsys):
    path = countries(tmp_path / "t.csv")
    shared = {"outcome": "y", "cluster": "country", "missing": "drop"}
    note = r"^column 'country': 'NA' in 8 rows, 'null' in 2 rows read as missing.*keep_na_text"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = Moments.from_files(path, **shared, batch_rows=5)
    (text,) = [str(w.message) for w in caught if w.category is LabelWarning]
    with pytest.warns(LabelWarning, match=note):
        warnings.warn(text, LabelWarning, stacklevel=1)
    assert found.labels.tolist() == ["BW", "ZA"]
    line = ["fit", str(path), "--outcome", "y", "--cluster", "country", "--budget", "1"]
    line += ["--bootstrap", "0", "--missing", "drop"]
    assert main(line) == 0
    captured = capsys.readouterr()
    assert captured.err == f"scs: note: {text}\n"
    assert "2 by country" in captured.out
    # Kept: an empty cell is a missing label all the same.
    with pytest.warns(scs.DesignWarning, match="2 of 24 rows"):
        found = Moments.from_files(path, **shared, keep_na_text=True)
    assert found.labels.tolist() == ["BW", "NA", "ZA", "null"]
    assert found.n.tolist() == [6, 8, 6, 2]
    assert main([*line, "--keep-na-text"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "4 by country" in captured.out
    assert "2 dropped" in captured.out


def test_na_beside_numbers_is_missing_even_where_text_is_kept(tmp_path, capsys):
    path = countries(tmp_path / "t.csv", numbers_too=True)
    line = ["fit", str(path), "--outcome", "y", "--cluster", "country", "--budget", "1"]
    assert main([*line, "--bootstrap", "0", "--missing", "drop", "--keep-na-text"]) == 0
    assert "4 by country" in capsys.readouterr().out
    commas = path.read_text().replace(",", ";").replace(".", ",")
    path.write_text(commas)
    assert main([*line, "--bootstrap", "0", "--missing", "drop", "--keep-na-text"]) == 0
    captured = capsys.readouterr()
    assert "4 by country" in captured.out
    assert "3 dropped" in captured.out
    assert captured.err == ""


def test_what_the_user_named_as_missing_needs_no_note(tmp_path, capsys):
    path = countries(tmp_path / "t.csv")
    shared = {"outcome": "y", "cluster": "country", "missing": "drop"}
    with pytest.warns(scs.DesignWarning), warnings.catch_warnings():
        warnings.simplefilter("error", LabelWarning)
        found = Moments.from_files(path, **shared, csv={"null_values": ["", "NA", "null"]})
    assert found.labels.tolist() == ["BW", "ZA"]
    found = Moments.from_files(path, **shared, csv={"strings_can_be_null": False})
    assert found.labels.tolist() == ["", "BW", "NA", "ZA", "null"]
    line = ["fit", str(path), "--outcome", "y", "--cluster", "country", "--budget", "1"]
    assert main([*line, "--missing", "drop", "--na", "NA", "null", "--bootstrap", "0"]) == 0
    assert capsys.readouterr().err == ""
    with pytest.warns(LabelWarning, match="'NA' in 8 rows"):
        read_files(open_source(path), **shared)


def test_processes_tell_what_they_read_as_missing(tmp_path):
    for i in range(2):
        countries(tmp_path / f"{i}.csv")
    with pytest.warns(scs.DesignWarning), pytest.warns(LabelWarning, match="'NA' in 16 rows"):
        found = Moments.from_files(
            tmp_path, outcome="y", cluster="country", missing="drop", n_jobs=2
        )
    assert found.labels.tolist() == ["BW", "ZA"]


def test_labels_in_the_names_of_folders(tmp_path):
    frame = pd.DataFrame({"y": [1.0, 2.0, 4.0], "x": [0.0, 1.0, 3.0]})
    for ending in ("csv", "parquet"):
        for label in ("7", "007", "a%20b"):
            folder = tmp_path / ending / f"school={label}"
            folder.mkdir(parents=True)
            if ending == "csv":
                frame.to_csv(folder / "a.csv", index=False)
            else:
                frame.to_parquet(folder / "a.parquet")
        found = Moments.from_files(tmp_path / ending, outcome="y", cluster="school")
        assert found.labels.tolist() == ["007", "7", "a b"]
        assert found.n.tolist() == [3, 3, 3]
    place = tmp_path / "csv"
    (place / "school=007" / "a.csv").unlink()
    (place / "school=a%20b" / "a.csv").rename(place / "school=7" / "b.csv")
    assert Moments.from_files(place, outcome="y", cluster="school").labels.tolist() == [7]


def test_text_in_one_csv_file_and_numbers_in_another(tmp_path):
    for name, labels in (("a", ["07", "7"]), ("b", ["7", "8"])):
        frame = pd.DataFrame({"y": [1.0, 2.0], "x": [3.0, 5.0], "g": labels})
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    found = Moments.from_files(tmp_path, outcome="y", cluster="g")
    assert found.labels.tolist() == ["07", "7", "8"]
    assert found.n.tolist() == [1, 2, 1]
    source = open_source(tmp_path)
    columns = choose_columns(source.schema, outcome="y", cluster="g")
    batches = list(read_batches(source, columns))
    assert [b.labels[b.codes].tolist() for b in batches] == [["07", "7"], ["7", "8"]]


def test_labels_written_as_whole_numbers():
    def read(*labels):
        return as_written(as_objects(labels)).tolist()

    assert read("10", "9", "-3") == [10, 9, -3]
    assert read(str(2**64 - 1), "0") == [2**64 - 1, 0]
    for texts in (["10", "09"], ["1", "+2"], ["1", "1.0"], ["1", ""], ["1", "-0"], ["1", "٣"]):
        assert read(*texts) == texts
    assert read(str(2**64)) == [str(2**64)]
    assert read("-1", str(2**64 - 1)) == ["-1", str(2**64 - 1)]
    assert read() == []


def test_dates_and_times_of_every_kind_are_the_same_labels():
    days = [date(2020, 1, 2), date(2021, 3, 4)]
    dates = [
        days,
        np.array(days, dtype="M8[D]"),
        pl.Series(days),
        pa.array(days),
        pd.Series(pa.array(days), dtype=pd.ArrowDtype(pa.date32())),
        pd.Series(pd.to_datetime(days)),
        [datetime(2020, 1, 2), datetime(2021, 3, 4)],
    ]
    for one in dates:
        for other in dates:
            assert find_labels(coded_labels(one)[1], other).tolist() == [0, 1]
    noon = [datetime(2020, 7, 1, 12, tzinfo=UTC), datetime(2020, 7, 2, 12, tzinfo=UTC)]
    zoned = pd.Series(noon).dt.tz_convert("Europe/Berlin")
    for times in (noon, zoned, pl.Series(noon), pa.array(zoned), zoned.dt.tz_localize(None)):
        assert len(coded_labels(times)[1]) == 2
    assert find_labels(coded_labels(zoned)[1], noon).tolist() == [0, 1]
    assert find_labels(coded_labels(noon)[1], zoned).tolist() == [0, 1]
    with pytest.raises(TypeError, match="times with a zone, but those known have none"):
        find_labels(coded_labels(zoned.dt.tz_localize(None))[1], noon)
    with pytest.raises(TypeError, match="with and without a zone"):
        coded_labels([noon[0], datetime(2020, 7, 1, 12)])
    tick = pd.Series(pd.to_datetime([1, 2], unit="ns"))
    for nanoseconds in (tick, pl.from_pandas(tick), pa.array(tick), list(tick)):
        assert len(coded_labels(nanoseconds)[1]) == 2
    assert len(coded_labels([timedelta(1), timedelta(2), np.timedelta64(1, "D")])[1]) == 2
    for far in ([date(9999, 12, 31)], np.array(["9999-12-31"], "M8[D]"), np.array([1], "M8[ps]")):
        with pytest.raises(ValueError, match="in row 0, which 64 bits of nanoseconds do not hold"):
            coded_labels(far)


def test_times_with_a_zone_are_said_in_it():
    # A year has two changes of the clock: one hour of October is there twice, an hour apart.
    hours = pd.Series(pd.date_range("2020-10-25", periods=4, freq="h", tz="Europe/Berlin"))
    texts = [f"2020-10-25 {hour}" for hour in ("00:00:00+02:00", "01:00:00+02:00")]
    texts += [f"2020-10-25 {hour}" for hour in ("02:00:00+02:00", "02:00:00+01:00")]
    outcome = [1.0, 2.0, 3.0, 4.0]
    for kind in (hours, list(hours), pl.from_pandas(hours), pa.array(hours)):
        assert list(map(str, coded_labels(kind)[1])) == texts
        model = scs.fit("y ~ 1", {"y": outcome, "g": kind}, "g", budget=1)
        assert list(map(str, model.solution.labels)) == texts
        assert str(model.selected[0]) in texts and str(model.selected[0]) in model.summary()
    assert list(map(str, coded_labels([hours[0], hours[1].tz_convert("UTC")])[1])) == [
        "2020-10-24 22:00:00+00:00",
        "2020-10-24 23:00:00+00:00",
    ]
    holed = coded_labels(pd.Series([hours[0], pd.NaT]))
    assert holed[0].tolist() == [0, -1] and str(holed[1][0]) == texts[0]


@pytest.fixture
def indexed():
    rng = np.random.default_rng(5)
    labels = [f"s{k % 5}" for k in range(30)]
    columns = {"y": rng.normal(size=30), "x": rng.normal(size=30), "g": labels}
    return pd.DataFrame(columns, index=rng.permutation(30))


FIT = ("--outcome", "y", "--cluster", "g", "--budget", "1", "--bootstrap", "0")


@pytest.mark.parametrize("name", [None, "patient"])
@pytest.mark.parametrize("form", [FIT, ("--formula", "y ~ .", *FIT[2:])])
def test_the_index_of_pandas_is_no_covariate_unasked(tmp_path, capsys, indexed, name, form):
    plain = tmp_path / "plain.parquet"
    indexed.reset_index(drop=True).to_parquet(plain)  # a RangeIndex: not a column
    assert main(["fit", str(plain), *form]) == 0
    expected = capsys.readouterr().out
    path = tmp_path / "t.parquet"
    indexed.rename_axis(name).to_parquet(path)
    assert len(pq.read_schema(path).names) == 4  # it is stored
    assert main(["fit", str(path), *form]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[1:] == expected.splitlines()[1:]
    told = name is not None and "--formula" not in form
    assert ("'patient' is the index" in captured.err) is told
    assert Moments.from_files(path, outcome="y", cluster="g").names == ("x",)
    for table in (pq.read_table(path), pd.read_parquet(path)):
        model = scs.fit("y ~ .", table, "g", 1)
        assert model.coef.index.tolist() == ["Intercept", "x"]
    if name is None:
        assert scs.fit("y ~ .", pl.read_parquet(path), "g", 1).coef.index[1:].tolist() == ["x"]


def test_a_named_index_is_there_when_asked_for(tmp_path, capsys, indexed):
    path = tmp_path / "t.parquet"
    indexed.set_index("g").to_parquet(path)
    assert main(["fit", str(path), *FIT]) == 0
    assert "5 by g" in capsys.readouterr().out
    assert Moments.from_files(path, outcome="y", cluster="g").labels.tolist() == [
        f"s{k}" for k in range(5)
    ]
    indexed.rename_axis("patient").to_parquet(path)
    assert main(["fit", str(path), *FIT, "--covariates", "patient"]) == 0
    assert "\n  patient " in capsys.readouterr().out
    assert main(["fit", str(path), "--formula", "y ~ . + patient", *FIT[2:]]) == 0
    out = capsys.readouterr().out
    assert "\n  patient " in out
    assert "\n  x " in out
    found = Moments.from_files(path, outcome="y", cluster="g", covariates=["x", "patient"])
    assert found.names == ("x", "patient")


ARROW_TEXT = [
    pd.ArrowDtype(pa.string()),
    pd.ArrowDtype(pa.large_string()),
    pd.ArrowDtype(pa.string_view()),
    "string[pyarrow]",
    pd.CategoricalDtype(pd.Index(["north", "south", "west"], dtype="string[pyarrow]")),
]


@pytest.mark.parametrize("dtype", ARROW_TEXT, ids=str)
def test_text_of_arrow_in_pandas_is_as_text_of_polars(indexed, dtype):
    text = indexed.assign(t=np.resize(["west", "north", "south"], 30))
    wanted = scs.fit("y ~ x + t", pl.from_pandas(text), "g", 1)
    arrow = text.convert_dtypes(dtype_backend="pyarrow").assign(t=text["t"].astype(dtype))
    found = scs.fit("y ~ x + t", arrow, "g", 1)
    pd.testing.assert_series_equal(found.coef, wanted.coef)
    np.testing.assert_array_equal(found.predict(arrow), wanted.predict(pl.from_pandas(text)))
    assert found.rows.codings == wanted.rows.codings


def test_an_array_of_another_library_gives_its_values():
    """A tensor's elements are equal to themselves only, one by one: each row were a cluster."""

    class Tensor:
        def __init__(self, values):
            self.values = np.array(values)

        def __array__(self, dtype=None, copy=None):
            return self.values

        def __iter__(self):
            return iter([object() for _ in self.values])

    assert coded_labels(Tensor([4, 2, 4]))[0].tolist() == [0, 1, 0]


def test_a_row_left_out_still_tells_how_labels_are_written(tmp_path):
    """Both readers look at all labels of the file, also at those of rows without a covariate."""
    path = tmp_path / "t.csv"
    path.write_text("y,x,g\n" + "1,2,7\n3,5,8\n2,1,7\n4,4,8\n" * 3 + "1,,007\n")
    with pytest.warns(scs.DesignWarning, match="1 of 13 rows"):
        found = Moments.from_files(path, outcome="y", cluster="g", missing="drop", batch_rows=2)
    read = read_columns(open_table(path), ["y", "x", "g"], labels=["g"])
    model = scs.fit("y ~ x", read, "g", 1, missing="drop")
    assert found.labels.tolist() == model.solution.labels.tolist() == ["7", "8"]
