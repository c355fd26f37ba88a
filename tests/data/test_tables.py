"""Tables of the book: what the notebook stores, and what a reader can do with them in Chromium."""

import csv
import io
import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM, NO_CHROMIUM, ROOT, Log, chromium, offline_context, watched_page

from scs.book import charts
from scs.book.charts.tables import MISSING, number_shown, short

CELLS = pd.DataFrame(
    {
        "table": ["B10", "B2", "B2", "B1"],
        "method": ["OLS", "MIO", "LMM, Laplace", "<OLS>"],
        "error": [0.123456, 12345.678, np.nan, -2.0],
        "share": [0.5, 0.051, 1.0, 0.25],
        "rows": [10, 9, 100, 1],
        "holds": [True, False, True, True],
    }
)


def _table(**options) -> charts.tables.Table:
    return charts.table(CELLS, caption="Two of four hold.", **options)


def _cells(table) -> list[list[ElementTree.Element]]:
    tree = ElementTree.fromstring(table._repr_html_())
    return [list(row) for row in tree.iter("tr")]


def test_html_is_well_formed_and_shows_every_cell():
    head, *rows = _cells(_table(formats={"share": ".1%"}))
    assert [cell.text for cell in head] == list(CELLS)
    assert {cell.get("scope") for cell in head} == {"col"}
    assert [cell.text for cell in rows[1]] == ["B2", "MIO", "12346", "5.1%", "9", "no"]
    assert rows[2][2].text == MISSING and rows[2][2].get("data-value") == ""
    assert rows[3][1].text == "<OLS>"


def test_no_digit_is_stored_that_is_not_shown():
    """Another CPU's last digits must not change what nbval compares."""
    moved = CELLS.assign(error=CELLS.error * (1 + 1e-12), share=CELLS.share * (1 - 1e-12))
    other = charts.table(moved, caption="Two of four hold.", formats={"share": ".1%"})
    assert other._repr_html_() == _table(formats={"share": ".1%"})._repr_html_()
    assert repr(other) == repr(_table(formats={"share": ".1%"}))


@pytest.mark.parametrize("value", [*np.logspace(-12, 12, 49), 0.0, -0.0, 999.96, -1234.5])
def test_short_numbers_keep_four_digits(value):
    text = short(value)
    assert math.isclose(float(text), value, rel_tol=5.1e-4, abs_tol=0)
    assert not text.startswith("-0") or value < 0


@pytest.mark.parametrize(
    ("text", "number"),
    [("12.5%", 0.125), ("1,234", 1234), ("\u22120.5", -0.5), ("1e-07", 1e-7), ("0 %", 0)],
)
def test_numbers_are_read_back_from_what_is_shown(text, number):
    assert float(number_shown(text)) == number


def test_text_is_no_number():
    assert number_shown("1.2 (0.3)") is None


def test_an_index_that_says_something_heads_its_rows():
    _, *rows = _cells(charts.table(CELLS.set_index("method"), caption="Errors."))
    assert all(row[0].tag == "th" and row[0].get("scope") == "row" for row in rows)
    series = pd.Series([1.5], index=["GE"], name="effect")
    head, _row = _cells(charts.table(series, caption="Errors."))
    assert [cell.text or "" for cell in head] == ["", "effect"]


def test_a_long_table_prints_its_beginning_as_text():
    text = repr(charts.table(pd.DataFrame({"a": range(541)}), caption="Many."))
    assert len(text.splitlines()) < 70 and text.endswith("541 rows in all")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"formats": {"eror": ".1f"}}, "formats: 'eror' is no column. There are: table"),
        ({"filter_by": ["row"]}, "filter_by: 'row' is no column"),
        ({"links": {"page": "{}"}}, "links: 'page' is no column"),
        ({"name": "Tab 1"}, "name: 'Tab 1' is no target"),
        ({"caption": " "}, "caption: it is empty"),
    ],
)
def test_what_is_wrong_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        charts.table(CELLS, **{"caption": "Errors.", **options})


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (CELLS.head(0), "frame: 0 rows"),
        (pd.concat([CELLS, CELLS], axis=1), "same name"),
        (pd.concat({"a": CELLS}, axis=1), "several levels"),
    ],
)
def test_frames_that_make_no_table_are_refused(frame, message):
    with pytest.raises(ValueError, match=message):
        charts.table(frame, caption="Errors.")


# --- in a browser -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page with one table and the book's script, and what it logged."""
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    table = _table(
        formats={"share": ".1%"}, filter_by=["table"], links={"table": "{}.html"}, name="tab-x"
    )
    static = ROOT / "book" / "_static"
    path = tmp_path_factory.mktemp("tables") / "page.html"
    path.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title>'
        f'<link rel="stylesheet" href="{(static / "book.css").as_uri()}">'
        f'<script defer src="{(static / "tables.js").as_uri()}"></script>'
        f'<main class="bd-content"><div class="cell_output">{table._repr_html_()}</div></main>',
        encoding="utf-8",
    )
    with chromium() as browser:
        log = Log()
        context = offline_context(browser, log, accept_downloads=True)
        page = watched_page(context, log)
        page.goto(path.as_uri())
        yield page
        assert log == Log()


@pytest.fixture
def fresh(page):
    page.reload()
    page.wait_for_selector(".scs-table.ready")
    return page


def _shown(page, column: int) -> list[str]:
    return page.evaluate(
        "(c) => [...document.querySelectorAll('tbody tr')].filter(r => !r.hidden)"
        ".map(r => r.cells[c].textContent)",
        column,
    )


def _click_heading(page, name: str) -> str:
    button = page.get_by_role("button", name=name, exact=True)
    button.focus()
    page.keyboard.press("Enter")
    return button.locator("xpath=..").get_attribute("aria-sort")


def test_numbers_sort_by_size_and_missing_ones_come_last(fresh):
    assert _click_heading(fresh, "error") == "ascending"
    assert _shown(fresh, 2) == ["-2", "0.1235", "12346", MISSING]
    assert _click_heading(fresh, "error") == "descending"
    assert _shown(fresh, 2) == ["12346", "0.1235", "-2", MISSING]
    assert _click_heading(fresh, "error") == "none"
    assert _shown(fresh, 4) == ["10", "9", "100", "1"]


def test_text_sorts_as_a_reader_would_and_one_heading_is_marked(fresh):
    _click_heading(fresh, "share")
    assert _shown(fresh, 3) == ["5.1%", "25.0%", "50.0%", "100.0%"]
    _click_heading(fresh, "table")
    assert _shown(fresh, 0) == ["B1", "B2", "B2", "B10"]
    marked = fresh.locator("th:not([aria-sort=none])").all_text_contents()
    assert marked == ["table"]


def test_filter_leaves_the_rows_chosen_and_says_how_many(fresh):
    assert fresh.get_by_role("status").text_content() == "4 rows"
    fresh.get_by_label("table", exact=True).select_option("B2")
    assert _shown(fresh, 1) == ["MIO", "LMM, Laplace"]
    assert fresh.get_by_role("status").text_content() == "2 of 4 rows"


def test_download_holds_what_is_shown(fresh):
    fresh.get_by_label("table", exact=True).select_option("B2")
    with fresh.expect_download() as waiting:
        fresh.get_by_role("button", name="Download CSV").click()
    assert waiting.value.suggested_filename == "tab-x.csv"
    text = Path(waiting.value.path()).read_text(encoding="utf-8-sig")
    assert list(csv.DictReader(io.StringIO(text))) == [
        dict(zip(CELLS, ["B2", "MIO", "12346", "0.051", "9", "no"])),
        dict(zip(CELLS, ["B2", "LMM, Laplace", "", "1.000", "100", "yes"])),
    ]


def test_scrolling_part_is_named_and_reached_with_the_keyboard(fresh):
    region = fresh.get_by_role("region", name="Table: Two of four hold.")
    assert region.get_attribute("tabindex") == "0"
    assert region.locator("table").count() == 1
