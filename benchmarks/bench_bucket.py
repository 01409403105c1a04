"""Stores in a bucket of a real S3 server on this machine: shards written there, and the explorer far away from it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit

import numpy as np
import obstore
from dask.base import compute
from obstore.store import S3Store

from benchmarks.bench_explorer import Hover, synthetic
from benchmarks.bench_store import RAW, TOTALS, WORKERS
from benchmarks.common import Folder, Store, effort, in_turns, measures, prepared, ratio
from benchmarks.line import Line
from tests.servers import BUCKET, KEY, SECRET, seaweed
from xfeldask.engines.workshop import forget, simulate_shard
from xfeldask.store.storage import connection
from xfeldask.store.storage.urls import URL, StorePath
from xfeldask.work.tasks import shard_tasks

ROUND_TRIP = 0.02
"""That the line adds to each request [s]."""
SHOTS = {"20K": 20_480}


class HoverInBucket(Hover):
    """From shot to shot of a store in a bucket that answers 20 ms later."""

    params = (list(SHOTS),)

    @measures("ms", "150 or less")
    def track_hover_most(self, shots: str) -> float:
        """pointer moved to both images painted, of a store in a bucket that answers 20 ms later, 95 of 100"""
        return float(np.quantile(self.times, 0.95))

    @measures("s")
    def track_first_page(self, shots: str) -> float:
        """address entered to page at rest, of a store in a bucket that answers 20 ms later, median"""
        return self._page_seconds()

    def _store(self, folder: Path, shots: str) -> StorePath:
        made = synthetic(folder, SHOTS[shots])
        server, address = served(folder, self.stack)
        host = urlsplit(address)
        line = self.stack.enter_context(Line((str(host.hostname), int(host.port or 80))))
        known_at(f"http://127.0.0.1:{line.port}", self.stack)
        for file in made.rglob("*"):
            if file.is_file():
                obstore.put(server, f"run.zarr/{file.relative_to(made).as_posix()}", file)
        line.delay = ROUND_TRIP / 2
        return URL("s3", BUCKET, "run.zarr")


class IntoBucket(Folder):
    """Shards of 1EI7 on the pnCCD drawn and written to a bucket and to a folder, two threads each, in turns."""

    timeout = 1800

    def setup(self) -> None:
        self.stack = ExitStack()
        folder, ready = self.make_folder(), prepared("1ei7", n_shots=effort(64, 10_000))
        self.server, address = served(folder, self.stack)
        known_at(address, self.stack)
        self.stores = {
            "bucket": Store.make(URL("s3", BUCKET, "run.zarr"), ready),
            "folder": Store.make(folder / "run.zarr", ready),
        }

    def teardown(self, *_: object) -> None:
        for store in self.stores.values():
            forget(store.run)
        self.stack.close()
        super().teardown()

    def _write(self, store: Store) -> None:
        shards = range(store.workshop.layout.n_shards)
        compute(*shard_tasks("simulate", simulate_shard, shards, store.run), scheduler="threads", num_workers=WORKERS)

    @measures("times", "1.3 or less")
    def track_slower(self) -> float:
        """shards written to a bucket, against a folder"""
        seconds = in_turns(
            {name: partial(self._write, store) for name, store in self.stores.items()}, effort(1, 3)
        )  # fmt: skip
        return ratio(seconds["bucket"], seconds["folder"])

    @measures("files", "0")
    def track_differ(self) -> float:
        """files of the shards that differ between the two"""
        for store in self.stores.values():
            self._write(store)
        folder = Path(self.folder) / "run.zarr"
        files = [file for name in RAW + TOTALS for file in (folder / name / "c").rglob("*") if file.is_file()]
        assert files
        keys = {file: f"run.zarr/{file.relative_to(folder).as_posix()}" for file in files}
        return sum(bytes(obstore.get(self.server, key).bytes()) != file.read_bytes() for file, key in keys.items())


def served(folder: Path, stack: ExitStack) -> tuple[S3Store, str]:
    """Serve an empty bucket until the stack is closed; return it and the address of the server."""
    (folder / "seaweed").mkdir()
    try:
        address = stack.enter_context(seaweed(folder / "seaweed"))
    except FileNotFoundError:
        raise NotImplementedError("seaweedfs is not installed") from None
    bucket = S3Store(
        BUCKET, client_options={"allow_http": True}, endpoint=address,
        access_key_id=KEY, secret_access_key=SECRET, region="us-east-1",
    )  # fmt: skip
    return bucket, address


def known_at(address: str, stack: ExitStack) -> None:
    """Let this process find the bucket at an address until the stack is closed."""
    login = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
    }
    stack.enter_context(patch.dict(os.environ, login))
    connection.bucket.cache_clear()
    stack.callback(connection.bucket.cache_clear)
