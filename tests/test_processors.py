"""The same experiment gives the same truth, volume and photons on any processor: docs/reproducibility.md."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from tests import small_stores
from tests.hasty import unhurried
from tests.on_processors import LIBM_WITHOUT_FMA, NUMBA_GENERIC, marked, numpy_reduced
from xfeldask import open_run

ROOT = Path(__file__).resolve().parents[1]
DIGESTS = {
    ("bright", "dim"): "9e18bd2faed3374b77c902e0b90200d1504f28ced4aa37cb01bd437b1ba463ac",
    ("adu", "read"): "d140bb5e83159f7f1f2cc7d69b1422a78f66e5c46643983c2529df5d2202f527",
}
"""Of the small stores' truth, volumes and photons, on every processor. Another digest is another `FORMAT`."""
TOLERANCE = 1e-3
"""Of coordinates, in their standard deviations, and of components, whose length is 1: docs/reproducibility.md."""
OF_PROBABILITIES = 0.1
"""Their tolerance: docs/reproducibility.md."""

ROUNDS = ("features", "latent", "orient", "physics", "scores", "sorting")
"""Rooms that work in floating point."""
EXACT = {
    "features/test_own.py": "names, and what is refused",
    "physics/test_axes.py": "directions",
    "physics/test_binned_frames.py": "whole numbers",
    "physics/test_jit.py": "what Numba compiles",
    "physics/test_outside.py": "places in arrays",
    "scores/test_classes.py": "colours",
    "scores/test_confusion.py": "counts",
    "sorting/kinds/test_names.py": "names, and what is refused",
    "sorting/test_protocol.py": "names, and what is refused",
}
"""Modules of these rooms whose tests no processor's rounding changes, and what they look at."""


def test_modules__of_rooms_that_round_are_tried_on_all_processors() -> None:
    found = {str(path.relative_to(ROOT)) for room in ROUNDS for path in (ROOT / "tests" / room).rglob("test_*.py")}
    assert found - {f"tests/{name}" for name in EXACT} == found & set(marked())
    assert {f"tests/{name}" for name in EXACT} <= found


def arrays(folder: Path, stores: Iterable[str] = small_stores.STORES) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """All numbers in small stores but those of embeddings, in one order."""
    for name in stores:
        root = zarr.open_group(folder / f"{name}.zarr", mode="r", use_consolidated=False)
        for path, node in sorted(root.members(max_depth=None)):
            if isinstance(node, zarr.Array) and node.dtype.kind in "fciub" and not path.startswith("latent/"):
                yield f"{name}/{path}", np.asarray(node[...])


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small stores as this process makes them."""
    folder = tmp_path_factory.mktemp("here")
    small_stores.make(folder)
    return folder


def as_if_older(folder: Path, config: pytest.Config, *names: str) -> None:
    """Make small stores in a folder as an old processor would."""
    # what was compiled for the older processor is kept for the next time
    cache = config.cache.mkdir("kernels of a generic processor")
    changes = {**NUMBA_GENERIC, **LIBM_WITHOUT_FMA, **numpy_reduced(), "NUMBA_CACHE_DIR": str(cache)}
    environment = {**os.environ, **changes, "OPENBLAS_CORETYPE": "Prescott", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "tests.small_stores", folder, *names], cwd=ROOT, env=environment, check=True)


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Callable[[str], Path]:
    """The folder of a small store as an old processor makes it; the bright one alone but in a campaign."""
    folder = tmp_path_factory.mktemp("older")

    def made(name: str) -> Path:
        if not (folder / f"{name}.zarr").exists():
            as_if_older(folder, pytestconfig, name)
        return folder

    return made


# most of the time compiles kernels for the older processor
ON_OLDER = [pytest.param(name, marks=() if name == "bright" else pytest.mark.campaign) for name in small_stores.STORES]


@pytest.mark.parametrize("store", ON_OLDER)
def test_stores__are_the_same_on_an_older_processor(here: Path, older: Callable[[str], Path], store: str) -> None:
    there = dict(arrays(older(store), [store]))
    mine = dict(arrays(here, [store]))
    assert {f"{store}/photons", f"{store}/orientation", f"{store}/volume/arrays/coefficient"} <= set(mine)
    assert sorted(there) == sorted(mine)
    for name, value in mine.items():
        np.testing.assert_array_equal(value.view(np.uint8), there[name].view(np.uint8), err_msg=name)


@pytest.mark.parametrize("name", ON_OLDER)
def test_embeddings__agree_with_those_of_an_older_processor(
    here: Path, older: Callable[[str], Path], name: str
) -> None:
    folders = (here, older(name))
    one, other = (open_run(folder / f"{name}.zarr").embeddings["ipca"].dataset().load() for folder in folders)
    for component in range(2):
        mine, theirs = (ds.latent.values[:, component] for ds in (one, other))
        assert np.abs(mine - theirs).max() < TOLERANCE * mine.std()
    assert np.abs(one.components.values - other.components.values).max() < TOLERANCE


@pytest.mark.campaign
def test_probabilities__agree_with_those_of_an_older_processor(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    with unhurried():
        small_stores.teach(here)
    as_if_older(there, pytestconfig, "taught")
    one, other = (open_run(folder / "taught.zarr").embeddings["ipca"].dataset().load() for folder in (here, there))
    mine, theirs = one.probability_single.values, other.probability_single.values
    assert 0.5 < (mine > 0.5).mean() < 1
    assert np.abs(mine - theirs).max() < OF_PROBABILITIES
    assert (one.verdict.values == other.verdict.values).mean() > 0.99


@pytest.mark.rounding
@pytest.mark.parametrize("stores", DIGESTS)
def test_stores__have_these_bits(here: Path, stores: tuple[str, ...]) -> None:
    state = hashlib.sha256()
    for name, value in arrays(here, stores):
        state.update(name.encode())
        state.update(np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<")).tobytes())
    assert state.hexdigest() == DIGESTS[stores]
