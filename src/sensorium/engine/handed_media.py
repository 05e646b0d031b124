"""Giving the media that an operation names to a worker: as files in a folder, whatever becomes of their origins."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from sensorium.engine.job_files import JobFiles
from sensorium.engine.reference_path import reference_path
from sensorium.errors import NotFoundError
from sensorium.media.limits import Limits
from sensorium.media.naming import display_name
from sensorium.media.source import resolve
from sensorium.operations.media import Media
from sensorium.progress import Cancellation, ProgressCallback

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR})


class HandedFile(TypedDict):
    """A medium that a worker may open.

    Attributes:
        path: Where it lies.
        name: How messages call it.
    """

    path: str
    name: str


def hand_over(
    files: JobFiles,
    reference: Media,
    folder: Path,
    *,
    name: str = "",
    limits: Limits,
    again: bool = False,
    later: bool = False,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> HandedFile:
    """Put what a reference stands for into a folder. May take long: an address is fetched.

    Uploads and artifacts are linked, not copied, where the disk can do that: their bytes stay until the last link is
    deleted. So nothing that is deleted elsewhere is missed by a job or a search index.

    Args:
        files: Where uploads and artifacts are.
        reference: What the operation names.
        folder: Such as `JobFiles.media_folder` or `JobFiles.indexed_folder`.
        name: What its sender calls an upload.
        limits: What may be fetched, and how large things may be; files of this machine are refused in any case.
        again: Replace what an earlier call has put there, instead of returning it.
        later: Leave uploads and artifacts that aren't on this machine to the one that needs them: see `fetch_handed`.
        progress: Told the bytes fetched so far.
        cancel: Stops the fetch.

    Raises:
        InputError: It names a file of this machine, or what it names can't be used.
        NotFoundError: There is no such upload or artifact.
        CancelledError: ``cancel`` was set.
        StorageError: The disk is full.
    """
    found, shown = _origin(reference, name)
    target = reference_path(folder, reference, shown)
    if again or not _has_content(target):
        if found is not None:
            if not (later and not files.is_here(reference)):
                origin = found(files)
                _complete(files, folder, target, lambda path: _link(origin, path, reference))
        else:
            media = resolve(reference, limits=replace(limits, allow_files=False), progress=progress, cancel=cancel)
            if media.path is not None:
                fetched = media.path
                _complete(files, folder, target, lambda path: shutil.copyfile(fetched, path))
            else:
                _complete(files, folder, target, lambda path: path.write_bytes(media.read()))
            files.share(target)
    return {"path": str(target), "name": shown}


def fetch_handed(files: JobFiles, reference: Media, path: Path) -> bool:
    """Put a file where `hand_over` said that it is, but did so on another machine, or left it for later.

    Args:
        files: Where uploads and artifacts are.
        reference: What the operation names.
        path: Where the file belongs.

    Returns:
        Whether it wasn't there.

    Raises:
        NotFoundError: It was deleted meanwhile.
        StorageError: The object store is away, or the disk is full.
    """
    if _has_content(path):
        return False
    found, _ = _origin(reference, "")
    origin = files.shared(path) if found is None else found(files)
    if origin == path:
        return True
    folder = path.parent.parent
    with files.explained():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _complete(files, folder, path, lambda temporary: _link(origin, temporary, reference))
    return True


def _has_content(path: Path) -> bool:
    """Return whether a file is there with its content; in the folder of an index, an empty one may stand for it."""
    return path.is_file() and path.stat().st_size > 0


def _origin(reference: Media, name: str) -> tuple[Callable[[JobFiles], Path] | None, str]:
    """Return how to find the file that there is already, if it is one, and the name for messages."""
    if reference.upload is not None:
        upload = reference.upload
        return lambda files: files.upload(upload), name or display_name(reference)
    if reference.artifact is not None:
        job, artifact = reference.artifact
        return lambda files: files.artifact(job, artifact), display_name(artifact)
    return None, display_name(reference)


def _complete(files: JobFiles, folder: Path, target: Path, write: Callable[[Path], object]) -> None:
    """Let a file appear complete or not at all."""
    temporary = folder / f".{secrets.token_hex(8)}"
    with files.explained():
        try:
            write(temporary)
            target.parent.mkdir(exist_ok=True, mode=0o700)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def _link(origin: Path, path: Path, reference: Media) -> None:
    try:
        try:
            os.link(origin, path)
        except OSError as error:
            if error.errno in _GONE:
                raise
            shutil.copyfile(origin, path)  # this disk knows no links, or the file has too many
    except FileNotFoundError:
        raise NotFoundError(
            f"{display_name(reference)} was deleted a moment ago", "Send the file again, or make it again"
        ) from None
