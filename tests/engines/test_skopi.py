from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from xfeldask.config import BEAMS
from xfeldask.engines.skopi import SkopiEngine
from xfeldask.errors import InputError, MissingFileError
from xfeldask.formats.structures import read_structure
from xfeldask.physics.atoms import Atoms, amplitude, make_atoms
from xfeldask.physics.detectors import (
    R_E,
    Geometry,
    builtin_geometry,
    make_geometry,
    polarization,
    scattering_vector,
    solid_angle,
    wavelength,
)
from xfeldask.physics.orientations import rotation_matrix

pytest.importorskip("skopi")

BEAM = BEAMS["amo86615"]
TURN = np.array([0.5, 0.1, -0.7, 0.3]) / np.linalg.norm([0.5, 0.1, -0.7, 0.3])
OTHER_TURN = np.array([0.2, -0.9, 0.1, 0.4]) / np.linalg.norm([0.2, -0.9, 0.1, 0.4])
PLACES = np.array([[0.0, 0.0, 0.0], [20e-9, -7e-9, 30e-9]])
FACTORS = np.array([1.0, 0.5])


def small_angles(n: int) -> Geometry:
    """The middle of a detector, where skopi's grid is fine enough to show more than its own error."""
    wide = builtin_geometry(f"square-{n}")
    return make_geometry(wide.pixel_position * np.array([0.25, 0.25, 1]), wide.pixel_size * 0.25)


def summed(atoms: Atoms, geometry: Geometry, turns, places, factors, *, passive: bool = False) -> np.ndarray:
    """Expected photons by the sum over atoms."""
    s = scattering_vector(geometry.pixel_position, wavelength(BEAM.photon_energy))
    total = np.zeros(geometry.shape, complex)
    for turn, place, factor in zip(turns, places, factors, strict=True):
        rotation = rotation_matrix(turn)
        own = s @ (rotation.T if passive else rotation)
        total += np.sqrt(factor) * amplitude(atoms, own) * np.exp(2j * np.pi * (s @ place))
    return BEAM.fluence * R_E**2 * polarization(geometry) * solid_angle(geometry) * np.abs(total) ** 2


def distance(photons: np.ndarray, reference: np.ndarray) -> float:
    return float(np.abs(np.sqrt(photons) - np.sqrt(reference)).sum() / np.sqrt(reference).sum())


@pytest.fixture(scope="module")
def enzyme(shared: Path) -> Atoms:
    return read_structure(shared / "data" / "2cex.pdb").centered()


@pytest.fixture(scope="module")
def geometry() -> Geometry:
    return small_angles(24)


@pytest.fixture(scope="module")
def engine(enzyme, geometry) -> SkopiEngine:
    return SkopiEngine(enzyme, None, BEAM, n_grid=101, geometry=geometry)


def test_expected__of_one_particle_is_the_sum_over_atoms(engine, enzyme, geometry):
    one = ([TURN], PLACES[1:], [2.0])
    got = engine.expected(*one)
    assert got.shape == geometry.shape
    assert distance(got, summed(enzyme, geometry, *one)) < 1e-3
    assert got.sum() == pytest.approx(summed(enzyme, geometry, *one).sum(), rel=2e-3)
    # an oracle that would take a wrong sense for right proves nothing
    assert distance(got, summed(enzyme, geometry, *one, passive=True)) > 0.1


def test_expected__of_two_particles_adds_amplitudes_with_their_phases(engine, enzyme, geometry):
    turns = [TURN, OTHER_TURN]
    got = engine.expected(turns, PLACES, FACTORS)
    assert distance(got, summed(enzyme, geometry, turns, PLACES, FACTORS)) < 1e-3
    assert distance(got, summed(enzyme, geometry, turns, -PLACES, FACTORS)) > 0.1
    assert distance(got, summed(enzyme, geometry, turns, PLACES, FACTORS, passive=True)) > 0.1
    apart = sum(engine.expected([q], [d], [f]) for q, d, f in zip(turns, PLACES, FACTORS, strict=True))
    assert distance(got, apart) > 0.1


def test_expected__does_not_depend_on_the_length_of_a_quaternion(engine):
    np.testing.assert_allclose(
        engine.expected([TURN * -3], PLACES[:1], [1]), engine.expected([TURN], PLACES[:1], [1]), rtol=1e-9
    )


def test_expected__of_a_blank_is_zero(engine, geometry):
    blank = engine.expected([], [], [])
    assert blank.shape == geometry.shape
    assert not blank.any()


def test_expected__counts_occupancies(geometry):
    atoms = make_atoms([[0, 0, 0], [2e-9, 1e-9, -3e-9]], ["C", "S"], [0.25, 1.0])
    engine = SkopiEngine(atoms, None, BEAM, n_grid=51, geometry=geometry)
    one = ([TURN], PLACES[:1], [1.0])
    assert distance(engine.expected(*one), summed(atoms, geometry, *one)) < 0.01
    full = make_atoms(atoms.position, atoms.element)
    assert distance(engine.expected(*one), summed(full, geometry, *one)) > 0.1


def test_volume__is_the_sum_over_atoms_at_every_node(engine, enzyme):
    n = engine.volume.shape[0]
    node = np.random.default_rng(3).integers(-n // 2 + 1, n // 2, (40, 3))
    exact = amplitude(enzyme, node * engine.voxel_length)
    # skopi tabulates its form factors: 6 digits
    np.testing.assert_allclose(engine.volume[tuple((node + n // 2).T)], exact, rtol=2e-5, atol=1e-2)


def test_volume__is_the_same_bytes_each_time(engine, enzyme, geometry):
    again = SkopiEngine(enzyme, None, BEAM, n_grid=101, geometry=geometry)
    np.testing.assert_array_equal(again.volume, engine.volume)


def test_expected__of_three_atoms_is_golden(shared):
    golden = json.loads((shared / "golden" / "golden_pnccd.json").read_text())
    atoms = make_atoms([np.array(a["xyz_A"]) * 1e-10 for a in golden["atoms"]], [a["Z"] for a in golden["atoms"]])
    pixels = tuple(np.array(golden["pixels"]).T)
    geometry = builtin_geometry("pnccd-amo86615")
    five = make_geometry(geometry.pixel_position[pixels][None, None], geometry.pixel_size)
    engine = SkopiEngine(atoms, None, BEAM, geometry=five)
    np.testing.assert_allclose(engine.detector.linear_correction[0, 0], golden["lin"], rtol=1e-5)
    np.testing.assert_allclose(engine.detector.pixel_position_reciprocal[0, 0], golden["s"], rtol=1e-6)
    got = engine.expected([golden["quat"]], [[0, 0, 0]], [1])[0, 0]
    s = scattering_vector(five.pixel_position, wavelength(BEAM.photon_energy))[0, 0]
    exact = np.abs(amplitude(atoms, s @ rotation_matrix(golden["quat"]))) ** 2 * golden["lin"]
    # skopi interpolates: 38 electrons at up to 3.7 nm lose up to 1.5 % of their amplitude
    assert np.abs(np.sqrt(got / golden["lin"]) - np.sqrt(exact / golden["lin"])).max() < 0.02 * 29
    assert np.abs(np.sqrt(got) - np.sqrt(golden["photons"])).max() < 0.02 * 29 * np.sqrt(max(golden["lin"]))


def test_photons__are_those_of_skopi(engine):
    arguments = ([TURN], PLACES[:1], [1e4])
    drawn = engine.photons(*arguments, seed=11)
    state = np.random.get_state()  # noqa: NPY002, skopi draws from the global state
    try:
        np.random.seed(11)  # noqa: NPY002
        theirs = engine.detector.add_quantization(engine.expected(*arguments))
    finally:
        np.random.set_state(state)  # noqa: NPY002
    np.testing.assert_array_equal(drawn, theirs)
    assert drawn.sum() == pytest.approx(engine.expected(*arguments).sum(), rel=0.02)


def test_engine__reads_a_psana_geometry(shared):
    atoms = make_atoms([[0, 0, 0], [1e-9, 0, 0]], ["C", "O"])
    engine = SkopiEngine(atoms, shared / "data" / "pnccd-amo86615.data", BEAM, n_grid=3)
    assert engine.detector.shape == (4, 512, 512)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([TURN], PLACES, [1, 1]), "needed for each particle, not 1, 2 and 2"),
        (([[0, 0, 0, 0]], PLACES[:1], [1]), "quaternions not zero"),
        (([TURN], [[np.nan, 0, 0]], [1]), "must be finite"),
        (([TURN], PLACES[:1], [-1]), "not negative"),
    ],
)
def test_expected__refuses(engine, arguments, message):
    with pytest.raises(InputError, match=message):
        engine.expected(*arguments)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_photons__refuses_a_seed_that_numpy_would(engine, seed):
    with pytest.raises(InputError, match="seed must be from 0"):
        engine.photons([TURN], PLACES[:1], [1], seed=seed)


def test_engine__refuses(geometry):
    atoms = make_atoms([[0, 0, 0]], ["C"])
    with pytest.raises(InputError, match="psana geometry"):
        SkopiEngine(atoms, None, BEAM)
    for n_grid in (1, 100):
        with pytest.raises(InputError, match=f"odd and at least 3, not {n_grid}"):
            SkopiEngine(atoms, None, BEAM, n_grid, geometry=geometry)
    with pytest.raises(MissingFileError):
        SkopiEngine(atoms, "nowhere.data", BEAM)


def test_engine__refuses_an_ion_that_skopi_does_not_know(geometry):
    atoms = make_atoms([[0, 0, 0]], ["C"])
    odd = SimpleNamespace(position=atoms.position, element=np.array(["Zn3+"]), occupancy=atoms.occupancy)
    with pytest.raises(InputError, match=r"skopi has no form factor of 'Zn3\+'"):
        SkopiEngine(odd, None, BEAM, 3, geometry=geometry)


def test_engine__without_skopi_says_what_to_install(monkeypatch, geometry):
    def missing(name: str) -> object:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(InputError, match=r'^engine="skopi" needs the extra: pip install "xfeldask\[skopi\]"$'):
        SkopiEngine(make_atoms([[0, 0, 0]], ["C"]), None, BEAM, 3, geometry=geometry)
