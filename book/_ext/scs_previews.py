"""What a link leads to, said beside it: a term's meaning, the caption of a figure or table.

Written as the link's title, which `book/_static/book.js` shows to a pointer and to the keyboard.
"""

import posixpath
import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

_MOST = 320  # characters
_SIGNS = {"mu": "\u03bc", "tau": "\u03c4", "gamma": "\u03b3", "lambda": "\u03bb", "beta": "\u03b2"}
_SIGNS |= {"le": "\u2264", "ge": "\u2265", "infty": "\u221e", "sigma": "\u03c3", "theta": "\u03b8"}


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the part to the build."""
    app.connect("doctree-resolved", add_previews, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def add_previews(app: Sphinx, document: nodes.document, docname: str) -> None:
    """Give every link to a term, figure or table its title."""
    for link in document.findall(nodes.reference):
        if link.get("internal") and any(_is_previewed(child) for child in link.children):
            page, target = target_of(link, docname)
            if page in app.env.found_docs and (words := preview(document_of(app, page), target)):
                link["reftitle"] = words


def _is_previewed(node: nodes.Node) -> bool:
    classes = node.get("classes", []) if isinstance(node, nodes.Element) else []
    return bool({"std-term", "std-numref"} & set(classes))


def target_of(link: nodes.reference, docname: str) -> tuple[str, str]:
    """Return the page that a link leads to, and the place in it."""
    if "refid" in link:
        return docname, link["refid"]
    path, _, target = link["refuri"].partition("#")
    if not path:
        return docname, target
    there = posixpath.normpath(posixpath.join(posixpath.dirname(docname), path))
    return there.removesuffix(".html"), target


def document_of(app: Sphinx, page: str) -> dict[str, nodes.Element]:
    """Return a page's elements by target, read once a build."""
    known = app.env.temp_data.setdefault("scs_previews", {})
    if page not in known:
        found = app.env.get_doctree(page).findall(nodes.Element)
        known[page] = {name: each for each in found for name in each.get("ids", [])}
    return known[page]


def preview(elements: dict[str, nodes.Element], target: str) -> str:
    """Return what is at a target, in words; empty if that cannot be said so."""
    node = elements.get(target)
    if isinstance(node, nodes.term):
        kind, parent = nodes.definition, node.parent
    elif isinstance(node, nodes.figure):
        kind, parent = nodes.caption, node
    else:
        return ""
    words = " ".join(_words(each) for each in parent.children if isinstance(each, kind))
    words = " ".join(words.split())
    return words if len(words) <= _MOST else words[:_MOST].rsplit(" ", 1)[0] + " \u2026"


def _words(node: nodes.Node) -> str:
    """Return a node's text, formulas with signs for the commands of TeX."""
    if isinstance(node, nodes.math):
        text = re.sub(r"\\([A-Za-z]+) ?", lambda m: _SIGNS.get(m[1], m[1]), node.astext())
        return text.replace("{", "").replace("}", "")
    if isinstance(node, nodes.Text):
        return node.astext()
    separator = " " if isinstance(node, nodes.definition) else ""
    return separator.join(map(_words, node.children))
