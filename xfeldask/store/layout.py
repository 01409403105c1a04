"""Where things lie in a store: chunks, shards, codecs, and the template that is made before any shot."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.array_spec import ArrayConfigLike
from zarr.storage import MemoryStore

from xfeldask.errors import CorruptStoreError
from xfeldask.schema import COORDINATES, VARIABLES, Variable, named
from xfeldask.store.elsewhere import photon_store, stored_elsewhere
from xfeldask.store.packing.codecs import EXACT, compressors, pipeline

SHARD_BYTES = 256 * 2**20
IMAGES = ("image", "low_q")
IMAGES_PER_CHUNK = 16
TRUTH_PER_CHUNK = 2048
FORMAT = 5
"""What the bytes of a store mean, and how those of a simulated one come from its experiment; others are only read."""
INGESTED = range(4, FORMAT + 1)
"""Formats in which the bytes of ingested shots mean the same, so that any of them is gone on with."""

RUN = "run"
"""Attribute of arrays along shots, embeddings and selections: identity of the run that they are of."""

TRUTH = ("truth", "species")
"""Roles of what is known of a shot before it is drawn."""

READ = ("ideal_photons", "adu")
"""Stored where a detector's response stands between photons and counts."""

Flags = tuple[tuple[int, str], ...]

ALL_CHUNKS: ArrayConfigLike = {"write_empty_chunks": True}
"""Chunks of nothing but the fill value are written too: a file that is not there means that something is missing."""


@dataclass(frozen=True)
class Layout:
    """Shape of a store.

    Attributes
    ----------
    n_shots : int
    pixels : (panel, ss, fs)
    image : (y, x)
    low_q : (low_y, low_x)
    particles : int, room for particles of a shot
    photon_dtype : str
    intensity : bool, whether expected photons are stored
    shard : int, shots a shard
    truth : tuple of str, names of the truth that is known
    read : tuple of str, which of "ideal_photons" and "adu" are stored

    Examples
    --------
    >>> layout = Layout(5, (1, 4, 4), (2, 2), (4, 4), 1, "uint8", False, shard=2)
    >>> layout.n_shards, [list(layout.shots(shard)) for shard in range(3)]
    (3, [[0, 1], [2, 3], [4]])
    >>> layout.inner(VARIABLES["orientation"])
    (1, 4)
    """

    n_shots: int
    pixels: tuple[int, int, int]
    image: tuple[int, int]
    low_q: tuple[int, int]
    particles: int
    photon_dtype: str
    intensity: bool
    shard: int
    truth: tuple[str, ...] = tuple(v.name for v in named("truth"))
    read: tuple[str, ...] = ()

    @property
    def n_shards(self) -> int:
        """Number of shards, the last one possibly short."""
        return -(-self.n_shots // self.shard)

    def shots(self, shard: int) -> range:
        """Absolute shot indices of a shard."""
        return range(shard * self.shard, min(self.n_shots, (shard + 1) * self.shard))

    def inner(self, variable: Variable) -> tuple[int, ...]:
        """Shape of one shot of a variable."""
        size = {"particle": self.particles, "quaternion": 4, "xyz": 3, "xy": 2}
        size |= dict(zip(("panel", "ss", "fs"), self.pixels, strict=True))
        size |= dict(zip(("y", "x", "low_y", "low_x"), (*self.image, *self.low_q), strict=True))
        return tuple(size[dim] for dim in variable.dims[1:])

    def dtype(self, variable: Variable) -> np.dtype[Any]:
        """Type of a variable; that of photons is the experiment's choice."""
        return np.dtype(self.photon_dtype if variable.name in ("photons", "ideal_photons") else variable.dtype)

    def stored(self) -> list[Variable]:
        """Variables along `shot` that a store of this layout has."""
        along = [v for v in VARIABLES.values() if v.role in ("raw", "total", *TRUTH)]
        known = [v for v in along if v.role not in TRUTH or v.name in self.truth]
        absent = {*READ, "intensity"} - {*self.read, *(["intensity"] if self.intensity else [])}
        return [v for v in known if v.name not in absent]


def layout_of(group: zarr.Group) -> Layout:
    """Layout of an existing store, from its arrays' metadata.

    Examples
    --------
    >>> from zarr.storage import MemoryStore
    >>> layout = Layout(5, (1, 4, 4), (2, 2), (4, 4), 1, "uint8", False, 2)
    >>> root = create_template(MemoryStore(), layout, {"shot": np.arange(5)}, {"title": "a run"})
    >>> layout_of(root) == layout
    True
    """
    photons, image, low_q = (shot_array(group, name) for name in ("photons", "image", "low_q"))
    truth = tuple(v.name for role in TRUTH for v in named(role) if _is_there(group, v.name))
    shards = photons.shards if stored_elsewhere(group) is None else image.shards
    if shards is None or photons.ndim != 4 or image.ndim != 3 or low_q.ndim != 3:
        raise CorruptStoreError(f"{group.store_path}: photons, image or low_q have not the layout of a store")
    return Layout(
        photons.shape[0],
        (photons.shape[1], photons.shape[2], photons.shape[3]),
        (image.shape[1], image.shape[2]),
        (low_q.shape[1], low_q.shape[2]),
        _room_for_particles(group, truth),
        str(photons.dtype),
        "intensity" in group,
        shards[0],
        truth,
        tuple(name for name in READ if _is_there(group, name)),
    )


def _is_there(group: zarr.Group, name: str) -> bool:
    try:
        return name in group
    except (ValueError, KeyError, TypeError):
        return True  # and damaged, which is told by whoever reads it


def _room_for_particles(group: zarr.Group, truth: tuple[str, ...]) -> int:
    for name in truth:
        if "particle" in VARIABLES[name].dims:
            with suppress(CorruptStoreError):
                return int(shot_array(group, name).shape[1])
    return 0


def shot_array(group: zarr.Group, name: str, codec_pipeline: str = EXACT) -> zarr.Array[Any]:
    """Open an array of the root group, to be written, or to be read by `codecs.FAST`.

    Raises
    ------
    CorruptStoreError
        It is not there, or its metadata cannot be read.

    Examples
    --------
    >>> from zarr.storage import MemoryStore
    >>> layout = Layout(5, (1, 4, 4), (2, 2), (4, 4), 1, "uint8", False, 2)
    >>> root = create_template(MemoryStore(), layout, {"shot": np.arange(5)}, {"title": "a run"})
    >>> shot_array(root, "photons").shape
    (5, 1, 4, 4)
    """
    try:
        with pipeline(codec_pipeline):
            # photons that lie elsewhere are an array of a store of their own
            photons = photon_store(group) if name == "photons" else None
            array = (group if photons is None else zarr.open_group(photons, mode="r"))[name]
            if not isinstance(array, zarr.Array):
                raise CorruptStoreError(f"{group.store_path}: {name} is not an array")
            # an array's configuration is not stored with it
            return array.with_config(ALL_CHUNKS)
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptStoreError(f"{group.store_path}: the metadata of {name} cannot be read ({error})") from None


def shard_length(pixels: tuple[int, int, int], itemsize: int) -> int:
    """Shots a shard: as many as fit in `SHARD_BYTES` before compression, 1 to 1024, a power of two.

    Examples
    --------
    >>> shard_length((4, 512, 512), 1)
    256
    """
    fit = max(1, SHARD_BYTES // (prod(pixels) * itemsize))
    return int(min(1024, 2 ** (fit.bit_length() - 1)))


def create_template(
    path: Path | MemoryStore,
    layout: Layout,
    fixed: Mapping[str, NDArray[Any]],
    attributes: Mapping[str, Any],
    flags: Mapping[str, Flags] | None = None,
) -> zarr.Group:
    """Make a store with everything but the shots; the caller publishes it by a rename.

    Parameters
    ----------
    path : Path, must not exist, or a store in memory
    layout : Layout
    fixed : variables of role "fixed" by name
    attributes : of the root group
    flags : optional, values and meanings of variables along shots that are this store's own, by name

    Examples
    --------
    >>> from zarr.storage import MemoryStore
    >>> layout = Layout(5, (1, 4, 4), (2, 2), (4, 4), 1, "uint8", False, 2)
    >>> root = create_template(MemoryStore(), layout, {"shot": np.arange(5)}, {"title": "a run"})
    >>> root["photons"].chunks, root["photons"].shards, root.attrs["complete"]
    ((1, 1, 4, 4), (2, 1, 4, 4), False)
    """
    group = zarr.create_group(path, zarr_format=3)
    run = attributes.get("experiment_digest", attributes.get("ingest_digest"))
    for variable in layout.stored():
        if flags and variable.name in flags:
            variable = replace(variable, flags=flags[variable.name])
        create_shot_array(group, variable, layout, None if run is None else str(run))
    for name, value in fixed.items():
        write_whole(group, VARIABLES[name], value)
    here = [name for name in COORDINATES if name in fixed]
    group.update_attributes({**attributes, "coordinates": " ".join(here), "complete": False})
    return group


def create_shot_array(group: zarr.Group, variable: Variable, layout: Layout, run: str | None = None) -> zarr.Array[Any]:
    """Create an empty array along `shot`, cut so that a shard's task owns every storage unit it writes.

    Parameters
    ----------
    group : zarr.Group, the root
    variable : Variable
    layout : Layout
    run : str, optional, identity of the run that the array is of, which it carries

    Examples
    --------
    >>> from zarr.storage import MemoryStore
    >>> layout = Layout(5, (1, 4, 4), (2, 2), (4, 4), 1, "uint8", False, 2)
    >>> array = create_shot_array(zarr.create_group(MemoryStore()), VARIABLES["photon_energy"], layout)
    >>> array.shape, array.dtype.name, array.attrs["units"]
    ((5,), 'float64', 'eV')
    """
    inner = layout.inner(variable)
    shards: tuple[int, ...] | None = None
    if variable.role == "raw":
        one = min(IMAGES_PER_CHUNK, layout.shard) if variable.name in IMAGES else 1
        chunks, shards = (one, *inner), (layout.shard, *inner)
    else:
        length = layout.shard if variable.role == "total" else TRUTH_PER_CHUNK
        chunks = (min(length, layout.n_shots), *inner)
    with pipeline(EXACT):
        return group.create_array(
            variable.name,
            shape=(layout.n_shots, *inner),
            dtype=layout.dtype(variable),
            chunks=chunks,
            shards=shards,
            compressors=compressors(),
            fill_value=np.nan if variable.dtype.startswith("float") else 0,
            dimension_names=variable.dims,
            attributes=variable.attributes() | ({} if run is None else {RUN: run}),
            config=ALL_CHUNKS,
        )


def write_whole(group: zarr.Group, variable: Variable, value: NDArray[Any]) -> None:
    """Write a variable that has no `shot` dimension, or its index, in chunks of at most 16 MB.

    Examples
    --------
    >>> from zarr.storage import MemoryStore
    >>> root = zarr.create_group(MemoryStore())
    >>> write_whole(root, VARIABLES["xyz"], np.array(["x", "y", "z"]))
    >>> root["xyz"][:].tolist()
    ['x', 'y', 'z']
    """
    text = variable.dtype == "string"
    data = np.asarray(value, dtype=np.dtypes.StringDType() if text else variable.dtype)
    rows = data.shape[0]
    if not text and data.nbytes > 2**24:
        rows = max(1, rows * 2**24 // data.nbytes)
    with pipeline(EXACT):
        array = group.create_array(
            variable.name,
            shape=data.shape,
            dtype=data.dtype,
            chunks=(int(rows), *data.shape[1:]),
            compressors=compressors(),
            fill_value="" if text else 0,
            dimension_names=variable.dims,
            attributes=variable.attributes(),
            config=ALL_CHUNKS,
        )
    array[...] = data


def write_column(group: zarr.Group, name: str, values: NDArray[Any], attributes: Mapping[str, Any]) -> None:
    """Write numbers or text (shot,) that the schema does not know, in the chunks of truth.

    Examples
    --------
    >>> from zarr.storage import MemoryStore
    >>> root = zarr.create_group(MemoryStore())
    >>> write_column(root, "pulse_energy", np.array([0.1, 0.2]), {"units": "mJ"})
    >>> root["pulse_energy"][:].tolist(), root["pulse_energy"].metadata.dimension_names
    ([0.1, 0.2], ('shot',))
    """
    text = values.dtype.kind in "TUOS"
    data = np.asarray(values, np.dtypes.StringDType()) if text else values
    with pipeline(EXACT):
        array = group.create_array(
            name,
            shape=data.shape,
            dtype=data.dtype,
            chunks=(len(data) if text else min(TRUTH_PER_CHUNK, len(data)),),
            compressors=compressors(),
            fill_value="" if text else np.nan if data.dtype.kind == "f" else 0,
            dimension_names=("shot",),
            attributes=dict(attributes),
            config=ALL_CHUNKS,
        )
    array[...] = data
