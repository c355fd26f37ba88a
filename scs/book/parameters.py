"""The parameters of a notebook: what there is, and the values that a user typed."""

import ast
import io
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode

from scs.book.ranges import Range, read_range
from scs.data.errors import UsageError

_TRUE, _FALSE = {"true", "yes", "1"}, {"false", "no", "0"}


@dataclass(frozen=True)
class Parameter:
    """One line of a notebook's parameters cell: ``name = default  # comment``."""

    name: str
    default: Any
    comment: str

    @property
    def meaning(self) -> str:
        """The comment without the range."""
        return read_range(self.comment)[0]

    @property
    def allowed(self) -> Range | None:
        """What its value may be, if the comment says so."""
        return read_range(self.comment)[1]

    @property
    def allowed_text(self) -> str:
        """What its value may be, in words."""
        if isinstance(self.default, bool):
            return "yes or no"
        return self.allowed.text if self.allowed else "any " + type(self.default).__name__


def notebook_parameters(notebook: NotebookNode) -> list[Parameter]:
    """Read the parameters of a notebook from its cell tagged ``parameters``.

    Parameters
    ----------
    notebook : NotebookNode

    Returns
    -------
    list of Parameter
        In the order of the cell; empty if there is no such cell.

    Raises
    ------
    ValueError
        The cell holds anything but assignments of literals.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", []):
            return _read_assignments(cell.source)
    return []


def _read_assignments(source: str) -> list[Parameter]:
    comments = _comments_by_line(source)
    parameters = []
    for statement in ast.parse(source).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case _:
                raise ValueError(
                    f"parameters cell: line {statement.lineno} is not `name = literal`. "
                    "Move it to a cell below."
                )
        try:
            default = ast.literal_eval(value)
        except ValueError:
            raise ValueError(
                f"parameters cell: {name} is not a literal. Compute it in a cell below."
            ) from None
        parameters.append(Parameter(name, default, comments.get(statement.end_lineno or 0, "")))
    return parameters


def _comments_by_line(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string.lstrip("# ")
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def chosen_values(
    parameters: Iterable[Parameter], typed: Iterable[tuple[str, str]]
) -> dict[str, Any]:
    """Turn what was typed into values of the parameters' types.

    Parameters
    ----------
    parameters : iterable of Parameter
    typed : iterable of (name, text)

    Returns
    -------
    dict
        Name to value, for the typed names only.
    """
    known = {parameter.name: parameter for parameter in parameters}
    values = {}
    for name, text in typed:
        if name not in known:
            raise UsageError(f"no parameter named {name!r}. There are:\n{listing(known)}")
        if name in values:
            raise UsageError(f"parameter {name} given twice. Keep one of the two.")
        values[name] = convert(known[name], text)
        check(known[name], values[name])
    return values


def check(parameter: Parameter, value: Any) -> None:
    """Refuse a value that is outside of what the parameter's comment allows."""
    if parameter.allowed and not parameter.allowed.holds(value):
        raise UsageError(
            f"parameter {parameter.name}: {value!r} is outside its range. "
            f"Allowed: {parameter.allowed.text} ({parameter.meaning})."
        )


def listing(known: Mapping[str, Parameter]) -> str:
    """Write one line per parameter: name, default, comment."""
    if not known:
        return "  (none: this chapter has no parameters)"
    rows = [(f"  {p.name} = {p.default!r}", p.comment) for p in known.values()]
    width = max(len(left) for left, _ in rows)
    return "\n".join(f"{left:<{width}}  {comment}".rstrip() for left, comment in rows)


def convert(parameter: Parameter, text: str) -> Any:
    """Read text as a value of the type of a parameter's default."""
    default = parameter.default
    try:
        if isinstance(default, bool):
            return _to_bool(text)
        if isinstance(default, str):
            return text
        if isinstance(default, int | float):
            return type(default)(text)
        value = ast.literal_eval(text)
        if default is not None and not isinstance(value, type(default)):
            raise ValueError
        return value
    except (ValueError, SyntaxError):
        kind = "literal" if default is None else type(default).__name__
        raise UsageError(
            f"parameter {parameter.name}: {text!r} is not of type {kind}. "
            f"Write it like the default, {default!r}."
        ) from None


def _to_bool(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE
