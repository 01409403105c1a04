"""Selections of shots in a store, by name: ``/selection/<name>/selected (shot)``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.store.layout import RUN
from xfeldask.store.leftovers import remove
from xfeldask.store.lock import held
from xfeldask.store.opening import child_groups, open_lazily
from xfeldask.store.publish import publish_group

if TYPE_CHECKING:
    from xfeldask.store.run import Run

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def publish_selection(run: Run, name: str, selected: NDArray[np.bool_], where: str = "") -> None:
    """Write a selection; one of the same name is replaced.

    Parameters
    ----------
    run : Run
    name : str, letters, digits and underscores
    selected : bool (shot,), all shots of the store
    where : str, expression that it was made by; empty for one made by hand

    Raises
    ------
    InputError
        A name or a length that cannot be, a store that cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from xfeldask.store.layout import Layout, create_template
    >>> from xfeldask.store.run import Run
    >>> path, layout = Path(tempfile.mkdtemp()) / "run.zarr", Layout(5, (1, 4, 4), (2, 2), (4, 4), 1, "uint8", False, 2)
    >>> _ = create_template(path, layout, {"shot": np.arange(5)}, {"title": "a run"})
    >>> run = Run.open(path)
    >>> publish_selection(run, "mine", np.arange(5) > 2, where="shot > 2")
    >>> found = read_selections(run)["mine"]
    >>> found.values.tolist(), found.attrs["where"]
    ([False, False, False, True, True], 'shot > 2')
    """
    check_name(name)
    if selected.shape != (run.n_shots,):
        raise InputError(f"a selection tells of each of the {run.n_shots} shots of the store, got {selected.shape}")
    attributes = {"long_name": f"selection {name}", "where": where, "n_selected": int(selected.sum())}
    told = {} if run.identity is None else {RUN: run.identity}
    run.refuse_replaced()
    publish_group(run.path, f"selection/{name}", xr.Dataset({"selected": ("shot", selected, attributes)}, attrs=told))


def remove_selection(run: Run, name: str) -> None:
    """Remove a selection from the store.

    Raises
    ------
    StoreBusyError
        Another process writes it.
    InputError
        The store cannot be written.

    Examples
    --------
    See `publish_selection`, whose opposite it is.
    """
    check_name(name)
    place = f"selection/{name}"
    run.refuse_replaced()
    with held(run.path, place):
        try:
            remove(run.path / place)
        except OSError as error:
            raise InputError(
                f"cannot delete {run.path / place}: {error}; choose a store that may be written"
            ) from error


def read_selections(run: Run) -> dict[str, xr.DataArray]:
    """Return the selections of a run by name, bool (shot,); those of another run, which verify names, are left out."""
    found = {name: open_lazily(run.group, f"selection/{name}") for name in child_groups(run.group, "selection")}
    return {
        name: one["selected"]
        for name, one in found.items()
        if one.attrs.get(RUN, run.identity) == run.identity and one.sizes["shot"] == run.n_shots
    }


def check_name(name: str) -> None:
    """Refuse what is no name.

    Raises
    ------
    InputError

    Examples
    --------
    >>> check_name("my shots")
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: a selection's name is letters, digits and underscores, 64 at most, got 'my shots'
    """
    if not NAME.fullmatch(name):
        raise InputError(f"a selection's name is letters, digits and underscores, 64 at most, got {name!r}")
