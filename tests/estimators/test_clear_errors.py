"""What a user may hand over by mistake: it works as meant, or one line names it and the remedy."""

import bz2
import decimal
import gzip
import os
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scs
from scs.cli import main
from scs.data._whole import whole_file, write_whole
from scs.solvers import BudgetWarning

N = 60


@pytest.fixture
def table() -> pd.DataFrame:
    """Six clusters, of which c differs by far."""
    rng = np.random.default_rng(0)
    g = np.repeat(list("abcdef"), N // 6)
    y = (rng.normal(size=N) + 5 * (g == "c")).round(3)
    return pd.DataFrame({"y": y, "x": rng.normal(size=N).round(3), "g": g})


@pytest.fixture
def run(tmp_path, capsys):
    """Write a file, run `scs fit` on it, and return exit code, output and errors."""

    def run(content, *arguments, name="t.csv", columns=("--outcome", "y")):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        options = ("--cluster", "g", "--bootstrap", "0", "--budget", "1")
        code = main(["fit", str(path), *columns, *options, *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def expected(run, table):
    return _numbers(run(table.to_csv(index=False)))


def _numbers(result) -> str:
    code, out, _ = result
    assert code == 0, result
    return out[out.index("Certificate") :]


def _refused(result, *words):
    code, out, err = result
    last = err.splitlines()[-1]
    assert code == 2 and "Certificate" not in out
    assert last.startswith("scs: ") and "Traceback" not in err
    assert all(word in last for word in words), last


# --------------------------------------------------------------------------------- CSV files


@pytest.mark.parametrize("content", [",\n,\n", ",,\n1,2,a\n3,4,b\n", '"",""\n"",""\n'])
def test_a_header_without_names_is_refused(run, content):
    _refused(run(content), "no column names in line 1")


@pytest.mark.parametrize(
    "encoding",
    ["hex", "zip", "bz2", "base64", "uu", "quopri", "rot13", "punycode", "idna", "undefined",
     "unicode_escape", "raw-unicode-escape", "\udcff", "a\0b"],
)  # fmt: skip
def test_what_is_no_encoding_of_text_is_refused_by_name(run, table, encoding):
    _refused(run(table.to_csv(index=False), "--encoding", encoding), f"encoding {encoding!r}")


@pytest.mark.parametrize(
    ("encoding", "words"),
    [("hex", "not one of text"), ("idna", "not one of text"), ("klingon", "not known"),
     ("utf-16", "cannot be read as csv")],
)  # fmt: skip
def test_encodings_of_files_read_in_batches(tmp_path, encoding, words):
    (tmp_path / "t.csv").write_text("y,x,g\n1,2,a\n2,3,b\n")
    with pytest.raises(ValueError, match=words) as caught:
        scs.Moments.from_files(
            tmp_path / "t.csv", outcome="y", cluster="g", csv={"encoding": encoding}
        )
    assert type(caught.value) is ValueError


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "sep=;;;"])
def test_the_separator_line_of_excel_is_read(run, table, expected, first):
    text = table.to_csv(index=False, sep=";", decimal=",", lineterminator="\r\n")
    assert _numbers(run(f"{first}\r\n{text}")) == expected
    tabs = table.to_csv(index=False, sep="\t")
    assert _numbers(run(f"\ufeffsep=\t\n{tabs}")) == expected


@pytest.mark.parametrize(
    "above",
    ["Wards of 2019\n", "Wards of 2019\n\n", "\n  \nWards of 2019\n", "# by hand\n",
     "Wards,,\n,,\n", '"Wards, of\n2019"\n', "Wards\nof\n2019\n", "   \n"],
)  # fmt: skip
def test_a_title_above_the_header_is_left_out(run, table, expected, above):
    result = run(above + table.to_csv(index=False))
    assert _numbers(result) == expected
    assert ("without its title" in result[1].splitlines()[0]) == bool(above.strip())
    comma = table.to_csv(index=False, sep=";", decimal=",")
    assert _numbers(run(above.replace(",", ";") + comma)) == expected


def test_a_title_of_several_fields_and_a_header_that_lacks_a_name_are_told(run, table):
    text = table.to_csv(index=False)
    _refused(run("Wards, 2019\n" + text), "2 column(s)", "3 in the others", "take out")
    _refused(run(text.replace("y,x,g", "y,x")), "2 column(s)", "3 in the others", "name each")


def test_no_row_of_numbers_is_taken_for_a_header(run):
    _refused(run("y\n1,2\n3,4\n"), "first line", "name each column")
    _refused(run("all\n1,a\n2,b\n"), "first line", "name each column")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-32", "utf-8-sig"])
def test_wide_encodings_are_found_with_their_mark_and_utf_16_without(
    run, table, expected, encoding
):
    assert _numbers(run(table.to_csv(index=False).encode(encoding))) == expected


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.csv.bz2"])
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, pa.compress, bytes])
def test_packed_files_are_told_by_their_bytes_not_by_their_name(run, table, expected, name, pack):
    content = table.to_csv(index=False).encode()
    if pack is pa.compress:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(content)
        content = sink.getvalue().to_pybytes()
    else:
        content = pack(content)
    assert _numbers(run(content, name=name)) == expected


@pytest.mark.parametrize("mark", [".", "-", "?", "*", "--"])
@pytest.mark.parametrize("decimal_mark", [".", ","])
def test_marks_among_numbers_are_missing_values_and_said(run, table, mark, decimal_mark):
    sep = ";" if decimal_mark == "," else ","
    for column in ("x", "y"):
        holed = table.copy()
        holed.loc[3, column] = np.nan
        plain = holed.to_csv(index=False, sep=sep, decimal=decimal_mark)
        marked = holed.to_csv(index=False, sep=sep, decimal=decimal_mark, na_rep=mark)
        assert plain != marked
        result = run(marked, "--missing", "drop")
        assert _numbers(result) == _numbers(run(plain, "--missing", "drop"))
        assert f"column {column!r}: {mark!r} is read as missing (1 row)" in result[2]
        _refused(run(marked), f"1 in {column!r}", "--missing drop")


@pytest.mark.parametrize("column", ["g", "sex"])
def test_a_mark_among_names_stays_and_is_pointed_out(run, table, column):
    table["sex"] = ["f", "m", "?"] * 20
    table.loc[:4, "g"] = "?"
    code, _, err = run(table.to_csv(index=False), "--budget", "1")
    assert code == 0
    assert f"column {column!r}: '?' is a " in err and "--na=?" in err
    code, _, err = run(table.to_csv(index=False), "--na=?", "--missing", "drop")
    assert (code, err) == (0, "")


# ---------------------------------------------------------------------------- Parquet columns


def _parquet(table, name, values, type_=None) -> bytes:
    whole = pa.Table.from_pandas(table, preserve_index=False)
    column = values if isinstance(values, pa.Array) else pa.array(values, type=type_)
    place = whole.column_names.index(name) if name in whole.column_names else None
    whole = (
        whole.append_column(name, column)
        if place is None
        else whole.set_column(place, name, column)
    )
    sink = pa.BufferOutputStream()
    pq.write_table(whole, sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("name", ["z", "g", "y"])
@pytest.mark.parametrize("values", [[[1, 2]] * N, [{"a": 1}] * N], ids=["list", "struct"])
def test_columns_of_lists_are_refused_by_name(run, table, name, values):
    content = _parquet(table, name, values)
    _refused(run(content, name="t.parquet"), f"column {name!r}", "--exclude")
    if name == "z":
        result = run(content, "--categorical", "z", name="t.parquet")
        _refused(result, "column 'z' holds", "--exclude")
        code, out, _ = run(content, "--exclude", "z", name="t.parquet")
        assert code == 0 and "Certificate" in out


def test_categories_of_parquet_may_be_named_categorical(run, table):
    values = pa.array(["u", "v"] * (N // 2))
    plain = run(_parquet(table, "z", values), "--categorical", "z", name="t.parquet")
    coded = run(
        _parquet(table, "z", values.dictionary_encode()), "--categorical", "z", name="t.parquet"
    )
    assert _numbers(plain) == _numbers(coded)


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"ARROW1\0\0...", "Feather"), (b"\xfd7zXZ\0....", "xz"), (b"SQLite format 3\0", "data base"),
     (b"<stata_dta>...", "Stata"), (b"%PDF-1.4 ....", "PDF")],
)  # fmt: skip
def test_files_of_other_kinds_are_named(run, content, what):
    _refused(run(content), what, "save it as CSV")


# ---------------------------------------------------------------------------------- from Python


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (pd.Series(list("abc")), "groups must be the name of a column of data, got Series"),
        (pl.Series(["a"]), "got Series"),
        (np.array(["a", "b"]), "got ndarray"),
        (["g"], "got list"),
        (True, "got bool"),
    ],
)
def test_groups_is_a_name(table, groups, said):
    with pytest.raises(TypeError, match=said):
        scs.fit("y ~ x", table, groups, 1)


def test_integer_column_names_work_but_in_a_formula(table):
    named = table.rename(columns={"g": 7})
    right = scs.fit("y ~ x", table, "g", 1)
    model = scs.fit("y ~ x", named, 7, 1)
    assert list(model.selected) == list(right.selected) == ["c"]
    assert np.allclose(model.predict(named), right.predict(table))
    for formula in ("y ~ .", "y ~ `0`", "y ~ x + log(`0`)"):
        with pytest.raises(ValueError, match="column '0' has a number for a name: rename it"):
            scs.fit(formula, table.assign(z=1.0).rename(columns={"z": 0}), "g", 1)
    levels = pd.concat({"a": table}, axis=1)
    with pytest.raises(ValueError, match="column names of 2 levels"):
        scs.fit("y ~ x", levels, "g", 1)


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y ~ `` + x", "column '' has no name: rename it"),
        ("np.log(``) ~ x", "column '' has no name: rename it"),
        ("y ~ x + (1|g)", r"groups= \(--cluster\)"),
        ("y ~ x + (1 + x | g)", r"random= \(--random\)"),
        ("y ~ C(w, levels=['u', 'v'])", "leaves out 'w', which data holds"),
        ("y ~ C(k, levels=[1, 2])", "leaves out 3, which data holds"),
    ],
)
def test_formulas_of_other_tools(table, formula, words):
    table = table.assign(w=["u", "v", "w"] * 20, k=[1, 2, 3] * 20)
    with pytest.raises(ValueError, match=words) as caught:
        scs.fit(formula, table, "g", 1)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("formula", ["I(y - x) ~ x", "y ~ x + offset(x)"])
def test_an_offset_is_subtracted(table, formula):
    moved = scs.fit(formula, table, "g", 1, ridge_fixed=0.0)
    plain = scs.fit("y ~ x", table, "g", 1, ridge_fixed=0.0)
    assert np.isclose(moved.coef["x"], plain.coef["x"] - 1)


@pytest.mark.parametrize("value", ["a\udcff", "\ud800b"])
def test_text_that_is_no_unicode_is_named(table, value):
    def one(name):
        column = table[name].astype(object)
        column[3] = value
        return table.astype({name: object}).assign(**{name: pd.Series(column, dtype=object)})

    for name, formula in (("g", "y ~ x"), ("x", "y ~ x"), ("y", "y ~ x"), ("x", "y ~ C(x)")):
        with pytest.raises((ValueError, TypeError), match=f"'{name}'.*row 3") as caught:
            scs.fit(formula, one(name), "g", 1)
        assert not isinstance(caught.value, UnicodeError)
    model = scs.fit("y ~ x", table, "g", 1)
    with pytest.raises(ValueError, match="no Unicode"):
        model.predict(one("g"))
    lists = {name: list(table[name]) for name in table}
    lists["g"][3] = value
    with pytest.raises(ValueError, match=r"'g' holds text that is no Unicode.*row 3"):
        scs.fit("y ~ x", lists, "g", 1)
    with pytest.raises(ValueError, match="column's name"):
        scs.fit("y ~ x", {**lists, "g": list(table["g"]), value: [1] * N}, "g", 1)
    with pytest.raises(ValueError, match=r"clusters holds text that is no Unicode.*row 3"):
        scs.SignificantClusterRegressor(1).fit(table[["x"]], table["y"], lists["g"])


@pytest.mark.parametrize(
    "kind", [pl.Int128, pl.UInt128, pl.Decimal(20, 3), pl.UInt64, pl.Int8], ids=str
)
def test_wide_numbers_are_as_plain_ones(kind):
    numbers = np.arange(N) % 7
    plain = pl.DataFrame({"y": np.sin(np.arange(N)), "x": numbers, "g": np.arange(N) % 5})
    wide = plain.with_columns(pl.col("x", "g").cast(kind))
    right, model = (scs.fit("y ~ x", frame, "g", 2) for frame in (plain, wide))
    assert np.allclose(model.coef, right.coef)
    assert [int(label) for label in model.selected] == list(right.selected)
    assert np.allclose(model.predict(wide), right.predict(plain))
    X, y, g = wide[["x"]], wide["y"], wide["g"]
    both = [scs.SignificantClusterRegressor(2).fit(X, y, labels) for labels in (g, plain["g"])]
    assert np.allclose(both[0].predict(X, g), both[1].predict(X, plain["g"]))


def test_labels_beyond_64_bits_are_labels():
    huge = pl.Series([2**100 + k for k in range(6)] * 10, dtype=pl.Int128)
    frame = pl.DataFrame({"y": np.arange(N) * 1.0, "g": huge})
    assert list(scs.fit("y ~ 1", frame, "g", 1).moments.labels) == [2**100 + k for k in range(6)]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"y": [1.0, 2.0], "g": np.array([["a", "b"], ["c", "d"]])}, r"'g' has shape \(2, 2\)"),
        ({"y": [1.0, 2.0], "g": ["a"]}, "1 in 'g', 2 in 'y'.*one length"),
        ({"y": 1.0, "g": "a"}, "'y' is the single value"),
        ({}, "there are none at all"),
    ],
)
def test_dicts_that_are_no_tables(data, words):
    with pytest.raises(ValueError, match=words):
        scs.fit("y ~ 1", data, "g", 1)


@pytest.mark.parametrize(
    "labels",
    [np.full((N, 2), "a"), [["a", "b"]] * N, pd.DataFrame({"a": [1] * N, "b": 2})],
    ids=["array", "lists", "frame"],
)
def test_labels_of_two_dimensions_are_refused(table, labels):
    with pytest.raises((ValueError, TypeError), match=r"clusters .*(tuples|hashed)"):
        scs.SignificantClusterRegressor(1).fit(table[["x"]], table["y"], labels)


# --------------------------------------------------------------------------- budgets above K


def test_a_budget_above_all_clusters_is_all_of_them_everywhere_with_a_note(run, table):
    said = "budget 50 is more than the 6 clusters there are"
    X, y, g = table[["x"]], table["y"], table["g"]
    moments = scs.Moments.from_arrays(X, y, g, intercept=True)
    with pytest.warns(BudgetWarning, match=said):
        model = scs.fit("y ~ x", table, "g", 50)
    assert model.budget == 6
    with pytest.warns(BudgetWarning, match=said):
        solution = scs.solve(moments, 50)
    assert solution.objective == scs.solve(moments, 6).objective
    with pytest.warns(BudgetWarning, match=said):
        scs.solve_path(moments, [1, 50])
    with pytest.warns(BudgetWarning, match=said):
        model.path([50])
    with pytest.warns(BudgetWarning, match=said):
        scs.SignificantClusterRegressor(50).fit(X, y, g)
    with pytest.warns(BudgetWarning, match=said):
        chosen = scs.SignificantClusterRegressorCV([0, 50]).fit(X, y, g)
    assert list(chosen.budgets_) == [0, 6]
    with pytest.warns(BudgetWarning, match=said):
        slopes = scs.fit("y ~ x", table, "g", [50, 1], random="1 + x")
    assert slopes.budget == {"Intercept": 6, "x": 1}
    assert (
        run(table.to_csv(index=False), "--budget", "50")[2]
        == f"scs: note: {said}: all of them may differ.\n"
    )


@pytest.mark.parametrize("budget", [True, 1.0, "3", None, float("nan")])
def test_a_budget_is_a_whole_number(table, budget):
    with pytest.raises((ValueError, TypeError), match="budget must be a whole number"):
        scs.fit("y ~ x", table, "g", budget)
    with pytest.raises(TypeError, match="budget must be a whole number"):
        scs.SignificantClusterRegressor(budget).fit(table[["x"]], table["y"], table["g"])


def test_notes_are_of_the_data_not_of_numpys_insides(run, table):
    for scale in (1e154, 1e200, 1e-170, 1e300):
        for column in ("x", "y"):
            _, _, err = run(table.assign(**{column: table[column] * scale}).to_csv(index=False))
            assert "encountered" not in err


# --------------------------------------------------------------------------- files written


def _report(path, table, tmp_path) -> int:
    csv = tmp_path / "t.csv"
    table.to_csv(csv, index=False)
    return main(["fit", str(csv), "--outcome", "y", "--cluster", "g", "--budget", "1",
                 "--bootstrap", "0", "--report", str(path)])  # fmt: skip


def test_a_report_follows_no_link_laid_in_its_way(table, tmp_path):
    (tmp_path / "out").mkdir()
    target, victim = tmp_path / "out" / "r.html", tmp_path / "victim"
    victim.write_text("mine")
    for name in ("r.html.tmp", "r.html", ".r.html.tmp"):
        (tmp_path / "out" / name).symlink_to(victim)
    assert _report(target, table, tmp_path) == 0
    assert victim.read_text() == "mine"
    assert not target.is_symlink() and "<!doctype html>" in target.read_text()
    assert {path.name for path in target.parent.iterdir()} == {
        "r.html",
        "r.html.tmp",
        ".r.html.tmp",
    }


def test_a_report_that_fails_leaves_nothing_behind(table, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "r.html"
    target.write_text("old")

    def full(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_text", full)
    assert _report(target, table, tmp_path) == 2
    assert [path.name for path in target.parent.iterdir()] == ["r.html"]
    assert target.read_bytes() == b"old"


def test_whole_files_have_the_rights_of_any_new_file_or_of_the_old_one(tmp_path):
    plain, path = tmp_path / "plain", tmp_path / "whole"
    plain.touch()
    write_whole(path, "a\n")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    path.chmod(0o600)
    write_whole(path, "b\ud800\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "b\\ud800\n"
    with pytest.raises(ZeroDivisionError), whole_file(path):
        raise ZeroDivisionError
    assert path.read_text() == "b\\ud800\n"
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_no_plain_file_is_not_replaced(run, table):
    _refused(run(table.to_csv(index=False), "--report", os.devnull), "--report", "no plain file")
    with pytest.raises(OSError, match="no plain file"), whole_file(os.devnull):
        pass


def test_decimals_of_parquet_are_numbers(run, table, expected):
    values = [decimal.Decimal(str(x)) for x in table["x"]]
    assert _numbers(run(_parquet(table, "x", values), name="t.parquet")) == expected
