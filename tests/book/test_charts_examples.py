"""The charts of the data examples draw what they are given."""

import numpy as np
import pandas as pd
import pytest

from scs.book.charts.examples import (
    _log_values,
    concordance_chart,
    coverage_chart,
    effect_histograms,
    protein_chart,
)

RNG = np.random.default_rng(0)
EFFECTS = pd.DataFrame(
    {
        "LMM (Gaussian)": RNG.normal(size=40),
        "MIO": np.where(np.arange(40) < 30, 0.0, RNG.normal(size=40)),
    }
)


def _data(chart):
    """All rows of a chart, whatever layer holds them, inline or set apart."""
    spec = chart.to_dict()
    layers = [spec, *spec.get("layer", []), spec.get("spec", {}), *spec.get("hconcat", [])]
    inline = [layer.get("data", {}).get("values", []) for layer in layers]
    apart = [values for values in spec.get("datasets", {}).values()]
    return pd.DataFrame([row for values in inline + apart for row in values])


def test_histograms_count_every_effect_once():
    chart = effect_histograms(EFFECTS, width=0.5, unit="points", description="two")
    table = _data(chart)
    counts = table.groupby("method")["clusters"].sum()
    assert counts["LMM (Gaussian)"] == 40 and counts["MIO"] == 10
    assert set(table["title"]) == {"LMM (Gaussian)", "MIO, 30 more at exactly 0"}
    for method in EFFECTS:
        bins = table[table["method"] == method]
        for _, row in bins.iterrows():
            inside = EFFECTS[method].between(row["from"], row["to"], inclusive="left")
            assert (inside & (EFFECTS[method] != 0)).sum() == row["clusters"]


def test_concordance_colours_the_ends_of_the_ranking():
    ranking = pd.Series(np.arange(40.0))
    chart = concordance_chart(EFFECTS, [("LMM (Gaussian)", "MIO")], ranking, description="one pair")
    table = _data(chart)
    assert table["by raw average"].value_counts().to_dict() == {
        "between": 32,
        "top tenth": 4,
        "bottom tenth": 4,
    }
    top = table.loc[table["by raw average"] == "top tenth", "x"]
    assert sorted(top) == sorted(EFFECTS["LMM (Gaussian)"].iloc[36:].round(2))


def _errors():
    rows = [("a", "OLS"), ("a", "MIO"), ("b", "OLS"), ("b", "MIO")]
    table = pd.DataFrame(rows, columns=["protein", "method"])
    return table.assign(mean=2e-3, low=1e-3, high=4e-3, published=[1e-3, np.nan, 1e-3, 1e-3])


def test_protein_chart_draws_published_values_where_there_are_some():
    spec = protein_chart(_errors(), unit="error", description="two").to_dict()
    assert len(spec["layer"]) == 3
    assert spec["layer"][2]["transform"] == [{"filter": "isValid(datum.published)"}]
    assert spec["layer"][2]["encoding"]["x"]["field"] == "published"


def test_protein_chart_has_a_panel_for_each_question_in_order():
    table = pd.concat([_errors().assign(question=name) for name in ("z first", "a second")])
    spec = protein_chart(table, unit="ratio", description="two", panels="question").to_dict()
    assert spec["facet"]["row"]["sort"] == ["z first", "a second"]
    assert spec["description"] == "two"


def test_coverage_chart_stays_between_nothing_and_all():
    table = pd.DataFrame(
        {"size": [1.0, 2.0], "intervals": ["a", "a"], "rate": [0.01, 0.99], "error": [0.05, 0.05]}
    )
    spec = coverage_chart(table, level=0.95, x_title="size", description="one")
    drawn = _data(spec)
    assert drawn["low"].min() == 0.0 and drawn["high"].max() == 1.0


def test_coverage_chart_labels_the_sizes_that_there_are():
    table = pd.DataFrame(
        {"size": [0.5, 4.0], "intervals": ["a", "a"], "rate": [0.5, 0.9], "error": [0.05, 0.05]}
    )
    spec = coverage_chart(table, level=0.95, x_title="size", description="one").to_dict()
    assert spec["layer"][1]["encoding"]["x"]["axis"]["values"] == [0.5, 4.0]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (4e-5, 6e-3, [1e-4, 3e-4, 1e-3, 3e-3]),
        (1e-12, 3e-5, [1e-12, 1e-10, 1e-8, 1e-6]),
        (0.3, 5.5, [0.5, 1.0, 2.0, 5.0]),
        (1e-3, 0.5, [1e-3, 1e-2, 1e-1]),
    ],
)
def test_log_axes_have_few_round_numbers(low, high, expected):
    assert _log_values(low, high) == expected
