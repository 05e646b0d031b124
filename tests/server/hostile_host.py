"""A host of the internet that answers with everything but a picture."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests import real_media

REDIRECTS = {
    "/to-loopback": "http://127.0.0.1/latest",
    "/to-inside": "http://loopback.inside.example/a.png",
    "/to-metadata": "http://169.254.169.254/latest/meta-data",
    "/to-number": "http://2130706433/a.png",
    "/to-stranger": "http://stranger.example/a.png",
    "/to-file": "file:///etc/passwd",
    "/to-data": "data:image/png;base64,AAAA",
    "/to-port": "http://pictures.example:22/a.png",
    "/to-user": "http://127.0.0.1@pictures.example/a.png",
    "/to-itself": "/to-itself",
}


class HostileHost(http.server.ThreadingHTTPServer):
    """Counts how many of its answers are still under way."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stop = threading.Event()
        self.waiting = threading.Semaphore(0)

    def handle_error(self, *_: object) -> None:
        """Whoever asked has hung up, as it should."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: HostileHost

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path in REDIRECTS:
            self._head(302, location=REDIRECTS[self.path])
        elif self.path.startswith("/silent"):
            self.server.waiting.release()
            self.server.stop.wait(30)
        elif self.path == "/slow":
            self._head(200, length=1 << 20)
            while not self.server.stop.wait(0.1):
                self.wfile.write(b"x")
        elif self.path == "/endless":
            self._head(200)
            while True:
                self.wfile.write(bytes(1 << 16))
        elif self.path == "/lie":
            self._head(200, length=1 << 40)
        elif self.path == "/packed":
            self._head(200, encoding="gzip")
            self.wfile.write(b"\x1f\x8b" + bytes(100))
        elif self.path == "/page":
            self._head(200)
            self.wfile.write(b"<!DOCTYPE html><script>alert(1)</script>")
        else:
            data = real_media.photo("coffee").read_bytes()
            self._head(200, length=len(data))
            self.wfile.write(data)

    def _head(self, status: int, *, location: str = "", length: int | None = None, encoding: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "image/png")
        if location:
            self.send_header("Location", location)
        if encoding:
            self.send_header("Content-Encoding", encoding)
        if length is not None or location:
            self.send_header("Content-Length", str(length or 0))
        self.end_headers()


@contextmanager
def hostile_host() -> Iterator[HostileHost]:
    """Run it, on a free port."""
    with HostileHost() as host:
        thread = threading.Thread(target=host.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield host
        finally:
            host.stop.set()
            host.shutdown()
            thread.join()
