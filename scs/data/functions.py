"""The functions that a formula may call: a closed list, each with the arguments that it takes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from formulaic.transforms import TRANSFORMS

MOST_COLUMNS = 100  # that a spline or a polynomial may make
_COUNTS = {"df", "degree"}  # options that say how many columns are made


@dataclass(frozen=True)
class Function:
    """One function of the list.

    Attributes
    ----------
    apply : callable
        Called with the evaluated columns and options.
    columns : int
        Leading arguments that are columns, or made of columns.
    options : tuple of str
        Further arguments in order; constants, or lists of constants.
    keeps : bool
        It learns from the rows fitted (means, knots, edges) and has to keep that for new rows.
    numbers : bool
        Its columns have to be numbers.
    """

    apply: Callable[..., Any]
    columns: int = 1
    options: tuple[str, ...] = ()
    keeps: bool = False
    numbers: bool = True


def cut(values: np.ndarray, edges: Any, right: bool = True) -> pd.Categorical:
    """Return the interval between two edges in which each value lies, as R's and pandas' cut."""
    if not isinstance(edges, list) or len(edges) < 2:
        raise ValueError("cut() wants its edges: cut(x, [0, 10, 20])")
    values = np.asarray(values, dtype=float)
    bins = np.unique(np.asarray(edges, dtype=float)).tolist()
    found = pd.cut(values, bins, right=bool(right))
    outside = np.flatnonzero(pd.isna(found) & ~np.isnan(values))
    if len(outside):
        raise ValueError(f"cut(): {values[outside[0]]:g} lies outside of the edges: add wider ones")
    names: Any = pd.Index([str(each) for each in found.categories])
    named = pd.Categorical.from_codes(found.codes, names)
    return named.remove_unused_categories()


def natural_spline(
    values: np.ndarray,
    df: float | None = None,
    knots: list | None = None,
    *,
    _state: dict | None = None,
) -> Any:
    """Return R's ns(): natural cubic splines without the constant."""
    if df is None:
        df = 1 if knots is None else len(knots) + 1
    if df < 2:
        raise ValueError("ns() wants df=2 or more (df=1 is the column itself)")
    options = {"knots": knots} if knots is not None else {"df": int(df)}
    return TRANSFORMS["cr"](values, **options, constraints="center", _state=_state)


def _rounded(values: np.ndarray, decimals: float = 0) -> np.ndarray:
    return np.round(values, int(decimals))


def _one(names: str) -> dict[str, Function]:
    return {name: Function(getattr(np, name)) for name in names.split()}


_CONTRASTS = {
    "Treatment": Function(TRANSFORMS["Treatment"], 0, ("reference",)),
    "Sum": Function(TRANSFORMS["Sum"], 0),
    "Helmert": Function(TRANSFORMS["Helmert"], 0),
    "Diff": Function(TRANSFORMS["Diff"], 0),
    "Poly": Function(TRANSFORMS["Poly"], 0),
}
CONTRASTS: Mapping[str, Function] = {
    **_CONTRASTS,
    "contr.treatment": Function(TRANSFORMS["contr"].treatment, 0, ("base",)),
    "contr.sum": _CONTRASTS["Sum"],
    "contr.helmert": _CONTRASTS["Helmert"],
    "contr.diff": _CONTRASTS["Diff"],
    "contr.poly": _CONTRASTS["Poly"],
}
NUMPY: Mapping[str, Function] = {
    **_one(
        "log log2 log10 log1p exp exp2 expm1 sqrt cbrt square abs absolute fabs sign floor ceil"
    ),
    **_one("trunc rint sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh"),
    **_one("deg2rad rad2deg reciprocal"),
    "round": Function(_rounded, options=("decimals",)),
    "clip": Function(np.clip, options=("a_min", "a_max")),
    **{name: Function(getattr(np, name), 2) for name in ("minimum", "maximum", "power", "mod")},
    "where": Function(np.where, 3),
}
TRANSFORMATIONS: Mapping[str, Function] = {
    "C": Function(TRANSFORMS["C"], 1, ("contrasts", "levels", "spans_intercept"), numbers=False),
    "I": Function(TRANSFORMS["I"], numbers=False),
    "bs": Function(
        TRANSFORMS["bs"],
        1,
        ("df", "knots", "degree", "include_intercept", "lower_bound", "upper_bound"),
        keeps=True,
    ),
    **{
        name: Function(
            TRANSFORMS[name],
            1,
            ("df", "knots", "lower_bound", "upper_bound", "constraints"),
            keeps=True,
        )
        for name in ("cr", "cs", "cc")
    },
    "ns": Function(natural_spline, 1, ("df", "knots"), keeps=True),
    "poly": Function(TRANSFORMS["poly"], 1, ("degree", "raw"), keeps=True),
    "center": Function(TRANSFORMS["center"], keeps=True),
    "scale": Function(TRANSFORMS["scale"], 1, ("center", "scale", "ddof"), keeps=True),
    "standardize": Function(
        TRANSFORMS["standardize"], 1, ("center", "rescale", "ddof"), keeps=True
    ),
    "cut": Function(cut, 1, ("edges", "right")),
    "offset": Function(np.positive),  # taken off the outcome: see `scs.data.terms.split_offset`
    "exp10": Function(lambda x: np.power(10.0, x)),
}
CONSTANTS: Mapping[str, float] = {"np.pi": np.pi, "np.e": np.e}
_ALL: Mapping[str, Function] = {
    **{f"np.{name}": function for name, function in NUMPY.items()},
    **NUMPY,
    **TRANSFORMATIONS,
}
_INSTEAD = {
    "lag": "it would reach into other clusters: compute the lag in the table, within clusters",
    "hashed": "write C(x)",
    "factor": "write C(x)",
    "as.factor": "write C(x)",
    "as.numeric": "convert the column in the table",
    "ifelse": "write where(x > 1, a, b)",
    "log1": "write log1p(x)",
    "pmin": "write minimum(a, b)",
    "pmax": "write maximum(a, b)",
    "rcs": "write ns(x, df=3) or cr(x, df=3)",
    "s": "there is no smooth term: write ns(x, df=3) or bs(x, df=5)",
    "te": "there is no smooth term: write bs(x, df=5):bs(z, df=5)",
    "relevel": "write C(x, Treatment('level'))",
    **dict.fromkeys(
        ("mean", "median", "std", "var", "sum", "min", "max", "cumsum", "diff", "quantile"),
        "a number of all rows would be another one for new rows: write center(x) or scale(x)",
    ),
}


def find_function(name: str) -> Function:
    """Return a function by the name that a formula calls it by.

    Raises
    ------
    ValueError
        It is not on the list; the message says what works instead.
    """
    if name in _ALL:
        return _ALL[name]
    short = name.removeprefix("np.").removeprefix("numpy.")
    if short in _INSTEAD:
        raise ValueError(f"{name}() is no function of formulas: {_INSTEAD[short]}")
    if "." in name and not name.startswith(("np.", "numpy.")):
        raise ValueError(f"{name}() is not allowed: columns have no methods in a formula")
    near = difflib.get_close_matches(name, _ALL, n=1, cutoff=0.75)
    hint = f"did you mean {near[0]}()? There" if near else "there"
    raise ValueError(
        f"{name}() is no function of formulas: {hint} are C, I, Q, bs, cr, ns, poly, center, "
        "scale, cut, log, exp, sqrt, abs, where and other functions of numbers"
    )


def check_option(name: str, value: Any) -> None:
    """Refuse options of a size that no model has.

    Raises
    ------
    ValueError
    """
    if name in _COUNTS and value not in range(MOST_COLUMNS + 1):
        raise ValueError(f"{name}={value!r} must be a whole number of at most {MOST_COLUMNS}")
    if isinstance(value, list) and len(value) > 10 * MOST_COLUMNS:
        raise ValueError(f"{name} has {len(value):,} entries: at most {10 * MOST_COLUMNS}")
    if name == "knots" and isinstance(value, list) and len(value) > MOST_COLUMNS:
        raise ValueError(f"knots has {len(value):,} entries: at most {MOST_COLUMNS}")
    if name == "decimals" and not (isinstance(value, (int, float)) and abs(value) <= 300):
        raise ValueError(f"decimals={value!r} must be a whole number")
