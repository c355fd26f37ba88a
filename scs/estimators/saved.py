"""Files of fitted models: a zip of JSON and arrays with a checksum, which runs nothing when read.

    about.json      format, versions, the formula and what was found: for people and other programs
    model.json      the model as `scs.estimators.codec` writes it
    arrays/N.npy    its arrays of numbers
    SHA256          of all of the above, in order

No row of the data is in it but what a model of few rows gives away: means of clusters, labels,
levels of categories. The checksum tells accidents and edits, not who made the file.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import fields
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np

from scs import __distribution__
from scs.data._whole import whole_file
from scs.estimators.codec import Reader, Writer

FORMAT = 1  # raised whenever an older version of the package could not read the file
WHAT = "scs fitted model"
_ABOUT, _MODEL, _SUM = "about.json", "model.json", "SHA256"
_LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "formulaic")
_WHEN = (1980, 1, 1, 0, 0, 0)  # the same model makes the same bytes
_MOST = 1 << 34  # bytes that a file may unpack to: models of ten million clusters have less
_AGAIN = "use another copy of it, or fit and save again"


def write_model(path: str | Path, model: Any, about: Mapping[str, Any]) -> None:
    """Write a dataclass whole or not at all; an error leaves an old file as it was.

    Parameters
    ----------
    path : str or Path
    model : dataclass
        All of whose fields `Writer` can turn into JSON.
    about : dict
        Beside format and versions.

    Raises
    ------
    TypeError
        Something in the model cannot be stored; the message says what.
    OSError
        The file cannot be written.
    """
    writer = Writer()
    found = {
        each.name: writer.plain(getattr(model, each.name), each.name) for each in fields(model)
    }
    head = {
        "what": WHAT,
        "format": FORMAT,
        "version": version(__distribution__),
        "python": python_version(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        **about,
    }
    entries = {_ABOUT: _json(head, indent=2), _MODEL: _json(found)}
    for i, array in enumerate(writer.arrays):
        stream = BytesIO()
        if not array.flags.f_contiguous:  # the order in memory decides the last digit of products
            array = np.ascontiguousarray(array)
        np.lib.format.write_array(stream, array, (1, 0), allow_pickle=False)
        entries[f"arrays/{i}.npy"] = stream.getvalue()
    entries[_SUM] = _checksum(entries).encode("ascii")
    with whole_file(path) as unfinished, zipfile.ZipFile(unfinished, "w") as file:
        for name, data in entries.items():
            file.writestr(zipfile.ZipInfo(name, _WHEN), data, zipfile.ZIP_DEFLATED)


def read_about(path: str | Path) -> dict[str, Any]:
    """Return what a file says of itself.

    Raises
    ------
    ValueError
        As `read_model`.
    """
    about: dict[str, Any] = json.loads(_entries(Path(path))[_ABOUT])
    return about


def read_model(path: str | Path) -> dict[str, Any]:
    """Return the fields of the model that a file holds.

    Raises
    ------
    ValueError
        There is no such file, it is none of a model, it was changed or cut off, or a newer version
        wrote it: one line, with the remedy.
    """
    path = Path(path)
    entries = _entries(path)
    try:
        arrays = [_array(entries[f"arrays/{i}.npy"]) for i in range(len(entries) - 3)]
        reader = Reader(arrays)
        plain = json.loads(entries[_MODEL])
        return {name: reader.value(value) for name, value in plain.items()}
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        made_by = json.loads(entries[_ABOUT]).get("version", "?")
        raise ValueError(
            f"{path.name} cannot be read by this version {version(__distribution__)} (version "
            f"{made_by} wrote it): {_line(error)}: fit and save again, or read it by that version."
        ) from None


def _entries(path: Path) -> dict[str, bytes]:
    """Return the content of a file by name, once format and checksum are what they should be."""
    if not path.is_file():
        raise ValueError(f"no file {str(path)!r}: check the name and the folder.")
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
            if sum(each.file_size for each in file.infolist()) > _MOST:
                raise zipfile.BadZipFile("it unpacks to more than a model holds")
            entries = {name: file.read(name) for name in names}
        about = json.loads(entries[_ABOUT])
        ours = about["what"] == WHAT
        form = int(about["format"])
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, TypeError) as error:
        cut = zipfile.is_zipfile(path) or path.read_bytes()[:4] == b"PK\x03\x04"
        what = "is damaged or cut off" if cut else "is no saved model"
        raise ValueError(f"{path.name} {what} ({_line(error)}): {_AGAIN}.") from None
    except (NotImplementedError, RuntimeError, OSError, MemoryError) as error:  # packed otherwise
        raise ValueError(f"{path.name} is no saved model ({_line(error)}): {_AGAIN}.") from None
    if ours and form > FORMAT:
        raise ValueError(
            f"{path.name} was written by version {about.get('version')} (format {form}), which is "
            f"newer than this one, {version(__distribution__)} (format {FORMAT}): install that "
            "version to read it."
        )
    wanted = [_ABOUT, _MODEL, *(f"arrays/{i}.npy" for i in range(len(names) - 3)), _SUM]
    whole = names == wanted and entries[_SUM] == _checksum(entries).encode("ascii")
    if not ours or form < 1 or not whole:
        raise ValueError(
            f"{path.name} was changed after it was saved (its checksum is another one): {_AGAIN}."
        )
    return entries


def _checksum(entries: Mapping[str, bytes]) -> str:
    """Return SHA-256 of names, lengths and contents, but for its own entry."""
    digest = hashlib.sha256()
    for name, data in entries.items():
        if name != _SUM:
            digest.update(f"{name}\n{len(data)}\n".encode())
            digest.update(data)
    return digest.hexdigest()


def _array(data: bytes) -> np.ndarray:
    """Return an array of numbers; its header is checked against the length before any is made."""
    stream = BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("an array of an unknown version")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    count = int(np.prod(shape, dtype=object))
    if dtype.hasobject or count * dtype.itemsize != len(data) - stream.tell():
        raise ValueError("an array is not of its size")
    values = np.frombuffer(data, dtype, count, stream.tell()).copy()
    return values.reshape(shape, order="F" if fortran else "C")


def _json(value: Any, indent: int | None = None) -> bytes:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, indent=indent).encode("ascii")


def _line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
