"""LMM (Laplace): the linear mixed model with generalized Laplace cluster effects, by ML."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, eigh

from scs.baselines._basis import basis, refuse_unseparable
from scs.baselines._climb import Point, Profile, ascend, climb, highest
from scs.baselines._law import SMALLEST_ALPHA, effect_score, log_density
from scs.baselines._newton import EXACT, ROUGH, Problem, minimise, solve
from scs.baselines.fit import CONVERGED, ZERO_VARIANCE, Fit
from scs.baselines.gaussian import ratio_bound
from scs.moments.moments import Moments
from scs.moments.slopes import refuse_slopes

EFFECTS = ("mean", "mode", "linear")
ALPHA_GRID = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)


def lmm_laplace(
    X: Any,
    y: Any,
    clusters: Any,
    alpha: float | None = 1.0,
    effects: str = "mean",
    *,
    frequency_weights: Any = None,
    precision_weights: Any = None,
) -> Fit:
    """Fit Eq. 1 with a generalized Laplace random intercept and normal errors, by ML.

    The effect of a cluster is gamma_k | w_k ~ N(0, var_u w_k) with w_k ~ Gamma(shape 1/alpha,
    mean 1): the Laplace law for alpha = 1, the normal law for alpha = 0. No column is added to X:
    pass a column of ones for an intercept.

    Parameters
    ----------
    X : array-like or data frame, shape (N, P)
        Design matrix, finite, of full column rank; N > P.
    y : array-like, shape (N,)
        Outcome.
    clusters : array-like, shape (N,)
        Cluster labels; at least two.
    alpha : float or None
        Shape, 0 to 1; None estimates it there.
    effects : {"mean", "mode", "linear"}
        What ``effects`` of the result holds: the posterior mean; the posterior mode, which has
        exact zeros for alpha = 1 (an effect is zero unless the cluster's mean residual exceeds
        var_e sqrt(2 / var_u) / n in size); or the best linear predictor, as R's nlmm. The result
        has all three.
    frequency_weights, precision_weights : array-like, shape (N,), optional
        How many equal rows each row stands for; w_i, where the errors' variance is ``var_e`` / w_i
        (see `Moments.from_arrays`).

    Returns
    -------
    Fit
        Standard errors are from the observed information; beside an estimate on its bound
        (``var_u`` of zero, ``alpha`` of 0 or 1 when estimated) they hold it fixed there, which
        ``message`` says.

    Raises
    ------
    ValueError
        ``alpha`` outside [0, 1], an unknown ``effects``; dependent columns (named); N <= P; one
        cluster; one row per cluster, or no degrees of freedom within clusters; no residual within
        clusters; invalid input (see `scs.data.design.Design.from_table`).
    TypeError
        Values that are not numbers, labels of mixed type.

    Notes
    -----
    The likelihood needs no more than the moments: a cluster enters through its mean residual, whose
    density has a closed form for alpha = 1 and is one adaptive quadrature otherwise. For a fixed
    ratio theta = var_u / var_e it is log-concave in (beta, 1) / sqrt(var_e), so Newton's method
    finds the only maximum; the profile left in theta is scanned from 0 to infinity, and so is, when
    it is estimated, the one left in alpha. No start can strand the fit.

    References
    ----------
    Eq. 1 of the paper, whose LMM (Laplace) is R's nlmm: Geraci and Farcomeni (2020), A family of
    linear mixed-effects models using the generalized Laplace distribution, Statistical Methods in
    Medical Research 29(9).
    """
    moments = Moments.from_arrays(
        X,
        y,
        clusters,
        frequency_weights=frequency_weights,
        precision_weights=precision_weights,
    )
    return fit_laplace(moments, alpha=alpha, effects=effects)


def fit_laplace(moments: Moments, *, alpha: float | None = 1.0, effects: str = "mean") -> Fit:
    """Fit `lmm_laplace` from moments alone; the cost does not depend on the number of rows.

    Parameters
    ----------
    moments : Moments
    alpha : float or None
        Shape, 0 to 1; None estimates it there.
    effects : {"mean", "mode", "linear"}
        What ``effects`` of the result holds.

    Raises
    ------
    ValueError
        As `lmm_laplace`.
    """
    if effects not in EFFECTS:
        raise ValueError(f"effects is {effects!r}: choose one of {', '.join(map(repr, EFFECTS))}.")
    if alpha is not None and not (isinstance(alpha, Real) and 0.0 <= alpha <= 1.0):
        raise ValueError(
            f"alpha is {alpha!r}: pass a number from 0 (normal) to 1 (Laplace), or None to "
            "estimate it."
        )
    new = basis(moments)
    refuse_unseparable(moments, new)
    search = _Search(Problem.from_basis(new))
    best, shape = search.over_alpha() if alpha is None else (search.over_theta(alpha), float(alpha))
    return _report(moments, search, best, shape, alpha is None, effects)


def loglik_laplace(
    moments: Moments, beta: np.ndarray, var_u: float, var_e: float, alpha: float = 1.0
) -> float:
    """Return the log-likelihood of the model of `lmm_laplace` at given parameters.

    Parameters
    ----------
    moments : Moments
    beta : array-like, shape (P,)
    var_u : float
        Variance of the effects, not negative.
    var_e : float
        Variance of the errors, positive.
    alpha : float
        Shape, 0 to 1.

    Returns
    -------
    float
        Exact for alpha = 0 and 1, else by quadrature with an error below 1e-8.

    Raises
    ------
    ValueError
        A parameter out of its range; moments with random slopes.
    """
    refuse_slopes(moments, "the model")
    if not (var_e > 0.0 and var_u >= 0.0 and 0.0 <= alpha <= 1.0):
        raise ValueError(
            f"var_u, var_e, alpha are {var_u!r}, {var_e!r}, {alpha!r}: they must satisfy "
            "var_u >= 0, var_e > 0 and 0 <= alpha <= 1."
        )
    beta = np.asarray(beta, dtype=float)
    if beta.shape != (moments.n_columns,):
        raise ValueError(
            f"beta has shape {beta.shape}: pass one coefficient for each of the "
            f"{moments.n_columns} columns."
        )
    n, n_rows = moments.n, moments.n_rows
    within = moments.within_yy - 2.0 * (beta @ moments.within_xy) + beta @ moments.within_xx @ beta
    x = np.sqrt(n / var_e) * (moments.mean_y - moments.mean_x @ beta)
    normal = (n_rows - len(n)) * np.log(2 * np.pi) + n_rows * np.log(var_e) + within / var_e
    normal -= moments.log_weights
    return float(log_density(x, n * var_u / var_e, float(alpha)).value.sum() - 0.5 * normal)


class _Search:
    """Profiles of one problem, with a count of the evaluations they cost."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.top = ratio_bound(problem.new)
        self.n_eval = 0

    def profile(self, alpha: float) -> Profile:
        """Return the profile over theta, for `highest` and `climb`."""
        problem = self.problem

        def point(theta: float, near: Point | None, rough: bool) -> Point:
            zeta = problem.start if near is None else near.state.zeta
            # At theta = 0 every law is the normal one, to first order in theta too.
            law = alpha if theta > 0.0 else 0.0
            tolerance = ROUGH * len(problem.n) if rough else EXACT
            state = minimise(problem, theta, law, zeta, tolerance=tolerance)
            self.n_eval += state.n_eval
            cross = -problem.A.T @ (problem.n * state.terms.xk)
            slope = float(problem.n @ state.terms.k)
            curvature = float(problem.n**2 @ state.terms.kk + cross @ solve(state, cross))
            return Point(theta, -state.F, slope, curvature, state)

        return point

    def over_theta(self, alpha: float) -> Point:
        """Return the highest maximum over theta for a fixed alpha."""
        return highest(self.profile(alpha), self.problem.n, self.top)

    def over_alpha(self) -> tuple[Point, float]:
        """Return the highest maximum over theta and alpha, and its alpha."""
        first, last = self.over_theta(ALPHA_GRID[0]), self.over_theta(ALPHA_GRID[-1])
        grid = [(first, ALPHA_GRID[0])]
        for alpha in ALPHA_GRID[1:-1]:
            # A maximum over theta moves little with alpha, so those of both ends are followed.
            paths = [self.follow(alpha, start) for start in (grid[-1][0], last)]
            grid.append((max(paths, key=_height), alpha))
        grid.append((max(self.follow(1.0, grid[-1][0]), last, key=_height), ALPHA_GRID[-1]))
        slopes = [self.alpha_slope(*pair)[0] for pair in grid]
        found = list(grid)
        for left, right, up, down in zip(grid, grid[1:], slopes, slopes[1:]):
            rising = left[0].value <= right[0].value
            # Where the higher end is uphill inwards, a maximum lies between.
            if (down < 0.0) if rising else (up > 0.0):
                found.append(self._inside(right if rising else left, left[1], right[1]))
        return max(found, key=lambda pair: pair[0].value)

    def follow(self, alpha: float, start: Point) -> Point:
        """Return the maximum over theta, for another alpha, that is reached from ``start``."""
        if start.theta == 0.0:
            return self.over_theta(alpha)
        return climb(self.profile(alpha), start, self.problem.n, 0.0, np.inf)

    def alpha_slope(self, point: Point, alpha: float) -> tuple[float, float]:
        """Return slope and curvature in alpha of the profile over everything else."""
        if point.theta == 0.0:
            return 0.0, 0.0
        if alpha == 0.0:
            x = self.problem.A @ point.state.zeta
            terms = log_density(x, self.problem.n * point.theta, 0.0, with_alpha=True)
            assert terms.a is not None  # asked for
            return float(terms.a.sum()), 0.0
        information, gradient = _information(self.problem, point, alpha, True)
        cross = information[:-1, -1]
        explained = cross @ np.linalg.solve(information[:-1, :-1], cross)
        return -float(gradient[-1]), float(explained - information[-1, -1])

    def _inside(self, start: tuple[Point, float], low: float, high: float) -> tuple[Point, float]:
        """Find where the slope in alpha vanishes, following the maximum over theta."""
        point = start[0]

        def at(alpha: float) -> tuple[float, float, tuple[Point, float]]:
            nonlocal point
            point = self.follow(alpha, point)
            return *self.alpha_slope(point, alpha), (point, alpha)

        return ascend(at, start[1], low, high)


def _height(point: Point) -> float:
    return point.value


def _report(
    moments: Moments,
    search: _Search,
    best: Point,
    alpha: float,
    estimated: bool,
    effects: str,
) -> Fit:
    """Turn the maximum into a `Fit`: original units, standard errors, effects."""
    problem, new, theta = search.problem, search.problem.new, best.theta
    zeta, n_rows, n_columns = best.state.zeta, new.n_rows, moments.n_columns
    sigma = new.scale / zeta[-1]
    var_e, var_u = sigma**2, theta * sigma**2
    b = zeta[:-1] / zeta[-1]
    loglik = (
        best.value
        - 0.5 * (n_rows - moments.n_clusters) * np.log(2 * np.pi)
        - n_rows * np.log(new.scale)
        + 0.5 * moments.log_weights
    )
    free_alpha = estimated and 0.0 < alpha < 1.0 and theta > 0.0
    covariance, gradient = _covariance(problem, best, alpha, free_alpha)
    by_rule = _effects(problem, best, alpha)
    by_rule = {rule: sigma / np.sqrt(new.n) * s for rule, s in by_rule.items()}
    se = np.sqrt(np.diag(covariance)[n_columns:])
    notes = []
    if theta == 0.0:
        notes.append(ZERO_VARIANCE)
        alpha = np.nan if estimated else alpha
    elif estimated and not free_alpha:
        notes.append(f"alpha is estimated at its bound {alpha:g}, and held there.")
    unknown = [repr(name) for name, v in zip(moments.names, np.diag(covariance)) if np.isnan(v)]
    if unknown:
        notes.append(
            f"The likelihood is flat in the coefficients of {', '.join(unknown)} (values between "
            "two clusters fit equally well): no standard errors."
        )
    return Fit(
        method="LMM (Laplace)",
        names=moments.names,
        labels=moments.labels,
        beta=new.beta_ols + new.scale * (new.T @ b),
        cov_beta=covariance[:n_columns, :n_columns],
        effects=by_rule[effects],
        posterior_mean=by_rule["mean"],
        posterior_mode=by_rule["mode"],
        linear_predictor=by_rule["linear"],
        var_u=float(var_u),
        var_e=float(var_e),
        loglik=float(loglik),
        n_rows=n_rows,
        n_parameters=n_columns + 2 + estimated,
        converged=bool(gradient < CONVERGED),
        gradient=gradient,
        n_iter=search.n_eval,
        message=" ".join(notes),
        se_var_u=float(var_u * se[1]) if theta > 0.0 else np.nan,
        se_var_e=float(var_e * se[0]),
        alpha=float(alpha),
        se_alpha=float(se[2]) if free_alpha else np.nan,
    )


def _information(
    problem: Problem, point: Point, alpha: float, free_alpha: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return Hessian and gradient of minus the log-likelihood in its free parameters.

    These are zeta, then theta unless it is zero, then alpha if it is free.
    """
    state, n, A, P1 = point.state, problem.n, problem.A, len(point.state.zeta)
    extra = int(point.theta > 0.0) + int(free_alpha)
    information = np.zeros((P1 + extra, P1 + extra))
    information[:P1, :P1] = state.hessian
    gradient = np.concatenate([state.gradient, np.zeros(extra)])
    terms = state.terms
    if point.theta > 0.0:
        gradient[P1] = -n @ terms.k
        information[:P1, P1] = information[P1, :P1] = -A.T @ (n * terms.xk)
        information[P1, P1] = -(n**2) @ terms.kk
    if free_alpha:
        terms = log_density(A @ state.zeta, n * point.theta, alpha, with_alpha=True)
        assert terms.a is not None and terms.aa is not None  # asked for
        gradient[-1] = -terms.a.sum()
        information[:P1, -1] = information[-1, :P1] = -A.T @ terms.xa
        information[P1, -1] = information[-1, P1] = -n @ terms.ka
        information[-1, -1] = -terms.aa.sum()
    return information, gradient


def _covariance(
    problem: Problem, best: Point, alpha: float, free_alpha: bool
) -> tuple[np.ndarray, float]:
    """Invert the observed information.

    Returns
    -------
    covariance : ndarray
        Of (beta, log var_e), then log var_u unless it is zero, then alpha if free; NaN for what
        has a part in a direction without information.
    gradient : float
        sqrt(g'H^-1 g).
    """
    information, gradient = _information(problem, best, alpha, free_alpha)
    state, new = best.state, problem.new
    zeta, P = state.zeta, len(state.zeta) - 1
    # The rows are what is reported, the columns the parameters of the information.
    change = np.eye(len(information))
    change[:P, :P] = new.scale * new.T / zeta[P]
    change[:P, P] = -new.scale * (new.T @ zeta[:P]) / zeta[P] ** 2
    change[P, P] = -2.0 / zeta[P]
    if best.theta > 0.0:
        change[P + 1, P : P + 2] = -2.0 / zeta[P], 1.0 / best.theta
    true = information.copy()
    true[: P + 1, : P + 1] -= state.floor
    try:
        # In a direction where the law is straight only the trace of the majoriser is left, which
        # tells nothing about the data: its share of the true information is small.
        share, vector = eigh(true, information, check_finite=False)
    except LinAlgError:
        return np.full_like(information, np.nan), np.inf
    root = change @ vector
    known = share > 0.5
    spread = np.sum(root[:, known] ** 2 / share[known], axis=1)
    unknown = np.sum(root[:, ~known] ** 2, axis=1) > spread
    covariance = (root[:, known] / share[known]) @ root[:, known].T
    covariance[unknown] = covariance[:, unknown] = np.nan
    return covariance, float(np.linalg.norm(vector.T @ gradient))


def _effects(problem: Problem, best: Point, alpha: float) -> dict[str, np.ndarray]:
    """Posterior mean and mode and linear predictor, in standard errors of the mean residuals."""
    x, kappa = problem.A @ best.state.zeta, problem.n * best.theta
    if best.theta == 0.0:
        zeros = np.zeros_like(x)
        return dict.fromkeys(EFFECTS, zeros)
    linear = kappa / (1.0 + kappa) * x
    mean = x + best.state.terms.x  # Tweedie's formula
    return {"mean": mean, "mode": posterior_mode(x, kappa, alpha), "linear": linear}


def posterior_mode(x: np.ndarray, kappa: np.ndarray, alpha: float) -> np.ndarray:
    """Return the mode of the effects given the mean residuals, both in standard errors.

    Parameters
    ----------
    x : ndarray, shape (K,)
        Standardised mean residuals.
    kappa : ndarray, shape (K,)
        n_k var_u / var_e, positive.
    alpha : float
        Shape, 0 to 1. For alpha = 1 the mode is the soft threshold of x at sqrt(2 / kappa); for
        smaller alpha it is zero only where x is.
    """
    size = np.abs(x)
    if alpha < SMALLEST_ALPHA:
        return kappa / (1.0 + kappa) * x
    if alpha == 1.0:
        return np.sign(x) * np.maximum(size - np.sqrt(2.0 / kappa), 0.0)
    # The mode is where s - |x| - score(s) = 0, which only rises: Newton inside a bracket.
    mode = np.zeros_like(x)
    active = size > 0.0
    target, ratio = size[active], kappa[active]
    low, high = np.zeros_like(target), target.copy()
    s = ratio / (1.0 + ratio) * target
    for _ in range(100):
        score, slope = effect_score(s, ratio, alpha)
        excess = s - target - score
        low, high = np.where(excess < 0, s, low), np.where(excess < 0, high, s)
        newton = s - excess / (1.0 - slope)
        s_new = np.where((newton > low) & (newton < high), newton, 0.5 * (low + high))
        moved = np.abs(s_new - s)
        s = s_new
        if (moved <= 1e-13 * target).all():
            break
    mode[active] = s
    return np.sign(x) * mode
