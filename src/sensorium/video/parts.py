"""Which models do what in `VideoQA`: those that the caller names, those of the catalog entry, or the defaults."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sensorium.models.catalog import Checkpoint, component


@dataclass(frozen=True)
class Parts:
    """What `VideoQA` is made of, beside its own checkpoint; None stands for the profile's default.

    Attributes:
        captioner: For `ImageQA`: describes key frames.
        language_model: For `LanguageModel`: answers.
        speech: For `SpeechToText`: listens.
        num_frames: How many frames are looked at, or None for what suits the film.
    """

    captioner: str | None
    language_model: str | None
    speech: str | None
    num_frames: int | None

    def completed(self, checkpoint: Checkpoint) -> Parts:
        """Fill in what the components of a catalog entry say."""
        return replace(
            self,
            captioner=self.captioner or component(checkpoint, "image-question-answering"),
            language_model=self.language_model or component(checkpoint, "text-generation"),
            speech=self.speech or component(checkpoint, "speech-to-text"),
        )
