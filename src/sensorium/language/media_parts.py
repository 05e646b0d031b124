"""The pictures and recordings of a conversation, decoded: the one place where its media are opened."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from dataclasses import replace

from sensorium.answer import Answer
from sensorium.errors import UnsupportedError
from sensorium.language.messages import MediaKind, MediaPart, Part, Turn
from sensorium.media.container import WarningCallback
from sensorium.media.input_warnings import InputWarnings
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.naming import display_name
from sensorium.models.catalog import Checkpoint

SOUND_RATE = 16_000
"""Samples a second of a recording, once it is read."""

_WORDS = {"image": "a picture", "audio": "a recording", "video": "a film"}
_REMEDIES = {
    "image": "Leave it out, or ask LLaVA, which sees pictures",
    "audio": "Leave it out, or write it down with SpeechToText first",
    "video": "Leave it out, or ask VideoQA, which sees films",
}


def read_media(
    turns: Sequence[Turn],
    *,
    takes: Collection[MediaKind],
    checkpoint: Checkpoint,
    limits: Limits = DEFAULT_LIMITS,
    on_warning: WarningCallback | None = None,
) -> list[Turn]:
    """Return a conversation with pictures as upright RGB pictures, and recordings as mono samples of `SOUND_RATE`.

    Args:
        turns: The conversation.
        takes: The media that the checkpoint takes, films never among them.
        checkpoint: For the words of an error.
        limits: What a file may cost, and where it may come from.
        on_warning: Told in one sentence what of a recording is missing or damaged; None for the log.

    Raises:
        UnsupportedError: There is a part that the checkpoint can't take.
        InputError: A picture or recording can't be read.
    """
    for turn in turns:
        for part in turn.media:
            if part.kind not in takes:
                raise UnsupportedError(
                    f"The conversation holds {_WORDS[part.kind]}, {display_name(part.source)}, and "
                    f"{checkpoint.name!r} takes none",
                    _REMEDIES[part.kind],
                )
    return [replace(turn, parts=tuple(_read(part, limits, on_warning) for part in turn.parts)) for turn in turns]


def _read(part: Part, limits: Limits, on_warning: WarningCallback | None) -> Part:
    from sensorium.media.audio import read_audio
    from sensorium.media.image import read_image
    from sensorium.media.source import resolve
    from sensorium.media.track_choice import choose_track

    if not isinstance(part, MediaPart):
        return part
    if part.kind == "image":
        return MediaPart("image", read_image(part.source, limits=limits))
    media = resolve(part.source, limits=limits)
    track = choose_track(media, limits=limits, on_warning=on_warning)
    sound = read_audio(media, sample_rate=SOUND_RATE, track=track, limits=limits, on_warning=on_warning)
    return MediaPart("audio", sound)


def with_warnings(pieces: Generator[str, None, Answer], warnings: InputWarnings) -> Generator[str, None, Answer]:
    """Pass the pieces of an answer on; the answer tells what was missing or damaged in its input."""
    answer = yield from pieces
    return answer.warned(warnings.told())
