"""How a page is waited for: nothing may be read from it while it still moves."""

from collections.abc import Iterator

import pytest
from browser import (
    CHROMIUM,
    DESKTOP,
    NO_CHROMIUM,
    PHONE,
    ROOT,
    Log,
    Page,
    chromium,
    keep_still,
    offline_context,
    settle,
    watched_page,
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)]

# As in the book: a column beside a bar that the theme slides in on wide screens. A stand-in for
# Vega fills the width that it finds at the end of its work.
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title><style>
  body {{ margin: 0; display: flex }} #bar {{ width: 0; flex: none }} main {{ flex: 1; width: 0 }}
  @media (min-width: 900px) {{ #bar {{ width: 300px; {slide} }} }}
</style><div id="bar"></div><main><div class="scs-chart">
  <div class="scs-chart-view" role="img" aria-label="a chart"></div>
  <div class="scs-chart-controls"></div>
  <script class="scs-chart-spec" type="application/json">{{}}</script>
</div></main><script>
  const vegaEmbed = async (view) => {{
    const width = view.clientWidth;
    await new Promise(done => setTimeout(done, {drawing}));
    view.innerHTML = `<svg width="${{width}}" height="20"></svg>`;
    return {{ finalize() {{}} }};
  }};
  {more}
</script><script src="{charts}"></script>"""

# A bar that a script widens, a few pixels a frame.
_BY_SCRIPT = """
  addEventListener('resize', () => {
    let width = 0;
    const bar = document.querySelector('#bar');
    const widen = () => {
      bar.style.width = `${width += 10}px`;
      if (width < 300) requestAnimationFrame(widen);
    };
    widen();
  });"""

# A column that never rests.
_FOR_EVER = """
  const swing = (n) => {
    document.querySelector('#bar').style.width = `${n % 7}px`;
    requestAnimationFrame(() => swing(n + 1));
  };
  requestAnimationFrame(swing);"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    log = Log()
    with chromium() as browser:
        yield watched_page(offline_context(browser, log), log)
    assert log == Log()


def _open(page: Page, tmp_path, *, slide: str = "", drawing: int = 0, more: str = "") -> None:
    charts = (ROOT / "book" / "_static" / "charts.js").as_uri()
    path = tmp_path / "page.html"
    path.write_text(
        _PAGE.format(slide=slide, drawing=drawing, more=more, charts=charts), encoding="utf-8"
    )
    page.set_viewport_size(PHONE)
    page.goto(path.as_uri())


@pytest.mark.parametrize(
    "how",
    [
        {"slide": "transition: width 0.5s"},
        {"slide": "transition: width 0.3s 0.3s"},
        {"slide": "animation: in 0.5s } @keyframes in { from { width: 0 }"},
        {"more": _BY_SCRIPT},
        {"drawing": 400},
        {"slide": "transition: width 0.3s", "drawing": 300},
    ],
    ids=["slides", "slides later", "animated", "by script", "slow drawing", "both"],
)
@pytest.mark.parametrize("still", [True, False], ids=["still", "moving"])
def test_a_chart_fits_when_it_is_read(page, tmp_path, how, still):
    _open(page, tmp_path, **how)
    if still:
        keep_still(page)
    read = "() => document.querySelector('svg').getBoundingClientRect().width"
    assert settle(page) == ""
    assert abs(page.evaluate(read) - PHONE["width"]) <= 1
    page.set_viewport_size(DESKTOP)
    assert settle(page) == ""
    assert abs(page.evaluate(read) - (DESKTOP["width"] - 300)) <= 1  # charts.js allows a pixel


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ({"more": _FOR_EVER}, {"the layout", "charts of another width", "charts being drawn"}),
        ({"drawing": 10**6}, {"charts not drawn"}),
        ({"more": "document.body.insertAdjacentHTML('beforeend', '<p class=math>')"}, {"formulas"}),
    ],
    ids=["swings", "not drawn", "not typeset"],
)
def test_what_never_rests_is_named(page, tmp_path, how, what):
    _open(page, tmp_path, **how)
    assert settle(page, patience=1_000) in what
