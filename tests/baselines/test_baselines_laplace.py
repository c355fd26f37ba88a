"""LMM (Laplace): against integration over the effects on the rows, and as a maximum."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from test_baselines_gaussian import PEAKS, two_peaks
from test_baselines_gaussian import data as gaussian_data
from test_baselines_law import effect_density

from scs.baselines import _climb, fit_laplace, lmm_gaussian, lmm_laplace, loglik_laplace
from scs.moments.moments import Moments


def data(seed, n_clusters=9, kind="laplace", n_max=15, columns=3):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n_clusters), rng.integers(2, n_max, n_clusters))
    X = rng.normal(size=(len(codes), columns)) + rng.normal(size=(n_clusters, columns))[codes]
    gamma = {
        "laplace": 2 * rng.laplace(size=n_clusters),
        "sparse": 10.0 * (np.arange(n_clusters) < 2),
        "normal": 2 * rng.normal(size=n_clusters),
    }[kind]
    return X, X @ np.ones(columns) + gamma[codes] + rng.normal(size=len(codes)), codes


def row_posterior(X, y, rows, fit, var_u, var_e, alpha):
    """Density of a cluster's rows times that of its effect, as a function of the effect."""

    def density(u):
        residuals = y[rows] - X[rows] @ fit.beta - u
        rows_given_u = np.exp(norm.logpdf(residuals, scale=np.sqrt(var_e)).sum())
        return rows_given_u * effect_density(u, var_u, alpha)

    return density


def integral(function, centre, width):
    """Integrate with the kink at zero and the peak as break points."""
    edges = np.unique([*(centre + width * np.array([-30, -5, -1, 0, 1, 5, 30])), 0.0])
    tiny = 1e-13 * width  # the Bessel form has no value at zero
    return sum(
        quad(function, a + tiny, b - tiny, epsabs=0, epsrel=1e-11, limit=200)[0]
        for a, b in pairwise(edges)
    )


@pytest.mark.parametrize("alpha", [1.0, 0.6, 0.2])
def test_loglik_and_effects_against_integration_over_the_rows(alpha):
    X, y, codes = data(0)
    fit = lmm_laplace(X, y, codes, alpha=alpha)
    assert fit.var_u > 0
    loglik = 0.0
    for k in range(9):
        rows = codes == k
        density = row_posterior(X, y, rows, fit, fit.var_u, fit.var_e, alpha)
        centre = (y[rows] - X[rows] @ fit.beta).mean()
        width = np.sqrt(fit.var_e / rows.sum())
        total = integral(density, centre, width)
        mean = integral(lambda u, f=density: u * f(u), centre, width) / total
        loglik += np.log(total)
        assert fit.posterior_mean[k] == pytest.approx(mean, abs=1e-8)
        side = sorted([1e-9 * np.sign(centre), centre])
        best = minimize_scalar(
            lambda u, f=density: -np.log(f(u)), bounds=side, options={"xatol": 1e-9}
        )
        if alpha < 1.0 or fit.posterior_mode[k] != 0.0:
            assert fit.posterior_mode[k] == pytest.approx(best.x, abs=1e-5)
        else:
            assert density(1e-9 * np.sign(centre)) > density(1e-3 * centre)
        shrink = rows.sum() * fit.var_u / (rows.sum() * fit.var_u + fit.var_e)
        assert fit.linear_predictor[k] == pytest.approx(shrink * centre, rel=1e-9)
    assert fit.loglik == pytest.approx(loglik, abs=1e-7)


def test_mode_selects_where_the_residual_is_large():
    X, y, codes = data(2, n_clusters=20, kind="sparse")
    fit = lmm_laplace(X, y, codes, effects="mode")
    n = np.bincount(codes)
    mean_residual = np.bincount(codes, y - X @ fit.beta) / n
    threshold = fit.var_e * np.sqrt(2 / fit.var_u) / n
    zero = np.abs(mean_residual) <= threshold
    assert 0 < zero.sum() < 20
    assert ((fit.effects == 0.0) == zero).all()
    assert fit.effects is fit.posterior_mode
    np.testing.assert_allclose(np.abs(mean_residual - fit.effects)[~zero], threshold[~zero])


def parameters(fit):
    values = [*fit.beta, np.log(fit.var_e), np.log(fit.var_u)]
    return np.array([*values, fit.alpha] if np.isfinite(fit.se_alpha) else values)


def hessian_of_loglik(moments, fit):
    """Gradient and Hessian of the log-likelihood in the original parameters, by differences."""
    at = parameters(fit)
    P = len(fit.beta)
    steps = 2e-3 * np.array([*fit.se_beta, *np.full(len(at) - P, 0.3)])

    def value(move):
        p = at + steps * move
        alpha = p[P + 2] if len(p) > P + 2 else fit.alpha
        return loglik_laplace(moments, p[:P], np.exp(p[P + 1]), np.exp(p[P]), alpha)

    unit = np.eye(len(at))
    gradient = [(value(e) - value(-e)) / 2 for e in unit]
    hessian = [
        [(value(e + f) - value(e - f) - value(f - e) + value(-e - f)) / 4 for f in unit]
        for e in unit
    ]
    return np.array(gradient) / steps, np.array(hessian) / np.outer(steps, steps)


@pytest.mark.parametrize(("seed", "alpha"), [(0, 1.0), (3, 1.0), (1, 0.5), (4, 0.1), (44, None)])
def test_observed_information(seed, alpha):
    X, y, codes = data(seed)
    moments = Moments.from_arrays(X, y, codes)
    fit = fit_laplace(moments, alpha=alpha)
    if alpha is None:
        assert 0 < fit.alpha < 1, "choose a seed with alpha inside"
    assert fit.converged and fit.gradient < 1e-6
    gradient, hessian = hessian_of_loglik(moments, fit)
    covariance = np.linalg.inv(-hessian)
    se = np.sqrt(np.diag(covariance))
    # In standard errors, differences of steps of 0.002 leave about 1e-5.
    assert np.max(np.abs(gradient * se)) < 1e-4
    P = len(fit.beta)
    np.testing.assert_allclose(fit.se_beta, se[:P], rtol=1e-3)
    np.testing.assert_allclose(fit.cov_beta, covariance[:P, :P], rtol=1e-2, atol=1e-3 * se[0] ** 2)
    assert fit.se_var_e == pytest.approx(fit.var_e * se[P], rel=1e-3)
    assert fit.se_var_u == pytest.approx(fit.var_u * se[P + 1], rel=1e-3)
    if alpha is None:
        assert fit.se_alpha == pytest.approx(se[P + 2], rel=1e-3)
    else:
        assert np.isnan(fit.se_alpha)


@pytest.mark.parametrize("seed", range(3))
def test_alpha_zero_is_gaussian_ml(seed):
    X, y, codes = data(seed, kind="normal")
    ml = lmm_gaussian(X, y, codes, reml=False)
    zero = lmm_laplace(X, y, codes, alpha=0.0)
    np.testing.assert_allclose(zero.beta, ml.beta, rtol=1e-8)
    np.testing.assert_allclose(zero.effects, ml.effects, rtol=1e-7)
    np.testing.assert_allclose([zero.var_u, zero.var_e], [ml.var_u, ml.var_e], rtol=1e-7)
    assert zero.loglik == pytest.approx(ml.loglik, abs=1e-9)
    # And the limit is approached in proportion to alpha.
    off = np.array([lmm_laplace(X, y, codes, alpha=a).loglik - ml.loglik for a in (1e-2, 1e-3)])
    assert off[0] / off[1] == pytest.approx(10, rel=0.1)
    near = lmm_laplace(X, y, codes, alpha=1e-5)
    np.testing.assert_allclose([near.var_u, near.var_e], [ml.var_u, ml.var_e], rtol=1e-4)
    for rule in ("posterior_mean", "posterior_mode", "linear_predictor"):
        np.testing.assert_allclose(getattr(near, rule), ml.effects, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("seed", "kind", "inside"),
    [
        (4, "laplace", True),
        (8, "laplace", True),
        (33, "laplace", True),
        (52, "laplace", True),
        (0, "normal", False),
        (2, "sparse", False),
    ],
)
def test_estimated_alpha_is_the_best(seed, kind, inside):
    X, y, codes = data(seed, kind=kind)
    fit = lmm_laplace(X, y, codes, alpha=None)
    assert fit.converged and 0.0 <= fit.alpha <= 1.0
    at_estimate = lmm_laplace(X, y, codes, alpha=fit.alpha)
    assert fit.loglik == pytest.approx(at_estimate.loglik, abs=1e-9)
    assert fit.aic == pytest.approx(at_estimate.aic + 2, abs=1e-8)
    for alpha in (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 1.0):
        assert lmm_laplace(X, y, codes, alpha=alpha).loglik <= fit.loglik + 1e-9
    assert (0.0 < fit.alpha < 1.0) == inside
    if not inside:
        assert f"bound {fit.alpha:g}" in fit.message and np.isnan(fit.se_alpha)
    else:
        assert fit.message == "" and fit.se_alpha > 0


@pytest.mark.parametrize("alpha", [1.0, 0.5])
@pytest.mark.parametrize(("seed", "shrink"), PEAKS)
def test_two_maxima(seed, shrink, alpha):
    """The data of the Gaussian test of the same name: nothing stands higher than the fit."""
    moments = Moments.from_arrays(*two_peaks(seed, shrink))
    fit = fit_laplace(moments, alpha=alpha)
    assert fit.converged
    # A grid over the three parameters: nothing on it stands higher.
    ratios = np.concatenate([[0.0], np.geomspace(1e-4, 30, 25)])
    best = max(
        loglik_laplace(moments, [mean], ratio * var_e, var_e, alpha)
        for ratio in ratios
        for mean in fit.beta[0] + fit.se_beta[0] * np.linspace(-4, 4, 9)
        for var_e in fit.var_e * np.linspace(0.8, 1.3, 11)
    )
    assert best <= fit.loglik + 1e-9
    assert best > fit.loglik - 2.0


@pytest.mark.parametrize("seed", range(4))
def test_huge_effects_and_constant_covariates(seed):
    """A law straight almost everywhere: median regression, where Newton alone would be lost."""
    X, y, codes = gaussian_data(seed, n_clusters=11, effect=1e4, constant=1)
    moments = Moments.from_arrays(X, y, codes)
    fit = fit_laplace(moments)
    assert fit.converged
    for sign in (-1, 1):
        for j in range(3):
            moved = fit.beta.copy()
            moved[j] += sign * (0.5 * fit.se_beta[j] if np.isfinite(fit.se_beta[j]) else 1e-3)
            assert loglik_laplace(moments, moved, fit.var_u, fit.var_e) <= fit.loglik + 1e-9


@pytest.mark.parametrize("gap", [4.0, 1000.0])
def test_flat_likelihood_is_said(gap):
    """Two clusters, one intercept: any value between the two means fits as well."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], 20)
    x = rng.normal(size=40)
    y = gap * codes + x + rng.normal(size=40)
    fit = lmm_laplace(np.column_stack([np.ones(40), x]), y, codes)
    assert fit.converged
    assert "flat in the coefficients of 'x1' (" in fit.message
    assert np.isnan(fit.se_beta[0]) and fit.se_beta[1] == pytest.approx(0.16, abs=0.08)
    assert np.isfinite([fit.se_var_u, fit.se_var_e]).all()
    assert 0 < fit.beta[0] < gap
    assert fit.effects[1] - fit.effects[0] == pytest.approx(gap, abs=2)


def test_zero_variance_is_a_result():
    rng = np.random.default_rng(3)
    codes = np.repeat(np.arange(8), 6)
    X, y = rng.normal(size=(48, 2)), rng.normal(size=48)
    y -= np.bincount(codes, y)[codes] / 6
    ml = lmm_gaussian(X, y, codes, reml=False)
    for alpha in (1.0, 0.4, None):
        fit = lmm_laplace(X, y, codes, alpha=alpha)
        assert fit.var_u == 0.0 and np.isnan(fit.se_var_u) and fit.icc == 0.0
        for rule in ("posterior_mean", "posterior_mode", "linear_predictor"):
            assert (getattr(fit, rule) == 0).all()
        assert fit.converged and fit.message.startswith("var_u is estimated as zero")
        assert fit.loglik == pytest.approx(ml.loglik, abs=1e-9)
        assert np.isnan(fit.alpha) == (alpha is None)
        np.testing.assert_allclose(fit.cov_beta, ml.cov_beta, rtol=1e-8)


def test_converged_can_be_false(monkeypatch):
    X, y, codes = data(0)
    assert lmm_laplace(X, y, codes).converged
    monkeypatch.setattr(_climb, "TOLERANCE", 10.0)  # stops ten standard errors away
    fit = lmm_laplace(X, y, codes)
    assert not fit.converged and fit.gradient > 1e-5


def test_two_clusters():
    X, y, codes = data(5, n_clusters=2)
    fit = lmm_laplace(X, y + 20 * codes, codes)
    assert fit.converged and fit.var_u > 0 and np.isfinite(fit.se_beta).all()
    assert fit.effects[1] - fit.effects[0] > 15


def test_many_clusters_of_few_rows():
    X, y, codes = data(6, n_clusters=3000, n_max=4)
    fit = lmm_laplace(X, y, codes)
    assert fit.converged
    truth = np.array([1.0, 1.0, 1.0, 8.0, 1.0])
    estimate = np.array([*fit.beta, fit.var_u, fit.var_e])
    error = np.array([*fit.se_beta, fit.se_var_u, fit.se_var_e])
    assert (np.abs(estimate - truth) < 4 * error).all() and (error[:3] < 0.05).all()


@pytest.mark.parametrize("alpha", [-0.1, 1.5, np.nan, "one", [1.0]])
def test_alpha_is_validated(alpha):
    with pytest.raises(ValueError, match=r"^alpha is .* None to estimate"):
        lmm_laplace(*data(0), alpha=alpha)


def test_other_arguments_are_validated():
    with pytest.raises(ValueError, match=r"^effects is 'median': choose one of 'mean', 'mode'"):
        lmm_laplace(*data(0), effects="median")
    moments = Moments.from_arrays(*data(0))
    with pytest.raises(ValueError, match=r"^var_u, var_e, alpha are 1\.0, 0\.0, 1\.0: they must"):
        loglik_laplace(moments, np.ones(3), 1.0, 0.0)
    with pytest.raises(ValueError, match=r"^beta has shape \(2,\): pass one .* 3 columns"):
        loglik_laplace(moments, np.ones(2), 1.0, 1.0)
