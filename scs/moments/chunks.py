"""Cluster sums of tables that come in chunks, one at a time in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scs.data.containers import refuse_other_rows
from scs.data.design import as_codes, as_matrix, as_outcome
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
            if len(chunk) not in (3, 4):
                raise ValueError(
                    f"chunk {i} has {len(chunk)} parts: pass (X, y, clusters), or "
                    "(X, y, clusters, Z) with random slopes."
                )
            X, y, clusters = chunk[:3]
            Z = chunk[3] if len(chunk) == 4 else None
            refuse_other_rows(X=X, y=y, clusters=clusters, Z=Z)
            matrix, found = as_matrix(X, min_columns=min_columns)
            slopes, found_slopes = (None, ()) if Z is None else as_slopes(Z, len(matrix))
            if i == 0:
                names, slope_names = found, found_slopes
            refuse_other_columns(names, found, f"chunk {i}")
            refuse_other_slopes(slope_names, found_slopes, f"chunk {i}")
            outcome = as_outcome(y, len(matrix))
            yield part_of_rows(matrix, outcome, *as_codes(clusters, len(matrix)), slopes)

    total = merge_parts(parts())
    if total is None:
        raise ValueError("chunks is empty: pass at least one (X, y, clusters).")
    note_alike(total.labels)
    return total, names, slope_names


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
