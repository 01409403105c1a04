"""A real S3 server of this computer, for tests of stores in buckets."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.store import S3Store

BUCKET = "runs"
KEY, SECRET = "key", "secret"
PARTS = ("master", "volume", "filer", "s3")
PATIENCE = 60.0
"""Time for which a server is waited for [s]."""


@contextlib.contextmanager
def seaweed(folder: Path) -> Iterator[str]:
    """Serve an empty bucket from a folder; give the address of the server."""
    actions = ["Admin", "Read", "List", "Tagging", "Write"]
    known = [{"name": "me", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": actions}]
    (folder / "identities.json").write_text(json.dumps({"identities": known}))
    ports = dict(zip([(part, kind) for part in PARTS for kind in ("", ".grpc")], free_ports(), strict=False))
    words = [Path(sys.executable).with_name("weed"), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
             "-filer", "-s3", "-s3.autoCreateBucket=false", f"-s3.config={folder / 'identities.json'}",
             "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.volumeSizeLimitMB=64", "-volume.max=20"]  # fmt: skip
    words += [f"-{part}.port{kind}={port}" for (part, kind), port in ports.items()]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(words, stdout=log, stderr=log, cwd=folder)
    address = f"http://127.0.0.1:{ports['s3', '']}"
    try:
        store = S3Store(BUCKET, endpoint=address, access_key_id=KEY, secret_access_key=SECRET, region="us-east-1",
                        client_options={"allow_http": True})  # fmt: skip
        answered(obstore.sign(store, "PUT", "", timedelta(minutes=5)), server)
        yield address
    finally:
        server.kill()
        server.wait()


def answered(address: str, server: subprocess.Popen[bytes]) -> None:
    """Make a request until it is answered."""
    began = time.monotonic()
    while server.poll() is None and time.monotonic() - began < PATIENCE:
        try:
            urllib.request.urlopen(urllib.request.Request(address, method="PUT", data=b""), timeout=5).close()
            return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"the server of {address} does not answer")


def free_ports() -> list[int]:
    """Return ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2 * len(PARTS))]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
