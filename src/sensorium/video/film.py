"""A film that several parts of a program read one after the other, and a memory of the films that were read last."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from sensorium.media.audio import read_audio
from sensorium.media.content import image_format
from sensorium.media.input_warnings import InputWarnings
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.source import MediaSource, ResolvedMedia, resolve
from sensorium.media.track_choice import TrackName, choose_track, require_track
from sensorium.media.video import probe_video, sample_frames
from sensorium.progress import Cancellation, ProgressCallback

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray

_FILMS_REMEMBERED = 4

Known = TypeVar("Known")


class Film:
    """A film that can be read several times; a film at an address or in a pipe is fetched once.

    Args:
        source: Path, address, data URI, bytes or open file.
        limits: How large the film may be, and where it may come from.
        track: Which sound track is heard: its number, from 1, or its language; None for one in which somebody speaks.
        progress: Told the bytes that were fetched.
        cancel: Stops the fetch.

    Attributes:
        source: The film, found and checked once.
        track: Which sound track is heard, as above.
        identity: A text that differs for different films and sound tracks, and changes when the film's file changes.
        probe: `sensorium.media.video.probe_video`, called for this film.
        frames: `sensorium.media.video.sample_frames`, called for this film.
        warnings: What was found to be missing or damaged so far.

    Raises:
        InputError: There is nothing to read.
    """

    def __init__(
        self,
        source: MediaSource,
        *,
        limits: Limits = DEFAULT_LIMITS,
        track: TrackName | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> None:
        self._limits = limits
        self.source = resolve(source, limits=limits, progress=progress, cancel=cancel)
        self.track = require_track(track)
        self.identity = f"{_identity(self.source)} {self.track}"
        self.warnings = InputWarnings()
        self.probe = partial(probe_video, self.source, limits=limits, on_warning=self.warnings)
        self.frames = partial(sample_frames, self.source, limits=limits, on_warning=self.warnings)

    @property
    def is_picture(self) -> bool:
        """Whether the file is a still picture. A GIF counts as a film, because it may be animated."""
        return image_format(self.source.head) not in {"", "GIF"}

    def picture(self, minimum_side: int) -> PIL.Image.Image:
        """Return a still picture, whose shorter side has at least so many pixels if the file has them.

        Raises:
            InputError: It can't be read.
        """
        from sensorium.media.image import read_image

        return read_image(self.source, minimum_side=minimum_side, limits=self._limits)

    def sound(self, *, end: float | None = None, cancel: Cancellation | None = None) -> NDArray[np.float32]:
        """Return what is heard in the film, from its beginning on, as mono samples at 16 kHz.

        Args:
            end: Where to stop, in seconds; None for the film's end.
            cancel: Stops reading.

        Raises:
            InputError: The film has no such sound track.
            CancelledError: ``cancel`` was set.
        """
        chosen = choose_track(
            self.source, track=self.track, limits=self._limits, on_warning=self.warnings, cancel=cancel
        )
        return read_audio(
            self.source,
            end=end,
            track=chosen,
            voices=True,
            limits=self._limits,
            on_warning=self.warnings,
            cancel=cancel,
        )


class FilmMemory(Generic[Known]):
    """What was found out about the last few films: users often ask several questions about the same film."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[Known, tuple[str, ...]]] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, film: Film, find_out: Callable[[], Known]) -> Known:
        """Return what is known about a film; if nothing is known, call ``find_out`` and remember its result.

        What was missing or damaged then is told to the film's ``warnings`` again.
        """
        with self._guard:
            known = self._known.get(film.identity)
            if known is not None:
                self._known.move_to_end(film.identity)
        if known is None:
            known = find_out(), film.warnings.told()
            with self._guard:
                self._known[film.identity] = known
                while len(self._known) > _FILMS_REMEMBERED:
                    self._known.popitem(last=False)
        found, sentences = known
        for sentence in sentences:
            film.warnings(sentence)
        return found


def _identity(media: ResolvedMedia) -> str:
    if media.path is None:
        return hashlib.blake2b(media.read(), digest_size=16).hexdigest()
    try:
        state = media.path.stat()
    except OSError:
        return str(media.path)  # the code that reads the film raises the error
    return f"{media.path.resolve()} {state.st_size} {state.st_mtime_ns}"
