"""Every public object has its page, and every symbol and word of the book is explained once."""

import importlib.util
import re

import pytest
from browser import ROOT, toc_pages

REMEDY = "run `make reference`"


def _load(path: str):
    spec = importlib.util.spec_from_file_location("loaded", ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def reference():
    return _load("book/reference.py")


def test_every_public_object_has_its_page(reference):
    pages = reference.pages()
    files = {path.name.removesuffix(".md"): path for path in reference.FOLDER.glob("*.md")}
    files.pop("index")
    assert set(files) == set(pages), REMEDY
    for name, path in files.items():
        assert path.read_text(encoding="utf-8") == pages[name], f"{name}: {REMEDY}"


def test_every_page_is_in_the_contents(reference):
    listed = [page for page in toc_pages() if page.startswith("book/reference/")]
    expected = [f"book/reference/{name}" for name in sorted(reference.pages())]
    assert listed == ["book/reference/index", *expected], REMEDY


def test_pages_are_listed_where_they_were(reference):
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    assert reference.contents(toc, sorted(reference.pages())) == toc


def test_the_index_names_every_page(reference):
    index = (reference.FOLDER / "index.md").read_text(encoding="utf-8")
    named = re.findall(r"^- (?:\{py:\w+\}`scs\.([\w.]+)`|\[(scs[\w.]+)\]\(\2\.md\))", index, re.M)
    assert sorted(a or b for a, b in named) == sorted(reference.pages())


def test_values_are_described_where_they_are_defined(reference):
    for name in ("PALETTE", "METHOD_COLOURS"):
        assert f":: scs.report.theme.{name}\n" in reference.directive("scs.book.charts", name)
    source = (ROOT / "scs" / "report" / "theme.py").read_text(encoding="utf-8")
    assert re.search(r"^#: .*\nPALETTE = ", source, re.M)
    assert re.search(r"^#: .*\nMETHOD_COLOURS = ", source, re.M)


def test_every_symbol_and_every_term_is_explained_once():
    page = (ROOT / "book" / "symbols.md").read_text(encoding="utf-8")
    # A letter may mean something else on one page: the last table lists those.
    everywhere, _, local = page.partition("## Local to a page")
    for part in (everywhere, local):
        rows = re.findall(r"^\| (\$.*?) \|", part, re.M)
        symbols = [symbol for row in rows for symbol in re.findall(r"\$[^$]+\$", row)]
        assert len(symbols) > 20 and len(set(symbols)) == len(symbols)
    glossary = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^(\w[^`#{\n]*)$", glossary.partition("{glossary}")[2], re.M)
    assert len(terms) > 20 and len(set(terms)) == len(terms)


@pytest.mark.parametrize(
    ("written", "escaped"),
    [
        ("coef_, and fit_.", r"coef\_, and fit\_."),
        ("||y - X beta||^2", r"\|\|y - X beta\|\|^2"),
        ("`coef_` and ``|r|`` stay", "`coef_` and ``|r|`` stay"),
        ("n_rows and _private stay", "n_rows and _private stay"),
    ],
)
def test_docstrings_are_shown_as_they_are_written(written, escaped):
    shown = _load("book/_ext/scs_reference.py").plain(written)
    assert shown == escaped


def test_code_in_docstrings_is_left_alone():
    lines = ["Use it so::", "", "    model.coef_", "", "Then coef_ is there.", ":param coef_: x"]
    _load("book/_ext/scs_reference.py").escape_markup(None, "", "", None, None, lines)
    assert lines[2] == "    model.coef_"
    assert lines[4:] == [r"Then coef\_ is there.", ":param coef_: x"]
