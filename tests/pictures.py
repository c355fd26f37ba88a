"""Write a picture of every page of the built book: desktop and phone, light and dark.

Run by `make pictures`; the pictures are in _build/pictures.
"""

import sys

from browser import (
    CHROMIUM,
    DESKTOP,
    NO_CHROMIUM,
    PHONE,
    ROOT,
    Log,
    chromium,
    offline_context,
    settle,
    show,
    toc_pages,
    watched_page,
)


def main() -> int:
    """Take the pictures."""
    if CHROMIUM is None:
        print(NO_CHROMIUM, file=sys.stderr)
        return 2
    folder = ROOT / "_build" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for size_name, size in {"desktop": DESKTOP, "phone": PHONE}.items():
            for mode in ("light", "dark"):
                log = Log()
                context = offline_context(browser, log, viewport=size, color_scheme=mode)
                for name in toc_pages():
                    page = watched_page(context, log)
                    show(page, name)
                    path = folder / f"{name.replace('/', '-')}-{size_name}-{mode}.png"
                    # A window as high as the page: to take a whole page the browser changes the
                    # width for a moment, and charts would be drawn for that.
                    height = page.evaluate("() => document.documentElement.scrollHeight")
                    page.set_viewport_size({**size, "height": height})
                    if moving := settle(page):
                        print(f"{path.name}: not at rest: {moving}", file=sys.stderr)
                    page.screenshot(path=path)
                    print(path)
                    page.close()
                context.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
