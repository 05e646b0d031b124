"""Checkpoints of the CLIP family in transformers' layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch

from sensorium.errors import InputError
from sensorium.models import device as devices
from sensorium.models.catalog import Checkpoint
from sensorium.models.pretrained import open_model, open_part
from sensorium.vision_language.dual_encoder import DualEncoder, quoted

_SURE_PROBABILITY = 0.5
_QUICK_GELU = 1.702


class HubCLIP(DualEncoder):
    """OpenAI's CLIP and whatever was trained to its layout (OpenCLIP, MetaCLIP, DFN, …).

    Source: Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel

        super().__init__()
        self._name = checkpoint.name
        self._device = device
        self._dtype = devices.resolve_dtype(dtype, device)
        self._model: Any = open_model(CLIPModel, folder, checkpoint=checkpoint, device=device, dtype=self._dtype)
        if self._dtype == torch.float32:
            _fold_quick_gelu(self._model.vision_model)
            _fold_quick_gelu(self._model.text_model)
        self._tokenizer = open_part(AutoTokenizer, folder, checkpoint=checkpoint)
        # The class without torchvision; its pixels are the reference that checkpoints were published with.
        self._processor = open_part(CLIPImageProcessorPil, folder, checkpoint=checkpoint)
        self.embedding_size = int(self._model.config.projection_dim)
        self.image_side = int(self._model.config.vision_config.image_size)
        self.batch_size = 16 if device == "cpu" else 256
        self._maximum_tokens = int(self._model.config.text_config.max_position_embeddings)
        self._scale, self._shift = self._pixel_scaling()
        with torch.inference_mode():
            self._logit_scale = float(self._model.logit_scale.float().exp())

    def prepare(self, image: PIL.Image.Image) -> np.ndarray:
        """Return uint8 pixels ``[3, side, side]``: a quarter of the memory of scaled ones, which the device scales."""
        pixels = self._processor(images=image, do_rescale=False, do_normalize=False, return_tensors="np").pixel_values
        return np.asarray(pixels[0], np.uint8)

    def encode_prepared(self, prepared: Sequence[np.ndarray]) -> torch.Tensor:
        with torch.inference_mode():
            pixels = torch.from_numpy(np.stack(prepared)).to(self._device).to(torch.float32)
            scaled = pixels.mul_(self._scale).add_(self._shift).to(self._dtype)
            pooled = self._model.vision_model(pixel_values=scaled).pooler_output
            return _unit_rows(self._model.visual_projection(pooled))

    def check_text(self, text: str) -> None:
        tokens = len(self._tokenizer(text, verbose=False).input_ids)
        if tokens > self._maximum_tokens:
            raise InputError(
                f"The text {quoted(text)} has {tokens} tokens, and {self._name} reads at most {self._maximum_tokens}",
                "Shorten it, or compare the image with each of its sentences",
            )

    def encode_checked(self, texts: Sequence[str]) -> torch.Tensor:
        with torch.inference_mode():
            tokens = self._tokenizer(list(texts), padding=True, return_tensors="pt").to(self._device)
            pooled = self._model.text_model(
                input_ids=tokens.input_ids, attention_mask=tokens.attention_mask
            ).pooler_output
            return _unit_rows(self._model.text_projection(pooled))

    def probabilities(self, cosines: torch.Tensor) -> torch.Tensor:
        return (self._logit_scale * cosines).softmax(-1)

    def is_sure(self, cosines: torch.Tensor, probabilities: torch.Tensor) -> bool:
        return bool(probabilities.max() >= _SURE_PROBABILITY)

    def _pixel_scaling(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what uint8 pixels are multiplied by, and what is then added: ``[3, 1, 1]`` each."""
        settings = self._processor
        scale = torch.full((3,), float(settings.rescale_factor) if settings.do_rescale else 1.0, dtype=torch.float64)
        shift = torch.zeros(3, dtype=torch.float64)
        if settings.do_normalize:
            deviation = torch.tensor(settings.image_std, dtype=torch.float64)
            scale, shift = scale / deviation, -torch.tensor(settings.image_mean, dtype=torch.float64) / deviation
        shape = (3, 1, 1)
        return scale.float().view(shape).to(self._device), shift.float().view(shape).to(self._device)


def _fold_quick_gelu(tower: torch.nn.Module) -> None:
    """Make CLIP's activation one pass over memory instead of three.

    x · sigmoid(1.702 x) is SiLU(1.702 x) / 1.702: the factors go into the weights before and after it.
    """
    from transformers.activations import QuickGELUActivation

    with torch.no_grad():
        for part in tower.modules():
            if isinstance(getattr(part, "activation_fn", None), QuickGELUActivation):
                layer: Any = part
                layer.fc1.weight.mul_(_QUICK_GELU)
                layer.fc1.bias.mul_(_QUICK_GELU)
                layer.fc2.weight.div_(_QUICK_GELU)
                layer.activation_fn = torch.nn.SiLU(inplace=True)


def _unit_rows(features: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(features.float(), dim=-1).cpu()
