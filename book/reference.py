"""Write a page for every public object of `scs`; the text comes from its docstring.

    python book/reference.py        writes and drops pages, lists them in _toc.yml

A test says when this is needed.
"""

import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

import scs

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "book" / "reference"
# One page each: what chapters use of them.
MODULES = (
    "scs.baselines",
    "scs.inference.bootstrap",
    "scs.book.charts",
    "scs.problem.constraints",
    "scs.paper.metrics",
    "scs.problem.splines",
)
# Values have no docstring: Sphinx reads the comment "#:" above them, where they are defined.
DEFINED_IN = {"scs.book.charts": "scs.report.theme"}


def pages() -> dict[str, str]:
    """Return every page's name and text."""
    made = {name: _page(name, [directive("scs", name)]) for name in scs.__all__}
    for module in map(importlib.import_module, MODULES):
        own = [name for name in public(module) if name not in scs.__all__]
        parts = [f".. automodule:: {module.__name__}"]
        made[module.__name__] = _page(
            module.__name__, parts + [directive(module.__name__, name) for name in own]
        )
    return made


def public(module: ModuleType) -> list[str]:
    """Name what a module offers: its ``__all__``, or its own functions and classes."""
    listed = getattr(module, "__all__", None)
    return listed or [
        name
        for name, thing in vars(module).items()
        if getattr(thing, "__module__", None) == module.__name__ and not name.startswith("_")
    ]


def directive(module: str, name: str) -> str:
    """Write the Sphinx directive for an object."""
    thing, full = getattr(importlib.import_module(module), name), f"{module}.{name}"
    if inspect.isfunction(thing):
        return f".. autofunction:: {full}"
    if not inspect.isclass(thing):
        home = DEFINED_IN.get(module, module)
        return f".. autodata:: {home}.{name}\n   :no-value:"
    if issubclass(thing, Warning):
        return f".. autoexception:: {full}"
    members = "\n   :members:" + (
        "\n   :inherited-members: object" if module == "scs" and _inherits(thing) else ""
    )
    return f".. autoclass:: {full}{members}"


def _inherits(thing: type) -> bool:
    """Say whether an object has members of a base of ours that has no page of its own."""
    bases = thing.__mro__[1:]
    return any(b.__module__.startswith("scs.") and b.__name__ not in scs.__all__ for b in bases)


def _page(title: str, directives: list[str]) -> str:
    body = "\n\n".join(directives)
    return f"# {title}\n\n```{{eval-rst}}\n{body}\n```\n"


def contents(toc: str, names: list[str]) -> str:
    """List the pages in the contents: below the line of `book/reference/index`."""
    kept = [line for line in toc.splitlines() if not re.search(r"book/reference/(?!index)", line)]
    kept = [line for line in kept if line.strip() != "sections: # made by book/reference.py"]
    place = next(n for n, line in enumerate(kept) if "book/reference/index" in line)
    indent = " " * (len(kept[place]) - len(kept[place].lstrip()) + 2)
    lines = [f"{indent}sections: # made by book/reference.py"]
    lines += [f"{indent}  - file: book/reference/{name}" for name in names]
    return "\n".join([*kept[: place + 1], *lines, *kept[place + 1 :]]) + "\n"


def main() -> None:
    """Bring the pages and the contents in step with the package."""
    texts = pages()
    for path in FOLDER.glob("*.md"):
        if path.stem != "index" and path.name.removesuffix(".md") not in texts:
            path.unlink()
    for name, text in texts.items():
        (FOLDER / f"{name}.md").write_text(text, encoding="utf-8")
    toc = ROOT / "_toc.yml"
    toc.write_text(contents(toc.read_text(encoding="utf-8"), sorted(texts)), encoding="utf-8")


if __name__ == "__main__":
    main()
