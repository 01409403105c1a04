from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.tiny import embed_tiny, frames, tiny_run
from xfeldask import expected_intensity, export, select, verify, write_back
from xfeldask.errors import InputError, MissingFileError, StoreExistsError
from xfeldask.sorting.protocol import Allowance
from xfeldask.store.results.model import make_features
from xfeldask.store.storage.shard_range import ShardRange
from xfeldask.store.store_given import opened
from xfeldask.verbs.arguments.given import LONGEST_NAME, refuse_name
from xfeldask.verbs.ingest import open_sources


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return embed_tiny(tiny_run(tmp_path_factory.mktemp("given") / "run.zarr", frames(24)))


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../a", "ä", "a.b", "-", "__", "a" * (LONGEST_NAME + 1)])
def test_refuse_name__that_is_none(run, name):
    with pytest.raises(InputError, match="may hold letters, digits, dash and underscore only, 100 at most"):
        refuse_name(run, name, overwrite=False)


def test_what_is_of_another_kind__is_refused_in_one_sentence(run, tmp_path):
    np.save(tmp_path / "run.npy", frames(3))
    opened_at = partial(open_sources, tmp_path / "run.npy", None, "square-8", mask=None, photonize=None)
    for ask, told in (
        (lambda: refuse_name(run, 5, overwrite=False), "the embedding's name must be text, got 5"),
        (lambda: Allowance(max_singles_lost="a"), "max_singles_lost must be a fraction, got 'a'"),
        (lambda: make_features(run, {"name": "counts", "bin": "x"}), "bin must be a whole number of pixels, got 'x'"),
        (lambda: make_features(run, {"name": "counts", "bin": 2.7}), "bin must be a whole number of pixels, got 2.7"),
        (lambda: select(run.path, 5), "where must be an expression, such as 'photon_count > 500', got 5"),
        (lambda: verify(run.path, recompute="2"), "recompute must be a number of shots, got '2'"),
        (lambda: ShardRange.read(1), "shards 1: write I/N, such as 3/10"),
        (lambda: opened_at(wavelength="2e-10"), "wavelength must be a number of metres, got '2e-10'"),
    ):
        with pytest.raises(InputError, match=told):
            ask()


def test_refuse_name__that_is_taken_unless_it_may_be_replaced(run):
    refuse_name(run, "other-1_a", overwrite=False)
    refuse_name(run, "pca", overwrite=True)
    with pytest.raises(StoreExistsError, match=r"has an embedding pca; pass overwrite=True \(--overwrite\) or another"):
        refuse_name(run, "pca", overwrite=False)


def test_every_verb__takes_a_dataset_of_all_of_a_store(run, tmp_path):
    ds, told = run.dataset(), []
    assert select(ds, "shot < 3").tolist() == [0, 1, 2]
    assert verify(ds, progress=lambda *what: told.append(what)).ok
    assert told[-1] == ("verifying", 24, 24, "shots")
    assert export(ds, tmp_path / "out.emc", where="shot < 3", progress=False).exists()
    for refused, why in ((lambda: write_back(ds), "not ingested"), (lambda: expected_intensity(ds, 1), "no truth")):
        with pytest.raises(InputError, match=why):
            refused()
    part = ds.isel(shot=slice(5))
    for verb in (select, export):
        with pytest.raises(InputError, match=r"is a part of the store .*; give the store's path"):
            verb(part, "shot < 3")


def test_opened__takes_a_path_or_a_dataset_of_all_of_a_store(run, tmp_path):
    for store in (run.path, str(run.path), run.dataset(), run.dataset(chunks=None)):
        assert opened(store).path == run.path
    with pytest.raises(MissingFileError):
        opened(tmp_path / "none.zarr")
    for part in (run.dataset().isel(shot=slice(5)), run.dataset()[["photon_count"]]):
        with pytest.raises(InputError, match=r"is a part of the store .*; give the store's path, or use fit"):
            opened(part)
    assert opened(run.dataset().load().assign(seen=run.dataset().image.sum("shot"))).path == run.path
    ds = run.dataset()
    for turned in (ds.isel(shot=slice(None, None, -1)), ds.sortby("photon_count"), ds.drop_vars("shot")):
        with pytest.raises(InputError, match="or in another order; give the store's path, or use fit and transform on"):
            opened(turned)
    for name, other in (("image", ds.image * 0), ("low_q", ds.low_q.where(ds.low_q > 1, 0)), ("photon_count", 0)):
        with pytest.raises(
            InputError, match=rf"{name} of this Dataset is another than .*or use fit and transform on the"
        ):
            opened(ds.assign({name: other}))
    loose = run.dataset().load()
    loose.encoding.pop("source", None)
    with pytest.raises(InputError, match="was not opened from a store; give the path of one, or use fit and transform"):
        opened(loose)
