"""Which models `VideoQA` uses: those that the caller names, else those of the catalog entry, else the defaults."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sensorium.models.catalog import Checkpoint, component


@dataclass(frozen=True)
class Parts:
    """The models that `VideoQA` uses beside its own checkpoint; None stands for the profile's default.

    Attributes:
        captioner: Checkpoint for `ImageQA`, which describes key frames.
        language_model: Checkpoint for `LanguageModel`, which writes the answers.
        speech: Checkpoint for `SpeechToText`, which transcribes the sound track.
        num_frames: How many frames are looked at; None for a number that suits the film.
    """

    captioner: str | None
    language_model: str | None
    speech: str | None
    num_frames: int | None

    def completed(self, checkpoint: Checkpoint) -> Parts:
        """Return these parts, with each missing checkpoint taken from the components of a catalog entry."""
        return replace(
            self,
            captioner=self.captioner or component(checkpoint, "image-question-answering"),
            language_model=self.language_model or component(checkpoint, "text-generation"),
            speech=self.speech or component(checkpoint, "speech-to-text"),
        )
