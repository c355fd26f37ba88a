"""What a number was computed by: the modules behind some code, and one digest of them.

Static: sources are read, not run. A module that is imported counts with all that it imports itself;
what a package's ``__init__`` re-exports leads to the module that defines it, so that ``from scs
import Moments`` does not depend on the charts. Comments and docstrings do not count.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import io
import tokenize
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parent
_PACKAGE = _ROOT.name


def modules_behind(source: str) -> tuple[str, ...]:
    """Return the modules of this package that some Python code depends on, sorted.

    Parameters
    ----------
    source : str
        Python code, such as the cells of a notebook.

    Returns
    -------
    tuple of str
        Dotted names, all that the imported ones import included. ``import scs`` counts as
        everything that ``scs`` exports.

    Raises
    ------
    SyntaxError
        The code is no Python.
    """
    found: set[str] = set()
    waiting = _imported(_parsed(source), _PACKAGE)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting |= _imported_by(module)
    return tuple(sorted(found))


def digest(modules: Iterable[str]) -> str:
    """Return a digest of the code of some modules, 16 hexadecimal digits.

    It changes with the code, not with its comments, docstrings or empty lines.

    Parameters
    ----------
    modules : iterable of str
        Dotted names, as `modules_behind` gives them.

    Raises
    ------
    ValueError
        A module that is not of this package.
    """
    total = hashlib.sha256()
    for module in sorted(set(modules)):
        total.update(f"{module}\n{_code(module)}\n".encode())
    return total.hexdigest()[:16]


def _file(module: str) -> Path | None:
    parts = module.split(".")
    if parts[0] != _PACKAGE:
        return None
    path = _ROOT.joinpath(*parts[1:])
    choices = (path / "__init__.py", path.with_suffix(".py"))
    return next((choice for choice in choices if choice.is_file()), None)


def _path(module: str) -> Path:
    path = _file(module)
    if path is None:
        raise ValueError(f"modules: {module!r} is no module of {_PACKAGE}.")
    return path


def _parsed(source: str) -> ast.Module:
    """Parse Python code.

    CPython before 3.11.9 shares one count of depth between all trees that are being built, and
    fails where the garbage collector lets another thread build one meanwhile (gh-106905).
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if collecting:
            gc.enable()


def _tree(module: str) -> ast.Module:
    return _parsed(_path(module).read_text(encoding="utf-8"))


@cache
def _code(module: str) -> str:
    """Return a module's text without docstrings, comments and empty lines.

    Text and not the syntax tree, whose form differs between versions of Python.
    """
    source = _path(module).read_text(encoding="utf-8")
    lines = source.splitlines()
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    for token in tokens:
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(_parsed(source)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            first, last = body[0].lineno - 1, body[0].end_lineno
            lines[first:last] = [""] * (last - first)
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


@cache
def _imported_by(module: str) -> frozenset[str]:
    if module == _PACKAGE:
        return frozenset(_exports(module).values())
    return frozenset(_imported(_tree(module), module))


@cache
def _exports(package: str) -> dict[str, str]:
    """Return where the names that a package's ``__init__`` imports come from."""
    found = {}
    for node in _tree(package).body:
        if isinstance(node, ast.ImportFrom) and node.module and _file(node.module):
            for name in node.names:
                found[name.asname or name.name] = _defining(node.module, name.name)
    return found


def _defining(module: str, name: str) -> str:
    """Return the module that ``from module import name`` leads to."""
    if _file(f"{module}.{name}"):
        return f"{module}.{name}"
    if module == _PACKAGE:
        return _exports(module).get(name, module)
    return module


def _imported(tree: ast.AST, inside: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names if _file(name.name)}
        elif isinstance(node, ast.ImportFrom) and node.module and _file(node.module):
            found |= {_defining(node.module, name.name) for name in node.names}
    return found - {inside} if inside != _PACKAGE else found
