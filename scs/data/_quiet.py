"""Doors for users' data say what is wrong with the data, not what a library's insides met."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

_P = ParamSpec("_P")
_T = TypeVar("_T")
# scikit-learn's: clusters are no regression's outcome, however many they are.
_NOT_OURS = "The number of unique classes is greater than 50%"


def quiet(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Keep numpy's remarks on overflow and the like inside: what it leads to is refused by name."""

    @wraps(function)
    def inner(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=_NOT_OURS)
            return function(*args, **kwargs)

    return inner
