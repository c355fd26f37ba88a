"""Which clusters really differ? Significant cluster selection with proved bounds.

The companion of Sankaranarayanan, Hossain and Chen (arXiv 2302.03157). Data flow one way:

    table -> Design -> Moments -> solver -> Solution -> estimator -> experiment -> notebook
"""

__distribution__ = "significant-cluster-selection"
__version__ = "0.1.0"

import scs._loading  # noqa: F401  before all that takes long to load
from scs.baselines import Fit, lmm_gaussian, lmm_laplace, ols
from scs.datasets import load_mice, load_student
from scs.design import DesignWarning
from scs.experiment import run_experiment
from scs.fitted import FittedModel
from scs.formula import fit
from scs.model import SignificantClusterRegressor, SignificantClusterRegressorCV
from scs.moments import Moments
from scs.outliers import Outliers, detect_outliers
from scs.published import published
from scs.simulate import Scenario, scenarios, simulate, simulate_slopes
from scs.slopes import SlopeMoments
from scs.solvers import Solution, solve, solve_path

__all__ = [
    "DesignWarning",
    "Fit",
    "FittedModel",
    "Moments",
    "Outliers",
    "Scenario",
    "SignificantClusterRegressor",
    "SignificantClusterRegressorCV",
    "SlopeMoments",
    "Solution",
    "detect_outliers",
    "fit",
    "lmm_gaussian",
    "lmm_laplace",
    "load_mice",
    "load_student",
    "ols",
    "published",
    "run_experiment",
    "scenarios",
    "simulate",
    "simulate_slopes",
    "solve",
    "solve_path",
]
