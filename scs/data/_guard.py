"""Refuse to run mixed with PyPI's ``scs`` (Splitting Conic Solver), which has our import name."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

DISTRIBUTION = "significant-cluster-selection"

_REMEDY = (
    "Both install a package called 'scs' and overwrite each other's files. "
    "Use a fresh environment, or: pip uninstall -y scs significant-cluster-selection "
    "&& pip install significant-cluster-selection"
)


def refuse_foreign_package(package_dir: Path | None = None) -> None:
    """Raise if the Splitting Conic Solver is installed here, or has been laid over this package.

    Parameters
    ----------
    package_dir : Path, optional
        Folder of the package to look at; this one by default.

    Raises
    ------
    ImportError
        The distribution ``scs`` is installed, its compiled files lie in this folder, or the
        ``scs`` that was imported is not this package.
    """
    folder = package_dir or Path(__file__).parents[1]
    try:
        version = metadata.version("scs")
    except metadata.PackageNotFoundError:
        pass
    else:
        raise ImportError(
            f"The Splitting Conic Solver (distribution 'scs' {version}) is installed beside "
            f"{DISTRIBUTION}. {_REMEDY}"
        )
    foreign = sorted(path.name for path in folder.glob("_scs_*"))
    if foreign:
        raise ImportError(
            f"Files of the Splitting Conic Solver ({', '.join(foreign)}) lie among those of "
            f"{DISTRIBUTION}. {_REMEDY}"
        )
    package = sys.modules.get("scs")
    if package is not None and getattr(package, "__distribution__", None) != DISTRIBUTION:
        raise ImportError(
            f"The imported 'scs' is not {DISTRIBUTION}: its __init__ was overwritten. {_REMEDY}"
        )
