"""Begin a chapter: its source from the template, and its place in the contents."""

import re
from pathlib import Path

from scs.book.chapters import Chapter, all_chapters
from scs.data._whole import write_whole
from scs.data.errors import UsageError

_TEMPLATE = Path("book") / "_templates" / "chapter.md"
_ENTRY = re.compile(r"^(\s*- file: notebooks/)(\d+)_\w+\s*$")


def new_chapter(root: Path, name: str) -> Chapter:
    """Write the source of a new chapter and list it in ``_toc.yml``.

    Parameters
    ----------
    root : Path
    name : str
        Such as ``costs``, or ``12_costs`` to say where it stands; without a number it comes last.

    Returns
    -------
    Chapter
        Not run yet.
    """
    given = re.fullmatch(r"(?:(\d\d)_)?([a-z][a-z0-9_]*)", name)
    if given is None:
        raise UsageError(
            f"name: {name!r} is no name. Write small letters, such as costs, 12_costs."
        )
    number, word = given.groups()
    chapters = all_chapters(root)
    if word in [chapter.name for chapter in chapters]:
        raise UsageError(f"name: there is a chapter named {word} already. Choose another.")
    numbers = [chapter.stem.split("_")[0] for chapter in chapters]
    if number in numbers:
        raise UsageError(f"name: there is a chapter {number} already. Choose another number.")
    number = number or f"{max(map(int, numbers), default=-1) + 1:02d}"

    text = (root / _TEMPLATE).read_text(encoding="utf-8")
    title = word.replace("_", " ").capitalize()
    chapter = Chapter(root / "notebooks" / f"{number}_{word}.md")
    text = text.replace("NAME", word.replace("_", "-")).replace("TITLE", title)
    toc = root / "_toc.yml"
    contents = listed(toc.read_text(encoding="utf-8"), chapter.stem)
    write_whole(chapter.source, text)
    write_whole(toc, contents)
    return chapter


def listed(toc: str, stem: str) -> str:
    """Put a notebook into the contents, after the last one with a smaller number."""
    lines = toc.splitlines(keepends=True)
    matches = [(place, _ENTRY.match(line)) for place, line in enumerate(lines)]
    entries = [(place, found) for place, found in matches if found]
    if not entries:
        raise UsageError("_toc.yml lists no notebook yet. List the first one by hand.")
    before = [entry for entry in entries if int(entry[1][2]) < int(stem.split("_")[0])]
    place, found = before[-1] if before else entries[0]
    lines.insert(place + bool(before), f"{found[1]}{stem}\n")
    return "".join(lines)
