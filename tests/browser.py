"""Open pages of the built book in Chromium, with no way out to a network."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Request,
    TimeoutError,
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

# To be added to a page: the theme moves and fades for up to 0.4 seconds.
NO_FADING = "*, *::before, *::after { transition: none !important; animation: none !important }"

# Formulas and charts are ready; a chart inside something closed is drawn when that opens.
READY = """() => {
  if ([...document.querySelectorAll('.math')].some(m => !m.querySelector('mjx-container')))
    return false;
  const open = [...document.querySelectorAll('.scs-chart')].filter(c => c.offsetParent !== null);
  return open.every(c => c.querySelector('.scs-chart-view svg'));
}"""

# Once it has the width it will have, a chart is drawn a few times over until it fits.
DRAWN = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  await frame();
  await frame();
  await Promise.all([...document.querySelectorAll('.scs-chart')].map(c => c.turn));
}"""


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
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def offline_context(browser: Browser, log: Log, **options: Any) -> BrowserContext:
    """Make a browser context without a network that notes every request but those for files."""
    context = browser.new_context(**options)
    context.set_offline(True)

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


def show(page: Page, name: str) -> None:
    """Go to a page of the book and wait until it is drawn, or plainly will not be."""
    page.goto((HTML / f"{name}.html").as_uri(), wait_until="load")
    with suppress(TimeoutError):  # the tests say what is missing
        page.wait_for_function(READY, timeout=20_000)
    page.evaluate(DRAWN)
