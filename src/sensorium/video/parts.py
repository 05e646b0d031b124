"""Which models `VideoQA` uses: those that the caller names, else those of the catalog entry, else the defaults."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sensorium.models import catalog
from sensorium.models.catalog import Checkpoint, component

_CAPTIONER, _LANGUAGE_MODEL, _SPEECH = "image-question-answering", "text-generation", "speech-to-text"
_ENCODER = "image-text-similarity"
_ALWAYS_OPENED = {"socratic": (_LANGUAGE_MODEL, _SPEECH), "videomae": (_CAPTIONER, _LANGUAGE_MODEL, _SPEECH)}
"""The tasks of the parts that a family opens, named or not. Other families open what is named."""


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
            captioner=self.captioner or component(checkpoint, _CAPTIONER),
            language_model=self.language_model or component(checkpoint, _LANGUAGE_MODEL),
            speech=self.speech or component(checkpoint, _SPEECH),
        )

    def beside(self, checkpoint: Checkpoint, profile: str) -> tuple[Checkpoint, ...]:
        """Return what is opened beside a catalog entry; the entry's own components are part of the entry.

        Args:
            checkpoint: The entry.
            profile: The profile whose defaults stand for what nobody names.

        Raises:
            ModelUnavailableError: There is no such checkpoint.
        """
        named = {_CAPTIONER: self.captioner, _LANGUAGE_MODEL: self.language_model, _SPEECH: self.speech}
        always = _ALWAYS_OPENED.get(checkpoint.family, ())
        return tuple(
            catalog.resolve(name, task=task, profile=profile)
            for task, name in named.items()
            if name is not None or (task in always and component(checkpoint, task) is None)
        )


def encoder_of(checkpoint: Checkpoint, named: str | None, profile: str) -> Checkpoint:
    """Return what compares frames with texts: what the caller names, else the entry's component, else the default.

    Raises:
        ModelUnavailableError: There is no such checkpoint.
    """
    return catalog.resolve(named or component(checkpoint, _ENCODER), task=_ENCODER, profile=profile)
