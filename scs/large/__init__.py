"""Tables larger than memory: Parquet and CSV files, and Dask frames, read in batches.

    files -> Source -> Columns (checked) -> batches -> Part (scs.merge) -> Moments

`Moments.from_files` and `Moments.from_dask` are the short way in; the pieces are here for whoever
needs the row counts, the dummy-coded columns or the batches themselves.
"""

from scs.large.columns import Columns, Rows, choose_columns, find_levels, rows_of
from scs.large.passes import Reading, read_batches, read_dask, read_files
from scs.large.sources import Source, open_source

__all__ = [
    "Columns",
    "Reading",
    "Rows",
    "Source",
    "choose_columns",
    "find_levels",
    "open_source",
    "read_batches",
    "read_dask",
    "read_files",
    "rows_of",
]
