"""Where the files of a data set are, and the way from there to checked tables."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from scs.data._whole import whole_file
from scs.paper.datasets.check import checked
from scs.paper.datasets.expected import EXPECTED
from scs.paper.datasets.fetch import FetchError, fetch, unpack
from scs.paper.datasets.sources import Source
from scs.paper.datasets.tables import read_table
from scs.paper.published import data_folder


@dataclass(frozen=True)
class Place:
    """Where a data set was found: its files, or the zip archive as UCI serves it."""

    files: tuple[Path, ...]
    is_archive: bool
    reason: str  # why this folder was looked into


def raw_folder() -> Path:
    """Return the folder for downloads: ``data/raw`` of the repository."""
    return data_folder() / "raw"


def folders() -> list[tuple[Path, str]]:
    """Return the folders in which to look, in order, each with the reason."""
    chosen = os.environ.get("SCS_DATA_DIR", "").strip()
    named = [(Path(chosen).expanduser(), "SCS_DATA_DIR")] if chosen else []
    return [*named, (raw_folder(), "data/raw")]


def may_download() -> bool:
    """Tell if SCS_NO_DOWNLOAD leaves the download allowed."""
    return os.environ.get("SCS_NO_DOWNLOAD", "").strip().lower() in ("", "0", "no", "false")


def locate(source: Source) -> Place | None:
    """Find a data set on this computer without reading it; None if it is not complete anywhere."""
    for folder, reason in folders():
        files = tuple(_variant(folder / name) for name in source.files)
        if all(file.is_file() for file in files):
            return Place(files, False, reason)
        if (archive := folder / source.archive).is_file():
            return Place((archive,), True, reason)
    return None


def _variant(file: Path) -> Path:
    """Return the file itself, or the same table saved as csv if only that is there."""
    csv = file.with_suffix(".csv")
    return csv if csv.is_file() and not file.is_file() else file


def read(source: Source, *, download: bool = True) -> dict[str, pd.DataFrame]:
    """Return the checked tables of a data set, downloading them if they are nowhere here.

    Parameters
    ----------
    source : Source
        The data set.
    download : bool
        False: use only what is here, as with SCS_NO_DOWNLOAD=1.

    Returns
    -------
    dict
        Name of the file without its ending, to the table.

    Raises
    ------
    FileNotFoundError
        If it is not here and cannot be downloaded: the first line says what is missing, where it
        was looked for, and the remedy.
    ValueError
        If a file is not the published table: the first line names it, the first differing column
        and the remedy.
    """
    place = locate(source)
    if place is not None:
        return read_place(source, place)
    if not (download and may_download()):
        raise FileNotFoundError(absence(source))
    try:
        contents = unpack(fetch(source.download), source.files)
    except FetchError as error:
        raise FileNotFoundError(absence(source, failure=str(error))) from error
    # Checked before anything is written, so that a wrong file never gets into data/raw.
    remedy = (
        f"UCI may have changed it: compare {source.page}, or set SCS_DATA_DIR to an earlier copy"
    )
    tables = {
        Path(name).stem: _table(content, name, f"{source.download} ({name})", remedy)
        for name, content in contents.items()
    }
    for name, content in contents.items():
        _write(raw_folder() / name, content)
    return tables


def read_place(source: Source, place: Place) -> dict[str, pd.DataFrame]:
    """Return the checked tables found at a place; errors as in ``read``."""
    bad = f"remove {place.files[0] if place.is_archive else 'it'}"
    remedy = f"{bad} and load again to download it, or get it from {source.page}"
    if not place.is_archive:
        return {
            Path(name).stem: _table(file.read_bytes(), file.name, str(file), remedy)
            for name, file in zip(source.files, place.files, strict=True)
        }
    archive = place.files[0]
    try:
        contents = unpack(archive.read_bytes(), source.files)
    except FetchError as error:
        raise ValueError(f"{archive}: {error}; {remedy}") from error
    return {
        Path(name).stem: _table(content, name, f"{archive} ({name})", remedy)
        for name, content in contents.items()
    }


def absence(source: Source, failure: str | None = None) -> str:
    """Say what is missing, where it was looked for, and the remedy; the first line is enough."""
    looked = " nor in ".join(
        f"{folder} ({reason}{'' if folder.is_dir() else ', no such folder'})"
        for folder, reason in folders()
    )
    if failure is None:
        failed, last = "", "allow the download (unset SCS_NO_DOWNLOAD, leave download=True)"
    else:
        failed, last = f", and {source.download} did not give it: {failure}", "try again later"
    return (
        f"data set {source.name!r}: {source.wanted} not in {looked}{failed}; "
        f"set SCS_DATA_DIR to their folder, put them (or {source.archive}) into "
        f"{raw_folder()}, or {last}\n"
        f"A browser gets {source.archive} from {source.page} ({source.licence})."
    )


def _table(content: bytes, name: str, label: str, remedy: str) -> pd.DataFrame:
    try:
        raw = read_table(content, name)
    except ValueError as error:
        raise ValueError(f"{label}: {error}; {remedy}") from error
    return checked(raw, EXPECTED[Path(name).stem], label, remedy)


def _write(file: Path, content: bytes) -> None:
    """Write all or nothing: under another name first, then renamed in one step."""
    if file.exists():
        return  # the user's own file, beside one that was missing: the next load checks it
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as unfinished:
            unfinished.write_bytes(content)
    except OSError as error:
        raise OSError(
            f"{file} cannot be written ({error.strerror or error}); make {file.parent} writable, "
            f"or put the files into another folder and set SCS_DATA_DIR to it"
        ) from error
