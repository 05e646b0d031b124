"""The real server in a world in which a few names of the internet exist, and every connection that it makes is noted.

Run as a program: ``python -m tests.server.attacked_server DATA LOG PORT``. ``pictures.example`` is a public host for
it; what is sent there goes to PORT of this machine. All other connections are noted and refused.
"""

from __future__ import annotations

import dataclasses
import socket
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

from sensorium.engine.engine import LocalEngine
from sensorium.media import fetch as fetching
from sensorium.media.limits import Limits
from sensorium.server.options import ServerOptions
from sensorium.server.program import serve

PUBLIC = "93.184.216.34"
NAMES = {
    "pictures.example": [PUBLIC],
    "rebinding.example": [PUBLIC, "127.0.0.1"],
    "loopback.inside.example": ["127.0.0.1"],
    "metadata.inside.example": ["169.254.169.254"],
    "private.inside.example": ["10.0.0.1"],
    "carrier.inside.example": ["100.64.0.1"],
    "mapped.inside.example": ["::ffff:127.0.0.1"],
    "nat64.inside.example": ["64:ff9b::7f00:1"],
    "6to4.inside.example": ["2002:7f00:1::"],
    "local.inside.example": ["fe80::1"],
    "unique.inside.example": ["fd00::1"],
    "any.inside.example": ["0.0.0.0"],
}
"""What each name stands for, one look-up after the other; the last one stays."""
ALLOWED = ("pictures.example", "rebinding.example", "*.inside.example", "127.0.0.1", "2130706433", "0x7f000001")
LARGEST = 8_000_000


def main() -> None:
    """Serve; say where on stderr."""
    data, log, port = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    _live_in_another_world(log, port)
    options = ServerOptions(
        port=0,
        data=data,
        fetch_from=ALLOWED,
        largest_upload=LARGEST,
        largest_body=12_000_000,
        preload=False,
        patience=3,
    )
    serve(LocalEngine(options), options, lambda address: print(address, file=sys.stderr, flush=True))


def _live_in_another_world(log: Path, port: int) -> None:
    look_up, connect, fetch = socket.getaddrinfo, fetching._TimedSocket.connect, fetching.fetch
    known = {name: list(addresses) for name, addresses in NAMES.items()}

    def names(host: Any, *arguments: Any, **options: Any) -> Any:
        answers = known.get(host)
        if answers is None:
            return look_up(host, *arguments, **options)
        return look_up(answers.pop(0) if len(answers) > 1 else answers[0], *arguments, **options)

    def note(self: Any, socket_address: Any, target: Any) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{socket_address[0]}\n")
        if target.host != "pictures.example":
            raise OSError("nobody there")
        connect(self, ("127.0.0.1", port), target)

    def sooner(address: str, *, limits: Limits) -> Generator[bytes, None, None]:
        return fetch(address, limits=dataclasses.replace(limits, connect_timeout=3.0, download_timeout=6.0))

    socket.getaddrinfo = names
    fetching._TimedSocket.connect = note  # type: ignore[method-assign]
    fetching.fetch = sooner


if __name__ == "__main__":
    main()
