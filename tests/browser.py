"""Open pages of the built book in Chromium, with no way out to a network."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Request,
    sync_playwright,
)

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)
NO_CHROMIUM = "Chromium is not installed: the pages were not opened (Debian: apt install chromium)"

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}

# Quiet: a browser that looks for updates or syncs would make requests that are not the page's.
_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Milliseconds for what takes long on a slow or busy machine; only a fault uses them up.
PATIENCE = 300_000

# The theme moves and fades for up to 0.4 seconds.
_NO_FADING = "*, *::before, *::after { transition: none !important; animation: none !important }"

# Waits until a page is at rest; returns what is not, or nothing. At rest: the window has its size,
# formulas and fonts are there, nothing slides or fades, every open chart is drawn for the width
# that it has and no drawing is under way, and for some frames nothing of that has changed. (A chart
# inside something closed is drawn when that opens.)
_AT_REST = """async ({ size, frames, patience }) => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const drawings = new Map(); // the last drawing of each chart that was seen
  let underWay = 0;
  const follow = (chart) => {
    if (!chart.turn || drawings.get(chart) === chart.turn) return;
    drawings.set(chart, chart.turn);
    underWay += 1;
    chart.turn.finally(() => { underWay -= 1; });
  };
  const room = (chart) => chart.querySelector('.scs-chart-view').clientWidth;
  const moving = (charts) => {
    if (innerWidth !== size.width || innerHeight !== size.height) return 'the window';
    if (document.fonts.status !== 'loaded') return 'fonts';
    if (all('.math').some(m => !m.querySelector('mjx-container'))) return 'formulas';
    if (document.getAnimations().some(a => a.playState === 'running')) return 'a transition';
    if (charts.some(c => !c.querySelector('.scs-chart-view svg'))) return 'charts not drawn';
    if (charts.some(c => Math.abs(room(c) - c.width) > 1)) return 'charts of another width';
    return underWay ? 'charts being drawn' : '';
  };
  const places = (charts) => JSON.stringify(
    [document.documentElement, ...all('main, article'), ...charts,
     ...charts.map(c => c.querySelector('.scs-chart-view svg')).filter(Boolean)]
      .map(e => e.getBoundingClientRect()).map(b => [b.x, b.width, b.height]));
  const until = performance.now() + patience;
  const end = new Promise(done => setTimeout(done, patience)); // a hidden page has no frames
  let same = 0, before = '', last = 'no frame was drawn';
  while (same < frames && performance.now() < until) {
    await Promise.race([new Promise(requestAnimationFrame), end]);
    all('.scs-chart').forEach(follow);
    const charts = all('.scs-chart').filter(c => c.offsetParent !== null);
    const now = places(charts);
    const what = moving(charts) || (now === before ? '' : 'the layout');
    same = what ? 0 : same + 1;
    last = what || last;
    before = now;
  }
  return same < frames ? last : '';
}"""
_FRAMES = 5


@dataclass
class Log:
    """What a page did that a reader would not see."""

    requests: list[str] = field(default_factory=list)  # that would have left the machine
    errors: list[str] = field(default_factory=list)


def toc_pages() -> list[str]:
    """List the book's pages, as paths below the HTML folder without ending."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return list(_files(toc))


def _files(entry: Any) -> Iterator[str]:
    if isinstance(entry, list):
        for item in entry:
            yield from _files(item)
    elif isinstance(entry, dict):
        yield from (entry[key] for key in ("root", "file") if key in entry)
        for value in entry.values():
            yield from _files(value)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium and end it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=_ARGUMENTS, timeout=PATIENCE
        )
        try:
            yield browser
        finally:
            browser.close()


def offline_context(browser: Browser, log: Log, **options: Any) -> BrowserContext:
    """Make a browser context without a network that notes every request but those for files."""
    context = browser.new_context(**options)
    context.set_offline(True)
    context.set_default_timeout(PATIENCE)

    def note(request: Request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            log.requests.append(request.url)

    context.on("request", note)
    return context


def watched_page(context: BrowserContext, log: Log) -> Page:
    """Make an empty page that notes its errors."""
    page = context.new_page()
    page.on("pageerror", lambda error: log.errors.append(str(error)))
    page.on("console", lambda m: log.errors.append(m.text) if m.type == "error" else None)
    return page


def show(page: Page, name: str) -> str:
    """Go to a page of the book, switch what slides and fades off, and let it come to rest.

    Returns
    -------
    str
        As `settle`.
    """
    page.goto((HTML / f"{name}.html").as_uri(), wait_until="load")
    keep_still(page)
    return settle(page)


def keep_still(page: Page) -> None:
    """Switch off what slides and fades: half moved, a page is nothing that a reader would see."""
    page.add_style_tag(content=_NO_FADING)


def settle(page: Page, patience: int = PATIENCE) -> str:
    """Wait until nothing on a page moves any more, or plainly never will.

    Parameters
    ----------
    page : Page
    patience : int
        Milliseconds.

    Returns
    -------
    str
        What is still not at rest; empty if all is.
    """
    wanted = {"size": page.viewport_size, "frames": _FRAMES, "patience": patience}
    return page.evaluate(_AT_REST, wanted)
