"""Rows without labels: against enumeration, finite differences, scikit-learn and the truth."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from scipy import stats
from sklearn.mixture import GaussianMixture

from scs.inference.lines import cut_points, groups_on_line
from scs.inference.mixture import (
    _climb,
    best_of_shares,
    choose_mixture,
    classify,
    fit_mixture,
    observed_information,
    posterior_of,
)


def _rows(seed: int, n: int = 300, sep: float = 4.0, columns: int = 2, goes: bool = False):
    rng = np.random.default_rng(seed)
    z = rng.choice(3, n, p=[0.2, 0.5, 0.3])
    levels = sep * np.array([-1.0, 0.0, 1.0])
    x = rng.normal(size=(n, columns))
    if goes:
        x[:, 0] += z
    beta = np.linspace(1.0, -0.5, columns)
    return x, x @ beta + levels[z] + rng.normal(size=n), z, beta, levels


def _log_density(X, y, beta, levels, log_variance, logits, known=None):
    """The log-likelihood, written from the model row by row."""
    sd, total = np.exp(log_variance / 2), 0.0
    for i in range(len(y)):
        w = np.append(1.0, X[i])[: logits.shape[1]]
        shares = np.exp(np.append(logits @ w, 0.0))
        shares /= shares.sum()
        each = shares * stats.norm.pdf(y[i] - X[i] @ beta, levels, sd)
        total += np.log(each.sum() if known is None or known[i] < 0 else each[known[i]])
    return total


# --- groups on a line -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_groups_on_a_line_equal_every_way_to_share_out(seed):
    rng = np.random.default_rng(seed)
    n, n_groups = int(rng.integers(2, 8)), int(rng.integers(1, 4))
    n_groups = min(n, n_groups)
    values = np.round(rng.normal(size=n), int(rng.integers(0, 3)))  # with ties

    def cost(codes):
        groups = [values[np.array(codes) == g] for g in range(n_groups)]
        return sum(float(((g - g.mean()) ** 2).sum()) for g in groups if len(g))

    best = min(cost(codes) for codes in product(range(n_groups), repeat=n))
    assert cost(groups_on_line(values, n_groups)) == pytest.approx(best, abs=1e-12)


def test_cuts_of_many_values_equal_a_programme_that_tries_every_place():
    values = np.sort(np.random.default_rng(1).standard_t(2, size=150))
    n, n_groups = len(values), 5
    cost = np.full((n + 1, n + 1), np.inf)
    for a in range(n):
        for b in range(a + 1, n + 1):
            cost[a, b] = ((values[a:b] - values[a:b].mean()) ** 2).sum()
    best = cost[0]
    for _ in range(1, n_groups):
        best = (best[:, None] + cost).min(axis=0)
    ends = [0, *cut_points(values, n_groups), n]
    assert sum(cost[a, b] for a, b in pairwise(ends)) == pytest.approx(best[n], rel=1e-12)


def test_more_groups_than_values_are_refused():
    with pytest.raises(ValueError, match="n_groups must be from 1 to the 2 rows"):
        cut_points(np.array([0.0, 1.0]), 3)


# --- the likelihood -----------------------------------------------------------------------------


@pytest.mark.parametrize("follows", [False, True])
@pytest.mark.parametrize("labelled", [False, True])
def test_likelihood_information_and_maximum_against_finite_differences(labelled, follows):
    X, y, z, _, _ = _rows(3, n=90, sep=2.5, goes=follows)
    known = np.where(np.arange(len(y)) < 30, z, -1) if labelled else None
    found = fit_mixture(X, y, 3, known=known, shares_follow=follows)
    at = np.concatenate([found.beta, found.levels, [np.log(found.variance)], found.logits.ravel()])

    def loglik(p):
        return _log_density(X, y, p[:2], p[2:5], p[5], p[6:].reshape(2, -1), known)

    assert found.loglik == pytest.approx(loglik(at), abs=1e-8)
    step, eye = 1e-3, np.eye(len(at))
    slope = [(loglik(at + 1e-5 * e) - loglik(at - 1e-5 * e)) / 2e-5 for e in eye]
    np.testing.assert_allclose(slope, 0.0, atol=2e-3)
    second = np.array(
        [
            [
                sum(s * t * loglik(at + step * (s * a + t * b)) for s in (1, -1) for t in (1, -1))
                / (4 * step**2)
                for b in eye
            ]
            for a in eye
        ]
    )
    information = observed_information(X, y, found)
    np.testing.assert_allclose(-second, information, rtol=2e-3, atol=2e-3 * information.max())
    np.testing.assert_allclose(found.covariance, np.linalg.inv(information)[:5, :5], rtol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_without_columns_it_is_scikit_learns_mixture_of_one_variance(seed):
    _, y, _, _, _ = _rows(seed, columns=1)
    found = fit_mixture(np.empty((len(y), 0)), y, 3)
    peer = GaussianMixture(3, covariance_type="tied", n_init=20, tol=1e-10, max_iter=5000)
    peer.set_params(random_state=0, reg_covar=0).fit(y[:, None])
    assert found.loglik >= peer.score(y[:, None]) * len(y) - 1e-4
    np.testing.assert_allclose(found.levels, np.sort(peer.means_[:, 0]), atol=1e-2)


def test_one_group_is_least_squares():
    X, y, _, _, _ = _rows(2)
    found = fit_mixture(X, y, 1)
    design = np.column_stack([X, np.ones(len(y))])
    coef = np.linalg.lstsq(design, y, rcond=None)[0]
    np.testing.assert_allclose(np.append(found.beta, found.levels), coef, rtol=1e-10)
    residual = y - design @ coef
    inverse = np.linalg.inv(design.T @ design) * (residual @ residual) / len(y)
    np.testing.assert_allclose(found.covariance, inverse, rtol=1e-6)


def test_no_neighbour_of_the_maximum_is_higher_and_other_starts_find_no_more():
    X, y, z, _, _ = _rows(8, goes=True)
    found = fit_mixture(X, y, 3)
    from_truth = _climb(X, y, np.ones((len(y), 1)), np.eye(3)[z], None, 5000, 1e-8)
    assert found.loglik >= from_truth.loglik - 1e-6
    rng = np.random.default_rng(0)
    for _ in range(50):
        beta = found.beta + 0.02 * rng.normal(size=2)
        levels = found.levels + 0.05 * rng.normal(size=3)
        there = _log_density(X, y, beta, levels, np.log(found.variance), found.logits)
        assert there < found.loglik


def test_coefficients_cover_the_truth():
    """Covariates go with the groups; shares that follow them keep the coefficients honest."""
    hits = []
    for seed in range(16):
        X, y, _, beta, _ = _rows(100 + seed, n=200, goes=True)
        found = best_of_shares(X, y, 3)
        error = np.sqrt(np.diag(found.covariance)[:2])
        hits += list(np.abs(found.beta - beta) < 1.96 * error)
    assert abs(np.mean(hits) - 0.95) < 3 * np.sqrt(0.95 * 0.05 / len(hits)) + 0.01


# --- how many groups, and whether they can be told apart ----------------------------------------


def test_the_criterion_finds_the_groups_that_are_far_apart_and_none_where_there_are_none():
    counts = [choose_mixture(*_rows(seed)[:2])[0].n_groups for seed in range(2)]
    assert counts == [3, 3]
    rng = np.random.default_rng(0)
    none = [
        choose_mixture(rng.normal(size=(300, 2)), rng.normal(size=300))[0].n_groups
        for _ in range(2)
    ]
    assert none == [1, 1]


def test_levels_too_close_are_not_called_clear():
    X, y, _, _, _ = _rows(0, sep=1.5)
    assert not fit_mixture(X, y, 3).clear
    assert fit_mixture(*_rows(0, sep=6.0)[:2], 3).clear


def test_rows_with_a_label_keep_it_and_help_the_others():
    X, y, z, _, levels = _rows(5, sep=2.5, n=400)
    known = np.where(np.arange(len(y)) % 4 == 0, z, -1)
    found = fit_mixture(X, y, 3, known=known)
    rows = known >= 0
    np.testing.assert_array_equal(found.posterior[rows], np.eye(3)[known[rows]])
    np.testing.assert_allclose(found.levels, levels, atol=0.5)
    right = (found.posterior.argmax(axis=1) == z)[~rows].mean()
    assert right > 0.75


def test_the_posterior_is_a_probability_and_that_of_the_fit():
    X, y, _, _, _ = _rows(6)
    found = fit_mixture(X, y, 3)
    again = posterior_of(found, X, y)
    np.testing.assert_allclose(again, found.posterior, atol=1e-6)
    np.testing.assert_allclose(again.sum(axis=1), 1.0)
    assert posterior_of(found, X[:2], np.array([1e9, -1e9])).argmax(axis=1).tolist() == [2, 0]


@pytest.mark.parametrize("scale, shift", [(1e-6, 0.0), (1e6, 0.0), (1.0, 1e6)])
def test_units_of_the_outcome_change_nothing_but_units(scale, shift):
    X, y, _, _, _ = _rows(7)
    one, other = fit_mixture(X, y, 3), fit_mixture(X, y * scale + shift, 3)
    np.testing.assert_allclose(other.beta, one.beta * scale, rtol=1e-4)
    np.testing.assert_allclose(other.levels, one.levels * scale + shift, rtol=1e-4)
    np.testing.assert_allclose(other.posterior, one.posterior, atol=1e-4)


# --- classification -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_a_classification_is_a_minimum_by_both_turns_and_near_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(9, 1))
    y = x[:, 0] + np.where(rng.random(9) < 0.4, 5.0, 0.0) + 0.3 * rng.normal(size=9)
    codes, found, value = classify(x, y, 2)
    best = np.inf
    for each in product(range(2), repeat=9):
        if 0 < sum(each) < 9:
            design = np.column_stack([x, np.eye(2)[list(each)]])
            best = min(best, float(np.linalg.lstsq(design, y, rcond=None)[1].sum()))
    assert value >= best * (1 - 1e-9)
    assert value == pytest.approx(best, rel=1e-9)
    residual = (y - x @ found[:1])[:, None] - found[1:]
    assert value == pytest.approx(float((residual**2).min(axis=1).sum()), rel=1e-9)
    assert sorted(set(codes.tolist())) == [0, 1]


# --- what is refused ----------------------------------------------------------------------------


def test_too_few_rows_exact_fits_and_groups_without_a_row_are_refused():
    X, y, z, _, _ = _rows(0)
    with pytest.raises(ValueError, match="8 parameters and need more rows than that, got 8"):
        fit_mixture(X[:8], y[:8], 3)
    with pytest.raises(ValueError, match="2 levels and the covariates fit all 300 rows exactly"):
        fit_mixture(X, X @ [1.0, 2.0] + 3.0, 2)
    with pytest.raises(ValueError, match="group 2 has no row with its label"):
        fit_mixture(X, y, 3, known=np.where(z == 2, -1, z))
