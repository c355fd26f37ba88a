"""How a chart is stored in a notebook: exact data for the page, a picture for everything else.

A displayed chart leaves three forms of itself in the notebook:

- the Vega-Lite specification, which the book's pages draw and which nbval compares exactly;
- a PNG, for readers without JavaScript, plain previews and print;
- its description, for screen readers and for text-only terminals.
"""

import base64
import math
from typing import Any

import altair as alt
import vl_convert

# altair's own "…v6.json" is refused by nbformat (a type ending in .json must hold text); "+json" is
# what JupyterLab registers too.
CHART_MIME = "application/vnd.vegalite.v6+json"

# The Vega-Lite that altair writes for, as vl-convert names it ("6.4").
VEGALITE = ".".join(alt.VEGALITE_VERSION.split(".")[:2])

# Digits kept of every number in a chart. Enough for any eye, and few enough that another CPU's
# rounding leaves the stored specification, which nbval compares exactly, unchanged.
SIGNIFICANT_DIGITS = 6

_PICTURE_SCALE = 2  # pixels per point: sharp on phones and in print


def register_renderer() -> None:
    """Make ``alt.renderers.enable("scs")`` possible."""
    alt.renderers.register("scs", to_mimebundle)


def to_mimebundle(spec: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Turn a Vega-Lite specification into what a notebook stores.

    Parameters
    ----------
    spec : dict
        A complete specification, as altair hands it to a renderer.

    Returns
    -------
    dict
        MIME type to content: specification, PNG (base64) and description.

    Raises
    ------
    ValueError
        The chart has no description.
    """
    alt_text = _description(spec)
    rounded = round_numbers(spec)
    return {
        CHART_MIME: rounded,
        "image/png": base64.b64encode(_picture(rounded)).decode("ascii"),
        "text/plain": alt_text,
    }


def round_numbers(value: Any, digits: int = SIGNIFICANT_DIGITS) -> Any:
    """Round every float inside nested lists and dicts to so many significant digits.

    Parameters
    ----------
    value : any JSON value
    digits : int
        Significant digits kept.

    Returns
    -------
    any JSON value
        A copy; integers, text and booleans are untouched, and -0.0 becomes 0.0.
    """
    if isinstance(value, dict):
        return {key: round_numbers(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [round_numbers(item, digits) for item in value]
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.{digits}g}") + 0.0
    return value


def _description(spec: dict[str, Any]) -> str:
    text = spec.get("description")
    if not isinstance(text, str) or not text.strip():
        raise ValueError(
            "chart: it has no description, so a reader who cannot see it gets nothing. "
            'Say in a sentence what it shows: chart.properties(description="...").'
        )
    return " ".join(text.split())


def _picture(spec: dict[str, Any]) -> bytes:
    return vl_convert.vegalite_to_png(spec, vl_version=VEGALITE, scale=_PICTURE_SCALE)
