"""What helps a reader of the built pages: search with excerpts from a file, previews of links."""

import re
from collections.abc import Iterator

import pytest
import yaml
from browser import (
    CHROMIUM,
    DESKTOP,
    HTML,
    NO_CHROMIUM,
    ROOT,
    Log,
    Page,
    chromium,
    offline_context,
    show,
    watched_page,
)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    if not (HTML / "index.html").exists():
        pytest.fail("the book is not built: run `make book` first")
    log = Log()
    with chromium() as browser:
        context = offline_context(browser, log, viewport=DESKTOP)
        context.set_default_timeout(60_000)
        yield watched_page(context, log)
        assert log == Log()


@pytest.mark.slow
@pytest.mark.parametrize("word", ["perspective", "hospitals"])
def test_a_search_from_a_file_quotes_the_pages_found(page, word):
    page.goto((HTML / "search.html").as_uri() + f"?q={word}")
    page.wait_for_selector("#search-results ul.search li p.context")
    page.wait_for_function("() => /finished|found/i.test(document.title + document.body.innerText)")
    results = page.locator("#search-results ul.search > li").all()
    quotes = [item.locator("p.context").all_text_contents() for item in results]
    assert len(results) >= 3
    assert sum(bool(quote) for quote in quotes) >= 3
    assert any(word in quote[0].lower() for quote in quotes if quote)
    assert not any("{" in quote[0] and "mark" in quote[0] for quote in quotes if quote)


@pytest.mark.slow
def test_a_term_says_what_it_means_to_pointer_and_keyboard(page):
    assert show(page, "book/method") == ""
    box = page.get_by_role("tooltip", include_hidden=True)
    term = page.locator('a[href$="#term-false-discovery-rate"]').first
    meaning = "The share of wrong names among the names"
    assert not box.is_visible()
    term.hover()
    assert box.is_visible() and box.inner_text().startswith(meaning)
    box.hover()
    page.wait_for_timeout(400)  # longer than a box waits that the pointer has left
    assert box.is_visible(), "it closed under the pointer"
    page.keyboard.press("Escape")
    assert not box.is_visible()
    term.focus()
    assert box.is_visible()
    assert term.get_attribute("aria-describedby") == box.get_attribute("id")
    term.evaluate("e => e.blur()")
    assert not box.is_visible()


@pytest.mark.slow
def test_an_equation_of_the_page_is_shown_typeset(page):
    assert show(page, "book/method") == ""
    box = page.get_by_role("tooltip", include_hidden=True)
    targets = page.evaluate("() => [...document.querySelectorAll('[id]')].map(e => e.id)")
    page.locator('p a[href="#eq-5"]').first.focus()
    assert box.is_visible() and box.locator("mjx-container").count() == 1
    formula = "e => e.querySelector('mjx-math').innerHTML.replace(/ id=\"[^\"]*\"/g, '')"
    assert box.evaluate(formula) == page.locator("#eq-5").evaluate(formula)
    same = page.evaluate("() => [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert sorted(same) == sorted(targets), "a target is there twice"


@pytest.mark.slow
def test_a_figure_and_a_source_are_previewed_too(page):
    assert show(page, "notebooks/00_schools") == ""
    box = page.get_by_role("tooltip", include_hidden=True)
    figure = page.locator('a[data-preview][href="#fig-convergence"]').first
    figure.focus()
    assert box.inner_text().startswith("Best selection and proved bound")
    edges = box.evaluate("e => { const b = e.getBoundingClientRect(); return [b.left, b.right]; }")
    assert edges[0] >= 0 and edges[1] <= DESKTOP["width"]
    assert show(page, "book/steps") == ""
    page.locator('a[data-preview*="Duran"]').first.focus()
    assert "Duran" in box.inner_text()


def test_what_to_cite_is_what_the_citation_file_says():
    cited = (ROOT / "book" / "scs.bib").read_text(encoding="utf-8")
    fields = dict(re.findall(r"(\w+)\s*=\s*\{+(.*?)\}+,\n", cited))
    said = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert fields["title"] == said["title"]
    assert fields["version"] == str(said["version"])
    assert fields["url"] == said["repository-code"]
    assert fields["author"] == said["authors"][0]["name"]
    page = (ROOT / "book" / "intro.md").read_text(encoding="utf-8")
    assert "literalinclude} scs.bib" in page and "literalinclude} references.bib" in page
