"""The paper's tables as printed: every number in its place, every verdict said without a colour."""

import re

import pandas as pd
import pytest

from scs.book.charts.printed import SIGNS, printed_table
from scs.paper.ledger import VERDICTS, read_ledger
from scs.paper.published import published


def shown(name, across="method", **columns):
    part = read_ledger()
    part = part[part.table == name].assign(**columns)
    return printed_table(part, name="tab-x", caption="A table.", heading="row", across=across)


@pytest.mark.parametrize("name", ["B1", "B6", "B14"])
def test_every_printed_number_is_there_once_with_its_digits(name):
    html = shown(name)._repr_html_()
    printed = published(name)
    column = "value" if "value" in printed else "icc_percent"
    form = "{:.5f}" if column == "value" else "{:.0f}"
    in_cells = re.findall(r'data-value="([^"]*)"', html)
    assert sorted(in_cells) == sorted(form.format(value) for value in printed[column])


def test_rows_and_columns_are_those_of_the_paper():
    found = shown("B1")
    printed = published("B1")
    assert [row for row, _ in found.rows] == list(dict.fromkeys(printed.level))
    assert found.columns == tuple(dict.fromkeys(printed.method))
    at = printed.set_index(["level", "method"]).value
    for row, cells in found.rows:
        for method, cell in zip(found.columns, cells):
            assert float(cell.published) == at[row, method]


def test_every_verdict_has_a_sign_of_its_own_and_is_said_in_words():
    assert set(SIGNS) == set(VERDICTS) and len(set(SIGNS.values())) == len(VERDICTS)
    table = pd.DataFrame(
        {"row": list("abcde"), "method": "OLS", "published": 0.5, "ours": 0.25, "verdict": VERDICTS}
    )
    found = printed_table(table, name="tab-x", caption="A table.", heading="row")
    html = found._repr_html_()
    for verdict in VERDICTS:
        assert f'<span class="said">{verdict}: </span>' in html  # for those who hear the page
        assert f'aria-hidden="true">{SIGNS[verdict]}<' in html
        assert SIGNS[verdict] in repr(found)
    assert html.count('scope="row"') == 5 and html.count('scope="col"') == 2


def test_two_numbers_in_one_place_are_refused():
    part = read_ledger()
    part = part[part.table.isin(["B1", "B2"])]
    with pytest.raises(ValueError, match="is there twice"):
        printed_table(part, name="tab-x", caption="A table.", heading="row")
