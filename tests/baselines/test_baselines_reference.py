"""The baselines against R: lme4 for Gaussian effects, an exact ML fit for Laplace effects.

Tolerances: R's optimisers stop at about 1e-8 of the log-likelihood, which leaves 1e-5 in the
variances (they are flat there) and more in coefficients that are nearly zero.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scs.baselines import lmm_gaussian, lmm_laplace, loglik_laplace, ols
from scs.moments.moments import Moments

REFERENCE = Path(__file__).parents[1] / "reference"
POINTS = json.loads((REFERENCE / "a_loglik_points.json").read_text())


def table(name):
    rows = pd.read_csv(REFERENCE / f"{name}.csv")
    return rows.filter(like="x"), rows["y"], rows["cluster"]


def expected(name, fit):
    return json.loads((REFERENCE / f"{name}.json").read_text())[fit]


@pytest.mark.parametrize("name", ["a", "c"])
@pytest.mark.parametrize("reml", [True, False])
def test_gaussian_meets_lme4(name, reml):
    lme4 = expected(name, "lme4_REML" if reml else "lme4_ML")
    fit = lmm_gaussian(*table(name), reml=reml)
    close = {"rtol": 1e-6, "atol": 0}
    np.testing.assert_allclose(fit.beta, lme4["beta"], **close)
    np.testing.assert_allclose(fit.se_beta, lme4["se_beta"], **close)
    np.testing.assert_allclose(fit.var_u, lme4["tau2"], **close)
    np.testing.assert_allclose(np.sqrt(fit.var_e), lme4["sigma"], **close)
    np.testing.assert_allclose(fit.effects, lme4["blup"], **close)
    assert abs(fit.loglik - lme4["logLik"]) < 1e-7
    assert fit.converged and fit.n_iter < 25
    assert fit.method == "LMM (Gaussian)"
    assert fit.names == tuple(f"x{j + 1}" for j in range(len(fit.beta)))
    assert fit.labels.tolist() == list(range(1, 11))


@pytest.mark.parametrize("name", ["a", "c"])
def test_laplace_meets_the_exact_fit(name):
    r = expected(name, "laplace_normal_ML")
    fit = lmm_laplace(*table(name))
    np.testing.assert_allclose(fit.beta, r["beta"], rtol=1e-3, atol=0)
    np.testing.assert_allclose(fit.beta, r["beta"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(fit.var_u, r["var_u"], rtol=2e-5)
    np.testing.assert_allclose(fit.var_e, r["var_e"], rtol=2e-5)
    np.testing.assert_allclose(fit.posterior_mean, r["posterior_mean"], rtol=1e-5)
    np.testing.assert_allclose(fit.linear_predictor, r["blp"], rtol=1e-5)
    assert fit.loglik >= r["logLik"] - 1e-9
    assert fit.loglik < r["logLik"] + 1e-6
    assert fit.converged and fit.gradient < 1e-7 and fit.n_iter < 45
    assert fit.effects is fit.posterior_mean


@pytest.mark.parametrize("point", POINTS)
def test_loglik_points(point):
    moments = Moments.from_arrays(*table("a"))
    ours = loglik_laplace(
        moments, point["beta"], point["var_u"], point["var_e"], alpha=point["alpha_u"]
    )
    assert abs(ours - point["logLik_exact"]) < 1e-6


def test_loglik_is_largest_at_the_fit():
    moments = Moments.from_arrays(*table("a"))
    fit = lmm_laplace(*table("a"))
    top = loglik_laplace(moments, fit.beta, fit.var_u, fit.var_e)
    assert abs(top - fit.loglik) < 1e-9
    for j, se in enumerate(fit.se_beta):
        for sign in (-1, 1):
            moved = fit.beta.copy()
            moved[j] += sign * 0.1 * se
            assert loglik_laplace(moments, moved, fit.var_u, fit.var_e) < top - 1e-4
    assert loglik_laplace(moments, fit.beta, 1.05 * fit.var_u, fit.var_e) < top - 1e-4
    assert loglik_laplace(moments, fit.beta, fit.var_u, 1.05 * fit.var_e) < top - 1e-4


def test_ols_meets_numpy():
    X, y, clusters = table("c")
    fit = ols(X, y, clusters)
    beta, rss, *_ = np.linalg.lstsq(X.to_numpy(), y.to_numpy())
    np.testing.assert_allclose(fit.beta, beta, rtol=1e-9)
    np.testing.assert_allclose(fit.var_e, rss[0] / (500 - 25), rtol=1e-12)
