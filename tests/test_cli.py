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

from scs import datasets
from scs.cli import main, run
from scs.cli.chapters import Chapter, all_chapters, book_root, find_chapter
from scs.cli.errors import UsageError
from scs.cli.execute import canonical, cell_ids, moved_cells
from scs.cli.parameters import Parameter, chosen_values, notebook_parameters

ROOT = Path(__file__).resolve().parents[1]

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
from scs import charts

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


def test_unknown_parameter_lists_those_there_are(book, capsys):
    error = _fails(capsys, "run", "small", "-p", "rep", "3")
    assert "no parameter named 'rep'" in error
    assert "reps = 2" in error and "how often" in error and "label = 'GE'" in error


def test_parameter_given_twice_is_refused(book, capsys):
    assert "given twice" in _fails(capsys, "run", "small", "-p", "reps", "3", "-p", "reps", "4")


# --- run ---------------------------------------------------------------------------------------


def test_run_makes_a_page_of_its_own(book, capsys):
    (book / "notebooks" / "01_small.md").write_text(WITH_TABLE, encoding="utf-8")
    stored = (book / "notebooks" / "01_small.md").read_bytes()
    assert main(["run", "small", "-p", "reps", "3", "-p", "label", "US Steel"]) == 0
    address = capsys.readouterr().out.splitlines()[-1]
    folder = book / "runs" / "small_reps-3_label-US_Steel"
    assert address == (folder / "_build" / "html" / "index.html").as_uri()

    built = folder / "_build" / "html" / "notebooks" / "01_small.html"
    page = html.unescape(re.sub(r"<[^>]+>", "", built.read_text(encoding="utf-8")))
    assert "Made with other parameters than the book" in page
    assert page.index("A small chapter") < page.index("Made with other") < page.index("1.5")
    assert "'US Steel'" in page and "standard deviation" in page
    assert "Sankaranarayanan" in page
    assert "See Table 1, " in page and "Table 1 Small & smaller errors." in page

    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert record == {"chapter": "01_small", "parameters": {"reps": 3, "label": "US Steel"}}
    assert (book / "notebooks" / "01_small.md").read_bytes() == stored
    assert not (book / "notebooks" / "01_small.ipynb").exists()


def test_run_name_is_fit_for_a_folder():
    chapter = Chapter(Path("notebooks/03_simulation.md"))
    assert run.run_name(chapter, {}) == "simulation"
    assert run.run_name(chapter, {"reps": 20, "x": "../a b"}) == "simulation_reps-20_x-.._a_b"
    assert len(run.run_name(chapter, {"x": "y" * 300})) == 80


@pytest.mark.parametrize("name", ["..", "a/b", "/tmp", "."])
def test_run_stays_in_its_folder(book, capsys, name):
    assert "not a plain folder name" in _fails(capsys, "run", "small", "--name", name)


def test_run_without_the_data_says_how_to_get_it(book, capsys):
    error = _fails(capsys, "run", "needy")
    assert "no data for student" in error and "`scs data`" in error


# --- execute -----------------------------------------------------------------------------------


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


def test_execute_names_what_moved(book, capsys):
    main(["execute", "small"])
    source = book / "notebooks" / "01_small.md"
    source.write_text(CHAPTER.replace("reps = 2", "reps = 4"), encoding="utf-8")
    capsys.readouterr()
    main(["execute", "small"])
    assert "reps * noise" in capsys.readouterr().out


def test_execute_leaves_out_what_has_no_data(book, capsys):
    assert main(["execute", "needy"]) == 0
    assert "02_needy: left out, no data for student" in capsys.readouterr().out
    assert not (book / "notebooks" / "02_needy.ipynb").exists()


def test_failing_cell_is_named_with_its_chapter_and_exception(book, capsys):
    error = _fails(capsys, "execute", "failing")
    assert "03_failing: cell" in error
    assert "`reps / 0`" in error and "ZeroDivisionError: division by zero" in error
    assert not (book / "notebooks" / "03_failing.ipynb").exists()


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


def test_moved_cells_compares_outputs_only_of_code():
    old, new = canonical(_notebook("a", "b")), canonical(_notebook("a", "b"))
    new.cells.insert(0, new_markdown_cell("text"))
    assert moved_cells(old, new) == []
    new.cells[2].outputs = [new_output("stream", text="1")]
    assert moved_cells(old, new) == ["b"]
    new.cells[2].metadata["tags"] = ["nbval-ignore-output"]
    assert moved_cells(old, new) == []


# --- the rest ----------------------------------------------------------------------------------


def test_data_prints_the_status(capsys, monkeypatch):
    monkeypatch.setattr(datasets, "status", lambda: "student: here")
    assert main(["data"]) == 0
    assert capsys.readouterr().out == "student: here\n"


def test_version_is_that_of_the_distribution(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.strip() == f"scs {version('significant-cluster-selection')}"
