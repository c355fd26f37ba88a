"""What a command does not need it does not load: names of modules, whatever the machine's speed."""

import subprocess
import sys

import pytest

LIBRARIES = {
    "altair",
    "formulaic",
    "joblib",
    "nbformat",
    "numpy",
    "pandas",
    "papermill",
    "pyarrow",
    "pyscipopt",
    "scipy",
    "sklearn",
    "statsmodels",
    "vl_convert",
    "yaml",
}
_COMMAND = """
from scs.cli import main
try:
    main({arguments!r})
except SystemExit:
    pass
"""


def _loaded_by(code: str) -> set[str]:
    """Return the top names of all modules that a fresh process holds after some code, and ours."""
    tail = "\nimport sys; print('LOADED', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code + tail], capture_output=True, text=True, check=True
    )
    names = done.stdout.rsplit("LOADED", 1)[1].split()
    return {name for name in names if name.startswith("scs.")} | {n.split(".")[0] for n in names}


@pytest.mark.parametrize(
    "code",
    [
        "import scs",
        *(
            _COMMAND.format(arguments=[*command, "--help"])
            for command in (
                [],
                ["fit"],
                ["predict"],
                ["show"],
                ["run"],
                ["execute"],
                ["results"],
                ["data"],
            )
        ),
    ],
)
def test_no_library_is_loaded_for_a_word_of_help(code):
    assert not _loaded_by(code) & LIBRARIES


def test_a_fit_without_a_report_loads_neither_charts_nor_the_book(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("y,g\n" + "".join(f"{i % 7},{'abcd'[i % 4]}\n" for i in range(40)))
    arguments = ["fit", str(table), "--outcome", "y", "--cluster", "g", "--budget", "1"]
    loaded = _loaded_by(_COMMAND.format(arguments=[*arguments, "--bootstrap", "0"]))
    assert "scs.estimators.formula" in loaded  # it was a fit
    assert not loaded & {"altair", "vl_convert", "papermill", "nbformat", "yaml", "statsmodels"}
    assert not {name for name in loaded if name.startswith(("scs.paper", "scs.book"))}
