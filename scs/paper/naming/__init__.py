"""Names with an error rate, tried where the truth is known: settings, rules, and the stored study.

In the order the data flow: draws (the settings), rules (who is named), study (scores, and
``data/results/naming.csv``).
"""

from scs.paper.naming.draws import (
    SETTINGS,
    SIZES,
    Drawn,
    Setting,
    dataset_rng,
    draw,
    permuted_null,
    setting,
)
from scs.paper.naming.study import (
    PAPER_DESIGNS,
    code_version,
    intervals,
    naming_study,
    score_dataset,
    score_replication,
    store_naming,
    summary,
)

__all__ = [
    "PAPER_DESIGNS",
    "SETTINGS",
    "SIZES",
    "Drawn",
    "Setting",
    "code_version",
    "dataset_rng",
    "draw",
    "intervals",
    "naming_study",
    "permuted_null",
    "score_dataset",
    "score_replication",
    "setting",
    "store_naming",
    "summary",
]
