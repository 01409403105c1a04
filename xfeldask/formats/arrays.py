"""Frames in plain arrays: a .npy or .npz file, a dataset of an HDF5 file, a Zarr array."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

import h5py
import numpy as np
import zarr
from numpy.typing import NDArray

from xfeldask.errors import FormatError, InputError, MissingPhotonEnergyError
from xfeldask.formats.hdf5 import open_hdf5, reading
from xfeldask.formats.text import load_array, map_array
from xfeldask.formats.unpacking import Array, unpacked
from xfeldask.physics.detectors import Geometry, follows_pixels, wavelength
from xfeldask.physics.images import Counts
from xfeldask.store.elsewhere import is_zarr

TOO_MANY = 2**32
"""Photons of a pixel that no type holds that they are kept in."""


class ArrayFrames:
    """Frames of an array (shot, panel, ss, fs) or (shot, ss, fs), in the order of the detector's pixels.

    Modules that the array cuts into tiles, or stacks in one slab, take the shape that the geometry has.

    Parameters
    ----------
    source : str, where the array is, told in errors
    array : Array, of whole numbers, floating or not
    geometry : Geometry
    photon_energy : float [eV]

    Raises
    ------
    InputError
        No geometry, no photon energy, an array of another shape or of something else than numbers.

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> frames = ArrayFrames("run.npy", np.ones((5, 2, 2)), square(2, 1e-3, 0.1), 4600)
    >>> frames.n_shots, frames.read(range(1, 3)).shape
    (5, (2, 1, 2, 2))
    """

    def __init__(self, source: str, array: Array, geometry: Geometry | None, photon_energy: float | None) -> None:
        if geometry is None:
            raise InputError(f"{source} does not say where its pixels are; give its geometry (--detector)")
        if photon_energy is None:
            raise MissingPhotonEnergyError(
                f"{source} does not say its photon energy; give wavelength in m (--wavelength), or photon_energy in eV "
                "to open_frames"
            )
        pixels = tuple(array.shape[1:])
        # modules may be cut into tiles, or lie in one slab: pixels follow one another in the same order
        if len(pixels) not in (2, 3) or not follows_pixels(pixels, geometry.shape):
            raise InputError(
                f"{source} has the shape {tuple(array.shape)}; frames of this detector are (shot, "
                f"{', '.join(map(str, geometry.shape))}): give the geometry that belongs to them"
            )
        if array.dtype.kind not in "buif":
            raise InputError(f"{source} holds {array.dtype}; frames are numbers of photons")
        self.name, self.n_shots = Path(source.partition(":/")[0]).stem, int(array.shape[0])
        self.geometry, self.wavelength = geometry, wavelength(photon_energy)
        self.chunk = int((getattr(array, "chunks", None) or (1,))[0])
        self._source = source
        with reading(source):
            self._array = unpacked(array)

    def read(self, shots: range) -> Counts:
        """Photons of consecutive shots, unsigned integers (shot, panel, ss, fs).

        Raises
        ------
        InputError
            Photons that are negative or not whole, or more than 32 bits hold, in pixels that are not masked.
        """
        block = self.values(shots)
        if block.dtype.kind == "b":
            return block.view(np.uint8)
        if block.dtype.kind == "u" and block.itemsize <= 4:
            return block
        whole = (block >= 0) & (block < TOO_MANY) & (block == np.floor(block))
        wrong, bad = ~whole & self.geometry.mask, self.bad(shots)
        wrong &= True if bad is None else ~bad
        if wrong.any():
            first = tuple(int(i) for i in np.argwhere(wrong)[0])
            told = "photons are whole and not negative: turn them into photons first by photonize (--photonize)"
            if block[first] >= TOO_MANY:
                told = f"a pixel is kept with {TOO_MANY - 1} at most: mask it (--mask)"
            raise InputError(
                f"{self._source}: shot {shots.start + first[0]} has {block[first]} photons in pixel {first[1:]}; {told}"
            )
        return np.where(whole, block, 0).astype(np.uint32)

    def values(self, shots: range) -> NDArray[Any]:
        """Numbers of consecutive shots as they are in the file (shot, panel, ss, fs)."""
        with reading(self._source, shots):
            return np.asarray(self._array[shots.start : shots.stop]).reshape(-1, *self.geometry.shape)

    def bad(self, shots: range) -> NDArray[np.bool_] | None:  # noqa: ARG002
        """Pixels that are bad in single shots: an array tells of none."""
        return None

    @property
    def files(self) -> list[str]:
        """Files that a virtual data set has its frames in; none where frames are in the file that was opened."""
        path = self._source.partition(":/")[0]
        if not (isinstance(self._array, h5py.Dataset) and self._array.is_virtual):
            return []
        names = {source.file_name for source in self._array.virtual_sources()} - {"."}
        return sorted(str(beside if (beside := Path(path).parent / name).exists() else name) for name in names)

    def truth(self, shots: range) -> dict[str, NDArray[Any]]:  # noqa: ARG002
        """Nothing: an array knows nothing besides photons."""
        return {}


class NpyFrames(ArrayFrames):
    """Frames of a .npy file, which is mapped into memory and not read at once.

    Examples
    --------
    >>> import tempfile
    >>> from xfeldask.physics.detectors import square
    >>> path = tempfile.mkdtemp() + "/run.npy"
    >>> np.save(path, np.arange(8).reshape(2, 2, 2))
    >>> NpyFrames(path, square(2, 1e-3, 0.1), 4600).read(range(1, 2)).tolist()
    [[[[4, 5], [6, 7]]]]
    """

    def __init__(self, source: str, geometry: Geometry | None, photon_energy: float | None) -> None:
        super().__init__(source, map_array(source, "frames"), geometry, photon_energy)

    @staticmethod
    def recognises(source: str) -> bool:
        """Whether the file begins as .npy files do."""
        if not Path(source).is_file():
            return False
        with Path(source).open("rb") as file:
            return file.read(6) == b"\x93NUMPY"


def load_archive(path: str, name: str = "") -> dict[str, NDArray[np.generic]]:
    """Return the arrays of an .npz file by name, or only the one that is named, if it is there.

    Raises
    ------
    FormatError
        It cannot be read, or holds something else than arrays under such a name.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/run.npz"
    >>> np.savez(path, frames=np.ones((2, 2)), energy=np.ones(2))
    >>> sorted(load_archive(path)), sorted(load_archive(path, "energy")), load_archive(path, "none")
    (['energy', 'frames'], ['energy'], {})
    """
    with reading(path), np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files if not name or key == name}
    for key, array in arrays.items():
        if not isinstance(array, np.ndarray):  # NumPy gives the bytes of what does not begin as an array does
            raise FormatError(path, f"{key} is no array; the file is damaged")
    return arrays


def array_at(source: str, what: str) -> NDArray[np.generic]:
    """Read the array that ``file.npy``, ``file.npz:/name`` or ``file.h5:/name`` names; `what` names it in errors.

    Raises
    ------
    MissingFileError, FormatError

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/run.npz"
    >>> np.savez(path, dark=np.arange(3))
    >>> array_at(f"{path}:/dark", "background").tolist()
    [0, 1, 2]
    """
    path, _, name = source.partition(":/")
    if not name:
        return load_array(path, what)
    if Path(path).suffix == ".npz":
        arrays = load_archive(path, name)
        if name not in arrays:
            raise FormatError(source, "is not in the file; name an array of it")
        return arrays[name]
    with open_hdf5(path) as file, reading(source):
        if name not in file:
            raise FormatError(source, "is not in the file; name a dataset of it")
        return np.asarray(file[name][()])


class NpzFrames(ArrayFrames):
    """Frames of an array ``file.npz:/name``, or of the only one in the file that can hold frames; read at once.

    Examples
    --------
    >>> import tempfile
    >>> from xfeldask.physics.detectors import square
    >>> path = tempfile.mkdtemp() + "/run.npz"
    >>> np.savez(path, frames=np.ones((2, 2, 2)), energy=np.ones(2))
    >>> NpzFrames(path, square(2, 1e-3, 0.1), 4600).n_shots
    2
    """

    def __init__(self, source: str, geometry: Geometry | None, photon_energy: float | None) -> None:
        path, _, name = source.partition(":/")
        arrays = load_archive(path, name)
        found = [key for key, array in arrays.items() if array.ndim in (3, 4)]
        if len(found) != 1:
            told = ", ".join(f"{path}:/{key}" for key in found) or "it holds none"
            raise FormatError(source, f"name one array of frames (shot, panel, ss, fs); {told}")
        super().__init__(f"{path}:/{found[0]}", arrays[found[0]], geometry, photon_energy)

    @staticmethod
    def recognises(source: str) -> bool:
        """Whether the file before a colon and a slash, if there are any, is an archive of arrays."""
        path = source.partition(":/")[0]
        if not (Path(path).is_file() and is_zipfile(path)):
            return False
        try:
            return all(name.endswith(".npy") for name in ZipFile(path).namelist())
        except (BadZipFile, NotImplementedError):
            # of a version that nobody has written
            return False


class Hdf5Frames(ArrayFrames):
    """Frames of a dataset ``file.h5:/path/of/dataset``, or of the only one in the file that can hold frames.

    Examples
    --------
    >>> import tempfile
    >>> from xfeldask.physics.detectors import square
    >>> path = tempfile.mkdtemp() + "/run.h5"
    >>> with h5py.File(path, "w") as file:
    ...     file["entry/frames"] = np.ones((2, 2, 2))
    >>> Hdf5Frames(path + ":/entry/frames", square(2, 1e-3, 0.1), 4600).read(range(2)).shape
    (2, 1, 2, 2)
    """

    def __init__(self, source: str, geometry: Geometry | None, photon_energy: float | None) -> None:
        path, _, name = source.partition(":/")
        file = open_hdf5(path)
        with reading(source):
            found = [name] if isinstance(file.get(name) if name else None, h5py.Dataset) else _stacks(file)
        if len(found) != 1 or (name and found != [name]):
            told = ", ".join(f"{path}:/{name}" for name in found) or "it holds none"
            raise FormatError(source, f"name one dataset of frames (shot, panel, ss, fs); {told}")
        with reading(source):
            array = file[found[0]]
        super().__init__(f"{path}:/{found[0]}", array, geometry, photon_energy)

    @staticmethod
    def recognises(source: str) -> bool:
        """Whether the file before a colon and a slash, if there are any, is an HDF5 file."""
        path = source.partition(":/")[0]
        return Path(path).is_file() and bool(h5py.is_hdf5(path))


class ZarrFrames(ArrayFrames):
    """Frames of a Zarr array, of version 2 or 3.

    Examples
    --------
    >>> import tempfile
    >>> from xfeldask.physics.detectors import square
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = zarr.create_array(path, data=np.ones((2, 2, 2)))
    >>> ZarrFrames(path, square(2, 1e-3, 0.1), 4600).read(range(2)).shape
    (2, 1, 2, 2)
    """

    def __init__(self, source: str, geometry: Geometry | None, photon_energy: float | None) -> None:
        with reading(source):
            found = zarr.open(source, mode="r")
        if isinstance(found, zarr.Group):
            told = ", ".join(f"{source}/{name}" for name, array in found.arrays() if array.ndim in (3, 4))
            raise FormatError(source, f"is a Zarr group; name one of its arrays: {told or 'it holds none of frames'}")
        super().__init__(source, found, geometry, photon_energy)

    @staticmethod
    def recognises(source: str) -> bool:
        """Whether the folder holds the metadata of a Zarr array or group."""
        return is_zarr(Path(source))


def _stacks(file: h5py.File) -> list[str]:
    """Names of the datasets that can hold frames."""
    names: list[str] = []

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim in (3, 4) and item.dtype.kind in "buif":
            names.append(name)

    file.visititems(visit)
    return names
