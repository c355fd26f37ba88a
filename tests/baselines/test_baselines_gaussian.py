"""LMM (Gaussian) against statsmodels and against the density of the rows themselves."""

import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import multivariate_normal

from scs.baselines import _basis, gaussian, lmm_gaussian
from scs.moments.moments import Moments


def data(seed, n_clusters=12, columns=3, effect=1.0, constant=0):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n_clusters), rng.integers(1, 15, n_clusters))
    X = rng.normal(size=(len(codes), columns)) + rng.normal(size=(n_clusters, columns))[codes]
    X[:, 0] = 1.0
    X[:, 1 : 1 + constant] = rng.normal(size=(n_clusters, constant))[codes]
    gamma = effect * rng.normal(size=n_clusters)
    return X, X.sum(axis=1) + gamma[codes] + rng.normal(size=len(codes)), codes


def loglik(X, y, codes, beta, var_u, var_e, reml):
    """Log density of the rows (REML: of the error contrasts), with the N x N covariance."""
    V = var_e * np.eye(len(y)) + var_u * (codes[:, None] == codes)
    value = multivariate_normal(X @ beta, V).logpdf(y)
    if reml:
        gram = X.T @ np.linalg.solve(V, X)
        value -= 0.5 * np.linalg.slogdet(gram)[1] - 0.5 * X.shape[1] * np.log(2 * np.pi)
    return value


def gls(X, y, codes, ratio, reml):
    """Maximise over beta and var_e for a fixed ratio of variances, on the rows."""
    V = np.eye(len(y)) + ratio * (codes[:, None] == codes)
    beta = np.linalg.solve(X.T @ np.linalg.solve(V, X), X.T @ np.linalg.solve(V, y))
    r = y - X @ beta
    var_e = r @ np.linalg.solve(V, r) / (len(y) - reml * X.shape[1])
    return beta, ratio * var_e, var_e


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_maximum_of_the_density_of_the_rows(seed, reml):
    X, y, codes = data(seed, constant=seed % 2)
    fit = lmm_gaussian(X, y, codes, reml=reml)
    assert fit.var_u > 0 and fit.converged and fit.gradient < 1e-7
    assert fit.n_iter < 25  # the scan, and a few Newton steps
    own = loglik(X, y, codes, fit.beta, fit.var_u, fit.var_e, reml)
    assert fit.loglik == pytest.approx(own, abs=1e-8)
    beta, _, var_e = gls(X, y, codes, fit.var_u / fit.var_e, reml)
    np.testing.assert_allclose(fit.beta, beta, rtol=1e-9)
    assert fit.var_e == pytest.approx(var_e, rel=1e-9)
    for ratio in fit.var_u / fit.var_e * np.array([0.9, 0.99, 1.01, 1.1]):
        assert loglik(X, y, codes, *gls(X, y, codes, ratio, reml), reml) < fit.loglik - 1e-7
    # Best linear unbiased predictors: cov(u, y) V^-1 residuals, on the rows.
    V = fit.var_e * np.eye(len(y)) + fit.var_u * (codes[:, None] == codes)
    A = (codes[:, None] == np.arange(len(fit.labels))).astype(float)
    np.testing.assert_allclose(
        fit.effects, fit.var_u * A.T @ np.linalg.solve(V, y - X @ fit.beta), rtol=1e-8, atol=1e-10
    )
    np.testing.assert_allclose(fit.cov_beta, np.linalg.inv(X.T @ np.linalg.solve(V, X)), rtol=1e-8)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_statsmodels(seed, reml):
    X, y, codes = data(seed, n_clusters=25)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = sm.MixedLM(y, X, groups=codes).fit(reml=reml)
    fit = lmm_gaussian(X, y, codes, reml=reml)
    # statsmodels stops at 1e-3 of tau^2 or so: what is compared tightly is who stands higher.
    assert fit.loglik >= other.llf - 1e-8
    assert fit.loglik == pytest.approx(other.llf, abs=1e-4)
    np.testing.assert_allclose(fit.beta, other.fe_params, rtol=1e-3, atol=1e-4)
    # Its standard errors are from the joint Hessian, ours (and lme4's) for a known ratio: smaller.
    np.testing.assert_allclose(fit.se_beta, other.bse_fe, rtol=0.05)
    assert (fit.se_beta < other.bse_fe * 1.001).all()
    assert fit.var_u == pytest.approx(other.cov_re[0, 0], rel=1e-2)
    assert fit.var_e == pytest.approx(other.scale, rel=1e-3)


@pytest.mark.parametrize("reml", [True, False])
def test_derivatives_against_finite_differences(reml):
    X, y, codes = data(5, constant=1)
    new = _basis.basis(Moments.from_arrays(X, y, codes))
    for theta in (0.0, 0.03, 1.0, 50.0):
        step = 1e-5 * (1 + theta)
        at = gaussian._profile(new, theta, reml)
        up, down = (gaussian._profile(new, theta + s, reml) for s in (step, -step))
        assert at.slope == pytest.approx((up.value - down.value) / (2 * step), rel=1e-5, abs=1e-7)
        assert at.curvature == pytest.approx((up.slope - down.slope) / (2 * step), rel=1e-5)


def test_zero_variance_is_a_result():
    rng = np.random.default_rng(3)
    codes = np.repeat(np.arange(8), 6)
    X, y = rng.normal(size=(48, 2)), rng.normal(size=48)
    y -= np.bincount(codes, y)[codes] / 6  # cluster means of zero: less than chance leaves
    for reml in (True, False):
        fit = lmm_gaussian(X, y, codes, reml=reml)
        assert fit.var_u == 0.0 and fit.icc == 0.0 and (fit.effects == 0).all()
        assert fit.converged and fit.message.startswith("var_u is estimated as zero")
        best = loglik(X, y, codes, fit.beta, 0.0, fit.var_e, reml)
        assert fit.loglik == pytest.approx(best, abs=1e-9)
        for ratio in (1e-6, 1e-3, 0.1, 10.0):
            assert loglik(X, y, codes, *gls(X, y, codes, ratio, reml), reml) < best


def two_peaks(seed, shrink):
    """Two large clusters and six tiny ones that disagree on var_u."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(8), [200, 200, 3, 3, 3, 3, 3, 3])
    large = np.array([0.15, -0.15, 0, 0, 0, 0, 0, 0]) * rng.uniform(0.5, 2)
    small = rng.normal(size=8) * np.array([0, 0, 1, 1, 1, 1, 1, 1]) * rng.uniform(0, 3)
    y = (large + shrink * small)[codes] + rng.normal(size=len(codes))
    return np.ones((len(y), 1)), y, codes


# The right of two inner maxima is higher, the left is, zero is, and zero is not.
PEAKS = [(24, 1.0), (142, 0.9), (155, 0.95), (239, 1.0)]


@pytest.mark.parametrize(("seed", "shrink"), PEAKS)
def test_two_maxima(seed, shrink):
    """The higher of two maxima of the profile is found."""
    X, y, codes = two_peaks(seed, shrink)
    ratios = np.concatenate([[0.0], np.geomspace(1e-4, 100, 40)])
    heights = [loglik(X, y, codes, *gls(X, y, codes, ratio, 0), False) for ratio in ratios]
    padded = np.concatenate([[-np.inf], heights, [-np.inf]])
    peaks = (padded[1:-1] > padded[:-2]) & (padded[1:-1] > padded[2:])
    assert peaks.sum() == 2
    fit = lmm_gaussian(X, y, codes, reml=False)
    assert fit.converged
    assert max(heights) - 1e-9 <= fit.loglik <= max(heights) + 0.1
    off = np.log(1e-4 + fit.var_u / fit.var_e) - np.log(1e-4 + ratios[np.argmax(heights)])
    assert abs(off) < 0.5
    assert fit.n_iter < 45


def test_two_clusters_and_huge_effects():
    X, y, codes = data(7, n_clusters=2)
    y = y + 1e6 * codes
    fit = lmm_gaussian(X, y, codes)
    assert fit.converged
    assert fit.var_u == pytest.approx(1e12 / 2, rel=1e-3)  # (difference / 2)^2 * 2, one contrast
    assert fit.effects[1] - fit.effects[0] == pytest.approx(1e6, rel=1e-4)


def test_covariates_that_absorb_every_cluster():
    X, y, codes = data(8, n_clusters=6)
    dummies = (codes[:, None] == np.arange(6)).astype(float)
    full = np.column_stack([dummies, X[:, 2]])
    with pytest.raises(ValueError, match=r"^X has 6 columns that are constant .* reml=False"):
        lmm_gaussian(full, y, codes)
    assert lmm_gaussian(full, y, codes, reml=False).var_u == 0.0
    one_less = lmm_gaussian(full[:, 1:], y, codes)
    assert one_less.converged


def test_only_covariates_constant_within_clusters():
    """Balanced: generalised least squares is ordinary least squares, whatever var_u."""
    rng = np.random.default_rng(9)
    codes = np.repeat(np.arange(30), 6)
    X = np.column_stack([np.ones(30), rng.normal(size=(30, 3))])[codes]
    y = X.sum(axis=1) + 2 * rng.normal(size=30)[codes] + rng.normal(size=180)
    fit = lmm_gaussian(X, y, codes)
    assert fit.var_u > 1
    np.testing.assert_allclose(fit.beta, np.linalg.lstsq(X, y)[0], rtol=1e-9)
    means = np.bincount(codes, y) / 6
    within = ((y - means[codes]) ** 2).sum() / 150
    between = ((means - X[::6] @ fit.beta) ** 2).sum() / (30 - 4)
    assert fit.var_e == pytest.approx(within, rel=1e-9)
    assert fit.var_u == pytest.approx(between - within / 6, rel=1e-8)
