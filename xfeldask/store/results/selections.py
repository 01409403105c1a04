"""Selections of shots in a store, by name: ``/selection/<name>/selected (shot)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.physics.angles import ANGLES, GROUPS, folded
from xfeldask.schema import is_taken
from xfeldask.store.results.by_name import check_name, publish_by_name, read_by_name
from xfeldask.store.storage.lock import held

if TYPE_CHECKING:
    import xarray as xr

    from xfeldask.store.run import Run

WHAT = "a selection"


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
    refuse_taken(run, name)
    if selected.shape != (run.n_shots,):
        raise InputError(f"a selection tells of each of the {run.n_shots} shots of the store, got {selected.shape}")
    attributes = {"long_name": f"selection {name}", "where": where, "n_selected": int(selected.sum())}
    publish_by_name(run, "selection", name, "selected", selected, attributes)


def refuse_taken(run: Run, name: str) -> None:
    """Refuse a name that no selection of a run can have.

    Raises
    ------
    InputError
        It is no name, or that of something else in the store, in whose place expressions would take the selection.
    """
    check_name(name, WHAT)
    turned = {folded(angle, group) for angle in ANGLES for group in GROUPS}
    if is_taken(name) or name in turned or name in run:
        raise InputError(f"{name} is what a store calls something of its own; choose another name for the selection")


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
    check_name(name, WHAT)
    place = f"selection/{name}"
    run.refuse_replaced()
    with held(run.path, place):
        try:
            run.place.remove(place)
        except OSError as error:
            raise InputError(
                f"cannot delete {run.path / place}: {error}; choose a store that may be written"
            ) from error


def read_selections(run: Run) -> dict[str, xr.DataArray]:
    """Return the selections of a run by name, bool (shot,); those of another run, which verify names, are left out."""
    return read_by_name(run, "selection", "selected")
