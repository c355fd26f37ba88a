"""Get a zip archive from its address, within limits, and take the wanted files out of it."""

from __future__ import annotations

import sys
import time
import zipfile
import zlib
from http.client import HTTPException
from io import BytesIO
from pathlib import PurePosixPath
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

TIMEOUT = 30.0  # seconds without an answer
LONGEST = 600.0  # seconds for the whole download
LARGEST = 64 << 20  # bytes, of a download and of all that is unpacked from it
_DEEPEST = 3  # zip archives within each other
_HERE = ("127.0.0.1", "::1", "localhost")
_CHUNK = 1 << 16
_REPORT_EVERY = 1 << 19


class FetchError(Exception):
    """The files could not be had from this address; the message says why."""


class _Secure(HTTPRedirectHandler):
    """Follows only to addresses that `fetch` would begin at."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        _refuse_insecure(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refuse_insecure(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE):
        return
    raise FetchError(
        f"{address[:200]!r} is not an https address, so that nobody vouches for what it serves"
    )


def fetch(
    address: str, timeout: float = TIMEOUT, *, longest: float = LONGEST, largest: int = LARGEST
) -> bytes:
    """Return what an address serves, with progress on stderr.

    Parameters
    ----------
    address : str
        An https address; http only of this machine. Redirections are held to the same.
    timeout : float
        Seconds without an answer after which to give up.
    longest : float
        Seconds for the whole download.
    largest : int
        Bytes.

    Returns
    -------
    bytes
        The complete answer.

    Raises
    ------
    FetchError
        If the address is not https, or there is no answer, an error status, fewer bytes than were
        announced, or a limit is passed.
    """
    _refuse_insecure(address)
    print(f"Downloading {address}", file=sys.stderr, flush=True)
    received = bytearray()
    request, end = Request(address, headers={"User-Agent": "scs"}), time.monotonic() + longest
    try:
        with build_opener(_Secure).open(request, timeout=timeout) as answer:
            announced = answer.headers.get("Content-Length")
            told = 0
            while chunk := answer.read1(_CHUNK):  # what is there, so that the clock is looked at
                received += chunk
                if len(received) > largest:
                    raise FetchError(f"it is larger than {largest:,} bytes")
                if time.monotonic() > end:
                    raise FetchError(f"it took longer than {longest:g} seconds")
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
        If the bytes are no sound zip archive, a file is not in it, or more than `LARGEST` bytes
        would be unpacked.
    """
    if not archive.startswith(b"PK"):
        raise FetchError(f"it is not a zip archive (it begins with {archive[:40]!r})")
    try:
        found = _search(archive, names, _DEEPEST)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise FetchError(f"the zip archive is damaged ({error})") from error
    for name in names:
        if name not in found:
            raise FetchError(f"the zip archive does not hold {name}")
    return {name: found[name] for name in names}


def _search(archive: bytes, names: tuple[str, ...], depth: int) -> dict[str, bytes]:
    outer: dict[str, bytes] = {}
    inner: dict[str, bytes] = {}
    with zipfile.ZipFile(BytesIO(archive)) as members:
        wanted = [
            member
            for member in members.infolist()
            if (name := PurePosixPath(member.filename).name) in names
            or (depth > 1 and name.lower().endswith(".zip"))
        ]
        # Nothing is unpacked before all sizes are known; zipfile reads no further than these.
        if sum(member.file_size for member in wanted) > LARGEST:
            raise FetchError(f"the zip archive unpacks to more than {LARGEST:,} bytes")
        for member in wanted:
            name = PurePosixPath(member.filename).name
            if name in names:
                outer.setdefault(name, members.read(member))
            else:
                inner = _search(members.read(member), names, depth - 1) | inner
    return inner | outer
