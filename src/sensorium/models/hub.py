"""Checkpoints from the model hub, kept in the hub's own cache, which other programs share."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sensorium.errors import ModelUnavailableError
from sensorium.models.adapter_repositories import choose_lora
from sensorium.models.catalog import Checkpoint
from sensorium.models.child_process import folder_bytes, run_child
from sensorium.models.file_sums import sum_of
from sensorium.models.hub_source import HubSource
from sensorium.models.lora_names import LORA_TASK
from sensorium.models.repository_files import CARD, choose_files
from sensorium.models.weight_files import RefusedError, is_weight
from sensorium.progress import Cancellation, ProgressCallback, report

logger = logging.getLogger("sensorium.models")


class HubOutOfOrderError(ModelUnavailableError):
    """The hub, the way there or its cache is out of order: no other repository could be fetched just now."""


def find_in_hub_cache(checkpoint: Checkpoint, source: HubSource) -> Path | None:
    """Return the folder of a checkpoint in the hub's cache, or None if it isn't there in full; no request is made."""
    from huggingface_hub import get_cached_repo_tree, snapshot_download
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    revision = source.revision or None
    try:
        # No pattern: where the folder is, is asked here, not what is in it.
        found = snapshot_download(source.repository, revision=revision, allow_patterns=[], local_files_only=True)
    except (OSError, ValueError):
        return None
    folder = Path(found)
    try:
        listed = [file.path for file in get_cached_repo_tree(source.repository, revision=revision)]
    except CachedRepoTreeNotFoundError:  # an older client filled the cache
        listed = _names(folder)
    return folder if _is_complete(folder, listed, checkpoint, source) else None


def _is_complete(folder: Path, listed: Sequence[str], checkpoint: Checkpoint, source: HubSource) -> bool:
    """Return whether a folder holds all that would be fetched of a repository with these files."""
    if checkpoint.files:
        return all((folder / file.path).is_file() for file in checkpoint.files)
    try:
        needed = _needed(folder, listed, checkpoint)
    except (RefusedError, OSError, ValueError):  # what decides isn't here either
        return False
    if not all((folder / name).is_file() for name in needed if name != CARD):
        return False
    # Other programs may have filled the cache from a branch that has moved.
    unsure = [folder / name for name in needed if is_weight(name) and source.sha256 and not source.is_pinned]
    return all(path.resolve().name == source.sha256 or sum_of(path) == source.sha256 for path in unsure)


def _needed(folder: Path, listed: Sequence[str], checkpoint: Checkpoint) -> list[str]:
    """Return what is needed of a repository's files, some of which lie in a folder."""
    if checkpoint.task == LORA_TASK:
        return choose_lora(listed, checkpoint.hub_files)
    return choose_files(listed, _reader(folder), checkpoint.hub_files, checkpoint.without)


def lora_file(checkpoint: Checkpoint, folder: Path) -> Path:
    """Return the file of a LoRA in the folder that it was found in or fetched to."""
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    try:
        listed = [
            file.path for file in get_cached_repo_tree(checkpoint.repository, revision=checkpoint.revision or None)
        ]
    except CachedRepoTreeNotFoundError:
        listed = _names(folder)
    return folder / choose_lora(listed, checkpoint.hub_files)[0]


def fetch_from_hub(
    checkpoint: Checkpoint, source: HubSource, progress: ProgressCallback | None, cancel: Cancellation | None
) -> Path:
    """Download a checkpoint into the hub's cache; an interrupted download goes on where it stopped.

    Raises:
        HubOutOfOrderError: The hub can't be reached or fails.
        ModelUnavailableError: The hub has no such repository or revision, or the repository has no weights that
            Sensorium can use.
        CancelledError: ``cancel`` was set.
    """
    from huggingface_hub import constants

    request = {
        **asdict(source),
        "patterns": list(checkpoint.hub_files),
        "without": list(checkpoint.without),
        "lora": checkpoint.task == LORA_TASK,
        "files": {file.path: file.sha256 for file in checkpoint.files},
    }
    kept = Path(constants.HF_HUB_CACHE) / f"models--{source.repository.replace('/', '--')}" / "blobs"

    def tell(output: str) -> None:
        total = _answers(output).get("total_bytes") or checkpoint.size_bytes or None
        done = folder_bytes(kept) if kept.is_dir() else 0
        report(progress, f"fetching {checkpoint.name}", min(done, total or done), total, "bytes")

    ended = run_child(
        [sys.executable, "-P", "-m", "sensorium.models.hub_download", json.dumps(request)], watch=tell, cancel=cancel
    )
    answers = _answers(ended.output)
    if not ended.success or "folder" not in answers:
        logger.info("hub: %s", ended.complaint.strip()[-2000:])
        kind = HubOutOfOrderError if answers.get("everywhere") else ModelUnavailableError
        raise kind(answers.get("refused", "the download failed"), answers.get("remedy", ""))
    folder = Path(answers["folder"])
    _check_sums(checkpoint, folder)
    tell(ended.output)
    return folder


def require_all_weights(folder: Path, checkpoint: Checkpoint) -> None:
    """Refuse a folder without a complete set of weights: every shard that an index names, and every component.

    Raises:
        ModelUnavailableError: The message names what is missing.
    """
    try:
        _needed(folder, _names(folder), checkpoint)
    except RefusedError as error:
        raise ModelUnavailableError(str(error), error.remedy) from error


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _reader(folder: Path) -> Callable[[str], str]:
    return lambda name: (folder / name).read_text(encoding="utf-8")


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
