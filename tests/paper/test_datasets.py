"""The data sets: found, checked, refused, downloaded; on small files, and on the real ones if here.

No test reaches beyond this computer: the download is tested against a server on localhost.
"""

import dataclasses
import io
import socket
import struct
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scs.paper import datasets
from scs.paper.datasets import digest, files, sources, student
from scs.paper.datasets import fetch as fetching
from scs.paper.datasets.check import TOLERANCE, checked, describe
from scs.paper.datasets.expected import EXPECTED
from scs.paper.datasets.fetch import FetchError, fetch, unpack
from scs.paper.datasets.tables import read_table

JOIN = student.JOIN
REMEDY = "do this"


def needs(name):
    return pytest.mark.skipif(
        not datasets.available(name),
        reason=f"the real data set {name!r} is not here: load_{name}() downloads it into data/raw, "
        "or set SCS_DATA_DIR to its folder (see data/README.md)",
    )


# --- small files of the same form ------------------------------------------------------------


def pupil(sex, age, job, guardian, *marks):
    attributes = ("GP", sex, age, "U", "GT3", "T", 4, 2, job, "other", "course", "yes", "no")
    return (*attributes, guardian, *marks)


COLUMNS = [*JOIN, "guardian", "G1", "G2", "G3"]
MATHEMATICS = [
    pupil("M", 16, "health", "mother", 5, 6, 7),
    pupil("F", 17, "teacher", "father", 12, 11, 10),
    pupil("F", 15, "other", "mother", 1, 2, 3),  # only in mathematics
]
PORTUGUESE = [
    pupil("F", 17, "teacher", "father", 14, 13, 12),
    pupil("M", 16, "health", "mother", 9, 9, 8),
    pupil("M", 16, "health", "other", 4, 4, 4),  # shares all 13 attributes with the row above
    pupil("M", 19, "at_home", "other", 0, 0, 0),  # only in Portuguese
]
MICE = pd.DataFrame(
    {
        "MouseID": ["309_1", "309_2", "309_10", "J12_1", "50810A_1"],
        "P1_N": [0.503643884, 0.51461708, 1.25, 0.3, 0.4],
        "P2_N": [0.1, np.nan, 0.123456789, 0.4, 0.5],
        "Genotype": ["Control"] * 3 + ["Ts65Dn"] * 2,
        "Treatment": ["Saline"] * 5,
        "Behavior": ["C/S"] * 5,
        "class": ["c-CS-s"] * 3 + ["t-CS-s"] * 2,
    }
)


def csv(rows, *, sep=";", quoted=False, columns=COLUMNS):
    """Make a csv file as bytes; quoted as in UCI's own student files (the marks too)."""
    table = pd.DataFrame(rows, columns=columns)
    if quoted:
        table = table.astype({"G1": str, "G2": str})
    return table.to_csv(index=False, sep=sep, quoting=2 if quoted else 0).encode()


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def student_zip(**replaced):
    """Make a zip in a zip, as UCI serves it."""
    members = {"student-mat.csv": csv(MATHEMATICS), "student-por.csv": csv(PORTUGUESE)} | replaced
    return zipped(**{".student.zip_old": b"old", "student.zip": zipped(**members, notes=b"hello")})


def workbook(table):
    """Make a real .xls (BIFF8 in a compound file), with only what a reader needs."""

    def record(code, body):
        return struct.pack("<HH", code, len(body)) + body

    def cell(row, column, value):
        place = struct.pack("<HHH", row, column, 0)
        if isinstance(value, str):
            text = value.encode("latin-1")
            return record(0x0204, place + struct.pack("<HB", len(text), 0) + text)
        return record(0x0203, place + struct.pack("<d", value))

    def begin(kind):
        return record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0, 1997, 0, 6))

    end, name = record(0x000A, b""), b"Hoja1"
    sheet_at = len(begin(5)) + 4 + 8 + len(name) + len(end)
    sheet = record(0x0085, struct.pack("<IBBBB", sheet_at, 0, 0, len(name), 0) + name)
    rows = [list(table.columns), *table.itertuples(index=False)]
    cells = [
        cell(i, j, value)
        for i, row in enumerate(rows)
        for j, value in enumerate(row)
        if value == value
    ]
    stream = begin(5) + sheet + end + begin(0x10) + b"".join(cells) + end
    stream = stream.ljust(max(4096, -(-len(stream) // 512) * 512), b"\0")
    sectors = len(stream) // 512

    last, free = 0xFFFFFFFE, 0xFFFFFFFF
    fat = [0xFFFFFFFD, last, *range(3, sectors + 2), last]
    fat += [free] * (128 - len(fat))

    def entry(name, kind, child, start, size):
        text = (name + "\0").encode("utf-16-le")
        links = struct.pack("<HBBIII", len(text) if name else 0, kind, 1, free, free, child)
        return text.ljust(64, b"\0") + links + bytes(36) + struct.pack("<IQ", start, size)

    directory = (
        entry("Root Entry", 5, 1, last, 0)
        + entry("Workbook", 2, free, 2, len(stream))
        + entry("", 0, free, 0, 0) * 2
    )
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    head += struct.pack(
        "<HHHHH6xIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, 4096, last, 0, last, 0
    )
    head += struct.pack("<109I", 0, *[free] * 108)
    return head + struct.pack("<128I", *fat) + directory + stream


def mice_csv(table=MICE):
    return table.to_csv(index=False).encode()


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setenv("SCS_NO_DOWNLOAD", "1")
    monkeypatch.setattr(sources, "_announced", set())


@pytest.fixture
def raw(monkeypatch, tmp_path):
    """Give an empty data/raw of our own (not yet made), with small tables as the expected ones."""
    monkeypatch.delenv("SCS_DATA_DIR", raising=False)
    monkeypatch.setattr(files, "data_folder", lambda: tmp_path / "data")
    for name, content in {
        "student-mat": csv(MATHEMATICS),
        "student-por": csv(PORTUGUESE),
        "Data_Cortex_Nuclear": mice_csv(),
    }.items():
        monkeypatch.setitem(EXPECTED, name, describe(read_table(content, f"{name}.csv")))
    return tmp_path / "data" / "raw"


@pytest.fixture
def put(raw):
    """Put files into data/raw, or into another folder."""

    def put(contents, folder=raw):
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        return folder

    return put


STUDENT = {"student-mat.csv": csv(MATHEMATICS), "student-por.csv": csv(PORTUGUESE)}


def first_line(caught):
    return str(caught.value).splitlines()[0]


# --- the student table -----------------------------------------------------------------------


def test_student_table(put):
    put(STUDENT)
    table = datasets.load_student()
    assert list(table.columns) == ["student", "subject", "period", "score", *JOIN]
    assert len(table) == 3 * 2 * 3
    assert list(table.index) == list(range(18))
    assert table["student"].tolist() == [n for n in (1, 2, 3) for _ in range(6)]
    assert table["subject"].tolist() == (["mathematics"] * 3 + ["Portuguese"] * 3) * 3
    assert table["period"].tolist() == [1, 2, 3] * 6
    # F sorts before M; the two M of Portuguese share their attributes with one of mathematics
    scores = table["score"].to_numpy().reshape(3, 6).tolist()
    assert scores == [[12, 11, 10, 14, 13, 12], [5, 6, 7, 9, 9, 8], [5, 6, 7, 4, 4, 4]]
    assert table.groupby("student")[JOIN].nunique().to_numpy().max() == 1
    assert all(table[name].dtype == np.int64 for name in ["student", "period", "score", "age"])


def test_unsure_students(put):
    put(STUDENT)
    assert datasets.ambiguous_students().tolist() == [2, 3]
    assert datasets.ambiguous_students(datasets.load_student().query("student != 3")).size == 0
    with pytest.raises(ValueError, match="table lacks column 'student'"):
        datasets.ambiguous_students(pd.DataFrame())


@pytest.mark.parametrize(
    "contents",
    [
        {"student-mat.csv": csv(MATHEMATICS[::-1]), "student-por.csv": csv(PORTUGUESE[::-1])},
        {
            "student-mat.csv": csv(MATHEMATICS, quoted=True),
            "student-por.csv": csv(PORTUGUESE, quoted=True),
        },
        {
            "student-mat.csv": csv(MATHEMATICS, sep=","),
            "student-por.csv": b"\xef\xbb\xbf" + csv(PORTUGUESE).replace(b"\n", b"\r\n"),
        },
        {
            name: pd.DataFrame(rows, columns=COLUMNS)[COLUMNS[::-1]].to_csv(index=False).encode()
            for name, rows in {
                "student-mat.csv": MATHEMATICS,
                "student-por.csv": PORTUGUESE,
            }.items()
        },
        {"student+performance.zip": student_zip()},
        {"student+performance.zip": zipped(**STUDENT)},
        {"student+performance.zip": zipped(**{f"folder__{k}": v for k, v in STUDENT.items()})},
    ],
    ids=["rows", "quoted", "comma-bom-crlf", "columns", "zip-in-zip", "zip", "zip-with-folder"],
)
def test_every_copy_gives_the_same_student_table(put, tmp_path, monkeypatch, contents):
    put(STUDENT)
    reference = datasets.load_student()
    monkeypatch.setenv("SCS_DATA_DIR", str(put(contents, tmp_path / "copy")))
    pd.testing.assert_frame_equal(datasets.load_student(), reference)


def test_design_columns(put):
    put(STUDENT)
    table = datasets.load_student()
    X = datasets.student_design(table)
    assert list(X.columns) == [
        "intercept", "subject_Portuguese", "school_MS", "sex_M", "age", "address_U", "famsize_LE3",
        "Medu", "Fedu", "Mjob_health", "Mjob_other", "Mjob_services", "Mjob_teacher",
        "Fjob_health", "Fjob_other", "Fjob_services", "Fjob_teacher",
        "reason_home", "reason_other", "reason_reputation",
    ]  # fmt: skip
    assert (X.dtypes == "float64").all()
    assert (X["intercept"] == 1).all()
    assert X["subject_Portuguese"].tolist() == [0, 0, 0, 1, 1, 1] * 3
    assert X["sex_M"].tolist() == [0] * 6 + [1] * 12
    assert X["Mjob_health"].tolist() == [0] * 6 + [1] * 12
    np.testing.assert_allclose([X["age"].mean(), X["age"].std(ddof=0)], [0, 1], atol=1e-12)
    assert (X["Medu"] == 0).all()  # constant in these rows: nothing to standardise
    pd.testing.assert_frame_equal(
        datasets.student_design(table, intercept=False), X.drop(columns="intercept")
    )
    pd.testing.assert_frame_equal(datasets.student_design(), X)
    some = datasets.student_design(table.iloc[6:9])
    assert list(some.columns) == list(X.columns)
    assert list(some.index) == [6, 7, 8]


def test_design_refuses(put):
    put(STUDENT)
    table = datasets.load_student()
    with pytest.raises(ValueError, match="table lacks column 'Mjob'"):
        datasets.student_design(table.drop(columns="Mjob"))
    wrong = table.assign(reason=table["reason"].mask(table.index == 4, "whim"))
    with pytest.raises(ValueError, match=r"'whim' in column 'reason', row 4; use one of course"):
        datasets.student_design(wrong)
    wrong = table.assign(age=table["age"].mask(table.index == 7))
    with pytest.raises(ValueError, match=r"column 'age', row 7; give a number"):
        datasets.student_design(wrong)


# --- the mice --------------------------------------------------------------------------------


def test_mice_table(put):
    put({"Data_Cortex_Nuclear.csv": mice_csv()})
    table = datasets.load_mice(complete=False)
    assert list(table.columns) == [
        "mouse", "genotype", "treatment", "behavior", "class", "P1_N", "P2_N",
    ]  # fmt: skip
    # by mouse, then by the number of the measurement: 10 after 2
    assert table["mouse"].tolist() == ["309", "309", "309", "50810A", "J12"]
    assert table["P1_N"].tolist() == [0.503643884, 0.51461708, 1.25, 0.4, 0.3]
    complete = datasets.load_mice()
    assert complete["mouse"].tolist() == ["309", "309", "50810A", "J12"]
    assert list(complete.index) == [0, 1, 2, 3]
    assert not complete.isna().any().any()


def test_a_workbook_with_more_digits_gives_the_same_mice(put, tmp_path, monkeypatch):
    put({"Data_Cortex_Nuclear.csv": mice_csv()})
    reference = datasets.load_mice(complete=False)
    more = MICE.assign(P1_N=MICE["P1_N"] + [4e-10, -4e-10, 3e-10, -2e-10, 1e-10])
    book = workbook(more.iloc[::-1])
    archive = zipped(**{"Data_Cortex_Nuclear.xls": book})
    for contents in ({"Data_Cortex_Nuclear.xls": book}, {"mice+protein+expression.zip": archive}):
        folder = put(contents, tmp_path / next(iter(contents)).replace(".", ""))
        monkeypatch.setenv("SCS_DATA_DIR", str(folder))
        pd.testing.assert_frame_equal(datasets.load_mice(complete=False), reference)


# --- checks by content -----------------------------------------------------------------------


def test_kinds_and_blanks():
    raw = pd.DataFrame(
        {"t": ["a", ""], "i": ["1", "2"], "n": ["0.5", "?"], "f": [1.0, 2.0], "id": ["3_1", "3_2"]}
    )
    kinds = {name: entry[0] for name, entry in describe(raw)["columns"].items()}
    assert kinds == {"t": "text", "i": "integer", "n": "number", "f": "integer", "id": "text"}
    assert describe(raw)["columns"]["n"][1] == 1  # one value present


@pytest.mark.parametrize("column", COLUMNS)
def test_one_changed_value_is_named_by_its_column(column):
    good = read_table(csv(PORTUGUESE), "por.csv")
    bad = good.copy()
    bad.loc[1, column] = "19" if good[column].iloc[1].isdigit() else "XX"
    with pytest.raises(ValueError, match="column") as caught:
        checked(bad, describe(good), "por.csv", REMEDY)
    assert str(caught.value) == (
        f"por.csv: column {column!r} holds other values than the published table; do this"
    )


def test_measurements_may_differ_in_the_tenth_decimal_only():
    raw, n = read_table(mice_csv(), "m.csv"), len(MICE)
    expected = describe(raw)

    def moved(by):
        return raw.assign(P1_N=[str(float(raw["P1_N"][0]) + by), *raw["P1_N"][1:]])

    checked(moved(0.5 * n * TOLERANCE), expected, "m.csv", REMEDY)
    with pytest.raises(ValueError, match="column 'P1_N' holds other values"):
        checked(moved(1.5 * n * TOLERANCE), expected, "m.csv", REMEDY)
    for name in ("P1_N", "P2_N"):  # two values exchanged: the mean stays, the weighted one not
        swapped = raw.assign(**{name: raw[name].iloc[[3, 1, 2, 0, 4]].to_numpy()})
        with pytest.raises(ValueError, match=f"column '{name}' holds other values"):
            checked(swapped, expected, "m.csv", REMEDY)
    emptied = raw.assign(P2_N=["", *raw["P2_N"][1:]])
    with pytest.raises(ValueError, match="column 'P2_N' holds other values"):
        checked(emptied, expected, "m.csv", REMEDY)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (csv([row[1:] for row in PORTUGUESE], columns=COLUMNS[1:]), "column 'school' is missing"),
        (csv([(*r, 1) for r in PORTUGUESE], columns=[*COLUMNS, "G4"]), "column 'G4' does not bel"),
        (csv(PORTUGUESE[:3]), "3 rows where the table has 4"),
        (csv(PORTUGUESE)[:-25], "3 rows|column '"),
        (csv(PORTUGUESE).replace(b";19;", b";1q;"), "column 'age', row 4: '1q' is not a whole num"),
        (csv(PORTUGUESE).replace(b";19;", b";1.5;"), "column 'age', row 4: '1.5' is not a whole"),
        (csv(MATHEMATICS), "3 rows where the table has 4"),
        (b"<!DOCTYPE html>\n<html>not found</html>\n", "column 'school' is missing (the file beg"),
        (b"", "cannot be read as a table (No columns"),
        (b"\xff\xfe\x00\x81", "cannot be read as a table ("),
    ],
)
def test_a_wrong_file_is_refused(put, content, message):
    folder = put({"student-mat.csv": csv(MATHEMATICS), "student-por.csv": content})
    with pytest.raises(ValueError) as caught:
        datasets.load_student()
    line = first_line(caught)
    assert line.startswith(f"{folder / 'student-por.csv'}: ")
    assert any(part in line for part in message.split("|")), line
    assert "remove it and load again to download it, or get it from https://archive.ics" in line


@pytest.mark.parametrize("content", [b"", b"no workbook", mice_csv(), workbook(MICE)[:1500]])
def test_a_damaged_workbook_is_refused(put, content):
    folder = put({"Data_Cortex_Nuclear.xls": content})
    with pytest.raises(ValueError) as caught:
        datasets.load_mice()
    assert first_line(caught).startswith(str(folder / "Data_Cortex_Nuclear.xls"))
    assert "remove it and load again" in first_line(caught)


def test_a_damaged_zip_in_the_folder_is_refused(put):
    folder = put({"student+performance.zip": student_zip()[:200]})
    with pytest.raises(ValueError) as caught:
        datasets.load_student()
    archive = folder / "student+performance.zip"
    assert f"{archive}: the zip archive is damaged" in first_line(caught)
    assert f"remove {archive} and load again" in first_line(caught)


# --- where they are looked for ---------------------------------------------------------------


def test_absent(raw, monkeypatch, tmp_path):
    monkeypatch.setenv("SCS_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError) as caught:
        datasets.load_student()
    line = first_line(caught)
    assert "data set 'student': student-mat.csv and student-por.csv not in" in line
    assert f"{tmp_path / 'nowhere'} (SCS_DATA_DIR, no such folder) nor in {raw} (data/raw" in line
    assert (
        f"set SCS_DATA_DIR to their folder, put them (or student+performance.zip) into {raw}"
        in line
    )
    assert "or allow the download (unset SCS_NO_DOWNLOAD" in line
    assert "CC BY 4.0" in str(caught.value)
    assert not datasets.available("student")
    assert not raw.exists()
    with pytest.raises(FileNotFoundError, match=r"Data_Cortex_Nuclear\.xls \(or \.csv\) not in"):
        datasets.load_mice()


def test_order_of_the_search(put, raw, monkeypatch, tmp_path):
    put(STUDENT)
    assert datasets.available("student")
    monkeypatch.setenv("SCS_DATA_DIR", str(tmp_path / "own"))
    assert len(datasets.load_student()) == 18  # nothing in the folder named: data/raw
    put({"student-mat.csv": b"damaged"}, tmp_path / "own")
    assert len(datasets.load_student()) == 18  # not complete there: data/raw
    put({"student-por.csv": b"damaged"}, tmp_path / "own")
    with pytest.raises(ValueError, match=r"student-mat\.csv: column 'school' is missing"):
        datasets.load_student()  # a wrong file is refused, not passed over
    assert files.raw_folder() == raw


def test_one_file_of_two_is_not_enough(put):
    put({"student-mat.csv": csv(MATHEMATICS)})
    assert not datasets.available("student")
    with pytest.raises(FileNotFoundError):
        datasets.load_student()


@pytest.mark.parametrize(
    ("value", "allowed"), [("1", False), ("yes", False), ("", True), ("0", True), ("false", True)]
)
def test_switch(monkeypatch, value, allowed):
    monkeypatch.setenv("SCS_NO_DOWNLOAD", value)
    assert files.may_download() is allowed


def test_switched_off_means_no_attempt(raw, monkeypatch):
    def attempt(*_):
        raise AssertionError("tried to download")

    monkeypatch.setattr(files, "fetch", attempt)
    for load in (datasets.load_student, datasets.load_mice):
        with pytest.raises(FileNotFoundError):
            load()
    monkeypatch.delenv("SCS_NO_DOWNLOAD")
    for load in (datasets.load_student, datasets.load_mice):
        with pytest.raises(FileNotFoundError):
            load(download=False)
    assert not datasets.available("student")
    assert "missing" in datasets.status()


# --- licence, citation, report ---------------------------------------------------------------


def test_source():
    known = datasets.source("student")
    assert (known.year, known.licence, known.doi) == (2008, "CC BY 4.0", "10.24432/C5TG7T")
    assert known.files == ("student-mat.csv", "student-por.csv")
    assert datasets.source("mice").citation == (
        "Higuera, C., Gardiner, K. & Cios, K. (2015). Mice Protein Expression [Dataset]. "
        "UCI Machine Learning Repository. https://doi.org/10.24432/C50S3Z"
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        known.year = 2014
    for ask in (datasets.source, datasets.available):
        with pytest.raises(ValueError, match="name 'rats' is no data set; use one of student, mi"):
            ask("rats")


def test_notice_once_per_process(put, capsys):
    put(STUDENT | {"Data_Cortex_Nuclear.csv": mice_csv()})
    datasets.load_student(quiet=True)
    assert capsys.readouterr() == ("", "")
    datasets.load_student()
    out, err = capsys.readouterr()
    assert out == ""
    assert "Cortez, P. (2008)" in err and "CC BY 4.0" in err and "doi.org/10.24432" in err
    datasets.load_student()
    assert capsys.readouterr() == ("", "")
    datasets.load_mice()
    assert "Higuera" in capsys.readouterr().err


def test_status(put, raw, monkeypatch):
    text = datasets.status()
    assert "student: missing" in text and "mice: missing" in text
    assert f"looked   {raw} (data/raw)" in text
    assert "SCS_NO_DOWNLOAD forbids the download" in text
    monkeypatch.delenv("SCS_NO_DOWNLOAD")
    assert f"load_mice() downloads it into {raw}" in datasets.status()

    put(STUDENT | {"Data_Cortex_Nuclear.csv": b"damaged"})
    student_text, mice_text = datasets.status().split("\n\n")
    assert f"found    {raw / 'student-por.csv'} (data/raw)" in student_text
    assert "content  agrees with the published table" in student_text
    assert "licence  CC BY 4.0" in student_text
    assert "mice: present" in mice_text
    assert f"content  REFUSED: {raw / 'Data_Cortex_Nuclear.csv'}: column 'MouseID'" in mice_text


# --- download --------------------------------------------------------------------------------


@pytest.fixture
def serve(raw, monkeypatch):
    """Serve bytes on localhost as if it were UCI; returns a function that sets the answer."""
    answer = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(answer["status"])
            if answer["location"]:
                self.send_header("Location", answer["location"])
            if answer["announced"] is not None:
                self.send_header("Content-Length", str(answer["announced"]))
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("SCS_NO_DOWNLOAD")
    root = f"http://127.0.0.1:{server.server_port}/"
    for name, known in sources.SOURCES.items():
        local = dataclasses.replace(known, download=root + known.archive)
        monkeypatch.setitem(sources.SOURCES, name, local)

    def serve(body, *, status=200, announced="length", location=None):
        announced = len(body) if announced == "length" else announced
        answer.update(body=body, status=status, announced=announced, location=location)

    yield serve
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("announced", ["length", None])
def test_download(serve, raw, capsys, announced):
    serve(student_zip(), announced=announced)
    table = datasets.load_student(quiet=True)
    assert len(table) == 18
    assert {file.name: file.read_bytes() for file in raw.iterdir()} == STUDENT
    assert "Downloading http://127.0.0.1" in capsys.readouterr().err
    serve(b"", status=500)  # from now on from data/raw
    pd.testing.assert_frame_equal(datasets.load_student(), table)


def test_download_of_a_workbook(serve, raw):
    serve(zipped(**{"Data_Cortex_Nuclear.xls": workbook(MICE)}))
    assert len(datasets.load_mice(complete=False)) == 5
    assert [file.name for file in raw.iterdir()] == ["Data_Cortex_Nuclear.xls"]
    assert datasets.available("mice")


def test_download_keeps_the_users_file(serve, put, raw):
    put({"student-mat.csv": csv(MATHEMATICS[::-1])})
    serve(student_zip())
    assert len(datasets.load_student()) == 18
    assert (raw / "student-mat.csv").read_bytes() == csv(MATHEMATICS[::-1])
    assert (raw / "student-por.csv").is_file()


@pytest.mark.parametrize(
    ("body", "answer", "reason"),
    [
        (b"gone", {"status": 404}, "HTTP Error 404"),
        (b"busy", {"status": 503}, "HTTP Error 503"),
        (b"<!DOCTYPE html><p>Moved", {}, "not a zip archive (it begins with b'<!DOCTYPE html>"),
        (b"", {}, "not a zip archive"),
        (student_zip()[:300], {"announced": None}, "the zip archive is damaged"),
        (student_zip()[:300], {"announced": len(student_zip())}, ""),
        (zipped(**{"student.zip": zipped(**STUDENT)[:150]}), {}, "the zip archive is damaged"),
        (zipped(**{"student-mat.csv": csv(MATHEMATICS)}), {}, "does not hold student-por.csv"),
    ],
    ids=["404", "503", "html", "empty", "cut", "short", "cut-inside", "lacks-a-file"],
)
def test_a_failed_download_leaves_nothing(serve, raw, body, answer, reason):
    serve(body, **answer)
    with pytest.raises(FileNotFoundError) as caught:
        datasets.load_student()
    line = first_line(caught)
    assert "student+performance.zip did not give it: " in line
    assert reason in line
    assert f"into {raw}, or try again later" in line
    assert not raw.exists()


def test_a_wrong_table_from_the_server_is_refused_and_not_kept(serve, raw):
    serve(student_zip(**{"student-por.csv": csv(PORTUGUESE[:3])}))
    with pytest.raises(ValueError, match=r"zip \(student-por\.csv\): 3 rows where .* compare http"):
        datasets.load_student()
    assert not raw.exists()


def test_a_broken_write_leaves_no_part_of_a_file(serve, raw, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    serve(student_zip())
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", fail)
        with pytest.raises(OSError, match=r"student-mat\.csv cannot be written \(No space left"):
            datasets.load_student()
    assert list(raw.iterdir()) == []


def test_a_folder_that_cannot_be_made(serve, raw):
    serve(student_zip())
    raw.parent.write_text("a file where the folder should be")
    with pytest.raises(OSError, match=r"cannot be written .* set SCS_DATA_DIR"):
        datasets.load_student()


def test_no_answer_and_no_server():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(FetchError, match="timed out"):
            fetch(address, timeout=0.1)
    with pytest.raises(FetchError, match="refused"):
        fetch(address, timeout=5)


@pytest.mark.parametrize(
    "address", ["nonsense", "http://example.org/a.zip", "ftp://127.0.0.1/a.zip", "file:///a.zip"]
)
def test_only_https_is_asked(address):
    with pytest.raises(FetchError, match="is not an https address"):
        fetch(address, timeout=5)


def test_a_redirection_to_an_insecure_address_is_not_followed(serve):
    serve(b"", status=302, location="http://example.org/a.zip")
    with pytest.raises(FetchError, match=r"'http://example\.org/a\.zip' is not an https address"):
        fetch(sources.SOURCES["mice"].download)


@pytest.mark.parametrize("announced", ["length", None])
def test_a_download_without_end_is_stopped(serve, announced):
    serve(bytes(3 << 20), announced=announced)
    address = sources.SOURCES["mice"].download
    with pytest.raises(FetchError, match="larger than 1,048,576 bytes"):
        fetch(address, largest=1 << 20)
    with pytest.raises(FetchError, match="longer than 0 seconds"):
        fetch(address, longest=0.0)


@pytest.mark.parametrize(("last", "swells"), [(1000, False), (1001, True)])
@pytest.mark.parametrize("inside", [False, True])
def test_an_archive_that_swells_is_not_unpacked(monkeypatch, last, swells, inside):
    """Ten files that fill the limit, or one byte more."""
    monkeypatch.setattr(fetching, "LARGEST", 10_000)
    members = {f"{i}.csv": bytes(1000) for i in range(9)} | {"9.csv": bytes(last)}
    archive = zipped(**members)
    if inside:
        archive = zipped(**{"inner.zip": archive})
    if swells:
        with pytest.raises(FetchError, match="unpacks to more than 10,000 bytes"):
            unpack(archive, tuple(members))
    else:
        assert unpack(archive, tuple(members)) == members


def test_archives_within_archives_have_an_end():
    archive = zipped(**{"a.csv": b"1"})
    for _ in range(2):
        archive = zipped(**{"inner.zip": archive})
    assert unpack(archive, ("a.csv",)) == {"a.csv": b"1"}
    with pytest.raises(FetchError, match=r"does not hold a\.csv"):
        unpack(zipped(**{"inner.zip": archive}), ("a.csv",))


def test_progress_of_a_long_download(serve, capsys):
    serve(bytes(3 << 20))
    assert len(fetch(sources.SOURCES["mice"].download)) == 3 << 20
    assert "of 3,072 KiB" in capsys.readouterr().err


def test_unpack_prefers_the_outer_file():
    inner = zipped(**{"a.csv": b"inner"})
    assert unpack(zipped(**{"a.csv": b"outer", "z.zip": inner}), ("a.csv",)) == {"a.csv": b"outer"}
    assert unpack(zipped(**{"z.zip": inner, "a.csv": b"outer"}), ("a.csv",)) == {"a.csv": b"outer"}


# --- the stored digests ----------------------------------------------------------------------


def test_digest_command(tmp_path, monkeypatch, capsys):
    known = {"kept": {"rows": 1, "columns": {"a": ("text", "0")}}}
    monkeypatch.setattr(digest, "EXPECTED", known)
    (tmp_path / "student-por.csv").write_bytes(csv(PORTUGUESE))
    (tmp_path / "Data_Cortex_Nuclear.xls").write_bytes(workbook(MICE))
    paths = [str(tmp_path / "student-por.csv"), str(tmp_path / "Data_Cortex_Nuclear.xls")]
    digest.main(paths)
    text = capsys.readouterr().out
    space = {}
    exec(text, space)
    assert space["EXPECTED"] == known | {
        "student-por": describe(read_table(csv(PORTUGUESE), "p.csv")),
        "Data_Cortex_Nuclear": describe(read_table(mice_csv(), "m.csv")),
    }
    monkeypatch.setattr(digest, "TARGET", tmp_path / "expected.py")
    digest.main(["--write", *paths])
    assert (tmp_path / "expected.py").read_text(encoding="utf-8") == text


def test_stored_digests():
    rows = {name: entry["rows"] for name, entry in EXPECTED.items()}
    assert rows == {"student-mat": 395, "student-por": 649, "Data_Cortex_Nuclear": 1080}
    subjects = [EXPECTED[name]["columns"] for name in ("student-mat", "student-por")]
    assert list(subjects[0]) == list(subjects[1])
    assert len(subjects[0]) == 33
    kinds = [kind for kind, *_ in EXPECTED["Data_Cortex_Nuclear"]["columns"].values()]
    assert (len(kinds), kinds.count("number"), kinds.count("text")) == (82, 77, 5)
    assert {Path(name).stem for s in sources.SOURCES.values() for name in s.files} == set(EXPECTED)
    generated = Path(digest.__file__).with_name("expected.py").read_text(encoding="utf-8")
    assert generated == digest.expected_text([], EXPECTED)


# --- the real data ---------------------------------------------------------------------------


@needs("student")
def test_real_student_table():
    table = datasets.load_student()
    assert table.shape == (2292, 17)
    assert table["student"].nunique() == 382
    assert (table.groupby("student").size() == 6).all()
    assert table["score"].between(0, 20).all()
    scores = table["score"].to_numpy().reshape(382, 6)
    per_subject = [
        len(pd.concat([keys, pd.DataFrame(part)], axis=1).drop_duplicates())
        for keys in [table.drop_duplicates("student")[JOIN].reset_index(drop=True)]
        for part in (scores[:, :3], scores[:, 3:])
    ]
    assert per_subject == [370, 374]  # rows of the two files in use: not one to one
    unsure = datasets.ambiguous_students(table)
    assert len(unsure) == 24
    groups = table[table["student"].isin(unsure)].drop_duplicates("student").groupby(JOIN).size()
    assert sorted(groups) == [2, 2, 2, 2, 4, 4, 4, 4]


@needs("student")
def test_ols_on_the_specification_has_the_published_error():
    table = datasets.load_student()
    X, y = datasets.student_design(table).to_numpy(), table["score"].to_numpy(dtype=float)
    assert X.shape == (2292, 20)
    assert np.linalg.matrix_rank(X) == 20
    beta = np.linalg.lstsq(X, y, rcond=None)[0]
    assert np.mean((y - X @ beta) ** 2) == pytest.approx(10.454418, abs=5e-7)


@needs("mice")
def test_real_mice():
    table = datasets.load_mice()
    assert table.shape == (552, 82)
    sizes = table.groupby("mouse").size()
    assert sizes.value_counts().to_dict() == {15: 36, 12: 1}
    assert table.groupby("mouse")["class"].nunique().max() == 1
    proteins = table.iloc[:, 5:]
    equal = [
        (a, b)
        for i, a in enumerate(proteins)
        for b in proteins.columns[i + 1 :]
        if (proteins[a] == proteins[b]).all()
    ]
    assert equal == [("ARC_N", "pS6_N")]
    everything = datasets.load_mice(complete=False)
    assert everything.shape == (1080, 82)
    assert set(everything.groupby("mouse").size()) == {15} and everything["mouse"].nunique() == 72
    assert everything.drop_duplicates("mouse")["genotype"].value_counts().to_dict() == {
        "Control": 38,
        "Ts65Dn": 34,
    }
    pd.testing.assert_frame_equal(everything.dropna(ignore_index=True), table)


@needs("mice")
@needs("student")
@pytest.mark.parametrize("name", ["student-mat", "student-por", "Data_Cortex_Nuclear"])
def test_real_files_with_one_changed_cell_are_refused(name):
    known = next(s for s in sources.SOURCES.values() if any(name in file for file in s.files))
    table = files.read(known, download=False)[name].astype(object)
    checked(table, EXPECTED[name], name, REMEDY)
    rng = np.random.default_rng(1)
    for column in rng.choice(table.columns, size=8, replace=False):
        bad, row = table.copy(), int(rng.integers(len(table)))
        cell = bad.loc[row, column]
        bad.loc[row, column] = f"{cell}x" if isinstance(cell, str) else (cell or 0) + 2
        with pytest.raises(ValueError, match=f"{name}: column '{column}'"):
            checked(bad, EXPECTED[name], name, REMEDY)
