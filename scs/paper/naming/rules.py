"""The rules that the study compares, each from a data set to the clusters that it names."""

from __future__ import annotations

import numpy as np
from scipy import stats

from scs.baselines import Fit, fit_gaussian
from scs.data.design import Design
from scs.inference.folds import choose_budget
from scs.inference.naming import Null, name_clusters, step_up
from scs.inference.residual_null import ResidualNull
from scs.inference.unequal import UnequalNull
from scs.moments.moments import Moments
from scs.paper.hospitals import ALARM, WARNING, funnel_scores
from scs.solvers import budget_grid, solve

#: The rule of `scs.inference.naming`, and the same with the background known.
RULE, KNOWN = "FDR rule", "FDR rule, tau known"
POINT = "FDR rule, no background"
#: The rule with the null laws that do not take errors for normal, or for alike in all clusters.
RESIDUALS, UNEQUAL = "FDR rule, residual null", "FDR rule, unequal variances"
FUNNEL, STRICT = "funnel, 95 %", "funnel, 99.8 %"
BLUP, STUDENTISED = "BLUPs, FDR", "BLUPs over their spread, FDR"
VALIDATION = "budget by validation"


def other_rules(moments: Moments, q: float) -> dict[str, np.ndarray]:
    """Return what the usual rules name, indices into the labels by rule.

    Parameters
    ----------
    moments : Moments
    q : float
        False discovery rate of those rules that ask for one: Benjamini and Hochberg's procedure on
        BLUPs over their conditional standard errors, as a caterpillar plot shows them, and over
        the spread that they have where the mixed model holds for every cluster.
    """
    z = funnel_scores(moments)["z"].abs().to_numpy()
    mixed = fit_gaussian(moments)
    conditional, spread = blup_scores(mixed, moments.n)
    return {
        POINT: name_clusters(moments, q, background=0.0).support,
        FUNNEL: np.flatnonzero(z > WARNING),
        STRICT: np.flatnonzero(z > ALARM),
        BLUP: _below(conditional, q),
        STUDENTISED: _below(spread, q),
    }


def other_nulls(design: Design, moments: Moments, q: float) -> dict[str, np.ndarray]:
    """Return what the rule names under its other null distributions, by rule."""
    rows = (design.X, design.y, design.codes, moments)
    nulls: dict[str, Null] = {
        RESIDUALS: ResidualNull.from_rows(*rows),
        UNEQUAL: UnequalNull.from_rows(*rows),
    }
    return {rule: name_clusters(moments, q, null=null).support for rule, null in nulls.items()}


def blup_scores(mixed: Fit, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return BLUPs over their conditional standard errors, and over their standard deviations.

    With s = n_k var_u / (n_k var_u + var_e) a BLUP varies by s var_u over clusters, and its error
    by (1 - s) var_u.
    """
    if not mixed.var_u > 0:
        return np.zeros(len(n)), np.zeros(len(n))
    shrink = n * mixed.var_u / (n * mixed.var_u + mixed.var_e)
    error = np.sqrt((1.0 - shrink) * mixed.var_u)
    return mixed.effects / error, mixed.effects / np.sqrt(shrink * mixed.var_u)


def by_validation(design: Design, moments: Moments) -> np.ndarray:
    """Return what the selection names with the budget that `scs.fit` chooses by held-out rows."""
    tuning = choose_budget(design, budget_grid(moments.n_clusters))
    found = solve(moments, tuning.best, ridge_fixed=0.0, method="alternating")
    return found.support


def _below(z: np.ndarray, q: float) -> np.ndarray:
    pvalues = 2.0 * stats.norm.sf(np.abs(z))
    order = np.argsort(pvalues, kind="stable")
    return np.sort(order[: step_up(pvalues, q)])
