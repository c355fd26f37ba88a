"""PyPI's `scs` is the Splitting Conic Solver: mixed with ours, the import must fail and say so."""

import subprocess
import sys
from importlib import metadata

import pytest

from scs.data._guard import DISTRIBUTION, refuse_foreign_package


def test_alone_it_imports():
    refuse_foreign_package()


def test_an_installed_conic_solver_is_refused(monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda name: "3.2.7")
    with pytest.raises(ImportError, match=r"Splitting Conic Solver.*3\.2\.7.*fresh environment"):
        refuse_foreign_package()


def test_its_files_among_ours_are_refused(tmp_path):
    (tmp_path / "_scs_direct.cpython-311-x86_64-linux-gnu.so").touch()
    with pytest.raises(ImportError, match=r"_scs_direct.*pip uninstall"):
        refuse_foreign_package(tmp_path)


def test_an_overwritten_init_is_found_from_any_module(tmp_path):
    """A foreign __init__ over our files, as pip would leave it, in a process of its own."""
    import shutil
    from pathlib import Path

    import scs

    shutil.copytree(Path(scs.__file__).parent, tmp_path / "scs")
    (tmp_path / "scs" / "__init__.py").write_text("__version__ = '3.2.7'\n")
    run = subprocess.run(
        [sys.executable, "-c", "from scs.moments.moments import Moments"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
    )
    assert run.returncode != 0
    assert f"ImportError: The imported 'scs' is not {DISTRIBUTION}" in run.stderr
