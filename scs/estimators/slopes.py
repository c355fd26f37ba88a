"""What `fit` does otherwise with random slopes: a budget for each effect, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Any, cast

from scs.data.frames import check_column
from scs.data.rows import INTERCEPT, ModelRows
from scs.estimators.selection import Selection, Settings
from scs.moments.moments import Moments
from scs.solvers import check_budget, check_budgets, solve, within


def select_slopes(
    inner: Moments,
    settings: Settings,
    budgets: dict[str, int],
    say: Callable[[str], None],
) -> Selection:
    """Solve for one budget for each effect."""
    say(f"selecting at most {budgets} of {inner.n_clusters} clusters ...")
    options = settings.options(0.0, "given", inner.mean_weight)
    found = solve(
        inner,
        list(budgets.values()),
        gap=settings.gap,
        time_limit=settings.time_limit,
        **options,
    )
    return Selection(found, 0, options["ridge"], "given")


def slope_budgets(rows: ModelRows, budget: Any) -> dict[str, int]:
    """Return one budget for each effect, ``Intercept`` first."""
    slopes = rows.slopes
    assert slopes is not None  # asked for by `random`
    own = ((INTERCEPT,) if slopes.intercept else ()) + slopes.names
    example = "budget={" + ", ".join(f"{name!r}: 3" for name in own[:3]) + "}"
    if isinstance(budget, str):
        raise ValueError(
            f"budget={budget!r} is not for random slopes: name a number for each effect, {example} "
            f"(--budget {','.join('3' for _ in own)})."
        )
    if isinstance(budget, Mapping):
        for name in budget:
            check_column(name, own, "budget")
        given = [check_budget(budget.get(name, 0), f"budget[{name!r}]") for name in own]
    elif isinstance(budget, Integral):
        given = [check_budget(cast(int, budget))] * len(own)
    else:
        if not isinstance(budget, Iterable):
            raise TypeError(f"budget must be whole numbers, got {budget!r}: pass {example}.")
        given = check_budgets(budget, "budget")
        if len(given) != len(own):
            raise ValueError(
                f"budget has {len(given)} entries, but clusters have {len(own)} effects "
                f"({', '.join(own)}): pass one for each, such as {example}."
            )
    given = [within(each, len(rows.design.labels)) for each in given]
    return {INTERCEPT: 0} | dict(zip(own, given, strict=True))


def refuse_with_slopes(bootstrap: int, validation: Any, background: Any) -> None:
    """Refuse options of a random intercept alone."""
    if background not in ("auto", "none", 0):
        raise ValueError(
            f"background={background!r} is for a random intercept alone: pass 'none' with random "
            "slopes (--background none)."
        )
    if bootstrap:
        raise ValueError(
            f"bootstrap={bootstrap}: intervals are for a random intercept alone: pass 0 "
            "(--bootstrap 0) with random slopes."
        )
    if validation is not None:
        raise ValueError(
            "validation chooses the budget of a random intercept: with random slopes add its rows "
            "to data, and name budgets."
        )
