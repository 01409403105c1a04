"""A line between a client and a server: a proxy that counts what comes through it, and can be slow."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from playwright.sync_api import ProxySettings


class Line:
    """A proxy on this machine, in a thread of its own; ends with the context.

    Parameters
    ----------
    to : (host, port), optional, where it goes; by default its clients say where they want to go, as to a SOCKS proxy

    Attributes
    ----------
    received : int, bytes that clients were sent so far
    bits : float or None, that the line carries towards clients in a second; None for as many as come
    delay : float, of each direction [s]
    """

    bits: float | None

    def __init__(self, to: tuple[str, int] | None = None) -> None:
        self._to = to
        self.received, self.bits, self.delay = 0, None, 0.0
        self._free = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        start = asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # in which the transports that were closed are lost

    @property
    def proxy(self) -> ProxySettings:
        """As Playwright takes it."""
        return {"server": f"socks5://127.0.0.1:{self.port}"}

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.sockets[0].getsockname()[1])

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # the browser may go away, or the line end
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError), closing(writer):
            host, port = self._to or await _greeted(reader, writer)
            there, back = await asyncio.open_connection(host, port)
            with closing(back):
                await asyncio.gather(self._carry(reader, back, False), self._carry(there, writer, True))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, down: bool) -> None:
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sending = asyncio.ensure_future(_sent(waiting, writer))
        while part := await reader.read(16_384):
            await waiting.put((self._arrives(len(part), down), part))
        await waiting.put((0.0, b""))
        await sending

    def _arrives(self, n: int, down: bool) -> float:
        """When so many bytes have come through the line."""
        now = time.monotonic()
        if down:
            self.received += n
            if self.bits is not None:
                self._free = now = max(now, self._free) + 8 * n / self.bits
        return now + self.delay


async def _greeted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
    """Greet the browser, as RFC 1928 says; return where it wants to go."""
    methods = (await reader.readexactly(2))[1]
    await reader.readexactly(methods)
    writer.write(b"\x05\x00")
    kind = (await reader.readexactly(4))[3]
    length = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
    name = await reader.readexactly(length)
    port = int.from_bytes(await reader.readexactly(2), "big")
    writer.write(b"\x05\x00\x00\x01" + bytes(6))
    return (".".join(map(str, name)) if kind == 1 else name.decode()), port


async def _sent(waiting: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    """Write each part when its time has come; an empty one ends it."""
    while True:
        when, part = await waiting.get()
        if not part:
            writer.close()
            return
        await asyncio.sleep(max(0.0, when - time.monotonic()))
        writer.write(part)
        await writer.drain()
