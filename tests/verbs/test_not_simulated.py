"""Every verb and the explorer on shots of which nothing but the photons is known, as those of a real experiment."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from xfeldask import embed, expected_intensity, explore, open_dataset, open_run, project, select, simulate, sort, verify
from xfeldask.errors import InputError
from xfeldask.schema import named

N = 500


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("simulated") / "run.zarr"
    hits = {0: 0.05, 1: 0.85, 2: 0.1}
    simulate(path, particle="chaperonin", detector="square-96", n_shots=N, hits=hits, seed=2, progress=False)
    return path


@pytest.fixture(scope="module")
def bare(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same shots without experiment, truth, atoms and form factor."""
    path = Path(shutil.copytree(simulated, tmp_path_factory.mktemp("bare") / "run.zarr"))
    for name in [v.name for v in named("truth")] + ["atom_position", "atom_element", "atom_occupancy", "volume"]:
        shutil.rmtree(path / name)
    file = path / "zarr.json"
    root = json.loads(file.read_text())
    for name in ("experiment", "experiment_digest", "particle", "seed", "mean_single_photons", "manifest"):
        del root["attributes"][name]
    kept = [name for name in root["attributes"]["coordinates"].split() if not name.startswith("atom_")]
    root["attributes"]["coordinates"] = " ".join(kept)
    file.write_text(json.dumps(root))
    for array in path.glob("*/zarr.json"):
        metadata = json.loads(array.read_text())
        metadata["attributes"].pop("run", None)
        array.write_text(json.dumps(metadata))
    return path


@pytest.fixture(scope="module")
def embedded(bare: Path) -> Path:
    embed(bare, progress=False)
    return bare


def test_open__says_that_nothing_else_is_known(bare: Path) -> None:
    run = open_run(bare)
    assert (run.experiment, run.identity, run.atoms, run.symmetry) == (None, None, None, None)
    assert "not simulated" in repr(run)
    ds = open_dataset(bare)
    assert {"photons", "image", "low_q", "photon_count"} <= set(ds.data_vars)
    assert not {v.name for v in named("truth")} & set(ds.variables)
    assert ds.xfel.assemble(ds.photons[0]).shape == (96, 96)


def test_verify__finds_nothing_wrong(bare: Path) -> None:
    assert verify(bare, progress=False).problems == ()


def test_embed__gives_what_it_gives_of_the_simulated_store(simulated: Path, embedded: Path) -> None:
    theirs = embed(simulated, progress=False).load()
    mine = open_run(embedded).embedding().dataset().load()
    assert mine.drop_attrs(deep=False).equals(theirs.drop_attrs(deep=False))


def test_sort__decides_anew(embedded: Path) -> None:
    looser = sort(embedded, max_singles_lost=0.2).load()
    assert open_run(embedded).embedding().is_current
    stricter = sort(embedded, max_singles_lost=0.01).load()
    assert looser.is_single.sum() <= stricter.is_single.sum()


def test_project__goes_both_ways(simulated: Path, embedded: Path) -> None:
    embed(simulated, name="theirs", progress=False)
    there = project(simulated, "theirs", embedded, progress=False).load()
    back = project(embedded, "ipca", simulated, as_name="back", progress=False).load()
    np.testing.assert_array_equal(there.score, back.score)


def test_select__takes_what_there_is(embedded: Path) -> None:
    shots = select(embedded, "photon_count > 0 and is_single", "ipca")
    assert 0.7 * N < len(shots) < N
    with pytest.raises(InputError, match="n_particles"):
        select(embedded, "n_particles == 1")


def test_explore__stands(embedded: Path) -> None:
    assert type(explore(embedded, "ipca")).__name__ == "Row"


def test_expected_intensity__says_that_there_is_no_truth(bare: Path) -> None:
    with pytest.raises(InputError, match="holds no truth to compute an intensity from; it was not simulated"):
        expected_intensity(bare, 0)
