"""The background of a run, measured or given: ``/known_background/run``, with a weight for each shot."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.schema import BACKGROUND
from xfeldask.store.layout import FORMAT
from xfeldask.store.opening import child_groups
from xfeldask.store.results.by_name import fitting, refuse_missing, stamp_of
from xfeldask.store.storage.lock import held
from xfeldask.store.storage.publish import publish_group

if TYPE_CHECKING:
    import xarray as xr

    from xfeldask.store.run import Run

ROOM, NAME = "known_background", "run"
PLACE = f"{ROOM}/{NAME}"
_OF_ALL = ("image", "low_q", "background_weight", "taken_for_blank")
_OF_CELLS = ("cell_value", "cell_image", "cell_low_q", "background_cell")
OF_HITS = "what single hits hold whatever their brightness"
"""How the source of a background begins that was measured so."""


@dataclass(frozen=True, eq=False)
class CellBackgrounds:
    """Backgrounds that differ: of memory cells of the detector, or of whatever else a column of the run tells.

    Attributes
    ----------
    by : str, column that tells which background is a shot's
    cell : int64 (cell,), values of that column, ascending
    image : float32 (cell, y, x), photons of a shot of the cell on average, in the bins of `image`
    low_q : float32 (cell, low_y, low_x), the same in the bins of `low_q`
    of : int32 (shot,), index of the background of each shot

    Examples
    --------
    >>> flat = np.ones((2, 1, 1), np.float32)
    >>> CellBackgrounds("cell", np.array([3, 7]), flat, flat, np.array([0, 1, 0], np.int32)).shots.tolist()
    [2, 1]
    """

    by: str
    cell: NDArray[np.int64]
    image: NDArray[np.float32]
    low_q: NDArray[np.float32]
    of: NDArray[np.int32]

    @property
    def shots(self) -> NDArray[np.int64]:
        """Shots of each cell, int64 (cell,)."""
        return np.bincount(self.of, minlength=len(self.cell))


@dataclass(frozen=True, eq=False)
class KnownBackground:
    """Where background photons are to be expected, and how many in each shot. They are never taken off counts.

    Attributes
    ----------
    image : float32 (y, x), photons of a shot on average, in the bins of `image`
    low_q : float32 (low_y, low_x), the same in the bins of `low_q`
    weight : float32 (shot,), background of each shot over that of a shot on average, of its cell where cells differ
    blank : bool (shot,), shots that it was measured on
    source : str, where it comes from
    cells : CellBackgrounds, where cells differ; `image` and `low_q` are then the mean of all shots

    Examples
    --------
    >>> flat, blank = np.full((2, 2), 0.5, np.float32), np.array([True, False])
    >>> found = KnownBackground(flat, flat, np.ones(2, np.float32), blank, "blanks")
    >>> found.told
    '2 photons a shot on average, measured on 1 of 2 shots (blanks)'
    """

    image: NDArray[np.float32]
    low_q: NDArray[np.float32]
    weight: NDArray[np.float32]
    blank: NDArray[np.bool_]
    source: str
    cells: CellBackgrounds | None = None

    @property
    def told(self) -> str:
        """What a person wants to know first."""
        n, total = int(self.blank.sum()), float(self.image.sum())
        how = f"measured on {n:,} of {len(self.blank):,} shots ({self.source})" if n else f"given by {self.source}"
        how = f"measured by {self.source}" if self.source.startswith(OF_HITS) else how
        told = f"{total:.3g} photons a shot on average, {how}"
        if self.cells is None:
            return told
        each = self.cells.image.sum(axis=(1, 2), dtype=np.float64)
        return f"{told}; {each.min():.3g} to {each.max():.3g} in {len(each):,} backgrounds by {self.cells.by}"

    @property
    def digest(self) -> str:
        """SHA-256 of where photons are expected and of how many in each shot, in hexadecimal."""
        state = hashlib.sha256()
        for variable in self.dataset().data_vars.values():
            state.update(np.ascontiguousarray(variable.values).tobytes())
        return state.hexdigest()

    def dataset(self) -> xr.Dataset:
        """Return it as it is stored, with its digest."""
        import xarray as xr

        values: dict[str, NDArray[Any]] = {
            "image": self.image, "low_q": self.low_q, "background_weight": self.weight, "taken_for_blank": self.blank
        }  # fmt: skip
        if (cells := self.cells) is not None:
            values |= {"cell_value": cells.cell, "cell_image": cells.image, "cell_low_q": cells.low_q}
            values["background_cell"] = cells.of
        as_told = {name: (BACKGROUND[name], value) for name, value in values.items()}
        variables = {
            name: xr.Variable(v.dims, np.asarray(value, v.dtype), v.attributes())
            for name, (v, value) in as_told.items()
        }
        told = {"title": "background of a run", "source": self.source, "format": FORMAT, "n_shots": len(self.weight)}
        return xr.Dataset(variables, attrs=told | ({} if cells is None else {"by": cells.by}))


def publish_known_background(run: Run, found: KnownBackground) -> None:
    """Write the background of a run; an older one is replaced.

    Raises
    ------
    InputError
        The store cannot be written.
    RunError
        The store holds another run by now.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from xfeldask.store.layout import Layout, create_template
    >>> from xfeldask.store.run import Run
    >>> path, layout = Path(tempfile.mkdtemp()) / "run.zarr", Layout(5, (1, 4, 4), (2, 2), (4, 4), 1, "uint8", False, 2)
    >>> _ = create_template(path, layout, {"shot": np.arange(5)}, {"title": "a run"})
    >>> run, flat = Run.open(path), np.ones((2, 2), np.float32)
    >>> found = KnownBackground(flat, flat, np.ones(5, np.float32), np.zeros(5, bool), "profile.npy")
    >>> publish_known_background(run, found)
    >>> run.known_background.told
    '4 photons a shot on average, given by profile.npy'
    """
    run.refuse_replaced()
    with held(run.path, PLACE):
        publish_group(run.path, PLACE, found.dataset().assign_attrs(stamp_of(run) | {"digest": found.digest}))


def read_known_background(run: Run) -> KnownBackground | None:
    """Return the background of a run; None where there is none, or one of another run, which verify names."""
    found = _stored(run)
    if found is None:
        return None
    value = {str(name): variable.values for name, variable in found.data_vars.items()}
    cells = None
    if "by" in found.attrs:
        cells = CellBackgrounds(str(found.attrs["by"]), *(value[name] for name in _OF_CELLS))
    weight, blank, source = value["background_weight"], value["taken_for_blank"], str(found.attrs.get("source", ""))
    return KnownBackground(value["image"], value["low_q"], weight, blank, source, cells)


def known_digest(run: Run) -> str | None:
    """Return the digest of the background of a run, as it was when it was written; None where there is none."""
    found = _stored(run)
    return None if found is None else str(found.attrs.get("digest", ""))


def other_background(run: Run, used: str | None) -> str | None:
    """Tell that what was made with a background, of that digest or none, was not made with the one that the run has."""
    if known_digest(run) == used:
        return None
    return "before the background of the run was known" if used is None else "with another background"


def background_columns(run: Run) -> xr.Dataset:
    """Return what is known of the background of each shot, (shot,); nothing where no background is."""
    import xarray as xr

    found = _stored(run)
    return xr.Dataset() if found is None else found[[name for name in found if found[name].dims == ("shot",)]]


def _stored(run: Run) -> xr.Dataset | None:
    if NAME not in child_groups(run.group, ROOM):
        return None
    found = fitting(run, PLACE, *_OF_ALL)
    if found is not None and "by" in found.attrs:
        refuse_missing(run, PLACE, found, _OF_CELLS)
    return found
