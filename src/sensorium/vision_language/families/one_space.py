"""Encoders of everything into one space: pictures, sound and texts go through one network, and its tokens' mean is
their vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import torch

from sensorium.errors import InputError, UnsupportedError
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import resolve_device, resolve_dtype
from sensorium.vision_language.dual_encoder import Rows
from sensorium.vision_language.families.hub_dual_encoder import HubDualEncoder, unit_rows
from sensorium.vision_language.families.image_text_processor import open_processor, reserved_words
from sensorium.vision_language.families.sentence_settings import SentenceSettings, read_sentence_settings

if TYPE_CHECKING:
    from sensorium.vision_language.embeddable import Role

_MOST_TOKENS = 8192
"""What EmbeddingGemma 2 was trained for; its settings allow 32 times as many."""
_LONGEST_WINDOW = 30.0
"""In seconds: its feature extractor cuts off what is longer."""
_SHORTEST_SOUND = 0.1
"""In seconds: less doesn't fill a token, and silence is put after it."""
_SCALE = 20.0
"""What sentence-transformers multiplies cosines by, by default, before the softmax of its training."""


class OneSpace(HubDualEncoder):
    """EmbeddingGemma 2, and whatever has its way of embedding: the mean of all tokens, scaled to length 1.

    Words that tell what a text is come from the repository's settings for sentence-transformers.

    Source: https://ai.google.dev/gemma/docs/embeddinggemma
    """

    model_class = "AutoModel"
    half = "bfloat16"
    shortens = True

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        self._settings: SentenceSettings = read_sentence_settings(folder, checkpoint)
        super().__init__(folder, checkpoint=checkpoint, device=device, dtype=_wide_enough(dtype, device, checkpoint))
        config = self._model.config
        if config.vision_config is None:
            raise UnsupportedError(
                f"{checkpoint.name!r} has no part that sees, and is opened only for texts with pictures",
                "Choose the whole checkpoint",
            )
        self.batch_size = 4 if self._device == "cpu" else 32
        self._maximum_tokens = min(_MOST_TOKENS, config.text_config.max_position_embeddings)
        self.kinds = self.kinds | {"text"} if config.audio_config is None else self.kinds | {"text", "audio"}
        extractor = self._assembly.feature_extractor
        self.sample_rate = int(extractor.sampling_rate)
        tokens, milliseconds = self._assembly.audio_seq_length, self._assembly.audio_ms_per_token
        self.window_seconds = min(tokens * milliseconds / 1000, _LONGEST_WINDOW)
        self._reserved = reserved_words(self._assembly)

    def prepare(self, image: PIL.Image.Image) -> Any:
        """Return tokens, uint8 patches and their places: a quarter of the memory of scaled ones."""
        return self._assembly(images=[image], do_rescale=False, do_normalize=False, return_tensors="pt")

    def prepare_sound(self, samples: Rows) -> Any:
        missing = int(_SHORTEST_SOUND * self.sample_rate) - len(samples)
        heard = np.pad(samples, (0, missing)) if missing > 0 else samples
        return self._assembly(audio=[heard], return_tensors="pt")

    def prepare_passage(self, text: str) -> Any:
        return self._tokens(self.prompted(text, "document"))

    def prompted(self, text: str, role: Role | None) -> str:
        return text if role is None else self._settings.prompts.get(role, "") + text

    def encode_prepared(self, prepared: Sequence[Any]) -> Rows:
        rows = np.empty((len(prepared), self.embedding_size), np.float32)
        # What has the same shapes goes through together: then nothing has to be filled up, which the part that hears
        # would notice.
        groups: dict[tuple[Any, ...], list[int]] = {}
        for index, inputs in enumerate(prepared):
            shape = tuple((name, tuple(values.shape)) for name, values in inputs.items() if name not in _FILLED)
            groups.setdefault(shape, []).append(index)
        with torch.inference_mode(), self._explaining_memory(f"A batch of {len(prepared)} inputs"):
            for group in groups.values():
                rows[group] = unit_rows(self._means([prepared[index] for index in group]))
        return rows

    def encode_checked(self, texts: Sequence[str]) -> Rows:
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        rows = np.empty((len(texts), self.embedding_size), np.float32)
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            rows[chosen] = self.encode_prepared([self._tokens(texts[index]) for index in chosen])
        return rows

    def _means(self, inputs: Sequence[Any]) -> torch.Tensor:
        """Return the mean of the tokens of each input: ``[n, d]``."""
        filled = self._tokenizer.pad(
            [{name: each[name][0].tolist() for name in _FILLED} for each in inputs], return_tensors="pt"
        )
        joined = {name: torch.cat([each[name] for each in inputs]) for name in inputs[0] if name not in _FILLED}
        if "pixel_values" in joined:
            patches = joined["pixel_values"]
            joined["pixel_values"] = self._scaled(patches.reshape(*patches.shape[:2], -1, 3), (3,)).flatten(-2)
        if "input_features" in joined:
            joined["input_features"] = joined["input_features"].to(self._dtype)
        found = {name: values.to(self._device) for name, values in {**filled, **joined}.items()}
        states = self._model(**found).last_hidden_state.float()
        real = found["attention_mask"].unsqueeze(-1).float()
        means: torch.Tensor = (states * real).sum(1) / real.sum(1)
        return means

    def _tokens(self, text: str) -> Any:
        return {name: torch.tensor([values]) for name, values in self._tokenizer(self._plain(text)).items()}

    def _token_ids(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return super()._token_ids(self._plain(text), add_special_tokens=add_special_tokens)

    def _plain(self, text: str) -> str:
        """Return a text in which nothing is taken for the sign of a picture, of its own end and the like."""
        for word in self._reserved:
            text = text.replace(word, f"{word[0]} {word[1:]}")
        return text

    def _open_processor(self, folder: Path, checkpoint: Checkpoint) -> Any:
        self._assembly = open_processor(folder, checkpoint=checkpoint)
        return self._assembly.image_processor

    def _text_encoder(self) -> torch.nn.Module:
        encoder: torch.nn.Module = self._model.language_model
        return encoder

    def _read_logit_scale(self) -> float:
        return _SCALE

    def _read_embedding_size(self) -> int:
        return int(self._model.config.text_config.embedding_dim)

    def _read_image_side(self) -> int:
        settings = self._processor
        patches = settings.max_soft_tokens * settings.pooling_kernel_size**2
        return int(settings.patch_size * math.sqrt(patches))


def _wide_enough(dtype: str, device: str, checkpoint: Checkpoint) -> str:
    """Return a precision other than float16, whose range its numbers outgrow.

    Raises:
        InputError: float16 was asked for.
    """
    if dtype == "float16":
        raise InputError(
            f"{checkpoint.name!r} makes no vectors in float16, whose range its numbers outgrow",
            "Use bfloat16 or float32",
        )
    chosen = resolve_dtype(dtype, resolve_device(device), half=OneSpace.half)
    return "float32" if chosen == torch.float16 else dtype


_FILLED = ("input_ids", "attention_mask")
"""What tokens of several inputs are, which are filled up to the same length."""
