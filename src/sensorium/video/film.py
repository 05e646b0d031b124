"""A film that several parts of a program read one after the other, and a memory of the films that were read last."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from sensorium.media.content import image_format
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.source import MediaSource, resolve
from sensorium.media.video import probe_video, sample_frames
from sensorium.progress import Cancellation, ProgressCallback

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.media.source import ResolvedMedia

_FILMS_REMEMBERED = 4

Known = TypeVar("Known")


class Film:
    """A film that can be read several times; a film at an address or in a pipe is fetched once.

    Args:
        source: Path, address, data URI, bytes or open file.
        limits: How large the film may be, and where it may come from.
        progress: Told the bytes that were fetched.
        cancel: Stops the fetch.

    Attributes:
        source: Where the film can be read: a path, or its bytes.
        identity: A text that differs for different films, and changes when the film's file changes.
        probe: `sensorium.media.video.probe_video`, called for this film.
        frames: `sensorium.media.video.sample_frames`, called for this film.

    Raises:
        InputError: There is nothing to read.
    """

    def __init__(
        self,
        source: MediaSource,
        *,
        limits: Limits = DEFAULT_LIMITS,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> None:
        self._fetched: ResolvedMedia | None = None
        self.source: str | os.PathLike[str] | bytes
        if isinstance(source, bytes) or (isinstance(source, (str, os.PathLike)) and _names_a_file(source, limits)):
            self.source = source
        else:
            self._fetched = resolve(source, limits=limits, progress=progress, cancel=cancel)
            self.source = self._fetched.path or self._fetched.read()
            # Where it comes from was allowed; now it may be a file of ours, or the one that the caller opened.
            limits = replace(limits, allow_files=True)
        self._limits = limits
        self.identity = _identity(self.source)
        self.probe = partial(probe_video, self.source, limits=limits)
        self.frames = partial(sample_frames, self.source, limits=limits)

    @property
    def is_picture(self) -> bool:
        """Whether the file is a still picture. A GIF counts as a film, because it may be animated."""
        head = (self._fetched or resolve(self.source, limits=self._limits)).head
        return image_format(head) not in {"", "GIF"}

    def picture(self, minimum_side: int) -> PIL.Image.Image:
        """Return a still picture, whose shorter side has at least so many pixels if the file has them.

        Raises:
            InputError: It can't be read.
        """
        from sensorium.media.image import read_image

        return read_image(self.source, minimum_side=minimum_side, limits=self._limits)

    @contextmanager
    def readable(self, limits: Limits) -> Iterator[MediaSource]:
        """Give the film as a task reads it that has limits of its own: as an open file if nobody may name one.

        Raises:
            InputError: The file isn't there, is too large, or may not be named.
        """
        path = (self._fetched or resolve(self.source, limits=self._limits)).path
        if path is None or limits.allow_files:
            yield self.source
            return
        with path.open("rb") as file:
            yield file


class FilmMemory(Generic[Known]):
    """What was found out about the last few films: users often ask several questions about the same film."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, film: Film, find_out: Callable[[], Known]) -> Known:
        """Return what is known about a film; if nothing is known, call ``find_out`` and remember its result."""
        with self._guard:
            known = self._known.get(film.identity)
            if known is not None:
                self._known.move_to_end(film.identity)
        if known is None:
            known = find_out()
            with self._guard:
                self._known[film.identity] = known
                while len(self._known) > _FILMS_REMEMBERED:
                    self._known.popitem(last=False)
        return known


def _names_a_file(source: str | os.PathLike[str], limits: Limits) -> bool:
    # If files aren't allowed, don't even look for one on the disk: `resolve` refuses the name.
    address = isinstance(source, str) and source[:8].lower().startswith(("http://", "https://", "data:"))
    return limits.allow_files and not address


def _identity(source: str | os.PathLike[str] | bytes) -> str:
    if isinstance(source, bytes):
        return hashlib.blake2b(source, digest_size=16).hexdigest()
    path = Path(os.fspath(source))
    try:
        state = path.stat()
    except (OSError, ValueError):
        return str(path)  # the code that reads the film raises the error
    return f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"
