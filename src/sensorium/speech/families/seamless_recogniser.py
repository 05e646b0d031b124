"""SeamlessM4T as a recogniser (Seamless Communication et al. 2023): it writes in the language that it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sensorium.errors import SensoriumError, UnsupportedError
from sensorium.models.catalog import Checkpoint
from sensorium.speech.families.text_recogniser import SequenceRecogniser
from sensorium.speech.recogniser import Told
from sensorium.text.languages import language_code


class SeamlessRecogniser(SequenceRecogniser):
    """A checkpoint such as ``facebook/seamless-m4t-v2-large``; its parts that read and speak aren't opened."""

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        super().__init__(folder, checkpoint=checkpoint, device=device, dtype=dtype)
        known = getattr(self.model.generation_config, "text_decoder_lang_to_code_id", {})
        self._names = {_code(name): name for name in known}
        self.languages = tuple(sorted(self._names))
        self.translates = self.must_be_told_language = True

    def generation_options(self, told: Told) -> dict[str, Any]:
        """Return in which language it writes."""
        language = "en" if told.task == "translate" else told.language
        if language not in self._names:
            raise UnsupportedError(
                f"The checkpoint {self.name!r} doesn't write the language {language!r}", "Choose another checkpoint"
            )
        return {"tgt_lang": self._names[language]}


def _code(name: str) -> str:
    """Return the code that others use for a language, where there is one: "en" for "eng"."""
    try:
        return language_code(name)
    except SensoriumError:
        return name
