"""Print the whole book to one PDF, through Chromium: charts as they are drawn, formulas as typeset.

Run by `make pdf`, which builds the book as one page first; the PDF is _build/book.pdf.
"""

import sys
from pathlib import Path

from browser import CHROMIUM, NO_CHROMIUM, READY, ROOT, Log, chromium, offline_context
from playwright.sync_api import Browser

SINGLE = ROOT / "_build" / "singlehtml" / "book" / "intro.html"
MARGIN_MM = 16
WIDTH_PX = round((210 - 2 * MARGIN_MM) / 25.4 * 96)  # of A4's text, at CSS's 96 pixels an inch
_MINUTES = 60_000

_FOOTER = (
    '<div style="width: 100%; text-align: center; font: 8px sans-serif; color: #555">'
    '<span class="pageNumber"></span> of <span class="totalPages"></span></div>'
)
# Parameters are told; folded code stays folded, as the page shows it.
_UNFOLD = "() => document.querySelectorAll('details.sd-dropdown').forEach(d => { d.open = true })"


def print_page(browser: Browser, page_file: Path, target: Path) -> int:
    """Print one HTML file; return how many charts it shows.

    Parameters
    ----------
    browser : Browser
    page_file, target : Path

    Raises
    ------
    RuntimeError
        Something on the page failed, or would have needed a network.
    """
    log = Log()
    # As wide as the paper from the start, so that charts are drawn at the size they are printed.
    size = {"width": WIDTH_PX, "height": 1000}
    context = offline_context(browser, log, viewport=size, color_scheme="light")
    page = context.new_page()
    page.on("pageerror", lambda error: log.errors.append(str(error)))
    page.emulate_media(media="print")
    page.goto(page_file.as_uri(), wait_until="load", timeout=2 * _MINUTES)
    page.evaluate(_UNFOLD)
    page.wait_for_function(READY, timeout=5 * _MINUTES)
    page.wait_for_timeout(500)  # a drawing under way at another width gives way to the last one
    n_charts = page.locator(".scs-chart svg").count()
    margin = {side: f"{MARGIN_MM}mm" for side in ("top", "right", "bottom", "left")}
    page.pdf(
        path=target,
        format="A4",
        margin=margin,
        print_background=True,
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=_FOOTER,
        outline=True,
        tagged=True,
    )
    context.close()
    if log != Log():
        raise RuntimeError(f"{page_file.name}: {log}")
    return n_charts


def main() -> int:
    """Print the book."""
    if CHROMIUM is None:
        print(NO_CHROMIUM, file=sys.stderr)
        return 2
    target = ROOT / "_build" / "book.pdf"
    with chromium() as browser:
        n_charts = print_page(browser, SINGLE, target)
    print(f"{n_charts} charts, {target.stat().st_size / 1e6:.1f} MB")
    print(target.as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
