"""Makes the reference pages' docstrings fit for Sphinx, which reads some plain text as markup.

The docstrings of `scs` are written to be read in a terminal. There ``coef_`` and ``|r|`` are what
they look like; in reStructuredText the first is a link and the second a substitution.
"""

import re
from typing import Any

from sphinx.application import Sphinx

_COLON = "\ue000"  # stands for a colon for a while; of no meaning in Unicode
_LITERAL = re.compile(r"(`+[^`]*`+)")
_LINK = re.compile(r"(?<=\w)_(?=[\s.,;:)'\]]|$)")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the part to the build, after the sections of the docstrings are read."""
    app.connect("autodoc-process-docstring", keep_colons, priority=100)
    app.connect("autodoc-process-docstring", escape_markup, priority=900)
    app.connect("autodoc-skip-member", leave_out_request_setters)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def leave_out_request_setters(
    app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out what scikit-learn adds to every estimator; it refers to pages of its own."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def keep_colons(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Hide the colons of a property's first line, before which napoleon would see a type."""
    if what in ("property", "attribute") and lines:
        lines[0] = lines[0].replace(":", _COLON)


def escape_markup(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Escape what only looks like markup, in place."""
    lines[:] = [line.replace(_COLON, ":") for line in lines]
    code = False
    for place, line in enumerate(lines):
        if code and line.strip() and not line.startswith(" "):
            code = False
        if not code and not re.match(r"\s*(:\w|\.\. )", line):
            lines[place] = plain(line)
        code = code or line.rstrip().endswith("::")


def plain(line: str) -> str:
    """Escape links and substitutions in a line, but not inside backticks."""
    parts = _LITERAL.split(line)
    parts[::2] = [_LINK.sub(r"\\_", part).replace("|", r"\|") for part in parts[::2]]
    return "".join(parts)
