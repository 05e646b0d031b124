"""What the dual encoders of transformers have in common: image and text features, tokens, pixels, placement."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import PIL.Image
import torch

from sensorium.errors import InputError
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import explain_out_of_memory, place
from sensorium.models.memory import weights_memory
from sensorium.models.pretrained import open_model, open_part
from sensorium.vision_language.dual_encoder import DualEncoder, Rows, quoted, softmax

_QUICK_GELU = 1.702
_SURE_PROBABILITY = 0.5


class HubDualEncoder(DualEncoder):
    """A checkpoint in transformers' layout whose model has an image and a text encoder, each with a projection.

    Children name the classes of transformers, and what else is special about their family.
    """

    model_class: ClassVar[str]
    processor_class: ClassVar[str]
    """The class without torchvision; its pixels are the reference that checkpoints were published with."""
    half: ClassVar[str] = "float16"
    """Rows of float16 are eight times as exact as those of bfloat16, and few families outgrow its range."""

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        import transformers

        super().__init__()
        self._name = checkpoint.name
        placement = place(device, dtype, memory_bytes=weights_memory(folder), half=self.half)
        self._device, self._dtype = placement.device, placement.dtype
        with explain_out_of_memory(f"The checkpoint {self._name!r}", "Use device='cpu', or a smaller checkpoint"):
            self._model: Any = open_model(
                getattr(transformers, self.model_class),
                folder,
                checkpoint=checkpoint,
                device=self._device,
                dtype=self._dtype,
            )
        if self._dtype == torch.float32:
            _fold_quick_gelu(self._model)
        self._tokenizer = open_part(transformers.AutoTokenizer, folder, checkpoint=checkpoint)
        self._unknown_token = _unknown_token(self._tokenizer)
        self._processor = self._open_processor(folder, checkpoint)
        self.batch_size = 16 if self._device == "cpu" else 256
        self.embedding_size = self._read_embedding_size()
        self.image_side = self._read_image_side()
        self._maximum_tokens = min(_positions(self._text_encoder()), int(self._tokenizer.model_max_length))
        self._scale, self._shift = self._pixel_scaling()
        self._logit_scale = self._read_logit_scale()

    def prepare(self, image: PIL.Image.Image) -> Any:
        """Return uint8 pixels ``[3, side, side]``: a quarter of the memory of scaled ones, which the device scales."""
        pixels = self._processor(images=image, do_rescale=False, do_normalize=False, return_tensors="np").pixel_values
        return np.asarray(pixels[0], np.uint8)

    def encode_prepared(self, prepared: Sequence[Any]) -> Rows:
        with torch.inference_mode(), self._explaining_memory(f"A batch of {len(prepared)} images"):
            return unit_rows(self._image_features(self._image_inputs(prepared)))

    def check_text(self, text: str) -> None:
        inside = self._token_ids(text, add_special_tokens=False)
        unknown = sum(token == self._unknown_token for token in inside)
        if 2 * unknown > len(inside):
            raise InputError(
                f"{self._name} doesn't know the characters of {quoted(text)}",
                "Write it in a language that the checkpoint was made for, or choose another with model=…",
            )
        tokens = self.count_tokens(text)
        if tokens > self._maximum_tokens:
            raise InputError(
                f"The text {quoted(text)} has {tokens} tokens, and {self._name} reads at most {self._maximum_tokens}",
                "Shorten it, or compare the image with each of its sentences",
            )

    def count_tokens(self, text: str) -> int:
        return len(self._token_ids(text, add_special_tokens=True))

    def encode_checked(self, texts: Sequence[str]) -> Rows:
        with torch.inference_mode(), self._explaining_memory(f"A batch of {len(texts)} texts"):
            return unit_rows(self._text_features(self._text_inputs(texts)))

    def probabilities(self, cosines: Rows) -> Rows:
        return softmax(np.float32(self._logit_scale) * cosines)

    def is_sure(self, cosines: Rows, probabilities: Rows) -> bool:
        return bool(probabilities.max() >= _SURE_PROBABILITY)

    def _open_processor(self, folder: Path, checkpoint: Checkpoint) -> Any:
        import transformers

        return open_part(getattr(transformers, self.processor_class), folder, checkpoint=checkpoint)

    def _image_features(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        features: torch.Tensor = self._model.get_image_features(**inputs).pooler_output
        return features

    def _text_features(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        features: torch.Tensor = self._model.get_text_features(**inputs).pooler_output
        return features

    def _text_encoder(self) -> torch.nn.Module:
        encoder: torch.nn.Module = self._model.text_model
        return encoder

    def _read_logit_scale(self) -> float:
        """Return what cosines are multiplied by before the softmax."""
        return float(self._model.logit_scale.detach().float().exp())

    def _read_embedding_size(self) -> int:
        return int(self._model.config.projection_dim)

    def _read_image_side(self) -> int:
        return int(self._model.config.vision_config.image_size)

    def _image_inputs(self, prepared: Sequence[Any]) -> dict[str, torch.Tensor]:
        return {"pixel_values": self._scaled(torch.from_numpy(np.stack(prepared)), (3, 1, 1))}

    def _text_inputs(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        return dict(self._tokenizer(list(texts), padding=True, return_tensors="pt").to(self._device))

    def _token_ids(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=add_special_tokens, verbose=False).input_ids)

    def _scaled(self, pixels: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
        """Scale uint8 pixels as the processor would; ``shape`` is where their three channels lie."""
        wide = pixels.to(self._device).to(torch.float32)
        return wide.mul_(self._scale.view(shape)).add_(self._shift.view(shape)).to(self._dtype)

    def _pixel_scaling(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what uint8 pixels of each channel are multiplied by, and what is then added: ``[3]`` each."""
        settings = self._processor
        scale = torch.full((3,), float(settings.rescale_factor) if settings.do_rescale else 1.0, dtype=torch.float64)
        shift = torch.zeros(3, dtype=torch.float64)
        if settings.do_normalize:
            deviation = torch.tensor(settings.image_std, dtype=torch.float64)
            scale, shift = scale / deviation, -torch.tensor(settings.image_mean, dtype=torch.float64) / deviation
        return scale.float().to(self._device), shift.float().to(self._device)

    def _explaining_memory(self, what: str) -> Any:
        return explain_out_of_memory(f"{what} for {self._name}", "Use device='cpu', or fewer at once")


def unit_rows(features: torch.Tensor) -> Rows:
    """Return features as float32 rows of length 1."""
    return torch.nn.functional.normalize(features.float(), dim=-1).cpu().numpy()


def _unknown_token(tokenizer: Any) -> int | None:
    """Return the sign for characters that the tokenizer doesn't know; None where it stands for other things too.

    CLIP's tokenizer knows every character, and its sign is that of a text's end.
    """
    unknown: int | None = tokenizer.unk_token_id
    return None if unknown in (tokenizer.eos_token_id, tokenizer.pad_token_id) else unknown


def _positions(text_model: torch.nn.Module) -> int:
    """Return how many tokens a text encoder has positions for."""
    for name, part in text_model.named_modules():
        if name.endswith(("position_embedding", "position_embeddings")) and isinstance(part, torch.nn.Embedding):
            # RoBERTa and its kin count positions from the one after that of padding.
            return part.num_embeddings - (0 if part.padding_idx is None else part.padding_idx + 1)
    return sys.maxsize


def _fold_quick_gelu(model: torch.nn.Module) -> None:
    """Make CLIP's activation one pass over memory instead of three.

    x · sigmoid(1.702 x) is SiLU(1.702 x) / 1.702: the factors go into the weights before and after it.
    """
    from transformers.activations import QuickGELUActivation

    with torch.no_grad():
        for part in model.modules():
            if isinstance(getattr(part, "activation_fn", None), QuickGELUActivation):
                layer: Any = part
                layer.fc1.weight.mul_(_QUICK_GELU)
                layer.fc1.bias.mul_(_QUICK_GELU)
                layer.fc2.weight.div_(_QUICK_GELU)
                layer.activation_fn = torch.nn.SiLU(inplace=True)
