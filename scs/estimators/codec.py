"""Fitted models as plain values, and back: no code is stored, and none is run.

A value becomes JSON, and an array of numbers an entry of its own (`Writer.arrays`). What is neither
a number, a text, a container of these nor one of the classes listed here cannot be stored.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from formulaic import ModelSpec

from scs.baselines import Fit
from scs.data.design import Design
from scs.data.rank import Rank
from scs.data.rows import Coding, ModelRows, RandomSlopes
from scs.data.saved_spec import plain_spec, spec_of
from scs.data.slopes import SlopeScale
from scs.data.written import Convention
from scs.estimators.robust import RobustCovariance
from scs.estimators.selection import ErrorCheck, Selection
from scs.estimators.standard import Standard
from scs.estimators.trees import ClusterTree, plain_tree, tree_of
from scs.inference.background import Deviations
from scs.inference.bootstrap import Bootstrap
from scs.inference.effects import EffectInference
from scs.inference.unequal import EqualVariances
from scs.moments.moments import Moments
from scs.solvers import Solution, Tuning
from scs.solvers.solution import Step

#: Classes that a file may hold, by name. A name once used keeps its meaning.
CLASSES: Mapping[str, type] = {
    each.__name__: each
    for each in (
        Bootstrap,
        Coding,
        Convention,
        Design,
        Deviations,
        EffectInference,
        EqualVariances,
        ErrorCheck,
        Fit,
        ModelRows,
        Moments,
        RandomSlopes,
        Rank,
        RobustCovariance,
        Selection,
        SlopeScale,
        Solution,
        Standard,
        Step,
        Tuning,
    )
}
_TEXTS: Mapping[str, tuple[type, Callable, Callable]] = {  # a value that text gives back exactly
    "decimal": (Decimal, str, Decimal),
    "fraction": (Fraction, str, Fraction),
    "datetime": (datetime, datetime.isoformat, datetime.fromisoformat),
    "date": (date, date.isoformat, date.fromisoformat),
    "time": (time, time.isoformat, time.fromisoformat),
    "bytes": (
        bytes,
        lambda value: base64.b64encode(value).decode("ascii"),
        lambda text: base64.b64decode(text, validate=True),
    ),
}
_KINDS = "biufMm"  # of arrays that are stored as numbers


class CodecError(ValueError):
    """What a file holds is not what a model is made of."""


class Writer:
    """Turns values into JSON, with arrays of numbers aside.

    Attributes
    ----------
    arrays : list of ndarray
        In the order in which the JSON names them.
    """

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []  # so that no id is used twice

    def plain(self, value: Any, where: str = "the model") -> Any:
        """Return a value as JSON.

        Raises
        ------
        TypeError
            It is of a class that is not on the list; the message says where.
        """
        if value is None or type(value) in (bool, str):
            return value
        if type(value) is int:
            return value if abs(value) < 2**53 else {"": "int", "text": str(value)}
        if type(value) is float:
            return value if np.isfinite(value) else {"": "float", "text": repr(value)}
        if isinstance(value, np.ndarray):
            return self._array(value, where)
        if isinstance(value, np.generic):
            return self._scalar(value, where)
        if isinstance(value, tuple | list):
            return self._sequence(value, where)
        if isinstance(value, Mapping):
            pairs = [
                [self.plain(k, where), self.plain(v, f"{where}, {k!r}")] for k, v in value.items()
            ]
            return {"": "dict", "pairs": pairs}
        if type(value).__name__ in CLASSES and CLASSES[type(value).__name__] is type(value):
            return self._object(value, where)
        return self._special(value, where)

    def _scalar(self, value: np.generic, where: str) -> Any:
        if value.dtype.kind in "mM":
            return {"": "scalar", "dtype": value.dtype.str, "count": str(value.view(np.int64))}
        if value.dtype.kind not in "biufUS":
            raise TypeError(f"{where} holds {value.dtype}, which cannot be saved.")
        return {"": "scalar", "dtype": value.dtype.str, "value": self.plain(value.item(), where)}

    def _sequence(self, value: tuple | list, where: str) -> Any:
        items = [self.plain(each, f"{where}[{i}]") for i, each in enumerate(value)]
        return items if type(value) is list else {"": "tuple", "items": items}

    def _object(self, value: Any, where: str) -> Any:
        name = type(value).__name__
        found = {
            each.name: self.plain(getattr(value, each.name), f"{where}.{each.name}")
            for each in fields(value)
        }
        return {"": "object", "class": name, "fields": found}

    def _special(self, value: Any, where: str) -> Any:
        if isinstance(value, ModelSpec):
            return {"": "formula", "value": self.plain(plain_spec(value), where)}
        if isinstance(value, ClusterTree):
            return {"": "tree", "value": self.plain(plain_tree(value), where)}
        if type(value) is pd.Timestamp:
            zone = {} if value.tz is None else {"zone": str(value.tz)}
            return {"": "timestamp", "text": value.isoformat(), "unit": value.unit, **zone}
        if type(value) is pd.Timedelta:
            return {
                "": "pandas timedelta",
                "count": str(value.asm8.view(np.int64)),
                "unit": value.unit,
            }
        if type(value) is timedelta:
            return {"": "timedelta", "parts": [value.days, value.seconds, value.microseconds]}
        for name, (kind, write, _) in _TEXTS.items():
            if type(value) is kind:
                return {"": name, "text": write(value)}
        raise TypeError(
            f"{where} is of type {type(value).__name__}, which cannot be saved: turn labels and "
            "categories into text or numbers, and fit again."
        )

    def _array(self, value: np.ndarray, where: str) -> Any:
        if value.dtype.kind in _KINDS:
            if id(value) not in self._seen:
                self._seen[id(value)] = len(self.arrays)
                self._kept.append(value)
                self.arrays.append(value)
            return {"": "array", "at": self._seen[id(value)]}
        if value.dtype.kind in "OUS":
            items = [
                self.plain(each, f"{where}[{i}]") for i, each in enumerate(value.ravel().tolist())
            ]
            kind = value.dtype.str if value.dtype.kind in "US" else "O"
            return {"": "objects", "dtype": kind, "shape": list(value.shape), "items": items}
        raise TypeError(f"{where} holds {value.dtype}, which cannot be saved.")


class Reader:
    """Turns JSON and arrays into values again.

    Parameters
    ----------
    arrays : list of ndarray
        Those of the `Writer`.
    """

    def __init__(self, arrays: list[np.ndarray]) -> None:
        self.arrays = arrays

    def value(self, plain: Any) -> Any:
        """Return the value that JSON stands for.

        Raises
        ------
        CodecError
            It stands for none that a model is made of.
        """
        if plain is None or isinstance(plain, bool | int | float | str):
            return plain
        if isinstance(plain, list):
            return [self.value(each) for each in plain]
        kind = plain.get("")
        if kind in _TEXTS:
            return _TEXTS[kind][2](plain["text"])
        method = (
            getattr(self, f"_{kind.replace(' ', '_')}", None) if isinstance(kind, str) else None
        )
        if method is None:
            raise CodecError(f"it holds a value of the unknown kind {kind!r}")
        return method(plain)

    def _int(self, plain: dict) -> int:
        return int(plain["text"])

    def _float(self, plain: dict) -> float:
        return {"nan": np.nan, "inf": np.inf, "-inf": -np.inf}[plain["text"]]

    def _array(self, plain: dict) -> np.ndarray:
        return self.arrays[plain["at"]]

    def _scalar(self, plain: dict) -> Any:
        dtype = _dtype(plain["dtype"], "biufUSmM")
        if "count" in plain:
            return np.int64(plain["count"]).view(dtype)
        return np.array(self.value(plain["value"]), dtype=dtype)[()]

    def _objects(self, plain: dict) -> np.ndarray:
        items = [self.value(each) for each in plain["items"]]
        found = np.empty(len(items), dtype=object)
        found[:] = items
        if plain["dtype"] != "O":
            found = found.astype(_dtype(plain["dtype"], "US"))
        return found.reshape(plain["shape"])

    def _tuple(self, plain: dict) -> tuple:
        return tuple(self.value(each) for each in plain["items"])

    def _dict(self, plain: dict) -> dict:
        return {self.value(key): self.value(value) for key, value in plain["pairs"]}

    def _object(self, plain: dict) -> Any:
        name = plain["class"]
        if name not in CLASSES:
            raise CodecError(f"it holds a {name}, which this version does not know")
        return made(CLASSES[name], {key: self.value(v) for key, v in plain["fields"].items()})

    def _formula(self, plain: dict) -> ModelSpec:
        return spec_of(self.value(plain["value"]))

    def _tree(self, plain: dict) -> ClusterTree:
        return tree_of(self.value(plain["value"]))

    def _timestamp(self, plain: dict) -> pd.Timestamp:
        found = pd.Timestamp(plain["text"]).as_unit(plain["unit"])
        return found.tz_convert(plain["zone"]) if "zone" in plain else found

    def _pandas_timedelta(self, plain: dict) -> pd.Timedelta:
        return pd.Timedelta(np.timedelta64(int(plain["count"]), plain["unit"]))

    def _timedelta(self, plain: dict) -> timedelta:
        days, seconds, microseconds = plain["parts"]
        return timedelta(days, seconds, microseconds)


def _dtype(text: str, kinds: str) -> np.dtype:
    found = np.dtype(text)
    if found.kind not in kinds:
        raise CodecError(f"it holds values of {text!r}")
    return found


def made(kind: type, values: dict[str, Any]) -> Any:
    """Return an object of a dataclass, or say which fields do not fit.

    Raises
    ------
    CodecError
        A field that this version does not know, or one without which it cannot do.
    """
    known = {each.name for each in fields(kind)}
    for name in values:
        if name not in known:
            raise CodecError(
                f"its {kind.__name__} has a {name!r}, which this version does not know"
            )
    try:
        return kind(**values)
    except TypeError as error:
        raise CodecError(f"its {kind.__name__} is not whole ({error})") from None
