"""Sheets of a workbook, read as the CSV that a user would save: cells by their type."""

import zipfile

import pytest

from scs.cli import main
from scs.data.sheets import sheet_as_csv
from scs.data.tables import open_table, read_columns

_TYPES = """<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>
</Types>"""  # noqa: E501
_RELS = '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def workbook(path, sheets: dict[str, list[list]]) -> None:
    """Write a workbook of the fewest parts: text inline, numbers and truth values as they are."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("[Content_Types].xml", _TYPES)
        book = f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
        file.writestr("_rels/.rels", _RELS.format(book))
        listed, related = "", ""
        for i, (name, rows) in enumerate(sheets.items(), 1):
            listed += f'<sheet name="{name}" sheetId="{i}" r:id="s{i}"/>'
            related += (
                f'<Relationship Id="s{i}" Type="{_OFFICE}/worksheet" Target="worksheets/s{i}.xml"/>'
            )
            body = "".join(
                f'<row r="{r}">{"".join(map(_cell, row, range(len(row)), [r] * len(row)))}</row>'
                for r, row in enumerate(rows, 1)
            )
            file.writestr(
                f"xl/worksheets/s{i}.xml",
                f'<worksheet xmlns="{_MAIN}"><sheetData>{body}</sheetData></worksheet>',
            )
        file.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>',
        )
        file.writestr("xl/_rels/workbook.xml.rels", _RELS.format(related))


def _cell(value, column: int, row: int) -> str:
    at = f"{chr(65 + column)}{row}"
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{at}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, str):
        return f'<c r="{at}" t="inlineStr"><is><t xml:space="preserve">{value}</t></is></c>'
    return f'<c r="{at}"><v>{value!r}</v></c>'


def test_cells_are_written_by_their_type(tmp_path):
    path = tmp_path / "b.xlsx"
    rows = [["school", "y", "x"], ["007", 7.0, 0.1], ["a, b", -3, None], ["10", 1e20, True]]
    workbook(path, {"pupils": rows})
    assert sheet_as_csv(path) == ('school,y,x\n007,7,0.1\n"a, b",-3,\n10,1e+20,True\n')


def test_a_sheet_is_named_where_there_are_several(tmp_path):
    path = tmp_path / "b.xlsx"
    workbook(path, {"one": [["a"], [1]], "two": [["b"], [2]], "none": []})
    assert sheet_as_csv(path, "two") == "b\n2\n"
    with pytest.raises(ValueError, match=r"has 3 sheets: name one by --sheet: 'one', 'two'"):
        sheet_as_csv(path)
    with pytest.raises(ValueError, match=r"has no sheet 'three': there are 'one'"):
        sheet_as_csv(path, "three")
    with pytest.raises(ValueError, match="has nothing in that sheet"):
        sheet_as_csv(path, "none")


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_damaged_workbook_is_refused(tmp_path, kept):
    path = tmp_path / "b.xlsx"
    workbook(path, {"one": [["a"], [1]]})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(ValueError, match=r"b\.xlsx cannot be read as a workbook .*save the sheet"):
        sheet_as_csv(path)


def test_the_command_reads_a_sheet_as_it_reads_the_csv(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [["g", "x", "y"]]
    for i in range(60):
        rows.append([f"{i % 6:03d}", i % 7, (i * 37 % 11) / 4 + 9.0 * (i % 6 == 2)])
    workbook("t.xlsx", {"notes": [["what"], ["else"]], "rows": rows})
    (tmp_path / "t.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    column = read_columns(open_table("t.csv"), ["g"], labels=["g"])["g"]
    assert column[0].as_py() == "000"
    said = []
    for arguments in (["t.csv"], ["t.xlsx", "--sheet", "rows"]):
        assert main(["fit", *arguments, "--outcome", "y", "--cluster", "g", "--budget", "1"]) == 0
        said.append(capsys.readouterr().out.split("\n", 1))
    assert said[0][1] == said[1][1] and "002" in said[0][1]
    assert said[1][0].startswith("sheet of t.xlsx: CSV")
    assert main(["fit", "t.csv", "--sheet", "rows", "--outcome", "y", "--cluster", "g"]) == 2
    assert "t.csv is no Excel file" in capsys.readouterr().err
