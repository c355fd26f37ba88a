"""Puts a table below each notebook's parameters cell: name, default, meaning, what is allowed."""

import json
from pathlib import PurePosixPath
from typing import Any

import nbformat
from sphinx.application import Sphinx

from scs.book.chapters import Chapter
from scs.book.parameters import Parameter, notebook_parameters


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the part to the build."""
    app.connect("source-read", document_parameters)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def document_parameters(app: Sphinx, docname: str, source: list[str]) -> None:
    """Insert the table into a notebook's text; a run's page has one of its own."""
    if not app.env.doc2path(docname).endswith(".ipynb"):
        return
    notebook = json.loads(source[0])
    tags = [cell["metadata"].get("tags", []) for cell in notebook["cells"]]
    if ["parameters"] not in tags or ["injected-parameters"] in tags:
        return
    parameters = notebook_parameters(nbformat.reads(source[0], as_version=4))
    name = Chapter(PurePosixPath(docname)).name
    cell = {
        "cell_type": "markdown",
        "id": "parameters-table",
        "metadata": {},
        "source": parameters_text(name, parameters),
    }
    notebook["cells"].insert(tags.index(["parameters"]) + 1, cell)
    source[0] = json.dumps(notebook)


def parameters_text(name: str, parameters: list[Parameter]) -> str:
    """Write the table, folded, and the command that takes other values."""
    rows = [[f"`{p.name}`", f"`{p.default!r}`", p.meaning, p.allowed_text] for p in parameters]
    return "\n".join(
        [
            ":::{dropdown} What these parameters mean, and how to try others",
            "| Parameter | Value here | Meaning | Allowed |",
            "|---|---|---|---|",
            *("| " + " | ".join(text.replace("|", r"\|") for text in row) + " |" for row in rows),
            "",
            f"`.venv/bin/scs run {name} -p {parameters[0].name} VALUE` makes a page of its own "
            "from another value, and says on it what moved.",
            ":::",
        ]
    )
