"""Whisper checkpoints in the layout of transformers, converted once to CTranslate2's and kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.models import store
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import explain_out_of_memory, prepare_torch
from sensorium.models.pretrained import open_model, open_part
from sensorium.models.quantization import quantization_method, stays_packed
from sensorium.speech.families.whisper_ctranslate2 import CTranslate2Whisper, state_of
from sensorium.speech.families.whisper_settings import feature_settings

_FORM = "ctranslate2-3"
"""The number grows when the conversion changes."""


class TransformersWhisper(CTranslate2Whisper):
    """A Whisper checkpoint such as ``distil-whisper/distil-large-v3``, converted once and kept.

    Args:
        folder: A checkpoint in the layout of transformers.
        checkpoint: Its catalog entry.
        device: As for `CTranslate2Whisper`.
        dtype: As for `CTranslate2Whisper`.

    Raises:
        ModelUnavailableError: Files are missing or damaged, or it is no Whisper that can be converted.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        # Two folders may have one name, and a folder may change: both make another conversion.
        form = f"{_FORM}-{state_of(folder)}"
        converted = store.derive(checkpoint, form, lambda target: _convert(folder, target, checkpoint=checkpoint))
        super().__init__(converted, checkpoint=checkpoint, device=device, dtype=dtype)


def _convert(folder: Path, target: Path, *, checkpoint: Checkpoint) -> None:
    prepare_torch()
    import torch
    from ctranslate2.converters import TransformersConverter
    from transformers import AutoTokenizer, WhisperForConditionalGeneration

    if stays_packed(folder, "transformers"):
        raise UnsupportedError(
            f"The checkpoint {checkpoint.name!r} is quantized ({quantization_method(folder)}), and a Whisper is "
            "converted only from plain weights",
            "Choose the checkpoint in full or half precision",
        )
    model: Any = open_model(
        WhisperForConditionalGeneration, folder, checkpoint=checkpoint, device="cpu", dtype=torch.float16
    )
    tokenizer: Any = open_part(AutoTokenizer, folder, checkpoint=checkpoint)

    model.generation_config = _generation(model.generation_config)
    vocabulary = _Vocabulary(_words(tokenizer, model.config.vocab_size))

    class Converter(TransformersConverter):  # type: ignore[misc]
        """Converts what is open already: safetensors only, complete, and without a request."""

        def load_model(self, *_: object, **__: object) -> Any:
            return model

        def load_tokenizer(self, *_: object, **__: object) -> Any:
            return vocabulary

    with explain_out_of_memory(
        f"Converting {checkpoint.name!r}", "Close other programs, or choose a smaller checkpoint"
    ):
        try:
            Converter(str(folder), load_as_float16=True).convert(str(target), quantization="float16", force=True)
        except (ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
            raise ModelUnavailableError(
                f"The checkpoint {checkpoint.name!r} is no Whisper that can be converted", "Choose another checkpoint"
            ) from error
    tokenizer.backend_tokenizer.save(str(target / "tokenizer.json"))
    # Some repositories have this file, some another one, some none; the model itself knows how many bands it hears.
    settings = feature_settings(model.config.num_mel_bins)
    (target / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")


@dataclass(frozen=True)
class _Vocabulary:
    """What the converter asks a tokenizer for."""

    words: Sequence[str]

    def get_vocab(self) -> dict[str, int]:
        """Return each word's number."""
        return {word: number for number, word in enumerate(self.words)}


def _words(tokenizer: Any, count: int) -> list[str]:
    """Return the words of a model by their numbers: marks of time and fillers are no words to some tokenizers."""
    known = {number: word for word, number in tokenizer.get_vocab().items() if number < count}
    first_mark = tokenizer.convert_tokens_to_ids("<|notimestamps|>") + 1
    for number in range(count):
        mark = f"<|{(number - first_mark) * 0.02:.2f}|>"
        known.setdefault(number, mark if number >= first_mark else f"<unused {number}>")
    words = [known[number] for number in range(count)]
    again = set()
    for number, word in enumerate(words):
        if word in again:
            words[number] = f"<unused {number}>"
        again.add(word)
    return words


def _generation(found: Any) -> SimpleNamespace:
    """Return what the converter writes down of the settings for generating; whether it is true is seen at loading."""
    languages = getattr(found, "lang_to_id", None)
    numbers = languages if isinstance(languages, dict) else {}
    return SimpleNamespace(
        suppress_tokens=getattr(found, "suppress_tokens", None),
        begin_suppress_tokens=getattr(found, "begin_suppress_tokens", None),
        alignment_heads=getattr(found, "alignment_heads", None) or [],
        lang_to_id={name: number for name, number in numbers.items() if isinstance(number, int)},
    )
