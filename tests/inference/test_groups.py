"""The bound on least trimmed squares from groups of rows, against every trimming."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from scs import detect_outliers
from scs.inference import groups as groups_module
from scs.inference.groups import bound_by_groups
from scs.inference.trimmed import _Frame, _Trimming
from scs.solvers.stop import Stop


def draw(seed):
    """Rows with a few far ones, in units from 1e-6 to 1e6, at times with columns nearly alike."""
    rng = np.random.default_rng([seed, 77])
    n, P = int(rng.integers(8, 13)), int(rng.integers(1, 4))
    X = rng.normal(size=(n, P))
    if rng.random() < 0.5:
        X[:, 0] = 1.0
    if P > 1 and rng.random() < 0.2:
        X[:, -1] = X[:, 0] + 10.0 ** rng.uniform(-6, -1) * X[:, -1]
    if rng.random() < 0.3:
        X = np.round(2 * X) + (np.arange(P) == 0)
    y = X @ rng.normal(size=P) + rng.choice([0.1, 1.0]) * rng.normal(size=n)
    count = int(rng.integers(1, 4))
    far = rng.choice(n, size=count, replace=False)
    y[far] += rng.choice([-1, 1], size=count) * rng.choice([0.0, 3.0, 30.0])
    if rng.random() < 0.3:
        X, y = X * 10.0 ** rng.uniform(-6, 6, size=P), y * 10.0 ** rng.uniform(-6, 6)
    return X, y, count, rng


def least_squares(X, y):
    """Return the least sum of squares in rational arithmetic."""
    rows = [[Fraction(v) for v in (*x, value)] for x, value in zip(X.tolist(), y.tolist())]
    size = len(rows[0])
    form = [[sum(r[i] * r[j] for r in rows) for j in range(size)] for i in range(size)]
    for p in range(size - 1):
        if form[p][p] == 0:
            continue  # a column of zeros, or one that those before determine
        for i in range(p + 1, size):
            share = form[i][p] / form[p][p]
            form[i] = [a - share * b for a, b in zip(form[i], form[p])]
    return form[-1][-1]


def every_trimming(X, y, count):
    n = len(y)
    found = {}
    for rows in combinations(range(n), count):
        kept = np.setdiff1d(np.arange(n), rows)
        found[rows] = least_squares(X[kept], y[kept])
    return found


def small_groups(monkeypatch, size=5, most=10):
    monkeypatch.setattr(groups_module, "_SIZE", size)
    monkeypatch.setattr(groups_module, "_EACH", 1)
    monkeypatch.setattr(groups_module, "_TRIMMINGS", most)
    monkeypatch.setattr(groups_module, "_LEAST", most)


@pytest.mark.parametrize(("size", "most"), [(4, 5), (5, 20), (7, 1000), (20, 1000)])
def test_no_bound_is_above_a_trimming(monkeypatch, size, most):
    """Groups of any size, with and without larger trimmings than those looked at."""
    small_groups(monkeypatch, size, most)
    tight = proved = 0
    for seed in range(30):
        X, y, count, rng = draw(seed)
        values = every_trimming(X, y, count)
        least = min(values.values())
        start = min(values, key=values.get)
        if seed % 3 == 0:  # a trimming that is not the best: all as good as it are kept in view
            start = list(values)[rng.integers(len(values))]
        best = _Trimming.of(X, y, np.array(start))
        frame = _Frame.about(X, y, best)
        reach = np.full(X.shape[1], 1e3 * (1 + np.sqrt(best.value)))
        limit = best.value + best.margin
        with Stop() as stop:
            found = bound_by_groups(frame.X, frame.y, best.rows, limit, reach, frame.growth, stop)
        assert Fraction(found.bound - best.margin) <= least, seed
        good = [set(rows) for rows, value in values.items() if value <= Fraction(best.value)]
        for row in range(len(y)):
            assert not found.goes[row] or all(row in rows for rows in good), seed
            assert not found.stays[row] or not any(row in rows for rows in good), seed
        proved += (found.goes | found.stays).sum()
        tight += found.bound > 0.9 * float(least)
    assert tight > 1
    assert proved > 0 or most < 20


def test_the_whole_answer_is_that_of_every_trimming(monkeypatch):
    small_groups(monkeypatch, 6, 60)
    for seed in range(200, 210):
        X, y, count, _ = draw(seed)
        try:
            found = detect_outliers(X, y, count=count, intercept=False, gap=1e-6, time_limit=5)
        except ValueError:
            continue  # dependent columns
        values = every_trimming(X, y, count)
        least = min(values.values())
        solution = found.solution
        assert Fraction(solution.bound) <= least, seed
        best = [set(rows) for rows, value in values.items() if value == least]
        for row, claim in enumerate(solution.membership):
            assert claim != "in" or all(row in rows for rows in best), seed
            assert claim != "out" or not any(row in rows for rows in best), seed


def far_rows(n, n_columns, count):
    rng = np.random.default_rng([n, n_columns])
    X = rng.normal(size=(n, n_columns - 1))
    y = 1 + X @ rng.normal(size=n_columns - 1) + rng.normal(size=n)
    far = rng.choice(n, size=count, replace=False)
    y[far] += rng.choice([-1, 1], size=count) * rng.uniform(3, 8, size=count)
    return X, y


def test_a_hundred_rows_with_five_coefficients_are_proved():
    """The search alone leaves 70 % of the sum unproved after twenty seconds."""
    X, y = far_rows(100, 5, 10)
    found = detect_outliers(X, y, count=10, time_limit=60)
    assert found.solution.status == "optimal"
    assert (found.solution.membership != "open").all()


def test_steps_only_ever_help_and_time_that_is_up_proves_nothing_wrong():
    X, y = far_rows(60, 3, 6)
    full = detect_outliers(X, y, count=6)
    design = np.column_stack([np.ones(60), X])
    best = _Trimming.of(design, y, full.rows)
    frame = _Frame.about(design, y, best)
    for seconds in (0.0, 30.0):
        with Stop(seconds) as stop:
            found = bound_by_groups(
                frame.X, frame.y, best.rows, best.value, np.full(3, 50.0), frame.growth, stop
            )
        assert found.bound <= best.value
        assert (found.goes | found.stays).any() == (seconds > 0)
