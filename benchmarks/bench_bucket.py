"""The explorer on a store in a bucket: a real S3 server on this machine, behind a line as long as one to elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit

import numpy as np
import obstore
from obstore.store import S3Store

from benchmarks.bench_explorer import Hover, synthetic
from benchmarks.common import measures
from benchmarks.line import Line
from tests.servers import BUCKET, KEY, SECRET, seaweed
from xfeldask.store import connection
from xfeldask.store.urls import URL, StorePath

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
        (folder / "seaweed").mkdir()
        try:
            address = self.stack.enter_context(seaweed(folder / "seaweed"))
        except FileNotFoundError:
            raise NotImplementedError("seaweedfs is not installed") from None
        host = urlsplit(address)
        line = self.stack.enter_context(Line((str(host.hostname), int(host.port or 80))))
        login = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{line.port}",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }
        self.stack.enter_context(patch.dict(os.environ, login))
        connection.bucket.cache_clear()
        self.stack.callback(connection.bucket.cache_clear)
        options = {"endpoint": address, "access_key_id": KEY, "secret_access_key": SECRET, "region": "us-east-1"}
        server = S3Store(BUCKET, client_options={"allow_http": True}, **options)
        for file in made.rglob("*"):
            if file.is_file():
                obstore.put(server, f"run.zarr/{file.relative_to(made).as_posix()}", file)
        line.delay = ROUND_TRIP / 2
        return URL("s3", BUCKET, "run.zarr")
