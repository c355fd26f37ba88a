"""``scs predict``: the outcome of new rows by a saved model."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from scs._loading import loaded
from scs.cli.reading import add_reading, opened, said_in_one_line, table_at, target

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from scs.estimators.fitted import FittedModel

_EPILOG = """\
examples:
  scs fit patients.csv --outcome days --cluster hospital --save patients.scs
  scs predict patients.scs new.csv --interval .95 > predicted.csv

Prints CSV, a line for each row of TABLE in its order: row (from 1), the cluster where TABLE has its
column, known (whether the model has seen that cluster), predicted and, with --interval, low and
high. Text that begins with = + - @ gets an apostrophe before it, so that no spreadsheet runs it.
"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "predict",
        help="predict new rows by a saved model (scs fit --save)",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="a file that scs fit --save wrote")
    add("table", metavar="TABLE", help="a CSV, Parquet or Excel file, or - for standard input")
    add("--interval", type=float, metavar="LEVEL", help="intervals of a row's outcome, such as .95")
    add("--json", action="store_true", help="a JSON list instead of CSV")
    add("--csv", metavar="FILE", help="write the CSV there instead")
    add_reading(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> None:
    """Read, predict, print or write."""
    file = target("--csv", arguments.csv, arguments.table, arguments.model)
    with said_in_one_line("stopped: nothing was written."):
        from scs.data._whole import write_whole
        from scs.estimators.exported import as_json, records, safe_csv
        from scs.estimators.loading import load

        loaded()
        model = load(arguments.model)
        with table_at(arguments) as path:
            table, labels = _table(model, arguments, path)
            found = _predicted(model, table, labels, arguments.interval)
        if file is not None:
            write_whole(file, safe_csv(found))
        if arguments.json:
            print(as_json(records(found)))
        elif file is None:
            print(safe_csv(found), end="")


def _table(
    model: FittedModel, arguments: argparse.Namespace, path: str
) -> tuple[pa.Table, list | None]:
    """Read the columns that the model needs, as in fitting; and the labels as the file has them."""
    import pyarrow.types as kinds

    from scs.data.frames import check_column
    from scs.data.new_rows import columns_needed
    from scs.data.tables import as_categories, read_columns
    from scs.data.terms import as_they_are

    rows, source = model.rows, opened(arguments, path)
    used = columns_needed(rows, interval=arguments.interval is not None)
    for name in used:
        check_column(name, source.names, "table")
    labels = [model.groups] if model.groups in source.names else []
    if not used and not labels:
        used = list(source.names[:1])  # a model without covariates wants the number of rows
    table = read_columns(source, [*used, *labels], labels=labels)
    coded = {factor.expr for factor in rows.spec.factor_contrasts}
    numbers = [
        name
        for name in as_they_are(rows.spec)
        if name in coded and not _is_text(table.schema.field(name).type)
    ]
    table = as_categories(table, [n for n in numbers if not kinds.is_null(table[n].type)])
    if not labels:
        return table, None
    return _labels_alike(table, model), table[model.groups].to_pylist()


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow.types as kinds

    return kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_dictionary(kind)


def _labels_alike(table: pa.Table, model: FittedModel) -> pa.Table:
    """Return the labels in the type of the model's, which a file may write in another one.

    Labels of a CSV file are whole numbers if all of them are, and dates are text there.
    """
    import pyarrow as pa
    import pyarrow.types as kinds

    from scs.data.label_types import has_zone, label_kinds

    labels = model.solution.labels

    column, known = table[model.groups], label_kinds(labels)
    if kinds.is_string(column.type) and known == {"number"}:  # a new name made all of them text
        column = _parsed(column, model.groups, "whole numbers", _whole)
    elif kinds.is_string(column.type) and known == {"datetime"}:
        column = _parsed(column, model.groups, "dates", partial(_times, zone=has_zone(labels)))
    elif known == {"str"} and (kinds.is_integer(column.type) or kinds.is_date(column.type)):
        column = column.cast(pa.string())
    return table.set_column(table.column_names.index(model.groups), model.groups, column)


def _parsed(
    column: pa.ChunkedArray, name: str, what: str, parse: Callable[[pa.ChunkedArray], Any]
) -> Any:
    """Return text as what it stands for; what is not written so is of no cluster that is known."""
    import pyarrow.compute as pc

    from scs.data.labels import LabelWarning

    found = parse(column)
    odd = column.filter(pc.and_(pc.is_null(found), pc.is_valid(column)))
    if len(odd):
        warnings.warn(
            f"column {name!r}: {len(odd):,} labels are not written as the {what} that the model "
            f"knows (first {odd[0].as_py()!r}): taken as new clusters.",
            LabelWarning,
            stacklevel=2,
        )
    return found


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = pc.match_substring_regex(column, r"^(0|-?[1-9]\d{0,17})$")
    return pc.if_else(plain, column, pa.scalar(None, pa.string())).cast(pa.int64())


def _times(column: pa.ChunkedArray, zone: bool) -> pa.Array:
    """Return times as ISO 8601 writes them, with a zone or without as the model's are."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    offset = r"(Z|[+-]\d\d:?\d\d)" if zone else ""
    plain = pc.match_substring_regex(column, rf"^\d{{4}}-\d\d-\d\d([T ][\d:.]+)?{offset}$")
    texts = pc.if_else(plain, column, pa.scalar(None, pa.string())).to_pandas()
    times = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=zone)
    return pa.array(times)


def _predicted(
    model: FittedModel, table: pa.Table, labels: list | None, level: float | None
) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    from scs.estimators.prediction import known_clusters

    found = pd.DataFrame({"row": np.arange(1, table.num_rows + 1)})
    if labels is not None:
        found[model.groups] = pd.Series(labels, dtype=object)
    found["known"] = known_clusters(model, table) >= 0
    if level is None:
        found["predicted"] = model.predict(table)
    else:
        intervals = model.predict(table, interval=level)
        assert isinstance(intervals, pd.DataFrame)
        found = found.join(intervals)
    return found
