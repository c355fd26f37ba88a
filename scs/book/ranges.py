"""What a parameter may be, read from the end of its comment.

    reps = 100  # replications of each scenario, 2 to 1000
    ridge = 1.0  # shrinkage of the effects, above 0
    seed = 0  # of the random streams, at least 0
    regime = "low"  # which tables, one of low, medium, high

The range is what follows the last comma (all of it after "one of"); a remark in brackets may come
after it. Of a list every element must be in it.
"""

import re
from dataclasses import dataclass
from typing import Any

_NUMBER = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
_RANGE = re.compile(
    r"(?:^|,\s*)(?P<text>"
    rf"(?P<low>{_NUMBER}) to (?P<high>{_NUMBER})"
    rf"|(?P<side>above|at least|at most|below) (?P<bound>{_NUMBER})"
    r"|one of (?P<choices>[^()]+?)"
    r")\s*(?:\((?P<remark>[^()]*)\))?$"
)


@dataclass(frozen=True)
class Range:
    """The values that a parameter may take; `text` is how its comment says it."""

    text: str
    low: float | None = None
    high: float | None = None
    open_ended: bool = False  # the bound itself is outside
    choices: tuple[str, ...] = ()

    def holds(self, value: Any) -> bool:
        """Say if a value, or every element of a list, is inside."""
        if isinstance(value, list | tuple):
            return all(map(self.holds, value))
        if self.choices:
            return str(value) in self.choices
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if self.open_ended and value in (self.low, self.high):
            return False
        above = self.low is None or value >= self.low
        return above and (self.high is None or value <= self.high)


def read_range(comment: str) -> tuple[str, Range | None]:
    """Split a comment into what the parameter means and what it may be.

    Returns
    -------
    meaning : str
    allowed : Range or None
        None if the comment says no range.
    """
    found = _RANGE.search(comment)
    if found is None:
        return comment, None
    meaning = comment[: found.start()].strip()
    if found["remark"]:
        meaning = f"{meaning} ({found['remark']})"
    return meaning, _range(found)


def _range(found: re.Match) -> Range:
    text = found["text"]
    if found["choices"]:
        words = re.split(r",\s*(?:or\s+)?|\s+or\s+", found["choices"])
        return Range(text, choices=tuple(word.strip() for word in words))
    if found["side"] is None:
        return Range(text, float(found["low"]), float(found["high"]))
    bound, is_open = float(found["bound"]), found["side"] in ("above", "below")
    if found["side"] in ("above", "at least"):
        return Range(text, low=bound, open_ended=is_open)
    return Range(text, high=bound, open_ended=is_open)
