"""Networks in transformers' layout that answer with masks and a class for each: whatever its Auto class opens.

The likeliest class of a pixel is the one whose masks cover it best, each mask weighed by how sure it is of the class.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch

from sensorium.image_generation.annotators.hub_network import HubNetwork
from sensorium.image_generation.annotators.segmentation_networks import class_names, most_likely
from sensorium.models.catalog import Checkpoint
from sensorium.models.pretrained import open_part


class MaskNetwork(HubNetwork):
    """EoMT, EoMT-DINOv3, Mask2Former, MaskFormer, DETR with masks.

    Attributes:
        classes: The names of the classes, by number.

    Sources: Cheng et al. 2021, Per-Pixel Classification is Not All You Need for Semantic Segmentation; Kerssies et al.
    2025, Your ViT is Secretly an Image Segmentation Model.
    """

    half = "bfloat16"  # what masks are multiplied from grows beyond float16 in some of them

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import AutoModelForUniversalSegmentation

        super().__init__(AutoModelForUniversalSegmentation, folder, checkpoint=checkpoint, device=device, dtype=dtype)
        self.classes = class_names(self.network.config)
        self._request: dict[str, torch.Tensor] = {}

    def segment(self, image: PIL.Image.Image) -> npt.NDArray[np.int64]:
        """Return class numbers, int64 ``[height, width]``, for an upright RGB picture."""
        width, height = image.size
        inputs = self.prepare(image, "Segments")
        outputs = self.run(inputs, image.size, **self._request)
        for name, values in outputs.items():
            if isinstance(values, torch.Tensor):
                outputs[name] = values.float()
        with torch.inference_mode():
            # Scores in the size that the network works in: in the picture's own they would take gigabytes.
            (found,) = self.processor.post_process_semantic_segmentation(
                outputs, target_sizes=self._working_sizes(inputs, width, height), return_segmentation_scores=True
            )
            padded_width, padded_height = self._padded(inputs, width, height)
            labels = most_likely(found.segmentation_scores, padded_width, padded_height)
            return labels[:height, :width].cpu().numpy()

    def _working_sizes(self, inputs: Any, width: int, height: int) -> list[tuple[int, int]] | None:
        """Return the height and width of EoMT's scores, which must be told; other processors know them."""
        if "patch_offsets" not in self._takes:
            return None
        if inputs["patch_offsets"]:  # squares side by side, which are joined
            return [self._resized(width, height)]
        rows, columns = inputs["pixel_values"].shape[-2:]
        return [(rows, columns)]

    def _padded(self, inputs: Any, width: int, height: int) -> tuple[int, int]:
        """Return how wide and high the picture would be with the padding that EoMT saw to its right and below it."""
        if "patch_offsets" not in self._takes or inputs["patch_offsets"] or not self.processor.do_pad:
            return width, height
        seen_height, seen_width = self._resized(width, height)
        rows, columns = inputs["pixel_values"].shape[-2:]
        return round(width * columns / seen_width), round(height * rows / seen_height)

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        """Return the height and width to which the processor scales a picture, before it pads or divides it."""
        from transformers.image_transforms import get_size_with_aspect_ratio

        size = self.processor.size
        resized: tuple[int, int] = get_size_with_aspect_ratio(
            (height, width), size["shortest_edge"], size["longest_edge"]
        )
        return resized


class OneFormer(MaskNetwork):
    """OneFormer, which is told in words what to do.

    Source: Jain et al. 2022, OneFormer: One Transformer to Rule Universal Image Segmentation.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import AutoTokenizer

        super().__init__(folder, checkpoint=checkpoint, device=device, dtype=dtype)
        tokenizer = open_part(AutoTokenizer, folder, checkpoint=checkpoint)
        tokens = tokenizer(
            ["the task is semantic"],
            padding="max_length",
            max_length=self.network.config.task_seq_len,
            return_tensors="pt",
        )
        # The network takes no mask: padding is zeros.
        words = tokens["input_ids"] * tokens["attention_mask"]
        self._request = {"task_inputs": words.to(self.network.device)}
