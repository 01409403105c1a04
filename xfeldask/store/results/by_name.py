"""What people put beside the shots of a run by a name: one variable along `shot`, in a group of that name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from xfeldask.errors import CorruptStoreError, InputError
from xfeldask.store.layout import RUN
from xfeldask.store.opening import child_groups, open_lazily
from xfeldask.store.storage.publish import publish_group

if TYPE_CHECKING:
    import xarray as xr

    from xfeldask.store.run import Run

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def publish_by_name(
    run: Run, top: str, name: str, variable: str, values: NDArray[Any], attributes: dict[str, Any]
) -> None:
    """Write ``/<top>/<name>/<variable> (shot)`` with the identity of the run; what was there is replaced.

    Raises
    ------
    InputError
        The store cannot be written.
    """
    import xarray as xr

    run.refuse_replaced()
    publish_group(run.path, f"{top}/{name}", xr.Dataset({variable: ("shot", values, attributes)}, attrs=stamp_of(run)))


def stamp_of(run: Run) -> dict[str, str]:
    """Return the attributes by which what is made of a run is told from what was made of another, as of `is_of`."""
    return {} if run.identity is None else {RUN: run.identity}


def is_of(run: Run, attributes: Mapping[str, Any]) -> bool:
    """Whether what has these attributes was made of a run; where an older version made it they do not tell."""
    return bool(attributes.get(RUN, run.identity) == run.identity)


def read_by_name(run: Run, top: str, variable: str) -> dict[str, xr.DataArray]:
    """Return ``/<top>/<name>/<variable>`` of a run by name; those of another run, which verify names, are left out."""
    found = {name: fitting(run, f"{top}/{name}", variable) for name in child_groups(run.group, top)}
    return {name: one[variable] for name, one in found.items() if one is not None}


def fitting(run: Run, group: str, *variables: str) -> xr.Dataset | None:
    """Return a group that tells of the shots of a run; None where it tells of those of another.

    Parameters
    ----------
    run : Run
    group : str
    variables : names, what the group must hold, at least one of them along `shot`

    Raises
    ------
    CorruptStoreError
        One of them is missing, or the group cannot be opened.
    """
    found = open_lazily(run.group, group)
    if not is_of(run, found.attrs):
        return None
    refuse_missing(run, group, found, (*variables, "shot"))
    return found if found.sizes["shot"] == run.n_shots else None


def refuse_missing(run: Run, group: str, found: xr.Dataset, variables: Iterable[str]) -> None:
    """Refuse a group of a run that lacks variables.

    Raises
    ------
    CorruptStoreError
    """
    if missing := [name for name in variables if name not in found and name not in found.dims]:
        raise CorruptStoreError(
            f"{run.path}: {group} has no {missing[0]}; xfeldask verify names what is broken, put that back, or remove "
            f"{run.path / group}"
        )


def check_name(name: str, what: str) -> None:
    """Refuse what is no name.

    Parameters
    ----------
    name : str
    what : str, whose name it is

    Raises
    ------
    InputError

    Examples
    --------
    >>> check_name("my shots", "a selection")
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: the name of a selection is letters, digits and underscores, 64 at most, got 'my shots'
    """
    if not NAME.fullmatch(name):
        raise InputError(f"the name of {what} is letters, digits and underscores, 64 at most, got {name!r}")
