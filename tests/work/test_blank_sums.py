"""Sums of blanks, of each cell by themselves."""

from __future__ import annotations

import dask
import numpy as np
import pytest

from xfeldask import open_run, simulate
from xfeldask.work import blank_sums

N, BLOCK = 70, 8


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("sums") / "run.zarr"
    atoms = np.random.default_rng(1).normal(size=(30, 3)) * 1e-9, ["C"] * 30
    simulate(path, particle=atoms, detector="square-32", n_shots=N, nuisance={"background": 0.5}, background="gas",
             photon_dtype="uint16", beam={"photon_energy": 4600.0, "photons_per_pulse": 3e16, "focus_radius": 5e-7},
             progress=False)  # fmt: skip
    return open_run(path)


@pytest.mark.parametrize("workers", [1, 3])
def test_sums__are_those_of_all_blanks_of_a_cell_whoever_adds_them(run, monkeypatch, workers):
    monkeypatch.setattr(blank_sums, "BLOCK", BLOCK)
    rng = np.random.default_rng(2)
    blank, cell = rng.random(N) < 0.4, rng.integers(0, 9, N).astype(np.int32)
    with dask.config.set(scheduler="threads", num_workers=workers):
        found = blank_sums.summed(run, blank, cell, False)
    np.testing.assert_array_equal(found["blank"], blank)
    for name in ("image", "low_q"):
        images = run.read(name)
        due = [images[blank & (cell == k)].sum(axis=0, dtype=np.float64) for k in range(cell.max() + 1)]
        np.testing.assert_array_equal(found[name], due)


def test_block__tells_of_cells_alone_that_have_blanks_in_it(run):
    cell = (np.arange(N) % 10).astype(np.int32)
    found = blank_sums.sum_blanks(run, (np.isin(np.arange(N), [13, 34]), cell), 0)
    assert found["cell"].tolist() == [3, 4]
    np.testing.assert_array_equal(found["image"], run.read("image")[[13, 34]])
