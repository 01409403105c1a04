"""Frames in ADU, read as photons."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from xfeldask.config import Photonize
from xfeldask.errors import InputError
from xfeldask.formats.frames import Frames, columns_of
from xfeldask.formats.shot_columns import ShotColumn
from xfeldask.formats.text import load_array
from xfeldask.physics.images import Counts
from xfeldask.physics.photonizing import Correction, Photonized, bad_pixels, corrected, make_correction

SAMPLE = 32
"""Frames by which pixels are found that are bad throughout."""


@runtime_checkable
class Valued(Protocol):
    """What frames have that may be something else than photons yet."""

    def values(self, shots: range, /) -> NDArray[Any]:
        """Numbers of consecutive shots as they are in the file (shot, panel, ss, fs)."""

    def bad(self, shots: range, /) -> NDArray[np.bool_] | None:
        """Pixels that are bad in single shots, bool (shot, panel, ss, fs); None where the file tells of none."""


class PhotonizedFrames:
    """Photons of frames in ADU.

    Parameters
    ----------
    raw : Frames whose numbers may be anything
    correction : Correction

    Raises
    ------
    InputError
        The frames are a list of photons already.

    Examples
    --------
    >>> from xfeldask.formats.stacks import StackFrames, flat_panel
    >>> raw = StackFrames("run", np.array([[[0.4, 8.0, 17.0]]]), flat_panel((1, 3), 1e-3, 0.1), 4600.0)
    >>> PhotonizedFrames(raw, make_correction((1, 1, 3), gain=8.0)).read(range(1)).tolist()
    [[[[0, 1, 2]]]]
    """

    def __init__(self, raw: Frames, correction: Correction) -> None:
        if not isinstance(raw, Valued):
            raise InputError(f"{raw.name} holds photons already; leave photonize out")
        self.name, self.n_shots = raw.name, raw.n_shots
        self.geometry, self.wavelength = raw.geometry, raw.wavelength
        self.chunk = int(getattr(raw, "chunk", 1))
        self.raw, self.correction = raw, correction

    def photonized(self, shots: range) -> Photonized:
        """Photons of consecutive shots, their bad pixels, and the histogram."""
        found = corrected(self.raw.values(shots), self.correction, self.geometry.mask)
        more = self.raw.bad(shots)
        if more is not None:
            found.photons[more] = 0
        return found

    def read(self, shots: range) -> Counts:
        """Photons of consecutive shots, uint32 (shot, panel, ss, fs)."""
        return self.photonized(shots).photons

    def truth(self, shots: range) -> Mapping[str, NDArray[Any]]:
        """Return what the file knows of shots."""
        return self.raw.truth(shots)

    def columns(self) -> Mapping[str, ShotColumn]:
        """Return what the file tells of shots besides."""
        return columns_of(self.raw)

    def bad_throughout(self) -> NDArray[np.bool_]:
        """Pixels that are bad by what they give in some frames all over the file, bool (panel, ss, fs)."""
        some = np.unique(np.linspace(0, self.n_shots - 1, SAMPLE).astype(int)).tolist()
        sample = np.concatenate([self.raw.values(range(i, i + 1)) for i in some])
        return bad_pixels(sample, self.correction, self.geometry.mask)


def settled(asked: Photonize | Mapping[str, Any] | float | str) -> Photonize:
    """Return how ADU become photons, with absolute paths and the digest of files; a number or a path is the gain.

    Raises
    ------
    InputError

    Examples
    --------
    >>> settled(8).gain, settled({"gain": 8, "common_mode": "row"}).common_mode
    (8.0, 'row')
    """
    if isinstance(asked, Photonize):
        found = asked
    else:
        found = Photonize(**asked) if isinstance(asked, Mapping) else Photonize(gain=asked)
    state, places = hashlib.sha256(), {}
    for name in ("gain", "dark"):
        value = getattr(found, name)
        if isinstance(value, str):
            state.update(np.asarray(load_array(value, name), np.float64).tobytes())
            places[name] = str(Path(value).absolute())
    return found.model_copy(update={**places, "digest": state.hexdigest() if places else ""})


def read_correction(asked: Photonize, shape: tuple[int, int, int]) -> Correction:
    """Read the files of a correction for a detector of a shape (panel, ss, fs).

    Raises
    ------
    MissingFileError, FormatError, InputError

    Examples
    --------
    >>> read_correction(Photonize(gain=8), (1, 2, 2)).gain.tolist()
    [[[8.0, 8.0], [8.0, 8.0]]]
    """
    gain = load_array(asked.gain, "gain") if isinstance(asked.gain, str) else asked.gain
    dark = None if asked.dark is None else load_array(asked.dark, "dark")
    return make_correction(shape, gain, dark, asked.common_mode, asked.asic, asked.threshold)
