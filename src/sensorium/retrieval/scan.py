"""What changed on disk since files were indexed."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sensorium import settings
from sensorium.errors import InputError, SensoriumError
from sensorium.media.content import Kind
from sensorium.media.limits import Limits
from sensorium.media.regular_file import why_unreadable
from sensorium.media.source import collect_files, display_name
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.retrieval.forgetting import where_they_may_be
from sensorium.retrieval.mounts import broken_link_above, is_mounted
from sensorium.retrieval.readers import circumstances
from sensorium.retrieval.results import SkippedFile
from sensorium.retrieval.rows import FileState
from sensorium.retrieval.stored_files import fixed_part, listed, number_of_version
from sensorium.retrieval.table import MediaTable
from sensorium.storage.location import is_stored_remotely
from sensorium.storage.opening import is_pattern
from sensorium.stored_path import path_or_address

# A file system may note times so coarsely that a second change within this span doesn't show.
_COARSEST_CLOCK_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file on disk that is new or looks changed.

    Attributes:
        path: Absolute.
        known: What the index knows of it; None for a new file.
        size: In bytes, when it was found.
        stored: Whether it lies in an object store; ``path`` is its address then.
    """

    path: str
    known: FileState | None
    size: int = 0
    stored: bool = False


@dataclass
class Changes:
    """What is to be done.

    Attributes:
        to_read: New and changed files.
        gone: Files in the index that are no longer on disk.
        away: Files in the index that lie on drives that aren't mounted, by where they were.
        unchanged: How many readable files are as they were.
        skipped: Files that can't be read.
        damaged: Unchanged files that something is missing of, by path.
        passed_over: Recordings and texts in folders, of kinds that the index doesn't take, with their kinds.
    """

    to_read: list[FoundFile] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    away: dict[str, list[str]] = field(default_factory=dict)
    unchanged: int = 0
    skipped: list[SkippedFile] = field(default_factory=list)
    damaged: dict[str, FileState] = field(default_factory=dict)
    passed_over: dict[str, Kind] = field(default_factory=dict)


def absolute(path: str | os.PathLike[str]) -> str:
    """Return the absolute form of a path, without following links: a file is called what the user calls it.

    What lies in an object store keeps its address.
    """
    if isinstance(path, str) and is_stored_remotely(path):
        return path.rstrip("/")
    return os.path.abspath(settings.user_path(path))  # noqa: PTH100 - pathlib's way follows links


def settled_time(state: os.stat_result) -> int:
    """Return the time of a file's last change in ns; 0 if that was so recent that another change might not show."""
    return state.st_mtime_ns if time.time_ns() - state.st_mtime_ns > _COARSEST_CLOCK_NS else 0


def find_changes(
    paths: Sequence[str],
    table: MediaTable | None,
    *,
    kinds: Collection[Kind],
    every: float,
    reads: bool,
    limits: Limits,
    index: str,
    progress: ProgressCallback | None,
    cancel: Cancellation | None,
) -> Changes:
    """Compare files, folders and patterns, here and in object stores, with what an index knows.

    A file is as it was if its size and the time of its last change are; whether one that looks changed really is,
    its content tells when it is read. Films that were sampled at another interval count as changed. A file that
    couldn't be read is tried again as soon as anything has changed that might let it be read.

    Args:
        paths: Absolute, or addresses.
        table: The index; None if it is new.
        kinds: The kinds of files that it takes.
        every: Seconds between the moments of films.
        reads: Whether what is written is to be known: then files in which nobody read count as changed.
        limits: For files.
        index: Where the index lies, for messages.
        progress: Told how many files have been looked at.
        cancel: Stops the scan.

    Raises:
        InputError: A path doesn't exist, or a folder has become empty although files of it are indexed.
    """
    known = table.states([_fixed_part(path) for path in paths]) if table is not None else {}
    stored = [path for path in paths if is_stored_remotely(path)]
    paths = [path for path in paths if not is_stored_remotely(path)]
    folders = [path for path in paths if os.path.isdir(path)]  # noqa: PTH112 - pathlib's raises an error for a long name
    for path in paths:
        _check_presence(path, known, index)
    changes = Changes()
    unreadable: list[str] = []

    def skip(path: Path, error: SensoriumError) -> None:
        name = str(path)
        if name in paths:
            raise error
        unreadable.append(name)
        changes.skipped.append(SkippedFile(Path(name), error.message))

    def pass_over(path: Path, kind: Kind) -> None:
        changes.passed_over[str(path)] = kind

    seen: set[str] = set()
    for count, file in enumerate(collect_files(paths, kinds=kinds, on_error=skip, on_other=pass_over)):
        check_cancelled(cancel)
        if count % 1000 == 0:
            report(progress, "looking for changes", count, None, "files")
        name = str(file)
        seen.add(name)
        _compare(name, known.get(name), every, reads, limits, changes)
    for folder in folders:
        _check_emptiness(folder, known, seen, index)
    for name in known:
        if name not in seen and any(is_under(name, folder) for folder in folders):
            _miss(name, known[name].mount, unreadable, changes)
    for mount, away in changes.away.items():
        reason = f"No drive is mounted at {display_name(mount)}, and {len(away)} files on it stay in the index"
        changes.skipped.append(SkippedFile(Path(mount), reason))
    for address in stored:
        _find_stored(address, known, seen, kinds, every, reads, limits, index, changes, cancel)
    return changes


def _find_stored(
    address: str,
    known: Mapping[str, FileState],
    before: set[str],
    kinds: Collection[Kind],
    every: float,
    reads: bool,
    limits: Limits,
    index: str,
    changes: Changes,
    cancel: Cancellation | None,
) -> None:
    """Compare what an address of an object store stands for with what an index knows, by the store's listing.

    Files that were found before, under another address, aren't compared again; those found now are added to them.
    """
    seen: set[str] = set()
    for found in listed(address):
        check_cancelled(cancel)
        place, version = found.file.location.address, found.file.version
        if not found.named and found.kind not in kinds:
            if found.kind:
                changes.passed_over[place] = found.kind
            continue
        seen.add(place)
        if place in before:
            continue
        now = (found.file.size, number_of_version(version))
        if _is_as_known(known.get(place), now, every, reads, circumstances(limits, version)):
            _note_unchanged(place, known[place], changes)
        else:
            changes.to_read.append(FoundFile(place, known.get(place), found.file.size, stored=True))
    _check_emptiness(address, known, seen, index)
    if not seen:
        raise InputError(f"{display_name(address)} has no {' or '.join(sorted(kinds))} file", "Check the address")
    if not is_pattern(address):
        gone = set(changes.gone)
        changes.gone += [name for name in known if name not in seen | gone and is_under(name, address)]
    before |= seen


def _is_as_known(known: FileState | None, now: tuple[int, int], every: float, reads: bool, tried: str) -> bool:
    """Return whether a file needs no second look: by size and time, and for a broken one by the circumstances."""
    return (
        known is not None
        and (known.size, known.modified_ns) == now
        and known.every in (None, every)
        and (not reads or bool(known.reader) or not known.may_hold_writing)
        and (not known.reason or known.tried == tried)
    )


def _note_unchanged(path: str, known: FileState, changes: Changes) -> None:
    if known.reason:
        changes.skipped.append(SkippedFile(path_or_address(path), known.reason))
        return
    changes.unchanged += 1
    if known.warnings:
        changes.damaged[path] = known


def _compare(path: str, known: FileState | None, every: float, reads: bool, limits: Limits, changes: Changes) -> None:
    try:
        state = os.stat(path)  # noqa: PTH116 - called for every file of large folders
    except OSError as error:
        # It went away since the folder was listed; if it was indexed, the next scan drops it.
        changes.skipped.append(SkippedFile(Path(path), why_unreadable(error, display_name(path)).message))
        return
    now = (state.st_size, state.st_mtime_ns)
    if known is not None and _is_as_known(known, now, every, reads, circumstances(limits, state.st_ctime_ns)):
        _note_unchanged(path, known, changes)
    else:
        changes.to_read.append(FoundFile(path, known, state.st_size))


def _miss(path: str, mount: str, unreadable: list[str], changes: Changes) -> None:
    """Decide about a file that is in the index but no longer listed."""
    if any(path == place or is_under(path, place) for place in unreadable):
        return
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        link = broken_link_above(path)
        if link is not None:
            unreadable.append(link)
            changes.skipped.append(SkippedFile(Path(link), f"The link {display_name(link)} leads nowhere"))
        elif not is_mounted(mount):
            changes.away.setdefault(mount, []).append(path)
        else:
            changes.gone.append(path)
    except OSError as error:
        changes.skipped.append(SkippedFile(Path(path), why_unreadable(error, display_name(path)).message))
    else:
        changes.gone.append(path)


def _check_presence(path: str, known: Mapping[str, FileState], index: str) -> None:
    lost = sum(is_under(name, path) for name in known)
    if lost and not os.path.lexists(path):
        raise InputError(
            f"The folder {display_name(path)} is not there, but {lost} of its files are in the index",
            where_they_may_be(path, index),
        )


def _check_emptiness(folder: str, known: Mapping[str, FileState], seen: set[str], index: str) -> None:
    lost = sum(is_under(name, folder) for name in known)
    if lost and not any(is_under(name, folder) for name in seen):
        raise InputError(
            f"The folder {display_name(folder)} has none of its files any more, but {lost} are in the index",
            where_they_may_be(folder, index),
        )


def is_under(path: str, folder: str) -> bool:
    """Return whether a path lies below a folder."""
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def _fixed_part(path: str) -> str:
    """Return a path, or the folder in which a pattern begins to vary."""
    if is_stored_remotely(path):
        return fixed_part(path)
    if os.path.lexists(path):
        return path
    parts = Path(path).parts
    fixed = itertools.takewhile(lambda part: not set("*?[") & set(part), parts)
    return str(Path(*fixed))
