"""Summaries of a run: means and ratios with errors that are known here."""

import numpy as np
import pandas as pd
import pytest

from scs.paper.simulate import DIMENSIONS, scenarios
from scs.paper.study import chosen, means, paired_ratios, typical_ratio, with_heterogeneity


def rows_of(cases, reps, rng, spread=0.3):
    """A run in which B's score is 1 and A's is 2, both times the draw's own luck."""
    found = []
    for case in cases:
        for replication in range(reps):
            luck = rng.lognormal(0, 1)
            for method, level in (("A", 2.0), ("B", 1.0)):
                found.append(
                    {
                        "regime": case.regime,
                        "dimension": case.dimension,
                        "level": case.level,
                        "arm": "equal",
                        "method": method,
                        "replication": replication,
                        "score": level * luck * rng.lognormal(0, spread),
                    }
                )
    return pd.DataFrame(found)


def test_dimensions_are_chosen_by_name():
    assert chosen("all") == scenarios()
    for dimension in DIMENSIONS:
        assert {each.dimension for each in chosen(dimension)} == {dimension}
    with pytest.raises(ValueError, match="'all' or one of low"):
        chosen("huge")


def test_every_scenario_has_its_heterogeneity():
    table = pd.DataFrame(
        [(each.regime, each.dimension, each.level) for each in scenarios()],
        columns=["regime", "dimension", "level"],
    )
    assert list(with_heterogeneity(table).heterogeneity) == [
        each.heterogeneity for each in scenarios()
    ]


def test_ratio_of_paired_scores_is_found_within_its_error():
    rows = rows_of(scenarios()[:8], 60, np.random.default_rng(0))
    ratios = paired_ratios(rows, ("A", "score"), ("B", "score"), arm="equal")
    assert len(ratios) == 8
    z = (ratios.ratio - 2) / ratios.error
    assert np.abs(z).max() < 4
    typical = typical_ratio(ratios, ["regime"]).iloc[0]
    assert typical.scenarios == typical.above == 8
    assert abs(typical.ratio - 2) < 4 * typical.error
    # Eight independent scenarios: the error falls with their square root.
    assert typical.error == pytest.approx(ratios.error.mean() / np.sqrt(8), rel=0.3)


def test_typical_ratio_turns_over_with_its_scores():
    rows = rows_of(scenarios()[:5], 20, np.random.default_rng(1))
    forth, back = (
        typical_ratio(paired_ratios(rows, *pair, arm="equal"), ["dimension"]).iloc[0]
        for pair in ((("A", "score"), ("B", "score")), (("B", "score"), ("A", "score")))
    )
    assert forth.ratio * back.ratio == pytest.approx(1)
    assert forth.error / forth.ratio == pytest.approx(back.error / back.ratio)


def test_a_failed_fit_leaves_its_pair_out():
    rows = rows_of(scenarios()[:1], 20, np.random.default_rng(2))
    without = rows[rows.replication != 3]
    rows.loc[(rows.replication == 3) & (rows.method == "A"), "score"] = np.nan
    pairs = (("A", "score"), ("B", "score"))
    pd.testing.assert_frame_equal(
        paired_ratios(rows, *pairs, arm="equal"), paired_ratios(without, *pairs, arm="equal")
    )


def test_error_of_a_mean_over_scenarios_is_that_of_the_mean():
    rng = np.random.default_rng(3)
    found = [
        means(rows_of(scenarios()[:4], 25, rng), "score", ["method"]).set_index("method")
        for _ in range(60)
    ]
    averages = np.array([table["mean"]["A"] for table in found])
    errors = np.array([table["error"]["A"] for table in found])
    assert errors.mean() == pytest.approx(averages.std(ddof=1), rel=0.3)
