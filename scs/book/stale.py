"""Which stored notebooks are older than what made them: their source, or the code they call.

A notebook keeps, beside its outputs, one digest for every definition of this package that its code
leads to (`scs.paper.provenance`). Comments, docstrings and the module that code lies in do not
count, so that only a change which could move a number asks for a new run.
"""

import re

from nbformat import NotebookNode

from scs.book.chapters import Chapter
from scs.paper.provenance import code_behind as definitions_behind

CODE_KEY = "scs_code"  # in the metadata of a stored notebook
_SHOWN = 12  # changed definitions named in a message
_MAGIC = re.compile(r"^\s*[%!]")


def code_behind(notebook: NotebookNode) -> dict[str, str]:
    """Return the definitions of `scs` that a notebook depends on, each with a digest.

    Depends means: its code names the definition, or something that names it.
    """
    return definitions_behind(_code(notebook))


def _code(notebook: NotebookNode) -> str:
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    lines = "\n".join(sources).splitlines()
    return "\n".join("pass" if _MAGIC.match(line) else line for line in lines)


def stale_reasons(chapter: Chapter) -> list[str]:
    """Say why the stored outputs of a chapter may no longer be what its code gives.

    Returns
    -------
    list of str
        Empty if they are of this source and this code.
    """
    if not chapter.stored.exists():
        return ["never run"]
    stored = chapter.read_stored()
    reasons = []
    if _parts(chapter.read()) != _parts(stored):
        reasons.append(f"{chapter.source.name} was edited")
    if CODE_KEY not in stored.metadata:
        return [*reasons, "stored without the digests of its code"]
    kept, now = stored.metadata[CODE_KEY], code_behind(stored)
    changed = sorted(name for name in {*kept, *now} if kept.get(name) != now.get(name))
    if changed:
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        reasons.append(f"changed: {', '.join(changed[:_SHOWN])}{more}")
    return reasons


def _parts(notebook: NotebookNode) -> list[tuple]:
    return [(cell.cell_type, cell.source, dict(cell.metadata)) for cell in notebook.cells]
