"""The Laplace likelihood for a fixed ratio theta = var_u / var_e: one smooth concave problem.

In zeta = (delta, rho) = (b, 1) / sqrt(var_e), b the coefficients in the basis of `_basis`, minus
the log-likelihood is, up to a constant,

    F(zeta) = 1/2 zeta'Q zeta - N log rho - sum_k log h(x_k; n_k theta, alpha),   x = A zeta ,

with Q the pooled within-cluster cross-products and A zeta the standardised mean residuals. It is
convex, because log h is concave in x for alpha <= 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dposv, dpotrs

from scs.baselines._basis import Basis
from scs.baselines._law import Terms, log_density

# Squared distance from the maximum in standard errors. A rough one of 0.01 per cluster moves the
# place where the profile's slope vanishes by some 15 % of theta at most.
ROUGH = 0.01
EXACT = 1e-18
MAX_STEPS = 200


@dataclass(frozen=True)
class Problem:
    """What F needs: see the module's docstring.

    Attributes
    ----------
    n : ndarray, shape (K,)
    A : ndarray, shape (K, P + 1)
    Q : ndarray, shape (P + 1, P + 1)
    new : Basis
    """

    n: np.ndarray
    A: np.ndarray
    Q: np.ndarray
    new: Basis

    @classmethod
    def from_basis(cls, new: Basis) -> Problem:
        """Put the moments of a basis into the form of F."""
        P = len(new.root)
        A = np.sqrt(new.n)[:, None] * np.column_stack([-new.U, new.mean_e])
        Q = np.zeros((P + 1, P + 1))
        Q[np.arange(P), np.arange(P)] = new.root**2
        Q[P, :P] = Q[:P, P] = -new.root * new.target
        Q[P, P] = new.leftover + new.target @ new.target
        return cls(new.n, A, Q, new)

    @property
    def start(self) -> np.ndarray:
        """The maximum at theta = 0: least squares."""
        zeta = np.zeros(self.A.shape[1])
        zeta[-1] = 1.0
        return zeta

    def smooth_part(self, zeta: np.ndarray) -> float:
        """Return 1/2 zeta'Q zeta - N log rho, as a sum of squares (nothing cancels)."""
        rho = zeta[-1]
        within = self.new.root * zeta[:-1] - self.new.target * rho
        square = self.new.leftover * rho**2 + within @ within
        return float(0.5 * square - self.new.n_rows * np.log(rho))


@dataclass(frozen=True)
class State:
    """A zeta with everything computed there.

    Attributes
    ----------
    zeta, F, terms, gradient
        The point, F and its gradient there, and the terms of log h.
    hessian, floor : ndarray, shape (P + 1, P + 1)
        The matrix the steps used, and the part of it that is not F's Hessian but was added to
        keep it regular (zero unless the law is straight at most clusters).
    factor : ndarray, shape (P + 1, P + 1)
        Cholesky factor of ``hessian``.
    n_eval : int
        Evaluations it took.
    """

    zeta: np.ndarray
    F: float
    terms: Terms
    gradient: np.ndarray
    hessian: np.ndarray
    floor: np.ndarray
    factor: np.ndarray
    n_eval: int


def minimise(
    problem: Problem, theta: float, alpha: float, zeta: np.ndarray, *, tolerance: float = EXACT
) -> State:
    """Minimise F over zeta by Newton steps, halved until F falls enough.

    Where the law is straight (Laplace effects far larger than the errors) F has no curvature; a
    trace of its quadratic majoriser then keeps the steps finite. h is a mixture of normals, so
    log h lies above the parabola of curvature (log h)'(x) / x that touches it at x.
    """
    A, Q, n_rows = problem.A, problem.Q, problem.new.n_rows
    kappa = problem.n * theta
    n_eval = 0

    def value(zeta: np.ndarray) -> tuple[float, np.ndarray, Terms]:
        nonlocal n_eval
        n_eval += 1
        x = A @ zeta
        terms = log_density(x, kappa, alpha)
        return problem.smooth_part(zeta) - terms.value.sum(), x, terms

    def hessian_with(weight: np.ndarray, rho: float) -> np.ndarray:
        hessian = Q + A.T @ (weight[:, None] * A)
        hessian[-1, -1] += n_rows / rho**2
        return hessian

    F, x, terms = value(zeta)
    final_steps = 0
    for _ in range(MAX_STEPS):
        rho = zeta[-1]
        gradient = Q @ zeta - A.T @ terms.x
        gradient[-1] -= n_rows / rho
        with np.errstate(divide="ignore", invalid="ignore"):
            bend = np.where(x == 0.0, -terms.xx, -terms.x / x)
        floor = np.maximum(1e-10 * bend + terms.xx, 0.0)
        hessian = hessian_with(floor - terms.xx, rho)
        factor, step, failed = dposv(hessian, -gradient, lower=1)
        if failed:
            floor = bend + terms.xx
            hessian = hessian_with(bend, rho)
            factor, step, failed = dposv(hessian, -gradient, lower=1)
        decrement = -float(gradient @ step)
        if decrement <= tolerance or final_steps == 4:
            break
        if decrement < 1e-7:
            # F can no longer tell the points apart; Newton's step can.
            final_steps += 1
            zeta = zeta + step
            F, x, terms = value(zeta)
            continue
        for halvings in range(60):
            trial = zeta + 0.5**halvings * step
            if trial[-1] <= 0.0:
                continue
            F_trial, x_trial, terms_trial = value(trial)
            if F_trial <= F - 1e-4 * 0.5**halvings * decrement:
                break
        zeta, F, x, terms = trial, F_trial, x_trial, terms_trial
    return State(zeta, F, terms, gradient, hessian, A.T @ (floor[:, None] * A), factor, n_eval)


def solve(state: State, right: np.ndarray) -> np.ndarray:
    """Solve with the Hessian of F."""
    return dpotrs(state.factor, right, lower=1)[0]
