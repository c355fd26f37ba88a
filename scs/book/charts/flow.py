"""The paper's Figure 1, its experiment as boxes and arrows, each box a link to a chapter."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass

_WIDTH, _HEIGHT = 440, 492
_BOX = (204, 58)
_COLUMNS = (108, 332)  # their middles
_STEP, _FIRST = 84, 36  # from row to row, and the middle of the first
_LINE = 16  # from a line of text to the next


@dataclass(frozen=True)
class Box:
    """One box: its place, its words and the page behind it."""

    column: int
    row: int
    title: str
    note: str
    page: str

    @property
    def middle(self) -> tuple[int, int]:
        """Where its middle is drawn."""
        return _COLUMNS[self.column], _FIRST + self.row * _STEP


_PREDICTION = "notebooks/24_prediction"
BOXES = {
    "rows": Box(0, 0, "Rows of known clusters", "outcome, covariates, label", "book/method"),
    "budget": Box(0, 1, "How many clusters?", "tried on rows kept aside", "notebooks/21_sparsity"),
    "solver": Box(0, 2, "Outer approximation", "which ones, with a proof", "notebooks/25_runtime"),
    "result": Box(
        0, 3, "Coefficients, effects", "\u03b2, and \u03b3 of few", "notebooks/20_sparse"
    ),
    "answer": Box(0, 4, "Predictions", "\u03b2 and the assigned effect", "notebooks/26_same_data"),
    "errors": Box(0, 5, "Errors", "beside three other methods", "notebooks/27_ledger"),
    "new": Box(1, 0, "Rows of unknown clusters", "covariates alone", _PREDICTION),
    "tree": Box(1, 1, "A tree guesses clusters", "learnt from rows of known ones", _PREDICTION),
    "odds": Box(1, 2, "Probabilities", "\u03c0 of each cluster", _PREDICTION),
    "soft": Box(1, 3, "Soft assignment", "effects averaged with \u03c0", _PREDICTION),
    "hard": Box(1, 4, "Hard assignment", "the likeliest cluster\u2019s effect", _PREDICTION),
}

ARROWS = (
    ("rows", "budget"),
    ("budget", "solver"),
    ("solver", "result"),
    ("result", "answer"),
    ("rows", "tree"),
    ("new", "tree"),
    ("tree", "odds"),
    ("odds", "soft"),
    ("soft", "answer"),
    ("hard", "answer"),
    ("answer", "errors"),
)


def flow_html(address: Callable[[str], str]) -> str:
    """Draw the boxes and arrows.

    Parameters
    ----------
    address : function
        From the path of a page, without ending, to what a link to it says.
    """
    arrows = [_arrow(BOXES[one].middle, BOXES[other].middle) for one, other in ARROWS]
    # The hard assignment is the other way from the probabilities: round the soft one's side.
    (across, down), (_, end) = BOXES["odds"].middle, BOXES["hard"].middle
    side = across + _BOX[0] // 2
    arrows.append(
        f'<path d="M{side} {down} h6 V{end} h-2"/>'
        f'<path class="scs-head" d="M{side} {end} l7 -4 v8 z"/>'
    )
    boxes = [_box(box, address(box.page)) for box in BOXES.values()]
    return "\n".join(
        [
            '<div class="scs-flow">',
            f'<svg viewBox="0 0 {_WIDTH + 4} {_HEIGHT}" role="group"'
            ' aria-label="The experiment of the paper: each box leads to a chapter">',
            *arrows,
            *boxes,
            "</svg>",
            "</div>",
        ]
    )


def _box(box: Box, address: str) -> str:
    (across, down), (width, height) = box.middle, _BOX
    left, top, middle = (
        across - width // 2,
        down - height // 2,
        f'x="{across}" text-anchor="middle"',
    )
    return (
        f'<a href="{html.escape(address, quote=True)}">'
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="6"/>'
        f'<text {middle} y="{down - 4}">{html.escape(box.title)}</text></a>'
        f'<text class="scs-note" {middle} y="{down + _LINE - 4}">{html.escape(box.note)}</text>'
    )


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    """Draw an arrow from box to box: straight down, straight across, or from corner to corner."""
    (x, y), (to_x, to_y) = start, end
    half_width, half_height = _BOX[0] // 2, _BOX[1] // 2
    if x == to_x:
        tip = to_y - half_height
        return (
            f'<path d="M{x} {y + half_height} V{tip - 6}"/>'
            f'<path class="scs-head" d="M{x} {tip} l-4 -7 h8 z"/>'
        )
    sign = 1 if to_x > x else -1
    from_x, tip, bend = x + sign * half_width, to_x - sign * half_width, (x + to_x) // 2
    return (
        f'<path d="M{from_x} {y} H{bend} V{to_y} H{tip - 6 * sign}"/>'
        f'<path class="scs-head" d="M{tip} {to_y} l{-7 * sign} -4 v8 z"/>'
    )
