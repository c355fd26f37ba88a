"""Which modules stand behind a piece of code, and when their digest changes."""

import importlib
import shutil
from pathlib import Path

import pytest

from scs import provenance
from scs.provenance import digest, modules_behind

PACKAGE = Path(provenance.__file__).parent


def test_imports_are_followed_to_the_modules_that_define_what_is_used():
    behind = modules_behind("from scs import Moments")
    assert "scs.moments" in behind and "scs.design" in behind
    assert not [name for name in behind if "charts" in name or "solvers" in name]
    assert "scs.charts.theme" in modules_behind("from scs import charts")
    assert "scs.solvers.exact.search" in modules_behind("from scs.experiment import METHODS")


def test_import_scs_counts_as_all_that_it_exports():
    assert {"scs.model", "scs.moments"} <= set(modules_behind("import scs"))


def test_other_packages_do_not_count():
    assert modules_behind("import numpy\nfrom pathlib import Path") == ()


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The same functions, reading a copy of the package that a test may edit."""
    shutil.copytree(PACKAGE, tmp_path / "scs", ignore=shutil.ignore_patterns("__pycache__"))

    def fresh():
        importlib.reload(provenance)
        monkeypatch.setattr(provenance, "_ROOT", tmp_path / "scs")
        return provenance

    yield tmp_path / "scs", fresh
    importlib.reload(provenance)


def test_a_changed_constant_changes_the_digest_of_what_depends_on_it_alone(copy):
    root, fresh = copy
    simulated, plain = (modules_behind(f"import scs.{name}") for name in ("simulate", "metrics"))
    before = [fresh().digest(names) for names in (simulated, plain)]
    file = root / "simulate.py"
    file.write_text(file.read_text().replace("NOISE_VAR = 0.5", "NOISE_VAR = 0.6"))
    after = [fresh().digest(names) for names in (simulated, plain)]
    assert before[0] != after[0] and before[1] == after[1]


def test_comments_docstrings_and_empty_lines_do_not_count(copy):
    root, fresh = copy
    before = fresh().digest(["scs.metrics"])
    file = root / "metrics.py"
    text = file.read_text().replace("def sparsity", "# a remark\n\n\ndef sparsity")
    file.write_text(
        text.replace('"""What the tables measure', '"""Other words: the tables measure')
    )
    assert fresh().digest(["scs.metrics"]) == before


def test_a_module_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match=r"scs\.nowhere"):
        digest(["scs.nowhere"])
