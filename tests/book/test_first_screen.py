"""What a reader can move on the first page: the answers are the solver's, by mouse and by keys."""

import itertools
import json
import re
from collections.abc import Iterator

import nbformat
import numpy as np
import pandas as pd
import pytest
from browser import (
    CHROMIUM,
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

import scs
from scs.book.charts.schools import MOST_NAMED, RIDGES
from scs.paper.schools import simulate_schools

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)]

STATIC = ROOT / "book" / "_static"
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="{css}">
<style>html {{ --pst-color-background: #fff }}
body {{ margin: 0 12px; font: 16px sans-serif }}</style>
<main>{content}</main><script src="{js}"></script>"""

_STATE = """() => {
  const root = document.querySelector('.scs-schools');
  const shown = [...root.querySelectorAll('[data-school]')].map(g => ({
    k: Number(g.dataset.school), named: g.classList.contains('scs-named'),
    at: g.style.transform.match(/-?[\\d.]+/g).map(Number),
    effect: ['y1', 'y2'].map(y => Number(g.querySelector('.scs-effect').getAttribute(y))),
    label: g.querySelector('text').textContent }));
  return { ...root.dataset, shown: shown.sort((a, b) => a.k - b.k),
           answer: root.querySelector('[role=status]')?.textContent ?? '' };
}"""


@pytest.fixture(scope="module")
def content() -> str:
    """What the chapter has stored."""
    stored = nbformat.read(ROOT / "notebooks" / "00_schools.ipynb", as_version=4)
    for cell in stored.cells:
        for output in cell.get("outputs", []):
            if 'class="scs-schools"' in output.get("data", {}).get("text/html", ""):
                return output["data"]["text/html"]
    raise AssertionError("the chapter shows no picture of the schools")


@pytest.fixture(scope="module")
def schools(content) -> dict:
    return json.loads(re.search(r'type="application/json">(.*?)</script>', content)[1])


@pytest.fixture(scope="module")
def moments(schools) -> scs.Moments:
    """The moments that the page has, and nothing else."""
    xx, xy, yy = schools["within"]
    return scs.Moments(
        labels=np.array(schools["labels"], dtype=object),
        n=np.array(schools["n"], dtype=float),
        mean_x=np.column_stack([np.ones(len(schools["n"])), schools["x"]]),
        mean_y=np.array(schools["y"]),
        within_xx=np.diag([0.0, xx]),
        within_xy=np.array([0.0, xy]),
        within_yy=yy,
        names=("intercept", "prior"),
        intercept=True,
    )


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(content, tmp_path_factory) -> str:
    """A page of the picture alone, opened from a file; plain.html beside it has no script."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    urls = {"css": (STATIC / "schools.css").as_uri(), "js": (STATIC / "schools.js").as_uri()}
    text = _PAGE.format(content=content, **urls)
    path.write_text(text, encoding="utf-8")
    path.with_name("plain.html").write_text(re.sub("<script src.*", "", text), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def page(browser, address) -> Iterator[Page]:
    log = Log()
    context = offline_context(
        browser, log, viewport={"width": 390, "height": 800}, reduced_motion="reduce"
    )
    context.set_default_timeout(30_000)
    page = watched_page(context, log)
    page.goto(address)
    yield page
    assert log == Log(), "it asked a network, or failed"
    context.close()


def _support(state: dict) -> list[int]:
    return [int(k) for k in state["support"].split()]


def _objective(moments: scs.Moments, support: list[int], ridge: float) -> float:
    """What one choice leaves, from the normal equations with a column for each free school."""
    free = np.zeros((moments.n_clusters, len(support)))
    free[support, range(len(support))] = 1
    columns = np.column_stack([moments.mean_x, free])
    inside = np.zeros((columns.shape[1],) * 2)
    inside[:2, :2] = moments.within_xx
    inside[range(2, len(inside)), range(2, len(inside))] = ridge
    right = (moments.n * moments.mean_y) @ columns
    right[:2] += moments.within_xy
    total = moments.within_yy + moments.n @ moments.mean_y**2
    return total - right @ np.linalg.solve(columns.T * moments.n @ columns + inside, right)


def test_the_page_holds_the_moments_of_the_rows(moments):
    pupils, _ = simulate_schools()
    of_rows = scs.Moments.from_arrays(
        pupils[["prior"]], pupils["score"], pupils["school"], intercept=True
    )
    for name in ("n", "mean_x", "mean_y", "within_xx", "within_xy", "within_yy"):
        assert np.allclose(getattr(moments, name), getattr(of_rows, name), rtol=1e-6, atol=1e-8)


def test_answers_are_the_solvers_for_every_budget_and_ridge(page, moments, schools):
    count, ridge = page.get_by_role("slider").all()
    assert schools["most"] == MOST_NAMED and schools["ridges"] == list(RIDGES)
    for place, mu in enumerate(RIDGES):
        ridge.fill(str(place))
        for budget in range(MOST_NAMED + 1):
            count.fill(str(budget))
            state = page.evaluate(_STATE)
            proved = scs.solve(moments, budget, ridge=mu, ridge_fixed=0, gap=1e-9)
            assert proved.status == "optimal"
            assert _support(state) == proved.support.tolist(), (budget, mu)
            assert float(state["objective"]) == pytest.approx(proved.objective, rel=1e-10)
            ways = len(list(itertools.combinations(range(30), budget)))
            assert int(state["tried"]) == ways
            assert f"{ways:,} of {ways:,} choice" in state["answer"]
            for k in proved.support:
                text = f"{schools['labels'][k]}: {proved.gamma[k]:+.1f}".replace("-", "\u2212")
                assert text in state["answer"]


def test_the_static_picture_is_the_one_that_the_script_draws(browser, address, page):
    context = offline_context(browser, Log())
    plain = context.new_page()
    plain.goto(address.replace("page.html", "plain.html"))
    assert plain.locator(".scs-schools svg").is_visible()
    assert not plain.locator(".scs-schools-panel").is_visible()
    static = plain.evaluate(_STATE)["shown"]
    context.close()
    drawn = page.evaluate(_STATE)["shown"]
    assert [s["label"] for s in drawn if s["named"]] == ["07: +4.3", "18: \u22123.8", "24: +4.2"]
    for before, after in zip(static, drawn, strict=True):
        for key in ("k", "named", "label"):
            assert before[key] == after[key]
        for key in ("at", "effect"):
            assert after[key] == pytest.approx(before[key], abs=0.06), before["k"]


def test_the_keyboard_moves_sliders_and_choices(page):
    count, ridge = page.get_by_role("slider").all()
    assert count.get_attribute("aria-valuetext") == "3"
    count.focus()
    page.keyboard.press("ArrowLeft")
    assert len(_support(page.evaluate(_STATE))) == 2
    page.keyboard.press("Home")
    state = page.evaluate(_STATE)
    assert (state["support"], state["tried"]) == ("", "1")
    assert not page.get_by_role("group", name="Which choice to show").is_visible()
    page.keyboard.press("End")
    assert len(_support(page.evaluate(_STATE))) == MOST_NAMED
    ridge.focus()
    page.keyboard.press("End")
    assert ridge.get_attribute("aria-valuetext") == "100"
    page.get_by_label("the best:").focus()
    page.keyboard.press("ArrowDown")
    assert "You see" in page.evaluate(_STATE)["answer"]
    page.keyboard.press("ArrowUp")
    assert "You see" not in page.evaluate(_STATE)["answer"]


def test_everything_that_moves_has_a_name_and_the_answer_is_read_out(page):
    for slider in page.get_by_role("slider").all():
        assert slider.evaluate("e => e.labels[0].textContent.trim().length") > 10
        note = slider.get_attribute("aria-describedby")
        assert page.locator(f"#{note}").inner_text()
    assert page.get_by_role("slider", name="Schools that may leave the line").count() == 1
    assert page.get_by_role("radiogroup").count() == 0  # native groups: fieldset and legend
    for name in ("Place the schools by", "Which choice to show"):
        assert page.get_by_role("group", name=name).get_by_role("radio").count() >= 2
    status = page.get_by_role("status")
    before = status.inner_text()
    page.get_by_role("slider").first.fill("4")
    assert status.inner_text() != before and "which may be chance" in status.inner_text()


def test_a_rival_shows_its_price(page, moments, schools):
    """The price from the normal equations, of every pair: not by the sums that the page uses."""
    page.get_by_role("slider").first.fill("2")
    ridge = schools["ridge"]
    pairs = itertools.combinations(range(30), 2)
    costs = sorted((_objective(moments, [*pair], ridge), pair) for pair in pairs)
    (best, _), (second, runner_up) = costs[:2]
    page.get_by_label("the next best").check()
    state = page.evaluate(_STATE)
    assert _support(state) == [*runner_up]
    assert float(state["objective"]) == pytest.approx(second, rel=1e-10)
    assert f"{100 * (second / best - 1):.1f} % more left unexplained" in state["answer"]
    page.get_by_label("both ends").check()
    order = np.argsort(moments.mean_y)
    ends = sorted([order[0], order[-1]])
    assert _support(page.evaluate(_STATE)) == ends
    price = _objective(moments, ends, ridge) - best
    assert f"({price:,.0f} squared points)" in page.evaluate(_STATE)["answer"]
    for school in (0, 15, 29):
        page.get_by_role("combobox").select_option(str(school))
        cost, pair = next(each for each in costs if school in each[1])
        state = page.evaluate(_STATE)
        assert _support(state) == [*pair]
        assert float(state["objective"]) == pytest.approx(cost, rel=1e-10)


def test_a_click_on_a_school_asks_for_the_best_choice_with_it(page):
    page.locator('[data-school="9"] circle').click()
    state = page.evaluate(_STATE)
    assert 9 in _support(state) and len(_support(state)) == 3
    assert "Price" in state["answer"]
    assert page.get_by_role("combobox").input_value() == "9"
    assert page.get_by_label("the best that has").is_checked()


def test_the_switch_moves_schools_from_left_to_right_alone(page, moments):
    before = page.evaluate(_STATE)["shown"]
    page.get_by_label("their place in the league table").check()
    after = page.evaluate(_STATE)["shown"]
    assert [s["at"][1] for s in after] == pytest.approx([s["at"][1] for s in before])
    order = np.argsort([s["at"][0] for s in after])
    assert order.tolist() == np.argsort(moments.mean_y).tolist()
    assert not page.locator(".scs-common").is_visible()
    page.get_by_label("what pupils knew on entry").check()
    assert page.evaluate(_STATE)["shown"] == before


def test_nothing_slides_for_a_reader_who_asked_for_that(page):
    duration = "e => getComputedStyle(e).transitionDuration"
    assert page.locator(".scs-school").first.evaluate(duration) == "0s"
    page.emulate_media(reduced_motion="no-preference")
    assert page.locator(".scs-school").first.evaluate(duration) == "0.7s"


def test_a_phone_shows_all_of_it(page):
    """In both views, for every budget: no label sticks out, nothing scrolls sideways."""
    out = """() => [...document.querySelectorAll('.scs-schools svg text')]
      .filter(t => getComputedStyle(t).display !== 'none' && t.textContent)
      .filter(t => { const b = t.getBoundingClientRect();
        return b.left < 0 || b.right > document.documentElement.clientWidth; })
      .map(t => t.textContent)"""
    for view in ("their place in the league table", "what pupils knew on entry"):
        page.get_by_label(view).check()
        for budget in range(MOST_NAMED + 1):
            page.get_by_role("slider").first.fill(str(budget))
            assert page.evaluate(out) == []
            assert page.evaluate("() => document.documentElement.scrollWidth") <= 390


def test_all_choices_are_tried_while_a_slider_moves(page):
    """142,506 choices within two seconds of a busy machine; a few dozen milliseconds at rest."""
    seconds = page.evaluate("""() => {
      const slider = document.querySelector('input[type=range]');
      const begin = performance.now();
      slider.value = slider.max;
      slider.dispatchEvent(new Event('input'));
      return (performance.now() - begin) / 1000;
    }""")
    assert seconds < 2


def test_the_ends_of_the_league_table_are_near_the_line_as_the_caption_says(moments):
    found = scs.solve(moments, 3, ridge_fixed=0)
    residuals = moments.mean_y - moments.mean_x @ found.beta
    ends = [np.argmax(moments.mean_y), np.argmin(moments.mean_y)]
    assert 3 * np.abs(residuals[ends]).max() < np.abs(found.gamma[found.support]).min()
    places = np.argsort(np.argsort(moments.mean_y))[found.support]
    assert places.min() > 4 and places.max() < 26, "in the middle of the table"


def test_the_sample_report_is_on_the_table_beside_it():
    if not (HTML / "index.html").exists():
        pytest.fail("the book is not built: run `make book` first")
    pupils = pd.read_csv(HTML / "_static" / "thirty-schools.csv")
    _, truth = simulate_schools()
    model = scs.fit("score ~ prior", pupils, groups="school")
    assert sorted(model.selected) == sorted(truth.index[truth != 0])
    report = (HTML / "_static" / "sample-report.html").read_text(encoding="utf-8")
    assert all(f"{name} {model.effects[name]:+.3g}" in report for name in model.selected)
    assert "://" not in report.replace("http://www.w3.org/", "")


def test_the_built_first_page_has_it(browser):
    if not (HTML / "index.html").exists():
        pytest.fail("the book is not built: run `make book` first")
    log = Log()
    context = offline_context(browser, log, viewport={"width": 390, "height": 844})
    for name in ("book/intro", "book/principal"):
        page = watched_page(context, log)
        assert show(page, name) == ""
        assert page.locator(".scs-schools.ready").count() == 1
        assert "none better" in page.get_by_role("status").first.inner_text()
        page.close()
    assert log == Log()
    context.close()
