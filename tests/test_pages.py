"""Every page of the built book in Chromium, with the network cut."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import (
    CHROMIUM,
    DESKTOP,
    HTML,
    NO_CHROMIUM,
    NO_FADING,
    PHONE,
    ROOT,
    Log,
    TimeoutError,
    chromium,
    offline_context,
    open_page,
    toc_pages,
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)

PAGES = [*toc_pages(), "genindex", "search"]

# What axe-core finds in the theme and we leave: rule and element, on any page. The book's page on
# how it was made lists them too.
THEMES_OWN = {
    ("region", ".sidebar-primary-items__start > .sidebar-primary-item:nth-child(1)"),
}
TOLERATED_IMPACT = {"minor"}  # of findings that are ours

# What a reader would see, read from the drawn page in one go.
_SEEN = r"""() => ({
  ids: [...document.querySelectorAll('[id]')].map(e => e.id),
  links: [...document.querySelectorAll('a[href]')].map(a => a.href),
  charts: [...document.querySelectorAll('.scs-chart')].filter(c => c.offsetParent).map(c => {
    const view = c.querySelector('.scs-chart-view');
    const svg = view.querySelector('svg');
    const box = svg ? svg.getBoundingClientRect() : { width: 0, height: 0 };
    return { label: view.getAttribute('aria-label') ?? '', role: view.getAttribute('role') ?? '',
             width: box.width, height: box.height, room: view.clientWidth,
             cut: [...(svg?.querySelectorAll('.role-axis-title text, .role-legend text') ?? [])]
               .filter(t => { const b = t.getBoundingClientRect();
                 return b.left < box.left - 1 || b.right > box.right + 1; })
               .map(t => t.textContent),
             marks: svg ? svg.querySelectorAll('[class*="mark-"] > *').length : 0 };
  }),
  tables: [...document.querySelectorAll('.scs-table')].map(t =>
    ({ ready: t.classList.contains('ready'), rows: t.querySelectorAll('tbody tr').length,
       caption: t.querySelector('[role=region]')?.getAttribute('aria-label') ?? '' })),
  formulas: document.querySelectorAll('.math').length,
  raw: [...document.querySelectorAll('.math')].filter(m => !m.querySelector('mjx-container'))
    .map(m => m.textContent.slice(0, 80)),
  wrong: [...document.querySelectorAll('mjx-merror, [data-mjx-error], mjx-mtext[style*="red"]')]
    .map(e => e.outerHTML.slice(0, 200)),
  unlabelled: [...document.querySelectorAll('img')].filter(i => !i.getAttribute('alt')?.trim())
    .map(i => i.src.slice(0, 80)),
  unreachable: [...document.querySelectorAll('div.math')].filter(m =>
      [...m.querySelectorAll('mjx-math')].some(
        f => f.getBoundingClientRect().left < m.getBoundingClientRect().left - 1))
    .map(m => m.id || m.textContent.slice(0, 40)),
  overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  wide: [...document.querySelectorAll('main *')]
    .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .slice(0, 5).map(e => e.tagName + '.' + e.className),
})"""


_INK = """() => document.querySelector('.scs-chart .role-axis-label text')
  ?.getAttribute('fill') ?? null"""

# What axe-core has to look at again in dark mode.
_OF_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}


@dataclass(frozen=True)
class Finding:
    """One element that breaks a rule of axe-core."""

    rule: str
    target: str
    impact: str
    html: str


@dataclass(frozen=True)
class Visit:
    """A page as drawn on a wide and on a narrow screen; axe-core's findings on the wide one."""

    log: Log
    wide: dict[str, Any]
    narrow: dict[str, Any]
    findings: list[Finding]
    inks: tuple[str | None, str | None]  # colour of the charts' labels in light and in dark mode


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def visits(browser) -> dict[str, Visit]:
    if not (HTML / "index.html").exists():
        pytest.fail("the book is not built: run `make book` first")
    return {name: _visit(browser, name) for name in PAGES}


def _visit(browser: Any, name: str) -> Visit:
    log = Log()
    context = offline_context(browser, log, viewport=DESKTOP, color_scheme="light")
    page = open_page(context, log, name)
    wide = page.evaluate(_SEEN)
    page.add_style_tag(content=NO_FADING)  # half faded in, text would seem too pale to axe-core
    page.evaluate("() => document.querySelectorAll('details').forEach(d => { d.open = true })")
    light, findings = page.evaluate(_INK), _violations(page, {})
    _darken(page, light)
    inks = (light, page.evaluate(_INK))
    findings += _violations(page, _OF_COLOURS)
    context.close()
    context = offline_context(browser, log, viewport=PHONE)
    narrow = open_page(context, log, name).evaluate(_SEEN)
    context.close()
    return Visit(log, wide, narrow, findings, inks)


def _darken(page: Any, ink: str | None) -> None:
    """Switch the page to dark at once, and wait until its charts have followed."""
    page.evaluate("() => { document.documentElement.dataset.theme = 'dark' }")
    if ink:
        with suppress(TimeoutError):  # a test says so
            page.wait_for_function(f"(before) => ({_INK})() !== before", arg=ink, timeout=10_000)


def _violations(page: Any, options: dict[str, Any]) -> list[Finding]:
    # Without preload axe-core does not fetch the style sheets, which a page of files may not.
    options = {"resultTypes": ["violations"], "preload": False, **options}
    return [
        Finding(violation["id"], str(node["target"][-1]), violation["impact"], node["html"][:200])
        for violation in Axe().run(page, options=options).response["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("name", PAGES)
def test_no_request_leaves_and_no_error_is_logged(visits, name):
    assert visits[name].log == Log()


@pytest.mark.parametrize("name", PAGES)
def test_every_chart_is_drawn_described_and_fits(visits, record_property, name):
    visit = visits[name]
    record_property("charts", len(visit.wide["charts"]))
    for chart in visit.wide["charts"] + visit.narrow["charts"]:
        assert chart["role"] == "img" and chart["label"].strip()
        assert chart["width"] > 50 and chart["height"] > 20 and chart["marks"] > 0, chart
        assert chart["width"] <= chart["room"] + 1, f"wider than its place: {chart}"
        assert chart["cut"] == [], f"titles cut off: {chart}"


@pytest.mark.parametrize("name", PAGES)
def test_every_table_is_named_and_can_be_sorted(visits, record_property, name):
    tables = visits[name].wide["tables"]
    record_property("tables", len(tables))
    for table in tables:
        assert table["ready"] and table["rows"] > 0
        assert len(table["caption"]) > len("Table: "), table


@pytest.mark.parametrize("name", PAGES)
def test_every_formula_is_typeset(visits, record_property, name):
    seen = visits[name].wide
    record_property("formulas", seen["formulas"])
    assert seen["raw"] == []
    assert seen["wrong"] == []


@pytest.mark.parametrize("name", PAGES)
def test_wide_formulas_begin_within_reach(visits, name):
    """What lies left of a box that scrolls cannot be scrolled to."""
    assert visits[name].narrow["unreachable"] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_internal_link_is_alive(visits, record_property, name):
    links = sorted({link for link in visits[name].wide["links"] if link.startswith("file:")})
    record_property("links", len(links))
    assert [link for link in links if not _alive(link, visits)] == []


def _alive(link: str, visits: dict[str, Visit]) -> bool:
    parts = urlsplit(link)
    path = Path(url2pathname(parts.path))
    if not path.is_file():
        return False
    page = path.relative_to(HTML).with_suffix("").as_posix()
    if not parts.fragment or page not in visits:
        return True
    return unquote(parts.fragment) in visits[page].wide["ids"]


@pytest.mark.parametrize("name", PAGES)
def test_every_picture_has_a_description(visits, name):
    assert visits[name].wide["unlabelled"] == []


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_that_is_ours(visits, record_property, name):
    ours = [
        finding
        for finding in visits[name].findings
        if finding.impact not in TOLERATED_IMPACT
        and (finding.rule, finding.target) not in THEMES_OWN
    ]
    assert ours == []


def test_what_is_left_to_the_theme_is_there_and_the_book_says_so(visits):
    found = {(each.rule, each.target) for visit in visits.values() for each in visit.findings}
    assert found >= THEMES_OWN, "mended by now? Then delete it from the list"
    page = (ROOT / "notebooks" / "99_made.md").read_text(encoding="utf-8")
    assert all(f"`{rule}`" in page for rule, _ in THEMES_OWN)


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_needs_no_sideways_scrolling(visits, record_property, name):
    record_property("pages", 1)
    seen = visits[name].narrow
    assert seen["overflow"] <= 0, f"sticks out: {seen['wide']}"


def _pages_with_charts(visits: dict[str, Visit]) -> list[str]:
    return [name for name, visit in visits.items() if visit.wide["charts"]]


def test_charts_follow_the_mode_of_the_page(visits):
    for name in _pages_with_charts(visits):
        light, dark = visits[name].inks
        assert light and dark and light != dark, name


def test_pictures_stand_in_without_javascript(visits, browser):
    for name in _pages_with_charts(visits):
        context = offline_context(browser, Log(), viewport=PHONE, java_script_enabled=False)
        page = context.new_page()
        page.goto((HTML / f"{name}.html").as_uri())
        boxes = [picture.bounding_box() for picture in page.locator(".scs-chart img").all()]
        shown = [box for box in boxes if box is not None]
        assert len(shown) >= len(visits[name].wide["charts"])
        assert all(box["width"] > 50 and box["height"] > 20 for box in shown)
        context.close()


def test_the_first_page_is_found(visits, browser):
    log = Log()
    context = offline_context(browser, log)
    page = context.new_page()
    page.goto((HTML / "index.html").as_uri())
    page.wait_for_url(f"**/{PAGES[0]}.html")
    assert log == Log()
    context.close()
