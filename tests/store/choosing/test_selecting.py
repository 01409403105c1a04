from __future__ import annotations

import numpy as np
import pytest

from tests.tiny import embed_tiny, frames, tiny_run
from xfeldask.errors import InputError, UnknownNameError, XfeldaskWarning
from xfeldask.store.choosing.selecting import select, shots_as, shots_in, write_shots


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("selecting") / "run.zarr"
    truth = {"n_particles": np.arange(24) % 3}
    return embed_tiny(tiny_run(path, frames(24), truth=truth, columns={"train": np.arange(24) + 500}))


def test_select__knows_totals_truth_columns_and_the_embedding(run):
    photons = run.read("photon_count")
    latent = run.embedding().dataset()
    for where, due in (
        ("photon_count > 60", photons > 60),
        ("n_particles == 1 and train < 510", (np.arange(24) % 3 == 1) & (np.arange(24) < 10)),
        ("is_single", latent.is_single.values),
        ("not is_single or c0 > 0", ~latent.is_single.values | (latent.latent.values[:, 0] > 0)),
    ):
        found = select(run.path, where)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, np.flatnonzero(due))


def test_select__leaves_out_what_is_still_to_be_written(tmp_path):
    half = tiny_run(tmp_path / "run.zarr", frames(24), done=16)
    with pytest.warns(XfeldaskWarning, match=r"8 of 24 shots of .*run\.zarr are still to be written, and left out"):
        assert select(half.path, "photon_count < 1000").tolist() == list(range(16))


@pytest.mark.parametrize(
    ("where", "embedding", "error", "told"),
    [
        ("glitter > 1", None, UnknownNameError, "glitter"),
        ("photon_count >", None, InputError, "photon_count >"),
        ("is_single", "none", UnknownNameError, "unknown embedding 'none'; known: pca"),
    ],
)
def test_select__refuses_in_one_sentence(run, where, embedding, error, told):
    with pytest.raises(error, match=told):
        select(run.path, where, embedding)


@pytest.mark.parametrize("selection", [True, np.ones((2, 2), bool), 5])
def test_shots_in__of_no_row_are_refused(run, selection):
    with pytest.raises(InputError, match="a selection is booleans or indices of shots, got"):
        shots_in(run, selection)


def test_shots__are_read_back_from_either_form(tmp_path):
    shots = np.array([3, 5, 10**12])
    for name in ("shots.npy", "shots.csv"):
        write_shots(tmp_path / name, shots)
    np.testing.assert_array_equal(np.load(tmp_path / "shots.npy"), shots)
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "shots.csv", np.int64, skiprows=1), shots)
    assert shots_as("csv", np.empty(0, np.int64)) == b"shot\n"


def test_shots__go_into_no_other_file(tmp_path):
    with pytest.raises(InputError, match=r"shots\.txt: shots are written as \.npy or \.csv"):
        write_shots(tmp_path / "shots.txt", np.arange(3))
    with pytest.raises(InputError, match="written as npy or csv, got txt"):
        shots_as("txt", np.arange(3))
    with pytest.raises(InputError, match="cannot write"):
        write_shots(tmp_path / "none" / "shots.npy", np.arange(3))
    assert list(tmp_path.iterdir()) == []
