"""What a number was computed by: the definitions behind some code, each with a digest.

Static: sources are read, not run. A definition is a function, a method, a class without its
methods, or a constant, at the top of a module. It counts with all definitions that it names, and
with theirs. A method counts if its class does and something that counts names it.

Digests are of content: not of comments, docstrings, line breaks, imports, or the modules that
things lie in. So code may move to another module, and no digest changes.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import io
import textwrap
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_PACKAGE = _ROOT.name
_OPEN, _CLOSE = {"(", "[", "{"}, {")", "]", "}"}
_SILENT = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}
_BEGINS = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
_FSTRING = getattr(tokenize, "FSTRING_START", None)  # from Python 3.12 on


def code_behind(source: str, root: Path | None = None) -> dict[str, str]:
    """Return the definitions of this package that some Python code depends on, with digests.

    Parameters
    ----------
    source : str
        Python code, such as the cells of a notebook.
    root : Path, optional
        Folder of the package; this one by default.

    Returns
    -------
    dict of str to str
        Digest (12 hexadecimal digits) by name, sorted; a method is ``Class.method``. Definitions of
        one name share an entry.

    Raises
    ------
    SyntaxError
        The code is no Python.
    """
    root = root or _ROOT
    tree = _parsed(source)
    code = _Item("", source, tree, _aliases(tree, root, _PACKAGE))
    digests: dict[str, list[str]] = {}
    for item in _reached(code, root):
        digests.setdefault(item.name, []).append(_item_digest(item, root))
    return {
        name: found[0] if len(found) == 1 else _sha(*sorted(found))
        for name, found in sorted(digests.items())
    }


def digest(source: str, root: Path | None = None) -> str:
    """Return one digest of all that some Python code depends on, 16 hexadecimal digits."""
    behind = code_behind(source, root)
    return _sha(*(f"{name} {code}" for name, code in behind.items()), length=16)


@dataclass(frozen=True, eq=False)
class _Item:
    """One definition: its text, its syntax tree, and what the names in it were imported from."""

    name: str
    source: str
    tree: ast.AST
    aliases: dict[str, tuple[str, str | None]]
    module: str = ""
    methods: dict[str, _Item] = field(default_factory=dict)  # of a class; called by their names


@dataclass(frozen=True, eq=False)
class _Module:
    """A module's definitions, and what its names were imported from: a module, or a name in it."""

    name: str
    items: dict[str, list[_Item]]
    aliases: dict[str, tuple[str, str | None]]


def _reached(code: _Item, root: Path) -> list[_Item]:
    """Return all items that a piece of code leads to."""
    found: dict[int, _Item] = {}
    sleeping: dict[str, list[_Item]] = {}  # methods of classes that count, until they are named
    said: set[str] = set()
    waiting = [code]
    while waiting:
        item = waiting.pop()
        if id(item) in found:
            continue
        found[id(item)] = item
        for name, method in item.methods.items():
            if name in said:
                waiting.append(method)
            else:
                sleeping.setdefault(name, []).append(method)
        for name in _words(item.tree) - said:
            said.add(name)
            waiting += sleeping.pop(name, [])
        waiting += _named(item, root)
    del found[id(code)]
    return list(found.values())


def _words(tree: ast.AST) -> set[str]:
    """Return every word by which a method could be called: attributes, and texts for getattr."""
    words = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return words | {text for text in texts if isinstance(text, str) and text.isidentifier()}


def _named(item: _Item, root: Path) -> list[_Item]:
    """Return the items of the package that an item names."""
    found: list[_Item] = []
    inner = {id(node.value) for node in ast.walk(item.tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(item.tree):
        if isinstance(node, ast.Name | ast.Attribute) and (chain := _chain(node)):
            found += _chain_items(item, chain, root, whole=id(node) not in inner)
    return found


def _chain(node: ast.expr) -> list[str]:
    """Return ``["a", "b", "c"]`` for ``a.b.c``, nothing for what does not begin with a name."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [*parts, node.id][::-1] if isinstance(node, ast.Name) else []


def _chain_items(item: _Item, chain: list[str], root: Path, *, whole: bool) -> list[_Item]:
    """Return what a dotted name stands for: all of a module where ``whole`` and it is one."""
    at = _look_up(item, chain[0], root)
    for part in chain[1:]:
        if not isinstance(at, str):
            break
        at = _attribute(at, part, root)
    if isinstance(at, str):
        if not whole or at == _PACKAGE:
            return []
        return [each for items in _read(at, root).items.values() for each in items]
    return at


def _look_up(item: _Item, name: str, root: Path) -> str | list[_Item]:
    """Return the module or the items that a name means inside an item."""
    if item.module:
        own = _read(item.module, root).items.get(name)
        if own:
            return own
    if name not in item.aliases:
        return []
    module, attribute = item.aliases[name]
    return module if attribute is None else _attribute(module, attribute, root)


def _attribute(module: str, name: str, root: Path) -> str | list[_Item]:
    """Return the module or the items that ``module.name`` means, through re-exports."""
    if _file(f"{module}.{name}", root):
        return f"{module}.{name}"
    if not _file(module, root):
        return []
    read = _read(module, root)
    if name in read.items:
        return read.items[name]
    if name in read.aliases:
        source, attribute = read.aliases[name]
        if attribute is None:
            return source
        if (source, attribute) != (module, name):
            return _attribute(source, attribute, root)
    return []


@cache
def _read(module: str, root: Path) -> _Module:
    path = _file(module, root)
    assert path is not None
    source = path.read_text(encoding="utf-8")
    tree = _parsed(source)
    aliases = _aliases(tree, root, module)
    items: dict[str, list[_Item]] = {}
    for node in tree.body:
        for name in _defined(node):
            items.setdefault(name, []).append(_item(name, node, source, module, aliases))
    return _Module(module, items, aliases)


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets = [node.target]
    else:
        return []
    return [each.id for t in targets for each in ast.walk(t) if isinstance(each, ast.Name)]


def _item(name: str, node: ast.stmt, source: str, module: str, aliases: dict) -> _Item:
    lines = source.splitlines()
    begin = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1
    methods: dict[str, _Item] = {}
    tree: ast.AST = node
    if isinstance(node, ast.ClassDef) and _is_ours(node, aliases):
        kept = []
        for part in node.body:
            dunder = isinstance(part, ast.FunctionDef) and part.name.startswith("__")
            if isinstance(part, ast.FunctionDef) and not dunder:
                method = _item(f"{name}.{part.name}", part, source, module, aliases)
                methods[part.name] = _joined(methods.get(part.name), method)
                first = min([part.lineno, *(d.lineno for d in part.decorator_list)]) - 1
                lines[first : part.end_lineno] = [""] * (part.end_lineno - first)
            else:
                kept.append(part)
        tree = ast.ClassDef(name, node.bases, node.keywords, kept, node.decorator_list)
    return _Item(name, "\n".join(lines[begin : node.end_lineno]), tree, aliases, module, methods)


def _joined(first: _Item | None, second: _Item) -> _Item:
    """Join the parts of a property, which have one name."""
    if first is None:
        return second
    tree = ast.Module([first.tree, second.tree], [])
    text = f"{textwrap.dedent(first.source)}\n{textwrap.dedent(second.source)}"
    return _Item(second.name, text, tree, second.aliases, second.module)


def _is_ours(node: ast.ClassDef, aliases: dict) -> bool:
    """Whether only this package calls a class's methods: no base is another package's."""
    bases = [_chain(base)[:1] for base in node.bases]
    return all(base and base[0] in aliases for base in bases)


def _aliases(tree: ast.AST, root: Path, module: str) -> dict[str, tuple[str, str | None]]:
    """Return what imports of this package, anywhere in a tree, call by which name."""
    found: dict[str, tuple[str, str | None]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                if _file(name.name, root):
                    found |= (
                        {name.asname: (name.name, None)}
                        if name.asname
                        else {_PACKAGE: (_PACKAGE, None)}
                    )
        elif isinstance(node, ast.ImportFrom) and node.module and _file(node.module, root):
            for name in node.names:
                found[name.asname or name.name] = (node.module, name.name)
    return found


def _file(module: str, root: Path) -> Path | None:
    parts = module.split(".")
    if parts[0] != _PACKAGE:
        return None
    path = root.joinpath(*parts[1:])
    choices = (path / "__init__.py", path.with_suffix(".py"))
    return next((choice for choice in choices if choice.is_file()), None)


@cache
def _item_digest(item: _Item, root: Path) -> str:
    return _sha(*_normal(item, root))


def _normal(item: _Item, root: Path) -> Iterator[str]:
    """Yield the words of an item's code, without what a move to another module changes."""
    words = list(_tokens(textwrap.dedent(item.source)))
    place = 0
    while place < len(words):
        kind, text, _ = words[place]
        before = words[place - 1] if place else (tokenize.NEWLINE, "", False)
        if before[0] in _BEGINS and text in ("import", "from"):
            while words[place][0] != tokenize.NEWLINE:
                place += 1
            place += 1
            continue
        if kind == tokenize.NAME and before[1] != ".":
            place = _after_modules(item, words, place, root)
            text = words[place][1]
        last = place + 1 == len(words)
        if text == "," and not last and words[place + 1][1] in _CLOSE and words[place + 1][2]:
            place += 1  # the comma that a line break brings
            continue
        alone = last or words[place + 1][0] == tokenize.NEWLINE
        if kind == tokenize.STRING and before[0] in _BEGINS and alone:
            place += 2  # a docstring
            continue
        yield tokenize.tok_name[kind] if kind in _BEGINS else text
        place += 1


def _after_modules(item: _Item, words: list, place: int, root: Path) -> int:
    """Return the place of ``c`` in ``a.b.c`` where ``a`` and ``a.b`` are modules."""
    at = _look_up(item, words[place][1], root)
    while isinstance(at, str) and place + 2 < len(words) and words[place + 1][1] == ".":
        place += 2
        at = _attribute(at, words[place][1], root)
    return place


def _tokens(source: str) -> Iterator[tuple[int, str, bool]]:
    """Yield kind and text of each token, and whether it begins a line within brackets.

    An f-string is one token, whatever version of Python reads it.
    """
    lines = source.splitlines(keepends=True)
    broken, depth, begun = False, 0, (0, 0)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if _FSTRING is not None and token.type in (_FSTRING, tokenize.FSTRING_END):
            begun = token.start if token.type == _FSTRING and depth == 0 else begun
            depth += 1 if token.type == _FSTRING else -1
            if depth == 0:
                yield tokenize.STRING, _between(lines, begun, token.end), broken
                broken = False
        elif depth == 0 and token.type not in _SILENT:
            text = "" if token.type in _BEGINS else token.string
            yield token.type, text, broken
            broken = False
        elif token.type == tokenize.NL:
            broken = True


def _between(lines: list[str], begin: tuple[int, int], end: tuple[int, int]) -> str:
    part = lines[begin[0] - 1 : end[0]]
    part[-1] = part[-1][: end[1]]
    part[0] = part[0][begin[1] :]
    return "".join(part)


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


def _sha(*parts: str, length: int = 12) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:length]
