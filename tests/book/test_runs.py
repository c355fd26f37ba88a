"""Chapters at other values of their parameters: what they say is what that run found."""

from pathlib import Path
from typing import Any

import pytest
from nbformat import NotebookNode

from scs.book.chapters import Chapter
from scs.book.execute import execute
from scs.paper.schools import EFFECTS

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
_GLUED = "application/papermill.record/text/plain"


def _run(stem: str, **values: Any) -> tuple[dict[str, str], str]:
    """Return what a run glues, without quotes, and all else that it puts out, as one text."""
    notebook: NotebookNode = execute(Chapter(NOTEBOOKS / f"{stem}.md"), values)
    glued, text = {}, []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if name is not None and _GLUED in output.data:
                glued[name] = output.data[_GLUED].strip("'")
            text.append(str(output.get("data", output.get("text", ""))))
    return glued, "".join(text)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [0, 3])
def test_the_quickstart_says_what_its_budget_names(budget):
    glued, text = _run("01_quickstart", budget=budget)
    assert int(glued["n_named"]) == budget
    assert f"the selection puts {11 - budget} at zero" in text
    named = glued["reading"].split("; ")
    assert len(named) == (budget or 1)
    assert (named == ["no firm has an effect"]) == (budget == 0)
    assert all(name.rpartition(" ")[2] in ("above", "below") for name in named) or not budget
    assert int(glued["shared"]) <= budget
    assert int(glued["alone_better"]) <= int(glued["n_left_out"]) <= 3


@pytest.mark.slow
def test_the_schools_say_what_a_larger_budget_names():
    glued, text = _run("00_schools", budget=5)
    assert int(glued["n_named"]) == 5
    assert int(glued["n_truth"]) == len(EFFECTS)
    assert int(glued["found"]) <= len(EFFECTS)  # so that two names at least are wrong
    assert int(glued["shared"]) <= 5
    assert "'differs'" not in text and "differs after" not in text
