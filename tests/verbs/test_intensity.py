from __future__ import annotations

import numpy as np
import pytest

from tests.tiny import frames, tiny_run
from xfeldask import simulate
from xfeldask.errors import InputError
from xfeldask.verbs.intensity import expected_intensity

BEAM = {"photon_energy": 4600.0, "photons_per_pulse": 1e17, "focus_radius": 5e-7}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A run that keeps what its photons were drawn from."""
    path = tmp_path_factory.mktemp("intensity") / "run.zarr"
    two = [[0, 0, 0], [2e-9, 0, 0]], ["C", "C"]
    ds = simulate(path, particle=two, detector="square-16", n_shots=4, hits={0: 1, 1: 1, 2: 1}, beam=BEAM, seed=2,
                  nuisance={"background": 0.2, "pulse_spread": 0.2}, intensity=True, progress=False)  # fmt: skip
    return path, ds.load()


@pytest.mark.parametrize("shot", range(4))
def test_intensity__is_what_was_stored_to_the_bit(stored, shot):
    path, ds = stored
    found = expected_intensity(path, shot)
    np.testing.assert_array_equal(found, ds.intensity[shot])
    assert (found.name, found.dims, found.attrs["units"]) == ("intensity", ("panel", "ss", "fs"), "count")


@pytest.mark.parametrize("shot", [-1, 4])
def test_intensity__of_a_shot_that_is_not_there_is_refused(stored, shot):
    with pytest.raises(InputError, match=f"has shots 0 to 3, not {shot}"):
        expected_intensity(stored[0], shot)


def test_intensity__of_what_was_measured_is_refused(tmp_path):
    run = tiny_run(tmp_path / "run.zarr", frames(2))
    with pytest.raises(InputError, match="holds no truth to compute an intensity from; it was not simulated"):
        expected_intensity(run.path, 0)
