from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from xfeldask.physics.chaperonin import chaperonin
from xfeldask.physics.orientations import rotation_matrix, symmetry_group

pytestmark = pytest.mark.rounding


@pytest.fixture(scope="module")
def particle():
    return chaperonin()


def test_chaperonin__is_the_same_everywhere(particle):
    assert len(particle) == 16 * 4124
    assert [int((particle.element == name).sum()) for name in "CNOS"] == [42896, 10752, 12032, 304]
    assert particle.digest == "cc4d61af74e378fe0213e7b8549d4e8062359a6435bea5144f00c004fbe4892e"


def test_chaperonin__has_the_size_and_mass_of_3iyf(particle):
    extent = np.ptp(particle.position, axis=0) * 1e9
    assert 15 < extent[0] < 17
    assert extent[0] == pytest.approx(extent[1], rel=0.02)
    assert 18 < extent[2] < 20
    assert 0.82e6 < particle.mass.sum() < 0.93e6


def test_chaperonin__is_hollow(particle):
    assert np.hypot(*particle.position[:, :2].T).min() > 2.5e-9


@pytest.mark.parametrize("g", range(16))
def test_chaperonin__maps_on_itself_under_d8(particle, g):
    turned = particle.position @ rotation_matrix(symmetry_group("D8")[g]).T
    distance, index = cKDTree(particle.position * 1e10).query(turned * 1e10)
    assert distance.max() < 3e-6
    assert len(np.unique(index)) == len(particle)
    assert np.array_equal(particle.element[index], particle.element)


def test_chaperonin__has_no_higher_symmetry(particle):
    tree = cKDTree(particle.position * 1e10)
    mirrored = particle.position * 1e10 * [1, -1, 1]
    assert np.median(tree.query(mirrored)[0]) > 0.3


def test_chaperonin__is_centred(particle):
    np.testing.assert_allclose(particle.mass @ particle.position / particle.mass.sum(), 0, atol=1e-20)


def test_chaperonin__atoms_keep_their_distance(particle):
    distance, _ = cKDTree(particle.position * 1e10).query(particle.position * 1e10, k=2)
    assert distance[:, 1].min() > 1.2
