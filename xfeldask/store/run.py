"""A run: a store that was opened once, and all that is known of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import zarr
from numpy.typing import NDArray

from xfeldask.config import Experiment
from xfeldask.errors import CorruptStoreError, IncompleteStoreError, MissingFileError, RunError
from xfeldask.physics.atoms import Atoms, make_atoms
from xfeldask.physics.binning import ImageGrid, image_grid, low_q_grid
from xfeldask.physics.detectors import Geometry, make_geometry, wavelength
from xfeldask.physics.species import Form, Mixture
from xfeldask.physics.symmetry import SYMMETRY
from xfeldask.schema import DONE
from xfeldask.store.elsewhere import KEY, PhotonStore, photon_store
from xfeldask.store.html import run_html
from xfeldask.store.layout import IMAGES, Layout, layout_of, shot_array
from xfeldask.store.older import is_transposed, upright
from xfeldask.store.opening import open_root, stored_experiment
from xfeldask.store.packing.codecs import FAST
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.known_background import KnownBackground, read_known_background
from xfeldask.store.results.labels import read_labels
from xfeldask.store.results.reconstruction import Reconstruction
from xfeldask.store.results.selections import read_selections
from xfeldask.store.run_facts import run_facts
from xfeldask.store.storage.manifest import CHANGES
from xfeldask.store.storage.places import Mode, Place, place_of
from xfeldask.store.storage.urls import ObjectURL, StorePath, from_here, store_path
from xfeldask.store.volumes import ATOMS, read_form, read_mixture

if TYPE_CHECKING:
    import xarray as xr
    from zarr.abc.store import Store


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """A store opened once; make it by `open_run`. What is worked out is kept.

    A run may be sent to workers: it travels as its path and is opened there again.

    Attributes
    ----------
    path : Path, absolute, or URL where the store is in a bucket
    group : zarr.Group, the root
    mode : "r" to read, "r+" to write too

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=4, progress=False)
    >>> run = xfeldask.open_run(path)
    >>> run.n_shots, run.complete, run.symmetry
    (4, True, 'D8')
    >>> run.dataset().photons.dims
    ('shot', 'panel', 'ss', 'fs')
    """

    path: StorePath
    group: zarr.Group
    mode: Mode = "r"

    @classmethod
    def open(cls, path: str | StorePath | Store, mode: Mode = "r") -> Self:
        """Open a store, whole or not; see `open_run`."""
        found = store_path(path)
        return cls(found.absolute(), open_root(found, mode), mode)

    def __reduce__(self) -> tuple[Any, ...]:
        # an object of zarr has no name that another process knows
        path = self.path if isinstance(self.path, ObjectURL) else str(self.path)
        return type(self).open, (path, self.mode)

    @property
    def place(self) -> Place:
        """Where the store lies, and what can be done there."""
        return place_of(self.path)

    def reopened(self, mode: Mode | None = None) -> Self:
        """Return the run as it is on disk now."""
        return type(self).open(self.path, mode or self.mode)

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes of the root as they were when the run was opened."""
        return self.group.attrs.asdict()

    @property
    def complete(self) -> bool:
        """Whether all shots had been written when the run was opened."""
        return bool(self.attributes["complete"])

    def refuse_incomplete(self) -> Self:
        """Return the run itself if it is complete.

        Raises
        ------
        IncompleteStoreError
            Shots are still to be written.
        """
        if not self.complete:
            raise IncompleteStoreError(
                f"{self.path} is not complete; finish it with resume=True (--resume), or open what is there already by "
                "open_dataset with allow_incomplete=True"
            )
        return self

    @cached_property
    def layout(self) -> Layout:
        """Shapes as they are read, types and shards."""
        found = layout_of(self.group)
        if not self.is_transposed:
            return found
        (x, y), (low_x, low_y) = found.image, found.low_q
        return replace(found, image=(y, x), low_q=(low_y, low_x))

    @property
    def is_transposed(self) -> bool:
        """Whether images are stored with x along their rows, as in older stores; `read` and `dataset` turn them."""
        return is_transposed(self.attributes)

    @property
    def n_shots(self) -> int:
        """Shots that the store has room for."""
        return self.layout.n_shots

    def __contains__(self, name: str) -> bool:
        """Whether the store has a variable or a group."""
        return name in self.group or (name == "photons" and KEY in self.attributes)

    def array(self, name: str, codec_pipeline: str = FAST) -> zarr.Array[Any]:
        """Return an array of the root, to be read fast, or to be read and written with ``codecs.EXACT``."""
        key = name, codec_pipeline
        if key not in self._arrays:
            self._arrays[key] = shot_array(self.group, name, codec_pipeline)
        return self._arrays[key]

    @cached_property
    def _arrays(self) -> dict[tuple[str, str], zarr.Array[Any]]:
        return {}

    def read(self, name: str, shots: slice | int = slice(None)) -> NDArray[Any]:
        """Return values of an array of the root, of some shots or of all."""
        if name == "photons" and self._elsewhere is not None:
            return self._elsewhere.read(shots)
        values = np.asarray(self.array(name)[shots])
        return upright(values) if self.is_transposed and name in IMAGES else values

    @cached_property
    def _elsewhere(self) -> PhotonStore | None:
        return photon_store(self.group)

    def done(self, shots: slice = slice(None)) -> NDArray[np.bool_]:
        """Return which shots have been written by now, of some or of all, bool (shot,)."""
        return np.asarray(self.read("shot_status", shots) == DONE)

    @cached_property
    def experiment(self) -> Experiment | None:
        """What the shots were simulated from; None where they were not simulated."""
        return stored_experiment(self.group) if "experiment" in self.attributes else None

    @property
    def identity(self) -> str | None:
        """What tells these shots from any others, the digest of the experiment, or of what was ingested."""
        return _identity(self.attributes)

    def refuse_replaced(self, *, written: bool = False) -> None:
        """Refuse to go on where another run has taken the place of this one.

        Parameters
        ----------
        written : bool, refuse as well where all shots were written and some are to be written again

        Raises
        ------
        RunError
            What is at the path now is not what was opened.
        """
        try:
            now = json.loads(self.place.read("zarr.json"))["attributes"]
        except (OSError, ValueError, KeyError) as error:
            raise RunError(f"the run that was opened is gone: {self.path} cannot be read ({error})") from None
        old, new = ({k: v for k, v in attributes.items() if k not in CHANGES} for attributes in (self.attributes, now))
        if self.identity is not None:
            old, new = {"identity": self.identity}, {"identity": _identity(now)}
        if old != new:
            raise RunError(f"{self.path} was replaced by another run meanwhile; nothing was written, begin again")
        if written and self.complete and not now.get("complete", True):
            raise RunError(
                f"shots of {self.path} are being written anew; nothing was written, begin again when it is complete"
            )

    @cached_property
    def photon_energy(self) -> float:
        """Nominal photon energy [eV].

        Raises
        ------
        CorruptStoreError
            The store tells none.
        """
        found = self.attributes.get("photon_energy")
        if found is None and self.experiment is not None:
            return float(self.experiment.beam.photon_energy)
        if not isinstance(found, int | float):
            raise CorruptStoreError(f"{self.path} tells no photon energy; its attribute photon_energy [eV] is missing")
        return float(found)

    @property
    def wavelength(self) -> float:
        """Nominal wavelength [m]."""
        return wavelength(self.photon_energy)

    @property
    def bin(self) -> int:
        """Pixels a side of a bin of `image`."""
        return int(self._number("bin"))

    def _number(self, name: str) -> float:
        """Return a number among the attributes."""
        found = self.attributes.get(name)
        if not isinstance(found, int | float) or not np.isfinite(found):
            told = f"{self.path}: the attribute {name} is {found!r}, which is no number"
            raise CorruptStoreError(f"{told}; xfeldask verify names what is broken")
        return float(found)

    @cached_property
    def geometry(self) -> Geometry:
        """The detector, with its assembled index worked out once."""
        return make_geometry(self.read("pixel_position"), self._number("pixel_size"), self.read("mask").astype(bool))

    @cached_property
    def image_grid(self) -> ImageGrid:
        """Bins of `image` in reciprocal space.

        Raises
        ------
        CorruptStoreError
            They are not those of the stored images.
        """
        found = image_grid(self.geometry, self.wavelength, self.bin)
        if found.shape != self.layout.image:
            (y, x), (rows, columns) = self.layout.image, found.shape
            told = (
                f"{self.path}: images of {y} x {x} bins, by bin and pixel_position they would have {rows} x {columns}"
            )
            raise CorruptStoreError(f"{told}; xfeldask verify names what is broken")
        return found

    @cached_property
    def low_q_grid(self) -> ImageGrid:
        """Bins of `low_q` in reciprocal space."""
        return low_q_grid(self.geometry, self.wavelength)

    @cached_property
    def atoms(self) -> Atoms | None:
        """Atoms of the particle, or of the wanted species; None where the store does not tell."""
        if not self._has_atoms:
            return None
        position, element, occupancy = (self.read(name) for name in ATOMS)
        return make_atoms(position, element.tolist(), occupancy)

    @property
    def _has_atoms(self) -> bool:
        return all(name in self for name in ATOMS)

    @cached_property
    def mixture(self) -> Mixture | None:
        """Bodies and species that are in the beam; None where the store does not tell."""
        told = "species" in self.attributes or (self._has_atoms and "particle" in self.attributes)
        return read_mixture(self.group) if told else None

    @cached_property
    def background_shape(self) -> NDArray[np.float32] | None:
        """Where background photons fall, float32 (panel, ss, fs), 1 on average; None where everywhere alike."""
        return self.read("background_shape") if "background_shape" in self else None

    @property
    def species(self) -> list[str]:
        """Names of the species, in the order of the indices in ``species (shot, particle)``; none where there is one.

        The first is the wanted one, unless the experiment says otherwise.
        """
        return [str(name) for name in self.attributes.get("species", [])]

    @property
    def symmetry(self) -> str | None:
        """Point group of the particle; None where it is not known."""
        try:
            experiment = self.experiment
            if experiment is None:
                return None
            wanted = list(experiment.named_species().values())[experiment.wanted_index]
            is_whole = wanted.copies == 1 and wanted.half is None and wanted.chains is None and wanted.hinge is None
            return SYMMETRY.get(wanted.source or "") if is_whole else None
        except CorruptStoreError:
            return None

    @cached_property
    def forms(self) -> tuple[Form, ...]:
        """Form factors of all bodies of the mixture.

        Raises
        ------
        MissingFileError
            The store holds none.
        CorruptStoreError
            One cannot be read.
        """
        mixture = self.mixture
        if mixture is None or not all(f"volume/{body.name}" in self for body in mixture.bodies):
            raise MissingFileError(f"{self.path} holds no form factor; it was not simulated")
        return tuple(read_form(self.group, body) for body in mixture.bodies)

    @property
    def volume(self) -> Form:
        """Form factor of the particle, or of the first body of the wanted species; errors as of `forms`."""
        forms = self.forms
        assert self.mixture is not None
        return forms[self.mixture.bodies.index(self.mixture.wanted_body)]

    @property
    def embeddings(self) -> dict[str, Embedding]:
        """Embeddings by name, in order of name, as they are on disk now."""
        return Embedding.all_of(self)

    @property
    def reconstructions(self) -> dict[str, Reconstruction]:
        """Reconstructions by name, in order of name, as they are on disk now."""
        return Reconstruction.all_of(self)

    @property
    def known_background(self) -> KnownBackground | None:
        """Background that was measured or given, as it is on disk now; None where none was."""
        return read_known_background(self)

    @property
    def selections(self) -> dict[str, xr.DataArray]:
        """Selections by name, bool (shot,), as they are on disk now."""
        return read_selections(self)

    @property
    def labels(self) -> dict[str, xr.DataArray]:
        """Labels by the name of who gave them, int8 (shot,), as they are on disk now."""
        return read_labels(self)

    def embedding(self, name: str | None = None) -> Embedding:
        """Return the embedding that is meant: the one asked for, or the only one.

        Raises
        ------
        MissingFileError, UnknownNameError, InputError
            There is none, or none of that name, or there are several and no name is given.
        """
        return Embedding.chosen(self, name)

    def dataset(self, group: str | None = None, chunks: Any = "shard") -> xr.Dataset:
        """Return the store, or a group of it, as a lazy Dataset; parameters as of `xfeldask.open_dataset`."""
        from xfeldask.store.run_dataset import run_dataset  # by xarray, which takes long to import

        return run_dataset(self, group, chunks)

    def __repr__(self) -> str:
        rows = [f"  {name:<17}{value}" for name, value in self.facts().items()]
        return "\n".join([f"<xfeldask.Run {from_here(self.path)}>", *rows])

    def _repr_html_(self) -> str:
        return run_html(f"xfeldask.Run {from_here(self.path)}", self.facts())

    def facts(self) -> dict[str, str]:
        """Return what a person wants to know first, by name."""
        return run_facts(self)


def open_run(store: str | StorePath | Store, *, mode: Mode = "r") -> Run:
    """Open a store that may still be being written.

    Parameters
    ----------
    store : path, URL such as ``s3://bucket/run.zarr``, or zarr store, such as that of a session of Icechunk
    mode : "r" to read, "r+" to write too

    Returns
    -------
    Run

    Raises
    ------
    MissingFileError, InputError, CorruptStoreError
        There is nothing at the path, it is not a store of this package, or it cannot be read.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=4, progress=False)
    >>> print(str(open_run(path)).splitlines()[1].strip())
    shots            4 of 4 done, 1 shard
    """
    return Run.open(store, mode)


def open_dataset(
    store: str | StorePath | Store, *, group: str | None = None, allow_incomplete: bool = False, chunks: Any = "shard"
) -> xr.Dataset:
    """Open a store lazily.

    Parameters
    ----------
    store : path, URL such as ``s3://bucket/run.zarr``, or zarr store, such as that of a session of Icechunk
    group : str, optional, such as ``"latent/ipca"``
    allow_incomplete : bool, whether a store that is still being written may be opened
    chunks : "shard" to have photons, images and intensities as Dask arrays cut as the store is sharded; None for
        no Dask arrays, the quickest way to single shots; anything else as `xarray.DataArray.chunk` takes it

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    MissingFileError, IncompleteStoreError, InputError, CorruptStoreError
        There is nothing at the path, shots are still to be written, it is not a store of this package, or it cannot be
        read.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=4, progress=False)
    >>> xfeldask.open_dataset(path).photons.dims
    ('shot', 'panel', 'ss', 'fs')
    """
    run = Run.open(store)
    return (run if allow_incomplete else run.refuse_incomplete()).dataset(group, chunks)


def _identity(attributes: Mapping[str, Any]) -> str | None:
    found = attributes.get("experiment_digest", attributes.get("ingest_digest"))
    return None if found is None else str(found)
