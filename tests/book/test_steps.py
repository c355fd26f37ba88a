"""The sketch of outer approximation keeps its promises; the boxes of Figure 1 lead somewhere."""

import itertools
import re
from collections.abc import Iterator

import numpy as np
import pytest
from browser import (
    CHROMIUM,
    HTML,
    NO_CHROMIUM,
    PHONE,
    Log,
    Page,
    chromium,
    offline_context,
    show,
    toc_pages,
    watched_page,
)

from scs.book.charts.flow import ARROWS, BOXES, flow_html
from scs.book.charts.steps import CHOICES, curve, curve_slope, rounds, steps_html


def _random_convex(seed: int):
    rng = np.random.default_rng(seed)
    a, b, c = rng.uniform(0.05, 2), rng.uniform(-3, 15), rng.uniform(0, 30)
    return (
        lambda t: a * (t - b) ** 2 + c * np.exp(-t / 2),
        lambda t: 2 * a * (t - b) - c / 2 * np.exp(-t / 2),
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_bound_rises_the_best_falls_and_both_meet_at_the_least(seed):
    height, slope = (curve, curve_slope) if seed == 0 else _random_convex(seed)
    path = rounds(height, slope)
    least = min(height(t) for t in CHOICES)
    assert path[-1].best == pytest.approx(least, abs=1e-9)
    assert path[-1].bound == pytest.approx(least, abs=1e-8)
    for earlier, later in itertools.pairwise(path):
        assert later.best <= earlier.best and later.bound >= earlier.bound - 1e-9
    for each in path:
        assert each.bound <= least + 1e-9 <= each.best + 2e-9
        assert all(each.tangent(t) <= height(t) + 1e-9 for t in np.linspace(0, 12, 121))


def test_the_curves_slope_is_its_derivative():
    for t in CHOICES:
        assert curve_slope(t) == pytest.approx((curve(t + 1e-5) - curve(t - 1e-5)) / 2e-5, abs=1e-6)


def test_the_text_of_the_last_step_says_what_is_proved():
    least = min(CHOICES, key=curve)
    texts = re.findall(r"<li>(.*?)</li>", steps_html())
    assert len(texts) == 2 * len(rounds())
    assert texts[-1].endswith(f"Choice {least} is proved best.")
    assert not any("proved" in text for text in texts[:-1])


def test_every_box_leads_to_a_page_and_every_arrow_to_a_box():
    assert {box.page for box in BOXES.values()} <= set(toc_pages())
    assert {name for arrow in ARROWS for name in arrow} == set(BOXES)
    places = [(box.column, box.row) for box in BOXES.values()]
    assert len(set(places)) == len(places)
    drawn = flow_html(lambda page: f"../{page}.html")
    assert drawn.count("<a href=") == len(BOXES)


def in_browser(test):
    """Mark a test that opens the built page."""
    wanted = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)
    return pytest.mark.slow(wanted(test))


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if not (HTML / "index.html").exists():
        pytest.fail("the book is not built: run `make book` first")
    log = Log()
    with chromium() as browser:
        context = offline_context(browser, log, viewport=PHONE)
        context.set_default_timeout(60_000)
        page = watched_page(context, log)
        assert show(page, "book/steps") == ""
        yield page
        assert log == Log()


def _seen(page: Page) -> list[str]:
    """The names of heights that are shown."""
    texts = page.locator(".scs-steps svg text:is(.scs-best, .scs-bound)").all()
    return [text.text_content() for text in texts if text.is_visible()]


@in_browser
def test_next_and_back_show_one_step_at_a_time(page):
    path = rounds()
    back, following = (page.get_by_role("button", name=name) for name in ("Back", "Next"))
    status = page.locator(".scs-steps [role=status]")
    following.focus()
    for i, each in enumerate(path):
        assert f"Look at choice {each.at}." in status.inner_text()
        page.keyboard.press("Enter")
        assert _seen(page) == [f"best {each.best:.1f}", f"bound {each.bound:.1f}"]
        assert page.locator(".scs-tangent:visible").count() == i + 1
        page.keyboard.press("Enter")
    assert "is proved best" in status.inner_text()  # Enter at the end leaves it there
    back.focus()
    page.keyboard.press("Enter")
    assert f"Look at choice {path[-1].at}." in status.inner_text()


@in_browser
def test_a_box_can_be_reached_and_followed(page):
    link = page.locator(".scs-flow a").first
    link.focus()
    assert link.evaluate("e => e === document.activeElement")
    page.keyboard.press("Enter")
    page.wait_for_url("**/method.html")
