"""`judge`: which shots are compared, what is told, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.verbs.test_reconstruct import COMMON, SMALL
from xfeldask import embed, judge, open_run, reconstruct, reconstruction_quality, simulate
from xfeldask.errors import InputError
from xfeldask.orient import schedule
from xfeldask.report.judging import judgement_figure, judgement_table, sentence
from xfeldask.verbs.judge import SETS, exact_intensity

FEW = {"resolution": 5e-9, "rotations": 420, "starts": 1, "repeats": 1, "progress": False}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of which a fifth are multiples, embedded and, in haste, sorted by the envelope."""
    path = tmp_path_factory.mktemp("judge") / "run.zarr"
    simulate(path, n_shots=600, single_fraction=0.8, **COMMON)
    embed(path, sort="elliptic_envelope", contamination=0.2, progress=False)
    return path


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    monkeypatch.setattr(schedule, "COARSE", (2, 5.0, 11))


def test_judgement__compares_three_sets(path, tmp_path):
    found = judge(path, **FEW)
    run = open_run(path)
    single, accepted = run.read("n_particles") == 1, run.embeddings["ipca"].dataset().is_single.values
    assert found["set"].values.tolist() == ["all hits", "accepted", "true singles"]
    assert found.n_shots.values.tolist() == [600, accepted.sum(), single.sum()]
    np.testing.assert_allclose(found.purity, [single.mean(), single[accepted].mean(), 1])
    assert found.correlation.dims == ("set", "repeat", "shell")
    assert (np.abs(found.correlation) <= 1).all()
    assert float(found.mean_correlation.sel(set="true singles").mean()) > 0.6
    assert judgement_table(found).row_count == 3
    assert "contamination costs" in sentence(found)
    assert found.other_species.values.tolist() == [0, 0, 0]
    judgement_figure(found).savefig(tmp_path / "judged.png")


def test_sentence__says_that_another_species_was_accepted():
    found = xr.Dataset(
        {"mean_correlation": (("set", "repeat"), [[0.6, 0.7], [0.58, 0.59], [0.96, 0.97]]),
         "other_species": (("set",), [0.2, 0.195, 0])},
        coords={"set": list(SETS)},
    )  # fmt: skip
    told = sentence(found)
    assert "sorting gives none back" in told
    assert told.endswith("; 19.5% of the accepted are of another species (see xfeldask kinds)")
    assert "species" not in sentence(found.assign(other_species=(("set",), [0.2, 0.004, 0])))


def test_quality__is_that_of_a_stored_reconstruction(path):
    reconstruct(path, where="n_particles == 1", name="single", **SMALL)
    found = reconstruction_quality(path, "single")
    assert found.orientation_error < 0.7 * found.random
    assert found.oracle is not None
    assert found.shells.correlation.mean() > 0.7
    assert found.oracle.correlation.mean() > 0.8


@pytest.mark.filterwarnings("ignore:nothing was found")
def test_quality__of_shots_that_are_no_true_singles_is_refused(path):
    reconstruct(path, where="n_particles == 2", name="doubles", **{**SMALL, "rotations": 60, "n_iterations": 1})
    with pytest.raises(InputError, match=r"doubles of .* was made of no true single hit"):
        reconstruction_quality(path, "doubles")


def test_quality__of_a_checkpoint_is_refused(path):
    reconstruct(path, name="begun", **{**SMALL, "n_iterations": 1})
    begun = open_run(path).reconstructions["begun"]
    begun.publish(begun.dataset().load().assign_attrs(finished=False))
    with pytest.raises(InputError, match=r"begun of .* is not finished"):
        reconstruction_quality(path, "begun")


def test_exact_intensity__is_that_of_the_atoms(path):
    run = open_run(path)
    grid = exact_intensity(run, 9, 3e7)
    assert grid[4, 4, 4] == pytest.approx(72**2, rel=0.02)
    np.testing.assert_allclose(grid, grid[::-1, ::-1, ::-1], rtol=1e-3, atol=1e-3 * grid.max())


def test_what_cannot_be_judged__is_refused(path, tmp_path):
    with pytest.raises(InputError, match="at least 1 repeat"):
        judge(path, **{**FEW, "repeats": 0})
    with pytest.raises(InputError, match="at least 1 repeat and 1 shot, got 1 and most_shots=-5"):
        judge(path, most_shots=-5, **FEW)
    with pytest.raises(InputError, match="too few for the 420 rotations"):
        judge(path, most_shots=100, **FEW)
    bare = tmp_path / "bare.zarr"
    simulate(bare, n_shots=4, **COMMON)
    with pytest.raises(InputError, match="was sorted; embed it with a rule: xfeldask embed"):
        judge(bare, **FEW)


def test_command__refuses_a_picture_that_cannot_be_before_it_begins(path, tmp_path, run, monkeypatch):
    monkeypatch.setattr("xfeldask.verbs.judge.judge", lambda *_, **__: pytest.fail("it began"))
    for name, why in (("judged.foo", "give it an ending of a picture"), ("no/judged.png", "there is no folder")):
        code, _, err = run("judge", path, "--scheduler", "synchronous", "--out", tmp_path / name)
        assert code == 2
        assert why in err


def test_command__prints_a_table_and_draws(path, tmp_path, run):
    out = tmp_path / "judged.png"
    code, printed, err = run("judge", path, "--rotations", 60, "--resolution", 5e-9, "--starts", 1, "--repeats", 1,
                             "--scheduler", "synchronous", "--out", out)  # fmt: skip
    assert (code, "Traceback" in err) == (0, False)
    assert "true singles" in printed
    assert out.stat().st_size > 5000
