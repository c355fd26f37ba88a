"""What is installed only with an extra: said in one line where it is wanted and not there."""

from importlib.util import find_spec

from scs.data._guard import DISTRIBUTION
from scs.data.errors import UsageError


class MissingExtra(UsageError, ImportError):
    """A part of the package needs libraries that an extra of the installation brings."""


def need(what: str, extra: str, *modules: str) -> None:
    """Refuse to go on where a library is missing.

    Parameters
    ----------
    what : str
        What needs it, for the message.
    extra : str
        Name in ``pyproject.toml``.
    *modules : str
        Names to import.

    Raises
    ------
    MissingExtra
        The first one that is not installed, and the command that installs it.
    """
    for module in modules:
        if find_spec(module) is None:
            raise MissingExtra(
                f"{what} needs {module}, which is not installed: "
                f"pip install '{DISTRIBUTION}[{extra}]'"
            )
