"""The report of counts: one page, charts on the scale of ratios, every number from the fit."""

import re

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import CHROMIUM, DESKTOP, NO_CHROMIUM, PHONE, Log, chromium, offline_context
from scipy import stats

import scs
from scs.report.count_charts import everyone, funnel_lines, funnel_points, neighbours
from scs.report.counts import count_report_html

HOSTILE = "<b>x</b>"


def _model(family: str = "poisson", **options):
    rng = np.random.default_rng(3)
    size = rng.integers(20, 300, 50)
    level = rng.gamma(100, 0.01, 50)
    level[[5, 8]] = 2.5, 0.3
    labels = [f"unit {k:02d}" for k in range(49)] + [HOSTILE]
    table = pd.DataFrame({"size": size, "unit": labels})
    if family == "poisson":
        table["count"] = rng.poisson(size * level)
        return scs.fit("count ~ 1", table, "unit", family=family, expected="size", **options)
    table["count"] = rng.binomial(size, np.minimum(0.3 * level, 0.9))
    return scs.fit("count ~ 1", table, "unit", family=family, trials="size", **options)


@pytest.mark.parametrize("family", ["poisson", "binomial"])
def test_the_page_says_who_is_named_and_is_one_file(family):
    model = _model(family)
    page = count_report_html(model, source="units.csv")
    assert "unit 05" in page and "units.csv" in page
    assert HOSTILE not in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert page.count("<svg") == 4 and page.count("<figcaption>") == 2
    text = "observed over expected" if family == "poisson" else "rate of count"
    assert text in page


def test_pages_of_nobody_and_of_a_given_number():
    assert "No cluster can be named" in count_report_html(_model(fdr=1e-12))
    page = count_report_html(_model(budget=2))
    assert "Clusters selected" in page and "furthest cluster that is not selected" in page


@pytest.mark.parametrize("family", ["poisson", "binomial"])
def test_the_inner_lines_hold_95_percent_of_the_background(family):
    model = _model(family, background=0.01)
    sizes = np.array([50.0, 200.0])
    lines = funnel_lines(model, sizes)
    inner = lines[lines["line"] == "95% of the background"]
    for size in sizes:
        low, high = np.sort(inner.loc[inner["rows"] == size, "limit"]) * size
        if family == "poisson":
            mean = size * model.common
            law = stats.nbinom(100, 1 / (1 + 0.01 * mean))
        else:
            law = stats.betabinom(int(size), model.common * 99, (1 - model.common) * 99)
        inside = law.cdf(np.floor(high)) - law.cdf(np.ceil(low) - 1)
        assert inside == pytest.approx(0.95, abs=0.03)


def test_what_the_charts_show_is_what_the_fit_says():
    model = _model()
    points, near, table = funnel_points(model), neighbours(model), everyone(model)
    assert (points["kind"] == "named").sum() == len(model.selected)
    assert np.allclose(points["ratio"], model.ratios["ratio"])
    named = near[near["named"]].set_index("label")
    assert np.allclose(named[["low", "high"]], model.intervals.loc[named.index])
    assert table["p"].is_monotonic_increasing and len(table) == 50
    rest = near[~near["named"]].iloc[0]
    count, size = model.ratios.loc[rest["label"], ["observed", "expected"]]
    upper = (
        stats.poisson.sf(count, size * rest["low"])
        + stats.poisson.pmf(count, size * rest["low"]) / 2
    )
    assert upper == pytest.approx(0.025, rel=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_in_chromium_fits_and_is_accessible(tmp_path, size):
    page, path, log = count_report_html(_model()), tmp_path / "report.html", Log()
    # axe runs as a script, which the page's own policy forbids: checked without it.
    free = re.sub(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "", page)
    path.write_text(free, encoding="utf-8")
    with chromium() as browser:
        context = offline_context(browser, log, viewport=size)
        tab = context.new_page()
        tab.on("pageerror", lambda error: log.errors.append(str(error)))
        tab.goto(path.as_uri())
        tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        root = "document.documentElement"
        assert tab.evaluate(f"{root}.scrollWidth - {root}.clientWidth") <= 0
        found = Axe().run(tab).response["violations"]
        assert not found, [(each["id"], each["nodes"][0]["html"][:200]) for each in found]
    assert log == Log()
