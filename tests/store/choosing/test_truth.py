"""What shots are in truth, and what columns of them say."""

from pathlib import Path

import numpy as np

from tests.tiny import embed_tiny, frames, tiny_run
from xfeldask import open_run, simulate
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.choosing.truth import true_kinds, true_singles


def test_true_singles__are_of_the_wanted_species(tmp_path: Path) -> None:
    path = tmp_path / "run.zarr"
    two = {"a": {"source": "chaperonin"}, "b": {"sphere": {"diameter": 1e-8}}}
    simulate(path, species=two, wanted="b", n_shots=60, single_fraction=0.8, detector="square-32", progress=False)
    run = open_run(path)
    species, n = run.read("species"), run.read("n_particles")
    assert set(species[n == 1, 0].tolist()) == {0, 1}
    np.testing.assert_array_equal(true_singles(run), (n == 1) & (species[:, 0] == 1))


def test_columns__tell_singles_of_another_species_apart(tmp_path: Path) -> None:
    n, species = np.array([0, 1, 1, 2] * 6), np.array([-1, 0, 1, 0] * 6)[:, None]
    run = embed_tiny(tiny_run(tmp_path / "run.zarr", frames(24), truth={"n_particles": n, "species": species}))
    assert true_kinds(run).tolist() == [0, 1, 3, 2] * 6
    shots = Shots.of(run)
    hit, confusion = shots.column("hit"), shots.column("confusion")
    assert dict(hit.classes)[3] == "other"
    np.testing.assert_array_equal(hit.values, true_kinds(run))
    accepted = run.embedding().dataset().is_single.values
    outcome = np.where(true_singles(run), np.where(accepted, 0, 3), np.where(accepted, 1, 2))
    np.testing.assert_array_equal(confusion.values, outcome)
