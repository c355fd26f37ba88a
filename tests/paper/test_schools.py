"""The simulated schools of the first page, and what its picture refuses."""

import numpy as np
import pytest

import scs
from scs.book.charts.schools import schools_picture
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


def test_the_picture_refuses_what_it_cannot_draw():
    pupils, _ = simulate_schools(n_schools=8)
    y, school = pupils["score"], pupils["school"]
    one = scs.Moments.from_arrays(pupils[["prior"]], y, school, intercept=True)
    two = scs.Moments.from_arrays(pupils[["prior"]].assign(more=y**2), y, school, intercept=True)
    solution = scs.solve(one, 1, ridge_fixed=0)
    words = {"named": [], "description": "schools"}
    with pytest.raises(ValueError, match="one covariate"):
        schools_picture(two, solution, ridge=1.0, **words)
    with pytest.raises(ValueError, match="slider has no 2"):
        schools_picture(one, solution, ridge=2.0, **words)
    assert repr(schools_picture(one, solution, ridge=1.0, **words)) == "schools"


def test_so_many_choices_are_tried_as_a_phone_can():
    pupils, _ = simulate_schools(n_schools=60)
    moments = scs.Moments.from_arrays(
        pupils[["prior"]], pupils["score"], pupils["school"], intercept=True
    )
    solution = scs.solve(moments, 5, ridge_fixed=0)
    picture = schools_picture(moments, solution, ridge=1.0, named=[], description="schools")
    assert picture.most == 3  # of 60: 34,220 choices of three, 487,635 of four
    assert picture.data()["budget"] == 3
