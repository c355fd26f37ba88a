"""Stored charts: exact data, a picture, a description; colours that everybody can tell apart."""

import base64
import itertools
import json
import math

import altair as alt
import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from scs.report.render import CHART_MIME, round_numbers, to_mimebundle
from scs.report.theme import METHOD_COLOURS, PALETTE, enable, method_scale

LIGHT, DARK = "#ffffff", "#14181e"  # the pages of the book's theme


@pytest.fixture
def chart() -> alt.Chart:
    enable()
    table = pd.DataFrame({"x": [1, 2], "y": [1 / 3, 0.1 + 0.2]})
    return alt.Chart(table).mark_point().encode(x="x:Q", y="y:Q")


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_displayed_chart_stores_specification_picture_and_description(chart):
    described = chart.properties(description="Two\n points.")
    bundle = described._repr_mimebundle_()
    assert set(bundle) == {CHART_MIME, "image/png", "text/plain"}
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["text/plain"] == "Two points."
    assert bundle[CHART_MIME]["mark"]["type"] == "point"


def test_chart_without_description_is_refused_with_the_remedy(chart):
    with pytest.raises(ValueError, match=r"no description.*properties\(description="):
        chart._repr_mimebundle_()
    with pytest.raises(ValueError, match="no description"):
        chart.properties(description=" ")._repr_mimebundle_()


def test_a_notebook_with_a_chart_is_valid(chart):
    bundle = chart.properties(description="Two points.")._repr_mimebundle_()
    output = new_output("display_data", data=bundle)
    nbformat.validate(new_notebook(cells=[new_code_cell("chart", outputs=[output])]))


def test_two_drawings_of_the_same_data_are_stored_alike(chart):
    spec = chart.properties(description="Two points.").to_dict()
    assert json.dumps(to_mimebundle(spec)) == json.dumps(to_mimebundle(spec))


def test_stored_numbers_keep_six_digits():
    spec = {
        "a": [0.1 + 0.2, -1e-320 * 0, 1 / 3e9],
        "b": {"c": 7, "d": True, "e": "0.30000000000000004"},
    }
    rounded = round_numbers(spec)
    assert rounded == {"a": [0.3, 0.0, 3.33333e-10], "b": spec["b"]}
    assert str(round_numbers(-0.0)) == "0.0"
    assert spec["a"][0] != 0.3, "the original is untouched"


@pytest.mark.parametrize("colour", sorted({*PALETTE, *METHOD_COLOURS.values()}))
def test_colours_stand_out_on_the_light_and_the_dark_page(colour):
    assert _contrast(colour, LIGHT) >= 3
    assert _contrast(colour, DARK) >= 3


# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
_DEFICIENCIES = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("deficiency", _DEFICIENCIES)
@pytest.mark.parametrize(
    ("colours", "least"),
    [(tuple(METHOD_COLOURS.values()), 15), (PALETTE, 9)],
    ids=["methods", "palette"],
)
def test_colours_can_be_told_apart_with_a_colour_vision_deficiency(colours, least, deficiency):
    seen = [_seen(colour, _DEFICIENCIES[deficiency]) for colour in colours]
    for one, other in itertools.combinations(seen, 2):
        assert math.dist(one, other) > least, "CIELAB distance; 2.3 is just noticeable"


def _seen(colour: str, matrix: list[list[float]]) -> tuple[float, float, float]:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    seen = [min(max(sum(m * c for m, c in zip(row, linear, strict=True)), 0), 1) for row in matrix]
    return _lab(seen)


def _lab(rgb: list[float]) -> tuple[float, float, float]:
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    white = (0.9505, 1.0, 1.089)
    xyz = [sum(m * c for m, c in zip(row, rgb, strict=True)) for row in to_xyz]
    f = [
        (v / w) ** (1 / 3) if v / w > 0.008856 else 7.787 * v / w + 16 / 116
        for v, w in zip(xyz, white, strict=True)
    ]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def test_method_scale_is_the_same_in_every_chart():
    assert list(METHOD_COLOURS) == ["OLS", "LMM (Gaussian)", "LMM (Laplace)", "MIO"]
    scale = method_scale().to_dict()
    assert dict(zip(scale["domain"], scale["range"], strict=True)) == dict(METHOD_COLOURS)
    with pytest.raises(TypeError):
        METHOD_COLOURS["MIO"] = "#000000"
