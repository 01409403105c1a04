"""NaN, infinity and what is no number in all that embed reads end in one sentence, and soon."""

from __future__ import annotations

import json
import math
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import zarr

from xfeldask import embed, fit, open_dataset, open_run, simulate, transform
from xfeldask.errors import XfeldaskError
from xfeldask.store.storage.lock import held
from xfeldask.verbs.parts.patience import Patience

NUMBERS = [math.nan, math.inf, -math.inf, 1e300, -1.0]
PARTICLE = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 1e16, "focus_radius": 5e-7}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("finite") / "run.zarr"
    simulate(path, particle=PARTICLE, detector="square-32", beam=BRIGHT, n_shots=60, progress=False)
    return path


@pytest.fixture
def store(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "run.zarr"))


@pytest.fixture(scope="module")
def ds(made):
    """In memory, of numbers that could be anything."""
    ds = open_dataset(made, chunks=None).load()
    return ds.assign(image=ds.image.astype(float), low_q=ds.low_q.astype(float)).drop_vars("photon_energy")


def refused(function, *words):
    with pytest.raises(XfeldaskError) as error:
        function()
    assert "\n" not in str(error.value)
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize("number", NUMBERS)
def test_embed__refuses_positions_of_pixels_that_cannot_be(store, number):
    array = zarr.open_group(store, mode="r+", use_consolidated=False)["pixel_position"]
    values = array[...]
    values[0, 3, 4] = number
    array[...] = values
    refused(lambda: embed(store, sort=None, progress=False), "pixel")


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_embed__depends_on_no_other_number_of_a_store(store, number):
    for name, array in zarr.open_group(store, mode="r+", use_consolidated=False).arrays():
        if array.dtype.kind == "f" and name != "pixel_position":
            array[...] = number
    assert np.isfinite(embed(store, sort="elliptic_envelope", progress=False).latent).all()


CANNOT_BE = [
    (name, value)
    for name in ("pixel_size", "photon_energy", "bin")
    for value in (*NUMBERS, 0, "x", None)
    # an energy that is not there is the experiment's
    if (name, value) not in (("photon_energy", None), ("photon_energy", 1e300), ("pixel_size", 1e300))
]


@pytest.mark.parametrize(("name", "value"), CANNOT_BE)
def test_embed__refuses_attributes_that_cannot_be(store, name, value):
    file = store / "zarr.json"
    metadata = json.loads(file.read_text())
    metadata["attributes"][name] = value
    file.write_text(json.dumps(metadata))
    refused(lambda: embed(store, sort="pairs", progress=False))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, -1.0])
@pytest.mark.parametrize("name", ["image", "low_q", "pixel_position"])
def test_fit__refuses_numbers_that_cannot_be(ds, name, number):
    changed = ds.copy(deep=True)
    changed[name].values[0, 3, 4] = number
    refused(lambda: fit(changed, progress=False))


@pytest.mark.parametrize("value", [*NUMBERS, 0, "x"])
@pytest.mark.parametrize("name", ["pixel_size", "photon_energy", "bin"])
def test_fit__refuses_attributes_that_cannot_be(ds, name, value):
    if (name, value) != ("pixel_size", 1e300):
        refused(lambda: fit(ds.assign_attrs({name: value}), sort=None, progress=False))


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_transform__refuses_numbers_that_cannot_be(ds, number):
    model = fit(ds, sort="elliptic_envelope", progress=False)
    changed = ds.copy(deep=True)
    changed["image"].values[7, 3, 4] = number
    refused(lambda: transform(changed, model, progress=False), "finite")


def test_embed__does_not_wait_for_ever_for_shots_that_nobody_writes(store, monkeypatch):
    root = zarr.open_group(store, mode="r+", use_consolidated=False)
    root["shot_status"][40:] = 0
    root.attrs["complete"] = False
    monkeypatch.setattr("xfeldask.verbs.parts.patience.SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr("xfeldask.verbs.parts.patience.MOST_SECONDS_ALONE", 0.05)
    refused(lambda: embed(store, sort=None, follow=True, progress=False), "40 of 60 shots", "nobody writes more")
    with held(store):
        patience, asked = Patience(open_run(store)), time.monotonic()
        while time.monotonic() - asked < 0.2:
            patience.wait(40)
