"""Names as a proved selection, and what is said of their effects."""

import numpy as np
import pytest
from scipy import stats

from scs import Moments, solve
from scs.baselines import lmm_gaussian
from scs.inference.background import Between, allow_for_estimate, deviations
from scs.inference.certified import background_at, certified_names, rest_variance
from scs.inference.effects import EffectInference
from scs.inference.naming import choose_by_penalty, name_clusters


def draw(seed, n_clusters=60, tau=0.3, outlying=6, delta=2.5, least=8):
    rng = np.random.default_rng(seed)
    n = rng.integers(least, 40, n_clusters)
    k = np.repeat(np.arange(n_clusters), n)
    v = np.zeros(n_clusters)
    v[:outlying] = delta
    x = rng.normal(size=(len(k), 2)) + 0.5 * rng.normal(size=(n_clusters, 2))[k]
    effects = v + tau * rng.normal(size=n_clusters)
    y = x @ [1.0, -1.0] + effects[k] + rng.normal(size=len(k))
    return Moments.from_arrays(x, y, k, intercept=True), effects


def solver(moments):
    def at(budget, theta):
        return solve(moments, budget, ridge=1e-4, ridge_fixed=0, background=theta, gap=1e-8)

    return at


def test_names_are_the_best_list_of_their_number_and_keep_the_rule():
    for seed in range(5):
        moments, _ = draw(seed)
        names, solution = certified_names(moments, 0.1, None, solver(moments))
        assert list(names.support) == list(solution.support) and solution.status == "optimal"
        assert names.consistent
        limit = 0.1 * len(names.support) / moments.n_clusters
        assert (names.pvalues[names.support] <= limit).all()
        assert set(names.support) >= set(range(6))


def test_a_list_that_does_not_keep_the_rule_is_shortened():
    """A solver that returns other clusters than the rule's: their p-values do not pass."""
    moments, _ = draw(0)
    honest = solver(moments)

    def other(budget, theta):
        found = honest(budget, theta)
        if budget < 6:
            return found
        rest = np.flatnonzero(found.gamma == 0)[:budget]
        return type(found)(**{**found.__dict__, "support": rest})

    names, _ = certified_names(moments, 0.1, None, other)
    assert names.consistent and len(names.support) < 6


def test_the_penalty_finds_as_many():
    moments, _ = draw(3)
    names, _ = certified_names(moments, 0.1, None, solver(moments))
    at = solver(moments)

    def value(budget):
        found = at(budget, names.background)
        return found.objective, found.bound

    choice = choose_by_penalty(value, 60, Between.from_moments(moments).var_e, 0.1, 30)
    assert choice.proved[0] <= len(names.support) <= choice.proved[1]


def test_background_at_a_budget_is_near_the_truth():
    found = [background_at(draw(seed, n_clusters=300)[0], 6) for seed in range(10)]
    assert np.mean(found) == pytest.approx(0.09, abs=0.02)
    assert background_at(draw(0)[0], 58) == 0.0


def test_errors_of_the_background_are_those_of_its_likelihood():
    """The information in closed form, against the curvature averaged over simulated deviations."""
    rng = np.random.default_rng(0)
    moments, _ = draw(1, tau=0.4, outlying=0)
    between = Between.from_moments(moments)
    found = deviations(between, 0.16 / between.var_e, np.zeros(60, dtype=bool))
    variance, window = 0.16, 2.5
    total = found.spread**2
    noise = total - variance
    edge = window * found.spread

    def loss(d, tau2):
        t = np.sqrt(noise + tau2)
        return np.log(t) + 0.5 * (d / t) ** 2 + np.log(2 * stats.norm.cdf(edge / t) - 1)

    d = stats.truncnorm.rvs(-window, window, size=(4000, 60), random_state=rng) * found.spread
    h = 1e-3
    curve = (loss(d, variance + h) - 2 * loss(d, variance) + loss(d, variance - h)) / h**2
    inside = found.value**2 <= window**2 * total
    information = curve.mean(axis=0)[inside].sum()
    shown = allow_for_estimate(found, variance)
    expected = 2 * total**2 / (1 / information + 2 * noise**2 / found.df)
    np.testing.assert_allclose(shown.df, expected, rtol=0.1)
    assert (shown.df < found.df).all() and (shown.pvalues >= found.pvalues).all()


def test_few_clusters_that_do_not_differ_are_rarely_named():
    """40 tables of 40 clusters, none outlying: at most 10 % name somebody, up to chance."""
    named = [len(name_clusters(draw(seed, 40, 0.5, 0)[0]).support) > 0 for seed in range(40)]
    assert stats.binom.sf(sum(named) - 1, 40, 0.10) > 1e-3


def test_intervals_cover_and_hold_the_estimate():
    hits, n = 0, 0
    for seed in range(40):
        moments, effects = draw(seed)
        names, solution = certified_names(moments, 0.1, None, solver(moments))
        said = EffectInference.of(moments, names.background, names.support, 0.1)
        low, high = said.intervals()
        level = solution.beta[0]  # the truth's intercept is 0
        truth = effects[names.support]
        hits += int(np.sum((low + level <= truth) & (truth <= high + level)))
        n += len(truth)
        shown = said.deviations.value[names.support]
        assert ((low <= shown) & (shown <= high)).all()
        wide_low, wide_high = said.intervals("fcr")
        assert (wide_high - wide_low).mean() > (high - low).mean()
        beyond = said.intervals(beyond=True)
        assert (beyond[1] - beyond[0] > high - low - 1e-9).all()
        assert (said.qvalues[names.support] <= 0.1 + 1e-12).all()
        assert (said.qvalues >= said.pvalues * (1 - 1e-12)).all()
    assert stats.binom.cdf(hits, n, 0.95) > 1e-4 and hits / n > 0.9


def test_a_cluster_of_one_row_gets_an_interval_as_wide_as_its_error():
    rng = np.random.default_rng(2)
    k = np.concatenate([np.repeat(np.arange(40), 30), [40]])
    y = rng.normal(size=len(k)) + 12.0 * (k == 40)
    moments = Moments.from_arrays(np.zeros((len(k), 0)), y, k, intercept=True)
    said = EffectInference.of(moments, 0.0, np.array([40]), 0.1)
    low, high = said.intervals()
    assert 0.9 * 2 * 1.96 <= (high - low)[0] / np.sqrt(said.var_e) <= 1.5 * 2 * 1.96


def test_a_given_number_is_conditioned_on_the_best_that_is_left_out():
    moments, _ = draw(4)
    found = solve(moments, 6, ridge=1e-4, ridge_fixed=0, background=0.09)
    said = EffectInference.of(moments, 0.09, found.support, None, estimated=False)
    z = np.abs(said.deviations.value) / said.deviations.spread
    rest = np.delete(z, found.support)
    np.testing.assert_array_equal(said.threshold, np.full(6, rest.max()))
    everyone = EffectInference.of(moments, 0.09, np.arange(60), None, estimated=False)
    low, high = everyone.intervals()
    half = stats.t.isf(0.025, everyone.df_error) * everyone.deviations.error
    np.testing.assert_allclose(high - low, 2 * half, rtol=1e-6)


@pytest.mark.parametrize("arguments, message", [({"kind": "exact"}, "kind"), ({"level": 1}, "lev")])
def test_bad_intervals_are_refused(arguments, message):
    moments, _ = draw(0)
    said = EffectInference.of(moments, 0.09, np.arange(3), 0.1)
    with pytest.raises(ValueError, match=message):
        said.intervals(**arguments)


@pytest.mark.parametrize("chosen", [[], [3], [3, 7, 11]])
@pytest.mark.parametrize("tau", [0.0, 0.5, 30.0])
def test_the_variance_over_the_rest_is_that_of_a_mixed_model_with_indicators(chosen, tau):
    """A column for each selected cluster frees it: REML does not see its effect any more."""
    rng = np.random.default_rng(1)
    k = np.repeat(np.arange(15), rng.integers(3, 12, 15))
    x = rng.normal(size=(len(k), 2))
    y = x @ [1.0, 2.0] + tau * rng.normal(size=15)[k] + 9.0 * (k == 3) + rng.normal(size=len(k))
    table = np.column_stack([np.ones(len(k)), x, *[k == each for each in chosen]]).astype(float)
    moments = Moments.from_arrays(x, y, k, intercept=True)
    found = rest_variance(moments, np.array(chosen, dtype=int))
    assert found == pytest.approx(lmm_gaussian(table, y, k).var_u, rel=1e-5, abs=1e-7)


def test_two_clusters_tell_no_variance():
    moments, _ = draw(0)
    assert np.isnan(rest_variance(moments, np.arange(58)))
