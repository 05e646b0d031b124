"""The child process that downloads from the hub: ``python -m sensorium.models.hub_download REQUEST``.

The request is a JSON object with ``repository``, ``revision``, ``sha256`` and ``pickle`` of a `HubSource`,
``patterns``, ``without`` (components to leave out), ``lora`` (whether the repository is to hold one), and ``files``:
from the paths that must be there to their sha256 sums. The process reads the repository's listing first; what can't
become usable is refused before any weights are fetched. It answers in lines of JSON on stdout: ``{"total_bytes": …}``
as soon as the size is known, then ``{"folder": …}``, or ``{"refused": …, "remedy": …, "everywhere": …}`` with half a
sentence for the user, what helps, and whether any other repository would be refused, too. If the process is stopped,
the downloaded part stays in the hub's cache, and the next download continues from there.
"""

from __future__ import annotations

import glob
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from sensorium.models.adapter_repositories import choose_lora
from sensorium.models.file_sums import git_sum_of, sum_of
from sensorium.models.hub_failures import AGAIN, UNREACHABLE, explain
from sensorium.models.repository_files import choose_files
from sensorium.models.weight_files import CONVERTED, RefusedError, is_weight

_LARGE = 10_000_000

_CONNECT_SECONDS = 15
_NO_CONNECTION = {"ConnectError", "ConnectTimeout", "ProxyError"}


def main(request: dict[str, Any]) -> int:
    """Download and answer; return the exit status."""
    from huggingface_hub import snapshot_download

    repository = request["repository"]
    try:
        _require_hub()
        commit, listing = _read_listing(repository, request["revision"] or None)
        files = [listing[name] for name in _chosen(request, commit, listing)]
        _answer(total_bytes=sum(file.size for file in files))
        for file in files:
            if file.size >= _LARGE and not _is_cached(repository, commit, file.path):
                _download_large(repository, commit, file)
        names = [glob.escape(file.path) for file in files]
        folder = snapshot_download(repository, revision=commit, allow_patterns=names)
        _check_small(Path(folder), files)
    except Exception as error:
        reason = explain(error)
        _answer(refused=str(reason), remedy=reason.remedy, everywhere=reason.everywhere)
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    _answer(folder=folder)
    return 0


def _require_hub() -> None:
    """Find out within seconds that there is no network; the hub's client would try for half a minute.

    A hub that answers slowly or with an error is not refused here: the client deals with it.

    Raises:
        RefusedError: Two attempts to connect failed.
    """
    from huggingface_hub import constants, get_session

    for pause in (1.0, 0.0):
        try:
            get_session().head(constants.ENDPOINT, timeout=_CONNECT_SECONDS)
            return
        except Exception as error:  # the error's class depends on the client's version
            if not any(kind.__name__ in _NO_CONNECTION for kind in type(error).__mro__):
                return
        time.sleep(pause)
    raise RefusedError(UNREACHABLE, everywhere=True)


def _read_listing(repository: str, revision: str | None) -> tuple[str, dict[str, Any]]:
    """Return the commit of a revision, and its files by path, with size and sums.

    All that follows is fetched at this commit, wherever the revision moves meanwhile.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    hub = HfApi()
    commit = hub.resolve_revision(repository, revision=revision).resolved
    tree = hub.list_repo_tree(repository, recursive=True, revision=commit)
    return commit, {file.path: file for file in tree if isinstance(file, RepoFile)}


def _chosen(request: Mapping[str, Any], commit: str, listing: Mapping[str, Any]) -> list[str]:
    """Return the files to fetch: those whose sums the catalog knows, or what the listing says is needed.

    Raises:
        RefusedError: The repository can't become usable.
    """
    expected: dict[str, str] = request["files"]
    chosen = list(expected) or _needed(request, commit, listing)
    weights = {name: request["sha256"] for name in chosen if is_weight(name) and request["sha256"]}
    for path, sha256 in {**weights, **expected}.items():
        if path not in listing:
            raise RefusedError(f"the repository has no {path}", "Choose another checkpoint")
        stored = listing[path].lfs
        if (stored is None and path in weights) or (stored is not None and stored.sha256 != sha256):
            raise RefusedError(
                f"{path} does not have the expected sha256 sum: the repository holds another file of that name",
                "Choose another checkpoint",
            )
    return chosen


def _needed(request: Mapping[str, Any], commit: str, listing: Mapping[str, Any]) -> list[str]:
    """Return what the listing says is needed; of pickled weights, as if they were converted already."""
    if request["lora"]:
        return choose_lora(list(listing), request["patterns"])

    def read(name: str) -> str:
        return _text(request["repository"], commit, name)

    names, pickle = list(listing), request["pickle"]
    if pickle:
        names = [*(name for name in names if not is_weight(name)), CONVERTED]
    chosen = choose_files(names, read, request["patterns"], request["without"])
    return [pickle if pickle and name == CONVERTED else name for name in chosen]


def _text(repository: str, commit: str, name: str) -> str:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repository, name, revision=commit)).read_text(encoding="utf-8")


def _is_cached(repository: str, commit: str, name: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repository, name, revision=commit), str)


def _download_large(repository: str, commit: str, file: Any) -> None:
    """Put a large file into the hub's cache, continuing where an earlier download of the file stopped.

    The hub's own client continues a download within one process only. It uses a complete file in its cache as it is.
    """
    from huggingface_hub import constants, get_hf_file_metadata, get_token, hf_hub_url
    from huggingface_hub.file_download import http_get, repo_folder_name

    url = hf_hub_url(repository, file.path, revision=commit)
    metadata = get_hf_file_metadata(url)
    if metadata.etag is None:
        return
    folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model") / "blobs"
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / metadata.etag).is_file():  # the same file under another name or commit
        return
    partial = folder / f"{metadata.etag}.partial"
    with partial.open("ab") as stream:
        if stream.tell() > file.size:  # a longer one can't be continued
            stream.seek(0)
            stream.truncate()
        same_host = urlparse(metadata.location).netloc == urlparse(url).netloc
        # Large files often come from another server, which must not get the token.
        token = get_token() if same_host else None
        headers = {"authorization": f"Bearer {token}"} if token else {}
        http_get(
            metadata.location,
            stream,
            resume_size=stream.tell(),
            expected_size=file.size,
            headers=headers,
            displayed_filename=file.path,
        )
    if not _is_right(partial, file):
        partial.unlink()
        raise _damaged(file.path)
    partial.rename(folder / metadata.etag)


def _check_small(folder: Path, files: Sequence[Any]) -> None:
    """Check the files that the hub's client fetched itself, which compares sizes only; damaged ones are deleted.

    Raises:
        RefusedError: A file isn't what the listing says.
    """
    damaged = [file.path for file in files if file.size < _LARGE and not _is_right(folder / file.path, file)]
    for name in damaged:
        (folder / name).resolve().unlink(missing_ok=True)  # two with the same content are one file in the cache
        (folder / name).unlink(missing_ok=True)
    if damaged:
        raise _damaged(damaged[0])


def _is_right(path: Path, file: Any) -> bool:
    expected: str = file.lfs.sha256 if file.lfs is not None else file.blob_id
    return expected == (sum_of(path) if file.lfs is not None else git_sum_of(path))


def _damaged(name: str) -> RefusedError:
    return RefusedError(f"{name} arrived damaged", AGAIN)


def _answer(**values: Any) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
