"""Finds the media files that a list of paths, folders and patterns stands for."""

from __future__ import annotations

import errno
import fnmatch
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from sensorium.errors import InputError, SensoriumError
from sensorium.media.content import HEAD_BYTES, Kind, sniff_kind
from sensorium.media.naming import display_name
from sensorium.media.regular_file import open_regular_file, why_unreadable

logger = logging.getLogger(__name__)

OnFileError: TypeAlias = Callable[[Path, SensoriumError], None]
"""Called with a file or folder that could not be used, and with the error that says why."""

OnOtherFile: TypeAlias = Callable[[Path, Kind], None]
"""Called with a file of a kind that isn't wanted, and with its kind."""

_SUFFIXES: dict[Kind, str] = {
    "image": "jpg jpeg jpe jfif png webp gif bmp tif tiff heic heif hif avif jxl jp2 j2k jpx",
    "audio": "wav mp3 flac ogg oga opus m4a m4b aac wma aif aiff amr ac3 caf",
    "video": "mp4 m4v mov mkv webm avi mpg mpeg mts m2ts wmv flv 3gp 3g2 ogv vob",
    "text": "txt text md markdown rst",
}
_CLAIMS: dict[str, Kind] = {f".{suffix}": kind for kind, text in _SUFFIXES.items() for suffix in text.split()}


def suffixes_of(*kinds: Kind) -> tuple[str, ...]:
    """Return how files of some kinds usually end, each with its dot, in small letters."""
    return tuple(suffix for suffix, kind in _CLAIMS.items() if kind in kinds)


def collect_files(
    paths: Iterable[str | os.PathLike[str]] | str | os.PathLike[str],
    *,
    kinds: Iterable[Kind] = ("image", "video", "audio"),
    on_error: OnFileError | None = None,
    on_other: OnOtherFile | None = None,
) -> Iterator[Path]:
    """List the media files that paths, folders and patterns stand for, one by one, without holding the whole list.

    A file that is named itself is always listed. Folders (with all their sub-folders) and patterns list files by
    content: files of the wanted kinds, and also files of unknown content whose suffix stands for a wanted kind (the
        code
    that reads such a file later says what is wrong with it). Names that start with a dot are skipped. Links are
    followed, but not into a folder that is walked anyway or that lies above, so loops of links do no harm. No file is
    listed twice.

    Args:
        paths: Files, folders, and patterns in which ``*`` and ``?`` stand for letters, ``[ab]`` for one of several,
            and ``**`` for any depth of folders. A name that exists is never taken for a pattern.
        kinds: The kinds of files to list.
        on_error: Called for each missing file, unreadable folder or broken link; the search then continues. If None, a
            missing argument raises an error, and problems inside folders are logged as warnings.
        on_other: Called with each picture, film, recording and text of another kind that folders or patterns hold.

    Yields:
        Paths that begin like their argument. The order is that of the arguments; inside a folder, its files come first,
        sorted by name, then its sub-folders.

    Raises:
        InputError: Only without ``on_error``: an argument is missing, or no file matches a pattern.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    return _Collector(frozenset(kinds), on_error, on_other).collect(paths)


class _Collector:
    def __init__(self, kinds: frozenset[Kind], on_error: OnFileError | None, on_other: OnOtherFile | None) -> None:
        self._kinds = kinds
        self._on_error = on_error
        self._on_other = on_other
        self._roots: list[str] = []
        """Real paths, ending in a separator, of folders that were arguments or that a link led to."""
        self._folders: set[tuple[int, int]] = set()
        """Device and number of each folder that was entered."""
        self._single: set[str] = set()
        """Real paths of the files that were listed without walking their folder. These are few."""

    def collect(self, paths: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
        for path in map(Path, paths):
            try:
                path.stat()
            except (OSError, ValueError) as error:
                if _is_pattern(str(path)):
                    yield from self._match(path)
                else:
                    self._fail(path, why_unreadable(error, display_name(path)))
                continue
            if path.is_dir():
                yield from self._walk(path)
            elif self._is_new(path):
                yield path

    def _match(self, pattern: Path) -> Iterator[Path]:
        fits = False
        anchor = pattern.anchor
        for path in self._expand(Path(anchor), pattern.relative_to(anchor).parts, set()):
            if self._is_folder(path):
                fits = True
                yield from self._walk(path)
            elif self._is_wanted(path):
                fits = True
                if self._is_new(path):
                    yield path
        if not fits:
            wanted = " or ".join(sorted(self._kinds))
            error = InputError(f"No {wanted} file fits {display_name(pattern)}", "Check the pattern and the folder")
            self._fail(pattern, error)

    def _expand(self, folder: Path, parts: tuple[str, ...], entered: set[tuple[int, int, int]]) -> Iterator[Path]:
        """Find the paths that match a pattern. ``entered`` keeps ``**`` from entering a folder twice through links."""
        if not parts:
            yield folder
            return
        first, rest = parts[0], parts[1:]
        if first == "**":
            for below in self._tree(folder, len(parts), entered):
                yield from self._expand(below, rest or ("*",), entered)
        elif _is_pattern(first):
            for path in self._inside(folder, first):
                yield from self._expand(path, rest, entered)
        elif os.path.lexists(folder / first):
            yield from self._expand(folder / first, rest, entered)

    def _tree(self, top: Path, level: int, entered: set[tuple[int, int, int]]) -> Iterator[Path]:
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            identity = self._identity(folder)
            if identity is None or (*identity, level) in entered:
                continue
            entered.add((*identity, level))
            yield folder
            waiting.extend(below for below in reversed(self._inside(folder, "*")) if self._is_folder(below))

    def _inside(self, folder: Path, pattern: str) -> list[Path]:
        if not self._is_folder(folder):
            return []
        try:
            paths = list(folder.iterdir())
        except OSError as error:
            self._report(folder, error)
            return []
        hidden = pattern.startswith(".")
        return sorted(p for p in paths if p.name.startswith(".") == hidden and fnmatch.fnmatchcase(p.name, pattern))

    def _walk(self, root: Path) -> Iterator[Path]:
        waiting = [root]
        while waiting:
            folder = waiting.pop()
            identity = self._identity(folder)
            if identity is None or identity in self._folders:
                continue
            self._folders.add(identity)
            if folder is root or folder.is_symlink():
                self._roots.append(_real(folder) + os.sep)
            try:
                with os.scandir(folder) as found:
                    entries = sorted((e for e in found if not e.name.startswith(".")), key=lambda entry: entry.name)
            except OSError as error:
                self._report(folder, error)
                continue
            real = _real(folder) + os.sep if self._single else ""
            below = []
            for entry in entries:
                path = Path(entry.path)
                linked = entry.is_symlink()
                if not (self._leads_on(path) if linked else real + entry.name not in self._single):
                    continue
                if entry.is_dir():
                    below.append(path)
                elif entry.is_file() and self._is_wanted(path) and (not linked or self._is_new(path)):
                    yield path
            waiting.extend(reversed(below))

    def _identity(self, folder: Path) -> tuple[int, int] | None:
        try:
            state = folder.stat()
        except OSError as error:
            self._report(folder, error)
            return None
        return state.st_dev, state.st_ino

    def _is_folder(self, path: Path) -> bool:
        try:
            return path.is_dir()
        except OSError as error:
            self._report(path, error)
            return False

    def _is_wanted(self, path: Path) -> bool:
        try:
            with open_regular_file(path) as file:
                kind = sniff_kind(file.read(HEAD_BYTES))
        except OSError as error:
            return error.errno == errno.EACCES and claimed_kind(path) in self._kinds
        kind = kind or claimed_kind(path)
        if kind and kind not in self._kinds and self._on_other is not None:
            self._on_other(path, kind)
        return kind in self._kinds

    def _leads_on(self, link: Path) -> bool:
        """Return whether a link leads to something that the search doesn't reach without the link."""
        try:
            link.stat()
        except OSError as error:
            if claimed_kind(link) in self._kinds:
                self._report(link, error)
            return False
        real = _real(link)
        return not self._is_walked(real) and not any(root.startswith(real + os.sep) for root in self._roots)

    def _is_walked(self, real: str) -> bool:
        """Return whether walking a root folder reaches this file or folder without any link."""
        return any(
            real.startswith(root) and not any(part.startswith(".") for part in Path(real[len(root) :]).parts)
            for root in self._roots
        )

    def _is_new(self, path: Path) -> bool:
        real = _real(path)
        if real in self._single or (self._is_walked(real) and self._is_wanted(Path(real))):
            return False
        self._single.add(real)
        return True

    def _fail(self, path: Path, error: InputError) -> None:
        if self._on_error is None:
            raise error
        self._on_error(path, error)

    def _report(self, path: Path, error: OSError) -> None:
        problem = why_unreadable(error, display_name(path))
        if self._on_error is None:
            logger.warning("%s", problem)
        else:
            self._on_error(path, problem)


def _real(path: Path) -> str:
    """Return the real path without a separator at its end, even for the root folder."""
    try:
        return os.path.realpath(path).rstrip(os.sep)
    except OSError:  # a link that this user has no permission to read
        return str(path.absolute())


def _is_pattern(text: str) -> bool:
    return re.search(r"[*?[]", text) is not None


def claimed_kind(path: Path) -> Kind:
    """Return the kind that a file's suffix stands for; "" for none."""
    return _CLAIMS.get(path.suffix.lower(), "")
