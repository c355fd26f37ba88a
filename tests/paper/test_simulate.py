"""The generator against its stated law, and the streams against order and company."""

import numpy as np
import pytest
from scipy import stats

from scs import scenarios, simulate
from scs.paper.simulate import NOISE_VAR, SPARSE_EFFECT, Scenario, replication_rng, scenario
from scs.solvers import paper_budgets


def test_the_66_scenarios():
    found = scenarios()
    assert len(found) == len({each.name for each in found}) == 66
    levels = [each.level for each in found if each.regime == "sparse" and each.dimension == "low"]
    rows_of_b1 = (90, 80, 75, 66, 60, 50, 40, 33, 25, 20, 10, 0)
    assert levels == [f"{sparsity}%" for sparsity in rows_of_b1]
    gaussian = [each.level for each in found if each.name.startswith("gaussian-high")]
    assert gaussian == [f"{v}.0" for v in range(10, 101, 10)]
    sizes = {each.dimension: (each.n_clusters, each.n_covariates) for each in found}
    assert sizes == {"low": (4, 10), "medium": (10, 25), "high": (14, 35)}


def test_only_four_sparsities_occur_with_four_clusters():
    shares = {
        1 - each.n_nonzero / 4
        for each in scenarios()
        if each.regime == "sparse" and each.dimension == "low"
    }
    assert shares == {0.75, 0.5, 0.25, 0.0}


def test_shares_that_are_whole_clusters_are_not_rounded_up():
    assert scenario("sparse-medium-80%").n_nonzero == 2
    assert scenario("sparse-medium-90%").n_nonzero == 1
    assert scenario("sparse-medium-10%").n_nonzero == 9
    assert paper_budgets(30)[:4] == [3, 6, 8, 10]  # ceil(7.5) = 8; 30/3 is exactly 10


def test_an_unknown_scenario_is_refused_with_the_list():
    with pytest.raises(ValueError, match=r"'sparse-tiny-50%' does not exist.*sparse-low-50%"):
        scenario("sparse-tiny-50%")


@pytest.mark.parametrize("name", ["sparse-high-50%", "gaussian-medium-40.0"])
def test_the_law_of_the_rows(name):
    """Each statement of the docstring, by a test of level 1e-4 on a large draw."""
    drawn = scenario(name)
    big = Scenario(
        drawn.regime, drawn.dimension, drawn.heterogeneity,
        drawn.n_clusters, drawn.n_covariates, n_per_cluster=4000,
    )  # fmt: skip
    train, validation, test, beta, gamma = simulate(big, np.random.default_rng(7))
    assert set(beta) <= {-1.0, 0.0, 1.0}
    if big.regime == "sparse":
        assert np.count_nonzero(gamma) == 7
        assert set(np.abs(gamma[gamma != 0])) == {SPARSE_EFFECT}
    for sample in (train, validation, test):
        np.testing.assert_array_equal(np.bincount(sample.clusters), 4000)
        noise = sample.y - sample.X @ beta - gamma[sample.clusters]
        assert stats.kstest(noise, "norm", args=(0, np.sqrt(NOISE_VAR))).pvalue > 1e-4
        for k in range(3):
            x = sample.X[sample.clusters == k].ravel()
            assert abs(x.mean()) < 5 * x.std() / np.sqrt(len(x))
            # u is drawn per row and covariate: entries are N(0, 1 + gamma_k^2), all independent.
            scale = np.sqrt(1 + gamma[k] ** 2)
            assert stats.kstest(x, "norm", args=(0, scale)).pvalue > 1e-4
            correlation = np.corrcoef(sample.X[sample.clusters == k].T)
            assert np.abs(correlation - np.eye(len(correlation))).max() < 5 / np.sqrt(4000)
    assert not np.array_equal(train.X, test.X)


def test_effects_and_coefficients_are_drawn_anew_with_the_stated_odds():
    drawn = scenario("gaussian-high-60.0")
    pairs = [simulate(drawn, replication_rng(drawn, r)) for r in range(60)]
    gamma = np.concatenate([p.gamma for p in pairs])
    assert stats.kstest(gamma, "norm", args=(0, np.sqrt(60))).pvalue > 1e-4
    beta = np.concatenate([p.beta for p in pairs])
    counts = [np.sum(beta == b) for b in (-1, 0, 1)]
    assert stats.chisquare(counts).pvalue > 1e-4
    sparse = scenario("sparse-high-0%")
    signs = np.concatenate([simulate(sparse, replication_rng(sparse, r)).gamma for r in range(40)])
    assert stats.binomtest(int(np.sum(signs > 0)), len(signs)).pvalue > 1e-4


def test_streams_depend_on_nothing_but_their_key():
    drawn, other = scenario("sparse-low-50%"), scenario("sparse-low-40%")

    def first(each, rep, seed=0):
        return simulate(each, replication_rng(each, rep, seed)).train.y

    alone = first(drawn, 3)
    first(other, 0), first(drawn, 1)
    np.testing.assert_array_equal(first(drawn, 3), alone)
    for different in (first(drawn, 4), first(drawn, 3, seed=1), first(other, 3)):
        assert not np.array_equal(different, alone)
