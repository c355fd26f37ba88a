"""The simulated schools of the first page."""

import numpy as np
import pytest

from scs.paper.schools import simulate_schools


def test_schools_follow_their_law():
    """Over many schools: the slope of 5, errors of 6, and the three effects."""
    pupils, truth = simulate_schools(seed=7, n_schools=3000)
    differ = truth.index[truth != 0]
    assert truth[differ].tolist() == [4.0, -5.0, 5.0]
    assert truth.index.is_monotonic_increasing and truth.index.is_unique
    sizes = pupils["school"].value_counts()
    assert sizes.min() >= 20 and sizes.max() <= 59 and len(sizes) == 3000
    rest = pupils["score"] - 50 - truth[pupils["school"]].to_numpy()
    slope, level = np.polyfit(pupils["prior"], rest, 1)
    errors = rest - level - slope * pupils["prior"]
    assert slope == pytest.approx(5, abs=5 * 6 / np.sqrt(2 * len(pupils)))
    assert errors.std() == pytest.approx(6, abs=5 * 6 / np.sqrt(2 * len(pupils)))
    intake = pupils.groupby("school")["prior"].mean()
    assert intake.std() == pytest.approx(np.sqrt(1 + 1 / 39.5), abs=0.07)


def test_few_schools_are_refused():
    with pytest.raises(ValueError, match="at least 8, got 7"):
        simulate_schools(n_schools=7)
