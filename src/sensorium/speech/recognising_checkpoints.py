"""Which checkpoints recognise speech, which backend opens each of them, and on which device."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from sensorium.errors import InputError, UnsupportedError
from sensorium.speech.families.recogniser_families import (
    ALIGNER,
    CTC,
    DURATION_TRANSDUCER,
    MULTIMODAL,
    OMNI,
    REASONS,
    SEAMLESS,
    SEQUENCE,
    SEQUENCE_TO_SEQUENCE,
    TRANSDUCER,
    WHISPERS,
    recogniser_family,
)
from sensorium.speech.recogniser import Recogniser
from sensorium.task import Task


class RecognisingTask(Task["Recogniser"]):
    """What `SpeechToText` knows about checkpoints before one is loaded."""

    task = "speech-to-text"
    families: ClassVar = {
        "whisper-ctranslate2": "sensorium.speech.families.whisper_ctranslate2:CTranslate2Whisper",
        "whisper": "sensorium.speech.families.whisper_conversion:TransformersWhisper",
        CTC: "sensorium.speech.families.frame_recogniser:CTCRecogniser",
        TRANSDUCER: "sensorium.speech.families.frame_recogniser:TransducerRecogniser",
        DURATION_TRANSDUCER: "sensorium.speech.families.frame_recogniser:DurationTransducerRecogniser",
        SEQUENCE: "sensorium.speech.families.text_recogniser:SequenceRecogniser",
        SEQUENCE_TO_SEQUENCE: "sensorium.speech.families.text_recogniser:HearingSequenceModel",
        SEAMLESS: "sensorium.speech.families.seamless_recogniser:SeamlessRecogniser",
        ALIGNER: "sensorium.speech.families.forced_aligner:ForcedAligner",
        MULTIMODAL: "sensorium.speech.families.text_recogniser:HearingLanguageModel",
        OMNI: "sensorium.speech.families.omni_recogniser:OmniRecogniser",
    }
    uses_torch = False  # Whisper does without; the others prepare it themselves.

    def _family(self, folder: Path) -> str:
        # CTranslate2's config.json doesn't say what the model is.
        if (folder / "model.bin").is_file():
            return "whisper-ctranslate2"
        family = super()._family(folder)
        return family if family in self.families else recogniser_family(family, folder)

    def _unsuitable(self, family: str, folder: Path) -> UnsupportedError:
        reason, usual = REASONS.get(family), super()._unsuitable(family, folder)
        return (
            usual
            if reason is None
            else UnsupportedError(f"{type(self).__name__} can't use {self.model!r}: {reason}", usual.remedy)
        )

    def _resolve_device(self) -> str:
        if self.checkpoint.family in WHISPERS:
            return self._whisper_device()
        return super()._resolve_device()

    def _device_for(self, family: str, device: str) -> str:
        return self._whisper_device() if family in WHISPERS else device

    def _whisper_device(self) -> str:
        import ctranslate2

        gpus = ctranslate2.get_cuda_device_count()
        kind, _, index = self._device.partition(":")
        if self._device == "auto":
            return "cuda" if gpus else "cpu"
        if self._device == "cpu" or (kind == "cuda" and (int(index) if index.isdigit() else 0) < gpus):
            return self._device
        raise InputError(
            f"Speech recognition doesn't run on the device {self._device!r} of this machine",
            "Use device='auto' or device='cpu'",
        )

    def _recogniser(self, backend: object) -> Recogniser:
        """Return the backend, if it recognises speech."""
        if not isinstance(backend, Recogniser):
            raise UnsupportedError(
                f"The checkpoint {self.model!r} only tells when the words of a text are spoken",
                "Name a recogniser as the model, and this one as its aligner",
            )
        return backend
