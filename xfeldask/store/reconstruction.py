"""A reconstruction of a run: the intensity that explains its shots, and the orientation of each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import xarray as xr
from pydantic import Field

from xfeldask.errors import CorruptStoreError, InputError, MissingFileError, RunError
from xfeldask.records import Record
from xfeldask.store.html import run_html
from xfeldask.store.layout import RUN
from xfeldask.store.leftovers import remove
from xfeldask.store.opening import child_groups, open_lazily
from xfeldask.store.publish import publish_group

if TYPE_CHECKING:
    from xfeldask.store.run import Run


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
    version: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Reconstruction:
    """A reconstruction in a store, ``/reconstruction/<name>``.

    Attributes
    ----------
    run : Run
    name : str

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=100, progress=False)
    >>> _ = xfeldask.reconstruct(path, resolution=12e-9, symmetry="D8", starts=1, progress=False)
    >>> found = xfeldask.open_run(path).reconstructions["emc"]
    >>> found.dataset().orientation.dims, found.is_finished
    (('shot', 'quaternion'), True)
    """

    run: Run
    name: str

    @classmethod
    def chosen(cls, run: Run, name: str | None) -> Reconstruction:
        """Return the reconstruction that is meant: the one asked for, or the only one.

        Raises
        ------
        MissingFileError
            The run has no reconstruction, or none of that name.
        InputError
            The run has several, and no name was given.
        CorruptStoreError
            It is of another run.
        """
        have = list(run.reconstructions)
        if not have:
            raise MissingFileError(f"{run.path} has no reconstruction; make one with xfeldask reconstruct {run.path}")
        if name is None and len(have) > 1:
            raise InputError(f"{run.path} has the reconstructions {', '.join(have)}; say which with --name")
        if name is not None and name not in have:
            raise MissingFileError(f"{run.path} has no group reconstruction/{name}; it has {', '.join(have)}")
        return cls(run, name or have[0]).refuse_other()

    @property
    def place(self) -> str:
        """The group in the store."""
        return f"reconstruction/{self.name}"

    def dataset(self) -> xr.Dataset:
        """Return ``/reconstruction/<name>`` as a lazy Dataset.

        Raises
        ------
        CorruptStoreError
            It tells of shots of another run.
        """
        return self.refuse_other().run.dataset(self.place)

    def refuse_other(self) -> Self:
        """Return the reconstruction itself if it tells of shots of this run.

        Raises
        ------
        CorruptStoreError
        """
        if not self.fits:
            raise CorruptStoreError(
                f"{self.run.path}: the reconstruction {self.name} was made from the shots of another run; make it "
                "again with overwrite=True (--overwrite)"
            )
        return self

    @cached_property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes of the group as they were when first asked for."""
        return dict(open_lazily(self.run.group, self.place).attrs)

    @property
    def parameters(self) -> Reconstructing:
        """Everything that the reconstruction depends on.

        Raises
        ------
        CorruptStoreError
            They cannot be read.
        """
        try:
            return Reconstructing.from_json(str(self.attributes["parameters"]))
        except (KeyError, CorruptStoreError) as error:
            told = f"{self.run.path}: the parameters of {self.name} cannot be read ({error})"
            raise CorruptStoreError(told) from None

    @property
    def fits(self) -> bool:
        """Whether the reconstruction tells of shots of this run."""
        same = self.attributes.get(RUN, self.run.identity) == self.run.identity
        return same and int(self.attributes.get("n_shots", 0)) == self.run.n_shots

    @property
    def is_finished(self) -> bool:
        """Whether all iterations were made; else it is a checkpoint, from which `reconstruct` goes on."""
        return bool(self.attributes.get("finished", False))

    @property
    def is_there(self) -> bool:
        """Whether the store has it now."""
        return self.name in child_groups(self.run.group, "reconstruction")

    def part(self, name: str) -> xr.Dataset:
        """Return a group in the group, in memory."""
        return open_lazily(self.run.group, f"{self.place}/{name}").load()

    def publish(self, found: xr.Dataset, parts: Mapping[str, xr.Dataset] | None = None) -> None:
        """Write the reconstruction in one step; an older one of the same name stays if that fails.

        Parameters
        ----------
        found : xarray.Dataset
        parts : Dataset by name, groups in it

        Raises
        ------
        InputError
            The disk is full or read-only.
        RunError
            The store holds another run by now.
        """
        if self.run.identity is not None:
            found = found.assign_attrs({RUN: self.run.identity})
        self.run.refuse_replaced()
        publish_group(self.run.path, self.place, found, parts)
        try:
            self.run.refuse_replaced()
        except RunError:
            # the run was replaced between the two looks; what tells of the old one is not to lie in the new
            remove(self.run.path / self.place)
            raise

    def __repr__(self) -> str:
        rows = [f"  {name:<12}{value}" for name, value in self.facts().items()]
        return "\n".join([f"<xfeldask.Reconstruction {self.name} of {self.run.path}>", *rows])

    def _repr_html_(self) -> str:
        return run_html(f"xfeldask.Reconstruction {self.name} of {self.run.path}", self.facts())

    def facts(self) -> dict[str, str]:
        """Return what a person wants to know first, by name."""
        parameters, found = self.parameters, self.dataset()
        resolution = 1 / float(found["s"].max())
        where = parameters.where or ("those accepted" if parameters.embedding else "all")
        return {
            "shots": f"{parameters.n_used:,} of {self.run.n_shots:,}, {where}",
            "grid": f"{found.sizes['u']}^3 points to {resolution * 1e9:.2f} nm, symmetry {parameters.symmetry}",
            "iterations": f"{found.sizes['step']}{'' if self.is_finished else ', not finished; reconstruct again'}",
            "information": f"{float(found['mean_information'][-1]):.1f} bit a shot",
        }
