"""Which clusters really differ? Significant cluster selection with proved bounds.

The companion of Sankaranarayanan, Hossain and Chen (arXiv 2302.03157). Data flow one way:

    table -> Design -> Moments -> solver -> Solution -> estimator -> report
"""

__distribution__ = "significant-cluster-selection"
__version__ = "0.1.0"

from importlib import import_module
from typing import TYPE_CHECKING, Any

import scs._loading  # noqa: F401  before all that takes long to load

if TYPE_CHECKING:  # for type checkers, and for those who look where a name comes from
    from scs.baselines import Fit, lmm_gaussian, lmm_laplace, ols
    from scs.data.design import DesignWarning
    from scs.data.labels import LabelWarning
    from scs.estimators.again import compare, refit, update
    from scs.estimators.fitted import FittedModel
    from scs.estimators.fitted_counts import FittedCounts
    from scs.estimators.fitted_groups import FittedGroups
    from scs.estimators.formula import fit
    from scs.estimators.loading import load
    from scs.estimators.sklearn import SignificantClusterRegressor, SignificantClusterRegressorCV
    from scs.inference.outliers import Outliers, detect_outliers
    from scs.moments.moments import Moments, SlopeMoments
    from scs.paper.datasets import load_mice, load_student
    from scs.paper.experiment import run_experiment
    from scs.paper.published import published
    from scs.paper.simulate import Scenario, scenarios, simulate, simulate_slopes
    from scs.solvers import Solution, solve, solve_path

__all__ = [
    "DesignWarning",
    "Fit",
    "FittedCounts",
    "FittedGroups",
    "FittedModel",
    "LabelWarning",
    "Moments",
    "Outliers",
    "Scenario",
    "SignificantClusterRegressor",
    "SignificantClusterRegressorCV",
    "SlopeMoments",
    "Solution",
    "compare",
    "detect_outliers",
    "fit",
    "lmm_gaussian",
    "lmm_laplace",
    "load",
    "load_mice",
    "load_student",
    "ols",
    "published",
    "refit",
    "run_experiment",
    "scenarios",
    "simulate",
    "simulate_slopes",
    "solve",
    "solve_path",
    "update",
]

_WHERE = {
    "DesignWarning": "scs.data.design",
    "Fit": "scs.baselines",
    "FittedCounts": "scs.estimators.fitted_counts",
    "FittedGroups": "scs.estimators.fitted_groups",
    "FittedModel": "scs.estimators.fitted",
    "LabelWarning": "scs.data.labels",
    "Moments": "scs.moments.moments",
    "Outliers": "scs.inference.outliers",
    "Scenario": "scs.paper.simulate",
    "SignificantClusterRegressor": "scs.estimators.sklearn",
    "SignificantClusterRegressorCV": "scs.estimators.sklearn",
    "SlopeMoments": "scs.moments.moments",
    "Solution": "scs.solvers",
    "compare": "scs.estimators.again",
    "detect_outliers": "scs.inference.outliers",
    "fit": "scs.estimators.formula",
    "lmm_gaussian": "scs.baselines",
    "lmm_laplace": "scs.baselines",
    "load": "scs.estimators.loading",
    "load_mice": "scs.paper.datasets",
    "load_student": "scs.paper.datasets",
    "ols": "scs.baselines",
    "published": "scs.paper.published",
    "refit": "scs.estimators.again",
    "run_experiment": "scs.paper.experiment",
    "scenarios": "scs.paper.simulate",
    "simulate": "scs.paper.simulate",
    "simulate_slopes": "scs.paper.simulate",
    "solve": "scs.solvers",
    "solve_path": "scs.solvers",
    "update": "scs.estimators.again",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: `import scs` alone loads no library."""
    if name not in _WHERE:
        raise AttributeError(f"module 'scs' has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(_WHERE[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
