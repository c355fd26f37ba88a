"""Get a zip archive from its address and take the wanted files out of it."""

from __future__ import annotations

import sys
import zipfile
import zlib
from http.client import HTTPException
from io import BytesIO
from pathlib import PurePosixPath
from urllib.request import Request, urlopen

TIMEOUT = 30.0  # seconds without an answer, not for the whole download
_CHUNK = 1 << 16
_REPORT_EVERY = 1 << 19


class FetchError(Exception):
    """The files could not be had from this address; the message says why."""


def fetch(address: str, timeout: float = TIMEOUT) -> bytes:
    """Return what an address serves, with progress on stderr.

    Parameters
    ----------
    address : str
        An http(s) address.
    timeout : float
        Seconds without an answer after which to give up.

    Returns
    -------
    bytes
        The complete answer.

    Raises
    ------
    FetchError
        If there is no answer, an error status, or fewer bytes than were announced.
    """
    print(f"Downloading {address}", file=sys.stderr, flush=True)
    received = bytearray()
    try:
        with urlopen(Request(address, headers={"User-Agent": "scs"}), timeout=timeout) as answer:
            announced = answer.headers.get("Content-Length")
            told = 0
            while chunk := answer.read(_CHUNK):
                received += chunk
                if len(received) - told >= _REPORT_EVERY:
                    told = len(received)
                    of = f" of {int(announced) // 1024:,}" if announced else ""
                    print(f"  {told // 1024:,}{of} KiB", file=sys.stderr, flush=True)
    except (OSError, HTTPException, ValueError) as error:  # ValueError: not an address
        raise FetchError(str(error) or type(error).__name__) from error
    if announced and len(received) != int(announced):
        raise FetchError(f"it broke off after {len(received):,} of {int(announced):,} bytes")
    return bytes(received)


def unpack(archive: bytes, names: tuple[str, ...]) -> dict[str, bytes]:
    """Take files out of a zip archive, also out of zip archives inside it.

    Parameters
    ----------
    archive : bytes
        The zip archive.
    names : tuple of str
        Names of the wanted files, whatever folder of the archive they are in.

    Returns
    -------
    dict
        Name to content, in the order of ``names``.

    Raises
    ------
    FetchError
        If the bytes are no sound zip archive, or a file is not in it.
    """
    if not archive.startswith(b"PK"):
        raise FetchError(f"it is not a zip archive (it begins with {archive[:40]!r})")
    try:
        found = _search(archive, names)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise FetchError(f"the zip archive is damaged ({error})") from error
    for name in names:
        if name not in found:
            raise FetchError(f"the zip archive does not hold {name}")
    return {name: found[name] for name in names}


def _search(archive: bytes, names: tuple[str, ...]) -> dict[str, bytes]:
    outer: dict[str, bytes] = {}
    inner: dict[str, bytes] = {}
    with zipfile.ZipFile(BytesIO(archive)) as members:
        for member in members.namelist():
            name = PurePosixPath(member).name
            if name in names:
                outer.setdefault(name, members.read(member))
            elif name.lower().endswith(".zip"):
                inner = _search(members.read(member), names) | inner
    return inner | outer
