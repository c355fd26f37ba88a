"""Print the whole book to one PDF, through Chromium: charts as they are drawn, formulas as typeset.

Run by `make pdf`, which builds the book as one page first; the PDF is _build/book.pdf.
"""

import sys
from pathlib import Path
from typing import Any

from browser import (
    CHROMIUM,
    NO_CHROMIUM,
    ROOT,
    Log,
    chromium,
    keep_still,
    offline_context,
    settle,
    toc_pages,
)
from playwright.sync_api import Browser

SINGLE = ROOT / "_build" / "singlehtml"
MARGIN_MM = 16
WIDTH_PX = round((210 - 2 * MARGIN_MM) / 25.4 * 96)  # of A4's text, at CSS's 96 pixels an inch

_FOOTER = (
    '<div style="width: 100%; text-align: center; font: 8px sans-serif; color: #555">'
    '<span class="pageNumber"></span> of <span class="totalPages"></span></div>'
)
# Parameters are told; folded code stays folded, as the page shows it.
_UNFOLD = "() => document.querySelectorAll('details.sd-dropdown').forEach(d => { d.open = true })"


def one_page(folder: Path, first: str) -> Path:
    """Put Sphinx's single page where its own addresses are right; return it.

    Sphinx writes it under the first page's name, in that page's folder, but with addresses as seen
    from the top, and refers to its own parts through that name.
    """
    text = (folder / f"{first}.html").read_text(encoding="utf-8")
    moved = folder / "book.html"
    moved.write_text(text.replace(f'href="{first}.html#', 'href="#'), encoding="utf-8")
    return moved


# What is seen of each chart: its axis titles, and the colours of its marks.
_CHARTS = """() => [...document.querySelectorAll('.scs-chart svg')].map(svg => ({
  titles: [...svg.querySelectorAll('.role-axis-title text')].map(t => t.textContent),
  colours: [...new Set([...svg.querySelectorAll('[class*="mark-"].role-mark path')]
    .flatMap(p => [p.getAttribute('fill'), p.getAttribute('stroke')])
    .filter(c => /^#[0-9a-f]{6}$/i.test(c ?? '')))],
}))"""


def print_page(browser: Browser, page_file: Path, target: Path) -> list[dict[str, Any]]:
    """Print one HTML file; return what its charts show.

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
    page.goto(page_file.as_uri(), wait_until="load")
    keep_still(page)
    page.evaluate(_UNFOLD)
    if moving := settle(page):
        log.errors.append(f"not at rest: {moving}")
    charts = page.evaluate(_CHARTS)
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
    return charts


def main() -> int:
    """Print the book."""
    if CHROMIUM is None:
        print(NO_CHROMIUM, file=sys.stderr)
        return 2
    target = ROOT / "_build" / "book.pdf"
    with chromium() as browser:
        charts = print_page(browser, one_page(SINGLE, toc_pages()[0]), target)
    print(f"{len(charts)} charts, {target.stat().st_size / 1e6:.1f} MB")
    print(target.as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
