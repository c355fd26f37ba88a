"""Every chapter has one frame, folds what does not teach, and says nothing a run makes false."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import jupytext
import pytest
from nbformat import NotebookNode

from scs.book.parameters import notebook_parameters

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
CHAPTERS = sorted(NOTEBOOKS.glob("*.md"))
UNFRAMED = {"28_tables", "99_made"}  # lists to look things up in
FRAMED = [path for path in CHAPTERS if path.stem not in UNFRAMED]
WORDS_A_MINUTE = 200

_NUMBERS = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"]
_WORDS = dict(enumerate(_NUMBERS, start=2)) | {
    15: "fifteen",
    20: "twenty",
    30: "thirty",
    100: "a hundred",
    200: "two hundred",
    300: "three hundred",
    1000: "a thousand",
}

_OF_SLOPES = [
    "(Eq. 2 to 5)",
    "Two hundred",
    "two effects in a cluster",
    "Why may two",
    "two lines",
    "at two noise variances",
    "two different questions",
]

# What looks like a parameter's default and is none: by chapter and parameter, with words around.
NOT_OF_A_RUN = {
    "00_schools": {
        "budget": ["Three schools differ in truth", "three names can be", "three schools differ"]
    },
    "01_quickstart": {"budget": ["up to two of the firms"]},
    "05_million": {
        "largest": ["a thousand such clusters"],  # of the stored table, as is its gap
        "gap": ["0.01 %"],
    },
    "02_student": {"reps": ["a hundred times as many marks"]},
    "04_laplace": {"reps": ["ten times larger"]},
    "07_hospitals": {
        "reps": ["the ten hospitals that differ most", "in place of 10 %", "rate of 10 %"]
    },
    "08_slopes": {
        "intercepts": _OF_SLOPES,
        "slopes": _OF_SLOPES,
        "reps": ["gap of 1e-3", "three firms for each effect"],
    },
    "09_rules": {"budget": ["Two rules cost 2 %", "2 % and 3 %"]},
    "10_outliers": {
        "count": [
            "days 1, 3, 4 and 21",
            "four days left out",
            "With four rows",
            "whether or not four",
            "Four rows",
        ],
        "time_limit": ["five covariates"],
    },
    "11_uncertainty": {
        "reps": ["of 5 to 200 rows"],
        "compared": [
            "cluster in twenty",
            "fewer than twenty intervals",
            "are twenty simulated",
            "Of twenty and more",
        ],
    },
    "12_names": {
        "n_schools": ["300 clusters of 5 to 200 rows"],  # of the stored table, as is its spread
        "tau": ["0.15"],
        "fdr": ["At 10 % expect", "take 10 to 20 %", "Asked for: 10 %", "lies at 10 % or"],
    },
    "13_counts": {"fdr": ["standard deviation 0.1", "a rate of 10 %"]},
    # The paper's number of replications, and of clusters.
    "20_sparse": {"reps": ["100 replications", "averages of a hundred"]},
    "22_gaussian": {"reps": ["100 replications", "100 rows"]},
    "23_icc": {
        "trials": ["ten clusters", "ten effects", "10 %", "ten points", "of ten on", "ten Gaussian"]
    },
    "26_same_data": {"reps": ["from 100 rows"]},
    "27_ledger": {"reps": ["100", "a hundred"]},
}


def _source(path: Path) -> NotebookNode:
    return jupytext.read(path)


def _texts(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


# --- the frame -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FRAMED, ids=lambda path: path.stem)
def test_a_chapter_says_first_what_it_teaches_needs_and_takes(path):
    notebook = _source(path)
    head = notebook.cells[0].source
    assert notebook.cells[0].cell_type == "markdown" and head.startswith("# ")
    box = re.search(r"^```\{admonition\} Before you begin\n(.*?)^```$", head, re.M | re.S)
    assert box and head.endswith("```"), "the box stands last before the parameters"
    lines = re.findall(r"^- \*\*(You learn|You need|Time)\*\*", box[1], re.M)
    assert lines == ["You learn", "You need", "Time"]
    minutes = int(re.search(r"\*\*Time\*\*: (\d+) minutes", box[1])[1])
    words = sum(len(text.split()) for text in _texts(notebook))
    assert abs(minutes - words / WORDS_A_MINUTE) <= max(1.5, 0.25 * minutes), words


@pytest.mark.parametrize("path", FRAMED, ids=lambda path: path.stem)
def test_a_chapter_ends_with_what_to_take_away_and_two_exercises(path):
    end = _texts(_source(path))[-1]
    found = re.search(r"^## To take away\n(.*)^## Exercises\n(.*)", end, re.M | re.S)
    assert found, "sections `## To take away` and `## Exercises` end a chapter"
    away, exercises = found.groups()
    assert 2 <= len(re.findall(r"^- ", away, re.M)) <= 5
    boxes = re.findall(r"^```\{(admonition|dropdown)\} (.*)\n(?:[^`].*\n)*", exercises, re.M)
    assert boxes == [
        ("admonition", "Exercise 1"),
        ("dropdown", "Answer to exercise 1"),
        ("admonition", "Exercise 2"),
        ("dropdown", "Answer to exercise 2"),
    ]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_imports_and_the_making_of_tables_are_folded(path):
    for cell in _source(path).cells:
        if cell.cell_type == "code" and re.search(r"charts\.(enable|table)\(", cell.source):
            assert {"hide-input", "remove-cell"} & set(_tags(cell)), cell.source[:80]


# --- what depends on a parameter comes from the run ----------------------------------------------


def _prose(notebook: NotebookNode) -> Iterator[str]:
    """Text, captions and descriptions, without code, formulas, roles and what a run puts in."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"^ *(```|:::).*$|^    .*$|^- \*\*Time.*$", "", cell.source, flags=re.M)
            text = re.sub(r"\$\$.*?\$\$|\$[^$]*\$", " ", text, flags=re.S)
            text = re.sub(r"(\{[a-z:]+\})?`[^`]*`|\]\([^)]*\)", " ", text)
            yield " ".join(text.split())
        else:
            caption = cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", "")
            yield " ".join(caption.split())
            yield from _said_in_code(cell.source)


def _said_in_code(source: str) -> Iterator[str]:
    code = "\n".join(line for line in source.split("\n") if not re.match(r"\s*[%!]", line))
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.keyword) and node.arg in ("caption", "description"):
            for part in ast.walk(node.value):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def _spelt(value: float) -> re.Pattern:
    """Match a number as text has it: in digits, in words, or as a percentage."""
    ways = [re.escape(f"{value:g}")]
    if value == int(value):
        ways += [re.escape(f"{int(value):,}"), _WORDS.get(int(value), "")]
    elif value < 1:
        ways.append(re.escape(f"{100 * value:g} %"))
    spelt = "|".join(way for way in ways if way)
    return re.compile(rf"(?<![\w.,])(?:{spelt})(?!\w|[.,]\d)", re.IGNORECASE)


def _of_a_run(notebook: NotebookNode, known: dict[str, list[str]]) -> Iterator[str]:
    """Find defaults of parameters that prose repeats."""
    for parameter in notebook_parameters(notebook):
        value = parameter.default
        if isinstance(value, bool | str) or value in (0, 1) or parameter.name == "seed":
            continue
        for text in _prose(notebook):
            for words in known.get(parameter.name, []):
                text = text.replace(words, "")
            for found in _spelt(value).finditer(text):
                around = text[max(0, found.start() - 60) : found.end() + 30]
                yield f"{parameter.name} = {value}: ...{around}..."


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_prose_repeats_no_default_of_a_parameter(path):
    """Another value would make the sentence false: glue the number, or write it without."""
    assert list(_of_a_run(_source(path), NOT_OF_A_RUN.get(path.stem, {}))) == []


@pytest.mark.parametrize(
    "said",
    ["It sets nine to zero: we chose two.", "With 2 firms.", "Two firms lead.", "All but 2."],
)
def test_a_default_in_prose_is_seen(said):
    """Else the test above would pass whatever a chapter says."""
    notebook = jupytext.reads(_CHAPTER.format(said=said), fmt="md:myst")
    assert len(list(_of_a_run(notebook, {}))) == 1


@pytest.mark.parametrize(
    "said", ["{glue:text}`two` firms.", "Eq. 2.2", "In 1922.", "$2x$ and `budget=2`.", "A twofold."]
)
def test_other_numbers_are_left_alone(said):
    notebook = jupytext.reads(_CHAPTER.format(said=said), fmt="md:myst")
    assert list(_of_a_run(notebook, {})) == []


_CHAPTER = """# Title

```{{code-cell}} ipython3
:tags: [parameters]

budget = 2  # firms, 0 to 11
```

{said}

```{{code-cell}} ipython3
chart(caption=f"There are {{budget}} of them.", description="No number.")
```
"""
