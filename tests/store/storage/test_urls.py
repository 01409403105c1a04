from __future__ import annotations

from pathlib import Path

import pytest

from xfeldask.errors import InputError
from xfeldask.store.storage.urls import URL, local, store_path


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("run.zarr", Path("run.zarr")),
        (Path("/data/run.zarr"), Path("/data/run.zarr")),
        ("C:/data/run.zarr", Path("C:/data/run.zarr")),
        ("file:///data/my%20run.zarr", Path("/data/my run.zarr")),
        ("s3://b/run.zarr", URL("s3", "b", "run.zarr")),
        ("S3://b//p/run.zarr/", URL("s3", "b", "p/run.zarr")),
        # a path has lost a slash
        (Path("gs://b/p/run.zarr"), URL("gs", "b", "p/run.zarr")),
        ("abfs://b/run.zarr", URL("az", "b", "run.zarr")),
        ("https://host:8000/p/run.zarr/", URL("https", "host:8000", "p/run.zarr")),
        (URL("memory", "m", "a"), URL("memory", "m", "a")),
        ("icechunk+s3://b/p/runs@main", URL("icechunk+s3", "b/p/runs@main", "")),
        ("icechunk+gcs://b/runs", URL("icechunk+gs", "b/runs@main", "")),
        ("icechunk+file:///data/runs/@v1/p/run42/", URL("icechunk+file", "/data/runs@v1", "p/run42")),
        (Path("icechunk+file:///data/runs@main/run42"), URL("icechunk+file", "/data/runs@main", "run42")),
        ("github://me:runs@main/p/run.zarr", URL("github", "me:runs@main", "p/run.zarr")),
        ("local:///data/run.zarr", URL("local", "/data", "run.zarr")),
        (Path("odd:/run.zarr"), Path("odd:/run.zarr")),
    ],
)
def test_store_path__is_what_is_meant(given, meant):
    assert store_path(given) == meant


@pytest.mark.parametrize(
    "given", ["icechunk+file:///data/runs@v1/run42", "icechunk+s3://b/p@main", "local:///a/b", "az://a/b"]
)
def test_store_path__is_read_as_it_is_written(given):
    assert store_path(str(store_path(given))) == store_path(given)


@pytest.mark.parametrize("given", ["icechunk+http://b/p@main", "icechunk+s3://", "icechunk+file:///a@"])
def test_store_path__refuses_what_is_no_repository(given):
    with pytest.raises(InputError, match=r"names no repository of Icechunk; write icechunk\+s3://BUCKET/PREFIX@BRANCH"):
        store_path(given)


@pytest.mark.parametrize("given", ["s3://bucket", "s3://bucket/", "s3://", "https://b", "odd://b/run.zarr"])
def test_store_path__refuses_what_is_no_store(given):
    with pytest.raises(InputError, match=r"names no store|a store is a path, or a URL of s3://"):
        store_path(given)


def test_url__is_read_as_it_is_written():
    url = URL("s3", "b", "p/run.zarr")
    assert store_path(str(url)) == url == url.absolute() == url / ""
    assert (url.name, url.stem, str(url.parent)) == ("run.zarr", "run", "s3://b/p")
    assert url.with_name(".run.zarr.lock") == URL("s3", "b", "p/.run.zarr.lock")
    assert URL("s3", "b", "run.zarr").with_name("x") == URL("s3", "b", "x")


def test_local__refuses_a_bucket():
    assert local(Path("a"), "a report") == Path("a")
    with pytest.raises(InputError, match=r"a report is written into a folder, not into s3://b/a"):
        local(URL("s3", "b", "a"), "a report")


@pytest.mark.parametrize("given", [7, None])
def test_store_path__refuses_what_is_neither_a_path_nor_a_url(given):
    with pytest.raises(
        InputError, match=f"a store is given by its path, its URL or as a zarr store, got {type(given).__name__}"
    ):
        store_path(given)
