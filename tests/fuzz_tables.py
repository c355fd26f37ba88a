"""Random tables through every door: a right answer or one clear line, never anything else.

    python tests/fuzz_tables.py 20000 --seed 1     counts by outcome, and every new kind of fault
    python tests/fuzz_tables.py --seed 1 --case 77 one case alone, in full

A case is made from the seed and its number alone. Its table goes through one of three doors: the
command (CSV or Parquet), `scs.fit` (pandas, polars, arrow, dict) or the estimator (also numpy).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_columns import Column, label_column, outcome_column, random_column, random_name
from fuzz_doors import through_door
from fuzz_oracle import fault_of_answer, fault_of_error, fault_of_order, fault_of_warnings

DOORS = {
    "csv": 0.4, "parquet": 0.1, "pandas": 0.15, "polars": 0.1, "arrow": 0.08, "dict": 0.05,
    "estimator": 0.12,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One table and how it is handed over.

    Attributes
    ----------
    outcome, groups : Column
    covariates : list of Column
    door : str
    options : dict
        Arguments of the door; what is missing has its default.
    dialect : dict
        How the CSV file is written.
    plain : bool
        Whether nothing of the case is odd on purpose, so that it must be answered.
    """

    outcome: Column
    groups: Column
    covariates: list[Column]
    door: str
    options: dict[str, Any]
    dialect: dict[str, Any] = field(default_factory=dict)
    plain: bool = False

    @property
    def columns(self) -> list[Column]:
        return [self.outcome, self.groups, *self.covariates]

    def in_order(self, order: np.ndarray) -> Case:
        """Return the same case with its rows in another order."""
        outcome, groups, *covariates = (column.in_order(order) for column in self.columns)
        return Case(outcome, groups, covariates, self.door, self.options, self.dialect, self.plain)


@dataclass(frozen=True)
class Verdict:
    """What became of a case: its outcome, and the fault if there is one."""

    outcome: str
    fault: str = ""
    detail: str = ""


def make_case(seed: int, number: int) -> Case:
    """Make a case; the same one for the same seed and number."""
    rng = np.random.default_rng([seed, number])
    n = int(rng.choice([0, 1, 2, 3, *range(4, 61)], p=[0.01, 0.01, 0.01, 0.02, *[0.95 / 57] * 57]))
    oddness = float(rng.choice([0.0, 0.1, 0.4], p=[0.4, 0.4, 0.2]))
    groups = label_column(rng, n, oddness)
    outcome = outcome_column(rng, n, groups, oddness)
    door = str(rng.choice(list(DOORS), p=list(DOORS.values())))
    covariates: list[Column] = []
    for _ in range(int(rng.integers(0, 9))):
        covariates.append(random_column(rng, n, oddness, [outcome, *covariates]))
    if door == "estimator" and rng.random() < 0.7:  # it takes no text
        covariates = [column for column in covariates if column.numeric]
    taken = {"y", "g"}
    for place, column in enumerate([outcome, groups, *covariates]):
        name = ("y", "g")[place] if place < 2 else f"x{place - 1}"
        if rng.random() < oddness:
            name = random_name(rng)
        if name in taken and place > 1 and rng.random() > 0.05 * (oddness > 0):
            name = f"{name}{place}"  # two columns of one name are rare
        taken.add(name)
        column.name = name
    return Case(
        outcome,
        groups,
        covariates,
        door,
        _options(rng, outcome, groups, covariates, oddness),
        _dialect(rng, oddness),
        plain=oddness == 0 and n > 10,
    )


def _options(rng, outcome, groups, covariates, oddness: float) -> dict[str, Any]:
    """Choose arguments: mostly good ones."""

    def odd(share: float = 1.0) -> bool:
        return bool(rng.random() < oddness * share)

    n_labels = len(set(map(str, groups.values)))
    options: dict[str, Any] = {"budget": int(rng.integers(0, min(n_labels, 6) + 1))}
    if rng.random() < 0.08:
        options["budget"] = "auto"
    if odd(0.3):
        options["budget"] = _one(rng, [n_labels + 3, -1, 1.5, "many", None, True, 10**20])
    if rng.random() < 0.2:
        options["ridge"] = float(_one(rng, [1e-6, 1e-3, 0.1, 10.0, 1e3]))
    if odd(0.3):
        options["ridge"] = _one(rng, [0.0, -1.0, float("nan"), float("inf"), 1e308, 1e-308, "1"])
    if rng.random() < 0.2:
        options["ridge_fixed"] = float(_one(rng, [0.0, 1e-3, 1.0, 10.0]))
    if odd(0.2):
        options["ridge_fixed"] = _one(rng, [-1.0, float("nan"), 1e308, 1e-308])
    options["missing"] = str(rng.choice(["refuse", "drop"]))
    names = [column.name for column in covariates]
    if rng.random() < 0.5:
        options["formula"] = _formula(rng, outcome.name, groups.name, names, oddness)
    if names and rng.random() < 0.05:
        options["random"] = f"1 + {_quoted(str(rng.choice(names)))}"
    if odd(0.2):
        options["groups"] = _one(rng, [None, "nowhere", 3, ["g"], groups.values])
    if odd(0.1):
        options["time_limit"] = _one(rng, [0, -1.0, "long", float("nan")])
    if odd(0.1):
        options["seed"] = _one(rng, [-1, 0.5, "x"])
    if rng.random() < 0.02:
        options["bootstrap"] = 3
    if rng.random() < 0.01:
        options["report"] = True
    return options


_ODD_TERMS = [
    "offset(x1)", "nowhere", "1 +", ")", "x1 ~ x2", "C(x1, levels=[1])", "'", "`", "x1\udcff", "0",
    "-1", "I(x1 / 0)", "np.nowhere(x1)", "x1 ^ 2", "ns(x1)", "I(1)", "s(x1)", "{x1}", "", "x1 ** 2",
    "I(x1 > 0)", "Intercept", "I(x1 + exec('1'))", "__import__('os')", "x1.values", "()",
]  # fmt: skip


def _formula(rng, outcome: str, groups: str, names: list[str], oddness: float) -> str:
    left = _quoted(outcome)
    terms = [_quoted(name) for name in names if rng.random() < 0.7]
    if rng.random() < 0.1:
        terms = ["."]
    if rng.random() < oddness and names:
        name = _quoted(str(rng.choice(names)))
        terms.append(
            _one(
                rng,
                [f"C({name})", f"np.log({name})", f"poly({name}, 2)", f"bs({name}, df=4)",
                 f"I({name} ** 2)", f"{name}:{name}", f"np.exp({name})", f"scale({name})",
                 f"center({name})", f"{name} * {terms[0]}" if terms else name],
            )
        )  # fmt: skip
    if rng.random() < oddness * 0.3:
        terms.append(
            _one(
                rng,
                [f"(1 | {groups})", f"{groups}", left, *_ODD_TERMS],
            )
        )  # fmt: skip
    if rng.random() < 0.05:
        terms.append("-1" if terms else "0")
    if rng.random() < oddness * 0.1:
        left = _one(rng, [f"np.log({left})", f"I({left} * 2)", f"{left} + {left}", "", "nowhere"])
    return f"{left} ~ {' + '.join(terms) or '1'}"


def _dialect(rng, oddness: float) -> dict[str, Any]:
    """Choose how a CSV file is written."""
    found = {
        "sep": str(rng.choice([",", ";", "\t", "|"], p=[0.6, 0.2, 0.15, 0.05])),
        "end": str(rng.choice(["\n", "\r\n"])),
        "encoding": _one(rng, ["utf-8"] * 7 + ["utf-8-sig", "utf-16", "latin-1"]),
        "quote_all": bool(rng.random() < 0.1),
        "last_end": bool(rng.random() < 0.9),
    }  # fmt: skip
    found["decimal"] = "," if found["sep"] != "," and rng.random() < 0.4 else "."
    if rng.random() < oddness * 0.5:
        found["above"] = _one(
            rng, ["A title", "# a comment", "", "sep=" + found["sep"], "a" + found["sep"], "  "]
        )
    if rng.random() < oddness * 0.2:
        found["end"] = "\r"
    if rng.random() < oddness * 0.4:
        found["broken"] = _one(
            rng, ["trailing", "trailing rows", "ragged", "comment", "cut", "nul", "quote", "blank"]
        )
    if rng.random() < oddness * 0.3:
        found["encoding"] = _one(rng, ["utf-16-le", "utf-16-be", "utf-32", "cp1252", "shift_jis"])
    if rng.random() < oddness * 0.2:
        found["packed"] = _one(rng, ["gzip", "bz2", "cut gzip"])
    if rng.random() < oddness * 0.2:
        found["flags"] = _one(
            rng,
            [["--encoding", "hex"], ["--encoding", "utf-16"], ["--delimiter", "xx"],
             ["--delimiter", ";"], ["--decimal", "."], ["--na", "0"], ["--encoding", "ascii"],
             ["--categorical", "x1"], ["--exclude", "x1"], ["--covariates", "x1", "x2"],
             ["--top", "-1"], ["--gap", "2"]],
        )  # fmt: skip
    return found


def _one(rng, values: list) -> Any:
    """Draw one value of any type; numpy would make all of them one type."""
    return values[int(rng.integers(len(values)))]


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f"`{name}`"


def judge(case: Case, folder: Path) -> Verdict:
    """Put a case through its door, and hold what comes out to the oracle."""
    try:
        answer = through_door(case, folder)
        fault = fault_of_warnings(answer)
        if answer.error is not None:
            fault = fault or fault_of_error(case, answer)
            return Verdict(answer.outcome, fault, answer.detail)
        fault = fault or fault_of_answer(case, answer)
        n = len(case.outcome.values)
        # A broken file is broken at another row in another order.
        same = isinstance(case.options.get("budget"), int) and "broken" not in case.dialect
        if not fault and n > 1 and same:
            order = np.random.default_rng(n).permutation(n)
            fault = fault_of_order(answer, through_door(case.in_order(order), folder), order)
        return Verdict(answer.outcome, fault, answer.detail)
    except Exception as error:
        return Verdict(
            "raised", f"harness: {type(error).__name__}: {error}", traceback.format_exc()
        )


def run(n: int, seed: int, folder: Path, *, first: int = 0) -> list[tuple[int, Verdict]]:
    """Judge cases ``first`` to ``first + n - 1``."""
    return [(k, judge(make_case(seed, k), folder)) for k in range(first, first + n)]


def main() -> int:
    """Run many cases, print counts by outcome and the first case of each kind of fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("n", type=int, nargs="?", default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="this one alone, in full")
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        if options.case is not None:
            case = make_case(options.seed, options.case)
            print(case)
            print(judge(case, Path(name)))
            return 0
        outcomes, doors, faults = Counter(), Counter(), {}
        for k in range(options.first, options.first + options.n):
            case = make_case(options.seed, k)
            verdict = judge(case, Path(name))
            outcomes[verdict.outcome] += 1
            doors[case.door, verdict.outcome.split(":")[0]] += 1
            if verdict.fault:
                kind = verdict.fault.split("|")[0]
                if kind not in faults:
                    print(f"case {k} ({case.door}): {verdict.fault}\n    {verdict.detail[:600]}")
                faults.setdefault(kind, []).append(k)
    seconds = time.perf_counter() - started
    print(f"\n{options.n:,} tables, seed {options.seed}, {seconds:.0f} s")
    for what, count in outcomes.most_common():
        print(f"  {count:7,} {what}")
    print("by door: " + ", ".join(f"{a} {b} {count:,}" for (a, b), count in sorted(doors.items())))
    print(f"faults: {sum(map(len, faults.values())):,} of {len(faults)} kinds")
    for kind, cases in sorted(faults.items(), key=lambda item: -len(item[1])):
        print(f"  {len(cases):5,} {kind}: cases {', '.join(map(str, cases[:6]))}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
