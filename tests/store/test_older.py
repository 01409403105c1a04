"""Stores from before format 4, whose images have x along their rows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from xfeldask import embed, open_dataset, open_run, project, simulate, sort, verify
from xfeldask.errors import InputError
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.rebuild import LinearSpace
from xfeldask.report.run_report import powder
from xfeldask.store.older import AXES
from xfeldask.verbs.fit import fit, transform

RUN = {
    "particle": ([[0, 0, 0], [4e-9, 1e-9, 0]], ["C", "C"]),
    "beam": {"photon_energy": 4600.0, "photons_per_pulse": 1e16, "focus_radius": 5e-7},
    "detector": "pnccd-amo86615", "n_shots": 30, "progress": False,
}  # fmt: skip
EMBED = {"n_components": 2, "sort": "elliptic_envelope", "progress": False}


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("today") / "run.zarr"
    simulate(path, **RUN)
    embed(path, **EMBED)
    return path


@pytest.fixture(scope="module")
def older(today: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an older version would have written of the same shots."""
    path = Path(shutil.copytree(today, tmp_path_factory.mktemp("older") / "run.zarr"))
    for name in AXES:
        shutil.rmtree(path / name)
    on_their_side(path, ("image", "low_q"))
    row, column = (path / f"assembled_{name}" for name in ("row", "col"))
    kept = [json.loads((folder / "zarr.json").read_text()) for folder in (row, column)]
    row.rename(path / "swapped")
    column.rename(row)
    (path / "swapped").rename(column)
    for folder, metadata in zip((row, column), kept, strict=True):
        (folder / "zarr.json").write_text(json.dumps(metadata))
    change(path, lambda attributes: (attributes.update(format=3), attributes.pop("manifest")))
    on_their_side(path / "latent/ipca", ("components", "mean"))
    change(path / "latent/ipca", lambda attributes: (attributes.pop("format"), attributes.pop("manifest")))
    return path


def on_their_side(group: Path, names: tuple[str, ...]) -> None:
    """Write arrays anew with their last two axes exchanged, and the dimensions named as before."""
    root = zarr.open_group(group, mode="r+")
    for name in names:
        array, values = root[name], np.swapaxes(root[name][...], -1, -2)
        assert isinstance(array, zarr.Array)
        attributes, named = dict(array.attrs), array.metadata.dimension_names
        whole = tuple(values.shape[1:])
        chunks = (array.chunks[0], *whole) if array.shards else values.shape
        shards = (array.shards[0], *whole) if array.shards else None
        del root[name]
        new = root.create_array(name, shape=values.shape, dtype=values.dtype, chunks=chunks, shards=shards,
                                dimension_names=named, attributes=attributes)  # fmt: skip
        new[...] = values


def change(group: Path, what) -> None:
    file = group / "zarr.json"
    metadata = json.loads(file.read_text())
    what(metadata["attributes"])
    file.write_text(json.dumps(metadata))


@pytest.mark.parametrize("chunks", ["shard", None])
def test_open_dataset__shows_an_older_store_as_one_of_today(today: Path, older: Path, chunks: str | None) -> None:
    assert zarr.open_group(older)["image"].shape == (30, 130, 129)
    old, new = (open_dataset(path, chunks=chunks) for path in (older, today))
    assert old.image.shape == (30, 129, 130)
    xr.testing.assert_identical(old.drop_attrs(deep=False).load(), new.drop_attrs(deep=False).load())
    pattern = old.xfel.assemble(old.photons[3])
    np.testing.assert_array_equal(pattern, new.xfel.assemble(new.photons[3]))


def test_run__reads_images_upright(today: Path, older: Path) -> None:
    old, new = open_run(older), open_run(today)
    for name in ("image", "low_q", "photons"):
        np.testing.assert_array_equal(old.read(name, slice(2, 5)), new.read(name, slice(2, 5)))
    assert repr(old).splitlines()[1:] == repr(new).splitlines()[1:]
    np.testing.assert_array_equal(Pictures(old).binned(4).values, Pictures(new).binned(4).values)


def test_powder__of_an_older_store_is_upright(today: Path, older: Path) -> None:
    nobody = np.full(30, -1)
    old, new = (powder(open_run(path), nobody)[-1] for path in (older, today))
    np.testing.assert_array_equal(old, new)


def test_verify__finds_nothing_wrong_in_an_older_store(older: Path) -> None:
    assert verify(older, progress=False).problems == ()


def test_embed__gives_the_same_of_an_older_store(today: Path, older: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(older, tmp_path / "run.zarr"))
    found = embed(path, **EMBED, overwrite=True).load()
    wanted = open_dataset(today, group="latent/ipca").load()
    xr.testing.assert_equal(found, wanted)
    assert LinearSpace.of(open_run(path).embedding()).mean.shape == (129, 130)
    model = fit(open_dataset(today), **EMBED)
    xr.testing.assert_equal(transform(open_dataset(older), model, progress=False).latent, found.latent)


def test_embedding__of_an_older_version_looks_right_and_is_not_applied(
    today: Path, older: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(older, tmp_path / "run.zarr"))
    wanted = open_dataset(today, group="latent/ipca").load()
    for _ in range(2):
        found = sort(path, contamination=0.2).load()
        xr.testing.assert_equal(found[["latent", "components", "mean"]], wanted[["latent", "components", "mean"]])
    with pytest.raises(InputError, match=r"the model of ipca was made by an older version.*embed .* again"):
        project(path, "ipca", today, as_name="other", progress=False)
    with pytest.raises(InputError, match="older version"):
        LinearSpace.of(open_run(path).embedding())
