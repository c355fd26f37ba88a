"""Cluster sums of tables that come in chunks, one at a time in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from scs.data.containers import refuse_other_rows
from scs.data.design import Design, as_codes, as_matrix, as_numbers, as_outcome
from scs.data.labels import note_alike
from scs.moments.merge import merge_parts
from scs.moments.part import Part, part_of_rows
from scs.moments.slopes import as_slopes


def part_of_chunks(
    chunks: Iterable[tuple], *, min_columns: int
) -> tuple[Part, tuple[str, ...], tuple[str, ...]]:
    """Sum up ``(X, y, clusters)`` or ``(X, y, clusters, Z)`` chunks.

    Returns
    -------
    Part, tuple of str, tuple of str
        The sums, the names of X's columns and of Z's.

    Raises
    ------
    ValueError, TypeError
        No chunk, a tuple of another length, or chunks with different columns.
    """
    names: tuple[str, ...] = ()
    slope_names: tuple[str, ...] = ()

    def parts() -> Iterator[Part]:
        nonlocal names, slope_names
        for i, chunk in enumerate(chunks):
            named = _by_name(chunk, i)
            design, slopes, found = read_arrays(named, min_columns=min_columns, empty=True)
            if i == 0:
                names, slope_names = design.names, found
            refuse_other_columns(names, design.names, f"chunk {i}")
            refuse_other_slopes(slope_names, found, f"chunk {i}")
            if not len(design.y):  # all of weight 0
                continue
            weights = design.frequency, design.precision
            yield part_of_rows(design.X, design.y, design.codes, design.labels, slopes, *weights)

    total = merge_parts(parts())
    if total is None and names:
        raise ValueError("chunks have the weight 0 in every row: pass a weight above 0.")
    if total is None:
        raise ValueError("chunks is empty: pass at least one (X, y, clusters).")
    note_alike(total.labels)
    return total, names, slope_names


def read_arrays(
    rows: Mapping[str, Any], *, min_columns: int, empty: bool = False
) -> tuple[Design, np.ndarray | None, tuple[str, ...]]:
    """Validate arrays by the names that `Moments.from_arrays` has for them.

    ``empty`` says that all weights may be 0.

    Returns
    -------
    Design, ndarray or None, tuple of str
        The rows, the columns of random slopes, and these columns' names.
    """
    refuse_other_rows(**rows)
    matrix, names = as_matrix(rows["X"], min_columns=min_columns)
    outcome, offset = as_outcome(rows["y"], len(matrix)), rows.get("offset")
    if offset is not None:
        offset = as_numbers(offset, len(matrix), "offset")
        outcome = outcome - offset
    codes, labels = as_codes(rows["clusters"], len(matrix))
    Z = rows.get("Z")
    slopes, slope_names = (None, ()) if Z is None else as_slopes(Z, len(matrix))
    design, kept = Design(matrix, outcome, codes, labels, names, offset=offset).weighted(
        rows.get("frequency_weights"), rows.get("precision_weights"), empty=empty
    )
    if slopes is not None and kept is not None:
        slopes = slopes[kept]
    return design, slopes, slope_names


_PARTS = ("X", "y", "clusters", "Z", "frequency_weights", "precision_weights", "offset")


def _by_name(chunk: Any, i: int) -> Mapping[str, Any]:
    """Return the arrays of a chunk by name."""
    if isinstance(chunk, Mapping):
        unknown = [name for name in chunk if name not in _PARTS]
        lacking = [name for name in _PARTS[:3] if name not in chunk]
        if unknown or lacking:
            raise ValueError(
                f"chunk {i} has {'no ' + repr(lacking[0]) if lacking else repr(unknown[0])}: its "
                f"names are {', '.join(_PARTS)}, of which the first three are needed."
            )
        return chunk
    if len(chunk) not in (3, 4):
        raise ValueError(
            f"chunk {i} has {len(chunk)} parts: pass (X, y, clusters), or "
            "(X, y, clusters, Z) with random slopes."
        )
    return dict(zip(_PARTS, chunk))


def refuse_other_columns(names: tuple[str, ...], found: tuple[str, ...], where: str) -> None:
    """Refuse rows of other covariates than those before."""
    if names != found:
        difference = next(
            (f"{a!r} against {b!r}" for a, b in zip(names, found) if a != b),
            f"{len(names)} against {len(found)} columns",
        )
        raise ValueError(
            f"{where} has different columns ({difference}): merge moments of the same columns "
            "in the same order."
        )


def refuse_other_slopes(names: tuple[str, ...], found: tuple[str, ...], where: str) -> None:
    """Refuse rows of other slopes than those before."""
    if names != found:
        raise ValueError(
            f"{where} has slopes of {found}, these moments of {names}: merge moments of the same "
            "columns in the same order."
        )
