"""The grammar of formulas, checked word by word before formulaic reads them.

formulaic takes some formulas for others than R does, and says of what it cannot read what is wrong
with its own rules. What passes here means the same as in R.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from formulaic.errors import FormulaicError
from formulaic.parser.algos.tokenize import tokenize
from formulaic.parser.types import Token

MOST_NESTED = 50
_OPERATOR = re.compile(r"\*\*|.", re.DOTALL)
_CROSSING = {"*", ":", "/", "^", "**"}
_BINARY = {"+", "-", "~", *_CROSSING}
_NUMBER = re.compile(r"[\d.]+(?:[eE][+-]?\d+)?")
POWERS = "the power after ** must be a whole number such as 2"
_POWER = re.compile(r"[1-9]\d*", re.ASCII)


class FormulaError(ValueError):
    """A formula that cannot be read: the message is a clause, without its formula."""


class GrammarError(FormulaError):
    """Words of a formula in an order that means nothing; the clause names the remedy."""


class BarError(FormulaError):
    """A bar among the terms, as in lme4's (1 | group)."""


def split(text: str) -> list[Token]:
    """Return the words of a formula, whose order makes sense.

    Raises
    ------
    FormulaError
    """
    try:
        tokens = list(tokenize(text))
    except (FormulaicError, SyntaxError):
        raise GrammarError(
            "a bracket, quote, backtick or % in it is not closed, or stands where none can: close "
            "it, or take it out"
        ) from None
    if any(t.kind is Token.Kind.OPERATOR and "|" in t.token for t in tokens):
        raise BarError("it has a bar")
    grammar = _Grammar(any(t.kind is Token.Kind.OPERATOR and "~" in t.token for t in tokens))
    for token in tokens:
        grammar.take(token)
    grammar.end()
    return tokens


def is_quoted(token: Token) -> bool:
    """Say whether a name stands in backticks, or an operator between per cent signs."""
    start = token.source_start
    return bool(token.source) and start is not None and token.source[start] in "`%"


@dataclass
class _Grammar:
    """What came before the next word of a formula."""

    has_tilde: bool
    last: str = ""  # the operator or bracket before, or what the operand before was
    wants: bool = True  # an operand
    depth: int = 0
    tilde: bool = False
    minuses: int = 0
    number: bool = False  # the operand before was 0 or 1
    left: list[str] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)

    def take(self, token: Token) -> None:
        if token.kind is Token.Kind.CONTEXT:
            self.bracket(token.token)
        elif token.kind is Token.Kind.OPERATOR:
            if is_quoted(token):
                raise GrammarError(_of_percent(token.token))
            for operator in _OPERATOR.findall(re.sub(r"\s", "", token.token)):
                self.operator(operator)
        else:
            self.operand(token)

    def bracket(self, word: str) -> None:
        if word == "(":
            self.before_operand("(")
            self.depth, self.last, self.wants, self.minuses = self.depth + 1, "(", True, 0
            if self.depth > MOST_NESTED:
                raise FormulaError(f"its brackets are nested more than {MOST_NESTED} deep")
            return
        if word != ")" or self.depth == 0:
            raise GrammarError(f"a {word!r} in it opens or closes nothing: take it out")
        if self.wants:
            raise GrammarError(f"a ')' follows {self.last!r}: put a column before it")
        self.depth, self.last, self.number = self.depth - 1, ")", False

    def operator(self, word: str) -> None:
        if word not in _BINARY:
            raise GrammarError(_of_unknown(word))
        if word == "~":
            self.at_tilde()
            return
        if self.wants:
            if self.last in ("^", "**"):
                raise FormulaError(POWERS)
            if word not in "+-" or self.last in _CROSSING:
                after = f"after {self.last!r}" if self.last else "at its beginning"
                raise GrammarError(f"{word!r} {after} has nothing before it: put a column there")
            self.minuses += word == "-"
            if self.minuses > 1:
                raise GrammarError("two minus signs follow each other: write one, or a plus")
        elif word in _CROSSING and self.number:
            raise GrammarError(_of_number(word))
        else:
            self.minuses = int(word == "-")
        if not self.tilde:
            self.joined.append(word)
        self.last, self.wants = word, True

    def at_tilde(self) -> None:
        if self.tilde:
            raise GrammarError("it has more than one '~': write one, outcome ~ covariates")
        if self.depth:
            raise GrammarError("its '~' is in brackets: write outcome ~ covariates")
        if self.left and self.wants:
            raise GrammarError(f"its '~' follows {self.last!r}: put a column before it")
        if self.joined:
            n, by = len(self.left), self.joined[0]
            what = f"are {n} outcomes, joined by" if n > 1 else "is an outcome with"
            raise GrammarError(
                f"left of its '~' {what} {by!r}: pass one, and write arithmetic as I(...)"
            )
        if self.left in (["0"], ["1"]):
            raise GrammarError(f"its outcome is the number {self.left[0]}: name a column")
        self.tilde, self.last, self.wants, self.minuses = True, "~", True, 0

    def operand(self, token: Token) -> None:
        word = token.token
        self.before_operand(word)
        is_value = token.kind is Token.Kind.VALUE and word != "."
        if is_value and word[0] in "'\"":
            raise GrammarError(
                f"{word[:40]} is text: write a column's name without quotes, or in `backticks`"
            )
        if self.last in ("^", "**"):
            if not _POWER.fullmatch(word):
                raise FormulaError(POWERS)
        elif is_value or (_NUMBER.fullmatch(word) and word != "." and not is_quoted(token)):
            if word not in ("0", "1"):
                raise GrammarError(
                    f"{word[:40]!r} is no column, and of numbers only 0 and 1 (without and with "
                    "the intercept) are terms: write calculations as I(2 * x)"
                )
            if self.last in _CROSSING or self.depth:
                raise GrammarError(_of_number(self.last))
        elif word == "." and not self.tilde and self.has_tilde:
            raise GrammarError("'.' is left of its '~': name the outcome")
        self.number = is_value and self.last not in ("^", "**")
        if not self.tilde and self.last not in ("^", "**"):
            self.left.append(word)
        self.last, self.wants, self.minuses = word, False, 0

    def before_operand(self, word: str) -> None:
        if not self.wants:
            raise GrammarError(
                f"there is no operator between {self.last[:40]!r} and {word[:40]!r}: put + between "
                "two columns, and a name with blanks in `backticks`"
            )

    def end(self) -> None:
        if self.depth:
            raise GrammarError("a '(' in it is never closed: close it")
        if self.wants and self.last == "~" and self.left:
            raise GrammarError("nothing is right of its '~': write outcome ~ 1 for no covariates")
        if self.wants and self.last not in ("", "~"):
            raise GrammarError(
                f"it ends with {self.last!r}: put a column behind it, or take it out"
            )


def _of_number(operator: str) -> str:
    where = f"with {operator!r}" if operator in _CROSSING else "in brackets"
    return (
        f"0 and 1 stand for the intercept and mean nothing {where}: add or take them away outside "
        "of brackets, and write calculations as I(2 * x)"
    )


def _of_percent(word: str) -> str:
    if word == "in":
        return "%in% has no one meaning: write z/x for x within z and z itself, z:x without z"
    return f"%{word[:20]}% is no operator of formulas: calculations go into I(...)"


def _of_unknown(sign: str) -> str:
    if sign == "=":
        return (
            "'=' is no operator of formulas: write outcome ~ covariates, and I(x == 1) to compare"
        )
    named = f" ({unicodedata.name(sign, f'U+{ord(sign):04X}')})"
    named = "" if sign.isascii() and sign.isprintable() else named
    return (
        f"{ascii(sign) if named else repr(sign)}{named} is no operator of formulas: calculations "
        "and comparisons go into I(...), names that hold it into `backticks`"
    )
