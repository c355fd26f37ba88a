"""Which definitions stand behind a piece of code, and when their digests change."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import scs
from scs.paper import provenance
from scs.paper.provenance import code_behind, digest

PACKAGE = Path(scs.__file__).parent

SIMULATES = "from scs import simulate\nsimulate.simulate"
MEASURES = "from scs.paper.metrics import mean_squared_error\nmean_squared_error"


def test_names_are_followed_to_all_that_is_used():
    behind = code_behind("from scs import Moments, solve\nsolve(Moments.from_arrays(X, y, k), 2)")
    assert {"solve", "exact", "Moments.from_arrays", "Problem", "label_order"} <= set(behind)
    assert not {"table", "read_files", "Moments.from_files", "simulate"} & set(behind)


def test_a_module_that_is_only_imported_does_not_count():
    assert code_behind("import scs\nfrom scs.book import charts, solve") == {}


def test_a_module_that_is_handed_on_counts_whole():
    assert {"simulate", "scenarios"} <= set(
        code_behind("from scs import simulate\nprint(simulate)")
    )


def test_names_are_followed_through_packages():
    for code in (
        "from scs.book import charts\ncharts.table",
        "import scs.book.charts\nscs.book.charts.table",
    ):
        assert "table" in code_behind(code) and "ledger" not in code_behind(code)


def test_other_packages_do_not_count():
    assert code_behind("import numpy\nfrom pathlib import Path\nPath(numpy.pi)") == {}


def test_what_ran_is_behind_the_code_that_ran_it():
    """The oracle: every function of the package that a run enters is among the names found."""
    code = (
        "import numpy as np\nfrom scs import Moments, solve\n"
        "rng = np.random.default_rng(0)\nk = np.repeat(range(8), 5)\nX = rng.normal(size=(40, 2))\n"
        "y = rng.normal(size=40) + (k == 3)\n"
        "m = Moments.from_arrays(X, y, k, intercept=True)\n"
        "for method in ('exact', 'outer', 'alternating'):\n    solve(m, 2, method=method)\n"
    )
    watch = (
        "import sys\nfrom scs import *\nseen = set()\n"  # loaded: class bodies would count as calls
        "def note(frame, event, arg):\n"
        "    code = frame.f_code\n"
        "    if event == 'call' and '/scs/' in code.co_filename and '<' not in code.co_qualname:\n"
        "        seen.add(code.co_qualname)\n"
        f"sys.setprofile(note)\n{code}\nsys.setprofile(None)\nprint(*sorted(seen))"
    )
    ran = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, check=True)
    seen = ran.stdout.splitlines()[-1].split()
    assert len(seen) > 50
    behind = code_behind(code)
    assert [each for each in seen if each not in behind and each.split(".")[0] not in behind] == []
    methods = [each for each in seen if "." in each and not each.split(".")[1].startswith("__")]
    whole = {"_Handler", "_OuterApproximation"}  # SCIP calls their methods
    assert [m for m in methods if m not in behind and m.split(".")[0] not in whole] == []


@pytest.fixture
def copy(tmp_path):
    """A copy of the package that a test may edit, and its digests afterwards."""
    root = tmp_path / "scs"
    shutil.copytree(PACKAGE, root, ignore=shutil.ignore_patterns("__pycache__"))

    def fresh(source: str) -> str:
        provenance._read.cache_clear()
        return digest(source, root)

    return root, fresh


def _edit(file: Path, *changes: tuple[str, str]) -> None:
    text = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert re.search(old, text)
        text = re.sub(old, new, text)
    file.write_text(text, encoding="utf-8")


def test_a_changed_constant_changes_the_digest_of_what_names_it_alone(copy):
    root, fresh = copy
    before = [fresh(SIMULATES), fresh(MEASURES)]
    _edit(root / "paper" / "simulate.py", ("NOISE_VAR = 0.5", "NOISE_VAR = 0.6"))
    after = [fresh(SIMULATES), fresh(MEASURES)]
    assert before[0] != after[0] and before[1] == after[1]


def test_comments_docstrings_and_line_breaks_do_not_count(copy):
    root, fresh = copy
    before = fresh(MEASURES)
    _edit(
        root / "paper" / "metrics.py",
        (r'"""What the tables measure', '"""Other words'),
        (
            r"def mean_squared_error\((.*?)\) ->",
            r"# a remark\n\n\ndef mean_squared_error(\n    \1,\n) ->",
        ),
    )
    assert fresh(MEASURES) == before
    _edit(
        root / "paper" / "metrics.py", (r"(def mean_squared_error(?s:.*?)return )", r"\g<1>0.0 * ")
    )
    assert fresh(MEASURES) != before


def test_a_pure_move_changes_no_digest(copy):
    """Files moved to other folders, imports following: what all chapters rest on stays."""
    root, fresh = copy
    codes = [
        "from scs import solve, Moments, simulate, scenarios\nsolve, Moments.from_files, simulate",
        "from scs.book import charts\nfrom scs.paper import ledger\ncharts.table, ledger.ledger",
    ]
    before = [fresh(code) for code in codes]
    for old, new in {
        "moments.moments": "sums.moments",
        "data": "sums.tables",
        "paper.ledger": "verdicts.ledger",
    }.items():
        source, target = (root.joinpath(*name.split(".")) for name in (old, new))
        target.parent.mkdir(exist_ok=True)
        (target.parent / "__init__.py").touch()
        if source.is_dir():
            source.rename(target)
        else:
            source.with_suffix(".py").rename(target.with_suffix(".py"))
        parent, _, name = f"scs.{new}".rpartition(".")
        for file in root.rglob("*.py"):
            text = re.sub(rf"\bscs\.{old}\b", f"scs.{new}", file.read_text(encoding="utf-8"))
            was, _, module = f"scs.{old}".rpartition(".")
            text = re.sub(rf"from {was} import {module}\b", f"from {parent} import {name}", text)
            file.write_text(text, encoding="utf-8")
    moved = [codes[0], codes[1].replace("from scs.paper import", "from scs.verdicts import")]
    assert [fresh(code) for code in moved] == before
