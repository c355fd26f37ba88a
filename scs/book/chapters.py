"""Find the book and the chapters that are notebooks."""

import re
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from scs.data.errors import UsageError
from scs.paper import datasets


@dataclass(frozen=True)
class Chapter:
    """One notebook of the book: its edited source and its executed copy."""

    source: Path  # notebooks/NN_name.md

    @property
    def stem(self) -> str:
        """File name without its ending, as in ``20_sparse``."""
        return self.source.stem

    @property
    def name(self) -> str:
        """Name without the number, as in ``sparse``."""
        return re.sub(r"^\d+_", "", self.stem)

    @property
    def stored(self) -> Path:
        """The executed notebook beside the source."""
        return self.source.with_suffix(".ipynb")

    def read(self) -> NotebookNode:
        """Read the source as a notebook without outputs."""
        return jupytext.read(self.source)

    def read_stored(self) -> NotebookNode:
        """Read the executed notebook."""
        return nbformat.read(self.stored, as_version=4)


def book_root(start: Path | None = None) -> Path:
    """Find the checkout that holds the book.

    Parameters
    ----------
    start : Path, optional
        Folder to search upwards from; the working directory if None. The folder above the package
        is tried last, so that commands of an editable install work from anywhere.

    Returns
    -------
    Path
        Folder with ``_toc.yml`` and ``notebooks``.
    """
    start = (start or Path.cwd()).resolve()
    for folder in [start, *start.parents, Path(__file__).resolve().parents[2]]:
        if (folder / "_toc.yml").is_file() and (folder / "notebooks").is_dir():
            return folder
    raise UsageError(
        "no book here: _toc.yml and notebooks/ not found. "
        "Run this inside a clone of the repository."
    )


def all_chapters(root: Path) -> list[Chapter]:
    """List the notebooks of a book in the order of their numbers."""
    return [Chapter(path) for path in sorted((root / "notebooks").glob("[0-9]*_*.md"))]


def find_chapter(root: Path, name: str) -> Chapter:
    """Find a chapter by its name, with its number or without."""
    chapters = all_chapters(root)
    for chapter in chapters:
        if name in (chapter.name, chapter.stem):
            return chapter
    known = ", ".join(chapter.name for chapter in chapters) or "none"
    raise UsageError(f"no chapter named {name!r}. There are: {known}.")


def missing_data(notebook: NotebookNode) -> list[str]:
    """Name the data sets that a notebook says it needs and that are not on this machine."""
    needs = notebook.metadata.get("scs", {}).get("needs", [])
    return [name for name in needs if not datasets.available(name)]


def left_out_message(chapter: Chapter, missing: list[str]) -> str:
    """Say that a chapter is left out, and what would bring it back."""
    return (
        f"{chapter.stem}: left out, no data for {', '.join(missing)}. "
        "`scs data` says what is missing and how to get it."
    )
