"""One look for every chart of the book: colours, fonts, and how charts are stored.

The colours come from Okabe and Ito's palette, which readers with any of the common colour-vision
deficiencies can tell apart. Its pale tones are darkened here until every colour has a contrast of
at least 3:1 on the light and on the dark page. Yellow and orange are left out: so darkened, they
look like vermillion to a reader with deuteranopia.
"""

from types import MappingProxyType

import altair as alt

from scs.report.render import register_renderer

#: The colours of the book. In order blue, vermillion, bluish green, reddish purple, sky blue, and a
#: grey for what is only context. All keep a good contrast on the light and on the dark page.
PALETTE = (
    "#0072B2",  # blue
    "#D55E00",  # vermillion
    "#009E73",  # bluish green
    "#C2679A",  # reddish purple, darkened
    "#3B91C4",  # sky blue, darkened
    "#7A7A7A",  # grey, for what is only context
)

#: The colour of each method, by its name in charts. It is the same in every chart of the book.
METHOD_COLOURS = MappingProxyType(
    {
        "OLS": "#C2679A",
        "LMM (Gaussian)": "#0072B2",
        "LMM (Laplace)": "#009E73",
        "MIO": "#D55E00",
    }
)

# Grey that reads on white and on the dark page alike: the page may change mode after the drawing.
INK = "#4D4D4D"
GRID = "#E3E3E3"


def method_scale() -> alt.Scale:
    """Return the colour scale that gives each method its own colour.

    Returns
    -------
    altair.Scale
        For ``alt.Color("method:N", scale=method_scale())``; the legend keeps the paper's order.
    """
    return alt.Scale(domain=list(METHOD_COLOURS), range=list(METHOD_COLOURS.values()))


@alt.theme.register("scs", enable=False)
def _theme() -> alt.theme.ThemeConfig:
    return alt.theme.ThemeConfig(
        {
            "config": {
                "background": "white",
                "font": "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif",
                "view": {"continuousWidth": 600, "continuousHeight": 300, "stroke": None},
                "axis": {
                    "labelColor": INK,
                    "titleColor": INK,
                    "tickColor": INK,
                    "domainColor": INK,
                    "gridColor": GRID,
                    "labelFontSize": 12,
                    "titleFontSize": 13,
                    "titleFontWeight": "normal",
                    "labelLimit": 140,
                },
                "legend": {
                    "labelColor": INK,
                    "titleColor": INK,
                    "labelFontSize": 12,
                    "titleFontSize": 13,
                    "titleFontWeight": "normal",
                    # Above the plot, so that a phone's width is left to the data.
                    "orient": "top",
                },
                "header": {"labelColor": INK, "titleColor": INK, "labelFontSize": 12},
                "title": {"color": INK, "anchor": "start", "fontSize": 14},
                "text": {"color": INK, "fontSize": 12},
                "rule": {"color": INK},
                "range": {
                    "category": list(PALETTE),
                    "heatmap": {"scheme": "viridis"},  # type: ignore[typeddict-item]
                    "ramp": {"scheme": "viridis"},  # type: ignore[typeddict-item]
                },
                "mark": {"color": PALETTE[0]},
                "line": {"strokeWidth": 2},
                "point": {"size": 60, "filled": True},
            }
        }
    )


def enable() -> None:
    """Use the book's theme and renderer for every chart displayed from now on.

    Call it once, in the imports cell of a notebook.
    """
    alt.theme.enable("scs")
    # Data stay inline: named apart, they would carry a hash of digits that the renderer rounds off,
    # and another CPU's last digit would change the stored chart.
    alt.data_transformers.consolidate_datasets = False
    register_renderer()
    alt.renderers.enable("scs")
