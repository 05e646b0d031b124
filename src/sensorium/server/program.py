"""The server as a program: from listening to the clean end."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from sensorium.engine.interface import Engine
from sensorium.errors import InputError
from sensorium.server.app import create_app
from sensorium.server.hosts import is_loopback
from sensorium.server.keys import KeyRing, known_keys
from sensorium.server.options import ServerOptions
from sensorium.server.pace import protocol_for

_MOST_WAITING = 1024
"""Connections that may wait to be accepted."""


def serve(engine: Engine, options: ServerOptions, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C, then let open requests end for a while, and close the engine.

    Args:
        engine: Runs what is asked for; started and closed here.
        options: Where to listen, and limits.
        ready: Called with the server's address once it answers.

    Raises:
        InputError: The address isn't this machine's own and there are no keys, or it is taken; or a key is wrong.
        SensoriumError: The engine can't start.
    """
    keys = known_keys(options.keys)
    listener = listening(options, keys)
    app = create_app(engine, options, keys)
    server = _Server(
        uvicorn.Config(
            app,
            http=protocol_for(options),
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="critical",  # what matters of its messages is told here
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_MOST_WAITING,
            timeout_graceful_shutdown=options.grace,
        ),
        lambda: ready(_address(listener)),
    )
    with listener, ended_by_signals():
        try:
            asyncio.run(server.serve([listener]))
        except KeyboardInterrupt:
            if not server.started:
                raise
        except SystemExit:
            if app.state.failure is None:
                raise
    if app.state.failure is not None:
        raise app.state.failure


def listening(options: ServerOptions, keys: KeyRing) -> socket.socket:
    """Return the socket of the server, bound to its address.

    Raises:
        InputError: The address isn't this machine's own and there are no keys, or it is taken.
    """
    refuse_strangers(options, keys)
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    host = "127.0.0.1" if family == socket.AF_INET and options.host.strip("0123456789.") else options.host.strip("[]")
    # asyncio looks for the protocol's number before it sends small answers at once; else each waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, options.port))
    except OSError as error:
        listener.close()
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"The server can't listen at {options.host}, port {options.port}: {reason}",
            "Name another port with --port; --port 0 takes a free one",
        ) from None
    return listener


def refuse_strangers(options: ServerOptions, keys: KeyRing) -> None:
    """Refuse to listen where strangers could use the server.

    Raises:
        InputError: The address isn't this machine's own, and there are no keys.
    """
    if not (is_loopback(options.host) or keys or options.allow_anyone):
        raise InputError(
            f"The server can't listen at {options.host!r}: without keys, anybody there could use it",
            "Make a key with 'sensorium keys new NAME FILE' and name the file with --keys, or leave --host out",
        )


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP do what Ctrl-C does: uvicorn sends itself the signals again once it has ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.signal(each, signal.default_int_handler) for each in (signal.SIGINT, signal.SIGTERM)}
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        # uvicorn doesn't know it: the terminal was closed in which it runs.
        before[hangup] = signal.signal(hangup, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class _Server(uvicorn.Server):
    """Tells when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
