"""`embed(method="orientation")`: near in latent space are shots in which the particle lies alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xfeldask import embed, open_run, reconstruct, simulate
from xfeldask.errors import InputError, MissingFileError
from xfeldask.physics.orientations import angle_between, symmetry_group


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of singles, of which the first 300 are reconstructed from, and blanks."""
    path = tmp_path_factory.mktemp("orientation") / "run.zarr"
    simulate(path, particle="chaperonin", detector="square-64", n_shots=400, hits={0: 0.05, 1: 0.95}, progress=False)
    with pytest.raises(MissingFileError, match="no reconstruction"):
        embed(path, method="orientation", progress=False)
    reconstruct(path, symmetry="D8", where="shot < 300", resolution=5e-9, starts=2, progress=False)
    return path


def test_orientation__brings_shots_together_that_lie_alike(path):
    found = embed(path, method="orientation", n_components=6, sort=None, progress=False)
    run, latent = open_run(path), found.latent.values
    blank = run.read("n_particles") == 0
    # nothing is known of a blank: it lies in the middle of all
    far = np.linalg.norm(latent - latent[~blank].mean(axis=0), axis=1)
    assert far[blank].max() < np.median(far[~blank])
    true, group = run.read("orientation")[~blank, 0], symmetry_group("D8")
    angle = np.rad2deg(angle_between(true[:, None], true, group, friedel=True))
    apart = np.linalg.norm(latent[~blank][:, None] - latent[~blank], axis=-1)
    np.fill_diagonal(apart, np.inf)
    near = np.argsort(apart, axis=1)[:, :3]
    assert np.median(np.take_along_axis(angle, near, 1)) < 0.5 * np.median(angle)
    assert run.embeddings["orientation"].parameters.features["name"] == "orientation_by_emc"
    # a shot that was not reconstructed from is there as well
    assert np.isfinite(latent[300:]).all()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"method": "orientation", "features": "unit_root"}, "features of its own"),
        ({"method": "pca", "reconstruction": "emc"}, "for the method 'orientation'"),
        ({"method": "orientation", "reconstruction": "none"}, "unknown reconstruction 'none'"),
    ],
)
def test_what_cannot_be__is_refused(path, options, told):
    with pytest.raises(InputError, match=told):
        embed(path, **options, name="refused", progress=False)
