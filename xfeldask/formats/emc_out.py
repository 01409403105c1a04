"""Dragonfly's files written: photons sparse, binary or HDF5, the detector, and which shots they are of."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from xfeldask.formats.dragonfly import BAD
from xfeldask.formats.emc import INT32, PLACES, SPARSE
from xfeldask.physics.detectors import Geometry, polarization, scattering_vector, solid_angle
from xfeldask.physics.images import Photons, photons_of_frames

Advance = Callable[[int], None]


def write_emc(path: Path, blocks: Iterable[NDArray[Any]], n_shots: int, n_pixels: int, advance: Advance) -> None:
    """Write a sparse binary file; places ascend in each shot, as Dragonfly's own programs write them.

    Parameters
    ----------
    path : Path
    blocks : iterable of frames, unsigned (shot, panel, ss, fs), in order
    n_shots, n_pixels : int
    advance : callable, is told how many shots are done

    Examples
    --------
    >>> import tempfile
    >>> from xfeldask.formats.emc import SparseEmcFrames
    >>> from xfeldask.physics.detectors import square
    >>> path = Path(tempfile.mkdtemp()) / "photons.emc"
    >>> frames = np.array([[[[0, 1], [5, 0]]], [[[0, 0], [0, 2]]]], np.uint8)
    >>> write_emc(path, [frames], 2, 4, lambda shots: None)
    >>> SparseEmcFrames(str(path), square(2, 1e-3, 0.1), 4600).read(range(2)).tolist()
    [[[[0, 1], [5, 0]]], [[[0, 0], [0, 2]]]]
    """
    header = np.zeros(256, INT32)
    header[:3] = n_shots, n_pixels, SPARSE
    with ExitStack() as stack:
        lengths = {name: stack.enter_context(TemporaryFile(dir=path.parent)) for name in ("ones", "multi")}
        lists = {name: stack.enter_context(TemporaryFile(dir=path.parent)) for name in PLACES}
        for block in blocks:
            for ones, places, counts in _lists(photons_of_frames(block)):
                for file, value in zip(lengths.values(), (len(ones), len(places)), strict=True):
                    file.write(INT32.type(value).tobytes())
                for file, values in zip(lists.values(), (ones, places, counts), strict=True):
                    file.write(values.astype(INT32).tobytes())
            advance(len(block))
        with path.open("wb") as out:
            out.write(header.tobytes())
            for file in (*lengths.values(), *lists.values()):
                file.seek(0)
                shutil.copyfileobj(file, out, 2**22)


def write_hdf5_emc(path: Path, blocks: Iterable[NDArray[Any]], n_shots: int, n_pixels: int, advance: Advance) -> None:
    """Write Dragonfly's HDF5 form, a list for each shot; parameters as of `write_emc`.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "photons.h5"
    >>> frames = np.array([[[[0, 1], [5, 0]]], [[[0, 0], [0, 2]]]], np.uint8)
    >>> write_hdf5_emc(path, [frames], 2, 4, lambda shots: None)
    >>> with h5py.File(path) as file:
    ...     [file[name][0].tolist() for name in PLACES]
    [[1], [2], [5]]
    """
    with h5py.File(path, "w") as file:
        file["num_pix"] = np.array([n_pixels], INT32)
        lists = [file.create_dataset(name, (n_shots,), h5py.vlen_dtype(INT32)) for name in PLACES]
        shot = count()
        for block in blocks:
            for values in _lists(photons_of_frames(block)):
                row = next(shot)
                for data, value in zip(lists, values, strict=True):
                    data[row] = value.astype(INT32)
            advance(len(block))


def write_dragonfly_detector(path: Path, geometry: Geometry) -> None:
    """Write a detector file in which a voxel at the beam is a pixel, HDF5.

    ``corr`` is the polarization factor times the solid angle [sr].

    Examples
    --------
    >>> import tempfile
    >>> from xfeldask.physics.detectors import square
    >>> path = Path(tempfile.mkdtemp()) / "det.h5"
    >>> write_dragonfly_detector(path, square(2, 1e-3, 0.1))
    >>> with h5py.File(path) as file:
    ...     file["qx"][()].round(3).tolist(), float(file["detd"][()].round(6))
    ([-0.5, 0.5, -0.5, 0.5], 100.0)
    """
    distance = float(geometry.pixel_position[..., 2].mean() / geometry.pixel_size)
    # the Ewald sphere's radius is the distance in pixels: near the beam a step of a pixel is one of a voxel
    q = scattering_vector(geometry.pixel_position, 1.0).reshape(-1, 3) * distance
    with h5py.File(path, "w") as file:
        for name, values in zip(("qx", "qy", "qz"), q.T, strict=True):
            file[name] = values
        file["corr"] = (polarization(geometry) * solid_angle(geometry)).ravel()
        file["mask"] = np.where(geometry.mask, 0, BAD).astype(np.uint8).ravel()
        file["detd"], file["ewald_rad"] = distance, distance


def write_lists(path: Path, shots: NDArray[np.int64], n_stored: int) -> None:
    """Write which shots of a store a file is of, ``<stem>_shots.txt``, and ``<stem>_blacklist.dat`` for those it has.

    The blacklist has a line for each shot of the store, 1 where Dragonfly is to leave it out.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "photons.emc"
    >>> write_lists(path, np.array([1, 2]), 4)
    >>> sorted(file.name for file in path.parent.iterdir())
    ['photons_blacklist.dat', 'photons_shots.txt']
    >>> (path.parent / "photons_blacklist.dat").read_text().split()
    ['1', '0', '0', '1']
    """
    kept = np.ones(n_stored, np.int64)
    kept[shots] = 0
    for file, values in zip(list_files(path), (shots, kept), strict=True):
        file.write_text("".join(f"{value}\n" for value in values.tolist()))


def list_files(path: Path) -> tuple[Path, Path]:
    """Return where `write_lists` writes which shots a file is of, and the blacklist.

    Examples
    --------
    >>> [file.name for file in list_files(Path("photons.emc"))]
    ['photons_shots.txt', 'photons_blacklist.dat']
    """
    return path.with_name(f"{path.stem}_shots.txt"), path.with_name(f"{path.stem}_blacklist.dat")


def _lists(photons: Photons) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Places of ones, places of more, and counts of those, of each shot."""
    for pixel, photons_there in photons:
        one = photons_there == 1
        yield pixel[one], pixel[~one], photons_there[~one]
