"""Checkpoints of any family that have all their files but the weights, as far as opening them needs to read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.checkpoints.vision_language import _write_byte_tokenizer

_TASKS = {
    "image-question-answering": "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    "image-segmentation": "MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES",
    "object-detection": "MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES",
    "pose-estimation": "MODEL_FOR_POSE_ESTIMATION_MAPPING_NAMES",
    "depth-estimation": "MODEL_FOR_DEPTH_ESTIMATION_MAPPING_NAMES",
    "video-classification": "MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES",
}
_IMAGE_PROCESSORS = {
    "d_fine": "RTDetrImageProcessor",
    "rt_detr_v2": "RTDetrImageProcessor",
    "glm_ocr": "Glm46VImageProcessor",
}
_PROCESSORS = {"glm_ocr": "Glm46VProcessor"}
"""What the hub's repositories name, and transformers doesn't know by the family."""
_TOKENS = {
    name: f"<{name}>"
    for name in (
        *("image_token", "video_token", "audio_token", "vision_bos_token", "vision_eos_token", "audio_bos_token"),
        *("audio_eos_token", "start_image_token", "end_image_token", "context_image_token", "boi_token", "eoi_token"),
        *("boa_token", "eoa_token", "image_break_token", "image_end_token", "image_start_token", "slice_start_token"),
        *("slice_end_token", "image_id_start_token", "image_id_end_token"),
    )
}
_TEMPLATE = (
    "{% for message in messages %}{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}{% if part.type == 'image' %}<image_token>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}{% endfor %}"
)


def bare_checkpoint(folder: Path, family: str, task: str) -> Path:
    """Write what is read before the weights of a checkpoint.

    Args:
        folder: Created; filled with settings, a tokenizer of some hundred tokens and a chat template.
        family: The ``model_type``.
        task: What its head is for; the head is left out if transformers has none.
    """
    from transformers.models.auto import image_processing_auto, modeling_auto, processing_auto

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *_TOKENS.values()]
    roles = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    _write_byte_tokenizer(folder, "Qwen2Tokenizer", special, roles, extra_special_tokens=_TOKENS)
    head: Any = getattr(modeling_auto, _TASKS.get(task, ""), {}).get(family)
    named = {"architectures": [head]} if isinstance(head, str) else {}
    # Only those who also speak read this; what they have beside their thinkers isn't opened.
    _write(folder / "config.json", model_type=family, thinker_config={"text_config": {}}, **named)
    names: Any = image_processing_auto.IMAGE_PROCESSOR_MAPPING_NAMES.get(family) or {}
    pictures = _IMAGE_PROCESSORS.get(family) or names.get("torchvision") or names.get("pil", "").removesuffix("Pil")
    if pictures:
        _write(folder / "preprocessor_config.json", image_processor_type=pictures)
    else:
        _write(folder / "video_preprocessor_config.json")
    processor = _PROCESSORS.get(family) or processing_auto.PROCESSOR_MAPPING_NAMES.get(family)
    if processor:
        _write(folder / "processor_config.json", processor_class=processor)
    (folder / "chat_template.jinja").write_text(_TEMPLATE)
    return folder


def _write(path: Path, **settings: Any) -> None:
    path.write_text(json.dumps(settings))
