"""Charts of names with an error rate: what a reader reads off them is what was given."""

import numpy as np
import pandas as pd
import pytest

from scs.book.charts.names import background_chart, limits_chart, neighbours_chart

COLOURS = {"named": "#D55E00", "not named": "#7A7A7A"}


def test_bars_hold_every_cluster_once_and_within_their_ends():
    effects = pd.Series([-0.31, -0.1, 0.0, 0.09, 0.1, 1.05])
    kinds = pd.Series(["b", "b", "b", "b", "b", "a"])
    chart = background_chart(
        effects,
        kinds,
        width=0.1,
        unit="marks",
        colours={"a": "#D55E00", "b": "#7A7A7A"},
        description="six",
    )
    bars = chart.data
    assert bars["clusters"].sum() == 6
    assert bars.loc[bars["kind"] == "a", ["low", "high"]].to_numpy().tolist() == [[1.0, 1.1]]
    assert bars.loc[bars["low"] == 0.0, ["bottom", "top"]].to_numpy().tolist() == [[0, 2]]
    for value in effects:
        assert ((bars["low"] <= value) & (value < bars["high"])).any()


def test_limits_are_where_they_say():
    points = pd.DataFrame({"rows": [4, 100], "deviation": [0.5, -0.2], "kind": ["named"] * 2})
    chart = limits_chart(
        points,
        {"closing": (2.0, 0.0), "open": (3.0, 0.25)},
        colours=COLOURS,
        x_title="rows",
        unit="marks",
        description="two",
    )
    curves = chart.layer[0].data
    upper = curves[curves["side"] == 1].set_index(["limits", "rows"])["limit"]
    assert upper["closing", 4.0] == pytest.approx(1.0, abs=1e-3)
    assert upper["closing", 100.0] == pytest.approx(0.2, abs=1e-3)
    assert upper["open", 100.0] == pytest.approx(3 * np.sqrt(0.26), abs=1e-3)


def test_neighbours_keep_their_order_in_both_layers():
    table = pd.DataFrame(
        {
            "cluster": ["z", "a"],
            "kind": ["named", "not named"],
            "value": [1.0, 0.5],
            "range_low": [0.5, 0.1],
            "range_high": [1.5, 0.9],
            "truth": [0.9, 0.4],
        }
    )
    spec = neighbours_chart(table, unit="marks", colours=COLOURS, description="two").to_dict()
    sorts = [layer["encoding"]["y"]["sort"] for layer in spec["layer"] if "y" in layer["encoding"]]
    assert len(sorts) >= 3 and all(sort == ["z", "a"] for sort in sorts)
