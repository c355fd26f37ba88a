"""The paper's comparison methods: OLS, LMM (Gaussian) and LMM (Laplace), on moments alone."""

from scs.baselines.fit import Fit
from scs.baselines.gaussian import fit_gaussian, lmm_gaussian
from scs.baselines.laplace import fit_laplace, lmm_laplace, loglik_laplace
from scs.baselines.ols import fit_ols, ols

__all__ = [
    "Fit",
    "fit_gaussian",
    "fit_laplace",
    "fit_ols",
    "lmm_gaussian",
    "lmm_laplace",
    "loglik_laplace",
    "ols",
]
