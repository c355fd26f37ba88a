"""Refresh expected.py from files known to be good.

    python -m scs.paper.datasets.digest FILE ...            prints the new text of expected.py
    python -m scs.paper.datasets.digest --write FILE ...    puts it in place (maintainers only)

Tables that are not among the files keep their entry.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from scs.data._whole import write_whole
from scs.paper.datasets.check import describe
from scs.paper.datasets.expected import EXPECTED
from scs.paper.datasets.tables import read_table

TARGET = Path(__file__).with_name("expected.py")

_HEAD = '''"""What the published tables hold, by column: generated, not edited.

Made by `python -m scs.paper.datasets.digest --write FILE ...`; check.py says what entries mean.
An "integer" or "text" column has a hash; a "number" column has its count of values, their mean
and their unevenly weighted mean.
"""

'''


def expected_text(files: list[Path], known: dict) -> str:
    """Return the text of expected.py for the known tables and those of these files.

    Parameters
    ----------
    files : list of Path
        csv files or workbooks; the name without ending is the key.
    known : dict
        Entries to keep.

    Returns
    -------
    str
        Python source.

    Raises
    ------
    ValueError
        If a file cannot be read as a table; give the file as UCI serves it.
    """
    new = {file.stem: describe(read_table(file.read_bytes(), file.name)) for file in files}
    lines = ["EXPECTED = {"]
    for name, entry in sorted({**known, **new}.items()):
        lines += [f'    "{name}": {{', f'        "rows": {entry["rows"]},', '        "columns": {']
        for column, digest in entry["columns"].items():
            values = ", ".join(_literal(value) for value in digest)
            lines.append(f'            "{column}": ({values}),')
        lines += ["        },", "    },"]
    return _HEAD + "\n".join([*lines, "}"]) + "\n"


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def main(arguments: list[str] | None = None) -> None:
    """Print or write the new text of expected.py."""
    parser = argparse.ArgumentParser(
        prog="python -m scs.paper.datasets.digest", description=__doc__
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--write", action="store_true", help="replace expected.py")
    options = parser.parse_args(arguments)
    text = expected_text(options.files, EXPECTED)
    if options.write:
        write_whole(TARGET, text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
