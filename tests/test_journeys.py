"""A user's own journey passes neither through the paper nor through the book, and goes one way."""

import sys
import tomllib
from pathlib import Path

import pytest
from journeys import Trace, room_of, walked

ROOT = Path(__file__).resolve().parents[1]


def _stair() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers, _ = project["tool"]["importlinter"]["contracts"]
    return layers["layers"]


@pytest.fixture(scope="module")
def command() -> dict:
    return walked("command")


def test_a_csv_file_through_the_command_enters_only_rooms_for_users(command):
    assert {"cli", "data", "moments", "solvers", "estimators"} <= set(command["rooms"])
    assert not {"paper", "book", "report"} & set(command["rooms"])


def test_arrays_through_the_estimator_meet_no_formula_and_no_command():
    record = walked("estimator")
    assert {"data", "moments", "solvers", "estimators"} <= set(record["rooms"])
    assert not {"cli", "paper", "book", "report"} & set(record["rooms"])
    assert "estimators/formula.py" not in record["files"]


def test_every_room_on_the_way_is_one_of_the_stair(command):
    assert set(command["rooms"]) <= set(_stair())


def test_what_is_counted(tmp_path):
    """Two rooms of a package made up here: one call across, one back, one within."""
    package = tmp_path / "p"
    sources = {
        "a/one.py": "def f(g): return g(h)\ndef h(): return k()\ndef k(): return 0\n",
        "b/two.py": "def g(back): return back()\n",
    }
    names: dict = {}
    for name, source in sources.items():
        exec(compile(source, str(package / name), "exec"), names)
    trace = Trace(f"{package}/")
    sys.setprofile(trace)
    try:
        names["f"](names["g"])
        names["f"](names["g"])
    finally:
        sys.setprofile(None)
    record = trace.record()
    assert record["files"] == ["a/one.py", "b/two.py"]
    assert record["rooms"] == ["a", "b"]
    there, back = ("a/one.py:f", "b/two.py:g"), ("b/two.py:g", "a/one.py:h")
    assert trace.crossings == {there: 2, back: 2}
    assert (record["room changes"], record["calls across"]) == (2, 4)


def test_a_file_at_the_top_is_in_no_room():
    assert room_of("_loading.py") == ""
