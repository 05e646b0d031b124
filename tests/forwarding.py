"""A door to another server on this machine that can be shut: whoever asks then finds nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Forwarder:
    """Passes connections on; get one from `forwarding`.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    def shut(self) -> None:
        """Cut all connections, and refuse new ones."""
        self._do(self._shut())

    def open(self) -> None:
        """Take connections."""
        self._do(self._open())

    def run(self) -> None:
        """Work until it is stopped."""
        self._loop.run_forever()
        self._loop.close()

    def stop(self) -> None:
        """End."""
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _do(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)  # type: ignore[arg-type]

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            there, away = await asyncio.open_connection("127.0.0.1", self._target)
            await asyncio.gather(self._copy(reader, away), self._copy(there, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while piece := await reader.read(1 << 16):
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


@contextmanager
def forwarding(target: int) -> Iterator[Forwarder]:
    """Run a door to a port of this machine; it is open at first."""
    forwarder = Forwarder(target)
    thread = threading.Thread(target=forwarder.run, daemon=True)
    thread.start()
    forwarder.open()
    try:
        yield forwarder
    finally:
        forwarder.stop()
        thread.join()
