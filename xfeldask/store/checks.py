"""Checks of a store against its checksums, its totals and the schema.

Everything is read through zarr's own pipeline: zarrs skips crc32c where it reads a part of a shard.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from xfeldask.errors import CorruptStoreError, UnreachableError, first_line, printable
from xfeldask.schema import DONE, PUBLISHED, VARIABLES, Variable, named
from xfeldask.store.elsewhere import KEY
from xfeldask.store.intake import stored_intake
from xfeldask.store.layout import IMAGES, Layout
from xfeldask.store.older import AXES
from xfeldask.store.opening import stored_experiment
from xfeldask.store.packing.codecs import EXACT
from xfeldask.store.results.by_name import is_of
from xfeldask.store.run import Run
from xfeldask.store.storage.manifest import broken
from xfeldask.store.storage.places import Place
from xfeldask.store.volumes import MEMBERS, VOLUME, body_arrays

BLOCK_BYTES = 2**24
"""Values read together."""

FULL_BIN = np.iinfo(np.uint16).max
NO_SHOT = range(0)
LEFT = "a run that was killed left it beside the store; the next one that writes removes it or puts it back"
OTHER = "belongs to another run"


@dataclass(frozen=True)
class Problem:
    """Something that is wrong in a store.

    Attributes
    ----------
    variable : str, path of the array in the store, or name of an attribute of the root
    shots : range, absolute indices of the shots that it spoils; empty where it is none in particular
    what : str

    Examples
    --------
    >>> print(Problem("photons", range(3, 5), "the checksum does not match"))
    photons, shots 3 to 4: the checksum does not match
    """

    variable: str
    shots: range
    what: str

    def __str__(self) -> str:
        first, last = self.shots.start, self.shots.stop - 1
        which = {0: "", 1: f", shot {first}"}.get(len(self.shots), f", shots {first} to {last}")
        return printable(f"{self.variable}{which}: {self.what}")


def check_shard(run: Run, shard: int) -> list[Problem]:
    """Read all that the task of a shard wrote, a few shots at a time.

    Parameters
    ----------
    run : Run
    shard : int
    """
    layout, complete = run.layout, run.complete
    shots = layout.shots(shard)
    problems: list[Problem] = []
    total = {v.name: _total(run, v.name, shots, problems) for v in named("total")}
    pending = np.full(len(shots), not complete) if total["shot_status"] is None else total["shot_status"] != DONE
    if pending.any():
        what = "not done, though the store is marked complete" if complete else "not done yet; --resume goes on"
        which = (shots.start + np.flatnonzero(pending)).tolist()
        told = [Problem("shot_status", range(i, i + 1), what) for i in which]
        return merged([*problems, *told] if complete else told)
    for name in (v.name for v in layout.stored() if v.role == "raw"):
        for some, values in _read(run, name, shots, problems):
            if total["photon_count"] is not None and name in ("photons", *IMAGES):
                count = total["photon_count"][some.start - shots.start : some.stop - shots.start]
                problems += _differing(name, some, values, count)
    return merged(problems)


def check_node(run: Run, name: str) -> list[Problem]:
    """Compare an array's metadata with the schema, and read it unless shards' tasks wrote it.

    Parameters
    ----------
    run : Run
    name : str, path of the array or group in the store
    """
    layout = run.layout
    made = name.startswith(("known_background/", "latent/", "reconstruction/", "unfinished/"))
    variable = None if made else VARIABLES.get(name.rsplit("/", 1)[-1])
    try:
        node = run.group[name]
    except (ValueError, KeyError, TypeError) as error:
        return [Problem(name, _along(variable, layout), f"the metadata cannot be read ({first_line(error)})")]
    if isinstance(node, zarr.Group):
        return _group_problems(run, name, node)
    if variable is None:
        return merged(_chunk_problems(run.place, name, node))
    problems = _schema_problems(name, node, variable, layout)
    if not is_of(run, node.attrs):
        problems.append(Problem(name, _along(variable, layout), OTHER))
    if variable.role not in ("raw", "total"):
        problems += _chunk_problems(run.place, name, node)
    return merged(problems)


def check_root(run: Run) -> list[Problem]:
    """Compare the root's attributes with each other, with the arrays that are there, and look beside the store."""
    layout, attributes = run.layout, run.attributes
    stored = layout.stored()
    problems = [Problem(name, NO_SHOT, LEFT) for name in run.place.leftovers()]
    problems += [Problem(name or "attributes of the root", NO_SHOT, what) for name, what in broken(run.path)]
    expected = [v.name for v in stored if v.role != "truth"] + str(attributes.get("coordinates", "")).split()
    axes = {dim for v in stored for dim in v.dims if dim in VARIABLES}
    expected += sorted(axes - set(AXES) if run.is_transposed else axes)
    if "experiment" in attributes or "experiment_digest" in attributes:
        problems += _experiment_problems(run)
        expected += [v.name for v in named("truth")]
        expected += [v.name for v in named("species")] if "species" in attributes else []
        expected += [*_expected_of_experiment(run), *_expected_of_bodies(run)]
    intake = stored_intake(run.group)
    if intake is not None:
        expected += intake.variables
        if intake.digest != attributes.get("ingest_digest"):
            problems.append(Problem("ingest", NO_SHOT, "does not match its digest"))
    elsewhere, there = {"photons"} if KEY in attributes else set(), set(node_names(run))
    gone = [name for name in expected if name not in there and name not in elsewhere]
    return problems + [Problem(name, _along(VARIABLES.get(name), layout), "the array is missing") for name in gone]


def _expected_of_experiment(run: Run) -> list[str]:
    """Arrays that are there because the experiment asks for them."""
    try:
        experiment = stored_experiment(run.group)
    except CorruptStoreError:
        return []  # told by `_experiment_problems`
    response = experiment.detector.response
    asked = {
        "intensity": experiment.intensity,
        "background_shape": experiment.background is not None,
        "adu": response is not None and response.adu,
        **dict.fromkeys(("ideal_photons", "pixel_gain", "hot_pixel"), response is not None),
    }
    return [name for name, there in asked.items() if there]


def _expected_of_bodies(run: Run) -> list[str]:
    """Arrays that the groups of bodies and species have."""
    expected = []
    for body in run.attributes.get("bodies", [run.attributes.get("particle")]):
        try:
            group = run.group.get(f"volume/{body}")
        except (ValueError, KeyError, TypeError):
            continue  # told by `check_node`
        known = body_arrays(group) if isinstance(group, zarr.Group) else VOLUME
        expected += [f"volume/{body}/{name}" for name in known]
    return expected + [f"volume/{species}/{name}" for species in run.species for name in MEMBERS]


def _group_problems(run: Run, name: str, group: zarr.Group) -> list[Problem]:
    """Tell what is wrong with a group that was published on its own; nothing of any other."""
    parts = name.split("/")
    if parts[0] not in PUBLISHED or len(parts) != 2:
        return []
    problems = [Problem(f"{name}/{node}" if node else name, NO_SHOT, what) for node, what in broken(run.path / name)]
    if not is_of(run, group.attrs):
        problems.append(Problem(name, NO_SHOT, OTHER))
    there = group.attrs.get("n_shots", run.n_shots)
    if run.complete and there != run.n_shots:
        problems.append(Problem(name, NO_SHOT, f"tells of {there} shots, the store has {run.n_shots}; make it again"))
    return problems


def node_names(run: Run) -> list[str]:
    """Return paths of the groups and arrays in a store, readable or not."""
    return run.place.nodes()


def merged(problems: Iterable[Problem]) -> list[Problem]:
    r"""Join problems of neighbouring shots that say the same.

    Examples
    --------
    >>> found = [Problem("image", range(i, i + 1), "the checksum does not match") for i in (3, 4, 9)]
    >>> print(*merged(found), sep="\n")
    image, shots 3 to 4: the checksum does not match
    image, shot 9: the checksum does not match
    """
    out: list[Problem] = []
    for problem in problems:
        last = out[-1] if out else problem
        same = (last.variable, last.what) == (problem.variable, problem.what)
        if out and same and last.shots.stop == problem.shots.start:
            out[-1] = replace(last, shots=range(last.shots.start, problem.shots.stop))
        else:
            out.append(problem)
    return out


def _total(run: Run, name: str, shots: range, problems: list[Problem]) -> NDArray[Any] | None:
    blocks = [values for _, values in _read(run, name, shots, problems)]
    return np.concatenate(blocks) if sum(map(len, blocks)) == len(shots) else None


def _read(run: Run, name: str, shots: range, problems: list[Problem]) -> Iterator[tuple[range, NDArray[Any]]]:
    """Values of a shard's shots, a few at a time; those that cannot be read go to `problems` instead."""
    try:
        array = run.array(name, EXACT)
    except CorruptStoreError:
        return  # `check_node` or `check_root` tells it, once
    outer, chunk = (array.shards or array.chunks)[0], array.chunks[0]
    is_elsewhere = name == "photons" and KEY in run.attributes
    gone = "" if is_elsewhere else _gone(run.place, f"{name}/{_key(array, (shots.start // outer,))}")
    if gone:
        problems.append(Problem(name, shots, gone))
        return
    few = chunk * max(1, BLOCK_BYTES // (chunk * prod(array.shape[1:]) * array.dtype.itemsize))
    for some in _cut(shots, few):
        values = _values(array, slice(some.start, some.stop))
        if not isinstance(values, str):
            yield some, values
            continue
        for part in _cut(some, chunk):
            values = _values(array, slice(part.start, part.stop))
            if isinstance(values, str):
                problems.append(Problem(name, part, values))
            else:
                yield part, values


def _values(array: zarr.Array[Any], *region: slice) -> NDArray[Any] | str:
    """Values, or the reason why they cannot be read."""
    try:
        return np.asarray(array[region])
    except UnreachableError:
        raise
    except Exception as error:  # a decoder may raise anything on damaged bytes
        line = first_line(error)
        return "the checksum does not match" if "checksum" in line else f"it cannot be decoded ({line})"


def _differing(name: str, shots: range, values: NDArray[Any], count: NDArray[Any]) -> list[Problem]:
    """Shots whose pixels or bins do not sum to their photon count; a full bin may hold less."""
    flat = values.reshape(len(shots), -1)
    total = flat.sum(axis=1, dtype=np.int64)
    wrong = total > count if name == "low_q" else total != count
    if name == "image":
        wrong &= ~((flat == FULL_BIN).any(axis=1) & (total < count))
    return [
        Problem(name, range(shots[i], shots[i] + 1), f"holds {total[i]} photons, photon_count says {count[i]}")
        for i in np.flatnonzero(wrong).tolist()
    ]


def _chunk_problems(place: Place, name: str, array: Any) -> list[Problem]:
    """Chunks of an array that are missing or cannot be read."""
    step = array.shards or array.chunks
    along_shots = (array.metadata.dimension_names or (None,))[0] == "shot"
    problems = []
    for corner in product(*(range(0, size, length) for size, length in zip(array.shape, step, strict=True))):
        region = tuple(slice(low, min(low + n, size)) for low, n, size in zip(corner, step, array.shape, strict=True))
        shots = range(region[0].start, region[0].stop) if along_shots else NO_SHOT
        key = _key(array, tuple(low // length for low, length in zip(corner, step, strict=True)))
        what = _gone(place, f"{name}/{key}") or _values(array, *region)
        if isinstance(what, str):
            problems.append(Problem(name, shots, what))
    return problems


def _gone(place: Place, key: str) -> str:
    """Tell what is wrong with a file that zarr would take for values never written; empty where nothing is."""
    size = place.size(key)
    return "the file is missing" if size is None else "" if size else "the file is empty"


def _schema_problems(name: str, array: Any, variable: Variable, layout: Layout) -> list[Problem]:
    dtype = np.dtypes.StringDType() if variable.dtype == "string" else layout.dtype(variable)
    found = {
        "dimensions": (array.metadata.dimension_names, variable.dims),
        "type": (array.dtype, dtype),
        "units": (array.attrs.get("units"), variable.attributes().get("units")),
        "length": (array.shape[0], layout.n_shots if variable.dims[0] == "shot" else array.shape[0]),
    }
    return [
        Problem(name, _along(variable, layout), f"{what} {stored!s}, should be {due!s}")
        for what, (stored, due) in found.items()
        if stored != due
    ]


def _experiment_problems(run: Run) -> list[Problem]:
    try:
        experiment = stored_experiment(run.group)
    except CorruptStoreError as error:
        return [Problem("experiment", NO_SHOT, str(error))]
    problems, n_shots, seed = [], run.n_shots, run.attributes.get("seed")
    if experiment.digest != run.identity:
        problems.append(Problem("experiment", NO_SHOT, "does not match its digest"))
    if experiment.n_shots != n_shots:
        problems.append(Problem("experiment", NO_SHOT, f"{experiment.n_shots} shots, photons has {n_shots}"))
    if experiment.seed != seed:
        problems.append(Problem("seed", NO_SHOT, f"{seed}, the experiment's is {experiment.seed}"))
    return problems


def _along(variable: Variable | None, layout: Layout) -> range:
    return range(layout.n_shots) if variable is not None and variable.dims[0] == "shot" else NO_SHOT


def _cut(shots: range, length: int) -> list[range]:
    return [range(start, min(start + length, shots.stop)) for start in range(shots.start, shots.stop, length)]


def _key(array: Any, index: tuple[int, ...]) -> str:
    """File of a chunk or shard, from its place along the first axes."""
    return str(array.metadata.encode_chunk_key((*index, *(0,) * (len(array.shape) - len(index)))))
