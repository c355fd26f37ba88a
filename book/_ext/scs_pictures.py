"""Pictures that a reader moves, their scripts, and the sample report of the page without code.

The report and its table are made at build time from the schools of the chapter, by the code that a
reader would use. Nothing here computes a number in another way.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

import scs
from scs.book.charts.flow import flow_html
from scs.book.charts.steps import steps_html
from scs.paper.schools import simulate_schools
from scs.report import write_report

REPORT, TABLE = "sample-report.html", "thirty-schools.csv"
_DIGITS = 3  # of the table

Address = Callable[[str], str]  # from the path of a page, without ending, to what a link says


def sample_html(address: Address) -> str:
    """Show the sample report in the page, and offer it and its table."""
    report = address(f"_static/{Path(REPORT).stem}")  # pages too have this ending
    table = report.replace(REPORT, TABLE)
    return "\n".join(
        [
            f'<p><a href="{report}" download>Download the sample report</a> \u00b7',
            f'<a href="{table}" download>Download its table</a>, for the colleague who tries</p>',
            f'<iframe class="sample-report" src="{report}" loading="lazy"',
            ' title="The sample report on thirty schools"></iframe>',
        ]
    )


# The class that a picture has in a page, its style and its script.
SCRIPTS = {
    "scs-schools": ("schools.css", "schools.js"),
    "scs-steps": ("steps.css", "steps.js"),
    "scs-flow": ("steps.css", None),
}
PICTURES: dict[str, Callable[[Address], str]] = {
    "flow": flow_html,
    "sample": sample_html,
    "steps": lambda _: steps_html(),
}


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the parts to the build."""
    app.setup_extension("scs_book")
    app.add_directive("picture", Picture)
    app.connect("config-inited", make_sample, priority=900)
    app.connect("html-page-context", load_scripts_where_needed)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


class Picture(SphinxDirective):
    """``{picture} flow``: what `scs.book.charts` draws as HTML, with links to other pages."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the picture's HTML."""
        builder, here = self.env.app.builder, self.env.docname
        drawn = PICTURES[self.arguments[0]](lambda page: builder.get_relative_uri(here, page))
        return [nodes.raw("", drawn, format="html")]


def make_sample(app: Sphinx, config: Config) -> None:
    """Write the sample report and the table it is about, where a page of this book shows them."""
    if not (Path(app.srcdir) / "book" / "principal.md").exists():
        return  # the book of one run
    folder = Path(app.doctreedir).parent / "scs_sample"
    folder.mkdir(parents=True, exist_ok=True)
    pupils = simulate_schools()[0].round(_DIGITS)
    pupils.to_csv(folder / TABLE, index=False)
    model = scs.fit("score ~ prior", pupils, groups="school")
    write_report(model, folder / REPORT, source=f"{TABLE}, simulated")
    config.html_static_path.append(str(folder))


def load_scripts_where_needed(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Load a picture's script and style on the pages that have it."""
    body = context.get("body", "")
    for name, (style, script) in SCRIPTS.items():
        if f'class="{name}"' in body:
            app.add_css_file(style)
            if script:
                app.add_js_file(script, loading_method="defer")
