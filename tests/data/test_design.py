"""Bad input: every message names the argument, what is wrong with it, where, and the remedy."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import scs
from scs import DesignWarning, Moments, solve
from scs.data.design import Design, as_clusters, as_matrix, as_outcome, find_labels

X = np.arange(12.0).reshape(6, 2) ** 1.5
y = np.array([1.0, 3.0, 2.0, 5.0, 4.0, 7.0])
clusters = np.array(list("aabbcc"))
frame = pd.DataFrame(X, columns=["age", "dose"])


def changed(table, row, column, value):
    table = table.copy().astype(object) if isinstance(value, str) else table.copy()
    if isinstance(table, pd.DataFrame):
        table.iloc[row, column] = value
    else:
        table[row, column] = value
    return table


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((changed(X, 3, 1, np.nan), y, clusters), ValueError, ["X", "NaN", "row 3", "x2", "drop"]),
        (
            (changed(frame, 3, 1, np.nan), y, clusters),
            ValueError,
            ["X", "NaN", "row 3", "'dose'", "drop"],
        ),
        ((changed(X, 0, 0, np.inf), y, clusters), ValueError, ["X", "inf", "row 0", "'x1'"]),
        (
            (changed(frame, 2, 0, "old"), y, clusters),
            ValueError,
            ["X column 'age'", "text", "'old' in row 2", "get_dummies"],
        ),
        (
            (changed(X, 2, 0, "old"), y, clusters),
            ValueError,
            ["X column 'x1'", "text", "'old' in row 2"],
        ),
        ((X[:, 0], y, clusters), ValueError, ["X", "1 dimension", "reshape"]),
        ((X[:0], y[:0], clusters[:0]), ValueError, ["X", "0 sample", "at least one row"]),
        ((X[:, :0], y, clusters), ValueError, ["X", "0 feature", "at least one covariate"]),
        ((X, y[:5], clusters), ValueError, ["y has 5 entries", "6 rows", "one entry per row"]),
        ((X, y, clusters[:4]), ValueError, ["clusters has 4 entries", "6 rows"]),
        ((X, y + np.where(y == 4, np.nan, 0), clusters), ValueError, ["y", "NaN", "row 4"]),
        ((X, np.array(list("uvwxyz")), clusters), ValueError, ["y holds text", "'u' in row 0"]),
        ((X, None, clusters), ValueError, ["y is missing"]),
        ((X, np.column_stack([y, y]), clusters), ValueError, ["y", "1d", "one outcome per row"]),
        ((X, y, None), ValueError, ["clusters is missing", "one cluster label per row"]),
        ((X, y, ["a", "a", None, "b", "b", "b"]), ValueError, ["clusters", "row 2", "1 in all"]),
        (
            (X, y, [1, 1, "a", "a", 2, 2]),
            TypeError,
            ["clusters", "mixed type", "number, str", "map"],
        ),
        ((X, y, [{1}, {1}, {2}, {2}, {3}, {3}]), TypeError, ["clusters", "hashed"]),
        ((X, y, np.ones((6, 2))), ValueError, ["clusters", "one dimension"]),
        ((X * 1j, y, clusters), ValueError, ["Complex data not supported"]),
    ],
)
def test_bad_tables_are_refused_by_name(arguments, error, words):
    with pytest.raises(error) as raised:
        Design.from_table(*arguments)
    first_line = str(raised.value).splitlines()[0]
    for word in words:
        assert word in first_line


LISTS = {
    "equal": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
    "one": [[1.0], [2.0], [3.0]],
    "ragged": [[1.0], [2.0, 3.0], [4.0]],
    "empty": [[], [], []],
    "tuples": [(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)],
    "arrays": [np.ones(2), np.ones(2), np.ones(2)],
    "text": [["a", "b"], ["c", "d"], ["e", "f"]],
    "one list": [1.0, 2.0, [3.0]],
}


def _with_lists(lists):
    """Return a column of lists in data frames of every library that can hold it."""
    yield pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": pd.Series(lists, dtype=object)})
    if isinstance(lists[0], list):
        table = pa.table({"a": [1.0, 2.0, 3.0], "b": lists})
        yield from (table, pl.from_arrow(table), table.to_pandas(types_mapper=pd.ArrowDtype))
        if lists == LISTS["equal"]:
            yield pl.from_arrow(table).with_columns(pl.col("b").cast(pl.Array(pl.Float64, 2)))


@pytest.mark.parametrize("kind", LISTS)
def test_columns_of_lists_are_refused_by_name(kind):
    for table in _with_lists(LISTS[kind]):
        with pytest.raises(TypeError, match=r"^X column 'b' holds lists: pass one number per row"):
            as_matrix(table)
        with pytest.raises(TypeError, match=r"^y holds lists: pass one number per row"):
            as_outcome(table["b"], 3)
        data = {"y": [1.0, 2.0, 3.0], "x": [3.0, 1.0, 2.0], "g": ["a", "a", "b"]}
        for name in ("x", "y"):
            with pytest.raises(TypeError, match=f"{name!r} holds .*(pass numbers|convert it)"):
                scs.fit("y ~ x", {**data, name: list(table["b"])}, "g", budget=1)


def test_an_array_of_lists_is_refused_by_name():
    array = np.empty((3, 2), dtype=object)
    array[:, 0] = 1.0
    array[:, 1] = LISTS["one list"]
    with pytest.raises(TypeError, match=r"^X column 'x2' holds lists"):
        as_matrix(array)
    array[2, 1] = np.array(3.0)  # a number after all
    assert as_matrix(array)[0].tolist() == [[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]]


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(ValueError, match=r"X has two columns of one name.*'age' 2 times.*rename"):
        as_matrix(pd.DataFrame(X, columns=["age", "age"]))


def test_sparse_matrices_are_refused():
    from scipy.sparse import csr_array

    with pytest.raises(TypeError, match=r"X is a sparse matrix.*toarray"):
        as_matrix(csr_array(X))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"budget": "many"}, TypeError, ["budget", "'many'", "whole number"]),
        ({"budget": 1.5}, TypeError, ["budget", "1.5", "pass for example 5"]),
        ({"budget": None}, ValueError, ["budget is missing", "or a penalty"]),
        ({"budget": -1}, ValueError, ["budget", "negative"]),
        ({"ridge": -1.0}, ValueError, ["ridge", "-1.0", "not negative"]),
        ({"ridge": np.nan}, ValueError, ["ridge", "finite"]),
        ({"ridge": 0}, ValueError, ["ridge must be positive", "1e-4"]),
        ({"ridge": "small"}, TypeError, ["ridge", "'small'", "number"]),
        ({"ridge_fixed": -2}, ValueError, ["ridge_fixed", "-2"]),
        ({"gap": -1e-3}, ValueError, ["gap", "[0, 1)"]),
        ({"time_limit": 0}, ValueError, ["time_limit", "positive"]),
        ({"method": "magic"}, ValueError, ["method", "'magic'", "outer"]),
    ],
)
def test_bad_options_are_refused_by_name(options, error, words):
    moments = Moments.from_arrays(X, y, clusters)
    with pytest.raises(error) as raised:
        solve(moments, **{"budget": 1, **options})
    for word in words:
        assert word in str(raised.value)


@pytest.mark.parametrize(
    ("budgets", "words"),
    [
        (3, ["budgets must be a sequence", "got 3", "pass for example [0, 2, 5]"]),
        ([1, 1.5], ["budgets[1] must be a whole number", "got 1.5", "pass for example 5"]),
        ([None], ["budgets[0] must be a whole number", "got None", "pass for example 5"]),
        ([0, 1, -2], ["budgets[2] must not be negative", "got -2", "pass 0 or more"]),
    ],
)
def test_bad_budgets_are_refused_by_name_and_place(budgets, words):
    with pytest.raises((TypeError, ValueError)) as raised:
        scs.solve_path(Moments.from_arrays(X, y, clusters), budgets)
    for word in words:
        assert word in str(raised.value)


def test_budgets_of_several_effects_are_named_after_their_argument():
    moments = Moments.from_arrays(X, y, clusters, Z=X[:, :1])
    with pytest.raises(TypeError, match=r"^budget\[1\] must be a whole number .* got None: pass"):
        solve(moments, (1, None))
    with pytest.raises(TypeError, match=r"^count must be a whole number of rows, got 1.5: pass"):
        scs.detect_outliers(X, y, count=1.5)
    table = {"y": y, "x": X[:, 0], "g": clusters}
    with pytest.raises(TypeError, match=r"^budget\['x'\] must be a whole number .*: pass for"):
        scs.fit("y ~ x", table, "g", budget={"x": 1.5}, random="1 + x")
    with pytest.raises(ValueError, match=r"^budget must be .*, got None: pass for example 5"):
        scs.fit("y ~ x", table, "g", budget=None)


def test_solve_wants_moments():
    with pytest.raises(TypeError, match=r"moments must be Moments, got ndarray.*from_arrays"):
        solve(X, 1)


def test_duplicated_columns_warn_with_a_ridge_and_are_refused_without():
    twice = np.column_stack([X[:, 0], X[:, 1], X[:, 0]])
    moments = Moments.from_arrays(twice, y, clusters)
    with pytest.warns(DesignWarning, match=r"'x1' and 'x3' are identical.*Drop one"):
        solution = solve(moments, 1)
    assert solution.beta[0] == pytest.approx(solution.beta[2], rel=1e-8)
    with pytest.raises(ValueError, match=r"dependent columns.*'x3'.*Drop.*ridge_fixed"):
        solve(moments, 1, ridge_fixed=0)


def test_a_constant_column_beside_an_intercept_is_named():
    constant = pd.DataFrame({"age": X[:, 0], "site": 3.0})
    moments = Moments.from_arrays(constant, y, clusters, intercept=True)
    with pytest.warns(DesignWarning, match=r"'site' is constant.*Drop it"):
        solution = solve(moments, 1)
    assert solution.beta[2] == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match=r"dependent columns.*'site'.*Drop"):
        solve(moments, 1, ridge_fixed=0)


@pytest.mark.parametrize(
    "labels",
    [
        [3, 1, 3, 2, 2, 1],
        ["b", "a", "b", "c", "c", "a"],
        [(1, "x"), (0, "y"), (1, "x"), (2, "a"), (2, "a"), (0, "y")],
        [datetime.date(2020, 1, d) for d in (2, 1, 2, 3, 3, 1)],
        [2.5, 1, 2.5, 3, 3, 1],
        [True, False, True, True, True, False],
        pd.Series(list("babcca"), dtype="category"),
        pl.Series(list("babcca")),
    ],
)
def test_labels_of_any_hashable_type_are_sorted(labels):
    codes, found = as_clusters(labels, 6)
    assert [found[code] for code in codes] == list(labels)
    assert list(found) == sorted(set(labels))


def test_frames_of_every_kind_give_the_same_moments():
    expected = Moments.from_arrays(X, y, clusters)
    polars = pl.DataFrame({"age": X[:, 0], "dose": X[:, 1]})
    nullable = frame.astype("Float64")
    for table in (frame, polars, nullable, polars.to_arrow() if _has_arrow() else frame):
        moments = Moments.from_arrays(table, pd.Series(y), clusters)
        assert moments.names == ("age", "dose")
        np.testing.assert_array_equal(moments.xtx, expected.xtx)
    with pytest.raises(ValueError, match=r"NaN.*row 1, column 'age'"):
        Moments.from_arrays(pl.DataFrame({"age": [1.0, None]}), [1, 2], [1, 2])


def _has_arrow():
    import importlib.util

    return importlib.util.find_spec("pyarrow") is not None


def test_booleans_and_integers_are_numbers():
    table = pd.DataFrame({"flag": [True, False, True], "count": [1, 2, 3]})
    matrix, names = as_matrix(table)
    np.testing.assert_array_equal(matrix, [[1, 1], [0, 2], [1, 3]])
    assert names == ("flag", "count")


def test_labels_are_found_again():
    labels = np.array(["a", "b", "d"], dtype=object)
    values = np.array(["d", "c", None, "a"], dtype=object)
    np.testing.assert_array_equal(find_labels(labels, values), [2, -1, -1, 0])
    np.testing.assert_array_equal(find_labels(np.array([1, 3]), np.array([3.0, np.nan])), [1, -1])
    tuples = np.empty(1, dtype=object)
    tuples[:] = [(1, 2)]
    np.testing.assert_array_equal(find_labels(tuples, tuples), [0])
