"""What a published number can be called, and what each name asks for."""

from __future__ import annotations

from dataclasses import asdict, dataclass

REPRODUCED = "reproduced"
EXPLAINED = "differs, explained"
READING = "a reading that fits"
INCOMPARABLE = "not comparable"
UNEXPLAINED = "differs, unexplained"
VERDICTS = (REPRODUCED, EXPLAINED, READING, INCOMPARABLE, UNEXPLAINED)
COLUMNS = (
    "table",
    "row",
    "method",
    "quantity",
    "published",
    "ours",
    "mc_se",
    "z",
    "verdict",
    "evidence",
    "fitted",
    "parameters",
    "test",
)
LIMIT = 3.0  # of |z|


@dataclass(frozen=True)
class Finding:
    """What is said of one published number.

    Attributes
    ----------
    verdict : str
        One of ``VERDICTS``.
    evidence : str
        What was found.
    fitted : str
        A reading alone: what was chosen after the printed number had been seen.
    parameters : int or None
        A reading alone: how many such choices.
    test : str
        An explained cell alone: the test of this project's suite that shows the cause.

    Raises
    ------
    ValueError
        No such verdict; an explained cell without its test; a reading that does not say what was
        fitted; or either of these two said of another verdict.
    """

    verdict: str
    evidence: str
    fitted: str = ""
    parameters: int | None = None
    test: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict {self.verdict!r} must be one of {', '.join(VERDICTS)}.")
        if (self.verdict == EXPLAINED) != bool(self.test):
            raise ValueError(
                f"test: {self.verdict!r} with {self.test!r}; an explained number names its test, "
                "and no other does."
            )
        if (self.verdict == READING) != (bool(self.fitted) and self.parameters is not None):
            raise ValueError(
                f"fitted: {self.verdict!r} with {self.fitted!r} and {self.parameters!r} "
                "parameters; a reading says both, and no other verdict does."
            )

    def columns(self) -> dict:
        """Return the finding as the last columns of the ledger."""
        return asdict(self)


def reproduced(z: float) -> Finding:
    """Return the finding of a number within the limit."""
    return Finding(REPRODUCED, f"|z| = {z_text(abs(z))}")


def z_text(z: float, limit: float = LIMIT) -> str:
    """Write z with one decimal, or with as many as show on which side of the limit it lies."""
    digits = 1
    while digits < 6 and abs(z) != limit and float(f"{abs(z):.{digits}f}") == limit:
        digits += 1
    text = f"{z:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text
