"""The choice of a budget on held-out rows, and the fit that follows, against plain ways."""

import numpy as np

from scs import Moments, solve
from scs.solvers import paper_budgets, solve_tuned


def test_the_pipeline_is_the_least_error_on_held_out_rows_and_a_fit_on_all():
    rng = np.random.default_rng(4)
    X, clusters = rng.normal(size=(160, 2)), np.repeat(np.arange(8), 20)
    y = X[:, 0] + np.where(clusters == 3, 4.0, 0.0) + rng.normal(size=160)
    first = np.arange(160) % 2 == 0
    parts = [Moments.from_arrays(X[k], y[k], clusters[k]) for k in (first, ~first)]
    budgets = [0, 1, 2, 5]
    held = []
    for budget in budgets:
        found = solve(parts[0], budget)
        error = y[~first] - X[~first] @ found.beta - found.gamma[clusters[~first]]
        held.append(np.mean(error**2))
    tuning, found = solve_tuned(*parts, budgets)
    np.testing.assert_allclose(tuning.mse, held, rtol=1e-9)
    assert tuning.best == budgets[int(np.argmin(held))]
    whole = solve(Moments.from_arrays(X, y, clusters), tuning.best)
    np.testing.assert_allclose(found.beta, whole.beta, rtol=1e-8)
    assert found.support.tolist() == whole.support.tolist()
    assert solve_tuned(*parts)[0].budgets == tuple(paper_budgets(8))
