"""Every page of the built book in Chromium, with the network cut."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
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
    PHONE,
    ROOT,
    Log,
    Page,
    chromium,
    offline_context,
    settle,
    show,
    toc_pages,
    watched_page,
)
from bs4 import BeautifulSoup

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)]

PAGES = [*toc_pages(), "genindex", "search"]

# What axe-core finds in the theme and we leave: rule and element, on any page. The book's page on
# how it was made lists them too.
THEMES_OWN = {
    ("region", ".sidebar-primary-items__start > .sidebar-primary-item:nth-child(1)"),
}
TOLERATED_IMPACT = {"minor"}  # of findings that are ours

# What a reader would see, read from the drawn page in one go.
_SEEN = r"""() => ({
  links: [...document.querySelectorAll('a[href]')]
    .map(a => new URL(a.getAttribute('href'), location).href),
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
       reached: t.querySelector('[role=region]')?.tabIndex === 0,
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

# axe-core would take half a minute for the 700 rows of the ledger. What differs from a sibling
# before it by its text alone (tokens of code: from any before it) passes or fails with it, so three
# of each kind are left, as rows are striped.
_THIN = """() => {
  const values = new Set(['class', 'style', 'role', 'type', 'tabindex', 'aria-hidden']);
  const numbers = new Map(), looks = new Map();
  const look = e => {
    if (looks.has(e)) return looks.get(e);
    const attributes = [...e.attributes].map(a => values.has(a.name) ? a.name + a.value : a.name);
    const empty = !e.textContent.trim();
    const words = [e.tagName, empty, attributes, ...[...e.children].map(look)].join('|');
    if (!numbers.has(words)) numbers.set(words, numbers.size);
    looks.set(e, numbers.get(words));
    return looks.get(e);
  };
  const thin = elements => {
    const seen = new Map();
    for (const e of elements) {
      seen.set(look(e), (seen.get(look(e)) ?? 0) + 1);
      if (seen.get(look(e)) > 3) e.remove();
    }
  };
  look(document.body);
  thin(document.querySelectorAll('pre span'));
  for (const parent of document.querySelectorAll('body *')) thin([...parent.children]);
}"""

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
    """A page opened on a narrow screen, then widened."""

    name: str
    narrow: dict[str, Any]
    wide: dict[str, Any]
    moving: list[str]  # what did not come to rest before it was read


@dataclass(frozen=True)
class Look:
    """The same page looked at closer, its folded parts open, in light and in dark."""

    findings: list[Finding]  # of axe-core
    inks: tuple[str | None, str | None]  # colour of the charts' labels in light and in dark mode
    pictures: list[dict[str, float]]  # boxes of what stands in for charts without JavaScript
    moving: list[str]
    log: Log  # of the visit too


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@dataclass(frozen=True)
class Windows:
    """Two windows for all pages, the second without JavaScript: new ones take a second each."""

    page: Page
    log: Log
    plain: Page


@pytest.fixture(scope="module")
def windows(browser) -> Windows:
    log = Log()
    context = offline_context(browser, log, viewport=PHONE, color_scheme="light")
    plain = offline_context(browser, Log(), viewport=PHONE, java_script_enabled=False)
    return Windows(watched_page(context, log), log, plain.new_page())


@pytest.fixture(scope="module", params=PAGES)
def visit(windows, request) -> Visit:
    """Open each page once, for all its tests; workers share the pages out (see conftest.py)."""
    if not (HTML / "index.html").exists():
        pytest.fail("the book is not built: run `make book` first")
    page, log = windows.page, windows.log
    log.requests.clear()
    log.errors.clear()
    page.set_viewport_size(PHONE)
    moving = [show(page, request.param)]
    narrow = page.evaluate(_SEEN)
    page.set_viewport_size(DESKTOP)
    moving.append(settle(page))
    wide = page.evaluate(_SEEN)
    return Visit(request.param, narrow, wide, [*filter(None, moving)])


@pytest.fixture(scope="module")
def look(windows, visit) -> Look:
    """Go on with the page that `visit` has left open."""
    page, log = windows.page, windows.log
    page.evaluate("() => document.querySelectorAll('details').forEach(d => { d.open = true })")
    moving = [settle(page)]
    page.evaluate(_THIN)
    light, findings = page.evaluate(_INK), _violations(page, {})
    page.evaluate("() => { document.documentElement.dataset.theme = 'dark' }")
    moving.append(settle(page))
    inks = (light, page.evaluate(_INK))
    findings += _violations(page, _OF_COLOURS)
    pictures = _stand_ins(windows.plain, visit.name) if visit.wide["charts"] else []
    log = Log([*log.requests], [*log.errors])
    return Look(findings, inks, pictures, [*filter(None, moving)], log)


def _stand_ins(page: Page, name: str) -> list[dict[str, float]]:
    """Where charts' pictures are shown to a reader without JavaScript."""
    page.goto((HTML / f"{name}.html").as_uri())
    boxes = [picture.bounding_box() for picture in page.locator(".scs-chart img").all()]
    return [box for box in boxes if box is not None]


def _violations(page: Any, options: dict[str, Any]) -> list[Finding]:
    # Without preload axe-core does not fetch the style sheets, which a page of files may not.
    options = {"resultTypes": ["violations"], "preload": False, **options}
    return [
        Finding(violation["id"], str(node["target"][-1]), violation["impact"], node["html"][:200])
        for violation in Axe().run(page, options=options).response["violations"]
        for node in violation["nodes"]
    ]


def test_no_request_leaves_and_no_error_is_logged(look):
    assert look.log == Log()


def test_all_is_read_at_rest(visit, look):
    assert visit.moving + look.moving == []


def test_every_chart_is_drawn_described_and_fits(visit, record_property):
    record_property("charts", len(visit.wide["charts"]))
    for chart in visit.wide["charts"] + visit.narrow["charts"]:
        assert chart["role"] == "img" and chart["label"].strip()
        assert chart["width"] > 50 and chart["height"] > 20 and chart["marks"] > 0, chart
        assert chart["width"] <= chart["room"] + 1, f"wider than its place: {chart}"
        assert chart["cut"] == [], f"titles cut off: {chart}"


def test_every_table_is_named_and_can_be_sorted(visit, record_property):
    tables = visit.wide["tables"]
    record_property("tables", len(tables))
    for table in tables:
        assert table["ready"] and table["rows"] > 0
        assert table["reached"], "a keyboard cannot scroll it"
        assert len(table["caption"]) > len("Table: "), table


def test_every_formula_is_typeset(visit, record_property):
    seen = visit.wide
    record_property("formulas", seen["formulas"])
    assert seen["raw"] == []
    assert seen["wrong"] == []


def test_wide_formulas_begin_within_reach(visit):
    """What lies left of a box that scrolls cannot be scrolled to."""
    assert visit.narrow["unreachable"] == []


def test_every_internal_link_is_alive(visit, record_property):
    links = sorted({link for link in visit.wide["links"] if link.startswith("file:")})
    record_property("links", len(links))
    assert [link for link in links if not _alive(link)] == []


def _alive(link: str) -> bool:
    parts = urlsplit(link)
    path = Path(url2pathname(parts.path))
    if not path.is_file():
        return False
    return not parts.fragment or unquote(parts.fragment) in _anchors(path)


@cache
def _anchors(path: Path) -> set[str]:
    soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    return {element["id"] for element in soup.find_all(id=True)}


def test_every_picture_has_a_description(visit):
    assert visit.wide["unlabelled"] == []


def test_axe_finds_nothing_that_is_ours(look):
    found = {
        (finding.rule, finding.target): finding
        for finding in look.findings
        if finding.impact not in TOLERATED_IMPACT
    }
    assert [finding for at, finding in found.items() if at not in THEMES_OWN] == []
    assert found.keys() >= THEMES_OWN, "mended by now? Then delete it from the list"


def test_the_book_says_what_is_left_to_the_theme():
    page = (ROOT / "notebooks" / "99_made.md").read_text(encoding="utf-8")
    assert all(f"`{rule}`" in page for rule, _ in THEMES_OWN)


def test_a_phone_needs_no_sideways_scrolling(visit, record_property):
    record_property("pages", 1)
    seen = visit.narrow
    assert seen["overflow"] <= 0, f"sticks out: {seen['wide']}"


def test_charts_follow_the_mode_of_the_page(visit, look):
    light, dark = look.inks
    charts = bool(visit.wide["charts"])
    assert (bool(light), bool(dark), light != dark) == (charts, charts, charts)


def test_pictures_stand_in_without_javascript(visit, look):
    assert len(look.pictures) >= len(visit.wide["charts"])
    assert all(box["width"] > 50 and box["height"] > 20 for box in look.pictures)


def test_the_first_page_is_found(browser):
    log = Log()
    context = offline_context(browser, log)
    page = context.new_page()
    page.goto((HTML / "index.html").as_uri())
    page.wait_for_url(f"**/{PAGES[0]}.html")
    assert log == Log()
    context.close()


def test_a_request_is_noticed(browser, tmp_path):
    """Else a page that asks for something would pass."""
    (tmp_path / "page.html").write_text("<img alt='' src='https://example.org/a.png'>")
    log = Log()
    context = offline_context(browser, log)
    page = context.new_page()
    with page.expect_event("requestfailed"):
        page.goto((tmp_path / "page.html").as_uri())
    assert log.requests == ["https://example.org/a.png"]
    context.close()
