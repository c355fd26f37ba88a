"""The density of a cluster's mean residual: values, derivatives, modes, quadrature error."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import digamma, gammaln, kve, polygamma
from scipy.stats import norm

from scs.baselines import _law
from scs.baselines._law import log_density
from scs.baselines.laplace import posterior_mode

ALPHAS = [1.0, 0.7, 0.3, 0.05, 0.001]
FIRST = ("x", "k")
SECOND = {"xx": ("x", "x"), "xk": ("x", "k"), "kk": ("k", "k")}


def sample(seed, size=60):
    rng = np.random.default_rng(seed)
    kappa = 10 ** rng.uniform(-2, 4, size)
    x = rng.normal(size=size) * np.sqrt(1 + kappa)
    x[:3] = 0.0
    return x, kappa


def effect_density(s, kappa, alpha):
    """Generalized Laplace density through the Bessel function: no mixture, no quadrature."""
    nu = 1.0 / alpha
    order, rate = nu - 0.5, np.sqrt(2.0 * nu / kappa)
    s = np.abs(s)
    log_bessel = np.log(kve(order, rate * s)) - rate * s
    log_norm = nu * np.log(nu) - gammaln(nu) - 0.5 * np.log(2 * np.pi * kappa) + np.log(2.0)
    return np.exp(log_norm + log_bessel + order * np.log(s / np.sqrt(2 * kappa * nu)))


def test_oracle_is_a_density():
    for alpha, kappa in [(1.0, 2.0), (0.5, 3.0), (0.2, 0.7)]:
        total, _ = quad(effect_density, 0, np.inf, args=(kappa, alpha))
        second, _ = quad(
            lambda s, *law: s**2 * effect_density(s, *law), 0, np.inf, args=(kappa, alpha)
        )
        assert 2 * total == pytest.approx(1.0, abs=1e-8)
        assert 2 * second == pytest.approx(kappa, rel=1e-7)


@pytest.mark.parametrize("alpha", [1.0, 0.8, 0.4, 0.1])
@pytest.mark.parametrize(("x", "kappa"), [(0.0, 3.0), (1.3, 0.2), (-4.0, 30.0), (9.0, 2.0)])
def test_value_against_integration_over_the_effect(alpha, x, kappa):
    def integrand(s):
        return np.exp(-0.5 * (x - s) ** 2) / np.sqrt(2 * np.pi) * effect_density(s, kappa, alpha)

    # Break points at the kink in 0 and at the data, where the integrand peaks.
    pieces = [(-80.0, -1e-12), (1e-12, 80.0)]
    h = sum(quad(integrand, a, b, points=[np.clip(x, a, b)], limit=400)[0] for a, b in pieces)
    value = log_density(np.array([x]), np.array([kappa]), alpha).value[0]
    assert value == pytest.approx(np.log(h), abs=1e-8)


def test_closed_form_and_quadrature_agree():
    x, kappa = sample(0, 400)
    kappa = np.maximum(kappa, _law.CLOSED_FROM)
    closed, nodes = _law._laplace(x, kappa), _law._mixture(x, kappa, 1.0, False)
    for name in ("value", "x", "xx", "k", "kk", "xk"):
        unit = kappa ** name.count("k")
        np.testing.assert_allclose(
            getattr(closed, name) * unit, getattr(nodes, name) * unit, rtol=1e-9, atol=1e-10
        )


def test_small_variance_keeps_its_digits():
    """At alpha = 1 the closed form would lose every digit of the second derivative here."""
    x = np.linspace(-3, 3, 13)
    terms = log_density(x, np.full_like(x, 1e-6), 1.0)
    quartic = 0.25 * (x**2 - 1) ** 2  # to first order: E w = 1, E w^2 = 2
    np.testing.assert_allclose(terms.k, 0.5 * (x**2 - 1), atol=1e-4)
    np.testing.assert_allclose(terms.kk, 2 * (0.5 - x**2 + quartic) - quartic, atol=1e-3)
    np.testing.assert_allclose(terms.value, norm.logpdf(x) + 5e-7 * (x**2 - 1), atol=1e-10)


def test_series_for_small_alpha():
    for nu in (30.0, 57.0):
        norm_term = nu * np.log(nu) - nu - gammaln(nu)
        assert _law._log_gamma_norm(nu) == pytest.approx(norm_term, abs=1e-12)
        first, second = _law._log_minus_digamma(nu)
        assert first == pytest.approx(np.log(nu) - digamma(nu), abs=1e-13)
        assert second == pytest.approx(1 / nu - polygamma(1, nu), abs=1e-13)


def test_score_of_an_effect():
    s, kappa = np.array([0.1, 0.7, 2.0, 5.0]), np.array([0.5, 2.0, 3.0, 10.0])
    for alpha in (0.8, 0.3):
        first, second = _law.effect_score(s, kappa, alpha)
        for i in range(4):
            log = [np.log(effect_density(s[i] + h, kappa[i], alpha)) for h in (-1e-4, 0, 1e-4)]
            assert first[i] == pytest.approx((log[2] - log[0]) / 2e-4, rel=1e-5)
            assert second[i] == pytest.approx((log[2] - 2 * log[1] + log[0]) / 1e-8, rel=1e-4)


def test_far_tails_do_not_overflow():
    x = np.array([-1e6, -1e3, 40.0, 1e3, 1e6])
    for alpha in (1.0, 0.5):
        terms = log_density(x, np.full(5, 4.0), alpha)
        lam = np.sqrt(2 / 4.0)
        assert np.isfinite(terms.value).all() and np.isfinite(terms.kk).all()
        if alpha == 1.0:
            # Far out the normal error only multiplies the Laplace tail by exp(lam^2 / 2).
            tail = np.log(lam / 2) + lam**2 / 2 - lam * np.abs(x)
            np.testing.assert_allclose(terms.value, tail, rtol=1e-14)


@pytest.mark.parametrize("alpha", [1.0, 0.9, 0.5, 0.2, 0.03])
def test_quadrature_error(alpha, monkeypatch):
    """With four times the nodes nothing moves by 1e-8 / 100, whatever x and kappa."""
    rng = np.random.default_rng(3)
    kappa = 10 ** rng.uniform(-6, 5, 500)
    x = rng.normal(size=500) * np.sqrt(1 + kappa) * 10 ** rng.uniform(-1, 1.3, 500)
    few = _law._mixture(x, kappa, alpha, False).value
    monkeypatch.setattr(_law, "n_nodes", lambda nu: 4 * (34 + int(40 / nu)))
    many = _law._mixture(x, kappa, alpha, False).value
    assert np.max(np.abs(few - many) / (1 + np.abs(many))) < 1e-11
    monkeypatch.setattr(_law, "n_nodes", lambda nu: 12)
    assert np.max(np.abs(_law._mixture(x, kappa, alpha, False).value - many)) > 1e-10


@pytest.mark.parametrize("alpha", [*ALPHAS, 0.0])
def test_derivatives_against_finite_differences(alpha):
    x, kappa = sample(1)
    steps = {"x": 1e-4 * (1 + np.abs(x)), "k": 1e-4 * kappa}
    terms = log_density(x, kappa, alpha)

    def moved(name, sign):
        shift = {"x": 0.0, "k": 0.0, name: sign * steps[name]}
        return log_density(x + shift["x"], kappa + shift["k"], alpha)

    def difference(of, name):
        up, down = (getattr(moved(name, sign), of) for sign in (1, -1))
        return (up - down) / (2 * steps[name])

    unit = {"x": np.sqrt(1 + kappa), "k": kappa}
    for name in FIRST:
        np.testing.assert_allclose(
            getattr(terms, name) * unit[name], difference("value", name) * unit[name], atol=1e-6
        )
    for name, (one, other) in SECOND.items():
        scale = unit[one] * unit[other]
        np.testing.assert_allclose(
            getattr(terms, name) * scale, difference(one, other) * scale, atol=1e-6
        )


@pytest.mark.parametrize("alpha", [0.95, 0.5, 0.1, 0.01])
def test_derivatives_in_alpha_against_finite_differences(alpha):
    x, kappa = sample(2)
    step = 1e-4 * alpha
    terms = log_density(x, kappa, alpha, with_alpha=True)
    up, down = (log_density(x, kappa, alpha + s, with_alpha=True) for s in (step, -step))
    for name, of in {"a": "value", "aa": "a", "xa": "x", "ka": "k"}.items():
        difference = (getattr(up, of) - getattr(down, of)) / (2 * step)
        exact = getattr(terms, name)
        np.testing.assert_allclose(exact, difference, rtol=1e-4, atol=1e-6)


def test_alpha_at_both_ends():
    x, kappa = sample(4)
    at_zero = log_density(x, kappa, 0.0, with_alpha=True)
    near_zero = log_density(x, kappa, 1e-6)
    np.testing.assert_allclose((near_zero.value - at_zero.value) / 1e-6, at_zero.a, atol=2e-4)
    at_one = log_density(x, kappa, 1.0, with_alpha=True)
    near_one = log_density(x, kappa, 1.0 - 1e-5)
    np.testing.assert_allclose((at_one.value - near_one.value) / 1e-5, at_one.a, atol=1e-3)


def test_log_concave_in_x():
    """What makes the fit for a fixed ratio a convex problem."""
    for alpha in ALPHAS:
        x, kappa = sample(5, 300)
        assert np.max(log_density(x, kappa, alpha).xx) <= 1e-12


@pytest.mark.parametrize("kappa", [0.3, 5.0, 400.0])
def test_mode_of_the_laplace_law_has_exact_zeros(kappa):
    x = np.linspace(-6, 6, 49)
    mode = posterior_mode(x, np.full_like(x, kappa), 1.0)
    threshold = np.sqrt(2 / kappa)
    assert ((mode == 0.0) == (np.abs(x) <= threshold)).all()
    outside = np.abs(x) > threshold
    np.testing.assert_allclose(np.abs(x - mode)[outside], threshold)


@pytest.mark.parametrize("alpha", [0.97, 0.6, 0.25, 0.04])
def test_mode_against_the_density(alpha):
    rng = np.random.default_rng(6)
    kappa = 10 ** rng.uniform(-1, 2, 12)
    x = rng.normal(size=12) * np.sqrt(1 + kappa)
    x[0] = 0.0
    mode = posterior_mode(x, kappa, alpha)
    assert mode[0] == 0.0
    for one_x, one_kappa, one_mode in zip(x[1:], kappa[1:], mode[1:]):
        grid = np.sign(one_x) * np.linspace(1e-9, abs(one_x), 40_001)
        posterior = np.log(effect_density(grid, one_kappa, alpha)) - 0.5 * (one_x - grid) ** 2
        best = grid[np.argmax(posterior)]
        assert abs(one_mode - best) <= 2 * abs(one_x) / 40_000


def test_mode_of_the_normal_law():
    x, kappa = sample(7)
    np.testing.assert_allclose(posterior_mode(x, kappa, 0.0), kappa / (1 + kappa) * x)
    near = posterior_mode(x, kappa, 1e-4)
    np.testing.assert_allclose(near, kappa / (1 + kappa) * x, rtol=0.01)
