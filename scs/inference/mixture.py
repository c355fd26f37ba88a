"""Rows without labels: levels of unknown groups beside common coefficients (section 5.4).

    y_i = x_i' beta + gamma_{z_i} + e_i,    e_i ~ N(0, sigma^2),
    z_i = g with probability pi_g(w_i) = exp(w_i' a_g) / sum_h exp(w_i' a_h),    a_G = 0

with w_i = 1, or w_i = (1, x_i) where covariates go with the groups: if they do and the shares do
not, the coefficients take up a part of the levels. The likelihood is climbed by EM. Coefficients
are common to all groups, so that a step solves one P x P system on the groups' means. What parts
levels is the normal distribution of the errors alone: levels closer than three standard deviations
of the errors are not told apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

from scs.inference.lines import cut_points, groups_on_line

#: Distance of the nearest levels, in standard deviations of the errors, from which rows are told
#: apart. Below it neither this likelihood nor a classification finds the groups.
CLEAR = 3.0
_MOST_STEPS = 1000
_SHORT, _KEPT = 20, 3  # steps of every start, and starts that are climbed to the end
_DRAWN = 12  # starts from coefficients of a few rows
_THINNED = 2000  # values that a start cuts into groups
# Log-likelihood that steps may still bring, by their geometric decline: of starts, of the best.
_NEARLY, _SETTLED = 1e-3, 1e-8
_EXACT = 1e-20  # share of the outcome's variance that is rounding
_DRAWS = 19  # of noise: of twenty ranks the first has a probability of .05


class ExactFitError(ValueError):
    """Levels fit every row: there are no errors to tell groups by."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """Levels of groups without labels, with common coefficients.

    Attributes
    ----------
    beta : ndarray, shape (P,)
    levels : ndarray, shape (G,)
        gamma, from the lowest; in the order of the labels where some rows have one.
    logits : ndarray, shape (G - 1, D)
        a_g of all groups but the last one; D is 1, or 1 + P where shares follow the covariates.
    shares : ndarray, shape (G,)
        Means of the rows' pi_g.
    variance : float
        sigma^2, by maximum likelihood.
    posterior : ndarray, shape (N, G)
        Probability of each group, given the row. A row with a label is certain.
    loglik : float
        Of outcomes, and of the labels that there are.
    covariance : ndarray, shape (P + G, P + G)
        Of beta and levels, from the observed information; NaN where that is not positive.
    steps : int
    converged : bool
    """

    beta: np.ndarray
    levels: np.ndarray
    logits: np.ndarray
    shares: np.ndarray
    variance: float
    posterior: np.ndarray
    loglik: float
    covariance: np.ndarray
    steps: int
    converged: bool

    @property
    def n_groups(self) -> int:
        """Number of groups G."""
        return len(self.levels)

    @property
    def n_parameters(self) -> int:
        """Coefficients, levels, logits of the shares, and the variance."""
        return len(self.beta) + self.n_groups + 1 + self.logits.size

    @property
    def shares_follow(self) -> bool:
        """Whether shares follow the covariates."""
        return self.logits.shape[1] > 1

    @property
    def bic(self) -> float:
        """Schwarz's criterion, -2 log L + log(N) times the parameters: smaller is better."""
        return -2.0 * self.loglik + np.log(len(self.posterior)) * self.n_parameters

    @property
    def separation(self) -> float:
        """Distance of the two nearest levels in standard deviations of the errors."""
        if self.n_groups == 1:
            return float("inf")
        return float(np.diff(np.sort(self.levels)).min() / np.sqrt(self.variance))

    @property
    def clear(self) -> bool:
        """Whether the levels are far enough apart to tell rows apart."""
        return self.separation >= CLEAR


def fit_mixture(
    X: np.ndarray,
    y: np.ndarray,
    n_groups: int,
    *,
    shares_follow: bool = False,
    known: np.ndarray | None = None,
    before: Mixture | None = None,
) -> Mixture:
    """Return the mixture of largest likelihood that was found.

    Parameters
    ----------
    X : ndarray, shape (N, P)
        Without a column for the intercept, which the levels are; of length and angles that linear
        systems stand (`scs.estimators.standard.Standard`).
    y : ndarray, shape (N,)
    n_groups : int
        G, 1 or more.
    shares_follow : bool
        Whether shares follow the covariates.
    known : ndarray of int, shape (N,), or None
        Group of the rows that have a label, -1 of others.
    before : Mixture or None
        The best one of a group less: each of its groups is cut in two for a start.

    Raises
    ------
    ValueError
        Fewer rows than parameters, a group without a row; `ExactFitError` where levels fit all
        rows.

    Notes
    -----
    The likelihood has many maxima. Starts: groups of the residuals on a line, each group of
    ``before`` cut in two, and coefficients of a few rows, drawn by a fixed seed. So the answer
    hangs on the order of rows unless they come sorted.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 1))
    >>> y = 2 * x[:, 0] + np.where(rng.random(200) < 0.3, 6.0, 0.0) + rng.normal(size=200)
    >>> fit_mixture(x, y, 2).levels.round(0)
    array([-0.,  6.])
    """
    n, n_columns = X.shape
    W = np.column_stack([np.ones(n), X]) if shares_follow else np.ones((n, 1))
    refuse_few(n, n_columns + n_groups + 1 + (n_groups - 1) * W.shape[1], n_groups)
    if known is not None and (known >= 0).any():
        starts = [_labelled_start(X, y, n_groups, known)]
    else:
        known = None
        starts = _starts(X, y, n_groups, before)
    short = _there(_climb(X, y, W, tau, known, _SHORT, _NEARLY) for tau in starts)
    nearly = _there(
        _climb(X, y, W, each.posterior, known, _MOST_STEPS, _NEARLY) for each in short[:_KEPT]
    )
    best = _climb(X, y, W, nearly[0].posterior, known, _MOST_STEPS, _SETTLED) if nearly else None
    if best is None:
        raise ValueError(
            f"n_groups={n_groups}: no start keeps a row in every group: ask for fewer groups."
        )
    return _finished(X, y, W, best, known)


def choose_mixture(
    X: np.ndarray, y: np.ndarray, most: int = 8
) -> tuple[Mixture, tuple[Mixture, ...]]:
    """Return the mixture of smallest BIC, and the best one of each number of groups tried.

    Numbers go up from 1, until the criterion has risen twice in a row or is at ``most``. Each is
    tried with shares that follow the covariates too.
    """
    tried = [fit_mixture(X, y, 1)]
    while len(tried) < most and not _rising(tried):
        try:
            tried.append(best_of_shares(X, y, len(tried) + 1, before=tried[-1]))
        except ExactFitError:
            raise
        except ValueError:  # no room for more groups
            break
    return min(tried, key=lambda each: each.bic), tuple(tried)


def best_of_shares(
    X: np.ndarray,
    y: np.ndarray,
    n_groups: int,
    *,
    known: np.ndarray | None = None,
    before: Mixture | None = None,
) -> Mixture:
    """Return the mixture of smaller BIC: with shares that follow the covariates, or without."""
    plain = fit_mixture(X, y, n_groups, known=known, before=before)
    if n_groups == 1 or not X.shape[1]:
        return plain
    try:
        follows = fit_mixture(X, y, n_groups, shares_follow=True, known=known, before=before)
    except ExactFitError:
        raise
    except ValueError:  # no room for so many parameters
        return plain
    return min(plain, follows, key=lambda each: each.bic)


def noise_does_as_well(
    X: np.ndarray, y: np.ndarray, found: Mixture, known: np.ndarray | None = None
) -> bool:
    """Say whether groups of pure noise raise the likelihood as much: a test at 5 %.

    BIC counts parameters, not the ways in which rows can be dealt to groups: with many covariates
    and few rows a variance collapses, and noise alone fits groups well. So noise is drawn, with no
    groups, beside the same covariates, and the same number of groups is sought in each. What the
    groups bring over a single level has the same distribution there whatever beta and sigma are.
    """
    if found.n_groups == 1:
        return False

    def gain(outcome: np.ndarray) -> float:
        # Sought in the same way in the outcome and in noise, whatever search came before.
        follow = found.shares_follow
        try:
            groups = fit_mixture(X, outcome, found.n_groups, shares_follow=follow, known=known)
        except ExactFitError:
            return np.inf
        except ValueError:  # a group vanishes from every start
            return -np.inf
        return groups.loglik - fit_mixture(X, outcome, 1).loglik

    rng, own = np.random.default_rng(0), gain(y)
    return any(gain(rng.normal(size=len(y))) >= own for _ in range(_DRAWS))


def refuse_few(n: int, size: int, n_groups: int) -> None:
    """Refuse fewer rows than parameters."""
    if n <= size:
        remedy = "ask for fewer groups" if n_groups > 1 else "pass more rows or fewer covariates"
        raise ValueError(
            f"{n_groups} group{'' if n_groups == 1 else 's'} with so many covariates have {size} "
            f"parameters and need more rows than that, got {n}: {remedy}."
        )


def posterior_of(found: Mixture, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the probability of each group for rows with an outcome, shape (N, G)."""
    prior = _log_shares(found.logits, _share_columns(found, X))
    # Squares of far outcomes would overflow: beside those of the first level they are linear.
    residual = (y - X @ found.beta - found.levels[0])[:, None]
    levels = found.levels - found.levels[0]
    log_joint = prior + (residual - levels / 2.0) * (levels / found.variance)
    return np.exp(log_joint - logsumexp(log_joint, axis=1)[:, None])


def shares_of(found: Mixture, X: np.ndarray) -> np.ndarray:
    """Return the probability of each group for rows without an outcome, shape (N, G)."""
    return np.exp(_log_shares(found.logits, _share_columns(found, X)))


def classify(X: np.ndarray, y: np.ndarray, n_groups: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the rows' groups that least squares finds, their coefficients and levels, the sum.

    Minimises sum_i min_g (y_i - x_i' beta - gamma_g)^2 by turns: groups to the optimum for given
    coefficients, coefficients for given groups. A local minimum of several starts. Where levels
    overlap it is biased: it always cuts a group where it overlaps another.

    Returns
    -------
    codes : ndarray of int, shape (N,)
    beta_and_levels : ndarray, shape (P + G,)
    value : float
    """
    best: tuple[np.ndarray, np.ndarray, float] | None = None
    for beta in _first_coefficients(X, y):
        codes = groups_on_line(y - X @ beta, n_groups)
        value = np.inf
        while True:
            sizes = np.bincount(codes, minlength=n_groups).astype(float)
            beta, levels = _solved(X, y, np.eye(n_groups)[codes], sizes)
            now = float(((y - X @ beta - levels[codes]) ** 2).sum())
            if not now < value * (1.0 - 1e-12):
                break
            value, kept = now, (codes, np.concatenate([beta, levels]))
            codes = groups_on_line(y - X @ beta, n_groups)
        if best is None or value < best[2]:
            best = (*kept, value)
    assert best is not None
    return best


def observed_information(X: np.ndarray, y: np.ndarray, found: Mixture) -> np.ndarray:
    """Return minus the second derivatives of the log-likelihood (Louis 1982).

    Of beta, levels, log sigma^2 and the logits of the shares, row by row, in this order: the
    information of rows whose groups were known, less the variance of their score given the data.
    """
    n, n_columns = X.shape
    n_groups, size = found.n_groups, found.n_parameters
    W = _share_columns(found, X)
    shares = np.exp(_log_shares(found.logits, W))
    tau, residual = found.posterior, (y - X @ found.beta)[:, None] - found.levels
    width, at_level, at_variance = W.shape[1], n_columns, n_columns + n_groups
    whole, mean_score = np.zeros((size, size)), np.zeros((n, size))
    of_scores = np.zeros((size, size))

    def block(g: int) -> slice:
        return slice(at_variance + 1 + g * width, at_variance + 1 + (g + 1) * width)

    for g in range(n_groups):
        weight, r = tau[:, g], residual[:, g] / found.variance
        score = np.zeros((n, size))
        score[:, :n_columns] = X * r[:, None]
        score[:, at_level + g] = r
        score[:, at_variance] = (residual[:, g] * r - 1.0) / 2.0
        for h in range(n_groups - 1):
            score[:, block(h)] = W * ((g == h) - shares[:, h])[:, None]
        mean_score += weight[:, None] * score
        of_scores += score.T @ (weight[:, None] * score)
        design = np.zeros((n, at_variance))
        design[:, :n_columns] = X
        design[:, at_level + g] = 1.0
        whole[:at_variance, :at_variance] += design.T @ (weight[:, None] * design) / found.variance
        across = design.T @ (weight * r)
        whole[:at_variance, at_variance] += across
        whole[at_variance, :at_variance] += across
        whole[at_variance, at_variance] += float(weight @ (residual[:, g] * r)) / 2.0
    whole[at_variance + 1 :, at_variance + 1 :] = _share_information(W, shares)
    return whole - of_scores + mean_score.T @ mean_score


def _share_information(W: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the information of the logits where groups are known, a block for each two groups."""
    free = shares.shape[1] - 1
    blocks = [
        [W.T @ (W * (shares[:, g] * ((g == h) - shares[:, h]))[:, None]) for h in range(free)]
        for g in range(free)
    ]
    return np.block(blocks) if free else np.empty((0, 0))


def _share_columns(found: Mixture, X: np.ndarray) -> np.ndarray:
    ones = np.ones((len(X), 1))
    return np.column_stack([ones, X]) if found.shares_follow else ones


def _log_shares(logits: np.ndarray, W: np.ndarray) -> np.ndarray:
    """Return log pi_g(w_i), shape (N, G)."""
    values = np.column_stack([W @ logits.T, np.zeros(len(W))])
    return values - logsumexp(values, axis=1)[:, None]


def _logits(W: np.ndarray, tau: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Return the logits that fit the posterior better: a Newton step, halved until they do."""
    sizes = tau.sum(axis=0)
    if W.shape[1] == 1:
        return np.log(sizes[:-1] / sizes[-1])[:, None]
    log_shares = _log_shares(logits, W)
    shares = np.exp(log_shares)
    slope = ((tau - shares)[:, :-1].T @ W).ravel()
    step = np.linalg.lstsq(_share_information(W, shares), slope, rcond=1e-10)[0]
    before, length = float((tau * log_shares).sum()), 1.0
    while length > 1e-6:
        tried = logits + length * step.reshape(logits.shape)
        if float((tau * _log_shares(tried, W)).sum()) >= before:
            return tried
        length /= 4.0
    return logits


def _log_posterior(
    residual: np.ndarray,
    levels: np.ndarray,
    log_shares: np.ndarray,
    variance: float,
    known: np.ndarray | None,
) -> tuple[np.ndarray, float]:
    """Return the log posterior, shape (N, G), and the log-likelihood."""
    log_joint = log_shares - (residual[:, None] - levels) ** 2 / (2.0 * variance)
    if known is not None:
        rows = np.flatnonzero(known >= 0)
        kept = log_joint[rows, known[rows]]
        log_joint[rows] = -np.inf
        log_joint[rows, known[rows]] = kept
    of_rows = logsumexp(log_joint, axis=1)
    constant = len(residual) / 2.0 * np.log(2.0 * np.pi * variance)
    return log_joint - of_rows[:, None], float(of_rows.sum() - constant)


def _solved(
    X: np.ndarray, y: np.ndarray, tau: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients and levels of least squares with rows shared out among groups."""
    mean_x, mean_y = tau.T @ X / sizes[:, None], tau.T @ y / sizes
    within = X.T @ X - mean_x.T @ (mean_x * sizes[:, None])
    right = X.T @ y - mean_x.T @ (mean_y * sizes)
    beta = np.linalg.lstsq(within, right, rcond=1e-12)[0]
    return beta, mean_y - mean_x @ beta


def _climb(
    X: np.ndarray,
    y: np.ndarray,
    W: np.ndarray,
    tau: np.ndarray,
    known: np.ndarray | None,
    steps: int,
    left: float,
) -> Mixture | None:
    """Take EM steps until they bring no more; None where a group vanishes."""
    n, floor = len(y), _EXACT * float(y.var())
    logits = np.zeros((tau.shape[1] - 1, W.shape[1]))
    before, gain, converged, taken = -np.inf, np.inf, False, 0
    for taken in range(1, steps + 1):
        sizes = tau.sum(axis=0)
        if sizes.min() < 1.0:
            return None
        beta, levels = _solved(X, y, tau, sizes)
        logits = _logits(W, tau, logits)
        residual = y - X @ beta
        variance = float((tau * (residual[:, None] - levels) ** 2).sum() / n)
        if variance <= floor:
            raise ExactFitError(
                f"{tau.shape[1]} level{'' if tau.shape[1] == 1 else 's'} and the covariates fit "
                f"all {n:,} rows exactly: without errors nothing tells how many groups there are. "
                "Take the outcome's own values as labels, or fewer covariates."
            )
        prior = _log_shares(logits, W)
        log_tau, loglik = _log_posterior(residual, levels, prior, variance, known)
        tau = np.exp(log_tau)
        last, gain, before = gain, loglik - before, loglik
        converged = taken > 1 and _settled(gain, last, left)
        if converged:
            break
    shares, nothing = np.exp(prior).mean(axis=0), np.empty((0, 0))
    return Mixture(beta, levels, logits, shares, variance, tau, loglik, nothing, taken, converged)


def _there(found: Iterable[Mixture | None]) -> list[Mixture]:
    """Return those that did not fail, the most likely first."""
    return sorted((each for each in found if each is not None), key=lambda each: -each.loglik)


def _settled(gain: float, last: float, left: float) -> bool:
    """Whether steps bring nothing more, by the decline of the last two, or only rounding moves."""
    return gain <= 0 or (gain < last and gain * last / (last - gain) < left)


def _starts(
    X: np.ndarray, y: np.ndarray, n_groups: int, before: Mixture | None
) -> list[np.ndarray]:
    """Return certain groups of all rows to begin from, shape (N, G) each."""
    ones = np.eye(n_groups)
    if n_groups == 1:
        return [np.ones((len(y), 1))]
    starts = [ones[_cut(y - X @ beta, n_groups)] for beta in _first_coefficients(X, y)]
    if before is not None and before.n_groups == n_groups - 1:
        codes = before.posterior.argmax(axis=1)
        residual = y - X @ before.beta - before.levels[codes]
        for g in range(before.n_groups):
            there = codes == g
            if there.sum() >= 2:
                upper = there & (residual > np.median(residual[there]))
                starts.append(ones[np.where(upper, before.n_groups, codes)])
    return starts


def _first_coefficients(X: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Return coefficients to begin from: of all rows, and of few, which may be of one group."""
    n, n_columns = X.shape
    design = np.column_stack([X, np.ones(n)])
    found = [np.linalg.lstsq(design, y, rcond=None)[0][:-1]]
    rng = np.random.default_rng(0)
    few = min(n, n_columns + 2)
    for _ in range(_DRAWN if n_columns else 0):
        rows = rng.choice(n, few, replace=False)
        found.append(np.linalg.lstsq(design[rows], y[rows], rcond=1e-6)[0][:-1])
    return found


def _cut(residual: np.ndarray, n_groups: int) -> np.ndarray:
    """Return groups on the line, cut by no more than some thousand of the values."""
    if len(residual) <= _THINNED:
        return groups_on_line(residual, n_groups)
    line = np.sort(residual)
    some = line[np.linspace(0, len(line) - 1, _THINNED).round().astype(int)]
    return np.searchsorted(some[cut_points(some, n_groups)], residual, side="right")


def _labelled_start(X: np.ndarray, y: np.ndarray, n_groups: int, known: np.ndarray) -> np.ndarray:
    """Return the posterior at the fit of the rows that have a label."""
    rows = known >= 0
    tau = np.eye(n_groups)[known[rows]]
    sizes = tau.sum(axis=0)
    if sizes.min() == 0:
        raise ValueError(f"group {int(sizes.argmin())} has no row with its label: leave it out.")
    beta, levels = _solved(X[rows], y[rows], tau, sizes)
    residual = y - X @ beta
    variance = float(((residual[rows] - levels[known[rows]]) ** 2).mean())
    variance = max(variance, 1e-6 * float(y.var()))  # fitted exactly by few rows
    prior = np.log(sizes / sizes.sum())
    return np.exp(_log_posterior(residual, levels, prior, variance, known)[0])


def _finished(
    X: np.ndarray, y: np.ndarray, W: np.ndarray, found: Mixture, known: np.ndarray | None
) -> Mixture:
    """Return a mixture with its levels from the lowest, and covariances."""
    if known is None:
        order = np.argsort(found.levels, kind="stable")
        logits = np.vstack([found.logits, np.zeros(W.shape[1])])[order]
        found = replace(
            found,
            levels=found.levels[order],
            logits=logits[:-1] - logits[-1],
            shares=found.shares[order],
            posterior=found.posterior[:, order],
        )
    size = len(found.beta) + found.n_groups
    information = observed_information(X, y, found)
    # Where covariates part groups for certain, nothing tells the logits, and all the rest.
    across = information[:size, size:]
    left = (
        information[:size, :size]
        - across @ np.linalg.pinv(information[size:, size:], rcond=1e-12, hermitian=True) @ across.T
    )
    covariance = np.full((size, size), np.nan)
    values = np.linalg.eigvalsh(left)
    if values[0] > 1e-12 * values[-1]:
        covariance = np.linalg.inv(left)
    return replace(found, covariance=covariance)


def _rising(tried: list[Mixture]) -> bool:
    """Whether the criterion has risen twice in a row."""
    if len(tried) < 3:
        return False
    last = [each.bic for each in tried[-3:]]
    return last[0] < last[1] < last[2]
