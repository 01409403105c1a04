from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import oracles
from tests.strategies import volumes
from xfeldask.errors import MemoryNeededError
from xfeldask.formats.structures import read_structure
from xfeldask.physics.atoms import make_atoms
from xfeldask.physics.chaperonin import chaperonin
from xfeldask.physics.detectors import builtin_geometry, wavelength
from xfeldask.physics.forward import Margins, make_forward_model
from xfeldask.physics.orientations import rotation_matrix, uniform_quaternion
from xfeldask.physics.scattering import Shot
from xfeldask.physics.volume import (
    build_volume,
    grid_size,
    interpolate,
    measured_error,
    memory_needed,
    oversampling,
)

pytestmark = pytest.mark.rounding

ENERGY = 4600.0
FLUENCE = 1.2732395447351627e24
S_MAX = 1.2959616934373674e9
TURNS = rotation_matrix(uniform_quaternion(np.random.default_rng(3).random((4, 3))))
PNCCD = builtin_geometry("pnccd-amo86615")


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "golden" / "golden_pnccd.json").read_text())


@pytest.fixture(scope="module")
def three(golden):
    """The three golden atoms, their volume, and sqrt(sum f^2) at each golden pixel."""
    listed = golden["atoms"]
    atoms = make_atoms([np.array(a["xyz_A"]) * 1e-10 for a in listed], [a["Z"] for a in listed])
    return atoms, build_volume(atoms, S_MAX), np.sqrt(sum(np.square(f) for f in golden["f"].values()))


@pytest.fixture(scope="module")
def peptide(shared):
    atoms = read_structure(shared / "data" / "2cex.pdb").centered()
    return atoms, build_volume(atoms, S_MAX)


@pytest.fixture(scope="module", params=["1ei7", "2cex", "chaperonin"])
def particle(request):
    """Atoms and volume."""
    if request.param == "chaperonin":
        atoms = chaperonin().centered()
    else:
        data = request.getfixturevalue("shared") / "data"
        atoms = read_structure(data / f"{request.param}.pdb").centered()
    return atoms, build_volume(atoms, S_MAX)


def compared(particle, members):
    """R factor and relative error of the total intensity of (rotation, place) `members` on every 48th pnCCD pixel."""
    atoms, volume = particle
    position = PNCCD.pixel_position[:, 11::48, 11::48].reshape(-1, 3)
    s, factor = oracles.pixel_factors(position, PNCCD.pixel_size, ENERGY)
    exact, ours = np.zeros(len(s), complex), np.zeros(len(s), complex)
    for rotation, place in members:
        exact += oracles.summed_amplitude(atoms, s, rotation, place)
        ours += interpolate(volume, s @ rotation) * np.exp(2j * np.pi * (s @ place))
    i0, i = factor * np.abs(exact) ** 2, factor * np.abs(ours) ** 2
    r, total = np.abs(np.sqrt(i) - np.sqrt(i0)).sum() / np.sqrt(i0).sum(), i.sum() / i0.sum() - 1
    print(f"R {r:.2e}, total {total:+.1e}")
    return r, total


@pytest.mark.parametrize("turn", [0, 1])
def test_interpolate__of_a_single_equals_the_sum_over_atoms(particle, turn):
    r, total = compared(particle, [(TURNS[turn], np.zeros(3))])
    assert r <= 0.002
    assert abs(total) <= 0.001


@pytest.mark.parametrize("direction", [[0.8, 0.6, 0.0], [0.48, -0.36, 0.8]])
def test_interpolate__of_a_double_50_nm_apart_equals_the_sum_over_atoms(particle, direction):
    r, total = compared(particle, [(TURNS[2], np.zeros(3)), (TURNS[3], 50e-9 * np.array(direction))])
    assert r <= 0.002
    assert abs(total) <= 0.001


def test_interpolate__matches_golden(golden, three):
    _, volume, scale = three
    expected = np.array(golden["F_re"]) + 1j * np.array(golden["F_im"])
    found = interpolate(volume, np.array(golden["s"]) @ np.array(golden["R"]))
    assert np.all(np.abs(found - expected) <= 1e-4 * scale)


def test_expected__matches_golden(golden, three):
    _, volume, scale = three
    model = make_forward_model(volume, PNCCD, wavelength(ENERGY), Margins())
    strength = np.sqrt(FLUENCE) * PNCCD.pixel_size * oracles.R_E
    shot = Shot(
        rotation_matrix(golden["quat"])[None],
        np.zeros((1, 3)),
        np.array([strength]),
        np.ones(1),
        1 / wavelength(ENERGY),
        np.zeros(2),
        0.0,
        np.uint64(1),
        np.zeros(1, np.int64),
    )
    found = model.expected(shot)[tuple(np.array(golden["pixels"]).T)]
    lin, photons = np.array(golden["lin"]), np.array(golden["photons"])
    assert np.all(np.abs(np.sqrt(found / lin) - np.sqrt(photons / lin)) <= 1e-4 * scale)
    np.testing.assert_allclose(found, photons, rtol=1e-4)


def test_interpolate__notices_flipped_positions_and_passive_rotations(peptide):
    atoms, volume = peptide
    s, _ = oracles.pixel_factors(PNCCD.pixel_position[:, ::64, ::64].reshape(-1, 3), PNCCD.pixel_size, ENERGY)
    exact = oracles.summed_amplitude(atoms, s, TURNS[0])
    scale = np.sqrt(np.mean(np.abs(exact) ** 2))

    def distance(found):
        return np.sqrt(np.mean(np.abs(found - exact) ** 2)) / scale

    assert distance(interpolate(volume, s @ TURNS[0])) < 1e-3
    assert distance(interpolate(volume, s @ TURNS[0].T)) > 0.3
    assert distance(interpolate(volume, -s @ TURNS[0])) > 0.3


def test_interpolate__is_hermitian(peptide):
    _, volume = peptide
    s = np.random.default_rng(2).uniform(-1, 1, (2000, 3)) * S_MAX / np.sqrt(3)
    forth, back = interpolate(volume, s), interpolate(volume, -s)
    np.testing.assert_allclose(back, forth.conj(), atol=3e-4 * np.abs(forth).max())
    # the coefficients themselves are conjugate pairs
    np.testing.assert_allclose(
        volume.values[::-1, ::-1, ::-1], volume.values.conj(), atol=1e-6 * np.abs(volume.values).max()
    )


@given(volumes(), st.integers(0, 2**32))
def test_interpolate__equals_its_naive_twin(volume, seed):
    s = np.random.default_rng(seed).uniform(-1, 1, (20, 3)) * volume.s_max / np.sqrt(3)
    scale = np.abs(volume.values).max()
    np.testing.assert_allclose(interpolate(volume, s), oracles.interpolated(volume, s), atol=1e-5 * scale)


def test_interpolate__keeps_the_shape_of_s(peptide):
    _, volume = peptide
    s = np.zeros((2, 5, 3))
    assert interpolate(volume, s).shape == (2, 5)
    assert interpolate(volume, s).dtype == np.complex64


def test_interpolate__at_zero_counts_electrons(peptide):
    atoms, volume = peptide
    electrons = oracles.summed_amplitude(atoms, np.zeros((1, 3)))[0]
    assert complex(interpolate(volume, np.zeros(3))) == pytest.approx(electrons, rel=1e-4)


@pytest.mark.parametrize("element", ["C", "Zn", "Fe2+"])
def test_build_volume__of_one_atom_is_its_form_factor(element):
    atoms = make_atoms(np.zeros((1, 3)), [element])
    volume = build_volume(atoms, S_MAX)
    s = np.random.default_rng(4).uniform(-1, 1, (300, 3)) * S_MAX / np.sqrt(3)
    exact = oracles.summed_amplitude(atoms, s)
    np.testing.assert_allclose(interpolate(volume, s), exact, atol=1e-4 * abs(exact).max())


def test_build_volume__weights_atoms_by_occupancy():
    place = [[1e-9, 0, 0], [-1e-9, 5e-10, 0]]
    half = build_volume(make_atoms(place, ["S", "C"], [0.5, 0.5]), S_MAX)
    full = build_volume(make_atoms(place, ["S", "C"]), S_MAX)
    np.testing.assert_allclose(2 * half.values, full.values, atol=1e-5 * np.abs(full.values).max())


def test_build_volume__gives_the_same_bytes_every_time(peptide):
    atoms, volume = peptide
    for _ in range(2):
        assert build_volume(atoms, S_MAX).values.tobytes() == volume.values.tobytes()


def test_build_volume__covers_the_largest_s(peptide):
    _, volume = peptide
    n = volume.values.shape[0]
    for axis in range(3):
        for sign in (-1, 1):
            s = np.zeros(3)
            s[axis] = sign * S_MAX
            low = np.floor(s / volume.step + volume.origin)
            assert low.min() >= 0
            assert low.max() + 3 <= n - 1


def test_build_volume__refuses_what_does_not_fit(peptide):
    atoms, _ = peptide
    needed = memory_needed(atoms.radius, S_MAX)
    with pytest.raises(MemoryNeededError, match=r"nm radius particle needs .* GB of memory, .* GB are allowed") as info:
        build_volume(atoms, S_MAX, memory_limit=needed - 1)
    assert isinstance(info.value, MemoryError)
    assert str(pickle.loads(pickle.dumps(info.value))) == str(info.value)
    assert build_volume(atoms, S_MAX, memory_limit=needed).s_max == S_MAX


def test_build_volume__refuses_a_giant_before_it_allocates():
    far = make_atoms([[4e-6, 0, 0], [-4e-6, 0, 0]], ["C", "C"])
    with pytest.raises(MemoryNeededError):
        build_volume(far, S_MAX, memory_limit=10**9)


@given(st.floats(1e-10, 1e-7), st.floats(1e7, 1e10), st.floats(1.01, 3))
def test_grid_size__grows_with_radius_and_s(radius, s_max, more):
    n, step = grid_size(radius, s_max)
    assert grid_size(radius * more, s_max)[0] >= n
    assert grid_size(radius, s_max * more)[0] >= n
    assert memory_needed(radius * more, s_max) >= memory_needed(radius, s_max)
    # the band of the density, and room for all four taps at s_max
    assert 2.29 <= 1 / (2 * radius * step) <= 6.01
    assert (n // 2 - 2) * step >= s_max


def test_measured_error__equals_an_own_measurement(peptide):
    atoms, volume = peptide
    rng = np.random.default_rng(8)
    direction = rng.standard_normal((400, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    s = direction * rng.random((400, 1)) * S_MAX
    exact = np.abs(oracles.summed_amplitude(atoms, s))
    own = np.abs(np.abs(interpolate(volume, s)) - exact).sum() / exact.sum()
    assert 0 < measured_error(volume, atoms) < 0.002
    assert measured_error(volume, atoms) == pytest.approx(own, rel=0.5)


def test_measured_error__notices_a_wrong_volume(peptide):
    atoms, volume = peptide
    worse = type(volume)(volume.values * np.float32(1.01), volume.step, volume.s_max, volume.taps)
    assert measured_error(worse, atoms) == pytest.approx(0.01, rel=0.05)


def test_oversampling__is_finer_for_small_particles():
    assert oversampling(1e-10, S_MAX) == 6
    assert oversampling(4e-9, S_MAX) > 4.5
    assert oversampling(20e-9, S_MAX) == 2.3
