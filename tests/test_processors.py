"""The same experiment gives the same truth, volume and photons on any processor: docs/reproducibility.md."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from tests import small_stores
from tests.on_processors import BOUNDS, LIBM_WITHOUT_FMA, NUMBA_GENERIC, numpy_reduced

ROOT = Path(__file__).resolve().parents[1]
DIGEST = "028ecc5f95be30cc1f30486b167242f2e2fa3b5cf4122deb4b09836e46d0f0d6"
"""Of the small stores' truth, volumes and photons, on every processor. Another digest is another `FORMAT`."""


def arrays(folder: Path) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """All numbers in the small stores, in one order."""
    for name in small_stores.STORES:
        root = zarr.open_group(folder / f"{name}.zarr", mode="r", use_consolidated=False)
        for path, node in sorted(root.members(max_depth=None)):
            if isinstance(node, zarr.Array) and node.dtype.kind in "fciub":
                yield f"{name}/{path}", np.asarray(node[...])


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small stores as this process makes them."""
    folder = tmp_path_factory.mktemp("here")
    small_stores.make(folder)
    return folder


def test_stores__are_the_same_on_an_older_processor(here: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    # what was compiled for the older processor is kept for the next time
    cache = request.config.cache.mkdir("kernels of a generic processor with bounds checked")
    changes = {**NUMBA_GENERIC, **BOUNDS, **LIBM_WITHOUT_FMA, **numpy_reduced(), "NUMBA_CACHE_DIR": str(cache)}
    older = {**os.environ, **changes, "OPENBLAS_CORETYPE": "Prescott", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "tests.small_stores", tmp_path], cwd=ROOT, env=older, check=True)
    there = dict(arrays(tmp_path))
    names = [name for name, _ in arrays(here)]
    assert {"bright/photons", "dim/photons", "bright/orientation", "dim/volume/arrays/coefficient"} <= set(names)
    assert sorted(there) == sorted(names)
    for name, value in arrays(here):
        np.testing.assert_array_equal(value.view(np.uint8), there[name].view(np.uint8), err_msg=name)


def test_stores__have_these_bits(here: Path) -> None:
    state = hashlib.sha256()
    for name, value in arrays(here):
        state.update(name.encode())
        state.update(np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<")).tobytes())
    assert state.hexdigest() == DIGEST
