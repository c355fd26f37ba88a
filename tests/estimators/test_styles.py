"""The summary as text, Markdown, LaTeX and HTML: the same cells, and no name that breaks them."""

import re

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

import scs
from scs.estimators.tables import table_html, table_latex, table_markdown

NAMES = ["a|b", "50% & more_", "<b>*x*</b>", "$x^2$ {1}", "~#\\end", "two\nlines", "plain"]


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(3)
    code = np.repeat(np.arange(7), 12)
    y = np.where(code == 3, 5.0, 0.0) + np.where(code == 0, -5.0, 0.0) + rng.normal(size=84)
    table = pd.DataFrame({"y": y, "x": rng.normal(size=84), "g": [NAMES[k] for k in code]})
    return scs.fit("y ~ x", table, "g", 2)


def cells(table: pd.DataFrame) -> list[list[str]]:
    found = BeautifulSoup(table_html(table, "c"), "html.parser")
    return [[c.get_text() for c in row.find_all(["th", "td"])] for row in found.find_all("tr")]


@pytest.fixture
def table():
    return pd.DataFrame(
        {"rows": range(7), "p": np.arange(7) / 7, "said": NAMES}, index=pd.Index(NAMES, name="g_1")
    )


def test_markdown_has_the_cells_of_html(table):
    lines = table_markdown(table, "A | caption").splitlines()
    assert lines[0] == "**A \\| caption**"
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines[2:]]
    assert set(rows.pop(1)) <= {" --- ", " ---: "}
    unescaped = [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in row] for row in rows]
    assert unescaped == [[c.replace("\n", " ") for c in row] for row in cells(table)]


def test_latex_has_the_cells_of_html(table):
    body = table_latex(table, "50% & more").split("\\hline\n")
    assert "\\caption{50\\% \\& more}" in body[0]
    lines = (body[1] + body[2]).replace("\\hline", "").strip().splitlines()
    rows = [re.split(r"(?<!\\)&", line.removesuffix("\\\\")) for line in lines]
    words = {"\\textbackslash{}": "\\", "\\textasciitilde{}": "~", "\\textasciicircum{}": "^"}

    def plain(cell):
        for word, mark in words.items():
            cell = cell.replace(word, f"\0{ord(mark)}\0")
        assert not re.search(r"(?<!\\)[&%$#_{}~^]", cell)
        cell = re.sub(r"\\(.)", r"\1", cell.strip())
        return re.sub("\0(\\d+)\0", lambda m: chr(int(m[1])), cell)

    found = [[plain(cell) for cell in row] for row in rows]
    assert found == [[c.replace("\n", " ") for c in row] for row in cells(table)]


@pytest.mark.parametrize("style", ["markdown", "latex", "html"])
def test_each_style_says_all_that_the_text_says(style, model):
    text = model.summary()
    said = model.summary(style=style)
    for heading in ("Selected clusters (2 of 7)", "Coefficients", "Fit and certificate"):
        assert heading in said
    for number in re.findall(r"-?\d+\.\d{3,}", text.split("Selected clusters")[1]):
        assert number in said
    if style == "html":
        assert said == model._repr_html_()
    if style == "latex":
        assert said.count("\\begin{table}") == said.count("\\end{table}") == 4
        assert said.count("{") == said.count("}") or "\\{" in said


def test_another_style_is_refused(model):
    with pytest.raises(ValueError, match="style must be one of"):
        model.summary(style="docx")
