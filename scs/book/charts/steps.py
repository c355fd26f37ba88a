"""Outer approximation in one dimension, round by round: a sketch to step through.

Everything is computed and drawn here; `book/_static/steps.js` only shows one step after another.
Without that script the picture of the end and the text of every step are there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT = 440, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 12, 364, 14, 276
_HIGHEST = 62.0  # of the curve in the picture; its lowest is 0
_CLOSED = 1e-9

CHOICES = tuple(range(13))
START = 3


@dataclass(frozen=True)
class Round:
    """One round: a choice is looked at, and a tangent is added."""

    at: int
    height: float
    slope: float
    best_at: int
    best: float
    bound_at: int  # where the tangents together are lowest
    bound: float

    def tangent(self, t: float) -> float:
        """Return the height of this round's tangent."""
        return self.height + self.slope * (t - self.at)


def curve(t: float) -> float:
    """Return the height of the sketch's curve, which is convex."""
    return 34.0 + 0.45 * (t - 7.6) ** 2


def curve_slope(t: float) -> float:
    """Return the slope of the sketch's curve."""
    return 0.9 * (t - 7.6)


def rounds(
    height: Callable[[float], float] = curve,
    slope: Callable[[float], float] = curve_slope,
    choices: Sequence[int] = CHOICES,
    start: int = START,
) -> list[Round]:
    """Minimise a convex function over some numbers by tangents below it.

    Parameters
    ----------
    height, slope : functions of one number
        A convex function and its derivative.
    choices : sequence of int
    start : int
        The first choice looked at.

    Returns
    -------
    list of Round
        The last one's bound is its best height: proved.
    """
    done: list[Round] = []
    at = start
    while True:
        here = Round(at, height(at), slope(at), at, height(at), at, height(at))
        best = min([*done, here], key=lambda each: each.height)
        cuts = [*(each.tangent for each in done), here.tangent]
        lowest = min(choices, key=lambda t: max(cut(t) for cut in cuts))
        bound = max(cut(lowest) for cut in cuts)
        done.append(Round(at, here.height, here.slope, best.at, best.height, lowest, bound))
        if best.height - bound <= _CLOSED:
            return done
        at = lowest


def steps_html(path: Sequence[Round] | None = None) -> str:
    """Draw the sketch, with the text of every step: two steps a round."""
    path = rounds() if path is None else path
    texts = [text for i in range(len(path)) for text in _texts(path, i)]
    marks = [mark for i in range(len(path)) for mark in _marks(path, i)]
    label = (
        f"A curve over {len(CHOICES)} choices, with {len(path)} tangents below it. The bound meets "
        f"the best choice, number {path[-1].best_at}, at a height of {path[-1].best:.1f}."
    )
    return "\n".join(
        [
            '<div class="scs-steps">',
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">',
            *_frame(),
            *marks,
            "</svg>",
            '<div class="scs-steps-controls"></div>',
            "<ol>",
            *(f"<li>{text}</li>" for text in texts),
            "</ol>",
            "</div>",
        ]
    )


def _texts(path: Sequence[Round], i: int) -> tuple[str, str]:
    """Say what happens in the two steps of a round."""
    now = path[i]
    looked = f"Look at choice {now.at}. Its height is {now.height:.1f}."
    if i == 0:
        looked += " It is the best so far, because it is the only one."
    elif now.best_at == now.at:
        looked += f" That beats {path[i - 1].best:.1f}: it is the best so far."
    else:
        looked += f" That is no better than {now.best:.1f}, at choice {now.best_at}."
    drawn = (
        "Draw the tangent there. No part of the curve lies below it. Over all choices the tangents "
        f"reach down to {now.bound:.1f}, at choice {now.bound_at}: that is the bound. "
    )
    gap = now.best - now.bound
    if gap <= _CLOSED:
        drawn += f"The bound has met the best choice. Choice {now.best_at} is proved best."
    else:
        drawn += f"The gap is {gap:.1f}. Look at choice {now.bound_at} next."
    return looked, drawn


def _x(t: float) -> float:
    return _LEFT + (t + 0.5) / len(CHOICES) * (_RIGHT - _LEFT)


def _y(height: float) -> float:
    return _BOTTOM - height / _HIGHEST * (_BOTTOM - _TOP)


def _frame() -> list[str]:
    """Draw the curve and the choices: what does not change."""
    low, high = CHOICES[0] - 0.5, CHOICES[-1] + 0.5
    points = [low + i / 60 * (high - low) for i in range(61)]
    path = " ".join(f"{_x(t):.1f},{_y(curve(t)):.1f}" for t in points if curve(t) <= _HIGHEST)
    ticks = [
        f'<text x="{_x(t):.1f}" y="{_BOTTOM + 18}" text-anchor="middle">{t}</text>' for t in CHOICES
    ]
    return [
        f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{_BOTTOM}" y2="{_BOTTOM}" stroke="currentColor"/>',
        f'<polyline class="scs-curve" points="{path}" fill="none" stroke="currentColor"/>',
        *ticks,
        f'<text x="{_RIGHT}" y="{_BOTTOM + 36}" text-anchor="end">the choices</text>',
    ]


def _marks(path: Sequence[Round], i: int) -> list[str]:
    """Draw what a round adds. ``data-from`` and ``data-to`` are the steps that show it."""
    now, last = path[i], 2 * len(path) - 1
    first, second = 2 * i, 2 * i + 1
    ends = sorted(_inside(now, t) for t in (CHOICES[0] - 0.5, CHOICES[-1] + 0.5))
    tangent = " ".join(
        f'x{j}="{_x(t):.1f}" y{j}="{_y(now.tangent(t)):.1f}"' for j, t in enumerate(ends, 1)
    )
    is_end = i == len(path) - 1
    until = (last, last) if is_end else (second, second + 1)
    best = _level("best", now.best, first, until[0], is_end)
    bound = _level("bound", now.bound, second, until[1], is_end)
    return [
        _shown(f'<line class="scs-tangent" {tangent}/>', second, last),
        *best,
        *bound,
        _shown(
            f'<circle class="scs-seen" cx="{_x(now.at):.1f}" cy="{_y(now.height):.1f}" r="5"/>',
            first,
            last,
        ),
    ]


def _inside(now: Round, t: float) -> float:
    """Where a tangent ends: at the side of the picture, or at its bottom before that."""
    return t if now.tangent(t) >= 0 else now.at - now.height / now.slope


def _level(kind: str, height: float, first: int, last: int, is_end: bool) -> list[str]:
    """Draw a height across the picture, with its name on the right."""
    y = _y(height)
    down = y + (14 if kind == "bound" else -4)
    line = f'<line class="scs-{kind}" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    text = f'<text class="scs-{kind}" x="{_RIGHT + 4}" y="{down:.1f}">{kind} {height:.1f}</text>'
    past = "" if is_end else ' class="scs-past"'  # not in the picture of the end
    return [_shown(line, first, last, past), _shown(text, first, last, past)]


def _shown(mark: str, first: int, last: int, kind: str = "") -> str:
    return f'<g{kind} data-from="{first}" data-to="{last}">{mark}</g>'
