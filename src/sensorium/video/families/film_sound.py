"""The sound of a film, for models that hear it together with the frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sensorium.language.messages import MediaPart, TextPart, Turn
from sensorium.media.video import VideoInfo
from sensorium.progress import Cancellation
from sensorium.video.video_story import clock
from sensorium.vision_language.families.heard_recordings import longest_recording, pieces_of

if TYPE_CHECKING:
    from sensorium.video.film import Film
    from sensorium.vision_language.families.heard_recordings import Samples
    from sensorium.vision_language.families.image_text_model import ImageTextModel

_SHARE_FOR_SOUND = 4
"""Sound may take a quarter of the context window; frames take half of it."""
_SURELY_FITS = 60.0
"""Seconds."""
_RATE = 16_000


@dataclass(frozen=True)
class HeardFilm:
    """What the sound of a film adds to a question about it.

    Attributes:
        recordings: How many recordings stand behind the film in the prompt.
        for_processor: Further arguments of the family's processor.
        for_model: Further arguments of the model's ``generate``.
    """

    recordings: int = 0
    for_processor: Mapping[str, Any] = field(default_factory=dict)
    for_model: Mapping[str, Any] = field(default_factory=dict)


class SoundFormat:
    """How a model that hears takes the sound of a film.

    Qwen-Omni's processors lay it between the frames, by their times. To others it is a recording that follows the film.

    Args:
        processor: The family's, with a part for films.
        model: The loaded model.
        name: Of the checkpoint, for the words of a warning.
    """

    def __init__(self, processor: Any, model: ImageTextModel, *, name: str) -> None:
        from transformers.processing_utils import OmniModalProcessorMixin

        self._processor, self._model, self._name = processor, model, name
        self._lies_between_frames = isinstance(processor, OmniModalProcessorMixin)

    def read(self, film: Film, info: VideoInfo, *, cancel: Cancellation | None) -> Samples | None:
        """Return the sound of a film, or its beginning where all of it is too long; None if it has no sound track."""
        if not info.has_audio:
            return None
        if info.duration <= _SURELY_FITS or info.duration <= self._most_seconds:
            return film.sound(cancel=cancel)
        film.warnings(
            f"{self._name!r} heard the sound of the first {clock(self._most_seconds)} only: more is too much for it; "
            "with speech=… all that is said is written down for it"
        )
        return film.sound(end=self._most_seconds, cancel=cancel)

    def heard(self, sound: Samples | None, frames_per_second: float) -> HeardFilm:
        """Return what sound adds to a question about a film.

        Args:
            sound: Mono samples at 16 kHz; None for a silent film.
            frames_per_second: Of the frames that the model sees.
        """
        if self._lies_between_frames:
            times = {"fps": frames_per_second}
            if sound is None:
                return HeardFilm(for_processor=times)
            film = {"audio": pieces_of(sound, None), "audio_from_video_indices": [0], "load_audio_from_video": True}
            return HeardFilm(for_processor={**times, **film}, for_model={"use_audio_in_video": True})
        if sound is None:
            return HeardFilm()
        pieces = pieces_of(sound, longest_recording(self._processor))
        return HeardFilm(len(pieces), {"audio": pieces, "audio_kwargs": {"padding": True}})

    @cached_property
    def _most_seconds(self) -> float:
        import numpy as np

        def tokens(seconds: int) -> int:
            silence = MediaPart("audio", np.zeros(seconds * _RATE, np.float32))
            return self._model.count_tokens([Turn("user", (silence, TextPart("?")))])

        window = self._model.context_window or 4096
        fits = window // _SHARE_FOR_SOUND * 10 / max(1, tokens(20) - tokens(10))
        # Between frames there is room for one recording only.
        longest = longest_recording(self._processor) if self._lies_between_frames else None
        return min(fits, longest / _RATE) if longest else fits
