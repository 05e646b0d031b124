"""BLIP with its heads for image-text retrieval, of which the contrastive one is a dual encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from sensorium.vision_language.families.hub_dual_encoder import HubDualEncoder


class BlipRetrieval(HubDualEncoder):
    """BLIP for retrieval: ``BlipForImageTextRetrieval``.

    Pictures and texts are encoded by themselves, and compared by the contrastive head. The other head, which judges one
    picture together with one text, gives no embeddings and is not used.

    Source: Li et al. 2022, BLIP: Bootstrapping Language-Image Pre-training for Unified Vision-Language Understanding
    and Generation.
    """

    model_class = "BlipForImageTextRetrieval"
    processor_class = "BlipImageProcessorPil"

    def _image_features(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        states = self._model.vision_model(**inputs).last_hidden_state
        features: torch.Tensor = self._model.vision_proj(states[:, 0])
        return features

    def _text_features(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        states = self._model.text_encoder(**inputs).last_hidden_state
        features: torch.Tensor = self._model.text_proj(states[:, 0])
        return features

    def _text_inputs(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        inputs = super()._text_inputs(texts)
        return {name: inputs[name] for name in ("input_ids", "attention_mask")}

    def _text_encoder(self) -> torch.nn.Module:
        encoder: torch.nn.Module = self._model.text_encoder
        return encoder

    def _read_logit_scale(self) -> float:
        # The published files hold the scale in the settings only, as the value that training began with.
        return math.exp(float(self._model.config.logit_scale_init_value))

    def _read_embedding_size(self) -> int:
        return int(self._model.config.image_text_hidden_size)
