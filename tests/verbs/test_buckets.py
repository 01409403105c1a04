"""Stores in a bucket of a real S3 server: written, read, broken off and gone on with, as on disk."""

from __future__ import annotations

import sys
import threading
import uuid

import dask
import numpy as np
import obstore
import pytest

from tests.servers import BUCKET, KEY, SECRET, seaweed
from xfeldask import embed, export, ingest, open_dataset, open_run, project, select, simulate, sort, verify
from xfeldask.errors import (
    InputError,
    MissingFileError,
    RunError,
    StoreBusyError,
    StoreExistsError,
    UnreachableError,
)
from xfeldask.report.run_report import report
from xfeldask.store.results.selections import publish_selection, remove_selection
from xfeldask.store.storage import connection
from xfeldask.store.storage.bucket import Bucket
from xfeldask.store.storage.lock import held
from xfeldask.store.storage.places import Folder, place_of
from xfeldask.store.storage.urls import URL

ATOMS = (np.random.default_rng(1).normal(size=(40, 3)) * 9e-10, ["C", "N", "O", "S"] * 10)
BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 3e16, "focus_radius": 5e-7}
RUN = {"particle": ATOMS, "detector": "square-32", "beam": BRIGHT, "n_shots": 22, "seed": 5, "progress": False}
EMBED = {"n_components": 2, "sort": "elliptic_envelope", "progress": False}
N_SHARDS = 3


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Address of an S3 server with an empty bucket."""
    with seaweed(tmp_path_factory.mktemp("seaweed")) as address:
        yield address


@pytest.fixture(autouse=True)
def one_thread():
    with dask.config.set(scheduler="synchronous"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("xfeldask.store.layout.SHARD_BYTES", 8 * 32 * 32)
        yield


@pytest.fixture
def login(server, monkeypatch):
    """Credentials of the server in the environment."""
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    connection.bucket.cache_clear()
    yield
    connection.bucket.cache_clear()


@pytest.fixture
def url(login):
    """Where nothing is yet."""
    return f"s3://{BUCKET}/{uuid.uuid4().hex}/run.zarr"


@pytest.fixture
def memory():
    return f"memory://{uuid.uuid4().hex}/run.zarr"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The same run in a folder, with an embedding and a selection; read only."""
    path = tmp_path_factory.mktemp("made") / "run.zarr"
    with dask.config.set(scheduler="synchronous"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("xfeldask.store.layout.SHARD_BYTES", 8 * 32 * 32)
        simulate(path, **RUN)
        embed(path, **EMBED)
        publish_selection(open_run(path), "mine", np.arange(22) > 2)
    return path


def at(url):
    return place_of(URL(*url.replace("://", "/").split("/", 2)))


def content(place, *, without=("latent", "selection")):
    keys = [key for key in place.sizes() if key.partition("/")[0] not in without]
    return place.read_all(keys)


def copied(folder, url):
    """Copy a store as any tool does."""
    at(url).write({key: [data] for key, data in content(Folder(folder), without=()).items()})


def test_store__that_was_copied_into_a_bucket_is_read_there(made, url, tmp_path):
    copied(made, url)
    run = open_run(url)
    assert (run.n_shots, run.complete, list(run.embeddings), list(run.selections)) == (22, True, ["ipca"], ["mine"])
    assert str(url) in repr(run)
    here, there = open_dataset(made), open_dataset(url)
    assert here.drop_vars("photons").identical(there.drop_vars("photons"))
    assert (here.photons.values == there.photons.values).all()
    assert (here.photons[[3, 20]].values == open_dataset(url, chunks=None).photons[[3, 20]].values).all()
    assert verify(url, recompute=3, progress=False).ok
    assert select(url, "shot > 3 and is_single").tolist() == select(made, "shot > 3 and is_single").tolist()
    one, other = (export(store, tmp_path / f"{n}.emc", progress=False) for n, store in enumerate((made, url)))
    assert one.read_bytes() == other.read_bytes()


def test_simulate__into_a_bucket_gives_the_bytes_of_a_folder(made, url, monkeypatch):
    order, put = [], Bucket.put

    def noted(self, key, *data, **how):
        order.append(key)
        return put(self, key, *data, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "put", noted)
        ds = simulate(url, **RUN)
    assert ds.encoding["source"] == url
    assert content(at(url)) == content(Folder(made))
    for shard in range(N_SHARDS):
        assert order.count(f"photons/c/{shard}/0/0/0") == 1
        late = order.index(f"shot_status/c/{shard}")
        assert all(order.index(f"{name}/c/{shard}/0/0") < late for name in ("image", "low_q"))
    assert Bucket(at(url).path.parent).children() == [at(url).path.key]
    with pytest.raises(StoreExistsError):
        simulate(url, **RUN)
    simulate(url, **RUN, resume=True)
    assert content(at(url)) == content(Folder(made))
    simulate(url, **RUN | {"seed": 6}, overwrite=True)
    assert open_run(url).experiment.seed == 6
    assert verify(url, progress=False).ok


class Killed(BaseException):
    """What stands for the end of a process."""


@pytest.mark.parametrize("after", [7, 80])
def test_simulate__that_was_killed_at_a_put_is_finished_to_the_same_bytes(made, memory, monkeypatch, after):
    done, put = [], Bucket.put

    def dying(self, key, *data, **how):
        if len(done) >= after and not key.endswith(".lock"):
            raise Killed
        done.append(key)
        return put(self, key, *data, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "put", dying)
        with pytest.raises(Killed):
            simulate(memory, **RUN)
    simulate(memory, **RUN, resume=True)
    assert content(at(memory)) == content(Folder(made))
    assert at(memory).leftovers() == []


def test_overwrite__that_breaks_off_leaves_none_and_is_told(made, memory, monkeypatch):
    simulate(memory, **RUN)
    put = Bucket.put

    def dying(self, key, *data, **how):
        if key == "zarr.json":
            raise Killed
        return put(self, key, *data, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "put", dying)
        with pytest.raises(Killed):
            simulate(memory, **RUN | {"seed": 6}, overwrite=True)
    with pytest.raises(MissingFileError, match="no store at memory://"):
        open_run(memory)
    simulate(memory, **RUN)
    assert content(at(memory)) == content(Folder(made))


def test_simulate__where_other_things_lie_leaves_them(memory):
    at(memory).write({"notes.txt": [b"mine"]})
    with pytest.raises(InputError, match="is not a Zarr store"):
        simulate(memory, **RUN, overwrite=True)
    assert at(memory).sizes() == {"notes.txt": 4}


def test_simulate__beside_another_writer_is_refused(url):
    raised = []

    def other():
        try:
            simulate(url, **RUN)
        except StoreBusyError as error:
            raised.append(str(error))

    with held(at(url).path):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert raised
    assert f"{url} is being written by process " in raised[0]


def test_groups__are_written_replaced_and_removed_there(made, url):
    copied(made, url)
    embed(url, **EMBED, name="two")
    both = open_run(url).embeddings
    assert list(both) == ["ipca", "two"]
    np.testing.assert_array_equal(both["two"].dataset().latent.values, both["ipca"].dataset().latent.values)
    with pytest.raises(StoreExistsError):
        embed(url, **EMBED)
    n = int(sort(url, "two", contamination=0.5).is_single.sum())
    assert n < int(both["ipca"].dataset().is_single.sum())
    assert int(open_run(url).embeddings["two"].dataset().is_single.sum()) == n
    project(url, "ipca", url, as_name="again", progress=False)
    assert "again" in open_run(url).embeddings
    run = open_run(url)
    publish_selection(run, "mine", np.arange(22) > 20)
    assert run.selections["mine"].sum() == 1
    remove_selection(run, "mine")
    assert list(run.selections) == []
    assert verify(url, progress=False).ok


def test_embed__into_a_store_that_is_replaced_meanwhile_is_not_put_into_the_new_one(memory, monkeypatch):
    simulate(memory, **RUN)
    module = sys.modules["xfeldask.verbs.embed"]
    draft = module.draft

    def late(*arguments):
        simulate(memory, **RUN | {"seed": 3}, overwrite=True)
        return draft(*arguments)

    monkeypatch.setattr(module, "draft", late)
    with pytest.raises(RunError, match="was replaced by another run meanwhile"):
        embed(memory, **EMBED)
    assert list(open_run(memory).embeddings) == []


def test_embed__that_breaks_off_leaves_no_half_of_an_embedding(made, memory, monkeypatch):
    copied(made, memory)
    put = Bucket.put

    def dying(self, key, *data, **how):
        if key.startswith("score/c"):
            raise Killed
        return put(self, key, *data, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "put", dying)
        with pytest.raises(Killed):
            embed(memory, **EMBED, overwrite=True)
    assert list(open_run(memory).embeddings) == []
    assert ".run.zarr.latent.ipca.new" in [problem.variable for problem in verify(memory, progress=False).problems]
    embed(memory, **EMBED)
    assert verify(memory, progress=False).ok


def test_verify__names_what_is_damaged_or_missing(made, memory):
    copied(made, memory)
    place = at(memory)
    data = bytearray(place.read("photons/c/1/0/0/0"))
    data[3] ^= 1
    place.put("photons/c/1/0/0/0", bytes(data))
    place.delete("image/c/0/0/0")
    told = [str(problem) for problem in verify(memory, progress=False).problems]
    assert any(line.startswith("photons, shot 8: ") for line in told)
    assert "image, shots 0 to 7: the file is missing" in told


def test_ingest__into_a_bucket_gives_the_bytes_of_a_folder(memory, tmp_path):
    np.save(tmp_path / "run.npy", np.random.default_rng(3).poisson(0.2, (9, 32, 32)).astype(np.uint8))
    given = {"geometry": "square-32", "wavelength": 2e-10, "progress": False}
    with pytest.raises(InputError, match="cannot stay in files, as it is in a bucket"):
        ingest(tmp_path / "run.npy", memory, **given, copy=False)
    assert at(memory).sizes() == {}
    for store in (memory, tmp_path / "run.zarr"):
        ingest(tmp_path / "run.npy", store, **given)
    assert content(at(memory)) == content(Folder(tmp_path / "run.zarr"))


def test_report__beside_a_store_in_a_bucket_is_refused_and_elsewhere_written(made, memory, tmp_path):
    copied(made, memory)
    with pytest.raises(InputError, match="a report is written into a folder"):
        report(memory)


def test_bucket__that_is_not_there_is_named(login):
    for verb in (open_run, lambda url: simulate(url, **RUN), lambda url: verify(url, progress=False)):
        with pytest.raises(UnreachableError, match="there is no bucket s3://nowhere; make it, or mend the name"):
            verb("s3://nowhere/run.zarr")


def test_bucket__that_does_not_let_one_in_says_so(url, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    connection.bucket.cache_clear()
    for verb in (open_run, lambda url: simulate(url, **RUN)):
        with pytest.raises(UnreachableError, match=f"s3://{BUCKET} does not let you in.*; set AWS_ACCESS_KEY_ID"):
            verb(url)


def test_server__that_is_gone_is_told_at_every_step(made, url, monkeypatch, run):
    copied(made, url)
    opened, lazy = open_run(url), open_dataset(url, chunks=None)
    monkeypatch.setattr(connection, "RETRIES", 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    connection.bucket.cache_clear()
    gone = "the server of s3://runs at http://127.0.0.1:9 does not answer"
    for verb in (
        open_run,
        lambda url: simulate(url, **RUN),
        lambda url: verify(url, progress=False),
        lambda url: embed(url, **EMBED),
        lambda _: opened.refuse_replaced(),
    ):
        with pytest.raises(UnreachableError, match=gone):
            verb(url)
    assert (lazy.photons[0].values == open_dataset(made).photons[0].values).all()  # by the connection that it has
    code, _, told = run("inspect", url)
    assert code == 1
    assert told.startswith(f"xfeldask: {gone}")
    assert told.count("\n") == 1


def test_server__that_goes_while_shards_are_written_is_told_and_gone_on_with(made, memory, monkeypatch):
    put = obstore.put

    def gone(store, key, *data, **how):
        if "photons/c/1" in key:
            raise obstore.exceptions.GenericError("error sending request")
        return put(store, key, *data, **how)

    with monkeypatch.context() as patch:
        patch.setattr(obstore, "put", gone)
        with pytest.raises(UnreachableError, match=r"does not answer \(error sending request\)"):
            simulate(memory, **RUN)
    assert not open_run(memory).done()[8:16].any()
    simulate(memory, **RUN, resume=True)
    assert content(at(memory)) == content(Folder(made))


def test_command_line__takes_urls(memory, run, made, tmp_path):
    copied(made, memory)
    code, out, _ = run("select", memory, "--where", "shot < 2")
    assert (code, out.split()) == (0, ["0", "1"])
    assert run("verify", memory, "--quiet", "--scheduler", "synchronous")[0] == 0
    code, _, told = run("export", memory, "s3://b/out.emc")
    assert code == 2
    assert told.startswith("xfeldask: out is written into a folder, not into s3://b/out.emc")


def test_extra__that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.delitem(sys.modules, "xfeldask.store.storage.bucket")
    with pytest.raises(InputError, match=r"buckets need obstore: pip install 'xfeldask\[bucket\]'"):
        open_run("s3://b/run.zarr")


def test_copy__back_into_a_folder_is_the_store(made, memory, tmp_path):
    copied(made, memory)
    back = Folder(tmp_path / "back.zarr")
    back.write({key: [data] for key, data in content(at(memory), without=()).items()})
    assert verify(tmp_path / "back.zarr", progress=False).ok
