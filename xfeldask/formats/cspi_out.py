"""Files of the reference pipeline, cspi, written: photons, assembled patterns, and what is known of the particles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from xfeldask.errors import InputError
from xfeldask.formats.cspi import S
from xfeldask.physics.detectors import assembled_index, assembled_shape, scattering_vector
from xfeldask.store.choosing.chosen import Chosen


def write_cspi(path: Path, chosen: Chosen, advance: Callable[[int], None]) -> None:
    """Write shots as the reference pipeline's tools read them.

    Parameters
    ----------
    path : Path
    chosen : Chosen
    advance : callable, is told how many shots are done

    Raises
    ------
    InputError
        Pixels hold more than its type can, uint8.
    """
    run, geometry = chosen.run, chosen.run.geometry
    row, column = assembled_index(geometry)
    shape = assembled_shape(geometry)
    with h5py.File(path, "w") as file:
        photons = file.create_dataset(
            "photons", (len(chosen), *geometry.shape), "u1", chunks=(1, *geometry.shape), compression="gzip",
            compression_opts=1,
        )  # fmt: skip
        patterns = file.create_dataset(
            "diffraction_patterns", (len(chosen), *shape), "f4", chunks=(1, *shape), compression="gzip",
            compression_opts=1,
        )  # fmt: skip
        start = 0
        for block in chosen.blocks():
            if block.max(initial=0) > np.iinfo(np.uint8).max:
                raise InputError(f"{run.path} has pixels of {block.max()} photons, and cspi's files hold 255; use cxi")
            assembled = np.zeros((len(block), *shape), np.float32)
            assembled[:, row, column] = block
            photons[start : start + len(block)], patterns[start : start + len(block)] = block, assembled
            start += len(block)
            advance(len(block))
        file[S] = scattering_vector(geometry.pixel_position, run.wavelength)
        file["pixel_index_map"] = np.stack([row, column], axis=-1).astype(np.int64)
        if run.atoms is not None:
            file["atomic_coordinates"] = run.atoms.position.astype(np.float32)
        _write_truth(file, chosen)


def _write_truth(file: h5py.File, chosen: Chosen) -> None:
    """Singles have one orientation, doubles two and positions; mixed sets one, and a mask of the singles."""
    n_particles, q, p = (chosen.values(name) for name in ("n_particles", "orientation", "position"))
    if q is None or not q.shape[1]:
        return
    doubles = n_particles is not None and len(n_particles) > 0 and bool((n_particles == 2).all())
    if doubles and q.shape[1] >= 2:
        file["orientations"] = q[:, :2]
        if p is not None:
            file["positions"] = p[:, :2]
        return
    file["orientations"] = q[:, 0]
    if n_particles is not None and not (n_particles == 1).all():
        file["single_hits_mask"] = (n_particles == 1).astype(np.uint8)
