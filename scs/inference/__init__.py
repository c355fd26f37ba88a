"""Which clusters really differ: names with an error rate, over a background of small differences.

In the order the data flow: background (its variance; deviations from it), naming (the rule, at a
false discovery rate), conditional (intervals that hold after the naming). All of it works on
`Moments`; `scs.fit` does not use it yet.
"""

from scs.inference.background import Between, Deviations, deviations
from scs.inference.conditional import conditional_interval, fcr_interval
from scs.inference.naming import Names, choose_by_penalty, name_clusters

__all__ = [
    "Between",
    "Deviations",
    "Names",
    "choose_by_penalty",
    "conditional_interval",
    "deviations",
    "fcr_interval",
    "name_clusters",
]
