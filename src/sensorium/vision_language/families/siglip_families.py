"""SigLIP and SigLIP 2: trained to say of each pair of image and text, by itself, whether the two go together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image
import torch

from sensorium.vision_language.dual_encoder import Rows
from sensorium.vision_language.families.hub_dual_encoder import HubDualEncoder

_SURE_SCORE = 0.1


class SigLIP(HubDualEncoder):
    """SigLIP, and SigLIP 2 at a fixed resolution.

    A score is the probability that this image and this text go together, whatever the other texts are. Scores are
    low even for texts that fit (0.32 for "a photo of 2 cats" of two cats on a sofa, in the model card), and
    thousandths for texts that don't.

    Source: Zhai et al. 2023, Sigmoid Loss for Language Image Pre-Training; Tschannen et al. 2025, SigLIP 2.
    """

    model_class = "SiglipModel"
    processor_class = "SiglipImageProcessorPil"
    scoring = "sigmoid"
    label_template = "This is a photo of {label}."

    def probabilities(self, cosines: Rows) -> Rows:
        bias = float(self._model.logit_bias.detach().float())
        logits = np.float32(self._logit_scale) * cosines + np.float32(bias)
        likely: Rows = np.exp(-np.logaddexp(np.float32(0), -logits))  # the sigmoid, without overflow
        return likely

    def is_sure(self, cosines: Rows, probabilities: Rows) -> bool:
        return bool(probabilities.max() >= _SURE_SCORE)

    def _read_embedding_size(self) -> int:
        return int(self._model.config.text_config.projection_size)

    def _text_inputs(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        # Trained on lower-cased texts, padded on the right to the full length, with padding in plain sight: the row of
        # a text is the state of its last token, be that padding. Not every checkpoint's tokenizer does this by itself.
        tokens = self._tokenizer(
            [text.lower() for text in texts],
            padding="max_length",
            max_length=self._maximum_tokens,
            padding_side="right",
            return_tensors="pt",
        )
        return {"input_ids": tokens.input_ids.to(self._device)}

    def _token_ids(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return super()._token_ids(text.lower(), add_special_tokens=add_special_tokens)


class SigLIP2(SigLIP):
    """SigLIP 2 "NaFlex": images keep their aspect ratio, and are cut into as many patches as the checkpoint allows.

    Source: Tschannen et al. 2025, SigLIP 2: Multilingual Vision-Language Encoders.
    """

    model_class = "Siglip2Model"
    processor_class = "Siglip2ImageProcessorPil"

    def prepare(self, image: PIL.Image.Image) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
        """Return uint8 patches ``[patches, values]``, which of them are real, and how many rows and columns they make.

        The values of a patch are those of its pixels, one after the other, with the three channels of each.
        """
        found = self._processor(images=image, do_rescale=False, do_normalize=False, return_tensors="np")
        rows, columns = found.spatial_shapes[0]
        return found.pixel_values[0].astype(np.uint8), found.pixel_attention_mask[0], (int(rows), int(columns))

    def _read_image_side(self) -> int:
        return math.isqrt(int(self._processor.max_num_patches)) * int(self._processor.patch_size)

    def _image_inputs(self, prepared: Sequence[Any]) -> dict[str, torch.Tensor]:
        patches, real, shapes = zip(*prepared, strict=True)
        values = torch.from_numpy(np.stack(patches))
        pixels = self._scaled(values.reshape(*values.shape[:2], -1, 3), (3,)).flatten(-2)
        mask = torch.from_numpy(np.stack(real)).to(self._device)
        return {
            "pixel_values": pixels * mask.unsqueeze(-1).to(self._dtype),
            "pixel_attention_mask": mask,
            "spatial_shapes": torch.tensor(shapes, device=self._device),
        }
