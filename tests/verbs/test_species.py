from __future__ import annotations

import hashlib
import json
import pickle
import shutil

import dask
import numpy as np
import pytest
from click.testing import CliRunner

from tests import oracles
from xfeldask import Experiment, embed, open_dataset, open_run, simulate, verify
from xfeldask.cli import commands
from xfeldask.errors import ExperimentMismatchError, InputError, UnknownNameError
from xfeldask.explorer.model.particle import electrons
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.physics.atoms import make_atoms
from xfeldask.physics.orientations import rotation_matrix
from xfeldask.physics.species import Mixture
from xfeldask.store.choosing.columns import Shots

RNG = np.random.default_rng(3)
ONE = (RNG.normal(size=(40, 3)) * 8e-10, ["C", "N", "O", "S"] * 10)
TWO = (RNG.normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 1e16, "focus_radius": 5e-7}
SPECIES = {
    "wanted": {"source": ONE, "weight": 0.5},
    "other": {"source": TWO, "weight": 0.3},
    "drop": {"sphere": {"diameter": [2e-9, 4e-9]}, "weight": 0.2},
}
N = 30


def mixed(path, **changes):
    return simulate(path, **{
        "species": SPECIES, "detector": "square-32", "beam": BRIGHT, "n_shots": N, "seed": 5, "progress": False,
        "hits": {0: 0.1, 1: 0.5, 2: 0.4}, "intensity": True, **changes,
    })  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    found = tmp_path_factory.mktemp("species") / "run.zarr"
    mixed(found)
    return found


def digests(path):
    return {
        str(f.relative_to(path)): hashlib.sha256(f.read_bytes()).hexdigest() for f in path.rglob("*") if f.is_file()
    }


def test_truth__names_the_species_of_each_particle(path):
    ds = open_dataset(path)
    species, n = ds.species.values, ds.n_particles.values
    assert (ds.species.dtype, ds.species.dims) == (np.int16, ("shot", "particle"))
    assert ds.species.attrs["flag_values"] == [0, 1, 2, -1]
    assert ds.species.attrs["flag_meanings"] == "wanted other drop none"
    absent = np.arange(species.shape[1]) >= n[:, None]
    assert (species[absent] == -1).all()
    assert set(species[~absent].tolist()) == {0, 1, 2}
    assert (ds.attrs["species"], ds.attrs["particle"]) == (["wanted", "other", "drop"], "wanted")
    assert open_run(path).species == ["wanted", "other", "drop"]


def test_intensity__of_each_shot_equals_the_sum_over_atoms(path):
    ds, geometry = open_dataset(path), open_run(path).geometry
    matter = [make_atoms(*ONE).centered(), make_atoms(*TWO).centered(), open_run(path).mixture.bodies[2].matter]
    pixels = geometry.pixel_position.reshape(-1, 3)
    s, factor = oracles.pixel_factors(pixels, geometry.pixel_size, 4600.0)
    for shot in range(12):
        total = np.zeros(len(s), complex)
        for k in range(int(ds.n_particles[shot])):
            body, size = int(ds.species[shot, k]), float(ds["size"][shot, k])
            view = size * (s @ rotation_matrix(ds.orientation.values[shot, k]))
            if body == 2:
                found = size**3 * oracles.spheroid(matter[2], view)
            else:
                found = oracles.summed_amplitude(matter[body], view)
            fluence = float(ds.fluence[shot, k]) * 1e12
            total += np.sqrt(fluence) * found * np.exp(2j * np.pi * s @ ds.position.values[shot, k])
        exact = np.sqrt(factor) * np.abs(total)
        found = np.sqrt(ds.intensity.values[shot].ravel())
        assert np.abs(found - exact).sum() <= 1e-3 * exact.sum()


def test_store__is_verified_and_drawn_again(path):
    report = verify(path, recompute=N, progress=False)
    assert report.ok, str(report)
    assert report.n_shots == N


@pytest.mark.parametrize("what", ["species", "variant", "volume/other/member_body", "volume/other/atom_position"])
def test_store__that_lacks_a_part_is_told_so(path, tmp_path, what):
    shutil.copytree(path, tmp_path / "run.zarr")
    shutil.rmtree(tmp_path / "run.zarr" / what)
    assert not verify(tmp_path / "run.zarr", progress=False).ok


def test_store__has_the_same_bytes_on_any_scheduler(path, tmp_path):
    with dask.config.set(scheduler="synchronous"):
        mixed(tmp_path / "again.zarr")
    assert digests(tmp_path / "again.zarr") == digests(path)


def test_shards__of_any_length_hold_the_same_shots(path, tmp_path, monkeypatch):
    monkeypatch.setattr("xfeldask.store.layout.SHARD_BYTES", 4 * 32 * 32)
    found, whole = mixed(tmp_path / "short.zarr"), open_dataset(path)
    assert found.photons.chunks[0][0] == 4
    for name in ("photons", "intensity", "species", "variant", "photon_count"):
        np.testing.assert_array_equal(found[name].values, whole[name].values)


def test_run__knows_bodies_and_atoms(path):
    run = open_run(path)
    assert [body.name for body in run.mixture.bodies] == ["wanted", "other", "drop"]
    np.testing.assert_array_equal(run.atoms.position, make_atoms(*ONE).centered().position)
    np.testing.assert_array_equal(run.mixture.bodies[1].matter.position, make_atoms(*TWO).centered().position)
    assert run.volume is run.forms[0]
    assert isinstance(run.mixture, Mixture)
    assert "wanted, other, drop" in run.facts()["source"]
    assert pickle.loads(pickle.dumps(run)).species == run.species
    assert {"coefficient", "atom_position", "member_body"} <= set(run.dataset("volume/other").variables)


def test_one_species__draws_the_photons_of_the_particle_alone(tmp_path):
    named = mixed(tmp_path / "named.zarr", species={"it": {"source": ONE}}, n_shots=6)
    alone = mixed(tmp_path / "alone.zarr", species=None, particle=ONE, n_shots=6)
    for name in ("photons", "orientation", "position", "size", "image"):
        np.testing.assert_array_equal(named[name].values, alone[name].values)
    assert "species" not in alone
    assert "species" not in json.loads(alone.attrs["experiment"])
    assert open_run(tmp_path / "alone.zarr").species == []


def test_same_matter__is_stored_once(tmp_path):
    twice = {"a": {"source": ONE}, "b": {"source": ONE, "weight": 2}}
    mixed(tmp_path / "run.zarr", species=twice, n_shots=4)
    run = open_run(tmp_path / "run.zarr")
    assert [body.name for body in run.mixture.bodies] == ["a"]
    assert "volume/b/coefficient" not in run
    assert verify(tmp_path / "run.zarr", recompute=4, progress=False).ok


def test_wanted__may_be_another_than_the_first(tmp_path):
    mixed(tmp_path / "run.zarr", wanted="other", n_shots=4)
    run = open_run(tmp_path / "run.zarr")
    assert (run.attributes["particle"], run.mixture.wanted, run.species[0]) == ("other", 1, "wanted")
    assert len(run.atoms) == 30
    assert verify(tmp_path / "run.zarr", recompute=4, progress=False).ok


def test_resume__refuses_other_species_and_takes_the_same(path, tmp_path):
    found = tmp_path / "run.zarr"
    mixed(found, n_shots=6)
    assert mixed(found, n_shots=6, resume=True).attrs["complete"]
    changed = {**SPECIES, "other": {"source": TWO, "weight": 0.31}}
    with pytest.raises(ExperimentMismatchError, match=r"species\.other\.weight"):
        mixed(found, n_shots=6, resume=True, species=changed)
    turned = dict(reversed(SPECIES.items()))
    with pytest.raises(ExperimentMismatchError, match="species: stored"):
        mixed(found, n_shots=6, resume=True, species=turned)


def test_embed__works_on_a_mixture(tmp_path):
    mixed(tmp_path / "run.zarr", n_shots=60, intensity=False)
    latent = embed(tmp_path / "run.zarr", n_components=2, sort="elliptic_envelope", progress=False)
    assert np.isfinite(latent.latent.values).all()


def test_command__takes_species(tmp_path):
    for name, (position, element) in (("one", ONE), ("two", TWO)):
        lines = [
            f"ATOM  {i + 1:5d}  {e:<3} ALA A   1    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          {e:>2}"
            for i, ((x, y, z), e) in enumerate(zip(position * 1e10, element, strict=True))
        ]
        (tmp_path / f"{name}.pdb").write_text("\n".join(lines))
    flags = ["simulate", str(tmp_path / "run.zarr"), "--detector", "square-32", "--n-shots", "8", "--quiet"]
    flags += ["--species", f"wanted={tmp_path}/one.pdb:0.8", "--species", f"other={tmp_path}/two.pdb:0.2"]
    found = CliRunner().invoke(commands, [*flags, "--scheduler", "synchronous"])
    assert found.exit_code == 0, found.output
    run = open_run(tmp_path / "run.zarr")
    assert {name: kind.weight for name, kind in run.experiment.species.items()} == {"wanted": 0.8, "other": 0.2}
    assert CliRunner().invoke(commands, ["inspect", str(tmp_path / "run.zarr")]).exit_code == 0
    dry = CliRunner().invoke(commands, [*flags[:1], str(tmp_path / "dry.zarr"), *flags[2:], "--dry-run"])
    assert dry.exit_code == 0, dry.output
    wrong = CliRunner().invoke(commands, [*flags, "--overwrite", "--species", "wanted=x.pdb"])
    assert "given twice" in str(wrong.exception)


TOML = """
n_shots = 10
[species.wanted]
source = "one.pdb"
weight = 0.8
[species.drop]
weight = 0.2
sphere = {diameter = [2e-8, 4e-8], aspect = 1.2}
"""


def test_toml__has_tables_of_species(tmp_path):
    (tmp_path / "one.pdb").touch()
    (tmp_path / "mixed.toml").write_text(TOML)
    found = Experiment.from_toml(tmp_path / "mixed.toml")
    assert found.species["wanted"].source == str(tmp_path / "one.pdb")
    assert found.species["drop"].sphere.aspect == 1.2
    (tmp_path / "again.toml").write_text(found.to_toml())
    again = Experiment.from_toml(tmp_path / "again.toml")
    assert (again, again.digest) == (found, found.digest)
    assert Experiment.from_stored(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("species", "kind", "told"),
    [
        ({"none": "chaperonin"}, InputError, "no name of a species"),
        ({"a b": "chaperonin"}, InputError, "no name of a species"),
        ({"a": {"sorce": "chaperonin"}}, UnknownNameError, "did you mean source"),
        ({"a": {"weight": 1}}, InputError, "give one of source, conformers and sphere, got none"),
        ({"a": {"source": "chaperonin", "weight": 0}}, InputError, "weight"),
        ({"a": {"sphere": {"diameter": 30.0}}}, InputError, "did you mean 30e-9 m"),
        ({"a": {"sphere": {"diameter": 3e-8}, "hydration": 1e-9}}, InputError, "a sphere has no hydration"),
        ({}, InputError, "species"),
    ],
)
def test_species__that_cannot_be_are_refused(species, kind, told):
    with pytest.raises(kind, match=told):
        Experiment(species=species, n_shots=1)


def test_experiment__has_a_particle_or_species():
    with pytest.raises(InputError, match="not both"):
        Experiment(particle="chaperonin", species={"a": "chaperonin"}, n_shots=1)
    with pytest.raises(UnknownNameError, match="unknown species 'b'"):
        Experiment(species={"a": "chaperonin"}, wanted="b", n_shots=1)


def test_digest__of_species_counts_order_and_contents():
    def digest(**changes):
        a, b = {"source": "a.pdb", "digest": "1"}, {"source": "b.pdb", "digest": "2"}
        return Experiment(**{"species": {"a": a, "b": b}, "n_shots": 1, **changes}).digest

    a, b = {"source": "elsewhere/a.pdb", "digest": "1"}, {"source": "b.pdb", "digest": "2"}
    assert digest(species={"a": a, "b": b}) == digest()
    assert digest(species={"b": b, "a": a}) != digest()
    assert digest(wanted="b") != digest()
    assert digest(species={"a": a, "b": {**b, "digest": "3"}}) != digest()


def test_skopi__knows_no_species(tmp_path):
    with pytest.raises(InputError, match="engine='skopi' knows no species"):
        mixed(tmp_path / "run.zarr", engine="skopi")


def test_explorer__tells_species_and_shows_the_particles_of_each_shot(path):
    run, ds = open_run(path), open_dataset(path)
    column = Shots.of(run).column("species")
    assert column.classes == ((0, "wanted"), (1, "other"), (2, "drop"), (-1, "none"))
    np.testing.assert_array_equal(column.values, ds.species.values[:, 0])
    weight = [
        electrons(body.matter.element, body.matter.occupancy).sum() if body.name != "drop" else body.matter.electrons
        for body in run.mixture.bodies
    ]
    pictures = Pictures(run)
    for shot in range(12):
        picture = pictures.particles(shot)
        there = range(int(ds.n_particles[shot]))
        due = sum(
            weight[species] * (size**3 if species == 2 else 1)
            for species, size in ((int(ds.species[shot, k]), float(ds["size"][shot, k])) for k in there)
        )
        pixel = picture.extent[2] / picture.values.shape[1]
        assert picture.values.sum() * pixel**2 == pytest.approx(due, rel=1e-4)
