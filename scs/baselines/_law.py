"""The density of a cluster's mean residual under generalized Laplace effects, and its derivatives.

In units of its own standard error sqrt(var_e / n), the mean residual x of a cluster is

    x | w ~ N(0, 1 + kappa w),   w ~ Gamma(shape 1/alpha, mean 1),   kappa = n var_u / var_e ,

so alpha = 0 is the normal law, alpha = 1 a Laplace effect plus a normal error, and between them
lies the generalized Laplace law. Everything is vectorised over clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, erfcx, gammaln, log_ndtr, polygamma

CLOSED_FROM = 0.05  # below this kappa the closed form for alpha = 1 loses digits
SMALLEST_ALPHA = 1e-8  # the law is normal to rounding below
_BLOCK = 256  # clusters integrated at a time: their nodes fit in the cache
_DEPTH = 38.0  # nodes reach to where the integrand is exp(-38) of its peak
_ROOT_2_PI = np.sqrt(2.0 / np.pi)
_LOG_2PI = np.log(2.0 * np.pi)


@dataclass(frozen=True)
class Terms:
    """log h and its derivatives; each an array of shape (K,).

    Subscripts: x the standardised mean residual, k the ratio kappa, a the shape alpha (None unless
    asked for).
    """

    value: np.ndarray
    x: np.ndarray
    xx: np.ndarray
    k: np.ndarray
    kk: np.ndarray
    xk: np.ndarray
    a: np.ndarray | None = None
    aa: np.ndarray | None = None
    xa: np.ndarray | None = None
    ka: np.ndarray | None = None


def log_density(
    x: np.ndarray, kappa: np.ndarray, alpha: float, *, with_alpha: bool = False
) -> Terms:
    """Return log h(x; kappa, alpha) and its first and second derivatives.

    Parameters
    ----------
    x : ndarray, shape (K,)
        Standardised mean residuals.
    kappa : ndarray, shape (K,)
        n_k var_u / var_e, >= 0.
    alpha : float
        Shape, 0 to 1.
    with_alpha : bool
        Add the derivatives in alpha.
    """
    if alpha < SMALLEST_ALPHA:
        return _normal(x, kappa, with_alpha)
    closed = kappa >= (CLOSED_FROM if alpha == 1.0 and not with_alpha else np.inf)
    if closed.all():
        return _laplace(x, kappa)
    rest = np.flatnonzero(~closed)
    parts: list[tuple[np.ndarray, Terms]] = []
    if closed.any():
        parts.append((closed, _laplace(x[closed], kappa[closed])))
    for rows in np.split(rest, range(_BLOCK, len(rest), _BLOCK)):
        parts.append((rows, _mixture(x[rows], kappa[rows], alpha, with_alpha)))
    if len(parts) == 1:
        return parts[0][1]
    merged = {}
    for name in ("value", "x", "xx", "k", "kk", "xk") + (("a", "aa", "xa", "ka") * with_alpha):
        merged[name] = np.empty_like(x)
        for rows, part in parts:
            merged[name][rows] = getattr(part, name)
    return Terms(**merged)


def _normal(x: np.ndarray, kappa: np.ndarray, with_alpha: bool) -> Terms:
    """Take normal effects, alpha = 0: x ~ N(0, 1 + kappa)."""
    V = 1.0 + kappa
    z = x**2 / V
    k = 0.5 * (z - 1.0) / V
    kk = 0.5 * (1.0 - 2.0 * z) / V**2
    xk = x / V**2
    first_alpha = None
    if with_alpha:
        # var(w) = alpha, so to first order h gains alpha / 2 of its second derivative in w.
        first_alpha = 0.5 * kappa**2 * (k**2 + kk)
    return Terms(-0.5 * (_LOG_2PI + np.log(V) + z), -x / V, -1.0 / V, k, kk, xk, a=first_alpha)


def _laplace(x: np.ndarray, kappa: np.ndarray) -> Terms:
    """Take Laplace effects, alpha = 1, in closed form.

    With lam = sqrt(2 / kappa), the Laplace rate in units of the standard error,

        h = (lam / 4) exp(-x^2 / 2) [E(lam - x) + E(lam + x)],   E(t) = erfcx(t / sqrt 2).

    Derivatives are polynomials in D, the posterior probability of a positive effect minus that of
    a negative one, and q = sqrt(2 / pi) / [E(lam - x) + E(lam + x)].
    """
    sign, x = np.sign(x), np.abs(x)
    lam = np.sqrt(2.0 / kappa)
    near = (lam - x) / np.sqrt(2.0)
    far = erfcx((lam + x) / np.sqrt(2.0))
    # erfcx grows like exp(near^2) to the left of 0: take its logarithm there.
    left = near < -5.0
    plain = erfcx(np.where(left, 0.0, near))
    tail = log_ndtr(np.where(left, x - lam, 0.0))
    log_near = np.where(left, near**2 + np.log(2.0) + tail, np.log(plain))
    ratio = far * np.exp(-log_near)  # E(lam + x) / E(lam - x), at most 1
    log_sum = np.log1p(ratio)
    value = np.log(lam / 4.0) + log_sum
    # -x^2/2 + near^2 is written out: for large x the two would cancel.
    value += np.where(left, lam * (0.5 * lam - x) + np.log(2.0) + tail, log_near - 0.5 * x**2)
    q = _ROOT_2_PI * np.exp(-log_near - log_sum)
    D = (1.0 - ratio) / (1.0 + ratio)
    rest = 4.0 * ratio / (1.0 + ratio) ** 2  # 1 - D^2

    d_lam = 1.0 / lam + lam - x * D - 2.0 * q
    D_lam = 2.0 * q * D - x * rest
    q_lam = -q * (lam - x * D - 2.0 * q)
    dd_lam = 1.0 - 1.0 / lam**2 - x * D_lam - 2.0 * q_lam
    slope, curvature = -(lam**3) / 4.0, 3.0 * lam**5 / 16.0  # of lam in kappa
    return Terms(
        value=value,
        x=-sign * lam * D,
        xx=lam**2 * rest - 2.0 * lam * q,
        k=slope * d_lam,
        kk=slope**2 * dd_lam + curvature * d_lam,
        xk=-sign * slope * (D + lam * D_lam),
    )


def _mixture(x: np.ndarray, kappa: np.ndarray, alpha: float, with_alpha: bool) -> Terms:
    """0 < alpha <= 1, by quadrature over t = log w: derivatives are moments of w given x."""
    nu = 1.0 / alpha
    t, weight, value = _nodes(x, kappa, nu, 1.0)
    x, kappa = x[:, None], kappa[:, None]
    w = np.exp(t)
    precision = 1.0 / (1.0 + kappa * w)
    u = w * precision
    z = x**2 * precision

    def mean(values: np.ndarray) -> np.ndarray:
        return np.einsum("ij,ij->i", weight, values)

    f_x, f_k = -x * precision, 0.5 * u * (z - 1.0)
    m_x, m_k = mean(f_x), mean(f_k)
    e_x, e_k = f_x - m_x[:, None], f_k - m_k[:, None]
    terms = {
        "value": value,
        "x": m_x,
        "xx": mean(e_x**2 - precision),
        "k": m_k,
        "kk": mean(e_k**2 + 0.5 * u**2 * (1.0 - 2.0 * z)),
        "xk": mean(e_x * e_k + x * u * precision),
    }
    if with_alpha:
        # d/d alpha of the log gamma density, = -nu^2 d/d nu.
        first, second = _log_minus_digamma(nu)
        f_nu = first + (t - np.expm1(t))
        f_a = -(nu**2) * f_nu
        m_a = mean(f_a)
        e_a = f_a - m_a[:, None]
        terms["a"] = m_a
        terms["aa"] = mean(e_a**2 + 2.0 * nu**3 * f_nu) + nu**4 * second
        terms["xa"] = mean(e_x * e_a)
        terms["ka"] = mean(e_k * e_a)
    return Terms(**terms)


def effect_score(s: np.ndarray, kappa: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the first two derivatives of the log density of an effect at s > 0, 0 < alpha < 1.

    ``s`` is in the units of x: the effect's variance is kappa.
    """
    t, weight, _ = _nodes(s, kappa, 1.0 / alpha, 0.0)
    precision = np.exp(-t) / kappa[:, None]
    mean = np.einsum("ij,ij->i", weight, precision)
    spread = np.einsum("ij,ij->i", weight, (precision - mean[:, None]) ** 2)
    return -s * mean, -mean + s**2 * spread


def n_nodes(nu: float) -> int:
    """Return how many nodes keep the error of log h near 1e-12 (1e-10 for kappa = 1e8)."""
    return 34 + int(40.0 / nu)


def _nodes(
    x: np.ndarray, kappa: np.ndarray, nu: float, noise: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quadrature adapted to each cluster: nodes t = log w, posterior weights, and log h.

    The trapezoidal rule in s, t = peak + 3 width sinh(s), between the points where the integrand
    has fallen to exp(-38) of its peak. The integrand is analytic and dies at both ends, where the
    rule converges geometrically; sinh shortens the left tail, which only falls like w^nu.
    """
    x2 = x**2

    def exponent(t: np.ndarray, x2: np.ndarray, kappa: np.ndarray) -> np.ndarray:
        V = noise + kappa * np.exp(t)
        return nu * (t - np.expm1(t)) - 0.5 * (np.log(V) + x2 / V)

    peak, width = _peak(x2, kappa, nu, noise)
    top = exponent(peak, x2, kappa)

    side = np.array([[-1.0], [1.0]])
    low, high = np.zeros((2, len(peak))), np.full((2, len(peak)), 8.0)  # log of distance / width
    for _ in range(6):
        middle = 0.5 * (low + high)
        inside = top - exponent(peak + side * width * np.exp(middle), x2, kappa) < _DEPTH
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    left, right = np.arcsinh(np.exp(high) / 3.0)
    nodes = n_nodes(nu)
    step = (left + right) / (nodes - 1)
    grown = np.exp(step[:, None] * np.arange(nodes) - left[:, None])
    shrunk = 1.0 / grown
    t = peak[:, None] + 1.5 * width[:, None] * (grown - shrunk)
    weight = np.exp(exponent(t, x2[:, None], kappa[:, None]) - top[:, None]) * (grown + shrunk)
    total = weight.sum(axis=1)
    weight /= total[:, None]
    value = top + np.log(1.5 * width * step * total) - 0.5 * _LOG_2PI + _log_gamma_norm(nu)
    return t, weight, value


def _peak(
    x2: np.ndarray, kappa: np.ndarray, nu: float, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mode of the integrand in t = log w, and its width (curvature^-1/2) there."""
    # The mode solves nu (w - 1) + y / (2 V) = x^2 y / (2 V^2), y = kappa w, V = noise + y;
    # y / V is at most 1, and y / V^2 at most 1 / y.
    low = np.full_like(x2, np.log1p(-0.5 / nu))
    with np.errstate(divide="ignore", over="ignore"):
        ratio = x2 / (2.0 * nu * kappa)
        high = np.log(0.5 + np.sqrt(0.25 + np.minimum(ratio, 1e300)))
        if noise > 0:
            high = np.minimum(high, np.log1p(x2 / (8.0 * nu * noise)))
    t = high
    for _ in range(60):
        w = np.exp(t)
        y = kappa * w
        V = noise + y
        slope = -nu * np.expm1(t) - 0.5 * y / V + 0.5 * x2 * y / V**2
        curvature = -nu * w - 0.5 * noise * y / V**2 + 0.5 * x2 * y * (noise - y) / V**3
        low, high = np.where(slope > 0, t, low), np.where(slope > 0, high, t)
        with np.errstate(divide="ignore"):
            newton = t - slope / curvature
        inside = (newton >= low) & (newton <= high)
        t_new = np.where(inside, newton, 0.5 * (low + high))
        # The peak only places the nodes: a small part of its width is close enough.
        done = np.abs(t_new - t) <= 1e-3 / np.sqrt(np.abs(curvature))
        t = t_new
        if done.all():
            break
    return t, 1.0 / np.sqrt(np.maximum(-curvature, 1e-300))


def _log_gamma_norm(nu: float) -> float:
    """Return nu log nu - nu - log Gamma(nu), by Stirling's series where it would cancel."""
    if nu < 30.0:
        return float(nu * np.log(nu) - nu - gammaln(nu))
    v = 1.0 / nu**2
    series = (1 / 12 - v * (1 / 360 - v * (1 / 1260 - v / 1680))) / nu
    return float(0.5 * np.log(nu / (2 * np.pi)) - series)


def _log_minus_digamma(nu: float) -> tuple[float, float]:
    """Return log nu - digamma(nu) and its derivative, without cancellation."""
    if nu < 30.0:
        return float(np.log(nu) - digamma(nu)), float(1.0 / nu - polygamma(1, nu))
    v = 1.0 / nu**2
    first = 0.5 / nu + v * (1 / 12 - v * (1 / 120 - v * (1 / 252 - v / 240)))
    second = -v * (0.5 + (1 / 6 - v * (1 / 30 - v * (1 / 42 - v / 30))) / nu)
    return float(first), float(second)
