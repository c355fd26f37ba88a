"""The command as other programs use it: JSON, CSV, standard input, saved models, exit codes."""

import csv
import gzip
import io
import json
import os
import re
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import scs
from scs.cli import main
from scs.estimators.exported import as_json, records, safe_csv


def rows(labels) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    code = np.repeat(np.arange(10), 9)
    n = len(code)
    x, ward = rng.normal(size=n), rng.integers(1, 4, n)
    y = x + np.where(code == 4, 6.0, 0.0) + (ward == 2) + rng.normal(0, 0.5, n)
    return pd.DataFrame({"y": y, "x": x, "ward": ward, "g": [labels[k] for k in code]})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows([f"c{k}" for k in range(10)]).to_csv("t.csv", index=False)
    return tmp_path


FIT = ["fit", "t.csv", "--outcome", "y", "--cluster", "g", "--categorical", "ward"]


def test_json_is_one_document_and_nothing_else(folder, capsys):
    assert main([*FIT, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)  # fails if anything stands beside it
    model = scs.fit("y ~ x + C(ward)", pd.read_csv("t.csv"), "g")
    assert found["format"] == 1
    assert found["model"]["n_selected"] == len(model.selected) == 1
    assert [c["cluster"] for c in found["clusters"] if c["selected"]] == ["c4"]
    np.testing.assert_allclose([c["estimate"] for c in found["coefficients"]], model.coef)
    np.testing.assert_allclose(
        [c["std_error_cr2"] for c in found["coefficients"]], model.robust_errors("CR2")
    )
    (named,) = [c for c in found["clusters"] if c["selected"]]
    np.testing.assert_allclose([named["low"], named["high"]], model.intervals.iloc[0])
    assert found["table"].startswith("t.csv: CSV")
    assert set(found["model"]) == set(model.glance().columns)


def test_notes_are_in_the_document_and_on_stderr(folder, capsys):
    table = pd.read_csv("t.csv").assign(twice=lambda t: 2 * t["x"])
    table.to_csv("t.csv", index=False)
    assert main([*FIT, "--json"]) == 0
    out, err = capsys.readouterr()
    assert any("'twice' depends on 'x'" in note for note in json.loads(out)["notes"])
    assert "scs: note: columns that say nothing new" in err
    assert (
        next(c for c in json.loads(out)["coefficients"] if c["term"] == "twice")["estimate"] is None
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fit", "none.csv", "--outcome", "y", "--cluster", "g", "--json"], "no file 'none.csv'"),
        ([*FIT, "--save", "no/m.scs"], "--save: no folder 'no'"),
        ([*FIT, "--csv", "."], "--csv: '.' is a folder"),
        (["predict", "t.csv", "t.csv"], "t.csv is no saved model"),
        (["show", "none.scs"], "no file 'none.scs'"),
    ],
)
def test_what_can_be_mended_is_one_line_and_2(arguments, said, folder, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err and err.startswith("scs: ") and len(err.splitlines()) == 1


def test_a_table_on_standard_input_is_that_of_the_file(folder, capsys, monkeypatch):
    assert main([*FIT, "--json"]) == 0
    of_file = json.loads(capsys.readouterr().out)
    data = (folder / "t.csv").read_bytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert main([FIT[0], "-", *FIT[2:], "--json"]) == 0
    of_stdin = json.loads(capsys.readouterr().out)
    assert of_stdin.pop("table").startswith("standard input: CSV")
    of_file.pop("table")
    assert of_stdin == of_file


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe with a name is of Unix")
@pytest.mark.parametrize("packed", [False, True])
def test_a_table_from_a_pipe_is_that_of_the_file(packed, folder, capsys):
    assert main([*FIT, "--json"]) == 0
    of_file = json.loads(capsys.readouterr().out)
    data = (folder / "t.csv").read_bytes()
    os.mkfifo("pipe")  # as scs fit <(zcat t.csv.gz) has it
    writer = threading.Thread(
        target=Path("pipe").write_bytes, args=[gzip.compress(data) if packed else data]
    )
    writer.start()
    assert main([FIT[0], "pipe", *FIT[2:], "--json"]) == 0
    writer.join()
    of_pipe = json.loads(capsys.readouterr().out)
    assert of_pipe.pop("table").startswith("the pipe: CSV")
    of_file.pop("table")
    assert of_pipe == of_file


@pytest.mark.parametrize("row", [1, 5, 90])
@pytest.mark.parametrize(
    ("column", "cell", "options"),
    [
        ("x", "", ["--outcome", "y"]),
        ("x", "inf", ["--outcome", "y"]),
        ("x", "oops", ["--outcome", "y"]),
        ("y", "oops", ["--outcome", "y"]),
        ("ward", "-1", ["--observed", "ward", "--expected", "one"]),
    ],
)
def test_messages_count_rows_as_predictions_do(column, cell, options, row, folder, capsys):
    table = pd.read_csv("t.csv").assign(one=1).astype(object)
    table.loc[row - 1, column] = cell
    table.to_csv("odd.csv", index=False)
    if options[0] == "--outcome":
        options = [*options, "--covariates", "x"]
    assert main(["fit", "odd.csv", "--cluster", "g", *options]) == 2
    said = capsys.readouterr().err
    assert re.search(rf"\brow {row}\b", said)
    assert "counted from 1, the first below the header" in said


@pytest.mark.parametrize("kind", ["date", "datetime64[ns]", "datetime64[ns, Europe/Berlin]"])
def test_labels_that_are_times_are_found_in_a_csv_file(kind, folder, capsys):
    table = rows(list(range(10)))
    days = pd.Timestamp("2020-10-23") + pd.to_timedelta(table["g"], "D")
    if kind == "date":
        table["g"] = days.dt.date
    else:
        table["g"] = days.dt.tz_localize("Europe/Berlin") if "," in kind else days
    table.to_parquet("t.parquet")
    table.to_csv("t.csv", index=False)
    assert main(["fit", "t.parquet", *FIT[2:], "--save", "m.scs"]) == 0
    capsys.readouterr()
    predicted = {}
    for name in ("t.parquet", "t.csv"):
        assert main(["predict", "m.scs", name]) == 0
        predicted[name] = pd.read_csv(io.StringIO(capsys.readouterr().out))
        assert predicted[name]["known"].all()
    assert (predicted["t.csv"]["predicted"] == predicted["t.parquet"]["predicted"]).all()
    lines = Path("t.csv").read_text().splitlines()
    lines[1:3] = [lines[1].rpartition(",")[0] + odd for odd in (",2020-13-77", ",no day")]
    Path("odd.csv").write_text("\n".join(lines) + "\n")
    assert main(["predict", "m.scs", "odd.csv"]) == 0
    out, err = capsys.readouterr()
    assert pd.read_csv(io.StringIO(out))["known"].tolist() == [False] * 2 + [True] * 88
    assert "2 labels are not written as the dates that the model knows" in err
    # ... and the other way round
    assert main(["fit", "t.csv", *FIT[2:], "--save", "m.scs"]) == 0
    capsys.readouterr()
    if kind == "date":
        assert main(["predict", "m.scs", "t.parquet"]) == 0
        assert pd.read_csv(io.StringIO(capsys.readouterr().out))["known"].all()


@pytest.mark.parametrize(
    "labels",
    [[f"c{k}" for k in range(10)], list(range(10)), [f"{k:03d}" for k in range(9)] + ["10"]],
    ids=["names", "numbers", "codes"],
)
def test_a_saved_model_predicts_as_the_fitted_one(labels, folder, capsys):
    table = rows(labels)
    table.to_csv("t.csv", index=False)
    assert main([*FIT, "--save", "m.scs"]) == 0
    model = scs.load("m.scs")
    new = table.iloc[[0, 40, 89, 3]].copy()
    for last, unknown in ((labels[0], False), ("new", True)):
        new["g"] = new["g"].astype(object)
        new.iloc[3, 3] = last
        new.drop(columns="y").to_csv("new.csv", index=False)
        capsys.readouterr()
        assert main(["predict", "m.scs", "new.csv", "--interval", ".9"]) == 0
        found = pd.read_csv(io.StringIO(capsys.readouterr().out))
        assert found["known"].tolist() == [True, True, True, not unknown]
        kinds = {c: table[c].dtype for c in ("g",)}
        whole = table.assign(ward=table["ward"].astype("category"))
        expected = model.predict(whole.astype(kinds), interval=0.9).iloc[[0, 40, 89]]
        np.testing.assert_allclose(
            found[["predicted", "low", "high"]][:3], expected, rtol=1e-13, atol=1e-13
        )
    assert found["row"].tolist() == [1, 2, 3, 4]


def test_predictions_as_json_and_as_a_file(folder, capsys):
    assert main([*FIT, "--save", "m.scs"]) == 0
    capsys.readouterr()
    assert main(["predict", "m.scs", "t.csv", "--json", "--csv", "p.csv"]) == 0
    found = json.loads(capsys.readouterr().out)
    written = pd.read_csv("p.csv")
    assert len(found) == len(written) == 90
    assert [r["predicted"] for r in found] == written["predicted"].tolist()
    assert main(["predict", "m.scs", "t.csv", "--na", "c1"]) == 0
    assert main(["predict", "m.scs", "t.csv", "--interval", "95"]) == 2


def test_show_says_what_fit_said(folder, capsys):
    assert main([*FIT, "--save", "m.scs", "--csv", "c.csv"]) == 0
    said = capsys.readouterr().out.split("\n\n", 1)[1]
    assert main(["show", "m.scs"]) == 0
    shown = capsys.readouterr().out
    assert shown.split("\n\n", 1)[1] == said
    assert shown.startswith("t.csv: CSV, UTF-8")
    assert main(["show", "m.scs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["n_clusters"] == 10
    clusters = pd.read_csv("c.csv")
    assert clusters.loc[clusters["selected"], "cluster"].tolist() == ["c4"]


def test_no_cell_of_csv_is_a_formula_to_a_spreadsheet():
    harmful = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "a=1", "'=1", ""]
    table = pd.DataFrame({"=name": harmful, "value": np.arange(9) - 4.5})
    read = list(csv.reader(io.StringIO(safe_csv(table), newline="")))
    assert read[0] == ["'=name", "value"]
    for (text, number), given, value in zip(read[1:], harmful, table["value"]):
        assert not text.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert text.removeprefix("'") == given.removeprefix("'")
        assert float(number) == value


def test_json_has_no_value_that_json_has_not():
    table = pd.DataFrame({"a": [np.nan, np.inf, 1.5], "b": [2**60, 1, 0], "c": [None, "x", pd.NaT]})
    assert json.loads(as_json(records(table))) == [
        {"a": None, "b": str(2**60), "c": None},
        {"a": None, "b": 1, "c": "x"},
        {"a": 1.5, "b": 0, "c": None},
    ]


def test_exit_codes_are_in_the_help(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "Exit codes: 0 done" in said and "130 stopped" in said


@pytest.mark.parametrize("option", ["--csv", "--save", "--report"])
def test_no_output_is_written_over_the_table(folder, capsys, option):
    before = (folder / "t.csv").read_bytes()
    assert main([*FIT, option, "./t.csv"]) == 2
    assert f"{option}: './t.csv' is read by this command" in capsys.readouterr().err
    assert (folder / "t.csv").read_bytes() == before


@pytest.mark.parametrize("read", ["t.csv", "m.scs"])
def test_predictions_are_not_written_over_what_they_are_made_of(folder, capsys, read):
    assert main([*FIT, "--save", "m.scs"]) == 0
    before = (folder / read).read_bytes()
    assert main(["predict", "m.scs", "t.csv", "--csv", read]) == 2
    assert "is read by this command" in capsys.readouterr().err
    assert (folder / read).read_bytes() == before


def test_labels_that_are_no_plain_numbers_are_printed_as_they_are_and_said(folder, capsys):
    rows(range(10)).to_csv("t.csv", index=False)
    assert main([*FIT, "--save", "m.scs"]) == 0
    (folder / "new.csv").write_text("x,ward,g\n1,1,03\n1,1,3\n1,1,3.0\n")
    capsys.readouterr()
    assert main(["predict", "m.scs", "new.csv"]) == 0
    out, err = capsys.readouterr()
    found = list(csv.DictReader(io.StringIO(out)))
    assert [(row["g"], row["known"]) for row in found] == [
        ("03", "False"), ("3", "True"), ("3.0", "False")
    ]  # fmt: skip
    assert "2 labels are not written as the whole numbers that the model knows (first '03')" in err
