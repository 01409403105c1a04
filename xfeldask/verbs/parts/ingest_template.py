"""The store of frames before their photons: detector, what files tell of each shot, and where it all comes from."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from xfeldask.engines.preparation import blocks_of, detector_variables
from xfeldask.errors import InputError, UnreachableError
from xfeldask.formats.frames import Frames, columns_of
from xfeldask.formats.joined import JoinedFrames
from xfeldask.physics.binning import bin_factor, low_q_bin
from xfeldask.physics.photonizing import histogram_centers
from xfeldask.schema import is_taken
from xfeldask.store.adu_histogram import create_histogram
from xfeldask.store.elsewhere import KEY, Elsewhere
from xfeldask.store.intake import Intake
from xfeldask.store.layout import FORMAT, Layout, create_template, shot_array, write_column
from xfeldask.store.run import Run
from xfeldask.store.storage.manifest import seal
from xfeldask.store.storage.places import place_of
from xfeldask.store.storage.publish import replaced_group
from xfeldask.store.storage.urls import StorePath
from xfeldask.verbs.parts.simulation_template import VERSIONS


def publish_frames(
    path: StorePath, frames: JoinedFrames, layout: Layout, intake: Intake, elsewhere: Elsewhere | None = None, *,
    keep: bool = False,
) -> Run:  # fmt: skip
    """Write a store of everything but photons beside `path`, then move it there in one step.

    What was there before is kept beside it if `keep`, until `put_back` or `let_go`.
    """
    try:
        place_of(path).sweep_beside()
        with replaced_group(path, keep=keep) as fresh:
            fixed = detector_variables(frames.geometry, layout.n_shots, frames.wavelength)
            root = create_template(fresh, layout, fixed, _attributes(frames, intake))
            if frames.photonizes:
                create_histogram(root, layout.n_shards, histogram_centers())
            _write_truth(root, frames, layout)
            _write_columns(root, frames)
            if elsewhere is not None:
                del root["photons"]
                root.attrs[KEY] = elsewhere.to_json()
            seal(fresh)
    except (OSError, RuntimeError) as error:
        if isinstance(error, InputError | UnreachableError):
            raise
        raise InputError(f"cannot write {path}: {error}; choose a disk with room that may be written") from error
    return Run.open(path, "r+")


def _write_truth(root: zarr.Group, frames: Frames, layout: Layout) -> None:
    for block in blocks_of(layout.n_shots):
        shots = range(int(block[0]), int(block[-1]) + 1)
        for name, values in frames.truth(shots).items():
            array = shot_array(root, name)
            value: NDArray[Any] = np.asarray(values, array.dtype)
            if value.shape != (len(shots), *array.shape[1:]):
                due = (len(shots), *array.shape[1:])
                raise InputError(f"{frames.name} tells {name} as {value.shape}; it must be {due}")
            array[shots.start : shots.stop] = value


def _write_columns(root: zarr.Group, frames: Frames) -> None:
    identifiers = []
    for name, column in columns_of(frames).items():
        if is_taken(name) or not name.isidentifier():
            raise InputError(f"{frames.name} has a column {name!r}; choose an identifier that nothing in a store has")
        attributes: dict[str, Any] = {"long_name": column.long_name}
        if np.asarray(column.values).dtype.kind in "buif":
            attributes["units"] = column.units
        if column.flags:
            attributes["flag_values"] = [value for value, _ in column.flags]
            attributes["flag_meanings"] = " ".join(meaning for _, meaning in column.flags)
        write_column(root, name, np.asarray(column.values), attributes)
        identifiers += [name] if column.identifier else []
    root.attrs["coordinates"] = " ".join([str(root.attrs["coordinates"]), *identifiers])


def _attributes(frames: Frames, intake: Intake) -> dict[str, Any]:
    geometry = frames.geometry
    return {
        "title": f"{frames.n_shots} diffraction shots of {frames.name}",
        "Conventions": "CF-1.11",
        "format": FORMAT,
        "ingest": intake.to_json(),
        "ingest_digest": intake.digest,
        "photon_energy": intake.photon_energy,
        "pixel_size": geometry.pixel_size,
        "bin": bin_factor(geometry),
        "low_q_bin": low_q_bin(geometry),
        "versions": {name: version(name) for name in VERSIONS},
    }
