"""The edited sources and the stored notebooks of the book are in step, and fit to be compared."""

import json
import re
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbformat import NotebookNode

from scs.book.chapters import Chapter
from scs.book.execute import canonical, cell_ids
from scs.book.parameters import notebook_parameters
from scs.book.stale import stale_reasons

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SOURCES = sorted(NOTEBOOKS.glob("*.md"))
REMEDY = "run `make notebooks` and look at the difference"

# Words of code whose printed result depends on the clock, or on the machine.
_TIMING = re.compile(r"perf_counter|process_time|time\.time|seconds|%time|elapsed|timeit|platform")
_MACHINE = re.compile(r"/home/|/root/|/tmp/|/Users/|[A-Z]:\\\\|site-packages|0x[0-9a-f]{8,}")


@pytest.fixture(params=SOURCES, ids=lambda path: path.stem)
def source(request) -> Path:
    return request.param


@pytest.fixture
def stored(source) -> NotebookNode:
    path = source.with_suffix(".ipynb")
    assert path.exists(), f"{path.name} is missing: {REMEDY}"
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    return notebook


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _parts(notebook: NotebookNode) -> list[tuple]:
    return [(cell.cell_type, cell.source, dict(cell.metadata)) for cell in notebook.cells]


def test_every_stored_notebook_has_a_source():
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} <= {path.stem for path in SOURCES}


def test_stored_notebook_is_in_step_with_its_source(source, stored):
    for edited, kept in zip(_parts(jupytext.read(source)), _parts(stored), strict=True):
        assert kept == edited, f"{source.name} was edited after its last run: {REMEDY}"


def test_stored_outputs_are_of_the_code_as_it_is(source):
    chapter = Chapter(source)
    reasons = stale_reasons(chapter)
    assert not reasons, (
        f"{chapter.stem} is stale ({'; '.join(reasons)}): run `scs execute {chapter.name}`, "
        "or `scs execute --stale` for all such, and look at what moved"
    )


def test_metadata_is_in_step_too(source, stored):
    edited = jupytext.read(source).metadata
    for key in set(edited) - {"kernelspec", "language_info"}:
        assert stored.metadata.get(key) == edited[key], f"{key}: {REMEDY}"


def test_stored_notebook_is_canonical(source, stored):
    assert [cell.id for cell in stored.cells] == cell_ids(stored)
    text = source.with_suffix(".ipynb").read_text(encoding="utf-8")
    assert text == nbformat.writes(canonical(stored), version=nbformat.NO_CONVERT) + "\n"


def test_every_cell_was_run_in_order_and_without_error(stored):
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]


def test_first_code_cell_holds_the_parameters(stored):
    first = next(cell for cell in stored.cells if cell.cell_type == "code")
    assert _tags(first) == ["parameters"]
    parameters = notebook_parameters(stored)  # refuses anything but literals
    assert parameters
    for parameter in parameters:
        assert parameter.meaning, f"{parameter.name} needs a comment: what it is"
        if isinstance(parameter.default, int | float) and not isinstance(parameter.default, bool):
            assert parameter.allowed, (
                f"{parameter.name}: end its comment with `, 1 to 9` or the like"
            )
        if parameter.allowed:
            assert parameter.allowed.holds(parameter.default), parameter


def test_outputs_are_left_uncompared_only_where_they_are_timings(stored):
    for cell in stored.cells:
        assert not {"raises-exception", "nbval-raises-exception", "nbval-skip"} & set(_tags(cell))
        if "nbval-ignore-output" in _tags(cell):
            assert _TIMING.search(cell.source), f"no timing in this cell: {cell.source[:80]}"


def test_outputs_name_no_machine(stored):
    for cell in stored.cells:
        for output in cell.get("outputs", []):
            shown = {k: v for k, v in output.get("data", {}).items() if "image/" not in k}
            text = json.dumps(shown) + str(output.get("text", ""))
            assert not _MACHINE.search(text), f"{_MACHINE.search(text)[0]} in {cell.source[:80]}"


def test_every_notebook_has_the_books_kernel(stored):
    assert stored.metadata.kernelspec == {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
