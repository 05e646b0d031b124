"""The child process that downloads from the hub: ``python -m sensorium.models.hub_download REQUEST``.

The request is a JSON object with ``repository``, ``revision`` and ``patterns``. The process answers in lines of JSON on
stdout: ``{"total_bytes": …}`` as soon as the size is known, then ``{"folder": …}``, or ``{"refused": …}`` with half a
sentence for the user. If the process is stopped, the downloaded part stays in the hub's cache, and the next download
continues from there.
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
"""Weights that could run code when they are opened. They are never fetched; they are listed only so that the error can
say "only pickled weights" rather than "no weights"."""

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
    raise RefusedError("the hub can't be reached")


def choose_files(names: list[str]) -> list[str]:
    """Choose what to download from a repository that no catalog entry describes.

    Args:
        names: The repository's descriptions and all its weights, including pickled weights.

    Returns:
        The descriptions and the weights. Weights are safetensors files; if there are none, CTranslate2's files; if
        there are none either, the only GGUF file. Pickled weights are never chosen. If the same weights exist in
        several precisions, one of them is chosen. In a repository in diffusers' layout the weights in the components'
        folders are chosen, not the single-file checkpoints beside the folders.

    Raises:
        RefusedError: The repository has no weights of these kinds, or several GGUF files.
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
    """Return the weights of a CTranslate2 model: ``model.bin``, which is no pickle if a vocabulary lies beside it."""
    vocabularies = {f"{kind}vocabulary.{suffix}" for kind in ("", "shared_") for suffix in ("txt", "json")}
    return ["model.bin"] if "model.bin" in names and vocabularies & set(names) else []


def _component_weights(names: list[str]) -> list[str]:
    """Choose one variant of each component's weights: the plain one, else half precision, else all that there are."""
    chosen = []
    for folder in sorted({PurePosixPath(name).parent for name in names} - {PurePosixPath(".")}):
        inside = [name for name in names if PurePosixPath(name).parent == folder]
        plain = [name for name in inside if "." not in PurePosixPath(name).stem]
        half = [name for name in inside if ".fp16" in PurePosixPath(name).stem]
        chosen += plain or half or inside
    return chosen


def _is_wanted(name: str, weights: list[str]) -> bool:
    """Return whether a description is needed. An index of weights that aren't fetched would name missing files."""
    stem, index, _ = name.partition(".safetensors.index.")
    return not index or any(weight.startswith(stem) for weight in weights)


def _suffixes(patterns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(pattern[1:] for pattern in patterns)


def _chosen(names: list[str], described: bool) -> set[str]:
    """Return the files to fetch: all of ``names`` if a catalog entry described them, else those that we choose."""
    return set(names if described else choose_files(names))


def _download_large(repository: str, commit: str, name: str) -> None:
    """Put a large file into the hub's cache, continuing where an earlier download of the file stopped.

    The hub's own client continues a download within one process only. It uses a complete file in its cache as it is.
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
        # Large files often come from another server, which must not get the token.
        token = get_token() if same_host else None
        headers = {"authorization": f"Bearer {token}"} if token else {}
        http_get(
            metadata.location,
            stream,
            resume_size=stream.tell(),
            expected_size=metadata.size,
            headers=headers,
            displayed_filename=name,
        )
    if len(metadata.etag) == 64 and sum_of(partial) != metadata.etag:  # the etag of a large file is its sha256 sum
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
    """Return half a sentence for the user. The client wraps the error that tells most inside other errors."""
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
