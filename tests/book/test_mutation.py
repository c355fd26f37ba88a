"""A changed constant is noticed where it is read, and nowhere else: on chapters made for it."""

import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout

import jupytext
import pytest
from mutation import PARTS, ROOT, Change, changed_copy, checked, wrong
from nbformat.v4 import new_code_cell, new_notebook, new_output

from scs.book.chapters import Chapter
from scs.book.execute import canonical, write

pytestmark = pytest.mark.slow

READS = """import numpy as np

from scs import scenarios, simulate

sample = simulate(scenarios()[0], np.random.default_rng(1))
print(f"{sample.train.y.sum():.4f}")"""
IMPORTS = """from scs import scenarios

print(len(scenarios()))"""
CODE = {"01_reads": READS, "02_imports": IMPORTS}


def _executed(code: str):
    """Run a cell here, as a kernel would, but without waiting for one."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(code, {})
    output = new_output("stream", name="stdout", text=printed.getvalue())
    cell = new_code_cell(code, execution_count=1, outputs=[output])
    return new_notebook(cells=[cell])


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root, copy = tmp_path_factory.mktemp("book"), tmp_path_factory.mktemp("copy")
    for part in PARTS:
        if part != "notebooks":
            (root / part).symlink_to(ROOT / part)
    (root / "notebooks").mkdir()
    chapters = [Chapter(root / "notebooks" / f"{stem}.md") for stem in CODE]
    for chapter in chapters:
        notebook = _executed(CODE[chapter.stem])
        jupytext.write(notebook, chapter.source, fmt="md:myst")
        write(canonical(notebook), chapter.stored)
    change = Change()
    changed_copy(copy, change, root)
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda chapter: checked(copy, chapter, change), chapters))


def test_only_the_chapter_that_reads_the_constant_fails(results):
    assert [(each.reads, each.fails) for each in results] == [
        (True, True),
        (False, False),
    ]
    assert wrong(results) == []


def test_what_is_stale_goes_by_names(results):
    assert [each.named for each in results] == [True, True]
