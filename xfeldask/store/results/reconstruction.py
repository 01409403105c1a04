"""A reconstruction of a run: the intensity that explains its shots, and the orientation of each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from pydantic import Field

from xfeldask.errors import InputError
from xfeldask.records import Record
from xfeldask.store.results.known_background import other_background
from xfeldask.store.results.made import Made
from xfeldask.units import told

if TYPE_CHECKING:
    from xfeldask.store.run import Run

LEAST_GAIN = 0.2
"""What an intensity explains of a shot that was held out, if it shows anything [nat]; of nothing it is below 0."""
SURE = 3.0
"""Standard errors by which it must explain them better than the same shots scrambled."""
FEW = 10
"""Shots held out below which scrambled ones tell nothing."""
ALIKE = 0.5
"""Correlation of half sets down to which a resolution is told."""


class HeldOut(NamedTuple):
    """What an intensity says of shots that it was not made of [nat a shot]; None is what nobody looked at.

    Attributes
    ----------
    gain : float, what it explains of them beyond their mean profile
    scrambled : float, that of the same shots after their photons were moved around the beam, as of `scrambled`
    above : float, fraction of its scrambled likenesses that a shot is explained better than, mean; 0.5 by chance
    error : float, standard error of `above`, by chance; infinity where too few shots were held out to tell
    at_once : float, what the mean image of the shots that it was made of explains

    Examples
    --------
    >>> HeldOut(gain=34.7, scrambled=2.4, above=0.98, error=0.04, at_once=-0.3).shows
    True
    >>> HeldOut(gain=57.1, scrambled=58.0, above=0.47, error=0.04, at_once=-0.4).shows
    False
    >>> HeldOut.of({"held_out_gain": 34.7}).shows
    True
    """

    gain: float
    scrambled: float | None = None
    above: float | None = None
    error: float | None = None
    at_once: float | None = None

    @property
    def shows(self) -> bool:
        """Whether the intensity shows anything, as far as it was looked at."""
        if self.gain < LEAST_GAIN or self.above is None or self.error is None or np.isinf(self.error):
            return self.gain >= LEAST_GAIN
        return self.above - 0.5 > SURE * self.error

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> Self | None:
        """Read it from the attributes of a reconstruction; None where it does not have them."""
        told = {name: float(attributes[of]) for name in cls._fields if (of := f"held_out_{name}") in attributes}
        return cls(**told) if "gain" in told else None

    def attributes(self) -> dict[str, float]:
        """Return it as attributes of a reconstruction."""
        return {f"held_out_{name}": value for name, value in self._asdict().items() if value is not None}


class Reconstructing(Record):
    """Everything that a reconstruction depends on, the attribute `parameters` of its group.

    Attributes
    ----------
    where : str or None, which shots it was made of; None for those that were accepted, or all where none were sorted
    shots_digest : str, of their indices
    n_used : int, how many they are
    images : str, that the photons were taken from
    symmetry : str, point group
    resolution : float [m], asked for
    schedule : list of dict, levels
    starts : int, from noise
    half_sets : bool
    seed : int
    embedding : str or None, whose verdicts and quantities were meant
    background : str or None, digest of the background of the run that was part of the model; None where none was known
    follow : bool, whether it was begun while shots were being written
    version : str, of this package

    Examples
    --------
    >>> Reconstructing.from_json('{"n_used": 40, "symmetry": "D8"}').symmetry
    'D8'
    """

    where: str | None = None
    shots_digest: str = ""
    n_used: int = 0
    images: str = "image"
    symmetry: str = "C1"
    resolution: float = 0.0
    schedule: list[dict[str, Any]] = Field(default_factory=list)
    starts: int = 1
    half_sets: bool = False
    seed: int = 0
    embedding: str | None = None
    background: str | None = None
    follow: bool = False
    version: str = ""

    def is_asked_as(self, other: Reconstructing) -> bool:
        """Whether the same was asked for; of those that follow a store, whichever shots there were by then.

        An embedding that one of them does not name may be any: it is chosen while the store is followed.
        """
        late = {"shots_digest", "n_used", "background"} if self.follow and other.follow else set()
        if late and None in (self.embedding, other.embedding):
            late.add("embedding")
        return self.model_dump(exclude=late) == other.model_dump(exclude=late)


@dataclass(frozen=True, eq=False, repr=False)
class Reconstruction(Made):
    """A reconstruction in a store, ``/reconstruction/<name>``.

    Attributes
    ----------
    run : Run
    name : str

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=1500, progress=False)
    >>> _ = xfeldask.reconstruct(path, resolution=12e-9, symmetry="D8", starts=1, progress=False)
    >>> found = xfeldask.open_run(path).reconstructions["emc"]
    >>> found.dataset().orientation.dims, found.is_finished
    (('shot', 'quaternion'), True)
    """

    room, word, command = "reconstruction", "reconstruction", "reconstruct"

    @property
    def parameters(self) -> Reconstructing:
        """Everything that the reconstruction depends on.

        Raises
        ------
        CorruptStoreError
            They cannot be read.
        """
        return self._record(Reconstructing, "parameters")

    @property
    def fits(self) -> bool:
        """Whether the reconstruction tells of shots of this run, which has as many now as it had then."""
        return self.is_of_this_run and int(self.attributes.get("n_shots", 0)) == self.run.n_shots

    @property
    def is_finished(self) -> bool:
        """Whether all iterations were made; else it is a checkpoint, from which `reconstruct` goes on."""
        return bool(self.attributes.get("finished", False))

    @property
    def is_there(self) -> bool:
        """Whether the store has it now."""
        return self.name in self.all_of(self.run)

    def facts(self) -> dict[str, str]:
        """Return what a person wants to know first, by name."""
        parameters, found = self.parameters, self.dataset()
        # an intensity that is not finished may not reach as far yet
        resolution = told(max(parameters.resolution, 0 if self.is_finished else 1 / float(found["s"][-2])), "m")
        again = "; follow=True (--follow) goes on" if parameters.follow else "; reconstruct again"
        where = parameters.where or ("those accepted" if parameters.embedding else "all")
        return {
            "shots": f"{parameters.n_used:,} of {self.run.n_shots:,}, {where}",
            "grid": f"{found.sizes['u']}^3 points to {resolution}, symmetry {parameters.symmetry}",
            "iterations": f"{found.sizes['step']}{'' if self.is_finished else f', not finished{again}'}",
            **({} if parameters.background is None else {"background": "known, part of the model"}),
            **({} if (old := outdated(self.run, parameters)) is None else {"outdated": old}),
            **({} if (device := found.attrs.get("device")) is None else {"device": str(device)}),
            "information": f"{float(found['mean_information'][-1]):.1f} bit a shot",
            **({} if (looked := HeldOut.of(found.attrs)) is None else {"held out": _explained(looked)}),
            **({} if (halves := found.attrs.get("half_set_resolution")) is None else {"half sets": _agreed(halves)}),
        }


def outdated(run: Run, parameters: Reconstructing) -> str | None:
    """Tell that a reconstruction was made with another background than the run has, or with none; None where not.

    Examples
    --------
    >>> import numpy as np, tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-32", n_shots=40, progress=False)
    >>> outdated(xfeldask.open_run(path), Reconstructing(background="0a1b"))
    'made with another background; reconstruct again with overwrite=True (--overwrite)'
    """
    when = other_background(run, parameters.background)
    return None if when is None else f"made {when}; reconstruct again with overwrite=True (--overwrite)"


class Unfinished(Reconstruction):
    """Checkpoint of a reconstruction that is to replace a finished one of the same name, ``/unfinished/<name>``."""

    room = "unfinished"


def refuse_unfinished(found: Reconstruction) -> None:
    """Refuse a checkpoint where a result is meant.

    Raises
    ------
    InputError
    """
    if not found.is_finished:
        raise InputError(f"{found.name} of {found.run.path} is not finished; repeat the reconstruct that it is from")


def _agreed(resolution: float) -> str:
    """Tell to what resolution half sets agree; infinity for none."""
    if not np.isfinite(resolution):
        return f"agree in no shell (correlation of {ALIKE:g} and more)"
    return f"agree to {told(resolution, 'm')} (correlation of {ALIKE:g} and more)"


def _explained(looked: HeldOut) -> str:
    """Tell what an intensity explains of shots that it was not made of."""
    words = f"shots explained {looked.gain:.1f} nat better each than by their mean profile"
    if looked.above is not None:
        words += f", and than {100 * looked.above:.0f} % of their likenesses whose bins were exchanged (by chance 50 %)"
    return words if looked.shows else f"{words}: nothing was found"
