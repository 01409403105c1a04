"""Servers of this computer: a real S3 server, and one of files, for tests of stores that are elsewhere."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

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


class Files(SimpleHTTPRequestHandler):
    """Gives files of a folder, parts of them, and pages of what is in folders."""

    protocol_version = "HTTP/1.1"
    pages = True
    parts = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def list_directory(self, path: str | os.PathLike[str]) -> Any:
        """Give the page of a folder, or none."""
        if self.pages:
            return super().list_directory(path)
        self.send_error(403)
        return None

    def do_GET(self) -> None:
        """Give a file or a part of one."""
        asked, path = self.headers.get("Range"), Path(self.translate_path(self.path))
        if asked is None or not self.parts or not path.is_file():
            super().do_GET()
            return
        data = path.read_bytes()
        first, last = asked.removeprefix("bytes=").split("-")
        start = int(first) if first else len(data) - int(last)
        stop = min(len(data), int(last) + 1) if first and last else len(data)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        self.send_header("Content-Length", str(stop - start))
        self.send_header("Last-Modified", self.date_time_string(path.stat().st_mtime))
        self.end_headers()
        self.wfile.write(data[start:stop])


@contextlib.contextmanager
def web(folder: Path, *, pages: bool = True, parts: bool = True) -> Iterator[str]:
    """Serve the files of a folder; give the address of the server."""
    handler = type("Handler", (Files,), {"pages": pages, "parts": parts})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
