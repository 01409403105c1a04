from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import xraydb

from tests.oracles import summed_amplitude
from xfeldask.errors import InputError
from xfeldask.formats.structures import read_structure
from xfeldask.physics.atoms import LARGEST, amplitude, form_factor, make_atoms
from xfeldask.physics.chaperonin import chaperonin
from xfeldask.physics.detectors import (
    R_E,
    builtin_geometry,
    polarization,
    scattering_vector,
    solid_angle,
    wavelength,
)
from xfeldask.physics.orientations import rotation_matrix

pytestmark = pytest.mark.rounding

FLUENCE = 1.2732395447351627e24


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "golden" / "golden_pnccd.json").read_text())


@pytest.fixture(scope="module")
def three(golden):
    atoms = golden["atoms"]
    return make_atoms([np.array(a["xyz_A"]) * 1e-10 for a in atoms], [a["Z"] for a in atoms])


def peptide(shared: Path):
    return read_structure(shared / "data" / "2cex.pdb").centered()


def some_s(n: int = 60) -> np.ndarray:
    return scattering_vector(builtin_geometry("square-8").pixel_position.reshape(-1, 3)[:n], wavelength(4600))


def test_form_factor__matches_golden(golden):
    s = np.array(golden["s"])
    for element, expected in golden["f"].items():
        np.testing.assert_allclose(form_factor(element, s), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("element", "f0"),
    [("H", 0.999978), ("C", 5.997198), ("N", 6.996361), ("O", 7.999706), ("P", 14.999017), ("S", 15.999624)],
)
def test_form_factor__at_zero(element, f0):
    assert float(form_factor(element, [0, 0, 0])) == pytest.approx(f0, abs=1e-6)


def test_form_factor__and_mass_are_those_that_xraydb_tells():
    h = np.linspace(0, 2, 5)
    s = np.stack([2e10 * h, 0 * h, 0 * h], axis=1)
    names = sorted({str(ion) for ion in xraydb.f0_ions()} - {"Cval", "Siva"})
    told = [xraydb.atomic_mass(re.match("[A-Z][a-z]?", name)[0]) for name in names]
    np.testing.assert_array_equal(make_atoms(np.zeros((len(names), 3)), names).mass, told)
    for name in names:
        np.testing.assert_allclose(form_factor(name, s), xraydb.f0(name, h), rtol=1e-12, atol=1e-12)


def test_form_factor__of_an_ion_lacks_its_electrons():
    assert float(form_factor("Fe2+", [0, 0, 0])) == pytest.approx(24, abs=0.01)


def test_form_factor__beyond_its_range_is_refused():
    assert form_factor("C", [1.19e11, 0, 0]) > 0
    with pytest.raises(InputError, match="up to sin"):
        form_factor("C", [1.21e11, 0, 0])


def test_amplitude__matches_golden(golden, three):
    turned = np.array(golden["s"]) @ rotation_matrix(golden["quat"])
    expected = np.array(golden["F_re"]) + 1j * np.array(golden["F_im"])
    scale = np.sqrt(sum(np.square(f) for f in golden["f"].values()))
    assert np.all(np.abs(amplitude(three, turned) - expected) <= 1e-5 * scale)


def test_expected_photons__match_golden(golden, three):
    at = tuple(np.array(golden["pixels"]).T)
    geometry = builtin_geometry("pnccd-amo86615")
    s = scattering_vector(geometry.pixel_position[at], wavelength(4600))
    factor = FLUENCE * R_E**2 * polarization(geometry)[at] * solid_angle(geometry)[at]
    photons = np.abs(amplitude(three, s @ rotation_matrix(golden["quat"]))) ** 2 * factor
    np.testing.assert_allclose(factor, golden["lin"], rtol=1e-4)
    np.testing.assert_allclose(photons, golden["photons"], rtol=1e-4)


def test_amplitude__of_turned_atoms_is_amplitude_at_turned_s(shared, golden):
    atoms, r, s = peptide(shared), rotation_matrix(golden["quat"]), some_s()
    turned = make_atoms(atoms.position @ r.T, atoms.element, atoms.occupancy)
    expected = amplitude(turned, s)
    scale = np.sqrt(np.mean(np.abs(expected) ** 2))
    np.testing.assert_allclose(amplitude(atoms, s @ r), expected, atol=1e-9 * scale)
    passive = amplitude(atoms, s @ r.T)
    assert np.sqrt(np.mean(np.abs(passive - expected) ** 2)) > 0.3 * scale


def test_amplitude__notices_flipped_positions(shared):
    atoms, s = peptide(shared), some_s()
    flipped = make_atoms(-atoms.position, atoms.element, atoms.occupancy)
    right, wrong = amplitude(atoms, s), amplitude(flipped, s)
    np.testing.assert_allclose(wrong, right.conj(), atol=1e-8)
    assert np.sqrt(np.mean(np.abs(wrong - right) ** 2)) > 0.3 * np.sqrt(np.mean(np.abs(right) ** 2))


def test_amplitude__is_the_sum_over_atoms_for_s_of_any_shape(shared):
    atoms, s = peptide(shared), some_s()
    found = amplitude(atoms, s)
    np.testing.assert_allclose(found, summed_amplitude(atoms, s), atol=1e-5 * np.abs(found).max())
    np.testing.assert_array_equal(amplitude(atoms, s.reshape(4, -1, 3)).ravel(), found)
    np.testing.assert_array_equal(amplitude(atoms, np.asfortranarray(s)), found)


def test_amplitude__weights_atoms_by_occupancy():
    half = make_atoms([[1e-9, 0, 0]], ["S"], [0.5])
    full = make_atoms([[1e-9, 0, 0]], ["S"])
    np.testing.assert_allclose(2 * amplitude(half, some_s()), amplitude(full, some_s()))


def test_make_atoms__normalises_elements():
    atoms = make_atoms(np.zeros((5, 3)), ["FE", "d", "fe2+", " ZN", "C"])
    assert atoms.element.tolist() == ["Fe", "H", "Fe2+", "Zn", "C"]


def test_make_atoms__copies_its_input():
    position = np.zeros((1, 3))
    atoms = make_atoms(position, ["C"])
    position[:] = 1
    assert atoms.position.tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(
    ("position", "element", "occupancy", "told"),
    [
        (np.zeros((0, 3)), [], None, "at least one atom"),
        (np.zeros((2, 2)), ["C", "C"], None, r"shape \(n, 3\)"),
        (["C", "C"], np.zeros((2, 3)), None, "given before the elements"),
        ([[0, 0, 0], [1e-9, 0]], ["C", "C"], None, "cannot be read as such"),
        (np.zeros((2, 3)), ["C"], None, "elements of shape"),
        ([[0, 0, 0], [0, np.nan, 0]], ["C", "C"], None, "atom 1 has the position"),
        ([[0, 0, 0], [0, np.inf, 0]], ["C", "C"], None, "finite"),
        (np.zeros((3, 3)), ["C", "Qq", "Qq"], None, "'Qq' of 2 atoms"),
        (np.zeros((1, 3)), [""], None, "unknown element '' of 1 atom;"),
        (np.zeros((1, 3)), ["Cval"], None, "unknown element"),
        (np.zeros((2, 3)), ["C", "C"], [1.0, 1.5], "occupancy 1.5"),
        (np.zeros((2, 3)), ["C", "C"], [1.0, np.nan], "occupancy nan"),
        (np.zeros((2, 3)), ["C", "C"], [1.0], "occupancies of shape"),
        (np.zeros((1, 3)), ["C"], ["a"], "occupancies are numbers, one for each atom; these cannot"),
        (np.zeros((2, 3)), ["C", "C"], [0.0, 0.0], "at least one must scatter"),
    ],
)
def test_make_atoms__refuses(position, element, occupancy, told):
    with pytest.raises(InputError, match=told):
        make_atoms(position, element, occupancy)


def test_centered__puts_the_centre_of_mass_at_the_origin():
    atoms = make_atoms([[1e-9, 0, 0], [2e-9, 1e-9, 0], [5e-9, 0, 3e-9]], ["C", "Fe2+", "S"], [1, 1, 0.5])
    centred = atoms.centered()
    np.testing.assert_allclose(centred.mass @ centred.position, 0, atol=1e-22)
    np.testing.assert_allclose(np.diff(centred.position, axis=0), np.diff(atoms.position, axis=0))
    assert atoms.mass.tolist() == pytest.approx([12.011, 55.845, 16.03], abs=0.05)


def test_radius__is_the_largest_distance():
    assert make_atoms([[0, 0, 1e-9], [3e-9, 4e-9, 0]], ["C", "C"]).radius == pytest.approx(5e-9)


def test_digest__changes_with_any_part():
    base = make_atoms([[0.0, 0, 1e-9]], ["C"])
    same = make_atoms([[-0.0, 0, 1e-9]], ["c"], [1])
    others = [
        make_atoms([[0, 0, 1.0000001e-9]], ["C"]),
        make_atoms([[0, 0, 1e-9]], ["N"]),
        make_atoms([[0, 0, 1e-9]], ["C"], [0.5]),
    ]
    assert base.digest == same.digest
    assert len({base.digest, *(other.digest for other in others)}) == 4


@pytest.mark.parametrize(("unit", "length"), [("angstrom", 1e-10), ("nm", 1e-9), ("pm", 1e-12)])
def test_make_atoms__guesses_the_unit_of_positions_that_are_not_in_m(unit, length):
    atoms = chaperonin()
    with pytest.raises(InputError, match=f"are positions in {unit}. give them in m: positions . {length:g}$"):
        make_atoms(atoms.position / length, atoms.element)
    with pytest.raises(InputError, match=f"are positions in {unit}"):
        make_atoms(np.array([[0, 0, 0], [0, 0, 2e-10]]) / length, ["C", "C"])


def test_make_atoms__takes_a_particle_up_to_its_largest_size():
    far = np.array([[0, 0, 0], [0, LARGEST, 0], [0, 1.5e-10, 0]])
    assert len(make_atoms(far, ["C"] * 3)) == 3
    for giant in (far * (1 + 1e-12), far * 1e300, np.sign(far - 1e-11) * 1.7e308):
        with pytest.raises(InputError, match="no more than 1e-05 m is possible"):
            make_atoms(giant, ["C"] * 3)
