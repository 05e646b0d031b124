"""Checkpoint files that are already on this machine: inside this package, or in another checkpoint's folder."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files as package_files
from pathlib import Path

from sensorium.errors import MissingDependencyError, ModelUnavailableError
from sensorium.models.catalog import Checkpoint, CheckpointFile, entries
from sensorium.models.file_sums import sum_of
from sensorium.models.parcels import checked_file, copy_blocks

logger = logging.getLogger("sensorium.models")


def is_all_here(checkpoint: Checkpoint, roots: Sequence[Path]) -> bool:
    """Return whether every file of a checkpoint is on this machine; sums are not checked, and nothing is copied.

    Args:
        checkpoint: Its ``files`` are looked for.
        roots: Folders that contain one folder per checkpoint, named after the checkpoint.
    """
    return bool(checkpoint.files) and all(
        file.carried or next(_same_files(file, roots), None) is not None for file in checkpoint.files
    )


def bring_local_files(
    checkpoint: Checkpoint, folder: Path, home: Path, roots: Sequence[Path]
) -> tuple[CheckpointFile, ...]:
    """Put those files of a checkpoint that are on this machine into a folder, each checked against its sum.

    Args:
        checkpoint: Its ``files`` are looked for.
        folder: An empty folder inside ``home``.
        home: Files inside this folder are linked instead of copied, so that two checkpoints with the same file need the
            disk space once.
        roots: Folders that contain one folder per checkpoint, named after the checkpoint.

    Returns:
        The files that are not on this machine.

    Raises:
        MissingDependencyError: A file that this package should contain is missing or damaged.
    """
    absent = []
    for file in checkpoint.files:
        if file.carried:
            _copy_carried(checkpoint, file, folder)
        elif not any(_share(source, file, folder, home) for source in _same_files(file, roots)):
            absent.append(file)
    return tuple(absent)


def _copy_carried(checkpoint: Checkpoint, file: CheckpointFile, folder: Path) -> None:
    try:
        with (
            package_files("sensorium").joinpath(file.carried).open("rb") as stream,
            checked_file(file, folder) as write,
        ):
            copy_blocks(stream.read, write)
    except (FileNotFoundError, IsADirectoryError, ModelUnavailableError) as error:
        raise MissingDependencyError(
            f"The checkpoint {checkpoint.name!r} comes with Sensorium itself, whose file {file.carried!r} is missing "
            "or damaged",
            "Install sensorium again: pip install --force-reinstall sensorium",
        ) from error


def _share(source: Path, file: CheckpointFile, folder: Path, home: Path) -> bool:
    """Link or copy a file into ``folder``; return whether its sum is the expected one."""
    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    if not source.is_relative_to(home):
        shutil.copyfile(source, target)
    else:
        try:
            os.link(source, target)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, target)
    if sum_of(target) != file.sha256:
        logger.info("%s does not have the expected sha256 sum", source)
        target.unlink()
        return False
    return True


def _same_files(file: CheckpointFile, roots: Iterable[Path]) -> Iterator[Path]:
    """Yield the paths of files that, by the catalog's sums, are the same file; each has the right size."""
    for root in roots:
        for entry in entries():
            for other in entry.files:
                if other.sha256 != file.sha256:
                    continue
                path = root / entry.name.replace("/", "--") / other.path
                if path.is_file() and path.stat().st_size == file.size_bytes:
                    yield path
