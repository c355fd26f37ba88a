"""`load`: a saved model back from its file."""

from __future__ import annotations

from pathlib import Path

from scs.estimators.codec import CodecError, made
from scs.estimators.fitted import FittedModel
from scs.estimators.saved import read_model


def load(path: str | Path) -> FittedModel:
    """Open a model that `FittedModel.save` wrote. No code from the file is run.

    It says and predicts what the saved one did, to the last digit. It holds no rows, so that
    ``augment`` wants a table.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    FittedModel

    Raises
    ------
    ValueError
        There is no such file, it is none of a model, it was changed or cut off, or a newer version
        wrote it: one line, with the remedy.

    Examples
    --------
    >>> import tempfile, pathlib, scs
    >>> table = {"y": [1, 2, 2, 3, 9, 8, 2, 1], "school": list("aabbccdd")}
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "schools.scs"
    >>> scs.fit("y ~ 1", table, "school", budget=1).save(path)
    >>> scs.load(path).selected.tolist()
    ['c']
    """
    try:
        found = made(FittedModel, read_model(path))
    except CodecError as error:
        raise ValueError(f"{Path(path).name}: {error}: fit and save again.") from None
    if not isinstance(found, FittedModel):
        raise ValueError(f"{Path(path).name} holds no model: fit and save again.")
    return found
