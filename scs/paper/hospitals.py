"""Simulated patients in hospitals, and the z-scores of a funnel plot: for the profiling chapter."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from scs.baselines import Fit, fit_ols
from scs.moments.moments import Moments

WARNING, ALARM = 1.96, 3.09  # the 95 % and 99.8 % limits of a funnel plot


def simulate_hospitals(
    rng: np.random.Generator,
    *,
    n_hospitals: int = 300,
    n_differ: int = 12,
    noise: float = 4.5,
    spread: float = 0.0,
) -> tuple[pd.DataFrame, pd.Series]:
    """Draw patients of hospitals that differ in size and intake, few of them in length of stay too.

    With ``spread`` all of them differ a little as well.

    Parameters
    ----------
    rng : Generator
    n_hospitals : int
    n_differ : int
        Hospitals whose patients stay 1.2 to 3 days longer or shorter than others like them.
    noise : float
        Standard deviation of a stay, in days, given the patient and the hospital.
    spread : float
        Standard deviation of a normal effect that every hospital has besides, in days.

    Returns
    -------
    patients : DataFrame
        One row a patient: ``hospital``, ``age`` (years), ``severity`` (a score), ``sex``,
        ``admission`` and ``days``.
    truth : Series
        Effect of each hospital in days beyond that, by label; 0 for most.
    """
    sizes = rng.lognormal(4.2, 0.6, n_hospitals).astype(int).clip(15, 400)
    code = np.repeat(np.arange(n_hospitals), sizes)
    n = len(code)
    older, sicker = rng.normal(size=(2, n_hospitals))
    age = 68 + 4 * older[code] + 11 * rng.normal(size=n)
    severity = (2 + 0.6 * sicker[code] + rng.normal(size=n)).clip(0)
    sex = rng.choice(["F", "M"], n)
    kinds = ["elective", "emergency", "transfer"]
    admission = rng.choice(kinds, n, p=[0.4, 0.5, 0.1])
    effect = np.zeros(n_hospitals)
    differ = rng.choice(n_hospitals, n_differ, replace=False)
    effect[differ] = rng.choice([-1, 1], n_differ) * rng.uniform(1.2, 3.0, n_differ)
    days = 1 + 0.04 * age + 1.2 * severity + 0.4 * (sex == "M")
    days += 1.0 * (admission == "emergency") + 1.8 * (admission == "transfer")
    days += effect[code] + noise * rng.normal(size=n)
    days += spread * rng.normal(size=n_hospitals)[code]
    labels = np.array([f"H{k + 1:03d}" for k in range(n_hospitals)])
    patients = pd.DataFrame(
        {
            "hospital": labels[code],
            "age": age.round(),
            "severity": severity.round(1),
            "sex": sex,
            "admission": admission,
            "days": days.round(1),
        }
    )
    return patients, pd.Series(effect, index=pd.Index(labels, name="hospital"), name="truth")


def funnel_scores(moments: Moments) -> pd.DataFrame:
    """Return what a funnel plot shows of every cluster: its mean OLS residual, and that in errors.

    Returns
    -------
    DataFrame, indexed by label
        ``rows``, ``deviation`` and ``z``, the deviation over its standard error: the residuals'
        standard deviation by the square root of the rows.

    References
    ----------
    Spiegelhalter (2005), Funnel plots for comparing institutional performance, Statistics in
    Medicine 24(8).
    """
    ols = fit_ols(moments)
    deviation = moments.mean_y - moments.mean_x @ ols.beta
    return pd.DataFrame(
        {
            "rows": moments.n.astype(int),
            "deviation": deviation,
            "z": deviation * np.sqrt(moments.n / ols.var_e),
        },
        index=pd.Index(moments.labels, name="cluster", tupleize_cols=False),
    )


def review_lists(
    moments: Moments, lmm: Fit, support: np.ndarray, n_known: int
) -> dict[str, np.ndarray]:
    """Return the clusters that the usual rules name, beside those selected.

    Parameters
    ----------
    moments : Moments
    lmm : Fit
        The Gaussian linear mixed model of the same rows.
    support : ndarray of int
        The selected clusters.
    n_known : int
        A number of clusters to take off the top of the BLUPs, such as the true one.

    Returns
    -------
    dict of rule to ndarray of int
        Indices into the labels. BLUP intervals are 95 % and take the variances as known; the false
        discovery rate of the z-scores is held by Benjamini and Hochberg's procedure.
    """
    z = funnel_scores(moments)["z"].abs().to_numpy()
    blup = np.abs(lmm.effects)
    order = np.argsort(-blup)
    error = np.sqrt(lmm.var_u * lmm.var_e / (moments.n * lmm.var_u + lmm.var_e))
    adjusted = stats.false_discovery_control(2 * stats.norm.sf(z))
    return {
        "selection": support,
        "as many BLUPs": order[: len(support)],
        f"{n_known} BLUPs": order[:n_known],
        "BLUP interval": np.flatnonzero(blup > WARNING * error),
        "funnel, 95 %": np.flatnonzero(z > WARNING),
        "funnel, 99.8 %": np.flatnonzero(z > ALARM),
        "z, FDR 5 %": np.flatnonzero(adjusted <= 0.05),
    }
