"""``scs fit``: a selection from a user's own table."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scs._loading import loaded
from scs.cli.counts import background, counted_family, run_counts
from scs.cli.reading import add_reading, opened, said_in_one_line, table_at, target
from scs.data.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from scs.data.tables import Source
    from scs.estimators.fitted import FittedModel

_BOOTSTRAP = "resamples beside: how often each is selected, intervals of coefficients (default: 0)"
_BUDGET = (
    "fdr (default): as many names as --fdr allows; predict: by held-out rows; or a number of "
    "clusters, with --random one for each effect: 2,3"
)
_BACKGROUND = (
    "how much all clusters differ a little: auto (default, estimated), none (the paper's), or the "
    "ratio of variances"
)
_KIND = "precision (default), or frequency: a row is COL equal rows"
_NULL = (
    "distribution of the errors: auto (default, as they look), normal, residuals (as they are) or "
    "unequal (variances)"
)
_FAMILY = "of the outcome: gaussian, or by --expected and --trials (default)"
_RIDGE_FIXED = "on the coefficients (default: 0: units do not matter; the paper's: as --ridge)"
# Options that `scs.fit` takes as they are.
_OPTIONS: tuple[str, ...] = (
    "fdr",
    "null",
    "ridge",
    "ridge_fixed",
    "gap",
    "time_limit",
    "missing",
    "bootstrap",
)
_OPTIONS += ("seed", "random", "min_rows")
_EPILOG = """\
examples:
  scs fit patients.csv --outcome days --cluster hospital
  scs fit patients.csv --outcome days --cluster hospital --covariates age sex --budget 10
  scs fit patients.parquet --formula "days ~ age + C(ward)" --cluster hospital --report out.html
  scs fit units.csv --observed deaths --expected expected --cluster hospital
  scs fit units.csv --observed deaths --trials patients --cluster hospital

Without --covariates every other column is one. Columns of text become indicators against their
first level; text that is numbers, dates or names of the rows is refused. Numbers (or such text)
that stand for categories: --categorical. Formulas hold columns, arithmetic and functions such as
log, sqrt, poly, bs, ns, cut, C; nothing else in them is run. Messages count rows from 1, the
first below the header.
"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "fit",
        help="which clusters of your own table differ (CSV, Parquet)",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("table", metavar="TABLE", help="a CSV, Parquet or Excel file, or - for standard input")
    add("--outcome", metavar="COL", help="column to explain, a number")
    add("--cluster", metavar="COL", required=True, help="column of cluster labels")
    add("--covariates", metavar="COL", nargs="*", help="columns to allow for (default: all others)")
    add("--exclude", metavar="COL", nargs="+", default=[], help="columns to leave out")
    add("--categorical", metavar="COL", nargs="+", default=[], help="numbers that are categories")
    add("--formula", metavar="TEXT", help="instead of --outcome and --covariates: 'y ~ x + log(z)'")
    add("--observed", metavar="COL", help="counts by row, instead of --outcome and covariates")
    add("--expected", metavar="COL", help="their expected numbers (Poisson)")
    add("--trials", metavar="COL", help="out of so many (binomial; default: a row is one)")
    add("--family", choices=["gaussian", "poisson", "binomial"], help=_FAMILY)
    add("--random", metavar="TEXT", help="effects of a cluster: 1 (default), '1 + x', '0 + x'")
    add("--budget", metavar="N", default="auto", help=_BUDGET)
    add("--fdr", type=float, default=0.10, metavar="Q", help="share of wrong names (default: .1)")
    add("--background", metavar="THETA", default="auto", help=_BACKGROUND)
    add("--null", choices=["auto", "normal", "residuals", "unequal"], default="auto", help=_NULL)
    add(
        "--ridge",
        type=float,
        metavar="MU",
        help="on the effects (default: next to none; 1 without a background, but by --budget fdr)",
    )
    add("--ridge-fixed", type=float, default=0.0, metavar="MU", help=_RIDGE_FIXED)
    add("--min-rows", type=int, default=1, metavar="N", help="set smaller clusters apart, unnamed")
    add("--weights", metavar="COL", help="weights of rows: errors have the variance sigma^2 / COL")
    add("--weight-kind", default="precision", choices=["precision", "frequency"], help=_KIND)
    add("--frequency-weights", metavar="COL", help="--weights COL --weight-kind frequency")
    add("--precision-weights", metavar="COL", help="--weights COL: for tables with both")
    add("--offset", metavar="COL", help="a known part of the outcome; in a formula: offset(COL)")
    add("--missing", choices=["refuse", "drop"], default="refuse", help="rows that miss a value")
    add("--bootstrap", type=int, default=0, metavar="N", help=_BOOTSTRAP)
    add("--gap", type=float, default=1e-6, help="gap to prove (default: 1e-6)")
    add(
        "--time-limit",
        type=float,
        default=60.0,
        metavar="S",
        help="seconds to search (default: 60)",
    )
    add("--seed", type=int, default=0, help="of folds and resamples (default: 0)")
    add("--top", type=int, default=25, metavar="N", help="selected clusters shown (default: 25)")
    add("--report", metavar="FILE", help="write one self-contained HTML page")
    add("--save", metavar="FILE", help="write the model, for scs predict and scs show")
    add("--csv", metavar="FILE", help="write all clusters as CSV")
    add("--json", action="store_true", help="print one JSON document, and nothing else")
    add_reading(parser)
    parser.set_defaults(command=run, default=parser.get_default)


def run(arguments: argparse.Namespace) -> None:
    """Read, fit, print, and write the report."""
    report = target("--report", arguments.report, arguments.table)
    files = {
        name: target(f"--{name}", getattr(arguments, name), arguments.table)
        for name in ("save", "csv")
    }
    if report is not None and _has_slopes(arguments):
        raise UsageError("--report: it shows a random intercept alone: leave out --random.")
    stopped = (
        "stopped: nothing was written. --budget N goes without the choice of a budget, "
        "--bootstrap 0 without resamples."
    )
    with said_in_one_line(stopped) as notes, table_at(arguments) as path:
        _run(arguments, path, {"report": report, **files}, notes)


def _run(
    arguments: argparse.Namespace, path: str, files: dict[str, Path | None], notes: list[str]
) -> None:
    # Imported here: `scs --help` should not wait for the numerical libraries.
    from scs.data.frames import check_column
    from scs.data.roles import Roles, parts_of
    from scs.data.tables import as_categories, read_columns
    from scs.estimators.fitted import FittedModel
    from scs.estimators.formula import fit

    report = files["report"]
    if report is not None:
        from scs.report import write_report
    loaded()

    family = counted_family(arguments)
    if family is not None:
        run_counts(arguments, path, family, report)
        return
    if arguments.formula is not None:
        for option in ("outcome", "covariates", "exclude", "categorical"):
            if getattr(arguments, option):
                raise ValueError(f"--{option}: --formula stands in its place: give one of them.")
    budget = _budget(arguments.budget)
    source = opened(arguments, path)
    if not arguments.json:
        print(source)
    check_column(arguments.cluster, source.names, "--cluster")
    formula = arguments.formula or _formula(arguments, source)
    cluster = arguments.cluster
    named = _beside(arguments)
    roles = Roles(**{role: name or "" for role, name in named.items()})
    parts = parts_of(formula, source.names, cluster, arguments.random, roles, source.index)
    table = read_columns(source, [*parts.columns, arguments.cluster], labels=[arguments.cluster])
    if arguments.formula is None:
        table = as_categories(table, arguments.categorical)
    if arguments.formula is None and arguments.covariates is None:
        _doubt_row_numbers(table, arguments)
    model = fit(
        formula,
        table,
        arguments.cluster,
        budget,
        background=background(arguments.background),
        verbose=sys.stderr.isatty(),
        **{name: getattr(arguments, name) for name in _OPTIONS},
        **named,
    )
    assert isinstance(model, FittedModel)  # counts went another way
    if report is not None:  # first: whoever reads the output may stop reading
        write_report(model, report, source=str(source))
    _write(model, files, str(source))
    if arguments.json:
        from scs.estimators.exported import as_json, document

        print(as_json(document(model, source=str(source), notes=notes)))
        return
    print(f"\n{model.summary(top=arguments.top)}")
    if report is not None:
        print(f"\nreport: {report.resolve().as_uri()}")


def _beside(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the columns of weights and of the offset by what they are."""
    from scs.data.weights import of_kind

    frequency, precision = arguments.frequency_weights, arguments.precision_weights
    weights = {"frequency_weights": frequency, "precision_weights": precision}
    named = of_kind(arguments.weights, arguments.weight_kind, **weights)
    return named | {"offset": arguments.offset}


def _write(model: FittedModel, files: dict[str, Path | None], source: str) -> None:
    """Write the model and the table of all clusters where they are asked for."""
    if files["save"] is not None:
        model.save(files["save"], note=source)
    if files["csv"] is not None:
        from scs.data._whole import write_whole
        from scs.estimators.exported import safe_csv

        write_whole(files["csv"], safe_csv(model.tidy("clusters")))


def _budget(text: str) -> int | str | list[int]:
    if text in ("auto", "fdr", "predict"):
        return text
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"--budget must be a whole number, fdr, predict or auto, got {text!r} (with --random "
            "also one number for each effect: 2,3)."
        ) from None
    return numbers if len(numbers) > 1 else numbers[0]


def _doubt_row_numbers(table: pa.Table, arguments: argparse.Namespace) -> None:
    """Say which columns look like row numbers; they were not asked for by name."""
    import pyarrow.compute as pc
    import pyarrow.types as kinds

    for name in table.column_names:
        column = table.column(name)
        if name in (arguments.outcome, arguments.cluster) or not kinds.is_integer(column.type):
            continue
        if table.num_rows >= 20 and pc.count_distinct(column).as_py() == table.num_rows:
            print(
                f"scs: note: {name!r} is another whole number in every row. If it only names "
                f"them: --exclude {shlex.quote(name)}",
                file=sys.stderr,
            )


def _has_slopes(arguments: argparse.Namespace) -> bool:
    return arguments.random is not None and arguments.random.strip() != "1"


def _formula(arguments: argparse.Namespace, source: Source) -> str:
    """Write the formula that --outcome and --covariates stand for."""
    from scs.data.frames import check_column, quoted

    names = source.names
    if arguments.outcome is None:
        raise ValueError("--outcome is missing: name the column to explain (or pass --formula).")
    check_column(arguments.outcome, names, "--outcome")
    if arguments.outcome == arguments.cluster:
        raise ValueError("--outcome and --cluster name the same column: they must differ.")
    for option in ("covariates", "exclude", "categorical"):
        for name in getattr(arguments, option) or ():
            check_column(name, names, f"--{option}")
    beside = set(_beside(arguments).values()) - {None}
    taken = {arguments.outcome, arguments.cluster, *arguments.exclude, *beside}
    covariates = arguments.covariates
    if covariates is None:  # a column without a name is mostly a row number
        covariates = [name for name in names if name]
        if len(covariates) < len(names):
            print("scs: note: the column without a name is left out.", file=sys.stderr)
        index = [name for name in source.index if name not in taken]
        if index:
            print(
                f"scs: note: {index[0]!r} is the index of a pandas data frame, and is left out; "
                "--covariates takes it in.",
                file=sys.stderr,
            )
        covariates = [name for name in covariates if name not in index]
    chosen = [name for name in covariates if name not in taken]
    for name in arguments.covariates or ():
        if name in taken:
            raise ValueError(
                f"--covariates: {name!r} is the outcome, the cluster, a weight, the offset or "
                "excluded too: name it once."
            )
    for name in arguments.categorical:
        if name not in chosen:
            raise ValueError(f"--categorical: {name!r} is not among the covariates: add it there.")
    return f"{quoted(arguments.outcome)} ~ {' + '.join(map(quoted, chosen)) or '1'}"
