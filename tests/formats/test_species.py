from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from xfeldask import open_run, simulate, verify
from xfeldask.config import Experiment
from xfeldask.errors import InputError, UnknownNameError
from xfeldask.formats.inputs import resolve
from xfeldask.physics.atoms import amplitude, make_atoms
from xfeldask.physics.members import taken_apart
from xfeldask.physics.orientations import rotated, rotation_matrix
from xfeldask.physics.virus import virus
from xfeldask.physics.water import EXCLUDED, SPACING, hydrated

BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 1e16, "focus_radius": 5e-7}


def ball(n, radius, seed=1):
    """Atoms spread over a ball, no two nearer than in a molecule."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-radius, radius, (40 * n, 3))
    points = points[(points**2).sum(axis=1) < radius**2]
    kept = [points[0]]
    for point in points[1:]:
        if len(kept) < n and np.linalg.norm(np.array(kept) - point, axis=1).min() > 1.2e-10:
            kept.append(point)
    return np.array(kept)


ATOMS = make_atoms(ball(300, 1.6e-9), ["C", "N", "O"] * 100).centered()


@pytest.fixture
def pdb(tmp_path):
    """A structure of chains A and B, 4 nm apart along x."""
    lines = []
    for chain, at in (("A", -20.0), ("B", 20.0)):
        for i, (x, y, z) in enumerate(ball(60, 1e-9, seed=ord(chain)) * 1e10):
            lines.append(
                f"ATOM  {i + 1:5d}  C   ALA {chain}   1    {x + at:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           C"
            )
    path = tmp_path / "two.pdb"
    path.write_text("\n".join(lines))
    return path


def mixture_of(**species):
    asked = Experiment(species=species, n_shots=1, detector="square-32")
    return resolve(asked, {name: ATOMS for name, kind in species.items() if kind.get("source") == "arrays"}).mixture


def members_of(mixture, variant=0, index=0):
    """Bodies of one particle at the origin."""
    n = np.zeros(1, np.int64)
    return taken_apart(mixture, n + index, n + variant, np.array([[1.0, 0, 0, 0]]), np.zeros((1, 3)), np.ones(1))


def placed(mixture, members):
    """Atoms of each member where it is."""
    return [
        rotated(rotation_matrix(q), mixture.bodies[body].matter.position) + place
        for body, q, place in zip(members.body, members.orientation, members.position, strict=True)
    ]


def nearest(a, b):
    return float(cKDTree(a).query(b)[0].min())


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_chain__along_an_axis_touches(axis):
    mixture = mixture_of(it={"source": "arrays", "copies": 3, "along": axis})
    assert len(mixture.bodies) == 1
    members = members_of(mixture)
    first, second, third = placed(mixture, members)
    assert nearest(first, second) == pytest.approx(3e-10, abs=1e-14)
    assert nearest(second, third) == pytest.approx(3e-10, abs=1e-14)
    assert np.all(members.orientation == [1, 0, 0, 0])
    across = np.delete(members.position, "xyz".index(axis), axis=1)
    assert not across.any()
    np.testing.assert_allclose(members.position.sum(axis=0), 0, atol=1e-20)


def test_ring__touches_its_neighbours():
    mixture = mixture_of(it={"source": "arrays", "copies": 5, "arrangement": "ring", "gap": 5e-10})
    atoms = placed(mixture, members_of(mixture))
    for i in range(5):
        assert nearest(atoms[i], atoms[i - 1]) == pytest.approx(5e-10, abs=1e-13)
    assert np.ptp(np.linalg.norm(members_of(mixture).position, axis=1)) < 1e-20


@pytest.mark.parametrize("arrangement", ["chain", "cluster"])
def test_random_arrangements__touch_and_differ(arrangement):
    asked = {"source": "arrays", "copies": 4, "arrangement": arrangement, "arrangements": 6}
    mixture, again = mixture_of(it=asked), mixture_of(it=asked)
    species = mixture.species[0]
    assert (species.variants, species.members) == (6, 4)
    np.testing.assert_array_equal(species.offset, again.species[0].offset)
    assert len(np.unique(species.offset[:, 1, 0])) == 6
    for variant in range(6):
        atoms = placed(mixture, members_of(mixture, variant))
        for i in range(1, 4):
            distance = min(nearest(atoms[i], other) for other in atoms[:i])
            # the points that tell of the surface are up to 0.35 nm apart
            assert 1e-10 < distance < 7e-10


def test_hydrated__has_the_density_of_water_and_keeps_off():
    wet = hydrated(ATOMS, 1e-9)
    assert np.array_equal(wet.position[: len(ATOMS)], ATOMS.position)
    oxygen = wet.position[len(ATOMS) :][wet.element[len(ATOMS) :] == "O"]
    distance = cKDTree(ATOMS.position).query(oxygen)[0]
    assert distance.min() > EXCLUDED
    assert distance.max() <= EXCLUDED + 1e-9
    probe = np.random.default_rng(3).uniform(-3.5e-9, 3.5e-9, (200_000, 3))
    inside = cKDTree(ATOMS.position).query(probe)[0]
    volume = ((inside > EXCLUDED) & (inside <= EXCLUDED + 1e-9)).mean() * 7e-9**3
    assert len(oxygen) == pytest.approx(volume / SPACING**3, rel=0.05)
    electrons = wet.element[len(ATOMS) :].tolist()
    assert electrons.count("H") == 2 * electrons.count("O")
    assert hydrated(ATOMS, 1e-9).digest == wet.digest


def test_hydration__thicker_shells_scatter_more():
    mixture = mixture_of(
        dry={"source": "arrays"},
        thin={"source": "arrays", "hydration": 5e-10},
        wet={"source": "arrays", "hydration": 1e-9},
    )
    forward = [abs(amplitude(body.matter, [[0.0, 0, 0]]))[0] for body in mixture.bodies]
    assert forward[0] < forward[1] < forward[2]


def test_half__keeps_one_side():
    whole = ATOMS.position[:, 2]
    (body,) = mixture_of(it={"source": "arrays", "half": "z"}).bodies
    assert len(body.matter) == (whole > 0).sum()
    np.testing.assert_allclose(body.matter.middle, 0, atol=1e-20)


def test_chains__that_broke_off_are_gone(pdb):
    whole, broken = mixture_of(whole={"source": str(pdb)}, broken={"source": str(pdb), "chains": ["B"]}).bodies
    assert (len(whole.matter), len(broken.matter)) == (120, 60)
    with pytest.raises(UnknownNameError, match=r"unknown chain of .*two.pdb 'C'; known: A, B"):
        mixture_of(it={"source": str(pdb), "chains": ["C"]})
    with pytest.raises(InputError, match="species it: chaperonin has no chains"):
        mixture_of(it={"source": "chaperonin", "chains": ["A"]})


def test_hinge__turns_one_group_about_the_pivot(pdb):
    hinge = {"chains": ["B"], "axis": "z", "angle": [-90, 90], "steps": 3, "pivot": [0, 0, 0]}
    mixture = mixture_of(it={"source": str(pdb), "hinge": hinge}, whole={"source": str(pdb)})
    species = mixture.species[0]
    assert species.coordinate.tolist() == [-90, 0, 90]
    straight = np.concatenate(placed(mixture, members_of(mixture, 1)))
    np.testing.assert_allclose(straight, mixture.bodies[2].matter.position, atol=1e-18)
    for variant, sign in ((0, -1), (2, 1)):
        (stays, turned), (first, second) = (placed(mixture, members_of(mixture, v)) for v in (1, variant))
        np.testing.assert_allclose(first, stays, atol=1e-18)
        # along x it lay, along y it lies
        assert np.sign((second - turned)[:, 1].mean()) == sign
        np.testing.assert_allclose(np.ptp(second[:, 1]), np.ptp(turned[:, 0]), rtol=1e-9)


def test_conformers__are_variants_with_bodies_of_their_own(pdb, tmp_path):
    other = tmp_path / "other.pdb"
    other.write_text("\n".join(pdb.read_text().splitlines()[:60]))
    mixture = mixture_of(it={"conformers": [str(pdb), str(other)]})
    assert [body.name for body in mixture.bodies] == ["it.0", "it.1"]
    assert mixture.species[0].coordinate.tolist() == [0, 1]


def test_virus__has_icosahedral_symmetry_and_a_size():
    found = virus()
    assert len(found) % 60 == 0
    assert 2 * found.radius == pytest.approx(69e-9, rel=0.02)
    turned = rotated(rotation_matrix([0, 0, 0, 1]), found.position[::997])
    assert cKDTree(found.position).query(turned)[0].max() < 1e-13
    np.testing.assert_allclose(found.middle, 0, atol=1e-13)


def test_simulate__of_everything_is_verified(pdb, tmp_path):
    species = {
        "dimer": {"source": ATOMS, "copies": 2, "along": "z"},
        "cluster": {"source": ATOMS, "copies": 4, "arrangement": "cluster", "arrangements": 5},
        "wet": {"source": ATOMS, "hydration": 5e-10},
        "bent": {"source": str(pdb), "hinge": {"chains": ["B"], "axis": "z", "angle": [-20, 20]}},
        "broken": {"source": str(pdb), "chains": ["A"]},
    }
    path = tmp_path / "run.zarr"
    ds = simulate(
        path, species=species, detector="square-32", beam=BRIGHT, n_shots=40, seed=2, intensity=True, progress=False
    )
    assert verify(path, recompute=40, progress=False).ok
    run = open_run(path)
    assert [body.name for body in run.mixture.bodies] == ["dimer", "wet", "bent.0", "bent.1"]
    # what stays at the hinge is what the broken one is
    angle = ds.coordinate.values[ds.species.values == 3]
    assert len(np.unique(angle)) > 2
    assert np.abs(angle).max() <= 20
    assert set(ds.variant.values[ds.species.values == 1].tolist()) <= set(range(5))
    # photons follow from what is stored
    mean = ds.intensity.values.sum(axis=(1, 2, 3))
    counted = (ds.photon_count + ds.lost_photons).values.astype(float).sum()
    assert abs(counted - mean.sum(dtype=float)) < 5 * np.sqrt(mean.sum())
