"""Baselines with weights: repeated rows, statsmodels' WLS, lme4, the marginal law written out."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import integrate, stats

from scs import Moments, lmm_gaussian, lmm_laplace, ols
from scs.baselines.laplace import loglik_laplace

REFERENCE = Path(__file__).parents[1] / "reference"
FITS = (ols, lmm_gaussian, lmm_laplace)


def rows_of(seed, n_rows=80, n_clusters=8):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n_rows), rng.normal(size=(n_rows, 2))])
    k = np.arange(n_rows) % n_clusters
    y = X @ [1.0, 0.5, -1.0] + rng.normal(size=n_clusters)[k]
    return rng, X, y + rng.normal(size=n_rows), k


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("seed", range(4))
def test_frequencies_are_repeated_rows(fit, seed):
    rng, X, y, k = rows_of(seed)
    times = rng.integers(0, 4, len(y))
    again = np.repeat(np.arange(len(y)), times)
    a, b = fit(X, y, k, frequency_weights=times), fit(X[again], y[again], k[again])
    assert a.n_rows == b.n_rows == times.sum()
    for name in ("beta", "cov_beta", "effects", "var_e", "var_u", "loglik", "aic"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_ols_with_precisions_is_statsmodels_wls(seed):
    rng, X, y, _ = rows_of(seed)
    w = rng.gamma(0.6, size=len(y)) + 1e-3
    ours, theirs = ols(X, y, precision_weights=w), sm.WLS(y, X, weights=w).fit()
    np.testing.assert_allclose(ours.beta, theirs.params, rtol=1e-10)
    np.testing.assert_allclose(ours.se_beta, theirs.bse, rtol=1e-10)
    np.testing.assert_allclose(ours.var_e, theirs.scale, rtol=1e-10)
    np.testing.assert_allclose(ours.loglik, theirs.llf, rtol=1e-10)


def marginal(X, y, k, w, var_u, var_e, reml):
    """Log-likelihood of y ~ N(X beta, var_u A A' + var_e diag(1 / w)) at its best beta, dense."""
    V = var_u * (k[:, None] == k) + var_e * np.diag(1 / w)
    inverse = np.linalg.inv(V)
    information = X.T @ inverse @ X
    beta = np.linalg.solve(information, X.T @ inverse @ y)
    r = y - X @ beta
    free = len(y) - (X.shape[1] if reml else 0)
    value = free * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + r @ inverse @ r
    if reml:
        value += np.linalg.slogdet(information)[1]
    A = (k[:, None] == np.unique(k)).astype(float)
    return -0.5 * value, beta, np.linalg.inv(information), var_u * A.T @ inverse @ r


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_the_mixed_model_with_precisions_is_the_marginal_law_at_its_top(seed, reml):
    rng, X, y, k = rows_of(seed)
    w = rng.gamma(1.0, size=len(y)) + 0.05
    found = lmm_gaussian(X, y, k, reml, precision_weights=w)
    assert found.var_u > 0
    value, beta, covariance, blup = marginal(X, y, k, w, found.var_u, found.var_e, reml)
    np.testing.assert_allclose(found.loglik, value, rtol=1e-10)
    np.testing.assert_allclose(found.beta, beta, rtol=1e-8)
    np.testing.assert_allclose(found.cov_beta, covariance, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found.effects, blup, rtol=1e-8, atol=1e-12)
    for du, de in ((1.01, 1), (0.99, 1), (1, 1.01), (1, 0.99), (1.01, 0.99), (0.99, 1.01)):
        moved = marginal(X, y, k, w, du * found.var_u, de * found.var_e, reml)[0]
        assert moved < value


@pytest.mark.parametrize("reml", [True, False])
def test_the_mixed_model_with_precisions_meets_lme4(reml):
    rows = pd.read_csv(REFERENCE / "a.csv")
    stored = json.loads((REFERENCE / "a_weighted.json").read_text())
    w = np.resize(stored["weights"], len(rows))
    fit = lmm_gaussian(rows.filter(like="x"), rows["y"], rows["cluster"], reml, precision_weights=w)
    lme4 = stored["lme4_REML" if reml else "lme4_ML"]
    np.testing.assert_allclose(fit.beta, lme4["beta"], rtol=1e-5)
    np.testing.assert_allclose(fit.se_beta, lme4["se"], rtol=1e-6)
    np.testing.assert_allclose(np.sqrt(fit.var_e), lme4["sigma"], rtol=1e-6)
    np.testing.assert_allclose(fit.var_u, lme4["tau2"], rtol=1e-5)
    np.testing.assert_allclose(fit.effects, lme4["blup"], rtol=1e-5)
    assert abs(fit.loglik - lme4["logLik"]) < 1e-7


def test_the_laplace_likelihood_with_precisions_is_its_integral():
    rng, X, y, k = rows_of(9, n_rows=24, n_clusters=4)
    w = rng.gamma(1.0, size=len(y)) + 0.2
    beta, var_u, var_e = np.array([1.1, 0.4, -0.8]), 0.7, 0.9
    total = 0.0
    for label in range(4):
        at = k == label
        r, spread = y[at] - X[at] @ beta, np.sqrt(var_e / w[at])

        def density(u, r=r, spread=spread):
            rows = np.prod(stats.norm.pdf(r - u, scale=spread))
            return rows * stats.laplace.pdf(u, scale=np.sqrt(var_u / 2))

        middle = w[at] @ r / w[at].sum()
        points = sorted({0.0, float(middle)})
        total += np.log(integrate.quad(density, -12, 12, points=points, epsabs=1e-14)[0])
    moments = Moments.from_arrays(X, y, k, precision_weights=w)
    np.testing.assert_allclose(loglik_laplace(moments, beta, var_u, var_e), total, rtol=1e-8)


@pytest.mark.parametrize("fit", FITS)
def test_the_unit_of_precisions_moves_the_errors_variance_alone(fit):
    rng, X, y, k = rows_of(2)
    w = rng.gamma(1.0, size=len(y)) + 0.05
    one, other = (fit(X, y, k, precision_weights=c * w) for c in (1.0, 1000.0))
    np.testing.assert_allclose(other.var_e, 1000 * one.var_e, rtol=1e-6)
    for name in ("beta", "cov_beta", "effects", "var_u", "loglik"):
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-6, atol=1e-9)
