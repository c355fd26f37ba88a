"""The first page is plain: short sentences, and no word of the trade before it is explained."""

import re

import pytest
from browser import ROOT

MOST_WORDS = 24
_BOOK = ROOT / "book"


def _prose(text: str) -> str:
    """The words of a page as a reader meets them: no directives, targets or markup but emphasis."""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    text = re.sub(r"^\s*(:::+|```+).*$", "\n", text, flags=re.MULTILINE)  # their content stays
    text = re.sub(r"^:[a-z-]+:.*$", "", text, flags=re.MULTILINE)  # their options do not
    text = re.sub(r"<[^>]+>", "", text)
    text = re.sub(r"\{(?:glue:text|cite)\}`[^`]*`", "7", text)
    text = re.sub(r"\[\]\([^)]*\)", "that page", text)
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)


def _sentences(text: str) -> list[str]:
    blocks = re.split(r"\n\s*\n|\n\s*(?:-|\d+\.)\s+|^#+ ", _prose(text), flags=re.MULTILINE)
    joined = [" ".join(block.split()) for block in blocks if block.strip()]
    parts = [re.split(r"(?<=[.?!])(?:\*\*)?\s+(?=[*\"A-Z0-9])", block) for block in joined]
    return [sentence for block in parts for sentence in block]


def _terms() -> dict[str, list[str]]:
    """The glossary's entries: the ways to write each."""
    text = (_BOOK / "glossary.md").read_text(encoding="utf-8").split("```{glossary}")[1]
    entries = re.findall(r"(?:^\n|\n\n)((?:[^\s`][^\n]*\n)+)  ", text)
    return {entry.split("\n")[0]: entry.strip().split("\n") for entry in entries}


def _unexplained(text: str) -> list[str]:
    """Terms that are not set in emphasis, in a sentence that says what they are, where they begin.

    A term is looked for as a word of its own, also with an s. Headings count as well.
    """
    sentences = _sentences(text)
    found = []
    for ways in _terms().values():
        spelt = "|".join(
            re.escape(way) if way.isupper() else f"(?i:{re.escape(way)})" for way in ways
        )
        word = re.compile(rf"\b(?:{spelt})(?:s|es)?\b")
        first = next((s for s in sentences if word.search(s)), None)
        if first is None:
            continue
        explained = re.search(rf"(?<!\*)\*(?:{spelt})(?:s|es)?\*(?!\*)", first)
        says = re.search(r"\b(?:is|are|gives?|means?|calls|called)\b", first)
        if not (explained and says):
            found.append(f"{ways[0]}: {first}")
    return found


@pytest.fixture
def page() -> str:
    return (_BOOK / "intro.md").read_text(encoding="utf-8")


def test_every_sentence_is_short(page):
    sentences = _sentences(page)
    assert len(sentences) > 40
    long = [s for s in sentences if len(s.split()) > MOST_WORDS]
    assert long == []


def test_no_term_comes_before_it_is_explained(page):
    assert _unexplained(page) == []


def test_the_checks_see_a_long_sentence_and_an_unexplained_term():
    """Else both would pass whatever the page says."""
    assert len(_terms()) > 35
    assert "best linear unbiased prediction" in _terms()
    assert _unexplained("The gap is zero.\n") == ["gap: The gap is zero."]
    assert _unexplained("A *gap* is a distance. The gap is zero.\n") == []
    assert _unexplained("A ridge.\n\n- A *ridge* is a price.\n") == ["ridge: A ridge."]
    assert _unexplained("By OLS.\n")[0].startswith("ordinary least squares")
    words = " ".join(["word"] * 30)
    assert len(_sentences(f"# Title\n\nShort. {words.capitalize()}. Short.\n")) == 4
    assert max(len(s.split()) for s in _sentences(f"{words}.\n")) == 30


@pytest.mark.parametrize("name", ["principal.md"])
def test_the_page_without_code_is_short_and_has_none(name):
    text = (_BOOK / name).read_text(encoding="utf-8")
    words = _prose(text).split()
    assert 500 <= len(words) <= 800
    assert "`" not in re.sub(r"```\{[^\n]*|^```$", "", text, flags=re.MULTILINE)
    assert max(len(s.split()) for s in _sentences(text)) <= MOST_WORDS + 6
    assert not re.search(
        r"\b(?:cluster|budget|regression|covariate|ridge|p-value|objective)", " ".join(words)
    )
