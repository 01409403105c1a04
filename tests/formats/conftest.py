"""What tests of files that are written share."""

from __future__ import annotations

import numpy as np
import pytest

from tests.images import two_panels
from tests.tiny import frames, tiny_run
from xfeldask.store.run import Run

TRUTH = {
    "n_particles": np.array([1, 2, 2, 0, 1, 2]),
    "orientation": np.arange(48.0).reshape(6, 2, 4),
    "position": np.arange(36.0).reshape(6, 2, 3) * 1e-9,
    "photon_energy": np.arange(6.0) + 4600,
}


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Six shots on two panels, with bad pixels, truth, an identifier and text; not to be changed."""
    geometry = two_panels(3)
    columns = {"train": np.arange(6) + 500, "sample": np.array(["a", "b", "", "d", "e", "ü"])}
    path = tmp_path_factory.mktemp("written") / "run.zarr"
    return tiny_run(path, frames(6, geometry, mean=0.7), geometry, truth=TRUTH, columns=columns, particle="virus")
