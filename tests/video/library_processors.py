"""transformers' own video processors, run without torchvision: the code that ours is held against.

Their modules import torchvision at the top, and use it for two things only: resizing, which torch does itself with the
same arithmetic, and ``(pixels - mean) / std``.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

_MODULES = (
    "torchvision",
    "torchvision.transforms",
    "torchvision.transforms.v2",
    "torchvision.transforms.v2.functional",
)
_CLASSES = {
    "gemma4": "Gemma4VideoProcessor",
    "qwen2_5_omni": "Qwen2VLVideoProcessor",
    "qwen3_omni_moe": "Qwen2VLVideoProcessor",
    "qwen2_vl": "Qwen2VLVideoProcessor",
    "qwen2_5_vl": "Qwen2VLVideoProcessor",
    "qwen3_vl": "Qwen3VLVideoProcessor",
    "qwen3_5": "Qwen3VLVideoProcessor",
    "smolvlm": "SmolVLMVideoProcessor",
    "video_llama_3": "VideoLlama3VideoProcessor",
}


def library_inputs(
    family: str, frames: Sequence[PIL.Image.Image], settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> dict[str, torch.Tensor]:
    """Return what the family's own video processor makes of frames.

    Args:
        family: Of the checkpoint.
        frames: RGB pictures of equal size.
        settings: The checkpoint's ``video_preprocessor_config.json``.
        monkeypatch: Takes the stand-ins away after the test.
    """
    from transformers.image_processing_backends import TorchvisionBackend
    from transformers.image_utils import SizeDict

    if family == "gemma4":
        return _gemma_inputs(frames, settings, monkeypatch)
    monkeypatch.setattr(TorchvisionBackend, "resize", _resize)
    monkeypatch.setattr(TorchvisionBackend, "normalize", _normalize)
    processor_class = _class(family)
    processor = object.__new__(processor_class)
    processor.max_video_tokens = processor_class.__dict__.get("max_video_tokens", 0)
    film = torch.from_numpy(np.stack([np.asarray(frame) for frame in frames])).permute(0, 3, 1, 2)
    processor.max_image_size = settings.get("max_image_size")
    if family == "smolvlm":
        # Of the sizes that its files name, its own initialisation chooses.
        chosen = ("size", "video_sampling", "max_image_size", "resample")
        processor = processor_class(**{name: settings[name] for name in chosen if name in settings})
        settings = {**settings, "size": dict(processor.size)}
    options: dict[str, Any] = {"use_token_compression": True, "cap_pixels_per_frame": False, "do_pad": True}
    options |= {name: settings.get(name) for name in ("patch_size", "temporal_patch_size", "merge_size")}
    # Qwen2-VL's files still name the bounds as the library did at first.
    size = settings.get("size") or {
        "shortest_edge": settings["min_pixels"],
        "longest_edge": settings["max_pixels"],
    }
    found = processor._preprocess(
        [film],
        do_resize=True,
        size=SizeDict(**size),
        resample=settings.get("resample", 3),
        do_rescale=True,
        rescale_factor=1 / 255,
        do_normalize=True,
        image_mean=tuple(settings["image_mean"]),
        image_std=tuple(settings["image_std"]),
        return_tensors="pt",
        **options,
    )
    return dict(found)


def _gemma_inputs(
    frames: Sequence[PIL.Image.Image], settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> dict[str, torch.Tensor]:
    """Gemma 4's asks torchvision itself to resize, and multiplies by 1 / 255."""
    import transformers.utils

    monkeypatch.setattr(transformers.utils, "is_torchvision_v2_available", lambda: True)
    processor_class = _class("gemma4")
    monkeypatch.setattr(sys.modules[processor_class.__module__].tvF, "resize", _resized, raising=False)
    film = torch.from_numpy(np.stack([np.asarray(frame) for frame in frames])).permute(0, 3, 1, 2)
    processor = object.__new__(processor_class)
    monkeypatch.setattr(processor_class, "rescale_and_normalize", lambda self, video, *others: video.float() / 255)
    found = processor._preprocess([film], True, None, True, 1 / 255, False, None, None, "pt", **settings)
    return dict(found)


def _resized(video: torch.Tensor, *, size: Sequence[int], **options: Any) -> torch.Tensor:
    resized = torch.nn.functional.interpolate(video.float(), tuple(size), mode="bicubic", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)


def _class(family: str) -> Any:
    name = {"Qwen2VLVideoProcessor": "qwen2_vl", "Qwen3VLVideoProcessor": "qwen3_vl"}.get(_CLASSES[family], family)
    absent = [module for module in _MODULES if module not in sys.modules]
    for module in absent:
        sys.modules[module] = types.ModuleType(module)
        vars(sys.modules[module])["InterpolationMode"] = object
    try:
        module = importlib.import_module(f"transformers.models.{name}.video_processing_{name}")
    finally:
        for stand_in in absent:
            del sys.modules[stand_in]
    return getattr(module, _CLASSES[family])


def _resize(self: Any, image: torch.Tensor, size: Any, resample: Any = None, **options: Any) -> torch.Tensor:
    if resample == PIL.Image.Resampling.LANCZOS:
        # torch hasn't this filter. torchvision's differs from Pillow's by its rounding: by 2 grey levels at most.
        frames = [PIL.Image.fromarray(np.asarray(frame.permute(1, 2, 0))) for frame in image.flatten(0, -4)]
        resized = [torch.from_numpy(np.array(frame.resize((size.width, size.height), resample))) for frame in frames]
        return torch.stack(resized).permute(0, 3, 1, 2).view(*image.shape[:-2], size.height, size.width)
    flat = image.flatten(0, -4).float()
    resized = torch.nn.functional.interpolate(flat, (size.height, size.width), mode="bicubic", antialias=True)
    whole = resized.round().clamp(0, 255).to(torch.uint8)
    return whole.view(*image.shape[:-2], size.height, size.width)


def _normalize(self: Any, image: torch.Tensor, mean: Any, std: Any, **options: Any) -> torch.Tensor:
    shape = (-1, 1, 1)
    return (image.float() - torch.as_tensor(mean).view(shape)) / torch.as_tensor(std).view(shape)
