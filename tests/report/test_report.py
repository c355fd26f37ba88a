"""The report of `scs fit`: one file, read offline, on a phone, in the dark, aloud."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import CHROMIUM, DESKTOP, NO_CHROMIUM, PHONE, Log, chromium, offline_context

import scs
from scs.cli import main
from scs.estimators.tables import share
from scs.report import report_html
from scs.report.tree import tree_html

HOSTILE = 'a "name" <img src=x onerror=alert(1)> & more'


def _table(n_clusters: int = 21, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(n_clusters), rng.integers(5, 30, n_clusters))
    n = len(code)
    effect = np.zeros(n_clusters)
    effect[[3, 7, 20]] = 4.0, -5.0, 3.0
    x, kind = rng.normal(size=n), rng.choice(["p", "q"], n)
    y = 1 + x + 0.5 * (kind == "q") + effect[code] + rng.normal(size=n)
    labels = [f"unit {k:02d}" for k in code]
    return pd.DataFrame({"y": y, HOSTILE: x, "kind": kind, "unit": labels})


@pytest.fixture(scope="module")
def model():
    return scs.fit(f"y ~ `{HOSTILE}` + kind", _table(), "unit", bootstrap=10, time_limit=2.0)


@pytest.fixture(scope="module")
def page(model) -> str:
    return report_html(model, source="table.csv: a test")


class _Outline(HTMLParser):
    """Tags, ids, headings and addresses of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href", "action"):
                self.addresses.append(value)


def test_page_has_no_script_and_no_address(page):
    outline = _Outline(page)
    assert not {"script", "img", "iframe", "object", "form"} & set(outline.tags)
    assert all(re.match(r"(data:|#)", address) for address in outline.addresses)
    assert "url(http" not in page
    assert len(set(outline.ids)) == len(outline.ids)


def test_page_holds_the_numbers_of_the_model(model, page):
    for label in model.selected:
        assert label in page
    assert share(model.solution.gap) in page
    assert f"ICC {model.lmm.icc:.3f}" in page
    assert "reference p" in page
    assert f"numpy {np.__version__}" in page
    assert "table.csv: a test" in page


def test_every_table_has_a_caption_and_every_chart_a_label(page):
    assert page.count("<caption>") == page.count("<table>") >= 6
    labels = re.findall(r'<svg role="img" aria-label="([^"]*)"', page)
    assert len(labels) == page.count("<svg") == 6  # three charts, each wide and narrow
    assert all(len(label) > 60 for label in labels)


def test_tree_shows_the_effect_that_new_rows_get(model):
    """The mean over the rows of an answer of what `predict` gives them, at full depth."""
    shown = re.findall(r"\(([\d,]+) rows, mean effect ([+-]?[\d.]+)\)", tree_html(model, depth=1))
    design, tree = model.rows.design, model.tree.tree_
    goes_left = design.X[:, tree.feature[0]] <= tree.threshold[0]
    for (rows, effect), side in zip(shown, (goes_left, ~goes_left), strict=True):
        assert int(rows.replace(",", "")) == side.sum()
        expected = model.solution.gamma[design.codes[side]].mean()
        assert float(effect) == pytest.approx(expected, abs=2e-3)


def test_report_of_nothing_selected_and_of_no_covariate():
    none = report_html(scs.fit("y ~ kind", _table(), "unit", 0))
    assert "None: with this budget" in none
    assert "clusters&#x27; mean effect" in report_html(scs.fit("y ~ 1", _table(), "unit", 2))


def test_command_writes_the_report(tmp_path, capsys):
    source, target = tmp_path / "table.parquet", tmp_path / "out.html"
    _table().to_parquet(source)
    code = main(
        f"fit {source} --outcome y --cluster unit --budget 3 --bootstrap 0".split()
        + f"--report {target}".split()
    )
    assert code == 0
    assert target.as_uri() in capsys.readouterr().out
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert sorted(tmp_path.iterdir()) == [target, source]  # no unfinished file is left


# ------------------------------------------------------------------------------ in a browser


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    with chromium() as browser:
        yield browser


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_page_in_chromium_with_the_network_cut(browser, page, tmp_path, size, mode):
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    log = Log()
    context = offline_context(browser, log, viewport=size, color_scheme=mode)
    tab = context.new_page()
    tab.on("pageerror", lambda error: log.errors.append(str(error)))
    tab.on("console", lambda message: log.errors.append(message.text))
    tab.goto(path.as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    root = "document.documentElement"
    assert tab.evaluate(f"{root}.scrollWidth - {root}.clientWidth") <= 0
    drawn = tab.evaluate(
        "[...document.querySelectorAll('figure svg')].filter(s => s.getBoundingClientRect().width)"
        ".map(s => [s.getBoundingClientRect().width, s.querySelectorAll('path').length])"
    )
    assert len(drawn) == 3
    assert all(width <= size["width"] and marks > 3 for width, marks in drawn)
    assert log == Log()
    context.close()

    # axe runs as a script, which the page's own policy forbids: checked without it.
    free = re.sub(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "", page)
    assert free != page
    path.write_text(free, encoding="utf-8")
    context = offline_context(browser, log, viewport=size, color_scheme=mode)
    tab = context.new_page()
    tab.goto(path.as_uri())
    found = Axe().run(tab).response["violations"]
    assert not found, [(each["id"], each["nodes"][0]["html"][:200]) for each in found]
    context.close()


def test_it_prints_on_two_pages(browser, model, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(report_html(model), encoding="utf-8")
    context = offline_context(browser, Log())
    tab = context.new_page()
    tab.goto(path.as_uri())
    printed = tab.pdf(format="A4")
    context.close()
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", printed)) <= 2
