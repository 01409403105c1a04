"""Formats of frames by name, and frames opened by what is there."""

from __future__ import annotations

from xfeldask.engines.simulated import ExperimentFile
from xfeldask.errors import FormatError, MissingFileError, MissingPhotonEnergyError
from xfeldask.formats.arrays import Hdf5Frames, NpyFrames, NpzFrames, ZarrFrames
from xfeldask.formats.condor import CondorFrames
from xfeldask.formats.cspi import CspiFrames
from xfeldask.formats.cxi import CxiFile
from xfeldask.formats.cxidb58 import Cxidb58Frames
from xfeldask.formats.emc import BinaryEmc, FlatEmcFrames, Hdf5EmcFrames
from xfeldask.formats.euxfel import EuxfelRun
from xfeldask.formats.frames import FrameFormat, Frames
from xfeldask.formats.psana_run import PsanaRun
from xfeldask.formats.simex import SimexFrames
from xfeldask.machine import exists
from xfeldask.physics.detectors import Geometry
from xfeldask.registry import Registry

FRAME_FORMATS: Registry[FrameFormat] = Registry(
    "format of frames",
    {
        "npy": NpyFrames,
        "hdf5": Hdf5Frames,
        "zarr": ZarrFrames,
        "experiment": ExperimentFile(),
        "npz": NpzFrames,
        "emc": BinaryEmc(),
        "emc_hdf5": Hdf5EmcFrames,
        "emc_flat": FlatEmcFrames,
        "cxi": CxiFile(),
        "condor": CondorFrames,
        "simex": SimexFrames,
        "cspi": CspiFrames,
        "cxidb58": Cxidb58Frames,
        "euxfel": EuxfelRun(hits_only=True),
        "euxfel_all": EuxfelRun(hits_only=False),
        "psana": PsanaRun,
    },
)
"""Those that come later are asked earlier whether they know a file."""


def recognised(source: str) -> str:
    """Return the name of the format of the frames that a path leads to.

    Raises
    ------
    MissingFileError, FormatError
        There is nothing at the path, or nothing that is known.

    Examples
    --------
    >>> import tempfile, numpy
    >>> path = tempfile.mkdtemp() + "/frames.dat"
    >>> with open(path, "wb") as file:
    ...     numpy.save(file, numpy.zeros((3, 2, 2)))
    >>> recognised(path)
    'npy'
    """
    _refuse_missing(source)
    for name in reversed(list(FRAME_FORMATS)):
        if FRAME_FORMATS[name].recognises(source):
            return name
    raise FormatError(source, f"holds no frames of a format that is known; known: {', '.join(FRAME_FORMATS)}")


def frames_at(
    source: str,
    kind: str | None,
    geometry: Geometry | None,
    photon_energy: float | None,
    otherwise: float | None = None,
) -> Frames:
    """Open frames of a format, or of the one that is recognised.

    `otherwise` is the photon energy of frames that tell none, where no `photon_energy` is given [eV].

    Raises
    ------
    MissingFileError, FormatError, InputError

    Examples
    --------
    >>> import tempfile, numpy
    >>> from xfeldask.physics.detectors import square
    >>> path = tempfile.mkdtemp() + "/frames.npy"
    >>> numpy.save(path, numpy.zeros((3, 2, 2)))
    >>> frames_at(path, None, square(2, 1e-3, 0.1), 4600.0).n_shots
    3
    >>> frames_at("gone.npy", None, None, None)
    Traceback (most recent call last):
    ...
    xfeldask.errors.MissingFileError: there is no gone.npy; give the path of frames
    """
    opener = FRAME_FORMATS[recognised(source) if kind is None else kind]
    _refuse_missing(source)
    try:
        return opener(source, geometry, photon_energy)
    except MissingPhotonEnergyError:
        if otherwise is None:
            raise
        return opener(source, geometry, otherwise)


def _refuse_missing(source: str) -> None:
    # a run of LCLS is no file
    if not PsanaRun.recognises(source) and not any(exists(place) for place in (source, source.partition(":/")[0])):
        raise MissingFileError(f"there is no {source}; give the path of frames")
