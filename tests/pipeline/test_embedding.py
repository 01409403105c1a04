"""`embed` on real stores."""

from pathlib import Path

import dask
import numpy as np
import pytest

from xfeldask import embed, open_dataset, simulate
from xfeldask.errors import InputError, StoreExistsError
from xfeldask.latent.estimators import IncrementalPCA


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("embedding") / "run.zarr"
    simulate(
        path, particle="chaperonin", detector="square-64", n_shots=200, single_fraction=0.9, seed=1, progress=False
    )
    return path


def test_embed__is_the_partial_fit_loop(store: Path) -> None:
    found = embed(store, name="loop", n_components=2, batch_size=64, progress=False)
    images = open_dataset(store).image.values.reshape(200, -1).astype(np.float32)
    pca = IncrementalPCA(2)
    for start in range(0, 200, 64):
        pca.partial_fit(images[start : start + 64])
    np.testing.assert_array_equal(found.components.values.reshape(2, -1), pca.components_)
    np.testing.assert_allclose(found.latent.values, pca.transform(images), atol=1e-4)


def test_embed__same_bits_on_any_scheduler(store: Path) -> None:
    names = ["threads", "synchronous", "processes"]
    for name in names:
        with dask.config.set(scheduler=name, num_workers=2):
            embed(store, name=name, progress=False)
    first, *others = (open_dataset(store, group=f"latent/{name}", chunks=None).load() for name in names)
    assert all(first.equals(other) for other in others)


def test_embed__reads_no_truth(store: Path, tmp_path: Path) -> None:
    import shutil

    bare = tmp_path / "bare.zarr"
    shutil.copytree(store, bare)
    for name in ("n_particles", "orientation", "position", "fluence", "size", "background"):
        shutil.rmtree(bare / name)
    one, two = embed(store, name="with", progress=False), embed(bare, name="without", progress=False)
    np.testing.assert_array_equal(one.latent, two.latent)
    np.testing.assert_array_equal(one.is_single, two.is_single)


def test_embed__several_live_side_by_side_and_none_is_replaced_unasked(store: Path) -> None:
    one = embed(store, name="one", n_components=2, progress=False).latent.values
    embed(store, name="two", n_components=4, progress=False)
    with pytest.raises(StoreExistsError, match="one"):
        embed(store, name="one", n_components=5, progress=False)
    np.testing.assert_array_equal(open_dataset(store, group="latent/one").latent, one)
    assert embed(store, name="one", n_components=5, overwrite=True, progress=False).sizes["component"] == 5


def test_embed__every_variable_says_what_it_is(store: Path) -> None:
    found = embed(store, name="labelled", progress=False)
    assert all({"units", "long_name"} <= set(v.attrs) for v in found.data_vars.values())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_components": 0}, "components"),
        ({"n_components": 200}, "200"),
        ({"batch_size": 0}, "batch_size"),
        ({"contamination": 0.7}, "contamination"),
        ({"name": "../escape"}, "name"),
        ({"method": "pcaa"}, "method"),
    ],
)
def test_embed__refusals_leave_the_store_as_it_was(store: Path, options: dict, words: str) -> None:
    before = sorted(p.name for p in store.parent.rglob("*"))
    with pytest.raises(InputError, match=words):
        embed(store, **{"name": "bad", "progress": False, **options})
    assert sorted(p.name for p in store.parent.rglob("*")) == before


def test_embed__broken_off_leaves_nothing(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xarray.Dataset.to_zarr", full)
    with pytest.raises(InputError, match="No space left"):
        embed(store, name="never", progress=False)
    assert not (store / "latent" / "never").exists()
    assert [p.name for p in store.parent.iterdir()] == ["run.zarr"]
