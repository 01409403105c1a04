"""Intensities of species, against sums over atoms."""

from __future__ import annotations

import numpy as np
import pytest

from xfeldask.physics.atoms import amplitude, make_atoms
from xfeldask.physics.intensities import species_intensity
from xfeldask.physics.orientations import rotation_matrix, uniform_quaternion
from xfeldask.physics.species import Body, Mixture, Species
from xfeldask.physics.spheroid import Spheroid
from xfeldask.physics.volume import build_volume

pytestmark = pytest.mark.rounding

S_MAX = 4e8
RNG = np.random.default_rng(0)
ELEMENTS = ["C", "N", "O", "S"] * 5
ATOMS = make_atoms(RNG.normal(size=(20, 3)) * 1e-9, ELEMENTS).centered()
AT = RNG.normal(size=(50, 3)) * 1.2e8


@pytest.fixture(scope="module")
def form():
    return build_volume(ATOMS, S_MAX)


@pytest.mark.parametrize("size", [1.0, 1.1])
def test_species_intensity__is_that_of_all_atoms_of_all_members(form, size):
    turns, offsets = uniform_quaternion(RNG.random((2, 3))), RNG.normal(size=(2, 3)) * 3e-9
    kind = Species("dimer", np.zeros((1, 2), np.int64), turns[None], offsets[None], np.full(1, np.nan))
    found = species_intensity(Mixture((Body("one", ATOMS),), (kind,)), [form], 0, AT, size=size)
    places = [ATOMS.position @ rotation_matrix(turn).T + offset for turn, offset in zip(turns, offsets, strict=True)]
    dimer = make_atoms(np.concatenate(places), ELEMENTS * 2)
    assert found == pytest.approx(np.abs(amplitude(dimer, size * AT)) ** 2, rel=2e-3)


def test_species_intensity__is_that_of_the_variant_and_the_species(form):
    ball = Spheroid(2e-9, 3e-9, 3e29)
    kinds = Species.of("one", 0), Species.of("several", np.array([0, 1]))
    mixture, forms = Mixture((Body("one", ATOMS), Body("ball", ball)), kinds), [form, ball]
    assert species_intensity(mixture, forms, 1, AT).tolist() == species_intensity(mixture, forms, 0, AT).tolist()
    at_beam = species_intensity(mixture, forms, 1, np.zeros(3), variant=1)
    assert float(at_beam) == pytest.approx(ball.electrons**2, rel=1e-5)


def test_species_intensity__is_nothing_where_the_form_factor_ends(form):
    found = species_intensity(Mixture.single("one", ATOMS), [form], 0, np.array([[0, 0, 1.1 * S_MAX], [0, 0, 0]]))
    assert found[0] == 0
    assert found[1] > 0
