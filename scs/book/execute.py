"""Run notebooks, and write them so that two runs of the same code give the same bytes."""

import csv
import hashlib
import os
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from scs.book.chapters import Chapter
from scs.book.stale import CODE_KEY, code_behind
from scs.data._whole import whole_file, write_whole
from scs.data.errors import UsageError

# The notebook must not depend on how many cores a library finds.
_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_CELL_METADATA_OF_A_RUN = ("papermill", "execution")


def execute(
    chapter: Chapter, values: Mapping[str, Any] | None = None, place: str = ""
) -> NotebookNode:
    """Run a chapter from its source.

    Parameters
    ----------
    chapter : Chapter
    values : mapping, optional
        New values of its parameters.
    place : str
        What the progress bar says after the chapter's name, such as "3 of 20".

    Returns
    -------
    NotebookNode
        With outputs and the digests of the code behind them, in canonical form.
    """
    try:
        with _environment(_ONE_THREAD):
            notebook = papermill.execute_notebook(
                chapter.read(),
                None,
                parameters=dict(values or {}),
                kernel_name="python3",
                progress_bar={"desc": " ".join([chapter.stem, place]).strip()},
                stderr_file=sys.stderr,
                # Below errors, the kernel only remarks on how it talks to us.
                extra_arguments=["--log-level=40"],
                cwd=chapter.source.parent,
            )
    except PapermillExecutionError as error:
        first_line = error.source.strip().splitlines()[0]
        raise UsageError(
            f"{chapter.stem}: cell {error.cell_index} (`{first_line}`) raised "
            f"{error.ename}: {error.evalue}\nMend {chapter.source.name}, or the code it calls."
        ) from None
    notebook.metadata[CODE_KEY] = code_behind(notebook)
    return canonical(notebook)


def canonical(notebook: NotebookNode) -> NotebookNode:
    """Remove from a notebook what differs between two runs of the same code.

    Cell ids are made from the cells' text; timings, versions, progress bars and papermill's own
    records go; pieces of printed text are joined (where they break depends on the clock).
    """
    notebook = nbformat.from_dict(notebook)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    kept = {key: value for key, value in notebook.metadata.items() if key != "papermill"}
    kept["kernelspec"] = _KERNEL
    kept["language_info"] = {"name": "python"}
    notebook.metadata = nbformat.from_dict(kept)
    for cell, cell_id in zip(notebook.cells, cell_ids(notebook), strict=True):
        cell.id = cell_id
        for key in _CELL_METADATA_OF_A_RUN:
            cell.metadata.pop(key, None)
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]  # papermill gives every cell a list of tags
        if cell.cell_type == "code":
            cell.outputs = _joined_streams(cell.outputs)
    return notebook


def cell_ids(notebook: NotebookNode) -> list[str]:
    """Make the ids of a notebook's cells from their text, so that a new cell changes no other's."""
    ids: list[str] = []
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        text = f"{cell.cell_type}\n{cell.source}"
        seen[text] = seen.get(text, 0) + 1
        ids.append(hashlib.sha256(f"{seen[text]}\n{text}".encode()).hexdigest()[:12])
    return ids


def _joined_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    joined: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream" and output.name == "stderr":
            continue  # progress bars; shown on the terminal while the notebook runs
        previous = joined[-1] if joined else None
        if output.output_type == "stream" and previous and previous.output_type == "stream":
            previous.text += output.text
        else:
            joined.append(output)
    return joined


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook in one step: an interrupted write leaves the old file."""
    text = nbformat.writes(notebook, version=nbformat.NO_CONVERT)
    write_whole(path, text if text.endswith("\n") else text + "\n")


def record_run_time(chapter: Chapter, seconds: float) -> None:
    """Keep how long a chapter took beside the notebooks, which hold nothing of a clock."""
    path = chapter.source.with_name("run_times.csv")
    times = {}
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            times = {row["chapter"]: row["seconds"] for row in csv.DictReader(file)}
    times[chapter.stem] = f"{seconds:.1f}"
    kept = [(stem, times[stem]) for stem in sorted(times) if path.with_name(f"{stem}.md").exists()]
    with whole_file(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("chapter", "seconds"), *kept])


@contextmanager
def _environment(variables: Mapping[str, str]):
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
