"""What the first page and the page without code need: a script, a sample report, and its table.

The report and the table are made at build time from the schools of the chapter, by the code that a
reader would use. Nothing here computes a number in another way.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

import scs
from scs.paper.schools import simulate_schools
from scs.report import write_report

REPORT, TABLE = "sample-report.html", "thirty-schools.csv"
_DIGITS = 3  # of the table


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the parts to the build."""
    app.setup_extension("scs_book")
    app.connect("config-inited", make_sample, priority=900)
    app.connect("html-page-context", load_script_where_needed)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def make_sample(app: Sphinx, config: Config) -> None:
    """Write the sample report and the table it is about, where a page of this book shows them."""
    if not (Path(app.srcdir) / "book" / "principal.md").exists():
        return  # the book of one run
    folder = Path(app.doctreedir).parent / "scs_sample"
    folder.mkdir(parents=True, exist_ok=True)
    pupils, _ = simulate_schools()
    pupils.round(_DIGITS).to_csv(folder / TABLE, index=False)
    model = scs.fit("score ~ prior", pupils.round(_DIGITS), groups="school")
    write_report(model, folder / REPORT, source=f"{TABLE}, simulated")
    config.html_static_path.append(str(folder))


def load_script_where_needed(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Load the script and its style on the pages that have the picture."""
    if 'class="scs-schools"' in context.get("body", ""):
        app.add_css_file("schools.css")
        app.add_js_file("schools.js", loading_method="defer")
