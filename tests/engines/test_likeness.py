from __future__ import annotations

import numpy as np
import pytest

from xfeldask import embed, ingest, open_run, project, simulate
from xfeldask.errors import InputError

QUIET = {"progress": False}
TWO = [[0, 0, 0], [9e-9, 0, 0], [0, 7e-9, 2e-9]], ["U", "U", "U"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A store of files: a detector with a hole, off the beam, and photons of no particle in particular."""
    folder = tmp_path_factory.mktemp("like")
    rng = np.random.default_rng(3)
    good = np.ones((24, 30), bool)
    good[10:13, 12:16] = False
    np.save(folder / "run.npy", rng.poisson(rng.gamma(2, 1, (60, 1, 1)) * np.ones((24, 30))).astype(np.uint8))
    parts = {"source": "flat-24x30@11,14.5", "pixel_size": 1e-3, "distance": 0.4}
    ingest(folder / "run.npy", folder / "run.zarr", geometry=parts, wavelength=8e-10, mask=good, **QUIET)
    return folder / "run.zarr"


def test_like__has_the_detector_the_wavelength_and_the_photons(measured, tmp_path):
    ds = simulate(tmp_path / "sim.zarr", particle=TWO, like=measured, n_shots=100, seed=1, **QUIET)
    mine, theirs = open_run(tmp_path / "sim.zarr"), open_run(measured)
    np.testing.assert_array_equal(mine.geometry.pixel_position, theirs.geometry.pixel_position)
    np.testing.assert_array_equal(mine.geometry.mask, theirs.geometry.mask)
    assert mine.wavelength == pytest.approx(theirs.wavelength)
    middle = np.median(theirs.read("photon_count"))
    assert ds.photon_count.values.mean() == pytest.approx(middle, rel=0.1)


def test_like__reads_photons_as_is_asked(measured, tmp_path):
    ds = simulate(tmp_path / "sim.zarr", particle=TWO, like=measured, n_shots=4, response={"noise": 200}, **QUIET)
    assert open_run(tmp_path / "sim.zarr").experiment.detector.response.noise == 200
    assert "ideal_photons" in ds


def test_model__of_a_simulation_is_applied_to_what_was_measured(measured, tmp_path):
    simulate(tmp_path / "sim.zarr", particle=TWO, like=measured, n_shots=40, nuisance="jitter", **QUIET)
    embed(tmp_path / "sim.zarr", n_components=2, sort="elliptic_envelope", **QUIET)
    found = project(tmp_path / "sim.zarr", "ipca", measured, as_name="theirs", **QUIET)
    assert found.latent.shape == (60, 2)
    assert np.isfinite(found.score.values).all()


def test_like__is_not_mixed_with_others(measured, tmp_path, run):
    flags = ["--particle", "chaperonin", "--n-shots", 4, "--like", measured, "--detector", "square-32"]
    code, _, err = run("simulate", tmp_path / "sim.zarr", *flags)
    assert (code, "gives detector and beam; leave them out" in err) == (2, True)
    np.save(tmp_path / "dark.npy", np.zeros((3, 24, 24), np.uint8))
    ingest(tmp_path / "dark.npy", tmp_path / "dark.zarr", geometry="square-24", wavelength=1e-9, **QUIET)
    with pytest.raises(InputError, match="has a photon"):
        simulate(tmp_path / "sim.zarr", particle=TWO, like=tmp_path / "dark.zarr", n_shots=4, **QUIET)
