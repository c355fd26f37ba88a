"""One chapter with the reader's own parameters, as a small book of its own."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from scs.book.chapters import Chapter
from scs.book.compare import Differences
from scs.book.parameters import Parameter
from scs.data._whole import write_whole
from scs.data.errors import UsageError

# The other chapters are not in this book: what points to them stays plain text. All else is strict.
_TOLERATED = ["myst.domains", "myst.xref_missing", "ref", "mystnb.glue_ref"]
_BOOK_PARTS = ("book/_ext", "book/_static", "book/references.bib")


def run_name(chapter: Chapter, values: Mapping[str, Any]) -> str:
    """Name a run after its chapter and parameters, fit for a folder."""
    words = [chapter.name, *(f"{name}-{value}" for name, value in values.items())]
    return re.sub(r"[^A-Za-z0-9.-]+", "_", "_".join(words)).strip("_.")[:80]


def parameters_note(
    parameters: Sequence[Parameter],
    values: Mapping[str, Any],
    moved: Differences | None,
) -> str:
    """Write the box that says which parameters made the page, and what they changed."""
    rows = [
        f"| `{p.name}` | `{values.get(p.name, p.default)!r}` | `{p.default!r}` "
        f"| {p.meaning} | {p.allowed_text} |"
        for p in parameters
    ]
    return "\n".join(
        [
            "::::{admonition} Made with other parameters than the book",
            ":class: important",
            "The text was written for the book's parameters; numbers and charts are of this run. "
            "Links to chapters that are not in it are plain text.",
            "",
            "| Parameter | this run | the book | meaning | allowed |",
            "|---|---|---|---|---|",
            *rows,
            "",
            *differences_note(moved),
            "::::",
        ]
    )


def differences_note(moved: Differences | None) -> list[str]:
    """Write which outputs are not those of the book."""
    if moved is None:
        return ["The book has no stored outputs of this chapter to compare with."]
    lines = [
        f"**{len(moved.shown)} outputs and {len(moved.numbers)} numbers in the text differ "
        f"from the book's** ({moved.n_cells} cells have outputs)."
    ]
    if moved.shown:
        lines += ["", *(f"- {name}" for name in moved.shown)]
    if moved.numbers:
        lines += [
            "",
            ":::{dropdown} The numbers that moved",
            "| Number | the book | this run |",
            "|---|---|---|",
            *(f"| `{name}` | {old} | {new} |" for name, old, new in moved.numbers),
            ":::",
        ]
    return lines


def as_page(notebook: NotebookNode, note: str) -> NotebookNode:
    """Put a note below the notebook's title, and what it cites at its end."""
    references = new_markdown_cell("```{bibliography}\n:filter: docname in docnames\n```")
    notebook.cells.append(references)
    for cell in notebook.cells:
        title = re.search(r"^# .*$", cell.source, flags=re.MULTILINE)
        if cell.cell_type == "markdown" and title:
            end = title.end()
            cell.source = f"{cell.source[:end]}\n\n{note}\n{cell.source[end:]}"
            return notebook
    raise ValueError("notebook: no title. Begin its first text cell with `# Title`.")


def prepare_book(root: Path, chapter: Chapter, folder: Path) -> Path:
    """Make the folder of a book that holds only this chapter; return where its notebook goes."""
    shutil.rmtree(folder, ignore_errors=True)
    for part in _BOOK_PARTS:
        source, target = root / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.is_file():
            shutil.copyfile(source, target)
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    config["sphinx"]["config"]["suppress_warnings"] = _TOLERATED
    config.pop("launch_buttons", None)  # they would open the book's notebook, not this one
    write_whole(folder / "_config.yml", yaml.safe_dump(config))
    toc = {"format": "jb-book", "root": f"notebooks/{chapter.stem}"}
    write_whole(folder / "_toc.yml", yaml.safe_dump(toc))
    (folder / "notebooks").mkdir()
    return folder / "notebooks" / chapter.stored.name


def write_record(folder: Path, chapter: Chapter, values: Mapping[str, Any]) -> None:
    """Keep the parameters of a run beside its pages."""
    record = {"chapter": chapter.stem, "parameters": dict(values)}
    write_whole(folder / "run.json", json.dumps(record, indent=2) + "\n")


def build_html(folder: Path) -> Path:
    """Build a book's pages, strictly, and return the first one."""
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command += ["build", str(folder), "-W", "--keep-going", "--quiet"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise UsageError(
            f"the pages of {folder.name} could not be built:\n{result.stdout}{result.stderr}"
        )
    return folder / "_build" / "html" / "index.html"
