"""Samples become sound files, each of which appears when it is complete."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sensorium.errors import InputError
from sensorium.media.atomic_file import atomic_file, require_place
from sensorium.media.audio_encoder import SOUND_FORMATS, SoundEncoder, SoundFormat, check_sample_rate
from sensorium.media.naming import display_name

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_FORMATS = {suffix: form for form in SOUND_FORMATS.values() for suffix in form.suffixes}


def sound_format(path: str | os.PathLike[str]) -> SoundFormat | None:
    """Return the format that a file's suffix names, if there is one."""
    return _FORMATS.get(Path(path).suffix.lower())


def require_sound_path(path: str | os.PathLike[str]) -> SoundFormat:
    """See that sound could be written to a file, before anything costly is done for it.

    Returns:
        The format that the suffix names.

    Raises:
        InputError: The suffix is of no format that can be written, or there is no such folder.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise InputError(f"Sound can't be written to {display_name(path)}", f"End the name in {', '.join(_FORMATS)}")
    require_place(path)
    return _FORMATS[suffix]


class AudioWriter:
    """Write mono sound of any length, in constant memory, to a file that appears when it is complete.

    Use it in a ``with`` block; if the block fails, nothing is left behind.

    Args:
        path: Where to write; the suffix chooses the format: .wav .flac .mp3 .opus .ogg .m4a .aac.
        sample_rate: Samples a second of what will be written. A codec that doesn't know this rate gets the next
            higher one that it knows.
        metadata: Tags such as title, artist, comment.

    Raises:
        InputError: The suffix is none of these, the rate makes no sense, or the folder can't be written to.
    """

    def __init__(
        self, path: str | os.PathLike[str], sample_rate: int, *, metadata: Mapping[str, str] | None = None
    ) -> None:
        self.path = Path(path)
        self.sample_rate = sample_rate
        self._metadata = metadata
        self._format = require_sound_path(path)
        check_sample_rate(sample_rate)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            partial = stack.enter_context(atomic_file(self.path))
            encoder = SoundEncoder(self._format, self.sample_rate, path=partial, metadata=self._metadata)
            self._encoder = stack.enter_context(closing(encoder))
            self._open = stack.pop_all()
        return self

    def write(self, samples: ArrayLike) -> None:
        """Append samples.

        Args:
            samples: float array of shape [samples]; values beyond [-1, 1] are clipped.

        Raises:
            InputError: The array has another shape or holds values that are not numbers.
        """
        self._encoder.write(samples)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._open.__exit__(kind, error, trace)
            return
        with self._open:
            if not self._encoder.written:
                raise InputError(f"There is no sound to write to {display_name(self.path)}", "Give at least one sample")
            self._encoder.finish()


def write_audio(
    samples: ArrayLike,
    path: str | os.PathLike[str],
    sample_rate: int,
    *,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write mono sound to a file that appears when it is complete.

    Args:
        samples: float array of shape [samples]; values beyond [-1, 1] are clipped.
        path: Where to write; the suffix chooses the format: .wav .flac .mp3 .opus .ogg .m4a .aac.
        sample_rate: Samples a second.
        metadata: Tags such as title, artist, comment.

    Returns:
        The path.

    Raises:
        InputError: As for `AudioWriter`.
    """
    with AudioWriter(path, sample_rate, metadata=metadata) as writer:
        writer.write(samples)
    return writer.path
