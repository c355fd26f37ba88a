"""Excerpts below the results of a search, also where pages are opened as files.

Sphinx's search fetches each page that it found, to quote from it. A browser fetches nothing for a
page that is a file. So the text of all pages is written into one script, and the search page asks
that.
"""

import html
import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

SCRIPT = "page-texts.js"
_UNREAD = (nodes.raw, nodes.comment, nodes.image, nodes.target, nodes.substitution_definition)

# Sphinx asks for the address of a page; the answer has the page's text, a section for each heading.
_SCRIPT = """\
(() => {
  const texts = %s;
  const asNetwork = window.fetch;
  window.fetch = (address, ...rest) => {
    const root = document.documentElement.dataset.content_root ?? "";
    const page = String(address).replace(root, "").replace(/\\.html$/, "");
    return page in texts ? Promise.resolve(new Response(texts[page])) : asNetwork(address, ...rest);
  };
})();
"""


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the parts to the build."""
    app.connect("html-page-context", load_texts_where_searched)
    app.connect("build-finished", write_texts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def load_texts_where_searched(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Load the texts on the search page, and on no other."""
    if pagename == "search":
        app.add_js_file(SCRIPT)


def write_texts(app: Sphinx, error: Exception | None) -> None:
    """Write the script among the built pages."""
    if error is not None or app.builder.name != "html":
        return
    texts = {name: page_text(app.env.get_doctree(name)) for name in sorted(app.env.found_docs)}
    stored = json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
    path = Path(app.outdir) / "_static" / SCRIPT
    path.write_text(_SCRIPT % stored, encoding="utf-8")


def page_text(document: nodes.document) -> str:
    """Return a page's words, as little HTML: sections with their targets."""
    return f'<main role="main">{"".join(map(_text, document.children))}</main>'


def _text(node: nodes.Node) -> str:
    if isinstance(node, _UNREAD):
        return ""
    if isinstance(node, nodes.section):
        inside = "".join(map(_text, node.children))
        return f'<section id="{html.escape(node["ids"][0])}">{inside}</section>'
    if isinstance(node, nodes.TextElement):
        return f"{html.escape(' '.join(node.astext().split()), quote=False)}\n"
    return "".join(map(_text, node.children))
