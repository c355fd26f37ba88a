"""Notebooks that can be opened on Colab, and the button that opens them there.

Colab knows neither the package nor the files beside a notebook. Below ``colab/`` of the built pages
lies a copy of every notebook with one more cell, which fetches both; the pages are published on the
branch ``gh-pages``, so that Colab can read the copies from there.
"""

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

BRANCH = "gh-pages"

# Colab has PyPI's "scs" (a solver) under our import name.
FETCH = """\
# Colab: this book's package and the files beside the notebook (a minute).
%pip uninstall -q -y scs
!git clone -q --depth 1 {url} book
%pip install -q -e "book[book]"
%cd book/notebooks
import sys; sys.path.insert(0, "..")"""


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the parts to the build."""
    app.connect("html-page-context", point_colab_at_the_copy, priority=900)
    app.connect("build-finished", write_copies)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def point_colab_at_the_copy(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Change the address of the theme's Colab button."""
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if button.get("text") == "Colab":
                start, _, path = button["url"].partition("/blob/")
                button["url"] = f"{start}/blob/{BRANCH}/colab/{Path(path).name}"


def write_copies(app: Sphinx, error: Exception | None) -> None:
    """Write the copies among the built pages."""
    if error is not None or app.builder.name != "html":
        return
    url = app.config.html_theme_options.get("repository_url", "")
    folder = Path(app.outdir) / "colab"
    folder.mkdir(exist_ok=True)
    for docname in sorted(app.env.found_docs):
        path = Path(app.env.doc2path(docname))
        if path.suffix == ".ipynb":
            notebook = json.loads(path.read_text(encoding="utf-8"))
            text = json.dumps(with_fetch(notebook, url), indent=1, ensure_ascii=False)
            (folder / path.name).write_text(text + "\n", encoding="utf-8")


def with_fetch(notebook: dict[str, Any], url: str) -> dict[str, Any]:
    """Put the cell that fetches before the first one with code."""
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": "fetch-on-colab",
        "metadata": {},
        "outputs": [],
        "source": FETCH.format(url=url).splitlines(keepends=True),
    }
    first = [each["cell_type"] for each in notebook["cells"]].index("code")
    cells = [*notebook["cells"][:first], cell, *notebook["cells"][first:]]
    return {**notebook, "cells": cells}
