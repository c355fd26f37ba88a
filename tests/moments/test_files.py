"""Files of any make-up give the moments of their rows; what cannot be read is named."""

import bz2
import gzip
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_moments import assert_same

from scs import DesignWarning, Moments
from scs.data import sources as large_sources
from scs.data.columns import choose_columns
from scs.data.sources import open_source
from scs.data.tables import open_table, read_columns
from scs.moments.files import read_batches, read_files

NAMES = {"outcome": "y", "cluster": "school"}


def table(seed=0, n_rows=200, n_clusters=12, labels=None):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_clusters, n_rows)
    labels = np.array([f"s{k:02d}" for k in range(n_clusters)]) if labels is None else labels
    return pd.DataFrame(
        {
            "x1": rng.normal(size=n_rows) + 1e4,
            "x2": rng.integers(-5, 5, n_rows),
            "x3": rng.uniform(size=n_rows) < 0.3,
            "y": rng.normal(size=n_rows) * 3,
            "school": labels[codes],
        }
    )


def direct(frame, covariates=("x1", "x2", "x3"), intercept=False):
    X = frame[list(covariates)].astype(float)
    return Moments.from_arrays(X, frame["y"], frame["school"], intercept=intercept)


def write(frame, path, **options):
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, **options)
    return path


@pytest.mark.slow
@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    n_files=st.integers(1, 4),
    group=st.integers(1, 80),
    batch_rows=st.integers(1, 150),
    text=st.booleans(),
)
def test_any_files_row_groups_and_batches_give_the_moments_of_the_rows(
    tmp_path_factory, seed, n_files, group, batch_rows, text
):
    labels = None if text else np.random.default_rng(seed).permutation(1000)[:12]
    frame = table(seed, labels=labels)
    folder = tmp_path_factory.mktemp("files")
    for i, part in enumerate(np.array_split(np.arange(len(frame)), n_files)):  # clusters spread
        write(frame.iloc[part], folder / f"{i}.parquet", row_group_size=group)
    found = Moments.from_files(folder, **NAMES, intercept=True, batch_rows=batch_rows)
    assert_same(found, direct(frame, intercept=True))


@pytest.mark.parametrize("columns", [["x1"], ["x3", "x1"], []])
def test_only_the_columns_named_are_used_in_their_order(tmp_path, columns):
    frame = table().assign(note="text", when=pd.Timestamp("2020-01-01"))
    path = write(frame, tmp_path / "a.parquet")
    found = Moments.from_files(path, **NAMES, covariates=columns, intercept=True)
    assert_same(found, direct(frame, columns, intercept=True))


def test_a_list_a_pattern_and_a_folder_are_the_same_table(tmp_path):
    frame = table()
    paths = [write(frame[:120], tmp_path / "a.parquet"), write(frame[120:], tmp_path / "b.parquet")]
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / "notes.txt").write_text("no table")
    for source in (paths, str(tmp_path / "*.parquet"), tmp_path, [tmp_path]):
        assert_same(Moments.from_files(source, **NAMES), direct(frame))


def test_names_of_folders_give_a_column(tmp_path):
    frame = table(labels=np.arange(12))
    for school, rows in frame.groupby("school"):
        (tmp_path / f"school={school}").mkdir()
        write(rows.drop(columns="school"), tmp_path / f"school={school}" / "rows.parquet")
    assert_same(Moments.from_files(tmp_path, **NAMES), direct(frame))


@pytest.mark.parametrize("packed", [False, True])
def test_csv_as_other_countries_write_it(tmp_path, packed):
    frame = table()
    frame["school"] = frame["school"].str.replace("s", "é")
    text = frame.to_csv(index=False, sep=";", decimal=",").encode("latin-1")
    path = tmp_path / ("a.csv.gz" if packed else "a.csv")
    path.write_bytes(gzip.compress(text) if packed else text)
    csv = {"delimiter": ";", "decimal_point": ",", "encoding": "latin-1"}
    assert_same(Moments.from_files(path, **NAMES, csv=csv), direct(frame), rtol=1e-9)


def test_csv_numbers_that_begin_whole_may_be_broken_later(tmp_path):
    n = 40_000
    frame = table(n_rows=n)[["x1", "y", "school"]].assign(x1=1, y=2.0)
    frame["x1"] = np.where(np.arange(n) < n - 5, 1, 1.5)
    path = tmp_path / "a.csv"
    path.write_text(frame.to_csv(index=False).replace(",1.0,", ",1,").replace("\n1.0,", "\n1,"))
    found = Moments.from_files(path, **NAMES, csv={"block_size": 20_000})
    assert_same(found, direct(frame, ["x1"]), rtol=1e-9)


def test_tabs_and_labels_with_leading_zeros(tmp_path):
    frame = table(labels=np.array([f"{k:03d}" for k in range(12)]))
    path = tmp_path / "a.tsv"
    frame.to_csv(path, index=False, sep="\t")
    assert_same(Moments.from_files(path, **NAMES), direct(frame), rtol=1e-9)
    named = Moments.from_files(path, **NAMES, csv={"column_types": {"school": "int64"}})
    assert named.labels.tolist() == list(range(12))  # the user's word


def test_how_to_read_csv_is_refused_for_parquet(tmp_path):
    path = write(table(), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"^csv says how to read CSV, but .*a\.parquet"):
        Moments.from_files(path, **NAMES, csv={"delimiter": ";"})


def test_dictionaries_are_labels_and_only_levels_that_occur_count(tmp_path):
    frame = table()
    path = write(frame.assign(school=pd.Categorical(frame["school"])), tmp_path / "a.parquet")
    file = pq.read_table(path)
    assert pa.types.is_dictionary(file.schema.field("school").type)
    half = frame["school"] < "s06"
    pq.write_table(file.filter(pa.array(half)), path)
    assert_same(Moments.from_files(path, **NAMES), direct(frame[half]))


@pytest.mark.parametrize("kind", ["float", "bool", "date", "timestamp"])
def test_labels_of_other_kinds(tmp_path, kind):
    frame = table(n_clusters=2)
    codes = (frame["school"] == "s01").to_numpy()
    days = np.where(codes, np.datetime64("2020-01-02"), np.datetime64("2021-03-04"))
    labels = {"float": codes * 1.5, "bool": codes, "date": days, "timestamp": days}[kind]
    frame["school"] = labels
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    if kind == "date":
        arrow = arrow.set_column(4, "school", arrow["school"].cast(pa.date32()))
    pq.write_table(arrow, tmp_path / "a.parquet")
    assert_same(Moments.from_files(tmp_path, **NAMES), direct(frame))


def test_categories_are_coded_as_treatment_contrasts(tmp_path):
    frame = table()
    frame["region"] = np.random.default_rng(1).choice(["west", "east", "north"], len(frame))
    frame["grade"] = np.random.default_rng(2).choice([9, 10, 11], len(frame))
    path = write(frame, tmp_path / "a.parquet", row_group_size=70)
    found = Moments.from_files(
        path, **NAMES, covariates=["x1", "region", "grade"], categories=["region", "grade"],
        intercept=True, batch_rows=50,
    )  # fmt: skip
    dummies = pd.DataFrame({"x1": frame["x1"]})
    for name, levels in {"region": ["north", "west"], "grade": [10, 11]}.items():
        for level in levels:
            dummies[f"{name}[T.{level}]"] = (frame[name] == level).astype(float)
    assert_same(found, Moments.from_arrays(dummies, frame["y"], frame["school"], intercept=True))
    given = {"region": ["west", "east", "north"]}  # another reference
    found = Moments.from_files(path, **NAMES, covariates=["region"], categories=given)
    assert found.names == ("region[T.east]", "region[T.north]")
    with pytest.raises(ValueError, match=r"no level 'north' \(row \d+ of .*a.parquet\)"):
        Moments.from_files(
            path, **NAMES, covariates=["region"], categories={"region": ["west", "east"]}
        )


def test_missing_rows_are_refused_or_dropped_and_counted(tmp_path):
    frame = table(n_rows=300)
    frame.loc[[150, 201], "x1"] = np.nan
    frame.loc[[7, 201], "school"] = None
    path = write(frame, tmp_path / "a.parquet", row_group_size=100)
    whole = write(frame.drop(index=7), tmp_path / "b.parquet", row_group_size=100)
    with pytest.raises(
        ValueError, match=r"a.parquet has a missing value in column 'school', row 8 "
    ):
        Moments.from_files(path, **NAMES, batch_rows=10)
    with pytest.raises(ValueError, match=r"column 'x1', row 150 .*missing='drop'"):
        Moments.from_files(whole, **NAMES, batch_rows=100)
    with pytest.warns(DesignWarning, match=r"^3 of 300 rows .*'x1': 2, 'school': 2"):
        found = Moments.from_files(path, **NAMES, missing="drop", batch_rows=64)
    assert_same(found, direct(frame.drop(index=[7, 150, 201])))
    reading = read_files(path, **NAMES, missing="drop")
    assert (reading.n_read, reading.n_dropped) == (300, 3)
    assert reading.missing == {"x1": 2, "school": 2}


def test_missing_categories_are_missing_and_no_level(tmp_path):
    frame = table().assign(region="west")
    frame.loc[:50, "region"], frame.loc[3, "region"] = "east", None
    path = write(frame, tmp_path / "a.parquet")
    some = {"covariates": ["x1", "region"], "categories": ["region"]}
    with pytest.raises(ValueError, match="missing value in column 'region', row 4 "):
        Moments.from_files(path, **NAMES, **some)
    with pytest.warns(DesignWarning, match="1 of 200 rows"):
        found = Moments.from_files(path, **NAMES, **some, missing="drop")
    rest = frame.drop(index=3)
    X = pd.DataFrame({"x1": rest["x1"], "region[T.west]": (rest["region"] == "west").astype(float)})
    assert_same(found, Moments.from_arrays(X, rest["y"], rest["school"]))


def test_infinite_values_are_never_dropped(tmp_path):
    frame = table()
    frame.loc[33, "y"] = np.inf
    path = write(frame, tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"infinite value \(inf\) in column 'y', row 34"):
        Moments.from_files(path, **NAMES, missing="drop", batch_rows=20)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_the_number_of_processes_changes_no_digit(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(large_sources, "_PIECE", 40)
    frame = table(n_rows=300)
    for i in range(2):
        part = frame[150 * i : 150 * (i + 1)]
        if ending == "csv":
            part.to_csv(tmp_path / f"{i}.csv", index=False)
        else:
            write(part, tmp_path / f"{i}.parquet", row_group_size=15)
    alone = Moments.from_files(tmp_path, **NAMES, batch_rows=25)
    shared = Moments.from_files(tmp_path, **NAMES, batch_rows=25, n_jobs=2)
    for name in ("labels", "n", "mean_x", "mean_y", "within_xx", "within_xy", "within_yy"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(shared, name))
    assert_same(alone, direct(frame), rtol=1e-9)


def test_the_bar_counts_the_rows(tmp_path, capsys):
    path = write(table(n_rows=1500), tmp_path / "a.parquet", row_group_size=500)
    Moments.from_files(path, **NAMES, progress=True, batch_rows=500)
    assert "1.50k/1.50k" in capsys.readouterr().err
    table(n_rows=1500).to_csv(tmp_path / "a.csv", index=False)
    Moments.from_files(tmp_path / "a.csv", **NAMES, progress=True)
    assert "estimated" in capsys.readouterr().err


def test_batches_are_bounded_even_in_one_large_row_group(tmp_path):
    path = write(table(n_rows=5000), tmp_path / "a.parquet", row_group_size=5000)
    source = open_source(path)
    columns = choose_columns(source.schema, **NAMES)
    sizes = [len(rows.y) for rows in read_batches(source, columns, batch_rows=300)]
    assert sum(sizes) == 5000
    assert max(sizes) < 600


@pytest.mark.parametrize("groups", ["one row group", "many"])
def test_arrow_holds_no_more_of_a_file_four_times_as_long(tmp_path, groups):
    peaks = []
    for n_rows in (400_000, 1_600_000):
        rng = np.random.default_rng(0)
        rows = {name: rng.normal(size=n_rows) for name in ("x1", "y")}
        rows["school"] = rng.integers(0, 50, n_rows)
        path, size = tmp_path / f"{n_rows}.parquet", n_rows if groups != "many" else 50_000
        pq.write_table(pa.table(rows), path, row_group_size=size)
        del rows
        source = open_source(path)
        columns = choose_columns(source.schema, **NAMES)
        before, peak = pa.total_allocated_bytes(), 0
        for _ in read_batches(source, columns, batch_rows=10_000):
            peak = max(peak, pa.total_allocated_bytes() - before)
        peaks.append(peak)
    assert 0 < peaks[1] < 1.5 * peaks[0]


def test_names_with_dots_are_names(tmp_path):
    frame = table().rename(columns={"x1": "x", "x2": "x.1", "x3": "z y"})
    path = write(frame, tmp_path / "a.parquet")
    found = Moments.from_files(path, **NAMES, covariates=["x.1", "x"])
    assert_same(found, direct(frame, ["x.1", "x"]))


def test_what_is_wrong_with_the_columns_is_said(tmp_path):
    frame = table().assign(town="x", when=pd.Timestamp("2020-01-01"))
    frame["many"] = [[1.0]] * len(frame)
    path = write(frame, tmp_path / "a.parquet")

    def read(**changed):
        return Moments.from_files(path, **{**NAMES, "covariates": ["x1"], **changed})

    with pytest.raises(ValueError, match=r"outcome: there is no column 'Y': did you mean 'y'\?"):
        read(outcome="Y")
    with pytest.raises(ValueError, match=r"cluster: .*'shool': did you mean 'school'"):
        read(cluster="shool")
    with pytest.raises(ValueError, match=r"covariates: .*'x9'"):
        read(covariates=["x9"])
    with pytest.raises(ValueError, match="'x1' is named twice"):
        read(covariates=["x1", "x1"])
    with pytest.raises(ValueError, match="'y' is named twice"):
        read(covariates=["y"])
    with pytest.raises(TypeError, match=r"outcome 'town'.* holds text: name a column of numbers"):
        read(outcome="town")
    with pytest.raises(
        TypeError, match=r"covariate 'town'.* holds text: pass categories=\['town'\]"
    ):
        read(covariates=["x1", "town"])
    with pytest.raises(TypeError, match=r"covariate 'when'.* dates or times: convert"):
        read(covariates=["when"])
    with pytest.raises(TypeError, match=r"covariate 'many'.* not numbers"):
        read(covariates=["many"])
    with pytest.raises(TypeError, match=r"cluster 'many'.* convert it to text"):
        read(cluster="many")
    with pytest.raises(ValueError, match="categories: 'town' is no covariate"):
        read(categories=["town"])
    with pytest.raises(TypeError, match="outcome: 3 is no column name"):
        read(outcome=3)
    with pytest.raises(ValueError, match="covariates is empty"):
        read(covariates=[])
    with pytest.raises(ValueError, match="missing is 'skip': pass 'raise' or 'drop'"):
        read(missing="skip")
    with pytest.raises(ValueError, match="batch_rows is 0"):
        read(batch_rows=0)


def test_what_is_wrong_with_the_files_is_said(tmp_path):
    frame = table()
    good = write(frame, tmp_path / "good.parquet")
    with pytest.raises(FileNotFoundError, match=r"no file .*god.parquet: did you mean 'good.parq"):
        Moments.from_files(tmp_path / "god.parquet", **NAMES)
    with pytest.raises(FileNotFoundError, match=r"no file .*\*\.csv"):
        Moments.from_files(tmp_path / "*.csv", **NAMES)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"holds no file ending in \.parquet"):
        Moments.from_files(tmp_path / "empty", **NAMES)
    with pytest.raises(ValueError, match="source is an empty list"):
        Moments.from_files([], **NAMES)
    with pytest.raises(TypeError, match="source is of type int"):
        Moments.from_files(3, **NAMES)
    with pytest.raises(ValueError, match=r"names .*good\.parquet twice"):
        Moments.from_files([good, good], **NAMES)
    (tmp_path / "bad.parquet").write_text("no")
    with pytest.raises(ValueError, match=r"bad.parquet cannot be read as parquet"):
        Moments.from_files(tmp_path / "bad.parquet", **NAMES)
    none = write(frame[:0], tmp_path / "none.parquet")
    with pytest.raises(ValueError, match="source has no rows"):
        Moments.from_files(none, **NAMES, covariates=["x1"])
    assert_same(Moments.from_files([none, good], **NAMES), direct(frame))
    nothing = write(frame.assign(x1=np.nan), tmp_path / "nothing.parquet")
    with pytest.raises(ValueError, match=r"no row without a missing value \('x1': 200\)"):
        Moments.from_files(nothing, **NAMES, missing="drop")


def test_files_that_do_not_belong_together_are_named(tmp_path):
    frame = table()
    first = write(frame, tmp_path / "a.parquet")
    fewer = write(frame.drop(columns="x2"), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match=r"b.parquet has no column 'x2', which the first file has"):
        Moments.from_files([first, fewer], **NAMES)
    more = write(frame.assign(x9=1.0), tmp_path / "c.parquet")
    with pytest.raises(ValueError, match=r"'x9' is a column of only one .*c.parquet"):
        Moments.from_files([first, more], **NAMES)
    both = Moments.from_files([first, more], **NAMES, covariates=["x1"])
    assert_same(both, direct(pd.concat([frame, frame]), ["x1"]))
    numbered = write(frame.assign(school=1), tmp_path / "d.parquet")
    with pytest.raises(TypeError, match=r"cluster 'school' is text in one of .*d.parquet"):
        Moments.from_files([first, numbered], **NAMES)
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(arrow.append_column("x1", arrow["x1"]), tmp_path / "twice.parquet")
    with pytest.raises(ValueError, match="two columns named 'x1'"):
        Moments.from_files(tmp_path / "twice.parquet", **NAMES, covariates=["x1"])
    text = write(frame.assign(x1="a"), tmp_path / "e.parquet")
    with pytest.raises(TypeError, match=r"covariate 'x1' of .*e.parquet holds text"):
        Moments.from_files([first, text], **NAMES)
    frame.to_csv(tmp_path / "f.csv", index=False)
    with pytest.raises(ValueError, match="holds Parquet and CSV files"):
        Moments.from_files([first, tmp_path / "f.csv"], **NAMES)
    whole = write(frame.assign(x1=3), tmp_path / "g.parquet")  # whole numbers are numbers too
    both = Moments.from_files([first, whole], **NAMES)
    assert_same(both, direct(pd.concat([frame, frame.assign(x1=3)])))


def test_what_is_wrong_with_a_csv_file_is_said(tmp_path):
    frame = table()
    path = tmp_path / "a.csv"
    frame.to_csv(path, index=False, sep=";")
    with pytest.raises(ValueError, match=r"the only column is 'x1;x2.*csv=\{'delimiter': ';'\}"):
        Moments.from_files(path, **NAMES, csv={"delimiter": ","})
    with pytest.raises(
        ValueError, match=r"csv has no option 'delimeter': did you mean 'delimiter'"
    ):
        Moments.from_files(path, **NAMES, csv={"delimeter": ";"})
    frame.assign(x1="5 kg").to_csv(path, index=False, sep=";")
    with pytest.raises(TypeError, match=r"covariate 'x1' .*take units .*decimal_point"):
        Moments.from_files(path, **NAMES)
    path.write_text("")
    with pytest.raises(ValueError, match=r"a.csv cannot be read as csv \(.*Empty CSV"):
        Moments.from_files(path, **NAMES)
    path.write_text("y,x1,x1,school\n1,2,3,4\n")
    with pytest.raises(ValueError, match="multiple columns named x1"):
        Moments.from_files(path, **NAMES)
    path.write_text("y,x1,school\n" + "1,2,3\n" * 9000 + "1,oops,3\n")
    with pytest.raises(ValueError, match=r"a.csv stops being readable .*Row #9002.*'oops'"):
        Moments.from_files(path, **NAMES, csv={"block_size": 8192})
    path.write_text("y,x1,school\n1,2,a\n1,,b\n")
    with pytest.raises(ValueError, match="missing value in column 'x1', row 2 "):
        Moments.from_files(path, **NAMES)


def test_files_are_read_as_pyarrow_reads_them(tmp_path):
    """The same rows in the same order as a pyarrow dataset of the folder gives."""
    frame = table(n_rows=400)
    for i in range(3):
        write(frame[i::3], tmp_path / f"{i}.parquet", row_group_size=37)
    source = open_source(tmp_path)
    assert source.rows == 400 and source.exact
    columns = choose_columns(source.schema, **NAMES)
    batches = list(read_batches(source, columns, batch_rows=50))
    whole = ds.dataset(tmp_path).to_table().to_pandas()
    np.testing.assert_array_equal(np.concatenate([b.y for b in batches]), whole["y"])
    labels = np.concatenate([b.labels[b.codes] for b in batches])
    np.testing.assert_array_equal(labels, whole["school"])


# --------------------------------------------------- lines above the header, and packed files

ROWS = pd.DataFrame({"y": [1.5, 2.5, 4.0, 3.5], "x": [0.5, 1.0, 2.0, 0.0], "g": list("abab")})
ABOVE = {
    "Excel's line": ("sep=;\n", ";"),
    "Excel's line of commas": ("sep=,\r\n", ","),
    "a title": ("Patients of 2019\n", ","),
    "a title, and a blank line": ("Patients of 2019, by ward\n\n", ";"),
    "blank lines": ("\n\n", ","),
    "nothing": ("", ","),
}


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
@pytest.mark.parametrize("above", ABOVE)
def test_what_stands_above_the_header_is_no_row(tmp_path, above, ending):
    text, separator = ABOVE[above]
    text += ROWS.to_csv(index=False, sep=separator)
    pack = gzip.compress if ending.endswith("gz") else bytes
    for name in ("a", "b"):
        (tmp_path / f"{name}{ending}").write_bytes(pack(text.encode()))
    twice = pd.concat([ROWS, ROWS])
    expected = Moments.from_arrays(twice[["x"]], twice["y"], twice["g"])
    found = Moments.from_files(tmp_path, outcome="y", cluster="g", covariates=["x"])
    assert_same(found, expected)


def test_files_with_different_lines_above_the_header_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text(ROWS.to_csv(index=False))
    (tmp_path / "b.csv").write_text("Patients of 2019\n" + ROWS.to_csv(index=False))
    with pytest.raises(ValueError, match=r"b\.csv and .*a\.csv differ in what stands above"):
        Moments.from_files(tmp_path, outcome="y", cluster="g")
    (tmp_path / "a.csv").write_text(
        "Patients of 2018\n" + ROWS[["x", "y", "g"]].to_csv(index=False)
    )
    with pytest.raises(ValueError, match="or have other columns below it: take these lines out"):
        Moments.from_files(tmp_path, outcome="y", cluster="g")
    # Files without such lines may have their columns in any order.
    (tmp_path / "a.csv").write_text(ROWS[["x", "y", "g"]].to_csv(index=False))
    (tmp_path / "b.csv").write_text("\n" + ROWS.to_csv(index=False))
    assert Moments.from_files(tmp_path, outcome="y", cluster="g").n_rows == 8


def test_lines_to_skip_that_are_named_are_taken_as_they_are(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("one,two,three\n" + ROWS.to_csv(index=False))
    found = Moments.from_files(path, outcome="y", cluster="g", csv={"skip_rows": 1})
    assert_same(found, Moments.from_arrays(ROWS[["x"]], ROWS["y"], ROWS["g"]))


@pytest.mark.parametrize(
    ("pack", "ending"), [(gzip.compress, r"\.gz"), (bz2.compress, r"\.bz2")], ids=["gzip", "bz2"]
)
def test_a_packed_file_that_is_not_called_so_is_refused(tmp_path, pack, ending):
    path = tmp_path / "a.csv"
    path.write_bytes(pack(ROWS.to_csv(index=False).encode()))
    with pytest.raises(ValueError, match=rf"a\.csv is packed by .* add the ending {ending} to"):
        Moments.from_files(path, outcome="y", cluster="g")


def dialect_table() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    n = 300
    return pd.DataFrame(
        {
            "y": rng.normal(size=n).round(3),
            "x": rng.normal(size=n).round(2),
            "g": rng.choice(["é1", "ü2", "007", "NA-d"], n),
        }
    )


DIALECTS = {
    "comma": ({}, "utf-8", ""),
    "semicolon, decimal comma": ({"sep": ";", "decimal": ","}, "utf-8-sig", ""),
    "tab, Latin-1": ({"sep": "\t"}, "cp1252", ""),
    "bar, UTF-16": ({"sep": "|"}, "utf-16", ""),
    "title, quotes": ({"sep": ";", "decimal": ",", "quoting": 1}, "utf-8", "A title\n"),
    "Excel's line": ({"sep": ";", "decimal": ","}, "cp1252", "sep=;\n"),
}


@pytest.mark.parametrize("batch_rows", [7, 1 << 17])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_csv_file_in_batches_is_read_as_it_is_at_once(dialect, batch_rows, tmp_path):
    """Nobody says how the file is written; marks of missing values are among its numbers."""
    options, encoding, above = DIALECTS[dialect]
    table = dialect_table()
    odd = table.astype({"x": object})
    odd["x"] = [str(v).replace(".", options.get("decimal", ".")) for v in table["x"]]
    odd.loc[[4, 250], "x"] = "-"
    odd.loc[60, "x"] = "NA"
    path = tmp_path / "t.csv"
    path.write_bytes((above + odd.to_csv(index=False, **options)).encode(encoding))
    files = {"outcome": "y", "cluster": "g", "missing": "drop", "intercept": True}
    with warnings.catch_warnings(record=True) as in_batches:
        warnings.simplefilter("always")
        found = Moments.from_files(path, **files, batch_rows=batch_rows)
    with warnings.catch_warnings(record=True) as at_once:
        warnings.simplefilter("always")
        whole = read_columns(open_table(path), ["y", "x", "g"], labels=["g"])
    kept = np.setdiff1d(np.arange(len(table)), [4, 60, 250])
    known = table.iloc[kept]
    plain = Moments.from_arrays(known[["x"]], known["y"], known["g"], intercept=True)
    assert found.labels.tolist() == plain.labels.tolist() == sorted(set(table["g"]))
    for name in ("n", "mean_x", "mean_y", "within_xx", "within_xy"):
        np.testing.assert_allclose(getattr(found, name), getattr(plain, name), atol=1e-12)
    np.testing.assert_array_equal(whole["x"].to_numpy()[kept], known["x"])
    said = [str(w.message) for w in at_once]
    assert said == ["column 'x': '-' is read as missing (2 rows), for all else in it is numbers."]
    assert [str(w.message) for w in in_batches][:1] == said


def test_commas_that_can_be_read_in_two_ways_are_judged_by_all_rows(tmp_path):
    path = tmp_path / "t.csv"
    thousands = ["1,234", "2,500", "7,001"] * 20
    table = pd.DataFrame({"y": range(60), "x": thousands, "g": list("ab") * 30})
    files = {"outcome": "y", "cluster": "g", "intercept": True, "batch_rows": 5}
    table.to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"'1,234' that can be read in two ways.*decimal_point"):
        Moments.from_files(path, **files)
    table.loc[59, "x"] = "0,5"  # no thousands: a decimal comma, in all rows before it too
    table.to_csv(path, index=False)
    found = Moments.from_files(path, **files)
    numbers = table["x"].str.replace(",", ".").astype(float)
    means = numbers.groupby(table["g"]).mean()
    np.testing.assert_allclose(found.mean_x[:, -1], means, rtol=1e-12)
    table.loc[30, "x"] = "many"
    table.to_csv(path, index=False)
    with pytest.raises(TypeError, match="covariate 'x' holds text"):
        Moments.from_files(path, **files)
    # As a category it stays text, with the commas in its levels.
    table.loc[30, "x"] = "1,234"
    table.to_csv(path, index=False)
    coded = Moments.from_files(path, **files, categories=["x"])
    assert coded.names[-3:] == ("x[T.1,234]", "x[T.2,500]", "x[T.7,001]")
