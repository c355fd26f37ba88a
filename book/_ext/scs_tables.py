"""Numbers the tables that `scs.book.charts.table(..., name=...)` shows, and loads their script.

A named table becomes a figure of the kind "table": its caption carries the number and a link, and
``{numref}`` finds it. Nothing here computes a number of the book.
"""

import html
import re
from typing import Any

from docutils import nodes
from scs_book import GluedTable
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

_NAME = re.compile(r'<div class="scs-table[^>]* data-name="([^"]+)"')
_CAPTION = re.compile(r"<caption>(.*?)</caption>\n?", re.DOTALL)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the parts to the build."""
    app.setup_extension("scs_book")
    app.add_transform(NumberedTables)
    app.connect("html-page-context", load_script_where_needed)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


class NumberedTables(SphinxTransform):
    """Wrap every named table among a notebook's outputs; glued ones have their own caption."""

    default_priority = 500  # before Sphinx collects what can be referred to

    def apply(self, **kwargs: Any) -> None:
        """Change the document."""
        for raw in list(self.document.findall(nodes.raw)):
            name = _NAME.search(raw.astext())
            if name is None or inside(raw, nodes.figure):
                continue
            caption = _CAPTION.search(raw.astext())[1]
            raw.children = [nodes.Text(_CAPTION.sub("", raw.astext(), count=1))]
            raw.rawsource = raw.astext()
            wrap(self.document, output_of(raw), name[1], html.unescape(caption))


def inside(node: nodes.Node, kind: type) -> bool:
    """Say if a node lies inside one of a kind."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, kind):
            return True
    return False


def output_of(raw: nodes.raw) -> nodes.Element:
    """Find the node that holds all forms (HTML, text) of the output."""
    node = raw
    while node.get("nb_element") != "mime_bundle":
        node = node.parent
    return node


def wrap(document: nodes.document, output: nodes.Element, name: str, caption: str) -> None:
    """Put an output into a captioned table that can be referred to by name."""
    words = nodes.caption(caption, "", nodes.Text(caption))
    words.source, words.line = output.source, output.line
    figure = GluedTable(
        "", words, classes=["glued-table"], names=[nodes.fully_normalize_name(name)]
    )
    figure.source, figure.line = output.source, output.line
    output.replace_self(figure)
    figure.append(output)
    document.note_explicit_target(figure, figure)


def load_script_where_needed(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Load the tables' script on the pages that have a table."""
    if 'class="scs-table' in context.get("body", ""):
        app.add_js_file("tables.js", loading_method="defer")
