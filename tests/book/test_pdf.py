"""A page on paper: what `make pdf` does to the book, done to a page and looked at as a picture."""

import re

import numpy as np
import pytest
from browser import CHROMIUM, HTML, NO_CHROMIUM, chromium, toc_pages
from pdf import one_page, print_page

NOT_LOOKED_AT = "Chromium's PDF was not looked at: pypdfium2 is not installed"
pypdfium2 = pytest.importorskip("pypdfium2", reason=NOT_LOOKED_AT)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)]


def _first_page_with_charts() -> str:
    pages = [HTML / f"{name}.html" for name in toc_pages()]
    if not pages[0].exists():
        pytest.fail("the book is not built: run `make book` first")
    return next(p for p in pages if p.read_text(encoding="utf-8").count('class="scs-chart"') > 1)


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    target = tmp_path_factory.mktemp("pdf") / "page.pdf"
    with chromium() as browser:
        charts = print_page(browser, _first_page_with_charts(), target)
    with pypdfium2.PdfDocument(target) as document:
        yield charts, document


def _text(document) -> str:
    pages = [document[n].get_textpage().get_text_bounded() for n in range(len(document))]
    return _spaceless(" ".join(pages))


def _spaceless(text: str) -> str:
    """Text that runs upwards comes out a letter a line."""
    return re.sub(r"\s+", "", text)


def _pixels(document) -> np.ndarray:
    pictures = [
        document[n].render(scale=1.5, rev_byteorder=True).to_numpy() for n in range(len(document))
    ]
    return np.concatenate([picture[..., :3].reshape(-1, 3) for picture in pictures]).astype(int)


def test_every_chart_is_on_paper_with_its_axes_and_colours(printed):
    charts, document = printed
    text, pixels = _text(document), _pixels(document)
    assert len(charts) > 1
    for chart in charts:
        assert chart["titles"] and chart["colours"]
        assert all(_spaceless(title) in text for title in chart["titles"]), chart
        for colour in chart["colours"]:
            wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
            near = np.abs(pixels - wanted).max(axis=1) <= 6
            assert near.sum() > 20, f"{colour} of {chart['titles']} is not on the paper"


def test_paper_holds_the_text_and_no_controls(printed):
    _, document = printed
    text = _text(document)
    assert f"1of{len(document)}" in text
    assert "DownloadCSV" not in text and "Showcodecell" not in text


def test_pages_are_a4(printed):
    _, document = printed
    for page in document:
        assert np.allclose(page.get_size(), (595, 842), atol=2)


def test_single_page_refers_to_itself(tmp_path):
    (tmp_path / "book").mkdir()
    text = '<a href="book/intro.html#document-book/method">m</a> <img src="_static/x.png">'
    (tmp_path / "book" / "intro.html").write_text(text, encoding="utf-8")
    moved = one_page(tmp_path, "book/intro")
    assert moved.parent == tmp_path
    assert 'href="#document-book/method"' in moved.read_text(encoding="utf-8")
