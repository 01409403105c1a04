"""What this machine lets this process have."""

from __future__ import annotations

import errno
from pathlib import Path

from xfeldask.errors import InputError


def cores() -> int:
    """Return how many cores this process may use: of the machine's, those of its affinity and its control group.

    Examples
    --------
    >>> cores() > 0
    True
    """
    import joblib  # takes a while

    return int(joblib.cpu_count())


def exists(path: str | Path) -> bool:
    """Return whether there is something at a path.

    Raises
    ------
    InputError
        A name that no file can have.

    Examples
    --------
    >>> exists("nowhere.zarr")
    False
    """
    try:
        return Path(path).exists()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise InputError(f"{str(path)[:40]}... is no path: a name in it is longer than a file's may be") from None
