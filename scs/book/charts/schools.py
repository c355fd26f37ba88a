"""The first page's picture: average scores against intake, and what a reader can try in it.

Python draws the picture and stores the moments beside it. `book/_static/schools.js` moves what is
drawn here and solves Eq. 6 by trying every choice. Without that script the picture stays.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from scs.moments.moments import Moments
from scs.report.render import round_numbers
from scs.report.theme import GRID, METHOD_COLOURS, PALETTE
from scs.solvers import Solution

MOST_CHOICES = 150_000  # that a phone tries while a slider moves
MOST_NAMED = 5
RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # of the slider

_NAMED, _REST = METHOD_COLOURS["MIO"], PALETTE[-1]
_DIGITS = 8  # of the stored moments: another CPU gives the same
_WIDTH, _HEIGHT = 440, 340  # units of the drawing: pixels on a phone
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 430, 26, 296
_NEAR = 70  # units from a side: a label there is written towards the middle


@dataclass(frozen=True)
class Axis:
    """A range of values and where its ends are drawn."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


@dataclass(frozen=True)
class SchoolsPicture:
    """Schools, the common line, and those off it; a notebook shows it as HTML."""

    moments: Moments
    solution: Solution
    ridge: float
    named: tuple[int, ...]  # at an error rate, as `scs.fit` names them
    description: str

    @property
    def most(self) -> int:
        """The largest number of schools of which every choice is tried in the page."""
        n = self.moments.n_clusters
        return max(k for k in range(MOST_NAMED + 1) if comb(n, k) <= MOST_CHOICES)

    @property
    def kilobytes(self) -> float:
        """What the page holds to solve with, in thousands of bytes."""
        return round(len(self._stored()) / 1000, 1)

    def data(self) -> dict:
        """Return what the script needs: the moments, and where things are drawn."""
        m = self.moments
        x, y = _axes(m)
        return {
            "labels": [str(label) for label in m.labels],
            "n": [int(n) for n in m.n],
            **round_numbers(
                {
                    "x": m.mean_x[:, 1].tolist(),
                    "y": m.mean_y.tolist(),
                    "within": [m.within_xx[1, 1], m.within_xy[1], m.within_yy],
                },
                _DIGITS,
            ),
            "budget": min(len(self.solution.support), self.most),
            "most": self.most,
            "ridges": list(RIDGES),
            "ridge": self.ridge,
            "named": list(self.named),
            "frame": {"x": [x.low, x.high, x.start, x.end], "y": [y.low, y.high, y.start, y.end]},
        }

    def _repr_html_(self) -> str:
        stored = f'type="application/json">{self._stored()}</script>'
        return "\n".join(
            [
                '<div class="scs-schools">',
                f'<div class="scs-schools-view">{self.svg()}</div>',
                '<div class="scs-schools-panel"></div>',
                f'<script class="scs-schools-data" {stored}',
                "</div>",
            ]
        )

    def _stored(self) -> str:
        # "<" inside a script element could end it: written as an escape it is the same JSON.
        return json.dumps(self.data(), separators=(",", ":")).replace("<", "\\u003c")

    def __repr__(self) -> str:
        return self.description

    def svg(self) -> str:
        """Draw the picture."""
        x, y = _axes(self.moments)
        intercept, slope = self.solution.beta
        ends = [(x.start, y(intercept + slope * x.low)), (x.end, y(intercept + slope * x.high))]
        line = " ".join(
            f'x{i}="{across:.1f}" y{i}="{down:.1f}"' for i, (across, down) in enumerate(ends, 1)
        )
        label = html.escape(self.description, quote=True)
        return "\n".join(
            [
                f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">',
                *_scale_y(y),
                '<g class="scs-intake">',
                *_scale_x(x),
                _text(x.end, _BOTTOM + 36, "what pupils knew on entry, average \u2192", "end"),
                f'<line class="scs-common" stroke="currentColor" {line}/>',
                "</g>",
                '<g class="scs-league" visibility="hidden">',
                _text(x.start, _BOTTOM + 18, "last", "start"),
                _text(x.end, _BOTTOM + 18, "first", "end"),
                _text(x.end, _BOTTOM + 36, "place in the league table \u2192", "end"),
                "</g>",
                *(self._school(k, x, y) for k in self._order()),
                "</svg>",
            ]
        )

    def _order(self) -> list[int]:
        """Draw the selected schools last, so that they lie on top."""
        selected = set(self.solution.support.tolist())
        return sorted(range(self.moments.n_clusters), key=lambda k: (k in selected, k))

    def _school(self, k: int, x: Axis, y: Axis) -> str:
        m, effect = self.moments, float(self.solution.gamma[k])
        across, down = x(m.mean_x[k, 1]), y(m.mean_y[k])
        expected = y(float(m.mean_x[k] @ self.solution.beta))
        place = {int(np.argmax(m.mean_y)): "first", int(np.argmin(m.mean_y)): "last"}.get(k, "")
        is_named, number = k in self.solution.support, _number(m.labels[k])
        kinds = ["scs-school", "scs-named" if is_named else "", "scs-end" if place else ""]
        words = f"{number}, {place} in the table" if place else ""
        if is_named:
            words = f"{number}: {_signed(effect)}"
        line = f'stroke="{_NAMED if is_named else "none"}"'
        start, end = expected - down, expected - down + y(effect) - y(0)
        return (
            f'<g class="{" ".join(filter(None, kinds))}" data-school="{k}" data-place="{place}"'
            f' style="transform: translate({across:.1f}px, {down:.1f}px)">'
            f"<title>{html.escape(str(m.labels[k]))}: {m.n[k]:.0f} pupils, average score"
            f" {m.mean_y[k]:.1f}</title>"
            f'<line class="scs-off" {line} y1="0" y2="{start:.1f}"/>'
            f'<line class="scs-effect" {line} y1="{start:.1f}" y2="{end:.1f}"/>'
            f'<circle fill="{_NAMED if is_named else _REST}" r="{6 if is_named else 4}"/>'
            f"{_label(words, across, below=effect < 0 or place == 'last')}</g>"
        )


def schools_picture(
    moments: Moments,
    solution: Solution,
    *,
    ridge: float,
    named: Sequence[str],
    description: str,
) -> SchoolsPicture:
    """Draw average scores against intake, the common line, and the schools that are off it.

    Parameters
    ----------
    moments : Moments
        Of an intercept and one covariate.
    solution : Solution
        Of `scs.solve` with this ridge and ``ridge_fixed=0``.
    ridge : float
        One of `RIDGES`.
    named : sequence of str
        Labels of the schools that `scs.fit` names at its error rate.
    description : str
        What the picture shows, for readers who cannot see it.

    Returns
    -------
    SchoolsPicture

    Raises
    ------
    ValueError
        There is not exactly one covariate beside an intercept, or the slider has no such ridge.
    """
    if not moments.intercept or moments.n_columns != 2:
        raise ValueError("moments: the picture has one axis for one covariate and an intercept.")
    if ridge not in RIDGES:
        raise ValueError(f"ridge: the slider has no {ridge}. Take one of {RIDGES}.")
    places = {str(label): k for k, label in enumerate(moments.labels)}
    numbers = tuple(places[str(name)] for name in named)
    return SchoolsPicture(moments, solution, ridge, numbers, description)


def _axes(moments: Moments) -> tuple[Axis, Axis]:
    x, y = moments.mean_x[:, 1], moments.mean_y
    return (
        Axis(float(np.floor(x.min())), float(np.ceil(x.max())), _LEFT, _RIGHT),
        Axis(float(5 * np.floor(y.min() / 5)), float(5 * np.ceil(y.max() / 5)), _BOTTOM, _TOP),
    )


def _scale_y(y: Axis) -> list[str]:
    step = 5 if y.high - y.low <= 40 else 10
    ticks = range(int(y.low), int(y.high) + 1, step)
    lines = [
        f'<line class="scs-grid" stroke="{GRID}" x1="{_LEFT}" x2="{_RIGHT}" y1="{y(v):.1f}"'
        f' y2="{y(v):.1f}"/>'
        for v in ticks
    ]
    texts = [_text(_LEFT - 6, y(v) + 4, str(v), "end") for v in ticks]
    return [*lines, *texts, _text(0, 12, "\u2191 average score", "start")]


def _scale_x(x: Axis) -> list[str]:
    ticks = range(int(x.low), int(x.high) + 1)
    return [_text(x(v), _BOTTOM + 18, f"{v}".replace("-", "\u2212"), "middle") for v in ticks]


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


def _label(words: str, across: float, *, below: bool) -> str:
    anchor = "start" if across < _LEFT + _NEAR else "end" if across > _RIGHT - _NEAR else "middle"
    shift = {"start": -6, "end": 6, "middle": 0}[anchor]
    return f'<text x="{shift}" y="{18 if below else -10}" text-anchor="{anchor}">{words}</text>'


def _number(label: object) -> str:
    return html.escape(str(label).removeprefix("School "))


def _signed(effect: float) -> str:
    return f"{effect:+.1f}".replace("-", "\u2212")
