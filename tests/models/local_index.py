"""A package index and a model hub on the loopback address, as real servers that pip and the hub's client talk to."""

from __future__ import annotations

import hashlib
import json
import re
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

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


class Site:
    """What a server serves, how fast, and what it was asked for.

    Attributes:
        requests: ``"METHOD path"`` of every request.
        ranges: The ``Range`` headers of downloads that went on where another stopped.
        bytes_per_second: Of each download; 0 for no limit.
        refusal: Status and headers that answer every request but that for the site's own address; None for none.
        drops_at: After this many bytes of a file the connection is closed; 0 for never.
    """

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.ranges: list[str] = []
        self.bytes_per_second = 0.0
        self.refusal: tuple[int, dict[str, str]] | None = None
        self.drops_at = 0
        self.address = ""

    def find(self, path: str) -> tuple[bytes, dict[str, str]] | None:
        """Return body and headers for a path, or None for "not found"."""
        raise NotImplementedError


class PackageIndex(Site):
    """A simple index over a folder of wheels."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def find(self, path: str) -> tuple[bytes, dict[str, str]] | None:
        wheels = sorted(self._folder.glob("*.whl"))
        if match := re.fullmatch(r"/simple/([^/]+)/", path):
            links = [wheel.name for wheel in wheels if wheel.name.startswith(match[1].replace("-", "_") + "-")]
            page = "".join(f'<a href="/files/{name}">{name}</a>' for name in links)
            return (page.encode(), {"Content-Type": "text/html"}) if links else None
        found = [wheel for wheel in wheels if path == f"/files/{wheel.name}"]
        return (found[0].read_bytes(), {"Content-Type": "application/octet-stream"}) if found else None


class ModelHub(Site):
    """The part of the hub's interface that downloading a repository takes.

    Attributes:
        files: The repository's files by name.
        damaged: Files that are sent with other bytes than the listing's sums say.
    """

    COMMIT = "0123456789abcdef0123456789abcdef01234567"

    def __init__(self, repository: str, files: Mapping[str, bytes]) -> None:
        super().__init__()
        self._repository = repository
        self.files = dict(files)
        self.damaged: set[str] = set()

    def find(self, path: str) -> tuple[bytes, dict[str, str]] | None:
        about = f"/api/models/{self._repository}"
        if path in (about, f"{about}/revision/main", f"{about}/revision/{self.COMMIT}"):
            return self._json({"id": self._repository, "sha": self.COMMIT, "siblings": []})
        if path.startswith(f"{about}/tree/{self.COMMIT}"):
            return self._json([self._listed(name, body) for name, body in self.files.items()])
        if match := re.fullmatch(rf"/{self._repository}/resolve/{self.COMMIT}/(.+)", path):
            body = self.files.get(match[1])
            if body is not None:
                sent = body[::-1] if match[1] in self.damaged else body
                return sent, {"ETag": f'"{_oid(body)}"', "X-Repo-Commit": self.COMMIT}
        return None

    @staticmethod
    def _listed(name: str, body: bytes) -> dict[str, Any]:
        """Describe a file as the hub's listing does: large ones are kept outside the repository, behind a pointer."""
        described = {"type": "file", "path": name, "size": len(body), "oid": _git_sum(body)}
        if _is_large(body):
            described["lfs"] = {"oid": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 135}
        return described

    def _json(self, value: Any) -> tuple[bytes, dict[str, str]]:
        return json.dumps(value).encode(), {"Content-Type": "application/json"}


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serve a site at ``site.address`` until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._reply(with_body=False)

        def do_GET(self) -> None:
            self._reply(with_body=True)

        def _reply(self, with_body: bool) -> None:
            path = self.path.partition("?")[0]
            site.requests.append(f"{self.command} {path}")
            found = site.find(path)
            if path != "/" and site.refusal is not None:
                self._refuse(*site.refusal)
                return
            if found is None:
                self._refuse(404, {"X-Error-Code": "RepoNotFound"})
                return
            body, headers = found
            start = 0
            if asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
                start = int(asked[1])
                site.ranges.append(self.headers["Range"])
            self.send_response(206 if start else 200)
            for name, value in headers.items():
                self.send_header(name, value)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            if with_body:
                self._send(body[start : site.drops_at or None] if len(body) > site.drops_at else body[start:])

        def _refuse(self, status: int, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "0"}.items():
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


def _is_large(content: bytes) -> bool:
    return len(content) > 5_000_000


def _git_sum(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _oid(content: bytes) -> str:
    """The hub names large files by their sha256 and small ones by git's sum."""
    return hashlib.sha256(content).hexdigest() if _is_large(content) else _git_sum(content)
