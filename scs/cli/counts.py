"""``scs fit`` on counts: observed and expected numbers, or trials."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scs.cli.reading import opened

_OF_REGRESSIONS: tuple[str, ...] = (
    "outcome",
    "covariates",
    "exclude",
    "categorical",
    "formula",
    "random",
    "null",
)
_OF_REGRESSIONS += ("ridge", "ridge_fixed", "bootstrap", "min_rows", "save", "csv", "json")
_OF_REGRESSIONS += ("weights", "weight_kind", "frequency_weights", "precision_weights", "offset")
# Options that `scs.estimators.counts.fit_counts` takes as they are.
_OPTIONS = ("expected", "trials", "fdr", "gap", "time_limit", "missing")


def counted_family(arguments: argparse.Namespace) -> str | None:
    """Return the family of counts that the options ask for; None: none of them does.

    Raises
    ------
    ValueError
        Options that contradict each other.
    """
    given = [name for name in ("observed", "expected", "trials") if getattr(arguments, name)]
    family = arguments.family
    if family in (None, "gaussian"):
        if not given:
            return None
        if family == "gaussian":
            raise ValueError(f"--{given[0]}: it is of counts: leave out --family gaussian.")
        if arguments.expected and arguments.trials:
            raise ValueError(
                "--expected and --trials: counts are compared with one of them: give one, or say "
                "--family."
            )
        if not (arguments.expected or arguments.trials):
            raise ValueError(
                "--observed: name beside it the column of expected numbers (--expected) or of "
                "trials (--trials); if every row is one trial, say --family binomial."
            )
        family = "poisson" if arguments.expected else "binomial"
    for name in _OF_REGRESSIONS:
        if getattr(arguments, name) != arguments.default(name):
            raise ValueError(
                f"--{name.replace('_', '-')}: it is of Gaussian fits: leave it out with counts "
                "(their column is --observed)."
            )
    if not arguments.observed:
        raise ValueError("--observed is missing: name the column of counts.")
    return family


def run_counts(arguments: argparse.Namespace, path: str, family: str, report: Path | None) -> None:
    """Read the columns of counts, fit, print, and write the report."""
    from scs.data.frames import check_column
    from scs.data.tables import read_columns
    from scs.estimators.counts import fit_counts

    budget = arguments.budget
    if budget not in ("auto", "fdr", "predict"):
        try:
            budget = int(budget)
        except ValueError:
            raise ValueError(
                f"--budget must be a whole number, fdr or auto with counts, got {budget!r}."
            ) from None
    source = opened(arguments, path)
    print(source)
    columns = {}
    for option in ("cluster", "observed", "expected", "trials"):
        name = getattr(arguments, option)
        if name is not None:
            check_column(name, source.names, f"--{option}")
            columns[option] = name
    table = read_columns(source, columns.values(), labels=[arguments.cluster])
    model = fit_counts(
        table,
        arguments.cluster,
        arguments.observed,
        family=family,
        budget=budget,
        background=background(arguments.background),
        verbose=sys.stderr.isatty(),
        **{name: getattr(arguments, name) for name in _OPTIONS},
    )
    if report is not None:
        from scs.report.counts import write_count_report

        write_count_report(model, report, source=str(source))
    print(f"\n{model.summary(top=arguments.top)}")
    if report is not None:
        print(f"\nreport: {report.resolve().as_uri()}")


def background(text: str) -> float | str:
    """Return the background that --background asks for."""
    if text in ("auto", "none"):
        return text
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f"--background must be auto, none or a number, got {text!r}: auto estimates it."
        ) from None
