"""A thousand random tables through the command and the interfaces, and an oracle that sees faults.

`python tests/fuzz_tables.py 20000 --seed 1` runs more of them and counts.
"""

import warnings
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from fuzz_doors import Answer, through_door
from fuzz_oracle import fault_of_answer, fault_of_error, fault_of_order, fault_of_warnings
from fuzz_tables import DOORS, judge, make_case, run

BLOCK = 100


@pytest.fixture(scope="module")
def outcomes() -> Counter:
    return Counter()


@pytest.mark.parametrize("block", range(10))
def test_a_table_is_answered_rightly_or_refused_in_one_line(block, tmp_path, outcomes):
    verdicts = run(BLOCK, 0, tmp_path, first=BLOCK * block)
    outcomes.update(verdict.outcome.split(":")[0] for _, verdict in verdicts)
    faults = [f"case {k}: {v.fault} {v.detail[:200]}" for k, v in verdicts if v.fault]
    assert not faults, "\n".join(faults)


def test_most_of_them_are_answered_and_many_refused(outcomes):
    total = outcomes.total()
    if total < 10 * BLOCK:
        pytest.fail("run with the blocks above, which this counts")
    assert outcomes["answered"] > total / 2
    assert outcomes["refused"] + outcomes["exit 2"] > total / 10
    assert outcomes["no such table"] < total / 10


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """One answered case of each door, with the answer."""
    folder, found = tmp_path_factory.mktemp("fuzz"), {}
    for number in range(500):
        case = make_case(3, number)
        if case.plain and case.door not in found and case.options.get("random") is None:
            answer = through_door(case, folder)
            budget = case.options["budget"]
            if answer.model is not None and isinstance(budget, int) and budget > 0:
                found[case.door] = case, answer
        if len(found) == len(DOORS):
            return found
    raise AssertionError(f"only {sorted(found)} are answered")


def _changed(answer: Answer, **changes) -> Answer:
    """Return an answer whose solution says something else."""
    model = answer.model
    fields = {name: getattr(model, name) for name in ("rows", "ridge", "ridge_fixed", "coef")}
    solution = replace(model.solution, **changes)
    return replace(answer, model=SimpleNamespace(**fields, solution=solution))


@pytest.mark.parametrize("door", ["csv", "parquet", "pandas", "polars", "arrow", "dict"])
def test_the_oracle_sees_a_wrong_answer(door, answered):
    case, answer = answered[door]
    solution = answer.model.solution
    assert fault_of_answer(case, answer) == ""

    def fault(**changes):
        return fault_of_answer(case, _changed(answer, **changes))

    assert "not that of the coefficients" in fault(objective=solution.objective * 1.001)
    assert "not that of the coefficients" in fault(gamma=solution.gamma + (solution.gamma != 0))
    assert "bound above" in fault(bound=solution.objective * 1.001)
    for field in ("objective", "gamma"):  # no such answer can be made
        with pytest.raises(ValueError, match="not finite"):
            fault(**{field: np.nan * getattr(solution, field)})
    assert "clusters instead of" in fault(labels=solution.labels[:-1])
    assert "more selected" in fault(gamma=np.ones(99))
    other = replace(answer, predict=lambda: answer.predict() + 1)
    assert "predictions" in fault_of_answer(case, other) or answer.model.rows.n_dropped
    moved = replace(answer.design, y=answer.design.y + 1e-9)
    assert "other numbers" in fault_of_answer(case, replace(answer, design=moved))


def test_the_oracle_sees_another_answer_in_another_order(answered):
    for case, answer in (answered["pandas"], answered["csv"]):
        solution, order = answer.model.solution, np.arange(len(case.outcome.values))
        assert fault_of_order(answer, answer, order) == ""
        for change in (
            {"objective": solution.objective * 1.01},
            {
                "labels": solution.labels[::-1],
                "membership": np.array(["in", "out"] * 99)[: len(solution.labels)],
            },
            {"labels": solution.labels[1:]},
            {"bound": solution.objective * 1.01},
        ):
            assert fault_of_order(answer, _changed(answer, **change), order), change
        assert "refused" in fault_of_order(answer, Answer("refused", ValueError("x")), order)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ValueError("budget must be a whole number, got 'x': pass for example 5."), ""),
        (ValueError("budget must be a whole number,\ngot 'x': pass for example 5."), "one line"),
        (ValueError("division by zero: try again"), "names nothing"),
        (ValueError("budget is wrong."), "no remedy"),
        (TypeError("the truth value of a Series is ambiguous"), "library"),
        (KeyError("y"), "KeyError instead of"),
        (UnicodeEncodeError("utf-8", "y", 0, 1, "budget: pass"), "UnicodeEncodeError instead of"),
        (ValueError(""), "one line"),
    ],
)
def test_the_oracle_knows_a_clear_error(error, fault, answered):
    case = replace(answered["pandas"][0], plain=False)
    found = fault_of_error(case, Answer("refused", error))
    assert fault in found and bool(found) == bool(fault)


@pytest.mark.parametrize(
    ("code", "lines", "fault"),
    [
        (2, ["scs: note: a note.", "scs: table: t.csv is empty: write it again."], ""),
        (2, ["usage: scs fit", "scs fit: error: argument --gap: invalid float value: 'x'"], ""),
        (2, ["Traceback (most recent call last):", "KeyError: 1"], "not one line"),
        (2, [], "not one line"),
        (1, ["scs: table: t.csv is empty: write it again."], "exit 1"),
    ],
)
def test_the_oracle_knows_a_clear_error_of_the_command(code, lines, fault, answered):
    case = replace(answered["csv"][0], plain=False)
    found = fault_of_error(case, Answer(f"exit {code}", SystemExit(code), notes=lines))
    assert fault in found and bool(found) == bool(fault)


def test_the_oracle_sees_warnings_of_libraries():
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        np.float64(1e308) * 10
    assert "RuntimeWarning" in fault_of_warnings(Answer("answered", warned=list(warned)))
    assert "encountered" in fault_of_warnings(Answer("", notes=["scs: note: overflow encountered"]))


def test_a_plain_table_must_not_be_refused(answered):
    case, _ = answered["pandas"]
    case = replace(case, options={"budget": 1})
    assert "plain table refused" in fault_of_error(case, Answer("", ValueError("budget: try.")))


def test_a_case_is_the_same_each_time(tmp_path):
    assert repr(make_case(0, 7).in_order(np.arange(0))) == repr(
        make_case(0, 7).in_order(np.arange(0))
    )
    assert judge(make_case(0, 7), tmp_path).outcome == judge(make_case(0, 7), tmp_path).outcome
