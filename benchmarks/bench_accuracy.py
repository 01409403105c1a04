"""How exact: golden values, interpolated against summed amplitudes, sampled against expected photons."""

from __future__ import annotations

import json
import math
from functools import cached_property
from typing import Any

import finufft
import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from benchmarks.common import PNCCD, SHARED, effort, measures, prepared
from xfeldask.config import BEAMS
from xfeldask.engines.preparation import Prepared
from xfeldask.engines.skopi import SkopiEngine
from xfeldask.engines.thinning import Thinning
from xfeldask.errors import InputError
from xfeldask.physics import sampling
from xfeldask.physics.atoms import Atoms, amplitude, form_factor, make_atoms
from xfeldask.physics.detectors import (
    HC,
    R_E,
    Geometry,
    builtin_geometry,
    make_geometry,
    polarization,
    scattering_vector,
    solid_angle,
    wavelength,
)
from xfeldask.physics.forward import ForwardModel
from xfeldask.physics.orientations import rotation_matrix, super_fibonacci
from xfeldask.physics.rates import tile_rates
from xfeldask.physics.scattering import Shot
from xfeldask.physics.volume import build_volume, interpolate

BEAM = BEAMS["amo86615"]
LAMBDA = wavelength(BEAM.photon_energy)
ORIENTATIONS = 4
FAR = 50e-9


class Golden:
    """The values of `physics.md`."""

    def setup(self) -> None:
        path = SHARED / "golden" / "golden_pnccd.json"
        if not path.exists():
            raise NotImplementedError(f"{path} is not there")
        self.golden: dict[str, Any] = json.loads(path.read_text())
        pixels = tuple(np.array(self.golden["pixels"]).T)
        pnccd = builtin_geometry(PNCCD)
        self.geometry = make_geometry(pnccd.pixel_position[pixels][None, None], pnccd.pixel_size)
        listed = self.golden["atoms"]
        self.atoms = make_atoms([np.array(a["xyz_A"]) * 1e-10 for a in listed], [a["Z"] for a in listed])

    @measures("relative", "1e-4 or less")
    def track_values(self) -> float:
        """golden values: s, solid angle, polarization, form factors, summed amplitudes, photons"""
        golden, geometry = self.golden, self.geometry
        s = scattering_vector(geometry.pixel_position, LAMBDA)[0, 0]
        field = amplitude(self.atoms, s @ rotation_matrix(golden["quat"]))
        linear = BEAM.fluence * R_E**2 * (polarization(geometry) * solid_angle(geometry))[0, 0]
        pairs = [
            (np.linalg.norm(s - golden["s"], axis=-1), np.linalg.norm(golden["s"], axis=-1)),
            (solid_angle(geometry)[0, 0] - golden["omega"], golden["omega"]),
            (polarization(geometry)[0, 0] - golden["pol"], golden["pol"]),
            (linear - golden["lin"], golden["lin"]),
            (np.abs(field - (np.array(golden["F_re"]) + 1j * np.array(golden["F_im"]))), np.abs(field)),
            (linear * np.abs(field) ** 2 - golden["photons"], golden["photons"]),
            *((form_factor(element, s) - value, value) for element, value in golden["f"].items()),
        ]
        return max(float(np.max(np.abs(error) / np.abs(value))) for error, value in pairs)

    @measures("of root sum f²", "1e-4 or less")
    def track_interpolated(self) -> float:
        """golden amplitudes of three atoms, interpolated"""
        golden = self.golden
        s = scattering_vector(self.geometry.pixel_position, LAMBDA)[0, 0] @ rotation_matrix(golden["quat"])
        volume = build_volume(self.atoms, float(np.linalg.norm(s, axis=-1).max()) * 1.001)
        error = interpolate(volume, s) - (np.array(golden["F_re"]) + 1j * np.array(golden["F_im"]))
        scale = np.sqrt(sum(np.array(value) ** 2 for value in golden["f"].values()))
        return float(np.max(np.abs(error) / scale))


class Patterns:
    """A particle's patterns on every fourth pixel of the pnCCD, by the sum over atoms.

    The sums are type 3 NUFFTs of one element each, to 1e-12, since atom by atom they would take an hour;
    `error` says what that costs at some pixels.
    """

    def __init__(self, name: str, hits: str) -> None:
        self.ready: Prepared = prepared(name)
        atoms = self.ready.inputs.atoms
        assert atoms is not None
        self.atoms: Atoms = atoms
        whole = builtin_geometry(PNCCD)
        self.some = (slice(None), *(slice(None, None, effort(16, 4, 2)),) * 2)
        self.geometry: Geometry = make_geometry(whole.pixel_position[self.some], whole.pixel_size)
        self.s = scattering_vector(self.geometry.pixel_position, LAMBDA)
        turns = super_fibonacci(2 * ORIENTATIONS + 3)[3:]
        # both in the plane of the detector and across it
        far = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, -1, 1] / np.sqrt(3)]) * FAR
        pair = hits != "single"
        self.turns = [turns[i : i + 5 : 4] if pair else turns[i : i + 1] for i in range(ORIENTATIONS)]
        self.places = [np.stack([0 * d, d]) if pair else np.zeros((1, 3)) for d in far]
        linear = BEAM.fluence * R_E**2 * polarization(self.geometry) * solid_angle(self.geometry)
        self.summed = [linear * np.abs(self._field(i)) ** 2 for i in range(ORIENTATIONS)]

    def _field(self, i: int) -> NDArray[np.complex128]:
        total = np.zeros(self.geometry.shape, np.complex128)
        for turn, place in zip(self.turns[i], self.places[i], strict=True):
            total += _nufft(self.atoms, self.s @ rotation_matrix(turn)) * np.exp(2j * np.pi * (self.s @ place))
        return total

    def interpolated(self) -> list[NDArray[np.float32]]:
        """What our engine expects."""
        assert isinstance(self.ready.engine, Thinning)
        model, strength = self.ready.engine.model, np.sqrt(BEAM.fluence) * self.geometry.pixel_size * R_E
        return [
            model.expected(_shot(rotation_matrix(turns), places, strength))[self.some]
            for turns, places in zip(self.turns, self.places, strict=True)
        ]

    def by_skopi(self) -> list[NDArray[np.float64]]:
        """What skopi expects; its reach is that of the whole detector but for three pixels."""
        try:
            skopi = SkopiEngine(self.atoms, None, BEAM, effort(51, 151), geometry=self.geometry)
        except InputError as error:
            raise NotImplementedError(str(error)) from None
        return [skopi.expected(q, d, np.ones(len(q))) for q, d in zip(self.turns, self.places, strict=True)]

    def reference_error(self) -> float:
        """Of the type 3 NUFFT against the sum atom by atom, at 64 pixels."""
        s = self.s.reshape(-1, 3)[:: self.s[..., 0].size // 64] @ rotation_matrix(self.turns[0][0])
        exact = amplitude(self.atoms, s)
        return float(np.abs(_nufft(self.atoms, s) - exact).max() / np.abs(exact).max())


def _shot(rotation: NDArray[np.float64], place: NDArray[np.float64], strength: float) -> Shot:
    n = len(rotation)
    return Shot(
        rotation, place, np.full(n, strength), np.ones(n), BEAM.photon_energy / HC, np.zeros(2), 0.0, np.uint64(5),
        np.zeros(n, np.int64),
    )  # fmt: skip


def _nufft(atoms: Atoms, s: NDArray[np.float64]) -> NDArray[np.complex128]:
    flat = s.reshape(-1, 3)
    total = np.zeros(len(flat), complex)
    target = np.ascontiguousarray(2e-9 * np.pi * flat.T)
    for element in np.unique(atoms.element):
        chosen = atoms.element == element
        source = np.ascontiguousarray(atoms.position[chosen].T * 1e9)
        weight = atoms.occupancy[chosen].astype(complex)
        total += form_factor(str(element), flat) * finufft.nufft3d3(*source, weight, *target, isign=1, eps=1e-12)
    return total.reshape(s.shape[:-1])


def _error(got: list[Any], exact: list[Any]) -> float:
    """Worst orientation's sum abs(sqrt I - sqrt I0) / sum sqrt I0."""
    return max(
        float(np.abs(np.sqrt(i) - np.sqrt(i0)).sum() / np.sqrt(i0).sum()) for i, i0 in zip(got, exact, strict=True)
    )


def _loss(got: list[Any], exact: list[Any]) -> float:
    """Worst orientation's error of the total intensity, relative."""
    return max(abs(float(i.sum(dtype=float) / i0.sum() - 1)) for i, i0 in zip(got, exact, strict=True))


class Interpolation:
    """Interpolated patterns against the sum over atoms: pnCCD, four orientations, the worst of them."""

    params = (["1ei7", "chaperonin"], ["single", "double, 50 nm apart"])
    param_names = ("particle", "hits")
    timeout = 900

    def setup(self, name: str, hits: str) -> None:
        self.patterns = Patterns(name, hits)

    @cached_property
    def got(self) -> list[NDArray[np.float32]]:
        return self.patterns.interpolated()

    @measures("", "0.002 or less")
    def track_error(self, name: str, hits: str) -> float:
        """interpolation: sum |√I - √I0| / sum √I0"""
        return _error(self.got, self.patterns.summed)

    @measures("", "0.001 or less")
    def track_total(self, name: str, hits: str) -> float:
        """interpolation: total intensity, relative error"""
        return _loss(self.got, self.patterns.summed)

    @measures("", "1e-9 or less")
    def track_reference(self, name: str, hits: str) -> float:
        """the reference itself against the sum atom by atom"""
        return self.patterns.reference_error()


class SkopiInterpolation:
    """The same for skopi's volume of 151 voxels a side and its trilinear rule."""

    params = (["1ei7", "chaperonin"], ["single"])
    param_names = ("particle", "hits")
    timeout = 900

    def setup(self, name: str, hits: str) -> None:
        self.patterns = Patterns(name, hits)
        self.got = self.patterns.by_skopi()

    @measures("")
    def track_error(self, name: str, hits: str) -> float:
        """skopi: sum |√I - √I0| / sum √I0"""
        return _error(self.got, self.patterns.summed)

    @measures("", "0.06 to 0.09 known")
    def track_total(self, name: str, hits: str) -> float:
        """skopi: total intensity, relative error"""
        return _loss(self.got, self.patterns.summed)


class Distribution:
    """Sampled photons of one orientation of 1EI7 on the pnCCD against the expected ones.

    10,000 shots when XFELDASK_BENCH=full.
    """

    params = ("thinned", "every pixel")
    param_names = ("sampler",)
    timeout = 1800
    least = 20.0

    def setup(self, sampler: str) -> None:
        engine = prepared("1ei7").engine
        assert isinstance(engine, Thinning)
        self.model: ForwardModel = engine.model
        self.n = effort(20, 1000 if sampler == "thinned" else 200, 10_000)
        strength = np.sqrt(BEAM.fluence) * 75e-6 * R_E
        shot = _shot(rotation_matrix(super_fibonacci(7)[3:4]), np.zeros((1, 3)), strength)
        self.mean = self.model.expected(shot).ravel().astype(float)
        self.sum, self.totals = self._draw(shot, sampler)

    def _draw(self, shot: Shot, sampler: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        model, totals = self.model, np.empty(self.n, np.int64)
        body, screen = model.scatterer, model.screen
        rate, total = np.empty(screen.spread.size), np.zeros(self.mean.size, np.int64)
        tile_rates(body, screen, shot, rate)
        for i in range(self.n):
            key = np.uint64(1_000_003 * (i + 1))
            if sampler == "thinned":
                pixel = sampling.draw_thinned(body, screen, shot._replace(key=key), rate)
                count = np.ones(pixel.size, np.int64)
            else:
                pixel, count = sampling.draw_every_pixel(body, screen, shot._replace(key=key))
            np.add.at(total, pixel, count)
            totals[i] = count.sum()
        return total, totals

    @staticmethod
    def _p_value(seen: NDArray[Any], mean: NDArray[Any]) -> float:
        return float(chi2.sf(((seen - mean) ** 2 / mean).sum(), len(mean)))

    @measures("p value", "0.001 to 0.999")
    def track_pixels(self, sampler: str) -> float:
        """photons in groups of pixels of like expectation and place, chi-square"""
        # pixels in the order of the detector, gathered until 20 photons are expected
        mean = self.mean * self.n
        group = np.unique(np.cumsum(mean) // self.least, return_inverse=True)[1]
        return self._p_value(np.bincount(group, self.sum), np.bincount(group, mean))

    @measures("p value", "0.001 to 0.999")
    def track_shells(self, sampler: str) -> float:
        """photons in shells of |s|, chi-square"""
        x, y = self.model.screen.pixel[:, :2].T.astype(float)
        shell = (np.hypot(x, y) / 1e-3).astype(int)
        seen, mean = np.bincount(shell, self.sum), np.bincount(shell, self.mean * self.n)
        return self._p_value(seen[mean > self.least], mean[mean > self.least])

    @measures("standard deviations", "4 or less")
    def track_dispersion(self, sampler: str) -> float:
        """photons of a shot, variance over mean, away from 1"""
        return abs(float(self.totals.var(ddof=1) / self.mean.sum()) - 1) / math.sqrt(2 / (self.n - 1))
