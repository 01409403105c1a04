"""From photons to what a detector reads, and to the photons that are counted of it.

The charge of a photon spreads to the eight pixels around its own. Each pixel multiplies what it collects by its gain,
and adds noise and the level of the group that it is read with; what comes out is divided by the gain that all pixels
are thought to have, levels are subtracted, and one photon is counted from the threshold, as by
`xfeldask.physics.photonizing.photonize`.

There are two ways to the same counts. `Readout.frame` draws the noise of every pixel, which gives ADU and takes a
million normal variates a shot. `Readout.counts` draws noise only for pixels that collected charge, and for all others
just the false photons above the threshold, so that its cost grows with the photons and not with the pixels.

Exact in `counts`, in distribution: which pixels collect what; noise, gain and saturation; the number of pixels in which
noise alone passes for a photon, their places (a Bernoulli trial a pixel, by geometric gaps), and what is counted there
(the normal distribution's tail).

Approximate: levels are taken as found without an error. In frames they are off by as much as a median is, so that at a
noise of 0.2 photon noise passes for a photon more often by a factor of 1.05 where groups have 256 pixels, and of 1.23
where they have 64; and charge below the threshold lifts the level where a good part of a group is lit (of 48,000
photons on the pnCCD 0.3 % fewer are counted). ADU are not rounded. In both ways, shares below a thousandth of a photon
are left out, and photons on masked pixels give nothing to those around them.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.config import Response
from xfeldask.errors import InputError
from xfeldask.physics.charge import Keys, Pixels, count_photons, read_pixels, spread
from xfeldask.physics.detectors import Geometry
from xfeldask.physics.draws import Stream, stream_key, uniform
from xfeldask.physics.images import refuse_event
from xfeldask.physics.photonizing import Correction, corrected, make_correction
from xfeldask.physics.variates import NORMAL_CUT, cut_normals

WIDEST = 1 / 3
"""Pixels that the charge of a photon may have as its standard deviation: three more reach beyond the next pixel."""
MOST_LEVEL = 0.5
"""Photons of a level that photonizing still finds."""


@dataclass(frozen=True, eq=False)
class Readout:
    """A detector that reads photons; make it by `make_readout`, which checks it.

    Attributes
    ----------
    pixels : Pixels
    correction : Correction, how its ADU become photons
    seed : int
    photon_energy : float, nominal [eV]
    level : float, standard deviation of the level of a group [photons]
    adu : bool, whether photons are counted from frames in ADU

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> readout = make_readout(Response(noise=690.0), square(64, 1e-3, 0.1), seed=7, photon_energy=4600.0)
    >>> pixel, count = readout.counts(np.arange(50, dtype=np.uint32), np.full(50, 3), shot=0, photon_energy=4600.0)
    >>> len(pixel), count.sum()
    (50, np.int64(150))
    """

    pixels: Pixels
    correction: Correction
    seed: int
    photon_energy: float
    level: float
    adu: bool
    _own: threading.local = field(default_factory=threading.local)

    def counts(
        self, pixel: NDArray[np.uint32], count: NDArray[np.int64], shot: int, photon_energy: float
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Photons that are counted of those that reach the pixels.

        Parameters
        ----------
        pixel, count : of the shot's events, see `xfeldask.physics.images.Photons`
        shot : int, absolute index
        photon_energy : float, of the pulse [eV]

        Returns
        -------
        pixel, count of events, no pixel twice

        Raises
        ------
        InputError
            A pixel that is not there, or a negative count.
        """
        pixels, keys = self.pixels, self._keys(shot)
        held = self._held()
        touched = _collect(pixel, count, pixels, keys, held)
        scale = photon_energy / self.photon_energy
        where, what, n = count_photons(pixels, keys, scale, held, touched)
        return where[:n], what[:n]

    def frame(
        self, pixel: NDArray[np.uint32], count: NDArray[np.int64], shot: int, photon_energy: float
    ) -> NDArray[np.int32]:
        """Read all pixels, int32 (panel, ss, fs) [ADU]; parameters and errors as of `counts`."""
        pixels, keys = self.pixels, self._keys(shot)
        held = self._held()
        touched = _collect(pixel, count, pixels, keys, held)
        rows, columns = self.correction.block
        groups = 0 if not rows else -(-pixels.shape[1] // rows) * -(-pixels.shape[2] // columns) * pixels.shape[0]
        levels = self.level * cut_normals(uniform(self.seed, Stream.COMMON_MODE, shot, groups))
        out = np.empty(pixels.shape, np.int32)
        scale = photon_energy / self.photon_energy
        read_pixels(pixels, keys, scale, held, levels, rows, columns, float(self.correction.gain.flat[0]), out)
        held[touched] = 0
        return out

    def photonized(self, adu: NDArray[np.int32]) -> NDArray[np.uint32]:
        """Count the photons of a frame (panel, ss, fs) [ADU], uint32 of the same shape."""
        found = corrected(adu[None], self.correction, self.pixels.good.reshape(self.pixels.shape))
        return np.asarray(found.photons[0])

    def variables(self) -> dict[str, NDArray[Any]]:
        """Return what is known of the pixels, by name of the variable, (panel, ss, fs) each."""
        hot = np.zeros(self.pixels.good.size, np.uint8)
        hot[self.pixels.hot] = 1
        return {name: value.reshape(self.pixels.shape) for name, value in
                (("pixel_gain", self.pixels.gain), ("hot_pixel", hot))}  # fmt: skip

    def _keys(self, shot: int) -> Keys:
        streams = Stream.SHARING, Stream.HOT_CHARGE, Stream.NOISE, Stream.FALSE_PHOTONS
        return Keys(*(np.uint64(stream_key(self.seed, stream, shot)) for stream in streams))

    def _held(self) -> NDArray[np.float32]:
        """Charge of each pixel, zeros; a thread's own, which is given back as zeros."""
        found = getattr(self._own, "held", None)
        if found is None:
            found = self._own.held = np.zeros(self.pixels.good.size, np.float32)
        return found


def make_readout(asked: Response, geometry: Geometry, seed: int, photon_energy: float) -> Readout:
    """Make the readout of a detector.

    Parameters
    ----------
    asked : Response
    geometry : Geometry
    seed : int, from which gains, blind and hot pixels follow
    photon_energy : float, nominal [eV]

    Raises
    ------
    InputError
        Charge that would reach beyond the neighbours of a pixel, levels that photonizing would not find, or a photon
        that is less than two ADU.
    """
    size, shape = geometry.mask.size, geometry.shape
    cloud, level = asked.cloud / geometry.pixel_size, asked.common_mode_spread / photon_energy
    photon = asked.adu_per_kev * photon_energy / 1000
    if cloud > WIDEST:
        raise InputError(
            f"cloud: {asked.cloud:g} m is more than a third of a pixel of {geometry.pixel_size:g} m, and charge would "
            "reach beyond the next one; give less"
        )
    if NORMAL_CUT * level > MOST_LEVEL:
        raise InputError(
            f"common_mode_spread: {asked.common_mode_spread:g} eV is more than an eighth of a photon of "
            f"{photon_energy:g} eV, whose levels cannot be told from photons; give less"
        )
    if photon < 2:
        raise InputError(
            f"adu_per_kev: {asked.adu_per_kev:g} ADU of a keV are {photon:.2g} ADU of a photon, too few; give more"
        )
    gain = 1 + asked.gain_spread * cut_normals(uniform(seed, Stream.GAIN, 0, size))
    gain[uniform(seed, Stream.BLIND_PIXELS, 0, size) < asked.dead_fraction] = 0.0
    good = geometry.mask.ravel()
    hot = np.flatnonzero(good & (uniform(seed, Stream.HOT_PIXELS, 0, size) < asked.hot_fraction))
    most = np.inf if asked.saturation is None else asked.saturation / photon_energy
    pixels = Pixels(
        gain.astype(np.float32), good, hot, shape, cloud, asked.noise / photon_energy, most, asked.threshold
    )
    correction = make_correction(shape, photon, None, asked.common_mode, asked.asic, asked.threshold)
    return Readout(pixels, correction, seed, photon_energy, level, asked.adu)


def _collect(
    pixel: NDArray[np.uint32], count: NDArray[np.int64], pixels: Pixels, keys: Keys, held: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Add the charge of a shot to `held`; return the pixels that have any."""
    reach = 9 if pixels.cloud > 0 else 1
    room = min(held.size, reach * int(np.maximum(count, 0).sum()) + pixels.hot.size)
    touched = np.empty(room, np.int64)
    n, bad = spread(pixel, count, pixels, keys, held, touched)
    if bad >= 0:
        held[touched[:n]] = 0
        refuse_event(pixel[bad], count[bad], held.size)
    return touched[:n]
