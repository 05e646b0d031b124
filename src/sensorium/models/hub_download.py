"""The child process that downloads from the hub: ``python -m sensorium.models.hub_download REQUEST``.

The request is a JSON object with ``repository``, ``revision`` and ``patterns``. It answers in lines of JSON on
stdout: ``{"total_bytes": …}`` as soon as it is known, then ``{"folder": …}``, or ``{"refused": …}`` with half a
sentence for the user. What was downloaded before it is stopped stays in the hub's cache and is taken up again.
"""

from __future__ import annotations

import errno
import glob
import json
import sys
from typing import Any

DESCRIPTIONS = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")
"""Files beside the weights: configuration, tokenizer, chat template."""

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
    try:
        offered = snapshot_download(
            repository,
            revision=revision,
            dry_run=True,
            allow_patterns=patterns or [*DESCRIPTIONS, "*.safetensors", "*.gguf", "*.bin", "*.ckpt", "*.pt", "*.pth"],
        )
        sizes = {file.filename: file.file_size or 0 for file in offered}
        chosen = list(sizes) if patterns else choose_files(list(sizes))
        _answer(total_bytes=sum(sizes[name] for name in chosen))
        folder = snapshot_download(repository, revision=revision, allow_patterns=[glob.escape(name) for name in chosen])
    except RefusedError as refusal:
        _answer(refused=str(refusal))
        return 1
    except Exception as error:
        names = [kind.__name__ for kind in type(error).__mro__]
        reasons = [_REFUSALS[name] for name in names if name in _REFUSALS]
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        _answer(refused=reasons[0] if reasons else "the disk is full" if full else "the hub can't be reached")
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    _answer(folder=folder)
    return 0


def choose_files(names: list[str]) -> list[str]:
    """Choose what to download of a repository that no catalog entry describes.

    Args:
        names: Its descriptions and all its weights, pickled ones too.

    Returns:
        The descriptions, with the safetensors weights or else the only GGUF file; never pickled weights.

    Raises:
        RefusedError: It has no weights of such a kind.
    """
    safetensors = [name for name in names if name.endswith(".safetensors")]
    gguf = [name for name in names if name.endswith(".gguf")]
    weights = safetensors or gguf
    if len(gguf) > 1 and not safetensors:
        raise RefusedError(f"the repository holds {len(gguf)} GGUF files, download the one you want and name that file")
    if not weights:
        pickled = [name for name in names if name.endswith((".bin", ".ckpt", ".pt", ".pth"))]
        raise RefusedError(
            "the repository has only pickled weights, which could run code and are never fetched"
            if pickled
            else "the repository has no safetensors weights"
        )
    return [name for name in names if name.endswith(tuple(pattern[1:] for pattern in DESCRIPTIONS))] + weights


def _answer(**values: Any) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
