"""Bark (Suno, 2023): speech by way of semantic and acoustic tokens, in the voice of a preset, through transformers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium.errors import InputError, ModelUnavailableError
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import place, prepare_torch
from sensorium.models.memory import weights_memory
from sensorium.models.pretrained import open_model, open_part
from sensorium.progress import Cancellation
from sensorium.speech.families.torch_generation import as_samples, seeded_generation
from sensorium.speech.tempo import change_tempo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Preset = dict[str, NDArray[Any]]

_LANGUAGES = ("en", "de", "es", "fr", "hi", "it", "ja", "ko", "pl", "pt", "ru", "tr", "zh")
_PRESETS = "speaker_embeddings_path.json"
_USUAL = "v2/en_speaker_6"
_PARTS = {"semantic_prompt": 1, "coarse_prompt": 2, "fine_prompt": 2}
"""The arrays of a preset and their numbers of dimensions."""


class BarkVoice:
    """A loaded checkpoint such as ``suno/bark-small``.

    Args:
        folder: A checkpoint in the layout of transformers; presets lie in its ``speaker_embeddings``.
        checkpoint: Its catalog entry.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"`` is half precision on a GPU, float32 on a CPU.

    Raises:
        ModelUnavailableError: Files are missing or damaged.
    """

    longest_sentence = 180
    """Bark speaks at most about 13 seconds at once."""

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        prepare_torch()
        from transformers import AutoTokenizer, BarkModel, BarkProcessor

        self._name = checkpoint.name
        self._folder = folder
        self.languages = checkpoint.languages or _LANGUAGES
        placement = place(device, dtype, memory_bytes=weights_memory(folder), half="float16")
        processor_class: Any = BarkProcessor
        self._processor: Any = processor_class(open_part(AutoTokenizer, folder, checkpoint=checkpoint))
        self._model: Any = open_model(
            BarkModel, folder, checkpoint=checkpoint, device=placement.device, dtype=placement.dtype
        )
        self.sample_rate: int = getattr(self._model.generation_config, "sample_rate", 24_000)
        self._presets = self._read_presets()

    def unspoken(self, text: str, language: str | None) -> None:
        """Return nothing: the model reads any letters, as well as it can."""

    def written_out(self, sentence: str, language: str | None) -> str:
        """Return a sentence as it is: the model reads numbers, and "[laughs]" too."""
        return sentence

    def speaker(self, voice: str | None) -> Preset | None:
        """Return a preset by name. Without presets, who speaks is drawn by the seed, anew for each sentence."""
        if voice is None:
            return self._preset(_USUAL) if _USUAL in self._presets else None
        if voice not in self._presets:
            shown = ", ".join(sorted(self._presets)[:5])
            raise InputError(
                f"The checkpoint {self._name!r} has no voice {voice!r}",
                f"Choose one of its {len(self._presets)}, such as {shown}"
                if shown
                else f"Fetch its folder 'speaker_embeddings' and {_PRESETS}, or leave out the voice",
            )
        return self._preset(voice)

    def speak(
        self, sentence: str, *, speaker: Preset | None, speed: float, seed: int, cancel: Cancellation | None
    ) -> NDArray[np.float32]:
        """Return the samples of a sentence."""
        inputs = self._processor(sentence, voice_preset=speaker).to(self._model.device)
        if "history_prompt" in inputs:
            inputs["history_prompt"] = inputs["history_prompt"].to(self._model.device)
        stages = (self._model.semantic, self._model.coarse_acoustics, self._model.fine_acoustics)
        with seeded_generation(*stages, seed=seed, voice=self._name, cancel=cancel):
            samples = as_samples(self._model.generate(**inputs))
        return change_tempo(samples, self.sample_rate, speed)

    def _read_presets(self) -> dict[str, dict[str, str]]:
        path = self._folder / _PRESETS
        if not path.is_file():
            return {}
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return {name: files for name, files in found.items() if isinstance(files, dict)}
        except (ValueError, AttributeError):
            raise ModelUnavailableError(
                f"The file {_PRESETS} of the checkpoint {self._name!r} is not valid JSON", "Fetch the checkpoint again"
            ) from None

    def _preset(self, name: str) -> Preset:
        preset = {}
        for part, dimensions in _PARTS.items():
            member = self._presets[name].get(part, "")
            # The hub's cache links files to elsewhere, so the name is judged and not where it leads.
            inside = re.fullmatch(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*\.npy", member) is not None
            try:
                preset[part] = np.load(self._folder / member, allow_pickle=False) if inside else np.zeros(())
            except (OSError, ValueError, EOFError):
                preset[part] = np.zeros(())
            if preset[part].ndim != dimensions:
                raise ModelUnavailableError(
                    f"The voice {name!r} of the checkpoint {self._name!r} is missing or damaged", "Fetch it again"
                )
        return preset
