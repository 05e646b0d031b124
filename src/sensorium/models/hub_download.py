"""The child process that downloads from the hub: ``python -m sensorium.models.hub_download REQUEST``.

The request is a JSON object with ``repository``, ``revision`` and ``patterns``. It answers in lines of JSON on
stdout: ``{"total_bytes": …}`` as soon as it is known, then ``{"folder": …}``, or ``{"refused": …}`` with half a
sentence for the user. What was downloaded before it is stopped stays in the hub's cache and is taken up again.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import sys
import time
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

DESCRIPTIONS = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken", "README.md")
"""Files beside the weights: configuration, tokenizer, chat template, model card."""

VOICES = ("speaker_embeddings/*.npy",)
"""The voice presets of Bark: arrays of numbers, loaded without pickle."""

PICKLES = ("*.bin", "*.ckpt", "*.pt", "*.pth")
"""Weights that could run code when they are opened; never fetched, only told apart from none at all."""

_LARGE = 10_000_000

_CONNECT_SECONDS = 15
_NO_CONNECTION = {"ConnectError", "ConnectTimeout", "ProxyError"}

_REFUSALS = {
    "GatedRepoError": "its owner must grant you access on the hub first; then set HF_TOKEN",
    "RepositoryNotFoundError": "the hub has no such repository, or it is private and HF_TOKEN is not set",
    "RevisionNotFoundError": "the hub's repository has no such revision",
    "HFValidationError": "this is no valid name of a hub repository",
}


class RefusedError(Exception):
    """The repository can't be used; the message is half a sentence for the user."""


def main(request: dict[str, Any]) -> int:
    """Download and answer; return the exit status."""
    from huggingface_hub import snapshot_download

    repository, revision, patterns = request["repository"], request["revision"] or None, request["patterns"]
    offer = patterns or [*DESCRIPTIONS, *VOICES, "*.safetensors", "*.gguf", *PICKLES]
    try:
        _require_hub()
        offered = snapshot_download(repository, revision=revision, dry_run=True, allow_patterns=offer)
        chosen = _chosen([file.filename for file in offered], described=bool(patterns))
        files = [file for file in offered if file.filename in chosen]
        _answer(total_bytes=sum(file.file_size or 0 for file in files))
        for file in files:
            if file.will_download and (file.file_size or 0) >= _LARGE:
                _download_large(repository, file.commit_hash, file.filename)
        names = [glob.escape(file.filename) for file in files]
        folder = snapshot_download(repository, revision=revision, allow_patterns=names)
    except Exception as error:
        _answer(refused=_reason(error))
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    _answer(folder=folder)
    return 0


def _require_hub() -> None:
    """Find out within seconds that there is no network, where the client would go on trying for half a minute.

    A hub that is slow to answer, or answers with an error, is left to the client's own patience.

    Raises:
        RefusedError: No connection can be made, twice.
    """
    from huggingface_hub import constants, get_session

    for pause in (1.0, 0.0):
        try:
            get_session().head(constants.ENDPOINT, timeout=_CONNECT_SECONDS)
            return
        except Exception as error:  # the client's own library raises it, which one depends on the version
            if not any(kind.__name__ in _NO_CONNECTION for kind in type(error).__mro__):
                return
        time.sleep(pause)
    raise RefusedError("the hub can't be reached")


def choose_files(names: list[str]) -> list[str]:
    """Choose what to download of a repository that no catalog entry describes.

    Args:
        names: Its descriptions and all its weights, pickled ones too.

    Returns:
        The descriptions, with the safetensors weights, else those of CTranslate2 or the only GGUF file; never pickled
        weights. Weights that are there in several precisions come once. Of a repository in diffusers' layout the
        components' weights are chosen, and not the single files beside them.

    Raises:
        RefusedError: It has no weights of such a kind.
    """
    safetensors = [name for name in names if name.endswith(".safetensors")]
    gguf = [name for name in names if name.endswith(".gguf")]
    if "model_index.json" in names:
        safetensors = _component_weights(safetensors)
    else:
        safetensors = [name for name in safetensors if "." not in PurePosixPath(name).stem] or safetensors
    weights = safetensors or _ctranslate2_weights(names) or gguf
    if len(gguf) > 1 and not safetensors:
        raise RefusedError(f"the repository holds {len(gguf)} GGUF files, download the one you want and name that file")
    if not weights:
        pickled = [name for name in names if name.endswith(_suffixes(PICKLES))]
        raise RefusedError(
            "the repository has only pickled weights, which could run code and are never fetched"
            if pickled
            else "the repository has no safetensors weights"
        )
    wanted = [name for name in names if name.endswith(_suffixes(DESCRIPTIONS)) and _is_wanted(name, weights)]
    return wanted + [name for name in names if fnmatch(name, VOICES[0])] + weights


def _ctranslate2_weights(names: list[str]) -> list[str]:
    """Return the weights of a CTranslate2 model: a ``model.bin`` with its vocabulary beside it is no pickle."""
    vocabularies = {f"{kind}vocabulary.{suffix}" for kind in ("", "shared_") for suffix in ("txt", "json")}
    return ["model.bin"] if "model.bin" in names and vocabularies & set(names) else []


def _component_weights(names: list[str]) -> list[str]:
    """Choose a component's weights where they are there in several variants, such as half precision: the plain ones."""
    chosen = []
    for folder in sorted({PurePosixPath(name).parent for name in names} - {PurePosixPath(".")}):
        inside = [name for name in names if PurePosixPath(name).parent == folder]
        plain = [name for name in inside if "." not in PurePosixPath(name).stem]
        half = [name for name in inside if ".fp16" in PurePosixPath(name).stem]
        chosen += plain or half or inside
    return chosen


def _is_wanted(name: str, weights: list[str]) -> bool:
    """Tell whether a description is of use; the index of a variant that isn't fetched would name missing files."""
    stem, index, _ = name.partition(".safetensors.index.")
    return not index or any(weight.startswith(stem) for weight in weights)


def _suffixes(patterns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(pattern[1:] for pattern in patterns)


def _chosen(names: list[str], described: bool) -> set[str]:
    """A catalog entry's patterns say which files; else it is to be found out."""
    return set(names if described else choose_files(names))


def _download_large(repository: str, commit: str, name: str) -> None:
    """Put a large file into the hub's cache, going on where an earlier download of it stopped.

    The hub's client goes on within one process only; a file that is already in its cache it takes as it is.
    """
    from huggingface_hub import constants, get_hf_file_metadata, get_token, hf_hub_url
    from huggingface_hub.file_download import http_get, repo_folder_name

    url = hf_hub_url(repository, name, revision=commit)
    metadata = get_hf_file_metadata(url)
    if metadata.etag is None:
        return
    folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model") / "blobs"
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{metadata.etag}.partial"
    with partial.open("ab") as stream:
        same_host = urlparse(metadata.location).netloc == urlparse(url).netloc
        token = get_token() if same_host else None  # large files often lie elsewhere, where the token must not go
        headers = {"authorization": f"Bearer {token}"} if token else {}
        http_get(
            metadata.location,
            stream,
            resume_size=stream.tell(),
            expected_size=metadata.size,
            headers=headers,
            displayed_filename=name,
        )
    if len(metadata.etag) == 64 and sum_of(partial) != metadata.etag:  # large files are named by their sha256
        partial.unlink()
        raise RefusedError(f"{name} arrived damaged")
    partial.rename(folder / metadata.etag)


def sum_of(path: Path) -> str:
    """Return the sha256 sum of a file in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _reason(error: BaseException | None) -> str:
    """Return half a sentence for the user; the client wraps the error that says it best in others."""
    while error is not None:
        if isinstance(error, RefusedError):
            return str(error)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return "the disk is full"
        for kind in type(error).__mro__:
            if kind.__name__ in _REFUSALS:
                return _REFUSALS[kind.__name__]
        error = error.__cause__
    return "the hub can't be reached"


def _answer(**values: Any) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
