"""How often names are wrong, and intervals hold, where the truth is known: the stored study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import stats

from scs.data._whole import whole_file
from scs.inference.background import Between
from scs.inference.effects import KINDS, EffectInference
from scs.inference.fission import fission_intervals
from scs.inference.monte_carlo import ratio_of_means
from scs.inference.naming import Names, name_clusters
from scs.moments.moments import Moments
from scs.paper import metrics
from scs.paper.datasets import load_student
from scs.paper.naming.draws import SETTINGS, Drawn, Setting, dataset_rng, draw
from scs.paper.naming.rules import (
    KNOWN,
    POINT,
    RULE,
    VALIDATION,
    by_validation,
    other_nulls,
    other_rules,
)
from scs.paper.naming.students import student_names
from scs.paper.provenance import digest
from scs.paper.simulate import Scenario, replication_rng, scenario, simulate
from scs.solvers import paper_budgets, solve_tuned

Q = 0.10  # the false discovery rate asked for
LEVEL = 0.95  # of the intervals
DATASETS, REPLICATIONS = 200, 40  # of each setting; of each of the paper's designs
NULLS, VALIDATED = 30, 4  # of the first kind with the rules that take long, too
FIRST = 3  # data sets whose mean is stored too, for whoever computes them again
#: The paper's own sparse designs that the rule is tried on.
PAPER_DESIGNS = tuple(
    f"sparse-{dimension}-{level}"
    for dimension in ("low", "medium", "high")
    for level in ("90%", "75%", "50%", "25%")
)
_KEYS = ["setting", "rule", "quantity", "rows"]


@cache
def code_version() -> str:
    """Return the digest of all code that the study depends on."""
    return digest(f"from {__name__} import naming_study\nnaming_study")


def naming_study(
    settings: Sequence[Setting] = SETTINGS,
    designs: Sequence[str] = PAPER_DESIGNS,
    *,
    datasets: int = DATASETS,
    nulls: int = NULLS,
    validated: int = VALIDATED,
    replications: int = REPLICATIONS,
    seed: int = 0,
    n_jobs: int = -1,
) -> pd.DataFrame:
    """Count wrong names, found clusters and covering intervals.

    Parameters
    ----------
    settings : sequence of Setting
    designs : sequence of str
        Names of the paper's scenarios.
    datasets : int
        Of each setting. The first are the same however many there are.
    nulls : int
        Those on which the rule's other null laws are tried too, where errors are not normal.
    validated : int
        Those on which the budget is chosen by validation too, which takes long.
    replications : int
        Of each of the paper's scenarios: training and validation rows as in its study.
    seed : int
    n_jobs : int
        Worker processes.

    Returns
    -------
    DataFrame
        One row per ``setting``, ``rule``, ``quantity`` and ``rows`` (of the clusters counted, 0:
        all): ``mean``, Monte Carlo standard ``error``, number of ``datasets``, ``count`` (of
        intervals, or data sets) and ``first``, the mean of the first data sets alone.
    """
    tasks = [
        delayed(score_dataset)(
            each, number, seed, nulls=number < nulls, validate=number < validated
        )
        for each in settings
        for number in range(datasets)
    ]
    tasks += [
        delayed(score_replication)(scenario(name), number, seed)
        for name in designs
        for number in range(replications)
    ]
    scored = Parallel(n_jobs=n_jobs)(tasks)
    return summary(pd.DataFrame([row for rows in scored for row in rows]))


def score_dataset(
    case: Setting, number: int, seed: int = 0, *, nulls: bool = False, validate: bool = False
) -> list[dict]:
    """Draw one data set and score every rule on it.

    Returns
    -------
    list of dict
        ``setting``, ``dataset``, ``rule``, ``quantity``, ``rows``, ``total`` and ``count``: the
        quantity is the ratio of the last two, summed over data sets.
    """
    drawn = draw(case, dataset_rng(case.name, number, seed))
    names = name_clusters(drawn.moments, Q)
    named = {
        RULE: names.support,
        KNOWN: name_clusters(drawn.moments, Q, background=case.tau**2).support,
        **other_rules(drawn.moments, Q),
    }
    if nulls and not case.normal:
        named |= other_nulls(drawn.design, drawn.moments, Q)
    if validate:
        named[VALIDATION] = by_validation(drawn.design, drawn.moments)
    found = [
        {"rule": rule, **row}
        for rule, support in named.items()
        for row in _scores(drawn.effect, support)
    ]
    tau = float(np.sqrt(names.background * Between.from_moments(drawn.moments).var_e))
    found.append({"rule": RULE, "quantity": "tau", "total": tau})
    found += _interval_scores(case, drawn, names, number)
    about = {"setting": case.name, "dataset": number}
    return [{**about, "rows": 0, "count": 1, **row} for row in found]


def score_replication(case: Scenario, number: int, seed: int = 0) -> list[dict]:
    """Draw one replication of the paper's design; score the rule beside the paper's validation.

    Both see training and validation rows, and the model is the paper's, without an intercept.
    """
    drawn = simulate(case, replication_rng(case, number, seed))
    train, validation = (
        Moments.from_arrays(each.X, each.y, each.clusters)
        for each in (drawn.train, drawn.validation)
    )
    both = train + validation
    budgets = paper_budgets(case.n_clusters)
    named = {
        RULE: name_clusters(both, Q).support,
        POINT: name_clusters(both, Q, background=0.0).support,
        VALIDATION: solve_tuned(train, validation, budgets, both=both)[1].support,
    }
    about = {"setting": case.name, "dataset": number, "rows": 0, "count": 1}
    return [
        {**about, "rule": rule, **row}
        for rule, support in named.items()
        for row in _scores(drawn.gamma, support)
    ]


def summary(scored: pd.DataFrame) -> pd.DataFrame:
    """Return mean and Monte Carlo standard error by setting, rule, quantity and rows.

    Parameters
    ----------
    scored : DataFrame
        Rows of `score_dataset` and `score_replication`.
    """
    found = []
    for key, part in scored.groupby(_KEYS, sort=False):
        total, count = part["total"].to_numpy(float), part["count"].to_numpy(float)
        if not count.sum():
            continue
        mean, error = ratio_of_means(total, count)
        early = (part["dataset"] < FIRST).to_numpy()
        first = total[early].sum() / count[early].sum() if count[early].sum() else np.nan
        found.append((*key, mean, error, len(part), int(count.sum()), first))
    columns = [*_KEYS, "mean", "error", "datasets", "count", "first"]
    return pd.DataFrame(found, columns=columns)


def store_naming(folder: Path, *, n_jobs: int = -1) -> Iterator[str]:
    """Write naming.csv, and naming_students.csv where the students' marks are here.

    Yields
    ------
    str
        What was done, or why it was not.
    """
    table = naming_study(n_jobs=n_jobs).assign(code=code_version())
    _write(table, folder / "naming.csv")
    yield f"naming.csv: {len(table)} rows, {table['setting'].nunique()} settings"
    try:
        marks = load_student()
    except FileNotFoundError as error:
        yield f"left out, naming_students.csv stays as it is: {error}"
        return
    table = student_names(marks)
    _write(table, folder / "naming_students.csv")
    yield f"naming_students.csv: {len(table)} rules"


def _write(table: pd.DataFrame, path: Path) -> None:
    with whole_file(path) as unfinished:
        table.to_csv(unfinished, index=False, float_format="%.5g")


def _scores(effect: np.ndarray, support: np.ndarray) -> Iterator[dict]:
    """Yield what a list of names is worth, given the effects: power only where some differ."""
    chosen = np.zeros(len(effect))
    chosen[support] = 1.0
    wrong = metrics.false_discovery_proportion(effect, chosen)
    yield {"quantity": "wrong", "total": wrong}
    yield {"quantity": "any", "total": float(len(support) > 0)}
    yield {"quantity": "names", "total": float(len(support))}
    if effect.any():
        yield {"quantity": "power", "total": metrics.true_positive_rate(effect, chosen)}


def _interval_scores(case: Setting, drawn: Drawn, names: Names, seed: int) -> Iterator[dict]:
    """Yield coverage and width of each kind of interval for the named, in total and by size."""
    effects = drawn.background + drawn.effect
    n = drawn.moments.n.astype(int)
    sizes = [0, *sorted(set(n))] if case.by_size else [0]
    for kind, (support, low, high) in intervals(drawn.moments, names, seed=seed).items():
        truth, rows = effects[support], n[support]
        covered = (low <= truth) & (truth <= high)
        for size in sizes:
            part = (rows == size) | (size == 0)
            about = {"rule": kind, "rows": size, "count": int(part.sum())}
            yield {**about, "quantity": "coverage", "total": float(covered[part].sum())}
            yield {**about, "quantity": "width", "total": float((high - low)[part].sum())}


def intervals(
    moments: Moments, names: Names, level: float = LEVEL, *, seed: int = 0
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return clusters and the ends of each kind of interval for the effects u_k + v_k of the named.

    Parameters
    ----------
    moments : Moments
    names : Names
        Of these moments.
    level : float
        In (0, 1).
    seed : int
        Of the noise by which fission splits the data: it names clusters of its own.
    """
    found = EffectInference.of(moments, names.background, names.support, names.q)
    value, error = (
        part[names.support] for part in (found.deviations.value, found.deviations.error)
    )
    half = stats.t.isf((1.0 - level) / 2.0, found.df_error) * error
    ends = {"ordinary": (value - half, value + half)}
    ends |= {kind: found.intervals(kind, level) for kind in KINDS}
    split = fission_intervals(moments, q=names.q, level=level, seed=seed)
    return {
        **{kind: (names.support, low, high) for kind, (low, high) in ends.items()},
        "fission": (split.support, split.low, split.high),
    }
