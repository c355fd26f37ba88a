"""Simulated hospitals that all differ a little, and the funnel over such a background."""

import numpy as np
import pandas as pd
import pytest

from scs.book.charts.funnel import funnel_chart
from scs.paper.hospitals import simulate_hospitals


def test_the_spread_moves_whole_hospitals_and_nothing_else():
    alike, truth = simulate_hospitals(np.random.default_rng(3))
    apart, same = simulate_hospitals(np.random.default_rng(3), spread=0.8)
    assert truth.equals(same)
    assert alike.drop(columns="days").equals(apart.drop(columns="days"))
    moved = (apart["days"] - alike["days"]).groupby(alike["hospital"])
    assert (moved.max() - moved.min()).max() <= 0.2 + 1e-9  # days are rounded to a tenth
    assert moved.mean().std() == pytest.approx(0.8, abs=4 * 0.8 / np.sqrt(2 * 300))


def test_limits_over_a_background_are_those_of_both_variances_and_never_close():
    scores = pd.DataFrame(
        {"rows": [4, 100, 10_000], "deviation": [3.0, 1.0, -0.5], "kind": "x"},
        index=pd.Index(["a", "b", "c"], name="cluster"),
    )
    tau2, sigma2 = 0.3, 5.0
    scores["z"] = scores["deviation"] / np.sqrt(tau2 + sigma2 / scores["rows"])
    chart = funnel_chart(scores, limits=(2.0,), unit="d", description="d", background=tau2)
    lines = chart.layer[0].data
    expected = 2.0 * np.sqrt(tau2 + sigma2 / lines["rows"])
    assert np.allclose(lines["limit"].abs(), expected)
    assert lines["limit"].abs().min() > 2.0 * np.sqrt(tau2)
