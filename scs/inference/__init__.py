"""Which clusters really differ: names with an error rate, over a background of small differences.

In the order the data flow: background (its variance; deviations from it), naming (the rule, at a
false discovery rate), conditional (intervals that hold after the naming); residual_null (p-values
where errors are not normal), unequal (where their variances differ), mundlak (effects that go
with covariates); certified (names as a proved selection), effects (what is said of them).
"""

from scs.inference.background import Between, Deviations, deviations
from scs.inference.conditional import conditional_interval, fcr_interval
from scs.inference.mundlak import WithinBetween, within_between
from scs.inference.naming import Names, choose_by_penalty, name_clusters
from scs.inference.residual_null import (
    ResidualHistogram,
    ResidualNull,
    residual_histogram,
    residual_pvalues,
)
from scs.inference.unequal import EqualVariances, UnequalNull, equal_variances

__all__ = [
    "Between",
    "Deviations",
    "EqualVariances",
    "Names",
    "ResidualHistogram",
    "ResidualNull",
    "UnequalNull",
    "WithinBetween",
    "choose_by_penalty",
    "conditional_interval",
    "deviations",
    "equal_variances",
    "fcr_interval",
    "name_clusters",
    "residual_histogram",
    "residual_pvalues",
    "within_between",
]
