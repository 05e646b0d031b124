"""A model hub on the loopback address that answers as the real one does, for the hub's real client."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from tests.models.local_index import Response, Site

_OUTSIDE_GIT = (".safetensors", ".bin", ".ckpt", ".pt", ".pth", ".gguf", ".onnx", ".h5", ".msgpack", ".model", ".npy")
"""What the hub's own ``.gitattributes`` keeps outside of a repository, behind a pointer, whatever its size."""


class ModelHub(Site):
    """The part of the hub's interface that downloading a repository takes.

    Weights lie on another host, to which a request is redirected at an address that is signed and gets old; small files
    are redirected to another path of the hub. Listings come in pages and name folders too. Clients that speak Xet get
    weights in pieces, by that protocol.

    Attributes:
        files: The files of the main branch, by name.
        commits: From repository and commit to files.
        refs: From repository and reference to commit.
        refusals: From a stage (``"api"``, ``"resolve"``, ``"storage"``) to the status and headers of all its answers.
        damaged: Files that are sent with other bytes than the listing's sums say.
        after_listing: Called once a listing was read.
        page: How many entries a page of a listing has.
    """

    COMMIT = "0123456789abcdef0123456789abcdef01234567"

    def __init__(self, repository: str, files: Mapping[str, bytes]) -> None:
        super().__init__()
        self.repository = repository
        self.commits = {(repository, self.COMMIT): dict(files)}
        self.refs = {(repository, "main"): self.COMMIT}
        self.refusals: dict[str, tuple[int, dict[str, str]]] = {}
        self.damaged: set[str] = set()
        self.after_listing: Callable[[], object] = lambda: None
        self.page = 1000

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[self.repository, self.COMMIT]

    @files.setter
    def files(self, files: Mapping[str, bytes]) -> None:
        self.commits[self.repository, self.COMMIT] = dict(files)

    @property
    def storage(self) -> str:
        """The other host, which must not get the hub's token."""
        return self.address.replace("127.0.0.1", "localhost")

    def fetched(self, repository: str = "") -> list[str]:
        """Return the names of the files whose content was asked for, each as often as it was."""
        of = re.escape(repository or self.repository)
        content = re.compile(rf"GET (?:/api/resolve-cache/models/{of}|/storage/{of})/\w+/(.+)")
        return [match[1] for asked in self.requests if (match := content.fullmatch(asked))]

    def find(self, path: str, query: Mapping[str, str]) -> Response | None:
        if path.startswith("/storage/"):
            return self._stored(path.removeprefix("/storage/"), query)
        if match := re.fullmatch(r"/(?:v1/reconstructions|xet-pieces)/(\w+)", path):
            return self._pieces(match[1], of=path.startswith("/xet-pieces/"))
        if re.fullmatch(r"/api/models/[^/]+/[^/]+/xet-read-token/\w+", path):
            token = {"X-Xet-Cas-Url": self.storage, "X-Xet-Access-Token": "short-lived"}
            return Response(headers={**token, "X-Xet-Token-Expiration": "9999999999"})
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/(.+))?", path):
            return self._refused("api") or self._about(match[1], match[2] or "revision", match[3] or "main", query)
        pattern = r"/(?:api/resolve-cache/models/)?([^/]+/[^/]+)(?:/resolve)?/([^/]+)/(.+)"
        if match := re.fullmatch(pattern, path):
            cached = path.startswith("/api/")
            return self._refused("resolve") or self._file(match[1], match[2], match[3], cached)
        return None

    def _refused(self, stage: str) -> Response | None:
        if stage not in self.refusals:
            return None
        status, headers = self.refusals[stage]
        return Response(status=status, headers=headers)

    def _commit(self, repository: str, revision: str) -> str:
        """Return the commit of a revision, or ""."""
        commit = self.refs.get((repository, revision), revision)
        return commit if (repository, commit) in self.commits else ""

    def _missing(self, repository: str) -> Response | None:
        if repository not in {known for known, _ in self.commits}:
            return None
        return Response(b'{"error":"Invalid rev id"}', {"X-Error-Code": "RevisionNotFound"}, 404)

    def _about(self, repository: str, what: str, revision: str, query: Mapping[str, str]) -> Response | None:
        commit = self._commit(repository, revision)
        if not commit:
            return self._missing(repository)
        files = self.commits[repository, commit]
        if what == "revision":
            return _json({"id": repository, "sha": commit, "siblings": [{"rfilename": name} for name in files]})
        folders = {str(parent) for name in files for parent in PurePosixPath(name).parents} - {"."}
        entries = [{"type": "directory", "path": folder, "size": 0, "oid": "0" * 40} for folder in sorted(folders)]
        entries += [_listed(name, body) for name, body in files.items()]
        begin = int(query.get("cursor", 0))
        following = begin + self.page
        link = f"{self.address}/api/models/{repository}/tree/{revision}?recursive=true&cursor={following}"
        more = {"Link": f'<{link}>; rel="next"'} if following < len(entries) else {}
        if not more:
            self.after_listing()
        return _json(entries[begin:following], more)

    def _file(self, repository: str, revision: str, name: str, cached: bool) -> Response | None:
        commit = self._commit(repository, revision)
        if not commit:
            return self._missing(repository)
        body = self.commits[repository, commit].get(name)
        if body is None:
            return Response(b"Entry not found", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, 404)
        if cached:
            return Response(self._sent(name, body), {"ETag": f'"{_git_sum(body)}"', "X-Repo-Commit": commit})
        oid = _sha256(body) if _is_outside(name, body) else _git_sum(body)
        about = {"X-Repo-Commit": commit, "X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(body))}
        if not _is_outside(name, body):
            place = f"/api/resolve-cache/models/{repository}/{commit}/{name}?etag=%22{oid}%22"
            return Response(headers={**about, "Location": place}, status=307)
        token = f"{self.address}/api/models/{repository}/xet-read-token/{commit}"
        about |= {"X-Xet-Hash": oid, "Link": f'<{token}>; rel="xet-auth"', "ETag": f'"{_git_sum(_pointer(body))}"'}
        place = f"{self.storage}/storage/{repository}/{commit}/{name}?Expires=1893456000&Signature=x"
        return Response(headers={**about, "Location": place}, status=302)

    def _stored(self, place: str, query: Mapping[str, str]) -> Response | None:
        owner, repository, commit, name = place.split("/", 3)
        refused = self._refused("storage") or (None if query.get("Signature") else Response(status=403))
        body = self.commits[f"{owner}/{repository}", commit][name]
        return refused or Response(self._sent(name, body), {"ETag": f'"{hashlib.md5(body).hexdigest()}"'})

    def _pieces(self, sum_: str, *, of: bool) -> Response | None:
        """Say in which pieces a file is stored (here: in one), or return the pieces with their headers."""
        bodies = {_sha256(body): body for files in self.commits.values() for body in files.values()}
        if sum_ not in bodies:
            return None
        length = len(bodies[sum_])
        if of:
            size = length.to_bytes(3, "little")
            return Response(b"\0" + size + b"\0" + size + bodies[sum_])
        one = {"start": 0, "end": 1}
        place = {"url": f"{self.storage}/xet-pieces/{sum_}", "range": one, "url_range": {"start": 0, "end": length + 7}}
        terms = [{"hash": sum_, "unpacked_length": length, "range": one}]
        return _json({"offset_into_first_range": 0, "terms": terms, "fetch_info": {sum_: [place]}})

    def _sent(self, name: str, body: bytes) -> bytes:
        return body[::-1] if name in self.damaged else body


def _listed(name: str, body: bytes) -> dict[str, Any]:
    """Describe a file as the hub's listing does."""
    if not _is_outside(name, body):
        return {"type": "file", "path": name, "size": len(body), "oid": _git_sum(body)}
    stored = {"oid": _sha256(body), "size": len(body), "pointerSize": len(_pointer(body))}
    entry = {"type": "file", "path": name, "size": len(body), "oid": _git_sum(_pointer(body))}
    return {**entry, "lfs": stored, "xetHash": _sha256(body)}


def _pointer(body: bytes) -> bytes:
    """Return what git keeps in place of a file that lies outside of it."""
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{_sha256(body)}\nsize {len(body)}\n"
    return text.encode()


def _json(value: Any, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})


def _is_outside(name: str, body: bytes) -> bool:
    return name.endswith(_OUTSIDE_GIT) or len(body) > 5_000_000


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _git_sum(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
