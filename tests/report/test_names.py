"""The funnel and the caterpillar of a report, and what its first lines say."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import scs
from scs.estimators.summary import selected_clusters
from scs.report import report_html
from scs.report.caterpillar import MOST, MOST_NAMED, caterpillar, caterpillar_text, neighbours
from scs.report.charts import NARROW, WIDE
from scs.report.funnel import MOST_POINTS, funnel_chart, funnel_of, funnel_text, limits, threshold


def _table(sizes, effects, seed=0, tau=0.2) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    sizes = np.asarray(sizes)
    code = np.repeat(np.arange(len(sizes)), sizes)
    level = np.asarray(effects) + tau * rng.normal(size=len(sizes))
    x = rng.normal(size=len(code))
    y = 1 + x + level[code] + rng.normal(size=len(code))
    return pd.DataFrame({"y": y, "x": x, "unit": [f"unit {k:04d}" for k in code]})


def _effects(n_clusters: int, places: dict[int, float]) -> np.ndarray:
    found = np.zeros(n_clusters)
    found[list(places)] = list(places.values())
    return found


SIZES = np.random.default_rng(5).integers(6, 90, 60)
TABLES = {
    "some": (_table(SIZES, _effects(60, {3: 2.5, 17: -3.0, 41: 2.0})), {}),
    "nobody": (_table(SIZES, np.zeros(60), tau=0.0, seed=4), {}),
    "no background": (_table(SIZES, _effects(60, {3: 2.5})), {"budget": 4, "background": "none"}),
    "predict": (_table(SIZES, _effects(60, {3: 2.5})), {"budget": "predict"}),
    "all": (_table([9] * 5, np.zeros(5)), {"budget": 5}),
    "one cluster": (_table([20], [0.0]), {"budget": 1}),
    "one row each": (_table([1] * 30, _effects(30, {4: 9.0})), {"budget": 2}),
}


@pytest.fixture(scope="module", params=TABLES)
def model(request):
    table, options = TABLES[request.param]
    return scs.fit("y ~ x", table, "unit", **options)


@pytest.fixture(scope="module")
def some():
    return scs.fit("y ~ x", TABLES["some"][0], "unit")


@pytest.fixture(scope="module")
def many():
    rng = np.random.default_rng(1)
    effects = np.where(np.arange(900) < 60, 3.0, 0.0)
    return scs.fit("y ~ 1", _table(rng.integers(5, 60, 900), effects), "unit")


def test_report_of_every_kind_names_all_selected_and_says_no_nan(model):
    page = report_html(model)
    open_table = page.split("<h2>What is proved")[0]
    for label in model.selected:
        assert f'<th scope="row">{label}</th>' in open_table
    assert not re.search(r"\bnan\b", page, flags=re.IGNORECASE)
    assert not re.search(r">-?inf<|Infinity", page)
    heading = re.search(r"<h1>(.*?)</h1>", page)[1]
    assert ("differ" in heading) == (model.fdr is not None and len(model.selected) > 0)


def test_nobody_is_an_answer_that_comes_first():
    table, options = TABLES["nobody"]
    model = scs.fit("y ~ x", table, "unit", **options)
    assert len(model.selected) == 0, "the example is to be one without names"
    main = report_html(model).split("<main>")[1]
    first = re.sub(r"<[^>]+>", " ", main).split()
    assert " ".join(first[:5]) == "No cluster can be named,"
    assert "Nobody can be named" in " ".join(first[:12])
    assert "Clusters that differ" not in main


def test_first_lines_say_names_intervals_and_that_no_other_list_fits_better(some):
    first = report_html(some).split("<section>")[0]
    table = selected_clusters(some)
    assert len(table) == 3
    for label, row in table.iterrows():
        assert f"{label} {row['effect']:+.3g} ({row['low']:.3g} to {row['high']:.3g})" in first
    assert "No other list of at most 3 clusters fits better." in first


def test_a_proved_list_has_no_column_that_reads_as_certainty_of_each_name(some):
    open_table = report_html(some).split("<h2>Named clusters")[1].split("</table>")[0]
    assert ">q</th>" in open_table
    assert "roved" not in open_table
    undecided = some.solution.membership.copy()
    undecided[some.solution.support[0]] = "open"
    doubtful = replace(some, solution=replace(some.solution, membership=undecided))
    open_table = report_html(doubtful).split("<h2>Named clusters")[1].split("</table>")[0]
    assert ">proved</th>" in open_table
    assert "<td>open</td>" in open_table


def test_limits_are_those_of_background_and_error_together(some):
    found = some.selection.inference
    sizes = some.moments.n
    rows = np.array([sizes.min(), np.median(sizes), sizes.max()])
    table = limits(found, rows)
    cut = stats.truncnorm(-2.5, 2.5)  # the law within the likelihood's windows
    kappa = cut.moment(4) - cut.moment(2) ** 2
    d = found.deviations
    inside = np.abs(d.value) <= 2.5 * d.spread
    information = kappa / 4 * np.sum(d.spread[inside] ** -4.0)
    tau2, sigma2, q, n_clusters = some.theta * some.var_e, some.var_e, 0.10, 60
    for n, inner, outer in table.to_numpy():
        spread = np.sqrt(tau2 + sigma2 / n)
        assert inner == pytest.approx(1.959963984540054 * spread)
        df = 2 * spread**4 / (1 / information + 2 * (sigma2 / n) ** 2 / found.df_error)
        passed = stats.t.ppf(1 - q * 3 / (2 * n_clusters), df)
        assert outer == pytest.approx(passed * spread, rel=0.01)


def test_inner_limits_hold_nineteen_of_twenty_of_a_background_alone():
    """Counted over clusters drawn from the law itself, the coefficients as good as known."""
    sizes = np.random.default_rng(0).integers(5, 80, 4000)
    model = scs.fit("y ~ 1", _table(sizes, np.zeros(4000), tau=0.5), "unit", budget=0)
    funnel = funnel_of(model).points
    upper = limits(model.selection.inference, funnel["rows"].to_numpy())["background"]
    inside = float((funnel["deviation"].abs() <= upper.to_numpy()).mean())
    assert abs(inside - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 4000)


def test_a_name_lies_beyond_its_line_and_nobody_else_does_by_far(some):
    found, points = some.selection.inference, funnel_of(some).points
    line = limits(found, points["rows"].to_numpy())["name"].to_numpy()
    beyond = points["deviation"].abs().to_numpy() >= line
    named = (points["kind"] == "named").to_numpy()
    assert set(points.loc[named, "label"]) == set(some.selected)
    assert beyond[named].all()
    spread = (points["deviation"] / points["z"]).to_numpy()
    assert (points.loc[~named, "z"].abs() < threshold(found, spread)[~named]).all()


def test_line_of_a_table_without_names_is_that_of_a_first_name():
    table, _ = TABLES["nobody"]
    model = scs.fit("y ~ x", table, "unit")
    found = model.selection.inference
    p = 2 * stats.t.sf(threshold(found, found.deviations.spread), found.deviations.df)
    np.testing.assert_allclose(p, 0.10 / 60)
    assert "A first name would have to pass" in funnel_text(model, funnel_of(model))


def test_line_beside_a_given_number_is_the_furthest_cluster_left_out():
    table, options = TABLES["no background"]
    model = scs.fit("y ~ x", table, "unit", **options)
    funnel = funnel_of(model)
    left = funnel.points[funnel.points["kind"] != "named"]
    line = threshold(model.selection.inference, np.ones(1))
    assert line == pytest.approx(left["z"].abs().max())
    assert set(funnel.curves["line"]) == {"95% of the background", "furthest not selected"}
    assert "named" not in funnel_text(model, funnel)


def test_counts_in_the_texts_are_those_of_the_tables(some):
    funnel = funnel_of(some)
    text = funnel_text(some, funnel)
    z = np.abs(
        some.selection.inference.deviations.value / some.selection.inference.deviations.spread
    )
    rest = np.ones(60, dtype=bool)
    rest[some.solution.support] = False
    others = int((z[rest] > 1.959964).sum())
    assert "each of 60 clusters lies" in text
    assert text.endswith(
        f"3 clusters are named. {others} clusters are outside the inner lines without being named."
    )
    assert "the 3 named, and the 37 others that lie furthest out" in caterpillar_text(some)


def test_caterpillar_has_the_intervals_of_the_table_and_those_nearest_to_a_name(some):
    drawn = neighbours(some).set_index("label")
    table = selected_clusters(some)
    assert len(drawn) == MOST
    assert drawn["value"].is_monotonic_increasing
    for label, row in table.iterrows():
        shown = drawn.loc[label]
        assert shown["named"]
        assert list(shown[["value", "low", "high"]]) == pytest.approx(
            list(row[["effect", "low", "high"]])
        )
    nearest = some.pvalues.drop(some.selected).nsmallest(MOST - 3).index
    assert set(drawn.index[~drawn["named"].astype(bool)]) == set(nearest)
    other = drawn[~drawn["named"].astype(bool)].iloc[0]
    d, at = some.selection.inference.deviations, list(some.effects.index).index(other.name)
    assert other["high"] - other["low"] == pytest.approx(2 * 1.96 * d.error[at])


def test_of_many_clusters_all_names_are_in_the_funnel_and_few_others(many):
    named = len(many.selected)
    assert named > MOST_NAMED
    funnel = funnel_of(many)
    marks = funnel_chart(many, funnel)(WIDE).layer[1].data
    assert (marks["kind"] == "named").sum() == named
    assert len(marks) == MOST_POINTS + named
    furthest = many.pvalues.drop(many.selected).nsmallest(MOST_POINTS // 4).index
    assert set(furthest) <= set(marks["label"])
    assert f"each of 900 clusters ({len(marks):,} of them drawn)" in funnel_text(many, funnel)
    drawn = neighbours(many)
    assert len(drawn) == MOST
    assert drawn["named"].sum() == MOST_NAMED
    assert f"the {MOST_NAMED} furthest out of {named} named" in caterpillar_text(many)


def test_open_table_has_the_largest_and_the_closed_one_all(many):
    section = report_html(many).split("<h2>What is proved")[0]
    first, whole = section.split("<details>")[:2]
    assert first.count('<th scope="row">') == 25
    assert whole.count('<th scope="row">') == len(many.selected)


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_names_in_the_funnel_do_not_run_into_each_other(many, width):
    funnel = funnel_of(many)
    layers = funnel_chart(many, funnel)(width).layer[2:]
    shown = pd.concat([each.data for each in layers], ignore_index=True)
    assert 1 <= len(shown) <= 12
    low, high = np.log(funnel.ends) if funnel.log else funnel.ends
    x = ((np.log(shown["rows"]) if funnel.log else shown["rows"]) - low) / (high - low) * width
    spec = funnel_chart(many, funnel)(width).to_dict()
    top = spec["layer"][1]["encoding"]["y"]["scale"]["domain"][1]
    y = (1 - shown["deviation"] / top) / 2 * 320
    start = np.where(shown["align"] == "left", x, x - 7 * shown["text"].str.len())
    end = start + 7 * shown["text"].str.len()
    assert (start >= 0).all()
    assert (end <= width).all()
    for i in range(len(shown)):
        for j in range(i):
            apart = end[i] <= start[j] or end[j] <= start[i]
            assert apart or abs(y.iloc[i] - y.iloc[j]) >= 12


def test_labels_that_are_cut_to_the_same_text_stay_two_clusters():
    table = _table([12] * 8, _effects(8, {2: 4.0}))
    table["unit"] = "a name longer than any margin, " + table["unit"]
    model = scs.fit("y ~ x", table, "unit")
    ranges = caterpillar(model)(NARROW).layer[1]
    assert ranges.data["text"].nunique() == 1
    assert ranges.data["place"].nunique() == 8
    assert ranges.encoding.y.shorthand == "place:O"


def test_without_errors_within_clusters_there_is_no_funnel_and_the_reason_is_said():
    table, options = TABLES["one row each"]
    model = scs.fit("y ~ x", table, "unit", **options)
    assert model.selection.inference is None
    assert funnel_of(model) is None
    assert "No funnel and no limits. No " in report_html(model)
