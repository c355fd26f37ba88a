"""An installation without the extras: one line names what is missing and how to get it."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from scs.data.extras import MissingExtra, need

ROOT = Path(__file__).parents[2]
_HIDE = """
import importlib.machinery, os, sys
class Hidden(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.split(".")[0] in os.environ["HIDDEN"].split()
        return None if hidden else super().find_spec(name, path, target)
sys.meta_path = [Hidden if f is importlib.machinery.PathFinder else f for f in sys.meta_path]
"""
EXTRAS = "altair vl_convert jupytext nbformat papermill yaml statsmodels IPython dask distributed"


def _without_extras(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run Python in a folder with the extras hidden from it."""
    (folder / "sitecustomize.py").write_text(_HIDE)
    paths = os.pathsep.join([str(folder), str(ROOT)])
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "HIDDEN": EXTRAS},
    )


@pytest.fixture
def table(tmp_path):
    rows = "".join(f"{i % 7 + (i % 4 == 0) * 9},{'abcd'[i % 4]}\n" for i in range(40))
    (tmp_path / "t.csv").write_text("y,g\n" + rows)
    return ["-m", "scs", "fit", "t.csv", "--outcome", "y", "--cluster", "g", "--budget", "1"]


def test_a_library_that_is_there_is_no_matter():
    need("this test", "test", "pytest")


def test_what_is_missing_is_named_with_its_extra():
    wanted = r"^this needs no_such_module, .*: pip install 'significant-cluster-selection\[book\]'$"
    with pytest.raises(MissingExtra, match=wanted) as caught:
        need("this", "book", "pytest", "no_such_module")
    assert isinstance(caught.value, ImportError)


def test_the_core_fits_and_says_what_a_report_needs(tmp_path, table):
    done = _without_extras(tmp_path, *table, "--bootstrap", "0")
    assert done.returncode == 0, done.stderr
    assert "1 selected" in done.stdout
    done = _without_extras(tmp_path, *table, "--report", "r.html")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "altair" in line and "[report]" in line
    assert not done.stdout  # said before the work, not after it


@pytest.mark.parametrize(("command", "extra"), [("execute", "book"), ("results", "book")])
def test_the_commands_of_the_book_name_their_extra(tmp_path, command, extra):
    done = _without_extras(tmp_path, "-m", "scs", command)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"significant-cluster-selection[{extra}]" in line


def test_the_public_names_need_no_extra(tmp_path):
    done = _without_extras(tmp_path, "-c", "from scs import *; print(fit, SlopeMoments)")
    assert done.returncode == 0, done.stderr


def test_every_extra_that_a_message_names_exists():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"report", "book", "dask"} <= set(extras["optional-dependencies"])
