"""Google Cloud Storage as its XML API is documented, in memory, for what clients of a store ask of it.

An object has a generation, which `x-goog-if-generation-match` of a PUT has to name, 0 where there must be none.
https://cloud.google.com/storage/docs/xml-api/reference-headers
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

DATE = "Sat, 28 Nov 2026 12:00:00 GMT"


class Google(BaseHTTPRequestHandler):
    """One bucket; refuses what it does not know."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, tuple[bytes, int]]
    lock: threading.Lock

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_PUT(self) -> None:
        """Write an object."""
        data = self.rfile.read(int(self.headers["Content-Length"]))
        with self.lock:
            _, generation = self.objects.get(self.key, (b"", 0))
            wanted = self.headers.get("x-goog-if-generation-match")
            if wanted is not None and int(wanted) != generation:
                self.answer(412)
                return
            self.objects[self.key] = data, self.server.next_generation()
            self.answer(200, headers=self.told())

    def do_GET(self) -> None:
        """Read an object, or a part of one, or list the bucket."""
        if not self.key:
            self.list_objects()
            return
        found = self.objects.get(self.key)
        if found is None:
            self.answer(404)
            return
        data, asked = found[0], self.headers.get("Range")
        if asked is None:
            self.answer(200, data, self.told())
            return
        first, last = asked.removeprefix("bytes=").split("-")
        start = int(first) if first else len(data) - int(last)
        stop = min(len(data), int(last) + 1) if first and last else len(data)
        between = {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"}
        self.answer(206, data[start:stop], self.told() | between)

    def do_HEAD(self) -> None:
        """Tell of an object."""
        self.do_GET()

    def do_DELETE(self) -> None:
        """Delete an object."""
        self.answer(404 if self.objects.pop(self.key, None) is None else 204)

    def list_objects(self) -> None:
        """List keys, those with a delimiter after the prefix by what they begin with."""
        asked = {name: value[0] for name, value in parse_qs(urlsplit(self.path).query).items()}
        before, until = asked.get("prefix", ""), asked.get("delimiter")
        keys = [key for key in sorted(self.objects) if key.startswith(before)]
        inner = {key for key in keys if until and until in key[len(before) :]}
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-11-28T12:00:00.000Z</LastModified>"
            f"<ETag>&quot;{tag(self.objects[key][0])}&quot;</ETag><Size>{len(self.objects[key][0])}</Size></Contents>"
            for key in keys
            if key not in inner
        )
        starts = sorted({before + key[len(before) :].partition("/")[0] + "/" for key in inner})
        found += "".join(f"<CommonPrefixes><Prefix>{escape(start)}</Prefix></CommonPrefixes>" for start in starts)
        self.answer(200, f"<ListBucketResult>{found}</ListBucketResult>".encode())

    @property
    def key(self) -> str:
        """Of the object that is asked for; none of the bucket itself."""
        return unquote(urlsplit(self.path).path).lstrip("/").partition("/")[2]

    def told(self) -> dict[str, str]:
        """Return what is told of an object."""
        data, generation = self.objects[self.key]
        return {"ETag": f'"{tag(data)}"', "x-goog-generation": str(generation), "Last-Modified": DATE}

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Send what was asked for."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Counts what it writes."""

    daemon_threads = True
    generation = 0

    def next_generation(self) -> int:
        """Return a number that no object has had."""
        self.generation += 1
        return self.generation


def tag(data: bytes) -> str:
    """Return the tag of an object, which tells of its bytes alone."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@contextmanager
def google(folder: Path) -> Iterator[Path]:
    """Run a server, and give the key of an account, in a folder, that has clients go there without encryption."""
    handler = type("Handler", (Google,), {"objects": {}, "lock": threading.Lock()})
    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        account = {"gcs_base_url": f"http://127.0.0.1:{server.server_port}", "disable_oauth": True, "client_email": "",
                   "private_key": "", "private_key_id": ""}  # fmt: skip
        (folder / "account.json").write_text(json.dumps(account))
        try:
            yield folder / "account.json"
        finally:
            server.shutdown()
