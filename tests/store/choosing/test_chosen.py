from __future__ import annotations

import numpy as np
import pytest

from tests.tiny import frames, tiny_run
from xfeldask.store.choosing import chosen
from xfeldask.store.choosing.chosen import Chosen

ENERGY = np.arange(6.0) + 4600


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    columns = {"train": np.arange(6) + 500}
    return tiny_run(tmp_path_factory.mktemp("chosen") / "run.zarr", frames(6), truth={"photon_energy": ENERGY},
                    columns=columns)  # fmt: skip


@pytest.mark.parametrize("shots", [[], [4], [0, 1, 2, 3, 4, 5], [0, 2, 3, 5]])
@pytest.mark.parametrize("together", [1, 2, 100])
def test_blocks__hold_the_shots_in_order_whatever_fits_together(run, monkeypatch, shots, together):
    monkeypatch.setattr(chosen, "BLOCK_BYTES", 64 * together)
    found = Chosen(run, np.array(shots, np.int64))
    blocks = list(found.blocks())
    assert len(found) == len(shots)
    assert all(0 < len(block) <= together for block in blocks)
    joined = np.concatenate(blocks) if blocks else np.empty((0, 1, 8, 8))
    np.testing.assert_array_equal(joined, frames(6)[shots])


def test_values__are_those_of_the_shots_or_none(run):
    found = Chosen(run, np.array([1, 4]))
    assert found.values("photon_energy").tolist() == [4601, 4604]
    assert found.values("orientation") is None
    # one of the pixels, and not of the shots
    assert found.values("mask") is None


def test_columns__are_what_the_schema_does_not_know(run):
    found = Chosen(run, np.array([1, 4])).columns()
    assert {name: column.values.tolist() for name, column in found.items()} == {"train": [501, 504]}
