"""The students of the paper's example: whom each rule names, and whom if labels are permuted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scs.data.design import Design
from scs.inference.background import Between
from scs.inference.naming import name_clusters
from scs.moments.moments import Moments
from scs.paper.datasets import student_design
from scs.paper.naming.draws import permuted_null
from scs.paper.naming.rules import RULE, other_nulls, other_rules
from scs.solvers import solve

PAPER = "the paper's budget"
_BUDGET = 77  # the fifth of the paper's grid
_Q = 0.10
FIRST = 3  # permutations whose mean is stored too, for whoever computes them again


def student_names(table: pd.DataFrame, *, permutations: int = 200, seed: int = 0) -> pd.DataFrame:
    """Count the students that each rule names, and permutations in which it names anybody.

    Parameters
    ----------
    table : DataFrame
        As `scs.load_student` gives it.
    permutations : int
        Of the rows' labels: then no student differs from another.
    seed : int

    Returns
    -------
    DataFrame
        One row per ``rule``: how many are ``named``; the share ``permuted`` of permutations with
        any name, ``first`` of the first ones; and, the same in every row, the numbers of
        ``clusters`` and ``permutations`` and the estimates ``tau`` and ``sigma``, standard
        deviations of background and errors in marks.
    """
    X = student_design(table, intercept=False)
    design = Design.from_table(X, table["score"], table["student"])
    moments = Moments.from_design(design, intercept=True)
    names = name_clusters(moments, _Q)
    sigma = np.sqrt(Between.from_moments(moments).var_e)
    named = {rule: len(support) for rule, support in _lists(design).items()}
    streams = np.random.SeedSequence(seed).spawn(permutations)
    dealt = [permuted_null(design, np.random.default_rng(stream)) for stream in streams]
    anybody = pd.DataFrame(
        [{rule: len(support) > 0 for rule, support in _lists(each).items()} for each in dealt]
    )
    found = pd.DataFrame(
        {
            "named": pd.Series(named),
            "permuted": anybody.mean(),
            "first": anybody[:FIRST].mean(),
        }
    )
    # A budget that is given names as many whatever the data.
    found.loc[PAPER] = (len(solve(moments, _BUDGET, method="alternating").support), 1.0, 1.0)
    tau = sigma * np.sqrt(names.background)
    return (
        found.astype({"named": int})
        .rename_axis("rule")
        .reset_index()
        .assign(clusters=moments.n_clusters, permutations=permutations, tau=tau, sigma=sigma)
    )


def _lists(design: Design) -> dict[str, np.ndarray]:
    moments = Moments.from_design(design, intercept=True)
    return {
        RULE: name_clusters(moments, _Q).support,
        **other_nulls(design, moments, _Q),
        **other_rules(moments, _Q),
    }
