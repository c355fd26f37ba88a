"""Every mutant still changes one line of today's code; whether it is caught is `make mutants`."""

from pathlib import Path

import pytest
from mutants import MUTANTS, ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_changes_one_place(mutant):
    assert (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
    assert mutant.old != mutant.new
    assert all((ROOT / Path(test)).is_file() for test in mutant.tests)
    compile((ROOT / mutant.file).read_text("utf-8").replace(mutant.old, mutant.new), "", "exec")


def test_there_are_enough_of_them_and_names_are_unique():
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names)) >= 35
