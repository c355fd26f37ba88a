"""The first page's picture: what it refuses, and how much of it a page tries."""

import pytest

import scs
from scs.book.charts.schools import schools_picture
from scs.paper.schools import simulate_schools


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
