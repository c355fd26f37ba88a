"""`fit` for counts: from columns of observed and expected numbers to names with a proof."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from scs.data.counts import CountRows, count_rows
from scs.data.numbering import row_name
from scs.estimators.fitted_counts import FittedCounts
from scs.estimators.selection import checked_fdr, checked_theta
from scs.inference.count_effects import CountInference
from scs.inference.counts import CountRule, certified_counts, count_background
from scs.moments.units import Units, check_counts
from scs.solvers import check_budget, within
from scs.solvers.counts import CountSolution, solve_counts


def fit_counts(
    data: Any,
    groups: str,
    observed: str,
    *,
    family: str,
    expected: str | None = None,
    trials: str | None = None,
    budget: int | str = "auto",
    fdr: float = 0.10,
    background: float | str = "auto",
    gap: float = 1e-6,
    time_limit: float = 60.0,
    missing: str = "refuse",
    level: float = 0.95,
    verbose: bool = False,
) -> FittedCounts:
    """Name the clusters whose counts differ by more than clusters' counts do.

    Parameters
    ----------
    data : data frame (pandas, polars, pyarrow) or dict of columns
        Rows of one cluster are summed.
    groups, observed : str
        Columns of cluster labels and of observed counts.
    family : {"poisson", "binomial"}
    expected : str, optional
        Poisson: column of expected numbers from a risk model, or of exposures such as
        person-years. They are taken as known.
    trials : str, optional
        Binomial: column of trials; None: every row is one, and ``observed`` 0 or 1.
    budget : int, "fdr" or "auto"
        As in `scs.fit`; "auto" is "fdr".
    fdr : float
        The false discovery rate, in (0, 1).
    background : "auto", "none" or float
        tau^2, variance of the clusters' ratios about the common one (Poisson), or the correlation
        of trials within a cluster, below 1 (binomial).
    gap : float
        Nats (log likelihood) between the list and the best one at which the search stops.
    time_limit : float
        Seconds for the search.
    missing : {"refuse", "drop"}
    level : float
        Of the intervals.
    verbose : bool
        Say on stderr what is being done.

    Returns
    -------
    FittedCounts

    Raises
    ------
    ValueError, TypeError
        The first line names the argument, column or row, what is wrong, and the remedy.

    Examples
    --------
    >>> from scs.estimators.counts import fit_counts
    >>> table = {"deaths": [11, 9, 60, 10, 12, 8, 10, 9], "expected": [10.0] * 8,
    ...          "ward": list("abcdefgh")}
    >>> fit_counts(table, "ward", "deaths", family="poisson", expected="expected",
    ...            budget=1).selected.tolist()
    ['c']
    """
    size = _size_column(family, expected, trials)
    number = _number(budget)
    q, theta = checked_fdr(fdr), checked_theta(background)
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}: try 0.95.")
    rows = count_rows(data, groups, observed, size, missing=missing)
    units = _units(rows, family)

    def solve_at(number: int, background: float) -> CountSolution:
        if verbose:
            of = f"{number:,} of {units.n_units:,} clusters"
            print(f"selecting at most {of} ...", file=sys.stderr, flush=True)
        return solve_counts(units, number, background=background, gap=gap, time_limit=time_limit)

    if number is None:
        rule, solution, consistent = certified_counts(units, q, theta, solve_at)
        chosen_by, asked = f"false discovery rate {q:g}", q
    else:
        number = within(number, units.n_units)
        found = count_background(units, number) if theta is None else theta
        solution, consistent = solve_at(number, found), True
        chosen_by, asked = "given", None
        rule = CountRule(units, found, estimated=theta is None)
    return FittedCounts(
        groups=groups,
        observed=observed,
        size=size or "",
        budget=solution.budget,
        chosen_by=chosen_by,
        units=units,
        solution=solution,
        inference=CountInference(rule, solution.support, asked),
        consistent=consistent,
        level=float(level),
        rows=rows,
    )


def _size_column(family: str, expected: str | None, trials: str | None) -> str | None:
    """Return the column that counts are compared with, or say which one is missing or too much."""
    if family == "poisson":
        if trials is not None:
            raise ValueError(
                "trials: they are of family='binomial' (--family binomial); Poisson counts have "
                "expected=."
            )
        if expected is None:
            raise ValueError(
                "expected is missing: name the column of expected numbers, or of exposures such as "
                "person-years (expected=, --expected). Counts out of so many trials are "
                "family='binomial' (--family binomial)."
            )
        return expected
    if family == "binomial":
        if expected is not None:
            raise ValueError(
                "expected: it is of family='poisson' (--family poisson); binomial counts have "
                "trials= (--trials)."
            )
        return trials
    raise ValueError(
        f"family must be 'gaussian', 'poisson' or 'binomial', got {family!r}: 'poisson' is for "
        "counts with expected numbers, 'binomial' for counts out of trials."
    )


def _number(budget: int | str) -> int | None:
    """Return a budget that was given; None: by the error rate."""
    if isinstance(budget, str) and budget in ("auto", "fdr"):
        return None
    if isinstance(budget, str):
        raise ValueError(
            f"budget must be a whole number, 'fdr' or 'auto' with counts, got {budget!r}: 'fdr' "
            "names as many as the error rate allows."
        )
    return check_budget(budget)


def _units(rows: CountRows, family: str) -> Units:
    """Check the rows' numbers, and sum them by cluster."""
    count, size = rows.names
    if not size and np.any(rows.observed > 1):
        row = int(rows.numbers[np.argmax(rows.observed > 1)])
        raise ValueError(
            f"{count!r} is more than 1 in {row_name(row)}, but without trials every row is one, 0 "
            "or 1: name the column of trials (trials=, --trials)."
        )
    check_counts(rows.observed, rows.size, family, rows.numbers, (count, size or "trials"))
    return Units.summed(rows.observed, rows.size, rows.codes, rows.labels, family)
