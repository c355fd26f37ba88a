"""What the book needs of Sphinx and does not find there. Nothing here computes a number.

- pages that need no network: Vega and MathJax come out of installed packages at build time;
- stored charts become page elements that `book/_static/charts.js` draws;
- ``{glue:figure}`` and ``{glue:table}`` number and caption what another chapter computed.
"""

import html
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any, ClassVar

import vl_convert
from docutils import nodes
from docutils.parsers.rst import directives
from myst_nb.core.variables import RetrievalError, render_variable_outputs
from myst_nb.ext.glue.utils import create_pending_glue_ref, glue_warning, retrieve_glue_data
from myst_nb.ext.utils import DirectiveBase
from sphinx.application import Sphinx
from sphinx.config import Config

from scs.report.render import CHART_MIME, VEGALITE

GLUED = "application/papermill.record/"  # what glue(..., display=False) puts before each type

# The combined MathJax file holds all but these: rare TeX extensions and the fonts.
MATHJAX_PARTS = ("tex-chtml.js", "input/tex/extensions", "output/chtml/fonts", "a11y", "sre")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the parts to the build."""
    app.setup_extension("myst_nb")
    app.add_directive_to_domain("glue", "figure", GlueFigure, override=True)
    app.add_directive_to_domain("glue", "table", GlueTable)
    app.connect("config-inited", serve_scripts_locally)
    app.connect("source-read", chart_outputs_to_html)
    app.connect("html-page-context", load_vega_where_needed)
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("html-page-context", drop_false_roles)
    app.add_enumerable_node(
        GluedTable,
        "table",
        html=(visit_glued_table, depart_glued_table),
    )
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


# --- scripts ---------------------------------------------------------------------------------


def serve_scripts_locally(app: Sphinx, config: Config) -> None:
    """Take Vega and MathJax out of their packages into a static folder of this build."""
    static = Path(app.doctreedir).parent / "scs_static"
    static.mkdir(parents=True, exist_ok=True)
    # The bundle's own names must not meet those of the theme's scripts: wrapped in a function.
    bundle = vl_convert.javascript_bundle(vl_version=VEGALITE)
    (static / "vega.js").write_text(f"(() => {{\n{bundle}\n}})();\n", encoding="utf-8")
    for part in MATHJAX_PARTS:
        copy(mathjax_folder() / part, static / "mathjax" / part)
    config.html_static_path.append(str(static))
    config.mathjax_path = "mathjax/tex-chtml.js"


def mathjax_folder() -> Path:
    """Find MathJax 3 in the installed package that carries it."""
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise RuntimeError(
            "sphinx-mathjax-offline: not installed, so formulas would need a network. "
            "Install the book's requirements: pip install -r requirements.txt"
        )
    return Path(spec.origin).parent / "static" / "mathjax"


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder, over what is there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def load_vega_where_needed(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Load the 900 kB of Vega on the pages that draw something, and on no other."""
    if 'class="scs-chart"' in context.get("body", ""):
        app.add_js_file("vega.js", loading_method="defer")
        app.add_js_file("charts.js", loading_method="defer")


def drop_thebe(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Leave out sphinx-thebe's scripts, which Jupyter Book adds to every page.

    The book has no live cells; the scripts come twice and the second one fails in the browser.
    """
    context["script_files"] = [
        script
        for script in context.get("script_files", [])
        if "thebe" not in f"{script.filename} {script.attributes.get('body', '')}".lower()
    ]


def drop_false_roles(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Leave out the roles that docutils gives a bibliography: a list whose entries are no items.

    Screen readers would announce an empty list; axe-core calls that critical.
    """
    body = context.get("body", "").replace(' role="doc-biblioentry"', "")
    context["body"] = body.replace('<div role="list" class="citation', '<div class="citation')


# --- charts ----------------------------------------------------------------------------------


def chart_outputs_to_html(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give every stored chart of a notebook the HTML form that the page shows.

    Done on the notebook's text before MyST-NB reads it, so that cells, figures and glue of this and
    other pages all treat a chart as they treat any HTML output.
    """
    if not app.env.doc2path(docname).endswith(".ipynb"):
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if "data" in output:
                output["data"] = with_page_form(output["data"])
    source[0] = json.dumps(notebook)


def with_page_form(data: dict[str, Any]) -> dict[str, Any]:
    """Replace a chart's specification in an output by HTML; leave any other output alone."""
    for prefix in ("", GLUED):
        if prefix + CHART_MIME in data:
            rest = {key: value for key, value in data.items() if key != prefix + CHART_MIME}
            page = chart_html(
                spec=data[prefix + CHART_MIME],
                png=joined(data[prefix + "image/png"]),
                alt=joined(data[prefix + "text/plain"]),
            )
            return {prefix + "text/html": page, **rest}
    return data


def joined(text: str | list[str]) -> str:
    """Undo nbformat's splitting of text into lines."""
    return text if isinstance(text, str) else "".join(text)


def chart_html(spec: dict[str, Any], png: str, alt: str) -> str:
    """Write a chart as one labelled image: its picture until the script draws over it."""
    label = html.escape(alt, quote=True)
    # "<" inside a script element could end it: written as an escape it is the same JSON.
    specification = json.dumps(spec, separators=(",", ":")).replace("<", "\\u003c")
    return (
        '<div class="scs-chart">'
        f'<div class="scs-chart-view" role="img" aria-label="{label}">'
        f'<img alt="{label}" src="data:image/png;base64,{"".join(png.split())}"/></div>'
        '<div class="scs-chart-controls"></div>'
        f'<script class="scs-chart-spec" type="application/json">{specification}</script>'
        "</div>"
    )


# --- numbered figures and tables from code -----------------------------------------------------


class GluedTable(nodes.figure):
    """A captioned output that counts among the tables."""


class GlueFigure(DirectiveBase):
    """``{glue:figure}``, with a ``:doc:`` option: the output may come from another chapter.

    MyST-NB's own directive of this name finds only what its own page glued.
    """

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar = {"name": directives.unchanged, "doc": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Return the numbered figure, or a warning if nothing was glued under that key."""
        try:
            content = self.glued(self.arguments[0])
        except RetrievalError as error:
            hint = f"{error} Name the chapter that glued it: :doc: path/to/chapter.ipynb"
            return [glue_warning(hint, self.document, self.line)]
        caption, legend = self.caption()
        # The theme styles outputs inside this class only.
        output = nodes.container("", *content, classes=["cell_output"])
        figure = self.arranged(output, caption, legend)
        self.set_source_info(figure)
        self.add_name(figure)
        return [figure]

    def arranged(
        self, output: nodes.Node, caption: list[nodes.Node], legend: list[nodes.Node]
    ) -> nodes.figure:
        """Put a figure's caption below it."""
        return nodes.figure("", output, *caption, *legend)

    def glued(self, key: str) -> list[nodes.Node]:
        """Return the output's nodes, or a reference that is replaced when all pages are read."""
        if doc := self.options.get("doc"):
            return [create_pending_glue_ref(self.document, self.source, self.line, doc, key)]
        data = retrieve_glue_data(self.document, key)
        return render_variable_outputs([data], self.document, self.line, self.source)

    def caption(self) -> tuple[list[nodes.Node], list[nodes.Node]]:
        """Parse the content: its first paragraph is the caption, the rest the legend."""
        parsed = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, parsed)
        if not parsed.children:
            return [], []
        first, *rest = parsed.children
        caption = nodes.caption(first.rawsource, "", *first.children)
        caption.source, caption.line = first.source, first.line
        return [caption], ([nodes.legend("", *rest)] if rest else [])


class GlueTable(GlueFigure):
    """``{glue:table}``: numbered among the tables, with its caption above."""

    def arranged(
        self, output: nodes.Node, caption: list[nodes.Node], legend: list[nodes.Node]
    ) -> GluedTable:
        """Put a table's caption above it."""
        return GluedTable("", *caption, output, *legend, classes=["glued-table"])


def visit_glued_table(self: Any, node: GluedTable) -> None:
    """Write the table as a figure element: its content brings its own table element."""
    self.visit_figure(node)


def depart_glued_table(self: Any, node: GluedTable) -> None:
    """Close the figure element."""
    self.depart_figure(node)
