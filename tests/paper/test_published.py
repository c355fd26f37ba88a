"""The published tables: complete, and as printed."""

import importlib

import pandas as pd
import pytest

from scs.paper.published import RECOVERY, TABLES, published

module = importlib.import_module("scs.paper.published")  # `scs.published` may name the function

COUNTS = {
    "1": 12, "B1": 48, "B2": 48, "B3": 48, "B4": 36, "B5": 36, "B6": 36, "B7": 36, "B8": 40,
    "B9": 40, "B10": 40, "B11": 30, "B12": 30, "B13": 30, "B14": 27, "C1": 4,
}  # fmt: skip
METHODS = ["OLS", "LMM (Gaussian)", "LMM (Laplace)", "MIO"]


def test_every_cell_of_the_paper_is_there_once():
    assert list(COUNTS) == list(TABLES)
    assert {name: len(published(name)) for name in TABLES} == COUNTS
    assert sum(COUNTS[name] for name in RECOVERY) == 462
    assert sum(COUNTS.values()) == 541
    in_files = sum(
        len(pd.read_csv(file)) for file in (module.data_folder() / "published").glob("*.csv")
    )
    assert in_files == 541


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_tidy(name):
    table = published(name)
    assert set(table["table"]) == {name}
    assert list(table.index) == list(range(len(table)))
    assert not table.isna().any().any()
    number = {"1": "runtime_ms", "B7": "mio_sparsity_percent", "B14": "icc_percent", "C1": "mse"}
    keys = [c for c in table.columns if c not in ("bold", number.get(name, "value"))]
    assert not table.duplicated(keys).any()
    assert (table[number.get(name, "value")] >= 0).all()


# Typed from the paper's text, independently of the files: first, last and odd rows.
@pytest.mark.parametrize(
    ("name", "level", "values", "bold"),
    [
        ("B1", "90%", [0.23564, 0.00122, 0.01664, 0.00054], "MIO"),
        ("B1", "0%", [0.05406, 0.00024, 0.00052, 0.00013], "MIO"),
        ("B2", "66%", [0.13559, 0.00073, 0.00436, 0.00034], "MIO"),
        ("B3", "80%", [0.14163, 0.00154, 0.01074, 0.00059], "MIO"),
        ("B4", "20%", [0.04401, 0.09123, 0.05061], "LMM (Gaussian)"),
        ("B5", "33%", [0.10921, 0.16142, 0.10074], "MIO"),
        ("B6", "40%", [0.14134, 0.19434, 0.00887], "MIO"),
        ("B6", "0%", [0.07705, 0.23086, 0.16996], "LMM (Gaussian)"),
        ("B8", "10.0", [0.09206, 0.00378, 0.04470, 0.00175], "MIO"),
        ("B9", "70.0", [0.12111, 0.00045, 0.00475, 0.00020], "MIO"),
        ("B10", "100.0", [0.13182, 0.00031, 0.00378, 0.00014], "MIO"),
        ("B11", "10.0", [0.04014, 0.07613, 0.02846], "MIO"),
        ("B12", "50.0", [0.10460, 0.17986, 0.11122], "LMM (Gaussian)"),
        ("B13", "100.0", [0.15772, 0.36796, 0.23885], "LMM (Gaussian)"),
    ],
)
def test_recovery_rows_as_printed(name, level, values, bold):
    rows = published(name).query("level == @level")
    assert rows["method"].tolist() == METHODS[-len(values) :]
    assert rows["value"].tolist() == values
    assert rows.loc[rows["bold"], "method"].tolist() == [bold]


def test_recovery_tables_say_what_they_are_about():
    about = {
        name: published(name)[["regime", "dimension", "parameter"]]
        .drop_duplicates()
        .values.tolist()
        for name in RECOVERY
    }
    sizes = ["low", "medium", "high"]
    for offset, size in enumerate(sizes):
        assert about[f"B{1 + offset}"] == [["sparse", size, "beta"]]
        assert about[f"B{4 + offset}"] == [["sparse", size, "gamma"]]
        assert about[f"B{8 + offset}"] == [["gaussian", size, "beta"]]
        assert about[f"B{11 + offset}"] == [["gaussian", size, "gamma"]]


def test_the_other_tables_as_printed():
    b7 = published("B7").pivot(
        index="true_sparsity_percent", columns="dimension", values="mio_sparsity_percent"
    )[["low", "medium", "high"]]
    assert b7.loc[90].tolist() == [79, 82, 86]
    assert b7.loc[40].tolist() == [38, 33, 39]
    assert b7.loc[10].tolist() == [0, 6, 8]
    b14 = published("B14").pivot(index="true_icc_percent", columns="method", values="icc_percent")
    assert b14.loc[10, METHODS[1:]].tolist() == [8, 1, 4]
    assert b14.loc[50, METHODS[1:]].tolist() == [49, 41, 48]
    assert b14.loc[90, METHODS[1:]].tolist() == [90, 89, 90]
    runtime = published("1").pivot(index="dimension", columns="method", values="runtime_ms")
    assert runtime.loc["low", METHODS].tolist() == [2.63, 13.67, 744.55, 237.22]
    assert runtime.loc["high", METHODS].tolist() == [26.74, 43.07, 927.88, 539.35]
    c1 = published("C1").set_index("method")["mse"]
    assert c1[METHODS].tolist() == [10.45442, 10.65313, 10.81555, 10.79221]


@pytest.mark.parametrize("spelling", ["Table B1", "table b1", " B1 ", "b1"])
def test_spellings(spelling):
    pd.testing.assert_frame_equal(published(spelling), published("B1"))


def test_a_number_as_name():
    assert published(1)["table"].unique().tolist() == ["1"]


@pytest.mark.parametrize("name", ["B15", "2", "", "B", "Figure 2", None])
def test_unknown_name_lists_the_names(name):
    with pytest.raises(ValueError, match=r"no table of the paper; use one of 1, B1, .*, B14, C1"):
        published(name)


def test_away_from_the_repository(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "__file__", str(tmp_path / "lib" / "scs" / "published.py"))
    monkeypatch.chdir(tmp_path)
    assert module.data_folder() == tmp_path / "data"
    with pytest.raises(FileNotFoundError, match="is missing; work in a clone"):
        published("B1")
