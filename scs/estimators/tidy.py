"""A fitted model as data: tables of one row per coefficient, per cluster, per model.

Names of columns are the same whatever the model; what it cannot tell is NaN.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from scs import __distribution__
from scs.data.rows import INTERCEPT
from scs.estimators.prediction import checked_level, error_df
from scs.estimators.robust import check_kind

if TYPE_CHECKING:
    from scs.estimators.fitted import FittedModel

WHAT = ("coefficients", "clusters")


def tidied(model: FittedModel, what: str, level: float | None, robust: str | None) -> pd.DataFrame:
    """Return one row per coefficient or per cluster: see `FittedModel.tidy`."""
    if what not in WHAT:
        raise ValueError(f"what must be one of {WHAT}, got {what!r}.")
    level = model.level if level is None else checked_level(level, "level")
    if what == "coefficients":
        return _coefficients(model, level, robust)
    if robust is not None:
        raise ValueError("robust is of coefficients: leave it out, or what='coefficients'.")
    return _clusters(model, level)


def _coefficients(model: FittedModel, level: float, robust: str | None) -> pd.DataFrame:
    estimate = model.coef.to_numpy()
    if robust is None:
        error, df = model.std_errors.to_numpy(), error_df(model)
    else:
        error, df = model.robust_errors(check_kind(robust)).to_numpy(), model.moments.n_clusters - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = estimate / error
    half = stats.t.isf((1.0 - level) / 2.0, df) * error
    return pd.DataFrame(
        {
            "term": model.coef.index.astype(object),
            "estimate": estimate,
            "std_error": error,
            "statistic": statistic,
            "pvalue": 2.0 * stats.t.sf(np.abs(statistic), df),
            "low": estimate - half,
            "high": estimate + half,
        }
    )


def _clusters(model: FittedModel, level: float) -> pd.DataFrame:
    if model.rows.slopes is not None:
        parts = [_of_effect(model, name) for name in model.effect_names]
        return pd.concat(parts, ignore_index=True)
    table = _of_effect(model, INTERCEPT)
    table["background"] = model.background_effects.to_numpy()
    deviations = model.deviations
    table["deviation"] = deviations["deviation"].to_numpy()
    table["std_error"] = deviations["std_error"].to_numpy()
    table["pvalue"] = model.pvalues.to_numpy()
    table["qvalue"] = model.qvalues.to_numpy()
    support = model.solution.support
    intervals = model.interval(level=level)
    for name in ("low", "high"):
        values = np.full(len(table), np.nan)
        values[support] = intervals[name].to_numpy()
        table[name] = values
    return table


def _of_effect(model: FittedModel, name: str) -> pd.DataFrame:
    """Return the clusters' effects of one kind."""
    solution, n_effects = model.solution, len(model.effect_names)
    r = model.effect_names.index(name)

    def own(values: np.ndarray) -> np.ndarray:
        return values.reshape(-1, n_effects)[:, r]

    nothing = np.full(len(solution.labels), np.nan)
    return pd.DataFrame(
        {
            "cluster": pd.Series(solution.labels),
            "term": name,
            "n_rows": model.moments.counts.astype(int),
            "selected": own(solution.gamma) != 0,
            "estimate": own(solution.cluster_effects),
            "low": nothing,
            "high": nothing,
            "effect": own(solution.gamma),
            "background": own(solution.cluster_effects - solution.gamma),
            "deviation": nothing,
            "std_error": nothing,
            "pvalue": nothing,
            "qvalue": nothing,
            "proved": own(solution.membership),
        }
    )


def glanced(model: FittedModel) -> pd.DataFrame:
    """Return one row about the whole model: see `FittedModel.glance`."""
    s, m, alone = model.solution, model.moments, model.rows.slopes is None
    df = _n_parameters(model) if alone else np.nan
    loglik = log_likelihood(model) if alone else np.nan
    row: dict[str, Any] = {
        "n_rows": m.n_rows,
        "n_clusters": m.n_clusters,
        "n_selected": int(np.count_nonzero(s.gamma)),
        "fdr": np.nan if model.fdr is None else model.fdr,
        "theta": model.theta,
        "sigma": np.sqrt(model.var_e),
        "tau": np.sqrt(model.theta * model.var_e),
        "icc": model.theta / (1.0 + model.theta),
        "log_likelihood": loglik,
        "df": df,
        "aic": 2.0 * df - 2.0 * loglik,
        "bic": np.log(m.n_rows) * df - 2.0 * loglik,
        "df_smoother": model.smoother.df if alone else np.nan,
        "objective": s.objective,
        "bound": s.bound,
        "gap": s.gap,
        "status": s.status,
        "version": version(__distribution__),
    }
    return pd.DataFrame([row])


def _n_parameters(model: FittedModel) -> float:
    """Count coefficients, free effects, the errors' variance and an estimated background's."""
    background = model.selection.estimated and model.theta > 0
    return float(model.inner.n_columns + len(model.solution.support) + 1 + background)


def log_likelihood(model: FittedModel) -> float:
    """Return the marginal Gaussian log-likelihood at the estimates, given the selection.

    With Q = (y - X beta - A v)' (I + theta A A')^{-1} (y - X beta - A v), and the errors' variance
    at its maximum, Q / N::

        -N/2 (log(2 pi Q / N) + 1) - 1/2 sum_k log(1 + theta n_k) + 1/2 sum_i log w_i
    """
    m = model.moments
    size = float(m.n_rows)
    whole = np.log(2.0 * np.pi * model.residual_squares / size) + 1.0
    return float(-0.5 * (size * whole + np.log1p(model.theta * m.n).sum()) + 0.5 * m.log_weights)
