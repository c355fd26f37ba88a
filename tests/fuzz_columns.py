"""Random columns of every kind for the fuzz test: values as Python has them, None for missing."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

ODD_NAMES = [
    "a b", " x", "x ", "x.1", "class", "if", "1", "2019", "1.5", "x-y", "näme", "größe", "列",
    "x\ny", "'q'", '"q"', "a`b", "a,b", "a;b", "a|b", "C", "log", "np", "Q", "T", "I", "{x}",
    "x[1]", "~", "+", ".", "", "_", "__import__", "Intercept", "None", "True", "x" * 200,
    "x\u00a0y", "e\u0301", "\u00e9", "y", "g", "\u200b", "a\tb", "index", "__index_level_0__",
]  # fmt: skip
ODD_TEXTS = [
    "", " ", "a", "A", "a ", " a", "a\u00a0", "\u00e9", "e\u0301", "NA", "nan", "null", "None",
    "?", ".", "-", "007", "7", "01", "1", "1E5", "100000", "1.0", "True", "a\0", "a\0\0", "a,b",
    'a"b', "a;b", "a\nb", "<b>", "\x1b[31m", "名", "😀", "=1+1", "x" * 300, "a|b", "a\tb", "0",
    "-0",
]  # fmt: skip


@dataclass
class Column:
    """A column: name, values, the kind that drew them, and whether they are plain numbers."""

    name: str
    kind: str
    values: list[Any]
    numeric: bool = False
    odd: bool = field(default=False)

    def in_order(self, order: np.ndarray) -> Column:
        """Return the column with its rows in another order."""
        values = [self.values[k] for k in order]
        return Column(self.name, self.kind, values, self.numeric, self.odd)


def random_name(rng) -> str:
    """Draw a name that somebody's table has."""
    return ODD_NAMES[int(rng.integers(len(ODD_NAMES)))]


def outcome_column(rng, n: int, groups: Column, oddness: float) -> Column:
    """Draw an outcome: mostly numbers with an effect of some clusters."""
    if rng.random() < oddness * 0.5:
        return random_column(rng, n, oddness, [])
    effects: dict[str, float] = {}
    for label in map(str, groups.values):
        effects.setdefault(label, float(rng.normal() * rng.choice([0.0, 0.0, 3.0])))
    scale = 10.0 ** int(rng.choice([0, 0, 0, 3, -3]))
    values = [scale * float(effects[str(g)] + rng.normal()) for g in groups.values]
    if rng.random() < 0.2:
        values = [float(round(v)) for v in values]
    if rng.random() < oddness * 0.5:
        power = int(rng.integers(-300, 301))
        values = [v * 10.0**power for v in values]
    return Column("y", "outcome", _holed(rng, values, oddness), True)


def random_column(rng, n: int, oddness: float, others: list[Column]) -> Column:
    """Draw a covariate of any kind; plain kinds only where nothing is to be odd."""
    plain = ["normal", "normal", "normal", "ints", "bools", "levels", "scaled", "shifted"]
    odd = [
        "extreme", "big ints", "huge ints", "text", "one each", "numbers as text", "units",
        "thousands", "dates", "date text", "constant", "all missing", "inf", "alias", "copy",
        "combination", "empty", "lists", "dicts", "bytes", "decimals", "complex", "mixed",
        "times", "surrogate", "zero", "levels", "category", "two values", "sparse", "objects",
        "marks", "tiny spread",
    ]  # fmt: skip
    kind = str(rng.choice(odd if rng.random() < oddness else plain))
    numbers = [column for column in others if column.numeric]
    values = _values(rng, kind, n, numbers)
    numeric = kind in (
        "normal", "ints", "scaled", "shifted", "extreme", "inf", "alias", "copy", "combination",
        "zero", "constant", "sparse", "tiny spread",
    )  # fmt: skip
    return Column("", kind, _holed(rng, values, oddness), numeric, odd=kind not in plain)


def _holed(rng, values: list, oddness: float) -> list:
    """Take some values out, sometimes."""
    if rng.random() >= oddness * 0.4:
        return values
    share = float(rng.choice([0.05, 0.3]))
    hole = (lambda: float("nan")) if rng.random() < 0.3 else (lambda: None)
    return [hole() if rng.random() < share else value for value in values]


def _values(rng, kind: str, n: int, numbers: list[Column]) -> list:
    normal = [float(v) for v in rng.normal(size=n)]
    if kind in ("alias", "copy", "combination"):
        return _from_others(rng, kind, n, numbers, normal)
    draw = _DRAWS.get(kind)
    return draw(rng, n, normal) if draw else normal


def _from_others(rng, kind: str, n: int, numbers: list[Column], normal: list) -> list:
    def clean(column):
        return [0.0 if v is None else float(v) for v in column.values]

    if not numbers:
        return normal
    first = clean(numbers[int(rng.integers(len(numbers)))])
    if kind == "copy":
        return first
    a, b = float(rng.integers(1, 5)), float(rng.integers(-3, 4))
    if kind == "alias":
        return [a * v + b for v in first]
    second = clean(numbers[int(rng.integers(len(numbers)))])
    return [v + a * w for v, w in zip(first, second)]


def _pick(rng, n: int, values: list) -> list:
    return [values[int(k)] for k in rng.integers(len(values), size=n)]


def _times_power(rng, values: list, most: int) -> list:
    scale = 10.0 ** int(rng.integers(-most, most + 1))
    return [value * scale for value in values]


def _hours(rng, n: int, step: int) -> list:
    return [datetime.timedelta(hours=step * int(v)) for v in rng.integers(99, size=n)]


def _marked(rng, values: list, marks: list) -> list:
    mark = _pick(rng, 1, marks)[0]
    return [mark if rng.random() < 0.1 else value for value in values]


_DAY = datetime.datetime(2020, 1, 1)
_DRAWS = {
    "ints": lambda rng, n, z: [int(v) for v in rng.integers(-5, 50, size=n)],
    "bools": lambda rng, n, z: [bool(v) for v in rng.integers(2, size=n)],
    "levels": lambda rng, n, z: _pick(rng, n, ["low", "mid", "high", "größer"]),
    "scaled": lambda rng, n, z: _times_power(rng, z, 6),
    "shifted": lambda rng, n, z: [v + 2000.0 for v in z],
    "extreme": lambda rng, n, z: _times_power(rng, z, 300),
    "big ints": lambda rng, n, z: [2**53 + int(v) for v in rng.integers(0, 9, size=n)],
    "huge ints": lambda rng, n, z: [10**20 + int(v) for v in rng.integers(0, 9, size=n)],
    "text": lambda rng, n, z: _pick(rng, n, ODD_TEXTS),
    "one each": lambda rng, n, z: [f"patient {k}" for k in range(n)],
    "numbers as text": lambda rng, n, z: [f"{v:.3f}" for v in z],
    "units": lambda rng, n, z: [f"{abs(v) * 70:.1f} kg" for v in z],
    "thousands": lambda rng, n, z: [f"{abs(v) * 9000:,.2f}" for v in z],
    "dates": lambda rng, n, z: [_DAY + v for v in _hours(rng, n, 24)],
    "date text": lambda rng, n, z: [f"2020-01-{int(v):02d}" for v in rng.integers(1, 29, size=n)],
    "constant": lambda rng, n, z: [float(rng.choice([0.0, 1.0, 7.5, 1e9]))] * n,
    "all missing": lambda rng, n, z: [None] * n,
    "inf": lambda rng, n, z: [float("inf") if rng.random() < 0.1 else v for v in z],
    "empty": lambda rng, n, z: [""] * n,
    "lists": lambda rng, n, z: [[1, int(v)] for v in rng.integers(3, size=n)],
    "dicts": lambda rng, n, z: [{"a": int(v)} for v in rng.integers(3, size=n)],
    "bytes": lambda rng, n, z: _pick(rng, n, [b"a", b"b\xff"]),
    "decimals": lambda rng, n, z: [Decimal(f"{v:.4f}") for v in z],
    "complex": lambda rng, n, z: [complex(v, 1) for v in z],
    "mixed": lambda rng, n, z: _pick(rng, n, [1, "a", 2.5, None, True]),
    "times": lambda rng, n, z: _hours(rng, n, 1),
    "surrogate": lambda rng, n, z: _pick(rng, n, ["a", "b\udcff"]),
    "zero": lambda rng, n, z: [0.0] * n,
    "category": lambda rng, n, z: _pick(rng, n, ["u", "v", "w"]),
    "two values": lambda rng, n, z: _pick(rng, n, ["yes", "no"]),
    "sparse": lambda rng, n, z: [1.0 if k == n - 1 else 0.0 for k in range(n)],
    "objects": lambda rng, n, z: [object() for _ in range(n)],
    "marks": lambda rng, n, z: _marked(rng, z, [".", "-", "?"]),
    "tiny spread": lambda rng, n, z: [1e6 + v * 1e-6 for v in z],
}  # fmt: skip


def label_column(rng, n: int, oddness: float) -> Column:
    """Draw cluster labels: mostly a few texts or whole numbers."""
    K = int(rng.integers(1, 9)) if rng.random() < 0.9 else max(n, 1)
    codes = [int(v) for v in rng.integers(K, size=n)]
    plain = {"text": lambda k: f"H{k:02d}", "ints": lambda k: k, "codes": lambda k: 1000 + 7 * k}
    odd = {
        "odd text": lambda k: ODD_TEXTS[k % len(ODD_TEXTS)],
        "any text": lambda k: ODD_TEXTS[(k * 7 + 3) % len(ODD_TEXTS)],
        "zeros": lambda k: ["007", "7", "01", "1", "1E5", "100000", "10", "2"][k % 8],
        "big ints": lambda k: 2**53 + k,
        "huge ints": lambda k: 2**70 + k,
        "floats": lambda k: k + 0.5,
        "whole floats": float,
        "dates": lambda k: _DAY + datetime.timedelta(days=k),
        "tuples": lambda k: (k, "a"),
        "bools": lambda k: bool(k % 2),
        "bytes": lambda k: b"ab\xff"[: k % 3 + 1],
        "decimals": lambda k: Decimal(k) / 4,
        "mixed": lambda k: k if k % 2 else str(k),
        "lists": lambda k: [k],
        "missing": lambda k: None if k == 0 else f"H{k}",
        "nan": lambda k: float("nan") if k == 0 else k,
        "surrogate": lambda k: f"a\udcff{k}",
        "category": lambda k: f"c{k}",
        "unicode": lambda k: ["Köln", "Ko\u0308ln", "Köln ", "köln", "Köln\u00a0"][k % 5],
    }
    kinds = odd if rng.random() < oddness else plain
    kind = list(kinds)[int(rng.integers(len(kinds)))]
    values = [kinds[kind](k) for k in codes]
    return Column("g", kind, _holed(rng, values, oddness * 0.5), odd=kind in odd)
