"""The command `scs`: on a small book of its own, so that it needs no chapter of ours."""

import html
import json
import re
import shutil
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from scs.book import run
from scs.book.chapters import Chapter, all_chapters, book_root, find_chapter
from scs.book.compare import differences
from scs.book.execute import canonical, cell_ids
from scs.book.parameters import Parameter, chosen_values, notebook_parameters
from scs.book.stale import stale_reasons
from scs.cli import main
from scs.data.errors import UsageError
from scs.paper import datasets, provenance

ROOT = Path(__file__).resolve().parents[2]

CHAPTER = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

(small)=
# A small chapter

See {numref}`a-figure-of-another-chapter` and {cite}`sankaranarayanan2023`.

```{code-cell} ipython3
:tags: [parameters]

reps = 2  # how often
noise = 0.5  # standard deviation
quick = True  # skip the long part
label = "GE"  # a firm
budgets = [1, 2]  # numbers of clusters
```

```{code-cell} ipython3
import sys

print("on the way", file=sys.stderr)
for _ in range(reps):
    print(label)
```

```{code-cell} ipython3
reps * noise
```
"""
WITH_TABLE = (
    CHAPTER.replace("See {numref}", "See {numref}`tab-small`, {numref}")
    + """
```{code-cell} ipython3
import pandas as pd
from scs.book import charts

frame = pd.DataFrame({"error": [0.1, 0.2]})
charts.table(frame, caption="Small & smaller errors.", name="tab-small")
```
"""
)
NEEDY = CHAPTER.replace("kernelspec:", "scs:\n  needs: [student]\nkernelspec:").replace(
    "(small)=", "(needy)="
)
FAILING = CHAPTER.replace("reps * noise", "reps / 0").replace("(small)=", "(failing)=")


@pytest.fixture
def book(tmp_path, monkeypatch) -> Path:
    """Make a book of three chapters, with our configuration."""
    (tmp_path / "notebooks").mkdir()
    for name, text in {"01_small": CHAPTER, "02_needy": NEEDY, "03_failing": FAILING}.items():
        (tmp_path / "notebooks" / f"{name}.md").write_text(text, encoding="utf-8")
    for part in ("_config.yml", "_toc.yml", "book/references.bib"):
        (tmp_path / part).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / part, tmp_path / part)
    for part in ("book/_ext", "book/_static"):
        shutil.copytree(ROOT / part, tmp_path / part)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "available", lambda name: False)
    return tmp_path


def _fails(capsys, *arguments: str) -> str:
    assert main(arguments) == 2
    return capsys.readouterr().err


# --- which chapter -----------------------------------------------------------------------------


def test_chapter_is_found_with_its_number_and_without(book):
    assert find_chapter(book, "small") == find_chapter(book, "01_small") == all_chapters(book)[0]


def test_unknown_chapter_lists_those_there_are(book, capsys):
    error = _fails(capsys, "run", "smal")
    assert "no chapter named 'smal'" in error and "small, needy, failing" in error


def test_book_is_found_from_a_folder_inside_it(book):
    assert book_root(book / "notebooks") == book


def test_book_of_the_checkout_is_found_from_anywhere(tmp_path):
    assert book_root(tmp_path) == ROOT


# --- parameters --------------------------------------------------------------------------------


def _parameters(source: str) -> list[Parameter]:
    cell = new_code_cell(source, metadata={"tags": ["parameters"]})
    return notebook_parameters(new_notebook(cells=[cell]))


def test_parameters_are_read_with_their_comments():
    assert _parameters('n = 3  # rows\nshare: float = -0.5\nname = "a # b"') == [
        Parameter("n", 3, "rows"),
        Parameter("share", -0.5, ""),
        Parameter("name", "a # b", ""),
    ]


@pytest.mark.parametrize(
    "source", ["n = len('abc')", "n = m", "import os", "n += 1", "a, b = 1, 2"]
)
def test_parameters_are_literals_only(source):
    with pytest.raises(ValueError, match=r"parameters cell.*below"):
        _parameters(source)


def test_notebook_without_the_cell_has_no_parameters():
    assert notebook_parameters(new_notebook(cells=[new_code_cell("n = 1")])) == []


@pytest.mark.parametrize(
    ("default", "text", "value"),
    [
        (2, "20", 20),
        (0.5, "1", 1.0),
        (0.5, "1e-3", 1e-3),
        (True, "no", False),
        (False, "TRUE", True),
        ("GE", "007", "007"),
        ([1], "[2, 3]", [2, 3]),
        (None, "3", 3),
    ],
)
def test_value_takes_the_type_of_the_default(default, text, value):
    chosen = chosen_values([Parameter("p", default, "")], [("p", text)])
    assert chosen == {"p": value} and type(chosen["p"]) is type(value)


@pytest.mark.parametrize(
    ("default", "text"),
    [(2, "2.5"), (2, "many"), (0.5, "a lot"), (True, "2"), ([1], "3"), ([1], "[")],
)
def test_value_of_another_type_is_refused(default, text):
    with pytest.raises(UsageError, match=r"parameter p: .* is not of type .*like the default"):
        chosen_values([Parameter("p", default, "")], [("p", text)])


@pytest.mark.parametrize(
    ("comment", "inside", "outside"),
    [
        ("how often, 2 to 100", [2, 100, 3.5], [1, 101, -2]),
        ("share, -0.5 to 1e3 (of all)", [-0.5, 1000], [-0.6, 1001]),
        ("shrinkage (mu, Eq. 5), above 0", [1e-9], [0, -1]),
        ("below 1", [0.99], [1]),
        ("seed, at least 0", [0, 7], [-1, True]),
        ("at most 3", [3, -1], [4]),
        ("which, one of low, medium or high", ["low", "medium", "high"], ["hi", ""]),
        ("numbers, 1 to 3", [[1, 2], []], [[1, 4]]),
    ],
)
def test_range_of_a_comment(comment, inside, outside):
    allowed = Parameter("p", 1, comment).allowed
    assert all(map(allowed.holds, inside))
    assert not any(map(allowed.holds, outside))


@pytest.mark.parametrize("comment", ["how often", "one, two", "from 3 to 5 or so", ""])
def test_comment_without_a_range(comment):
    parameter = Parameter("p", 1, comment)
    assert parameter.allowed is None and parameter.meaning == comment


def test_meaning_is_the_comment_without_its_range():
    assert Parameter("p", 1, "how often, 2 to 5 (slow)").meaning == "how often (slow)"


def test_value_outside_its_range_is_refused(book, capsys):
    source = book / "notebooks" / "01_small.md"
    source.write_text(CHAPTER.replace("# how often", "# how often, 1 to 9"), encoding="utf-8")
    error = _fails(capsys, "run", "small", "-p", "reps", "10")
    assert "parameter reps: 10 is outside its range. Allowed: 1 to 9 (how often)" in error
    assert not (book / "runs").exists()


def test_unknown_parameter_lists_those_there_are(book, capsys):
    error = _fails(capsys, "run", "small", "-p", "rep", "3")
    assert "no parameter named 'rep'" in error
    assert "reps = 2" in error and "how often" in error and "label = 'GE'" in error


def test_parameter_given_twice_is_refused(book, capsys):
    assert "given twice" in _fails(capsys, "run", "small", "-p", "reps", "3", "-p", "reps", "4")


# --- run ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_run_makes_a_page_of_its_own(book, capsys):
    (book / "notebooks" / "01_small.md").write_text(WITH_TABLE, encoding="utf-8")
    main(["execute", "small"])
    files = sorted((book / "notebooks").iterdir())
    before = [file.read_bytes() for file in files]
    assert main(["run", "small", "-p", "reps", "3", "-p", "label", "US Steel"]) == 0
    address = capsys.readouterr().out.splitlines()[-1]
    folder = book / "runs" / "small_reps-3_label-US_Steel"
    assert address == (folder / "_build" / "html" / "index.html").as_uri()

    built = folder / "_build" / "html" / "notebooks" / "01_small.html"
    page = html.unescape(re.sub(r"<[^>]+>", "", built.read_text(encoding="utf-8")))
    assert "Made with other parameters than the book" in page
    assert page.index("A small chapter") < page.index("Made with other") < page.index("1.5")
    assert "'US Steel'" in page and "standard deviation" in page
    assert "2 outputs and 0 numbers in the text differ from the book" in page
    assert "cell reps * noise" in page
    assert "Sankaranarayanan" in page
    assert "See Table 1, " in page and "Table 1 Small & smaller errors." in page

    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert record == {"chapter": "01_small", "parameters": {"reps": 3, "label": "US Steel"}}
    assert sorted((book / "notebooks").iterdir()) == files
    assert [file.read_bytes() for file in files] == before


def test_run_name_is_fit_for_a_folder():
    chapter = Chapter(Path("notebooks/20_sparse.md"))
    assert run.run_name(chapter, {}) == "sparse"
    assert run.run_name(chapter, {"reps": 20, "x": "../a b"}) == "sparse_reps-20_x-.._a_b"
    assert len(run.run_name(chapter, {"x": "y" * 300})) == 80


@pytest.mark.parametrize("name", ["..", "a/b", "/tmp", "."])
def test_run_stays_in_its_folder(book, capsys, name):
    assert "not a plain folder name" in _fails(capsys, "run", "small", "--name", name)


def test_run_without_the_data_says_how_to_get_it(book, capsys):
    error = _fails(capsys, "run", "needy")
    assert "no data for student" in error and "`scs data`" in error


# --- execute -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_execute_twice_gives_the_same_bytes(book, capsys):
    path = book / "notebooks" / "01_small.ipynb"
    assert main(["execute", "small"]) == 0
    first = path.read_bytes()
    assert main(["execute", "01_small"]) == 0
    assert path.read_bytes() == first
    assert capsys.readouterr().out.splitlines() == [
        "01_small: new",
        "01_small: every output as it was",
    ]
    assert str(book).encode() not in first and b"papermill" not in first
    assert b"stderr" not in first.replace(b"sys.stderr", b"")


@pytest.mark.slow
def test_execute_names_what_moved(book, capsys):
    main(["execute", "small"])
    source = book / "notebooks" / "01_small.md"
    source.write_text(CHAPTER.replace("reps = 2", "reps = 4"), encoding="utf-8")
    capsys.readouterr()
    main(["execute", "small"])
    assert "reps * noise" in capsys.readouterr().out


CALLS_METRICS = "import sys\n\nfrom scs.paper.metrics import sparsity\n\nmeasure = sparsity"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package's sources, which a test may edit and the digests are made of."""
    copy = tmp_path / "copy" / "scs"
    shutil.copytree(ROOT / "scs", copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "_ROOT", copy)
    yield copy
    provenance._read.cache_clear()


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    provenance._read.cache_clear()


@pytest.mark.slow
def test_stale_are_exactly_the_notebooks_whose_code_changed(book, package, capsys):
    source = book / "notebooks" / "02_needy.md"
    source.write_text(CHAPTER.replace("(small)=", "(m)=").replace("import sys", CALLS_METRICS))
    (book / "notebooks" / "03_failing.md").unlink()
    main(["execute"])
    capsys.readouterr()

    main(["execute", "--stale"])
    assert capsys.readouterr().out.strip() == "none of 2 chapters is stale"

    _edit(package / "paper" / "metrics.py", "def sparsity", "# a remark\ndef sparsity")
    assert [stale_reasons(chapter) for chapter in all_chapters(book)] == [[], []]

    _edit(package / "paper" / "metrics.py", "return", "return 0 or")
    assert [stale_reasons(chapter) for chapter in all_chapters(book)] == [
        [],
        ["changed: sparsity"],
    ]
    main(["execute", "--stale"])
    assert capsys.readouterr().out.splitlines() == [
        "02_needy: changed: sparsity",
        "02_needy: every output as it was",
    ]
    assert [stale_reasons(chapter) for chapter in all_chapters(book)] == [[], []]


def test_an_edited_or_new_chapter_is_stale(book):
    chapter = all_chapters(book)[0]
    assert stale_reasons(chapter) == ["never run"]
    main(["execute", "small"])
    _edit(chapter.source, "reps = 2", "reps = 3")
    assert stale_reasons(chapter) == ["01_small.md was edited"]


def test_execute_leaves_out_what_has_no_data(book, capsys):
    assert main(["execute", "needy"]) == 0
    assert "02_needy: left out, no data for student" in capsys.readouterr().out
    assert not (book / "notebooks" / "02_needy.ipynb").exists()


def test_failing_cell_is_named_with_its_chapter_and_exception(book, capsys):
    error = _fails(capsys, "execute", "failing")
    assert "03_failing: cell" in error
    assert "`reps / 0`" in error and "ZeroDivisionError: division by zero" in error
    assert not (book / "notebooks" / "03_failing.ipynb").exists()


# --- a new chapter -------------------------------------------------------------------------------


@pytest.fixture
def template(book) -> Path:
    shutil.copytree(ROOT / "book" / "_templates", book / "book" / "_templates")
    toc = "format: jb-book\nroot: notebooks/01_small\nparts:\n  - chapters:\n"
    toc += "      - file: notebooks/02_needy\n      - file: notebooks/10_later\n"
    (book / "_toc.yml").write_text(toc, encoding="utf-8")
    return book


@pytest.mark.slow
def test_new_chapter_is_run_listed_and_fit_for_the_book(template, capsys):
    assert main(["new-chapter", "05_costs"]) == 0
    chapter = find_chapter(template, "costs")
    assert "# Costs" in chapter.source.read_text(encoding="utf-8")
    assert stale_reasons(chapter) == []
    toc = (template / "_toc.yml").read_text(encoding="utf-8").splitlines()
    assert [line.strip() for line in toc[-3:]] == [
        f"- file: notebooks/{stem}" for stem in ("02_needy", "05_costs", "10_later")
    ]
    assert all(parameter.allowed for parameter in notebook_parameters(chapter.read_stored()))
    assert main(["run", "costs", "-p", "n_clusters", "3"]) == 0
    assert (template / "runs" / "costs_n_clusters-3" / "_build" / "html" / "index.html").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Costs", "is no name"),
        ("", "is no name"),
        ("small", "a chapter named small already"),
        ("02_costs", "a chapter 02 already"),
    ],
)
def test_new_chapter_needs_a_name_of_its_own(template, capsys, name, message):
    before = sorted((template / "notebooks").iterdir())
    assert message in _fails(capsys, "new-chapter", name)
    assert sorted((template / "notebooks").iterdir()) == before


# --- canonical form ----------------------------------------------------------------------------


def _notebook(*sources: str) -> nbformat.NotebookNode:
    return new_notebook(cells=[new_code_cell(source) for source in sources])


def test_cell_ids_are_unique_and_survive_a_new_cell():
    before = cell_ids(_notebook("a", "b", "b"))
    after = cell_ids(_notebook("new", "a", "b", "b"))
    assert len(set(before)) == 3
    assert after[1:] == before


def test_canonical_joins_streams_and_drops_progress():
    notebook = _notebook("a")
    notebook.cells[0].outputs = [
        new_output("stream", name="stdout", text="1\n"),
        new_output("stream", name="stderr", text="50 %"),
        new_output("stream", name="stdout", text="2\n"),
    ]
    notebook.cells[0].metadata["execution"] = {"iopub.execute_input": "2023-02-07"}
    notebook.metadata["papermill"] = {"duration": 1.5}
    (cell,) = canonical(notebook).cells
    assert [output.text for output in cell.outputs] == ["1\n2\n"]
    assert not cell.metadata and "papermill" not in canonical(notebook).metadata


# --- what moved ----------------------------------------------------------------------------------


def test_only_outputs_of_code_that_nbval_compares_count_as_moved():
    old, new = canonical(_notebook("a", "b")), canonical(_notebook("a", "b"))
    new.cells.insert(0, new_markdown_cell("text"))
    assert differences(old, new).shown == ()
    new.cells[2].outputs = [new_output("stream", text="1")]
    assert differences(old, new).shown == ("cell `b`",)
    new.cells[2].metadata["tags"] = ["nbval-ignore-output"]
    assert differences(old, new).shown == ()


def _glued(name: str, text: str) -> nbformat.NotebookNode:
    data = {"application/papermill.record/text/plain": text}
    return new_output("display_data", data, metadata={"scrapbook": {"name": name}})


def test_what_moved_is_named_as_a_reader_knows_it():
    old, new = (canonical(_notebook("figure", "table", "glue", "same")) for _ in range(2))
    for notebook, digit in ((old, "1"), (new, "2")):
        figure, table, glue, same = notebook.cells
        figure.metadata["mystnb"] = {"figure": {"name": "fig-path"}}
        figure.outputs = [new_output("display_data", {"text/plain": digit})]
        page = f'<div class="scs-table" data-name="tab-errors">{digit}</div>'
        table.outputs = [new_output("display_data", {"text/html": page})]
        glue.outputs = [_glued("share", digit), _glued("chart", digit * 99), _glued("n", "'3'")]
        same.outputs = [new_output("display_data", {"text/plain": "", "image/png": digit})]
    moved = differences(old, new)
    assert moved.shown == ("figure fig-path", "table tab-errors", "glued `chart`")
    assert moved.numbers == (("share", "1", "2"),)
    assert moved.n_cells == 4


# --- the rest ----------------------------------------------------------------------------------


def test_data_prints_the_status(capsys, monkeypatch):
    monkeypatch.setattr(datasets, "status", lambda: "student: here")
    assert main(["data"]) == 0
    assert capsys.readouterr().out == "student: here\n"


def test_version_is_that_of_the_distribution(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.strip() == f"scs {version('significant-cluster-selection')}"
