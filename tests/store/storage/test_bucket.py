"""Places in a bucket, which is in memory here."""

from __future__ import annotations

import json
import os
import pickle
import time
import uuid

import numpy as np
import obstore
import pytest
import zarr
from obstore.exceptions import GenericError

from xfeldask.errors import StoreBusyError, UnreachableError, XfeldaskWarning
from xfeldask.store.storage import lock
from xfeldask.store.storage.bucket import Bucket
from xfeldask.store.storage.bucket_mark import ObjectMark
from xfeldask.store.storage.connection import told
from xfeldask.store.storage.lock import STALE, Holder, held, writer
from xfeldask.store.storage.manifest import seal
from xfeldask.store.storage.places import Folder
from xfeldask.store.storage.publish import uploaded
from xfeldask.store.storage.urls import URL


@pytest.fixture
def url():
    """Where a store may lie in a bucket that nobody else has."""
    return URL("memory", uuid.uuid4().hex, "p/run.zarr")


@pytest.fixture
def place(url):
    return Bucket(url)


@pytest.fixture
def group(tmp_path):
    """A group with an array, and a group in it, in a folder."""
    root = zarr.create_group(tmp_path / "run.zarr")
    root.create_array("a", data=np.array([1, 2, 3]))
    root.create_group("volume").create_array("b", data=np.array([4]))
    seal(tmp_path / "run.zarr")
    return tmp_path / "run.zarr"


def keys(place):
    """All there is in a bucket."""
    return sorted(one["path"] for one in obstore.list(place.store).collect())


def test_place__does_what_a_folder_does(place, tmp_path):
    folder = Folder(tmp_path / "run.zarr")
    for one in (folder, place):
        one.write({"a/zarr.json": [b"{", b"}"], "b": [b"1"], "c/d/zarr.json": [b""]})
        one.write({"b": [b"23"]})
        with pytest.raises(FileNotFoundError):
            one.read("gone")
    assert folder.sizes() == place.sizes() == {"a/zarr.json": 2, "b": 2, "c/d/zarr.json": 0}
    assert folder.nodes() == place.nodes() == ["a", "c/d"]
    for one in (folder, place):
        assert one.read_all(["b", "gone"]) == {"b": b"23"}
        assert (one.size("b"), one.size("gone"), one.holds("a"), one.holds("gone")) == (2, None, True, False)
        before = one.stamp("c")
        one.write({"c/e": [b"new"]})
        assert one.stamp("c") != before
        one.remove("c")
        assert set(one.sizes()) == {"a/zarr.json", "b"}


def test_place__is_taken_by_a_store_or_by_what_is_none(place):
    assert not place.exists()
    place.put("data.bin", b"not ours")
    assert place.exists()


def test_uploaded__is_there_when_its_root_is(place, group, monkeypatch):
    put = Bucket.put
    order = []

    def noted(self, key, *data, **how):
        order.append((self.path / key).key)
        return put(self, key, *data, **how)

    monkeypatch.setattr(Bucket, "put", noted)
    with uploaded(place.path) as fresh:
        group.rename(fresh)
        assert keys(place) == []
    assert order[0] == "p/.run.zarr.new"
    assert order[-1] == "p/run.zarr/zarr.json"
    assert place.leftovers() == []
    assert place.open("r")["volume/b"][:].tolist() == [4]
    assert "p/.run.zarr.new" not in keys(place)


def test_uploaded__is_not_there_when_what_fills_it_fails(place):
    place.put("zarr.json", b"old")
    with pytest.raises(ValueError, match="full"), uploaded(place.path):
        raise ValueError("full")
    assert keys(place) == ["p/run.zarr/zarr.json"]


def test_uploaded__that_broke_off_is_no_store_and_goes(place, group, monkeypatch):
    put = Bucket.put

    def gone(self, key, *more, **how):
        if key.endswith("a/zarr.json"):
            raise UnreachableError("the server is gone")
        return put(self, key, *more, **how)

    place.write({"zarr.json": [b"old"], "a/c/9": [b"old"]})
    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "put", gone)
        with pytest.raises(UnreachableError), uploaded(place.path) as fresh:
            group.rename(fresh)
    assert not place.exists()
    assert place.size("a/c/9") is None
    assert place.leftovers() == [".run.zarr.new"]
    with held(place.path):
        assert place.leftovers() == []  # it is being written
    place.sweep_beside()
    assert keys(place) == []


def test_uploaded__group_that_broke_off_leaves_the_rest(place, group, monkeypatch):
    with uploaded(place.path) as fresh:
        group.rename(fresh)
    whole = keys(place)
    place.put("latent/pca/score/c/0", b"half")
    Bucket(place.path.with_name(".run.zarr.latent.pca.new")).put(
        "", json.dumps({"store": "run.zarr", "place": "latent/pca"}).encode()
    )
    # of another store, whose name begins alike
    other = Bucket(place.path.with_name(".run.zarr.old.new"))
    other.put("", json.dumps({"store": "run.zarr.old", "place": ""}).encode())
    assert place.leftovers() == [".run.zarr.latent.pca.new"]
    place.sweep_beside()
    assert keys(place) == sorted([*whole, "p/.run.zarr.old.new"])


def test_uploaded__over_another_that_was_made_meanwhile_is_refused(place, group, monkeypatch):
    remove = Bucket.remove

    def late(self, key=""):
        remove(self, key)
        self.put("zarr.json", b"theirs")

    monkeypatch.setattr(Bucket, "remove", late)
    with pytest.raises(StoreBusyError, match="was made by another process meanwhile"), uploaded(place.path) as fresh:
        group.rename(fresh)
    assert place.read("zarr.json") == b"theirs"


def test_open__asks_for_metadata_once(place, group, monkeypatch):
    with uploaded(place.path) as fresh:
        group.rename(fresh)
    asked, get = [], obstore.get_async
    monkeypatch.setattr(obstore, "get_async", lambda store, key, **k: asked.append(key) or get(store, key, **k))
    root = place.open("r")
    assert asked == ["p/run.zarr/zarr.json"]
    assert (sorted(root.keys()), "b" in root["volume"], "gone" in root) == (["a", "volume"], True, False)
    groups = [f"p/run.zarr/{name}/zarr.json" for name in ("a", "volume", "volume/b")]
    assert all(asked.count(key) == 1 for key in groups)
    assert "p/run.zarr/gone/zarr.json" not in asked
    assert root["a"][:].tolist() == [1, 2, 3]
    assert pickle.loads(pickle.dumps(root))["a"][:].tolist() == [1, 2, 3]


def test_open__sees_groups_that_are_published_later_and_none_that_are_being_uploaded(place, group):
    with uploaded(place.path) as fresh:
        group.rename(fresh)
    root = place.open("r+")
    assert "latent" not in root
    place.open("r+").require_group("latent")
    place.put("latent/pca/score/zarr.json", b"{}")
    assert sorted(root.group_keys()) == ["latent", "volume"]
    assert list(root["latent"].group_keys()) == []
    root.attrs["complete"] = True
    assert place.open("r").attrs["complete"] is root.attrs["complete"] is True


def test_held__is_an_object_beside_the_store_that_goes(place):
    with held(place.path), held(place.path, "latent/pca"):
        assert keys(place) == ["p/.run.zarr.latent.pca.lock", "p/.run.zarr.lock"]
        assert writer(place.path).process == os.getpid()
    assert keys(place) == []


@pytest.mark.parametrize(
    ("changes", "age", "dead"),
    [
        ({"host": "elsewhere"}, STALE / 2, False),
        ({"host": "elsewhere"}, STALE + 5, True),
        ({"began": 1.0}, 0, True),
        ({}, 10 * STALE, False),
    ],
)
def test_held__by_the_living_only(place, monkeypatch, changes, age, dead):
    mark = place.mark("")
    mark.make(Holder.me()._replace(**changes))
    now = time.time()
    monkeypatch.setattr("xfeldask.store.storage.bucket_mark.time.time", lambda: now + age)
    if dead:
        with pytest.warns(XfeldaskWarning, match=r"took over .*run.zarr from .*, which is dead"), held(place.path):
            assert mark.holder().process == os.getpid()
        assert keys(place) == []
    else:
        with pytest.raises(StoreBusyError, match="is being written by process"), held(place.path):
            pass


def test_mark__is_taken_over_by_one_alone(place):
    mark, dead, one, other = place.mark(""), *(Holder.me() for _ in range(3))
    mark.make(dead)
    assert mark.take_over(dead, one) is True
    assert mark.take_over(dead, other) is None
    mark.touch(dead)
    mark.drop(dead)
    assert mark.holder() == one
    with pytest.raises(FileExistsError):
        mark.make(other)


def test_held__gives_signs_of_life(place, monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.01)
    with held(place.path):
        beside = Bucket(place.path.parent)
        first = beside.head(".run.zarr.lock")["e_tag"]
        while beside.head(".run.zarr.lock")["e_tag"] == first:
            time.sleep(0.01)
    assert keys(place) == []


def test_held__where_the_server_is_gone_at_the_end_tells_what_was_first(place, monkeypatch):
    def gone(*_):
        raise UnreachableError("the server is gone")

    monkeypatch.setattr(ObjectMark, "drop", gone)
    with pytest.raises(ValueError, match="the disk"), held(place.path):
        raise ValueError("the disk")


def test_mark__on_a_server_without_conditions_is_refused(place, monkeypatch):
    put = obstore.put
    monkeypatch.setattr(obstore, "put", lambda *a, **k: put(*a, **k | {"mode": "overwrite"}))
    with pytest.raises(UnreachableError, match="pays no heed to If-None-Match"), held(place.path):
        pass
    assert keys(place) == []


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (GenericError("a list: <Code>NoSuchBucket</Code>"), "there is no bucket s3://b; make it"),
        (FileNotFoundError("<Code>NoSuchBucket</Code>"), "there is no bucket s3://b; make it"),
        (
            obstore.exceptions.PermissionDeniedError("<Code>AccessDenied</Code>"),
            r"not let you in \(AccessDenied\); set AWS",
        ),
        (
            GenericError("PUT http://169.254.169.254/latest"),
            "there are no credentials for s3://b; set",
        ),
        (GenericError("refused\n\nDebug source"), r"does not answer \(refused\); try again"),
    ],
)
def test_told__says_why_in_a_sentence(error, sentence):
    with pytest.raises(UnreachableError, match=sentence) as found, told(URL("s3", "b", "run.zarr")):
        raise error
    assert "\n" not in str(found.value)
    assert str(pickle.loads(pickle.dumps(found.value))) == str(found.value)


def test_told__lets_what_is_missing_pass():
    with pytest.raises(FileNotFoundError, match="NoSuchKey"), told(URL("s3", "b", "run.zarr")):
        raise FileNotFoundError("<Code>NoSuchKey</Code>")


def test_place__at_azure_asks_for_credentials_in_a_sentence(monkeypatch):
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    with pytest.raises(UnreachableError, match="there are no credentials for az://runs; set AZURE_STORAGE"):
        Bucket(URL("az", "runs", "run.zarr")).exists()
    monkeypatch.setattr("xfeldask.store.storage.connection.RETRIES", 0)
    for name, value in {"ACCOUNT_NAME": "me", "ACCOUNT_KEY": "AAAA", "ENDPOINT": "http://127.0.0.1:9/me"}.items():
        monkeypatch.setenv(f"AZURE_STORAGE_{name}", value)
    with pytest.raises(UnreachableError, match=r"az://runs at http://127\.0\.0\.1:9/me does not answer"):
        Bucket(URL("az", "runs", "run.zarr")).exists()
