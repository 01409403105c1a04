"""The background of a run, measured or given: ``/known_background/run``, with a weight for each shot."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.schema import BACKGROUND
from xfeldask.store.layout import FORMAT, RUN
from xfeldask.store.lock import held
from xfeldask.store.opening import child_groups, open_lazily
from xfeldask.store.publish import publish_group

if TYPE_CHECKING:
    from xfeldask.store.run import Run

ROOM, NAME = "known_background", "run"
PLACE = f"{ROOM}/{NAME}"


@dataclass(frozen=True, eq=False)
class KnownBackground:
    """Where background photons are to be expected, and how many in each shot. They are never taken off counts.

    Attributes
    ----------
    image : float32 (y, x), photons of a shot on average, in the bins of `image`
    low_q : float32 (low_y, low_x), the same in the bins of `low_q`
    weight : float32 (shot,), background of each shot over that of a shot on average
    blank : bool (shot,), shots that it was measured on
    source : str, where it comes from

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

    @property
    def told(self) -> str:
        """What a person wants to know first."""
        n, total = int(self.blank.sum()), float(self.image.sum())
        how = f"measured on {n:,} of {len(self.blank):,} shots ({self.source})" if n else f"given by {self.source}"
        return f"{total:.3g} photons a shot on average, {how}"

    @property
    def digest(self) -> str:
        """SHA-256 of what particles are sorted over, in hexadecimal."""
        return hashlib.sha256(np.ascontiguousarray(self.low_q, "<f4").tobytes()).hexdigest()

    def dataset(self) -> xr.Dataset:
        """Return it as it is stored."""
        values = (self.image, self.low_q, self.weight, self.blank)
        variables = {
            name: xr.Variable(v.dims, np.asarray(value, v.dtype), v.attributes())
            for (name, v), value in zip(BACKGROUND.items(), values, strict=True)
        }
        told = {"title": "background of a run", "source": self.source, "digest": self.digest}
        return xr.Dataset(variables, attrs={**told, "format": FORMAT, "n_shots": len(self.weight)})


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
    told = {} if run.identity is None else {RUN: run.identity}
    with held(run.path, PLACE):
        publish_group(run.path, PLACE, found.dataset().assign_attrs(told))


def read_known_background(run: Run) -> KnownBackground | None:
    """Return the background of a run; None where there is none, or one of another run, which verify names."""
    found = _stored(run)
    if found is None:
        return None
    image, low_q, weight, blank = (found[name].values for name in BACKGROUND)
    return KnownBackground(image, low_q, weight, blank, str(found.attrs.get("source", "")))


def background_columns(run: Run) -> xr.Dataset:
    """Return what is known of the background of each shot, (shot,); nothing where no background is."""
    found = _stored(run)
    along = [] if found is None else [name for name, v in BACKGROUND.items() if v.dims == ("shot",)]
    return xr.Dataset() if found is None else found[along]


def _stored(run: Run) -> xr.Dataset | None:
    if NAME not in child_groups(run.group, ROOM):
        return None
    found = open_lazily(run.group, PLACE)
    fits = found.attrs.get(RUN, run.identity) == run.identity and found.sizes["shot"] == run.n_shots
    return found if fits else None
