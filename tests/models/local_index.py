"""Sites on the loopback address that real clients talk to, and one of them: a package index for pip."""

from __future__ import annotations

import hashlib
import re
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sensorium.models.catalog import Checkpoint, CheckpointFile, Part

_BLOCK = 1 << 16


def make_wheel(folder: Path, package: str, members: Mapping[str, bytes], version: str = "1.0") -> Path:
    """Write a wheel that pip accepts, with the given files in it."""
    name = package.replace("-", "_")
    described = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
        archive.writestr(f"{described}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        archive.writestr(f"{described}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{described}/RECORD", "")
    return path


def parcel_checkpoint(content: bytes, *parts: Part, name: str = "little", path: str = "weights.bin") -> Checkpoint:
    """Return a checkpoint of one file that comes in parcels."""
    file = CheckpointFile(path, len(content), hashlib.sha256(content).hexdigest(), parts)
    return Checkpoint(name=name, task="testing", files=(file,), size_bytes=len(content))


@dataclass(frozen=True)
class Response:
    """What a site answers to one request."""

    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


class Site:
    """What a server serves, how fast, and what it was asked for.

    Attributes:
        requests: ``"METHOD path"`` of every request.
        ranges: The ``Range`` headers of downloads that went on where another stopped.
        authorizations: From the hosts that clients asked for to the tokens that they sent there.
        bytes_per_second: Of each download; 0 for no limit.
        refusal: Status and headers that answer every request but that for the site's own address; None for none.
        drops_at: After this many bytes of a file the connection is closed; 0 for never.
        address: Where the site is.
    """

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.ranges: list[str] = []
        self.authorizations: dict[str, set[str]] = {}
        self.bytes_per_second = 0.0
        self.refusal: tuple[int, dict[str, str]] | None = None
        self.drops_at = 0
        self.address = ""

    def find(self, path: str, query: Mapping[str, str]) -> Response | None:
        """Return the answer to a path, or None for "not found"."""
        raise NotImplementedError


class PackageIndex(Site):
    """A simple index over a folder of wheels."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def find(self, path: str, query: Mapping[str, str]) -> Response | None:
        wheels = sorted(self._folder.glob("*.whl"))
        if match := re.fullmatch(r"/simple/([^/]+)/", path):
            links = [wheel.name for wheel in wheels if wheel.name.startswith(match[1].replace("-", "_") + "-")]
            page = "".join(f'<a href="/files/{name}">{name}</a>' for name in links)
            return Response(page.encode(), {"Content-Type": "text/html"}) if links else None
        found = [wheel for wheel in wheels if path == f"/files/{wheel.name}"]
        return Response(found[0].read_bytes(), {"Content-Type": "application/octet-stream"}) if found else None


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serve a site at ``site.address`` until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._reply(with_body=False)

        def do_GET(self) -> None:
            self._reply(with_body=True)

        def _reply(self, with_body: bool) -> None:
            asked = urlsplit(self.path)
            path = unquote(asked.path)
            site.requests.append(f"{self.command} {path}")
            host = self.headers.get("Host", "")
            site.authorizations.setdefault(host, set()).add(self.headers.get("Authorization", ""))
            if path != "/" and site.refusal is not None:
                self._answer(Response(status=site.refusal[0], headers=site.refusal[1]))
                return
            found = site.find(path, dict(parse_qsl(asked.query)))
            if found is None:
                found = Response(status=404, headers={"X-Error-Code": "RepoNotFound"})
            start = 0
            if found.status == 200 and (of := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))):
                start = int(of[1])
                site.ranges.append(self.headers["Range"])
                length = len(found.body)
                if start >= length:
                    self._answer(Response(status=416, headers={"Content-Range": f"bytes */{length}"}))
                    return
                part = {"Content-Range": f"bytes {start}-{length - 1}/{length}"} if start else {}
                found = replace(found, status=206 if start else 200, headers={**found.headers, **part})
            self._answer(found, start)
            if with_body:
                cut = site.drops_at or None
                self._send(found.body[start:cut] if len(found.body) > site.drops_at else found.body[start:])

        def _answer(self, response: Response, start: int = 0) -> None:
            self.send_response(response.status)
            for name, value in {**response.headers, "Content-Length": str(len(response.body) - start)}.items():
                self.send_header(name, value)
            self.end_headers()

        def _send(self, body: bytes) -> None:
            for offset in range(0, len(body), _BLOCK):
                try:
                    self.wfile.write(body[offset : offset + _BLOCK])
                except OSError:
                    return
                if site.bytes_per_second:
                    time.sleep(_BLOCK / site.bytes_per_second)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.address = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
