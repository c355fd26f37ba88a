"""Fission: the two halves by their covariances, and coverage where the truth is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import scs
from scs import Moments
from scs.inference.background import Between
from scs.inference.fission import SHARE, fission_intervals, halves
from scs.inference.naming import name_clusters


def draw(seed, *, n_clusters=60, size=1.5, tau=0.2):
    """Return moments and whole effects: four differ by far, a covariate goes with clusters."""
    rng = np.random.default_rng(seed)
    n = np.exp(rng.uniform(np.log(3), np.log(80), n_clusters)).astype(int)
    code = np.repeat(np.arange(n_clusters), n)
    effect = tau * rng.normal(size=n_clusters)
    effect[:4] += size * np.array([1, -1, 1, -1])
    x = rng.normal(size=(len(code), 1)) + 0.5 * rng.normal(size=n_clusters)[code, None]
    y = 2.0 + x[:, 0] + effect[code] + rng.normal(size=len(code))
    return Moments.from_arrays(x, y, code, intercept=True), effect


def test_the_halves_recombine_and_are_independent():
    """Over draws of the noise and of the errors: variances by their law, covariances of 0."""
    between = Between.from_moments(draw(0)[0])
    rng = np.random.default_rng(1)
    first, second = halves(between, rng)
    for part in ("y", "within_xy"):
        both = (getattr(first, part) + SHARE * getattr(second, part)) / (1 + SHARE)
        np.testing.assert_allclose(both, getattr(between, part), rtol=1e-10, atol=1e-12)
    draws = 4000
    sigma = np.sqrt(between.var_e)
    root = np.linalg.cholesky(between.within_xx[1:, 1:])  # of the covariate: not of the intercept
    named, measured = [], []
    for _ in range(draws):
        noise = sigma * rng.normal(size=between.n_clusters) / np.sqrt(between.n)
        slope = np.concatenate([[0.0], sigma * root @ rng.normal(size=len(root))])
        seen = Between(
            between.n, between.x, between.y + noise, between.within_xx,
            between.within_xy + slope, between.within_yy, between.var_e, between.df,
            between.scale, between.origin,
        )  # fmt: skip
        one, two = halves(seen, rng)
        named.append([one.y[0], one.within_xy[1], one.y[5]])
        measured.append([two.y[0], two.within_xy[1], two.y[5]])
    found = np.cov(np.hstack([named, measured]).T)
    size = between.var_e * np.array([1 / between.n[0], between.within_xx[1, 1], 1 / between.n[5]])
    expected = np.diag(np.concatenate([size * (1 + SHARE), size * (1 + 1 / SHARE)]))
    error = 5 * np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / draws)
    assert (np.abs(found - expected) < error).all()
    assert first.var_e == pytest.approx(between.var_e * (1 + SHARE))
    assert second.var_e == pytest.approx(between.var_e * (1 + 1 / SHARE))


@pytest.mark.parametrize("how", [{"q": 0.2}, {"budget": 6}], ids=["rate", "number"])
def test_they_hold_the_truth(how):
    """Also of clusters that do not differ: with six names two at least are chance."""
    held = count = 0
    for seed in range(60):
        moments, effect = draw(seed)
        found = fission_intervals(moments, **how, seed=seed)
        held += int(
            ((found.low <= effect[found.support]) & (effect[found.support] <= found.high)).sum()
        )
        count += len(found.support)
    # The truth's origin is the mean of all clusters; so is the intercept's.
    assert count > 150
    assert (
        stats.binom.cdf(held, count, 0.95) > 1e-3 and stats.binom.sf(held - 1, count, 0.95) > 1e-4
    )


def test_they_name_nearly_as_many_and_are_longer():
    found = [fission_intervals(draw(seed)[0], q=0.1, seed=seed) for seed in range(20)]
    split = sum(len(each.support) for each in found)
    whole = sum(len(name_clusters(draw(seed)[0], 0.1).support) for seed in range(20))
    assert 0.7 * whole <= split <= 1.1 * whole


def test_a_seed_gives_one_answer_and_another_another():
    moments, _ = draw(3)
    one, two, other = (fission_intervals(moments, budget=4, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.low, two.low)
    assert not np.array_equal(one.low, other.low)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "one of them"),
        ({"q": 0.1, "budget": 3}, "one of them"),
        ({"q": 0.1, "level": 1}, "level"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        fission_intervals(draw(0)[0], **arguments)


def table(seed=0):
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(30), 12)
    y = rng.normal(size=360) + 3.0 * (school == 4) - 2.5 * (school == 9)
    return pd.DataFrame({"y": y, "x": rng.normal(size=360), "school": [f"s{k}" for k in school]})


def test_a_fitted_model_has_them_by_label_and_in_any_order_of_rows():
    model = scs.fit("y ~ x", table(), "school")
    found = model.interval("fission")
    assert set(found.index) == {"s4", "s9"}
    assert found.loc["s4", "low"] < 3.0 < found.loc["s4", "high"]
    assert found.loc["s9", "low"] < -2.5 < found.loc["s9", "high"]
    wide = (found["high"] - found["low"]).mean()
    usual = model.interval()
    assert 1.5 < wide / (usual["high"] - usual["low"]).mean() < 3.5
    shuffled = table().sample(frac=1.0, random_state=1)
    again = scs.fit("y ~ x", shuffled, "school").interval("fission")
    pd.testing.assert_frame_equal(found, again)
    assert not found.equals(model.interval("fission", seed=1))
    by_number = scs.fit("y ~ x", table(), "school", 3).interval("fission")
    assert len(by_number) == 3


def test_a_fitted_model_refuses_what_fission_has_not():
    model = scs.fit("y ~ x", table(), "school")
    with pytest.raises(ValueError, match="leave out beyond"):
        model.interval("fission", beyond=True)
    with pytest.raises(ValueError, match="'fission'"):
        model.interval("split")
    other = scs.fit("y ~ x", table(), "school", null="unequal")
    with pytest.raises(ValueError, match="null='normal'"):
        other.interval("fission")
