"""Coverage of intervals for named clusters: the counting against a truth that is known."""

import numpy as np
import pandas as pd
import pytest

from scs.paper.named_coverage import (
    BACKGROUND,
    CONDITIONAL,
    FCR,
    FISSION,
    ORDINARY,
    ROWS,
    SPLIT,
    coverage_by_size,
    draw_unequal,
    named_intervals,
    size_classes,
)


def test_drawn_clusters_have_the_sizes_and_the_effects_of_their_law():
    data = draw_unequal(np.random.default_rng(0), n_clusters=4000, size=3.0)
    sizes = np.bincount(data.clusters)
    assert sizes.min() == 5
    assert sizes.max() == 200
    assert np.median(sizes) == pytest.approx(np.sqrt(5 * 201), rel=0.1)
    far = np.abs(data.truth) > 1.5
    assert far.sum() == 200
    assert data.truth[~far].std() == pytest.approx(BACKGROUND, abs=4 * BACKGROUND / np.sqrt(7600))
    residual = data.y - 1 - data.X @ [1.0, -1.0] - data.truth[data.clusters]
    assert residual.std() == pytest.approx(1.0, abs=0.01)


def test_intervals_count_as_covered_when_the_truth_lies_in_them():
    """Of one data set by hand, against the count."""
    data = draw_unequal(np.random.default_rng([4, 0]))
    found = named_intervals(data, seed=0)
    counted = coverage_by_size(datasets=1, compared=0, reps=2, seed=4)
    assert len(counted) == len(found) > 0
    for (_, each), (_, row) in zip(found.iterrows(), counted.iterrows(), strict=True):
        assert row["covered"] == (each["low"] <= data.truth[each["cluster"]] <= each["high"])
        assert row["rows"] == (data.clusters == each["cluster"]).sum()
        assert row["width"] == pytest.approx(each["high"] - each["low"])


def test_compared_data_sets_have_six_kinds_and_the_others_four():
    counted = coverage_by_size(datasets=2, compared=1, reps=5, seed=1)
    kinds = counted.groupby("dataset")["intervals"].unique().map(set)
    assert kinds[0] == {ORDINARY, CONDITIONAL, FCR, FISSION, ROWS, SPLIT}
    assert kinds[1] == {ORDINARY, CONDITIONAL, FCR, FISSION}


def test_conditional_intervals_keep_their_level_where_ordinary_ones_do_not():
    counted = coverage_by_size(datasets=40, compared=0, reps=2, seed=0)
    rate = counted.groupby("intervals")["covered"].mean()
    error = np.sqrt(0.95 * 0.05 / (len(counted) / 4))
    assert rate[CONDITIONAL] > 0.95 - 4 * error
    assert rate[FISSION] > 0.95 - 4 * error
    assert rate[FCR] > 0.95 - 4 * error
    assert rate[ORDINARY] < 0.95 - 2 * error


def test_classes_of_size_meet_without_a_gap():
    classes = size_classes(pd.Series([5, 14, 15, 49, 50, 200]))
    assert list(classes) == ["5 to 14"] * 2 + ["15 to 49"] * 2 + ["50 to 200"] * 2
