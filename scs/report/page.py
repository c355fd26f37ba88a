"""The frame of a report: HTML that reads on a phone, in the dark, aloud, and on paper."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --soft: #59626d; --page: #fff; --line: #d5dae0; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ed; --soft: #a5b0bc; --page: #14181e; --line: #3a434e; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); line-height: 1.5;
  font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 48rem; margin: 0 auto; padding: 1rem; overflow-wrap: break-word; }
h1 { line-height: 1.2; }
h2 { margin: 2.2rem 0 .5rem; border-top: 1px solid var(--line); padding-top: 1.2rem; }
.region { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .92rem; }
caption { text-align: left; color: var(--soft); padding: .2rem 0 .4rem; }
th, td { padding: .2rem .7rem .2rem 0; text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; vertical-align: top; }
thead th { border-bottom: 1px solid var(--line); }
th:first-child, td.text { text-align: left; }
td.text { white-space: normal; }
tbody th { font-weight: 600; }
figure { margin: 1rem 0; }
figure svg { display: block; max-width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .92rem; margin-top: .4rem; }
.narrow { display: none; }
@media (max-width: 46rem) { .wide { display: none; } .narrow { display: block; } }
@media print {
  @page { margin: 12mm; }
  html { font-size: 8pt; }
  body { line-height: 1.3; }
  main { max-width: none; padding: 0; }
  .wide { display: none; } .narrow { display: block; }
  h1 { margin: 0 0 .4rem; }
  h2 { margin: .7rem 0 .2rem; padding-top: .3rem; }
  p, .region, figure { margin: .3rem 0; }
  figure { display: inline-block; width: 48%; margin-right: 1%; vertical-align: top;
    break-inside: avoid; }
  figure svg { max-height: 62mm; width: auto; }
  th, td { padding: 0 .5rem 0 0; }
  details:not([open]) { display: none; }
  ul.tree { columns: 2; }
}
ul.tree, ul.tree ul { list-style: none; padding-left: 1rem; border-left: 1px solid var(--line); }
ul.tree { padding-left: .3rem; border: 0; }
.effect { color: var(--soft); }
summary { cursor: pointer; padding: .3rem 0; }
:focus-visible { outline: 2px solid #3b91c4; outline-offset: 2px; }
"""

# The page needs nothing from anywhere, and a browser is told to hold it to that.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(title: str, parts: Sequence[str]) -> str:
    """Return a whole HTML document."""
    body = "\n".join(parts)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
{body}
</main>
</body>
</html>
"""


def section(heading: str, content: str) -> str:
    """Return content below a heading of the second level."""
    return f"<section>\n<h2>{escape(heading)}</h2>\n{content}\n</section>"


def closed(said: str, content: str) -> str:
    """Return content that a click on what is said opens."""
    return f"<details><summary>{said}</summary>{content}</details>"


def paragraph(text: str) -> str:
    """Return text as a paragraph."""
    return f"<p>{escape(text)}</p>\n"


def region(table: str) -> str:
    """Return a table in a frame that scrolls by itself, also with the keyboard."""
    return f'<div class="region" tabindex="0">{table}</div>\n'
