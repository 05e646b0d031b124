"""What the vectors of a file are made of: a picture, moments and sound of a film, windows of a recording, passages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from sensorium.errors import CancelledError, InputError, SensoriumError
from sensorium.media.limits import Limits
from sensorium.media.source import ResolvedMedia
from sensorium.progress import Cancellation, check_cancelled
from sensorium.retrieval.passages import passages
from sensorium.vision_language.embeddable import Passage, sound_windows

if TYPE_CHECKING:
    from sensorium.media.content import Kind
    from sensorium.vision_language.dual_encoder import DualEncoder
    from sensorium.vision_language.embeddable import Embeddable

Part: TypeAlias = "tuple[Embeddable, float | None]"
"""What goes through the encoder, and its time in a film or a recording, in seconds."""

ROW_KINDS: dict[str, str] = {"video": "moment", "audio": "sound", "text": "text"}
"""What the rows of a kind of file are called; those of all others are pictures."""

_LARGEST_TEXT = 64 << 20


def parts_of(
    media: ResolvedMedia,
    kind: str,
    encoder: DualEncoder,
    *,
    every: float,
    limits: Limits,
    on_warning: Callable[[str], None],
    cancel: Cancellation | None,
    minimum_side: int = 0,
) -> Iterator[Part]:
    """Yield the parts of a file; one is in memory at a time.

    Args:
        media: The file.
        kind: Of the file, among those that the encoder takes; anything else is read as a picture.
        encoder: What makes vectors of the parts.
        every: Seconds between the moments of a film.
        limits: What the file may cost.
        on_warning: Told what is missing or damaged.
        cancel: Stops reading.
        minimum_side: How many pixels the moments of a film need at the shorter side, where the film has more than the
            encoder needs.

    Raises:
        InputError: The file can't be read.
        CancelledError: ``cancel`` was set.
    """
    if kind == "video":
        side = max(2 * encoder.image_side, minimum_side)
        yield from _frames(media, side, every, limits, on_warning, cancel)
        if "audio" in encoder.kinds:
            yield from _sound_of_film(media, encoder, limits, on_warning, cancel)
    elif kind == "audio" and kind in encoder.kinds:
        yield from _sound(media, encoder, limits, on_warning, cancel)
    elif kind == "text" and kind in encoder.kinds:
        yield from ((Passage(each), None) for each in passages(_text(media)))
    else:
        yield media, None


def takes(kind: Kind, kinds: frozenset[Kind]) -> bool:
    """Return whether files of a kind are read: recordings and texts only by encoders that take them."""
    return kind not in ("audio", "text") or kind in kinds


def why_passed_over(name: str, kind: Kind, model: str) -> str:
    """Return the sentence about a recording or a text that a checkpoint makes no vectors of."""
    what = "a recording" if kind == "audio" else "a picture" if kind == "image" else f"a {kind}"
    return f"{name} is {what}, of which {model!r} makes no vectors"


def _frames(
    media: ResolvedMedia,
    side: int,
    every: float,
    limits: Limits,
    on_warning: Callable[[str], None],
    cancel: Cancellation | None,
) -> Iterator[Part]:
    from sensorium.media.video import sample_frames

    for frame in sample_frames(media, every=every, minimum_side=side, limits=limits, on_warning=on_warning):
        check_cancelled(cancel)
        yield frame.image, frame.time


def _sound_of_film(
    media: ResolvedMedia,
    encoder: DualEncoder,
    limits: Limits,
    on_warning: Callable[[str], None],
    cancel: Cancellation | None,
) -> Iterator[Part]:
    """Yield the windows of a film's sound, if it has any; what is wrong with its sound costs the pictures nothing."""
    from sensorium.media.video import probe_video

    try:
        if probe_video(media, limits=limits).has_audio:
            yield from _sound(media, encoder, limits, on_warning, cancel)
    except CancelledError:
        raise
    except SensoriumError as error:
        on_warning(error.message)


def _sound(
    media: ResolvedMedia,
    encoder: DualEncoder,
    limits: Limits,
    on_warning: Callable[[str], None],
    cancel: Cancellation | None,
) -> Iterator[Part]:
    seconds, rate = encoder.window_seconds, encoder.sample_rate
    for window in sound_windows(media, seconds, rate, limits=limits, on_warning=on_warning, cancel=cancel):
        yield window, window.time


def _text(media: ResolvedMedia) -> str:
    from sensorium.text.decoding import decode_text

    if media.size > _LARGEST_TEXT:
        raise InputError(f"{media.name} is larger than {_LARGEST_TEXT >> 20} MB", "Index it in parts")
    text = decode_text(media.read(), media.name).text
    if not text.strip():
        raise InputError(f"{media.name} holds no words", "Index it when it does")
    return text
