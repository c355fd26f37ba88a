"""How the outputs of a run differ from the stored ones: which figures, tables, numbers, cells."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nbformat import NotebookNode

_TABLE = re.compile(r'class="scs-table[^>]* data-name="([^"]+)"')
_GLUED = "application/papermill.record/"
_LONGEST = 40  # characters of a number's text that a page shows


@dataclass(frozen=True)
class Differences:
    """What moved between two runs of a notebook.

    `shown` names the figures, tables and other cells whose outputs are not what they were, among
    `n_cells` cells with outputs; `numbers` holds name, old and new text of what is glued into the
    prose.
    """

    n_cells: int
    shown: tuple[str, ...]
    numbers: tuple[tuple[str, str, str], ...]


def compared(cell: NotebookNode) -> bool:
    """Say if a cell's output is expected to be the same each time: run times are not."""
    return (
        cell.cell_type == "code"
        and "nbval-ignore-output" not in cell.metadata.get("tags", [])
        and "injected-parameters" not in cell.metadata.get("tags", [])
    )


def differences(old: NotebookNode, new: NotebookNode) -> Differences:
    """Compare two executed notebooks of one source, cell by cell.

    Parameters
    ----------
    old, new : NotebookNode
        In canonical form, so that a cell has the same id in both.

    Returns
    -------
    Differences
    """
    before = {cell.id: cell for cell in old.cells}
    pairs = [(before.get(cell.id), cell) for cell in new.cells if compared(cell)]
    with_output = [(was, cell) for was, cell in pairs if cell.outputs or (was and was.outputs)]
    shown, numbers = [], []
    for was, cell in with_output:
        if _visible(was) != _visible(cell):
            shown.append(_name(cell))
        glued_before = dict(_glued(was))
        for key, data in _glued(cell):
            texts = [_text(glued_before.get(key, {})), _text(data)]
            if glued_before.get(key) == data:
                continue
            if max(map(len, texts)) <= _LONGEST:
                numbers.append((key, texts[0], texts[1]))
            else:
                shown.append(f"glued `{key}`")
    return Differences(len(with_output), tuple(shown), tuple(numbers))


def _data(output: NotebookNode) -> dict:
    # A picture differs with the machine's fonts; nbval leaves it out too.
    return {k: v for k, v in output.get("data", {}).items() if not k.endswith("image/png")}


def _is_glued(output: NotebookNode) -> bool:
    return any(kind.startswith(_GLUED) for kind in output.get("data", {}))


def _visible(cell: NotebookNode | None) -> list[tuple]:
    """Return what a cell shows: all of its outputs but what is only glued."""
    outputs = cell.outputs if cell is not None else []
    return [(each.get("text"), _data(each)) for each in outputs if not _is_glued(each)]


def _glued(cell: NotebookNode | None) -> Iterator[tuple[str, dict]]:
    for output in cell.outputs if cell is not None else []:
        if _is_glued(output):
            yield output.metadata.scrapbook.name, _data(output)


def _text(data: dict) -> str:
    return data.get(_GLUED + "text/plain", "").strip("'")


def _name(cell: NotebookNode) -> str:
    figure = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
    if figure:
        return f"figure {figure}"
    for output in cell.outputs:
        table = _TABLE.search("".join(output.get("data", {}).get("text/html", "")))
        if table:
            return f"table {table[1]}"
    lines = cell.source.strip().splitlines()
    return f"cell `{lines[0].strip('`')}`" if lines else "cell"
