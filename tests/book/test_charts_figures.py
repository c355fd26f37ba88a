"""The charts that several chapters draw: what a reader could misread."""

import pandas as pd

from scs.book.charts.figures import caterpillar_chart, named_chart, share_chart


def test_numbers_of_an_axis_do_not_touch():
    effects = pd.DataFrame({"LMM (Gaussian)": [-176.0, 155.0], "MIO": [-168.0, 148.0]}, ["a", "b"])
    spec = caterpillar_chart(effects, unit="dollars", description="two").to_dict()
    axis = spec["layer"][1]["encoding"]["x"]["axis"]
    assert axis["labelSeparation"] > 0 and axis["labelFlush"] is False


def test_places_without_names_say_what_they_are():
    table = pd.DataFrame(
        {"cluster": ["b", "a"], "average": [2.0, 1.0], "low": 0.0, "high": 3.0, "named": ["x", "y"]}
    )
    chart = named_chart(
        table, value="average", unit="score", order_title="lowest first", description="two"
    )
    x = chart.to_dict()["layer"][0]["encoding"]["x"]
    assert x["title"] == "lowest first" and x["sort"] == ["a", "b"]


def test_lines_draw_no_points_of_their_own():
    table = pd.DataFrame({"method": ["MIO", "OLS"], "level": "10%", "zero": [0.5, 0.0]})
    chart = share_chart(
        table, x="level", x_title="level", y="zero", y_title="share", description="two"
    )
    lines, points = chart.to_dict()["layer"]
    assert "shape" not in lines["encoding"] and "shape" in points["encoding"]
