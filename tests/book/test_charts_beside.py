"""Ours beside the paper's, drawn and listed."""

import numpy as np
import pandas as pd
import pytest

from scs.book import charts
from scs.book.charts.beside import beside_table, recovery_chart, recovery_figure, z_shown
from scs.book.charts.studies import verdicts_chart


@pytest.fixture
def cells():
    rows = [
        ("B1", f"{level}%", "low", method, f"squared error of {name}", share, ours, ours * 2)
        for level, share in ((90, 0.1), (50, 0.5))
        for name in ("beta", "gamma")
        for method, ours in (("OLS", 0.2), ("MIO", 0.001))
    ]
    names = ["table", "row", "dimension", "method", "quantity", "share", "ours", "published"]
    table = pd.DataFrame(rows, columns=names)
    # One bar reaches below 0, which no logarithmic axis can show.
    table["mc_se"] = np.where(table.method == "MIO", 0.0008, 0.01)
    return table.assign(z=1.0, verdict="reproduced")


def test_bars_are_two_standard_errors_and_stay_above_zero(cells):
    charts.enable()
    chart = recovery_figure(cells, "low", x="share", x_title="share", share=True)
    spec = chart.to_dict()
    drawn = pd.DataFrame(spec["data"]["values"])
    ols = drawn[drawn.method == "OLS"]
    np.testing.assert_allclose(ols.high - ols.low, 4 * 0.01)
    assert (drawn.low > 0).all() and (drawn.high > drawn.ours).all()
    assert spec["facet"]["field"] == "quantity" and drawn.quantity.nunique() == 2
    assert "squared error of beta, MIO 2.0" in spec["description"]


def test_truth_is_a_line_of_its_own(cells):
    options = dict(x="share", x_title="x", y_title="y", panel="quantity", description="d")
    plain = recovery_chart(cells, **options).to_dict()
    marked = recovery_chart(cells.assign(true=0.1), truth="true", **options).to_dict()
    assert len(marked["spec"]["layer"]) == len(plain["spec"]["layer"]) + 1
    assert {row["true"] for row in marked["data"]["values"]} == {0.1}


def test_a_dimension_that_was_not_run_is_said_so(cells):
    chart = recovery_figure(cells, "high", x="share", x_title="share")
    assert chart.to_dict()["description"].startswith("not in this run")


def test_table_leaves_out_what_all_cells_share(cells):
    shown = beside_table(cells, name="tab-a", caption="All agree.")
    headings = [column.heading for column in shown.columns]
    assert "table" not in headings and "verdict" in headings
    errors = next(column.texts for column in shown.columns if column.heading == "SE")
    assert set(errors) == {"0.01", "0.0008"}


def test_what_a_cell_says_comes_first_and_its_table_last(cells):
    both = pd.concat([cells, cells.assign(table="B4")])
    shown = beside_table(both, name="tab-a", caption="All agree.", row="true sparsity")
    headings = [column.heading for column in shown.columns]
    assert headings[:4] == ["table, true sparsity", "method", "z", "verdict"]
    assert headings[-1] == "table"
    assert shown.columns[0].texts[0] == "B1, 90%"


def test_the_published_mark_is_hollow_by_its_shape_so_that_the_legend_has_it_too(cells):
    options = dict(x="share", x_title="x", y_title="y", panel="quantity", description="d")
    layers = recovery_chart(cells, **options).to_dict()["spec"]["layer"]
    marks = [layer for layer in layers if "shape" in layer["encoding"]]
    assert all("filled" not in layer["mark"] for layer in marks)
    [shapes] = {tuple(layer["encoding"]["shape"]["scale"]["range"]) for layer in marks}
    assert shapes[0] == "circle" and shapes[1].count("Z") == 2


@pytest.mark.parametrize("factor, has_three", [(1.5, True), (1000.0, False)])
def test_an_axis_of_few_powers_of_ten_has_more_ticks(cells, factor, has_three):
    one = cells[cells.method == "OLS"].assign(mc_se=1e-6)
    one["published"] = one.ours * factor
    chart = recovery_figure(one, "low", x="share", x_title="share").to_dict()
    ticks = chart["spec"]["layer"][0]["encoding"]["y"]["axis"]["values"]
    assert (0.3 in np.round(ticks, 9)) is has_three


def test_no_z_is_a_dash():
    assert z_shown(np.nan) == "\u2013" and z_shown(-3.02) == "-3.02" and z_shown(-3.12) == "-3.1"


def test_unexplained_laplace_cells_have_a_sign_of_their_own(cells):
    table = cells.assign(verdict="differs, unexplained")
    table.loc[table.method == "MIO", "method"] = "LMM (Laplace)"
    spec = verdicts_chart(table, description="d").to_dict()
    [points] = [layer for layer in spec["layer"] if "shape" in layer["encoding"]]
    assert points["encoding"]["shape"]["scale"]["domain"] == [
        "differs, unexplained",
        "LMM (Laplace)",
    ]
