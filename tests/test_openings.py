"""How often a store is opened, and its detector laid out, for one thing that is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest
import zarr

from xfeldask import embed, simulate
from xfeldask.explorer.view.page import make_page
from xfeldask.physics.detectors import Geometry

ATOMS = [[-1e-9, 0, 0], [1e-9, 0, 0]], ["C", "C"]
BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 1e16, "focus_radius": 5e-7}


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Counter[str]]]:
    """A store, and what is counted from now on in this process."""
    path, count = tmp_path / "run.zarr", Counter[str]()
    simulate(path, particle=ATOMS, beam=BRIGHT, detector="square-32", n_shots=40, progress=False)
    open_group, steps = zarr.open_group, Geometry._steps

    def opened(store, *arguments, **options):
        count["root"] += Path(str(store)) == path
        return open_group(store, *arguments, **options)

    def laid_out(self, axis):
        count["laid out"] += 1
        return steps(self, axis)

    monkeypatch.setattr("xfeldask.store.opening.zarr.open_group", opened)
    monkeypatch.setattr(Geometry, "_steps", laid_out)
    with dask.config.set(scheduler="synchronous"):
        yield path, count


def test_embed__opens_a_store_to_read_and_once_more_to_write(counted: tuple[Path, Counter[str]]) -> None:
    path, count = counted
    embed(path, sort=None, progress=False)
    assert count == {"root": 2, "laid out": 2}, "rows and columns are laid out once each"


def test_page__opens_a_store_once(counted: tuple[Path, Counter[str]]) -> None:
    path, count = counted
    make_page([path])
    assert count == {"root": 1, "laid out": 2}
