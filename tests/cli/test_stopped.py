"""The command and Ctrl-C, from the first import on, in processes of their own."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from interrupts import as_from_a_terminal, ctrl_c, python_takes_ctrl_c

import scs
from scs import cli
from scs.book import chapters
from scs.paper import datasets

selection = importlib.import_module("scs.estimators.selection")
alternating = importlib.import_module("scs.solvers.alternating")

# Sends the process a Ctrl-C at the moment when it begins to import a module.
_AT_IMPORT = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["STOP_AT"]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
"""


def _stopped_at(module, tmp_path, monkeypatch, *arguments):
    (tmp_path / "sitecustomize.py").write_text(_AT_IMPORT)
    package = Path(scs.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{package}")
    monkeypatch.setenv("STOP_AT", module)
    return subprocess.run(
        as_from_a_terminal([*arguments]), capture_output=True, text=True, check=False, cwd=tmp_path
    )


@pytest.mark.slow
@pytest.mark.parametrize("module", ["numpy.linalg", "pandas", "pyscipopt", "scs.cli"])
def test_ctrl_c_while_libraries_load_is_told_in_one_line(tmp_path, monkeypatch, module):
    done = _stopped_at(module, tmp_path, monkeypatch, "-m", "scs", "fit", "t.csv", "--cluster", "g")
    assert done.stdout == ""
    assert done.stderr == "scs: stopped while its libraries were loading.\n"
    assert done.returncode == 130


def test_the_installed_script_tells_it_too(tmp_path, monkeypatch):
    script = tmp_path / "scs"
    script.write_text("import sys\nfrom scs.cli import main\nsys.exit(main())\n")
    done = _stopped_at("pandas", tmp_path, monkeypatch, str(script), "data")
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "scs: stopped while its libraries were loading.\n"


def test_whoever_imports_the_package_keeps_python_s_own_ctrl_c(tmp_path, monkeypatch):
    code = "import signal, scs; print(signal.getsignal(signal.SIGINT).__name__)"
    done = _stopped_at("nothing", tmp_path, monkeypatch, "-c", code)
    assert done.stdout == "default_int_handler\n", done.stderr
    done = _stopped_at("pandas", tmp_path, monkeypatch, "-c", "import scs; scs.fit")
    assert "KeyboardInterrupt" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("module", ["scs.report", "scs.data.tables"])
def test_ctrl_c_before_a_fit_is_told_in_one_line(tmp_path, monkeypatch, module):
    (tmp_path / "t.csv").write_text("y,g\n1,a\n2,a\n3,b\n5,b\n")
    fit = ["-m", "scs", "fit", "t.csv", "--outcome", "y", "--cluster", "g", "--budget", "1"]
    done = _stopped_at(module, tmp_path, monkeypatch, *fit, "--report", "r.html")
    assert done.returncode in (2, 130)
    assert done.stderr.startswith("scs: stopped")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["data", "execute", "results"])
def test_ctrl_c_in_any_command_is_told_in_one_line(monkeypatch, capsys, command):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets, "status", stop)
    monkeypatch.setattr(chapters, "book_root", stop)
    assert cli.main([command]) == 130
    assert capsys.readouterr().err == "scs: stopped.\n"


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "scs", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[0] == "scs"


def test_ctrl_c_in_the_last_search_ends_the_work(monkeypatch):
    """The answer so far is told, and the hundreds of resamples after it are left out."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"y": rng.normal(size=60), "g": np.repeat(np.arange(12), 5)})

    honest = selection.solve

    def stopped(*arguments, **options):
        monkeypatch.setattr(
            alternating, "alternate", lambda *a, **o: ctrl_c() or alternate(*a, **o)
        )
        return honest(*arguments, **options)

    alternate = alternating.alternate
    monkeypatch.setattr(selection, "solve", stopped)
    with python_takes_ctrl_c():
        model = scs.fit("y ~ 1", table, "g", 2, bootstrap=50)
    assert model.solution.status == "interrupted"
    assert model.boot_rows is None
    assert "interrupted" in model.summary()
