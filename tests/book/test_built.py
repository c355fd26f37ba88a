"""What the built pages of the notebooks offer: their parameters explained, and ways to run them."""

import html
import re
from pathlib import Path

import nbformat
import pytest
from browser import HTML, ROOT, toc_pages

from scs.book.parameters import notebook_parameters

pytestmark = pytest.mark.slow  # wants the built book

NOTEBOOKS = [name for name in toc_pages() if (ROOT / f"{name}.ipynb").exists()]


@pytest.fixture
def built() -> Path:
    if not (HTML / "index.html").exists():
        pytest.fail("the book is not built: run `make book` first")
    return HTML


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_buttons_lead_to_notebooks_that_are_there(built, name):
    page = (built / f"{name}.html").read_text(encoding="utf-8")
    (binder,) = re.findall(r'href="https://mybinder.org/v2/gh/([^"]+)"', page)
    assert binder.endswith(f"/main?urlpath=lab/tree/{name}.ipynb")
    (colab,) = re.findall(r'href="https://colab.research.google.com/github/([^"]+)"', page)
    path = colab.split("/blob/gh-pages/")[1]
    copy = nbformat.read(built / path, as_version=4)
    nbformat.validate(copy)
    (added,) = [cell for cell in copy.cells if cell.id == "fetch-on-colab"]
    assert "git clone -q --depth 1 https://github.com/" in added.source
    stored = nbformat.read(ROOT / f"{name}.ipynb", as_version=4)
    assert [cell for cell in copy.cells if cell is not added] == stored.cells


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_page_offers_its_notebook_for_download(built, name):
    stored = (ROOT / f"{name}.ipynb").read_bytes()
    assert (built / "_sources" / f"{name}.ipynb").read_bytes() == stored
    page = (built / f"{name}.html").read_text(encoding="utf-8")
    assert f'_sources/{name}.ipynb"' in page


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_parameters_are_explained_in_a_table(built, name):
    page = (built / f"{name}.html").read_text(encoding="utf-8")
    _, _, table = page.partition("What these parameters mean")
    table, _, _ = table.partition("</table>")
    rows = [
        [html.unescape(re.sub("<[^>]+>", "", cell)) for cell in re.findall("<td.*?</td>", row)]
        for row in re.findall("<tr.*?</tr>", table, flags=re.DOTALL)[1:]
    ]
    parameters = notebook_parameters(nbformat.read(ROOT / f"{name}.ipynb", as_version=4))
    assert [row[0] for row in rows] == [p.name for p in parameters]
    assert [row[3] for row in rows] == [p.allowed_text for p in parameters]
