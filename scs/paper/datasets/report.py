"""What is present, in words: for the command `scs data`, and for tests that need real data."""

from __future__ import annotations

from scs.paper.datasets.files import Place, folders, locate, may_download, raw_folder, read_place
from scs.paper.datasets.sources import SOURCES, Source, source


def available(name: str) -> bool:
    """Tell if a data set is on this computer; nothing is downloaded, contents are not read.

    Parameters
    ----------
    name : str
        "student" or "mice".

    Returns
    -------
    bool
        True if all its files are in the folder SCS_DATA_DIR names or in data/raw.

    Raises
    ------
    ValueError
        If there is no data set of that name; the message lists the names.
    """
    return locate(source(name)) is not None


def status() -> str:
    """Describe every data set: present or not, from where, sound or not, licence, remedy.

    Returns
    -------
    str
        Lines to print.  Files that are present are read and checked; nothing is downloaded.
    """
    return "\n\n".join(_paragraph(each) for each in SOURCES.values())


def _paragraph(source: Source) -> str:
    place = locate(source)
    lines = _missing(source) if place is None else _present(source, place)
    title = f"{source.name}: {'missing' if place is None else 'present'}"
    lines += [
        f"  licence  {source.licence} ({source.licence_url})",
        f"  source   {source.citation}",
    ]
    return "\n".join([title, *lines])


def _present(source: Source, place: Place) -> list[str]:
    try:
        read_place(source, place)
        verdict = "agrees with the published table"
    except (ValueError, OSError) as error:
        verdict = f"REFUSED: {str(error).splitlines()[0]}"
    found = [f"  found    {file} ({place.reason})" for file in place.files]
    return [*found, f"  content  {verdict}"]


def _missing(source: Source) -> list[str]:
    looked = [f"  looked   {folder} ({reason})" for folder, reason in folders()]
    if may_download():
        automatic = f"load_{source.name}() downloads it into {raw_folder()}"
    else:
        automatic = "SCS_NO_DOWNLOAD forbids the download; unset it and load again"
    return [
        f"  wanted   {source.wanted}, or {source.archive}",
        *looked,
        f"  to get   {automatic};",
        f"           or put it into one of these folders yourself, from {source.page}",
    ]
