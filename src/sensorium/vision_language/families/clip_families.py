"""Checkpoints of the CLIP kind in transformers' layout: trained with a softmax over the pairs of a batch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sensorium.models.catalog import Checkpoint
from sensorium.models.image_processor import open_image_processor
from sensorium.vision_language.families.hub_dual_encoder import HubDualEncoder

_CHINESE = re.compile(r"[\u3400-\u9fff]")
_CHINESE_LABEL = "一张{label}的照片"


class HubCLIP(HubDualEncoder):
    """OpenAI's CLIP and whatever was trained to its layout (OpenCLIP, MetaCLIP, DFN, …).

    Source: Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision.
    """

    model_class = "CLIPModel"
    processor_class = "CLIPImageProcessorPil"


class ChineseCLIP(HubDualEncoder):
    """CLIP for Chinese: give it Chinese labels and texts.

    Source: Yang et al. 2022, Chinese CLIP: Contrastive Vision-Language Pretraining in Chinese.
    """

    model_class = "ChineseCLIPModel"
    processor_class = "ChineseCLIPImageProcessorPil"
    label_template = _CHINESE_LABEL


class AltCLIP(HubDualEncoder):
    """CLIP with a multilingual text encoder in the place of its own.

    Source: Chen et al. 2022, AltCLIP: Altering the Language Encoder in CLIP for Extended Language Capabilities.
    """

    model_class = "AltCLIPModel"
    processor_class = "CLIPImageProcessorPil"

    def label_text(self, label: str) -> str:
        return _CHINESE_LABEL.format(label=label) if _CHINESE.search(label) else super().label_text(label)


class MetaCLIP2(HubDualEncoder):
    """CLIP trained on pictures and texts of the whole world: texts may be in any of about 300 languages.

    Source: Chuang et al. 2025, MetaCLIP 2: A Worldwide Scaling Recipe.
    """

    model_class = "MetaClip2Model"
    processor_class = "CLIPImageProcessorPil"


class AIMv2(HubDualEncoder):
    """AIMv2 with a text encoder that was trained to it ("lit").

    Source: Fini et al. 2024, Multimodal Autoregressive Pre-training of Large Vision Encoders.
    """

    model_class = "Aimv2Model"
    processor_class = "CLIPImageProcessorPil"

    def _read_logit_scale(self) -> float:
        return min(super()._read_logit_scale(), float(self._model.config.max_logit_scale))


class VisionTextDualEncoder(HubDualEncoder):
    """Any image encoder and any text encoder of transformers, joined by two projections.

    Source: Zhai et al. 2022, LiT: Zero-Shot Transfer with Locked-image text Tuning.
    """

    model_class = "VisionTextDualEncoderModel"

    def _open_processor(self, folder: Path, checkpoint: Checkpoint) -> Any:
        return open_image_processor(folder, checkpoint=checkpoint)
