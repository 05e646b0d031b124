"""Checkpoints from the model hub, kept in the hub's own cache, which other programs share."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

from sensorium.errors import ModelUnavailableError
from sensorium.models.catalog import Checkpoint
from sensorium.models.child_process import folder_bytes, run_child
from sensorium.models.hub_download import DESCRIPTIONS, sum_of
from sensorium.progress import Cancellation, ProgressCallback, report

logger = logging.getLogger("sensorium.models")

_WEIGHTS = (".safetensors", ".gguf", ".onnx", ".bin")
_OPTIONAL_COMPONENTS = ("safety_checker", "feature_extractor", "image_encoder")
"""Components that a diffusers pipeline can do without."""


def find_in_hub_cache(checkpoint: Checkpoint) -> Path | None:
    """Return the folder of a checkpoint in the hub's cache, or None if it isn't there in full; no request is made."""
    if not checkpoint.repository:
        return None
    from huggingface_hub import snapshot_download

    # Without patterns, the choice of weights needs the repository's whole list of files, which only the hub has. So
    # only descriptions are asked for here, and `has_all_weights` looks at which weights are in the folder.
    undescribed = not checkpoint.hub_files
    try:
        folder = Path(
            snapshot_download(
                checkpoint.repository,
                revision=checkpoint.revision or None,
                allow_patterns=list(DESCRIPTIONS if undescribed else checkpoint.hub_files),
                ignore_patterns=["*.safetensors.index.*"] if undescribed else None,
                local_files_only=True,
            )
        )
    except (OSError, ValueError):
        return None
    return folder if has_all_weights(folder) else None


def fetch_from_hub(checkpoint: Checkpoint, progress: ProgressCallback | None, cancel: Cancellation | None) -> Path:
    """Download a checkpoint into the hub's cache; an interrupted download goes on where it stopped.

    Raises:
        ModelUnavailableError: The hub can't be reached or has no such repository, or the repository has no weights that
            Sensorium can use.
        CancelledError: ``cancel`` was set.
    """
    from huggingface_hub import constants

    request = {
        "repository": checkpoint.repository,
        "revision": checkpoint.revision,
        "patterns": list(checkpoint.hub_files),
    }
    kept = Path(constants.HF_HUB_CACHE) / f"models--{checkpoint.repository.replace('/', '--')}" / "blobs"

    def tell(output: str) -> None:
        total = _answers(output).get("total_bytes") or checkpoint.size_bytes or None
        done = folder_bytes(kept) if kept.is_dir() else 0
        report(progress, f"fetching {checkpoint.name}", min(done, total or done), total, "bytes")

    ended = run_child(
        [sys.executable, "-m", "sensorium.models.hub_download", json.dumps(request)], watch=tell, cancel=cancel
    )
    answers = _answers(ended.output)
    if not ended.success or "folder" not in answers:
        logger.info("hub: %s", ended.complaint.strip()[-2000:])
        raise ModelUnavailableError(answers.get("refused", "the download failed"))
    folder = Path(answers["folder"])
    _check_sums(checkpoint, folder)
    if not has_all_weights(folder):
        raise ModelUnavailableError("the repository's weights are not complete")
    tell(ended.output)
    return folder


def has_all_weights(folder: Path) -> bool:
    """Return whether a folder contains weights, with every shard that an index names and every component.

    Components are what diffusers' ``model_index.json`` lists; a folder without that file has no components.
    """
    for index in folder.rglob("*.safetensors.index.json"):
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, AttributeError):
            return False
        if not all((index.parent / shard).is_file() for shard in shards):
            return False
    return _has_weights(folder) and _has_all_components(folder)


def _has_weights(folder: Path) -> bool:
    return any(path.suffix in _WEIGHTS and path.is_file() for path in folder.rglob("*"))


def _has_all_components(folder: Path) -> bool:
    listing = folder / "model_index.json"
    if not listing.is_file():
        return True
    try:
        listed = json.loads(listing.read_text(encoding="utf-8")).items()
    except (ValueError, AttributeError):
        return False
    for name, classes in listed:
        if not (isinstance(classes, list) and all(classes)):  # a setting, or an unused component
            continue
        part = folder / name
        if not part.is_dir():
            if name not in _OPTIONAL_COMPONENTS:
                return False
        elif (part / "config.json").is_file() and not _has_weights(part):  # schedulers and tokenizers have no such file
            return False
    return True


def _check_sums(checkpoint: Checkpoint, folder: Path) -> None:
    for file in checkpoint.files:
        path = folder / file.path
        if not path.is_file():
            raise ModelUnavailableError(f"the repository has no {file.path}")
        if sum_of(path) != file.sha256:
            raise ModelUnavailableError(f"{file.path} does not have the expected sha256 sum")


def _answers(output: str) -> dict[str, Any]:
    """Merge the lines of JSON that the child process has written so far; the last line may be incomplete."""
    answers: dict[str, Any] = {}
    for line in output.splitlines():
        try:
            answers.update(json.loads(line))
        except ValueError:
            continue
    return answers
