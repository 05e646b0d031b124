"""How frames become the inputs of a video model, family by family.

transformers' own video processors need torchvision. The classes here do the same steps with Pillow and the family's
image processor. They replace the video processor inside the family's processor, which writes the video's tokens into
the text.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from PIL import Image

from sensorium.media.video import VideoFrame
from sensorium.models.json_files import json_table

if TYPE_CHECKING:
    from transformers.video_utils import VideoMetadata

_TICKS = 1000
"""Frames are numbered by milliseconds, so that the timestamps that the library computes are the frames' own times."""
_CLIP_MEAN, _CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
_HALF = [0.5, 0.5, 0.5]
_LONGEST_SIDE = 4096
"""Of a frame, as SmolVLM 2 is prepared in transformers."""


def metadata_of(frames: Sequence[VideoFrame], duration: float) -> VideoMetadata:
    """Return the times of a film's frames, in the form that transformers' processors expect."""
    from transformers.video_utils import VideoMetadata

    return VideoMetadata(
        total_num_frames=max(1, round(duration * _TICKS)),
        fps=float(_TICKS),
        duration=duration,
        frames_indices=[round(frame.time * _TICKS) for frame in frames],
    )


class VideoProcessor(ABC):
    """Turns the frames of one film into pixel values, in place of the family's own video processor.

    Args:
        folder: The checkpoint's folder; settings in its files replace the family's settings.
        most_tokens: How many tokens a film may take at most; larger frames are shrunk.
    """

    settings: ClassVar[dict[str, Any]]
    tells_times: ClassVar[bool] = False
    """Whether the family writes the frames' times between their tokens."""
    frames_per_second: ClassVar[float] = 2.0
    fewest_frames: ClassVar[int] = 4
    most_frames: ClassVar[int] = 32
    temporal_patch_size: int = 1

    def __init__(self, folder: Path, most_tokens: int) -> None:
        self._settings = {**self.settings, **_settings_in(folder)}
        self._most_tokens = most_tokens
        self.temporal_patch_size = int(self._settings.get("temporal_patch_size", 1))

    def frame_count(self, duration: float) -> int:
        """Return the number of frames that suits a film of a given length in seconds."""
        count = min(self.most_frames, max(self.fewest_frames, round(duration * self.frames_per_second)))
        return math.ceil(count / self.temporal_patch_size) * self.temporal_patch_size

    def __call__(
        self, videos: Sequence[Sequence[Image.Image]], *, video_metadata: VideoMetadata | None = None, **options: Any
    ) -> dict[str, Any]:
        """Return the inputs of one film.

        Args:
            videos: One list of RGB pictures of equal size.
            video_metadata: Returned as it is, for the processor, which writes the tokens.
            options: Further arguments of the family's processor; they are ignored.
        """
        (frames,) = videos
        return {**self.prepare(list(frames)), "video_metadata": [video_metadata]}

    @abstractmethod
    def prepare(self, frames: list[Image.Image]) -> dict[str, torch.Tensor]:
        """Return those inputs of the model that are computed from pixels."""


class LlavaNextVideoProcessor(VideoProcessor):
    """LLaVA-NeXT-Video: each frame is shrunk and cropped to the square that the vision tower sees."""

    settings: ClassVar[dict[str, Any]] = {
        "size": {"shortest_edge": 224},
        "crop_size": {"height": 224, "width": 224},
        "image_mean": _CLIP_MEAN,
        "image_std": _CLIP_STD,
    }
    fewest_frames = most_frames = 16

    def prepare(self, frames: list[Image.Image]) -> dict[str, torch.Tensor]:
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

        chosen = {name: self._settings[name] for name in ("size", "crop_size", "image_mean", "image_std")}
        pixels = CLIPImageProcessorPil(**chosen)(frames, return_tensors="pt").pixel_values
        return {"pixel_values_videos": pixels.unsqueeze(0)}


class QwenVideoProcessor(VideoProcessor):
    """Qwen2-VL and Qwen2.5-VL: patches span two frames, and each frame has no more pixels than a budget allows."""

    settings: ClassVar[dict[str, Any]] = {
        "size": {"shortest_edge": 128 * 28 * 28, "longest_edge": 28 * 28 * 768},
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": _CLIP_MEAN,
        "image_std": _CLIP_STD,
    }
    _most_tokens_a_frame: ClassVar[int] = 768
    """How many tokens a frame may take in Qwen's own code for films (qwen-vl-utils). The checkpoints' files don't say
    it: their limits are for pictures."""

    def __init__(self, folder: Path, most_tokens: int) -> None:
        super().__init__(folder, most_tokens)
        size = {**self.settings["size"], **self._settings["size"]}
        self._fewest_pixels = int(self._settings.get("min_pixels") or size["shortest_edge"])
        self._most_pixels = int(self._settings.get("max_pixels") or size["longest_edge"])
        self.merge_size = int(self._settings["merge_size"])
        self._factor = int(self._settings["patch_size"]) * self.merge_size

    def prepare(self, frames: list[Image.Image]) -> dict[str, torch.Tensor]:
        while len(frames) % self.temporal_patch_size:
            frames = [*frames, frames[-1]]
        width, height = frames[0].size
        rows, columns = self._target(len(frames), height, width)
        patches = self._patches([_resized(frame, columns, rows) for frame in frames])
        patch = int(self._settings["patch_size"])
        grid = [len(frames) // self.temporal_patch_size, rows // patch, columns // patch]
        return {"pixel_values_videos": patches, "video_grid_thw": torch.tensor([grid])}

    def _target(self, count: int, height: int, width: int) -> tuple[int, int]:
        """Return the height and width, in pixels, to which each frame is resized."""
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        most = min(self._most_pixels, self._most_tokens_a_frame * self._factor**2)
        most = min(most, self._budget() * self.temporal_patch_size // count)
        fewest = min(self._fewest_pixels, most)
        rows, columns = smart_resize(height, width, self._factor, min_pixels=fewest, max_pixels=most)
        return rows, columns

    def _budget(self) -> int:
        return self._most_tokens * self._factor**2

    def _patches(self, frames: Sequence[Image.Image]) -> torch.Tensor:
        """Return patches in the models' layout: ``[steps of time * patches, colours * time * height * width]``."""
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

        patch, span = int(self._settings["patch_size"]), self.temporal_patch_size
        processor = Qwen2VLImageProcessorPil(
            patch_size=patch,
            temporal_patch_size=1,
            merge_size=self.merge_size,
            image_mean=self._settings["image_mean"],
            image_std=self._settings["image_std"],
            do_resize=False,
        )
        single = [processor(frame, return_tensors="np").pixel_values.reshape(-1, 3, patch * patch) for frame in frames]
        spans = [np.stack(single[start : start + span], axis=2) for start in range(0, len(single), span)]
        return torch.from_numpy(np.concatenate(spans)).flatten(1)


class Qwen3VideoProcessor(QwenVideoProcessor):
    """Qwen3-VL and the Qwen models after it: like Qwen2-VL, but one budget of pixels for all frames together."""

    settings: ClassVar[dict[str, Any]] = {
        "size": {"shortest_edge": 128 * 32 * 32, "longest_edge": 32 * 32 * 768},
        "patch_size": 16,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": _HALF,
        "image_std": _HALF,
    }
    tells_times = True

    def _target(self, count: int, height: int, width: int) -> tuple[int, int]:
        from transformers.models.qwen3_vl.video_processing_qwen3_vl import smart_resize

        rows, columns = smart_resize(
            count,
            height,
            width,
            temporal_factor=self.temporal_patch_size,
            factor=self._factor,
            min_pixels=self._fewest_pixels,
            max_pixels=min(self._most_pixels, self._budget() * self.temporal_patch_size),
        )
        return rows, columns


class QwenOmniVideoProcessor(QwenVideoProcessor):
    """Qwen2.5-Omni and Qwen3-Omni: like Qwen2-VL, within bounds that the processor sets for every checkpoint."""

    def __init__(self, folder: Path, most_tokens: int) -> None:
        super().__init__(folder, most_tokens)
        self._fewest_pixels, self._most_pixels = 128 * self._factor**2, 768 * self._factor**2


class VideoLlama3Processor(QwenVideoProcessor):
    """VideoLLaMA 3: single frames, which share a budget of pixels. Patches that hardly change are left out."""

    settings: ClassVar[dict[str, Any]] = {
        "size": {"shortest_edge": 128 * 28 * 28, "longest_edge": 28 * 28 * 768},
        "patch_size": 14,
        "temporal_patch_size": 1,
        "merge_size": 2,
        "image_mean": _HALF,
        "image_std": _HALF,
        "use_token_compression": True,
    }
    tells_times = True
    frames_per_second = 1.0
    _least_change: ClassVar[float] = 0.1

    def prepare(self, frames: list[Image.Image]) -> dict[str, torch.Tensor]:
        inputs = super().prepare(frames)
        patches = inputs["pixel_values_videos"]
        merged = self.merge_size**2
        kept = torch.ones(patches.shape[0] // merged, dtype=torch.bool)
        if self._settings["use_token_compression"] and len(frames) > 1:
            kept = self._changed(patches.view(len(frames), -1, merged * patches.shape[1]))
        return {**inputs, "video_merge_sizes": torch.tensor([self.merge_size]), "video_compression_mask": kept}

    def _target(self, count: int, height: int, width: int) -> tuple[int, int]:
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        most = min(self._most_pixels // count, self._budget() // count)
        rows, columns = smart_resize(height, width, self._factor, min_pixels=self._fewest_pixels, max_pixels=most)
        return rows, columns

    def _changed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return which tokens differ from the same token of the frame before; each frame keeps at least one token.

        Args:
            tokens: ``[frames, tokens of a frame, values]``.
        """
        change = (tokens[1:] - tokens[:-1]).abs().mean(-1) * 255
        kept = torch.cat([torch.ones_like(change[:1], dtype=torch.bool), change > self._least_change])
        kept[:, 0] |= ~kept.any(1)
        return kept.flatten()


class SmolVLMVideoProcessor(VideoProcessor):
    """SmolVLM 2: single frames, each brought to a size and then stretched to the square that the vision tower sees."""

    settings: ClassVar[dict[str, Any]] = {
        "size": {"longest_edge": 4 * 364},
        "video_sampling": None,
        "max_image_size": {"longest_edge": 364},
        "resample": Image.Resampling.LANCZOS,
        "image_mean": _HALF,
        "image_std": _HALF,
    }
    tells_times = True
    frames_per_second = 1.0
    # The family's processor reads both; with None it keeps the frames that the caller chose.
    num_frames = None
    fps = None

    def __init__(self, folder: Path, most_tokens: int) -> None:
        super().__init__(folder, most_tokens)
        sampling = self._settings["video_sampling"] or {}
        # As in transformers: the published files name two sizes, and that for pictures goes before that for films.
        size = _settings_in(folder).get("size") or sampling.get("video_size") or self._settings["size"]
        self._longest = min(_LONGEST_SIDE, int(size["longest_edge"]))

    def prepare(self, frames: list[Image.Image]) -> dict[str, torch.Tensor]:
        square = int(self._settings["max_image_size"]["longest_edge"])
        resample = Image.Resampling(self._settings["resample"])
        fitted = [_resized(frame, *_fitted(frame.size, self._longest), resample) for frame in frames]
        squares = [_resized(frame, square, square, resample) for frame in fitted]
        pixels = torch.from_numpy(np.stack([np.asarray(frame) for frame in squares])).float() / 255
        pixels = (pixels - torch.tensor(self._settings["image_mean"])) / torch.tensor(self._settings["image_std"])
        seen = torch.ones(1, len(frames), square, square, dtype=torch.int64)
        return {"pixel_values": pixels.permute(0, 3, 1, 2)[None], "pixel_attention_mask": seen}


class Gemma4VideoProcessor(VideoProcessor):
    """Gemma 4: single frames, prepared like pictures that take fewer tokens."""

    settings: ClassVar[dict[str, Any]] = {"patch_size": 16, "max_soft_tokens": 70, "pooling_kernel_size": 3}
    tells_times = True
    frames_per_second = 1.0

    def prepare(self, frames: list[Image.Image]) -> dict[str, torch.Tensor]:
        from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

        chosen: dict[str, Any] = {name: int(self._settings[name]) for name in self.settings}
        found = Gemma4ImageProcessorPil(**chosen)(frames, return_tensors="pt")
        return {
            "pixel_values_videos": found["pixel_values"],
            "video_position_ids": found["image_position_ids"],
            "num_frames_per_video": torch.tensor([len(frames)]),
            "num_soft_tokens_per_video": torch.as_tensor(found["num_soft_tokens_per_image"])[:1],
        }


VIDEO_PROCESSORS: dict[str, type[VideoProcessor]] = {
    "gemma4": Gemma4VideoProcessor,
    "llava_next_video": LlavaNextVideoProcessor,
    "qwen2_5_omni": QwenOmniVideoProcessor,
    "qwen3_omni_moe": QwenOmniVideoProcessor,
    "qwen2_vl": QwenVideoProcessor,
    "qwen2_5_vl": QwenVideoProcessor,
    **dict.fromkeys(("qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe", "qwen4_exp"), Qwen3VideoProcessor),
    "smolvlm": SmolVLMVideoProcessor,
    "video_llama_3": VideoLlama3Processor,
}
"""Maps each family to the class that prepares its films."""


def _resized(
    frame: Image.Image, width: int, height: int, resample: Image.Resampling = Image.Resampling.BICUBIC
) -> Image.Image:
    return frame if frame.size == (width, height) else frame.resize((width, height), resample)


def _fitted(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Return width and height, computed as in transformers: the longer side is ``longest``, the shorter side even."""
    width, height = size
    if width >= height:
        shorter = int(longest / (width / height))
        return longest, max(1, shorter + shorter % 2)
    shorter = int(longest * (width / height))
    return max(1, shorter + shorter % 2), longest


def _settings_in(folder: Path) -> dict[str, Any]:
    """Return a checkpoint's settings for films. The files are searched in the same order as in transformers."""
    nested = json_table(folder / "processor_config.json").get("video_processor")
    found = (
        nested
        or json_table(folder / "video_preprocessor_config.json")
        or json_table(folder / "preprocessor_config.json")
    )
    known = {name for family in VIDEO_PROCESSORS.values() for name in family.settings} | {"min_pixels", "max_pixels"}
    settings = {name: value for name, value in found.items() if name in known and value is not None}
    for name in ("size", "crop_size"):
        if isinstance(settings.get(name), int):
            side = settings[name]
            settings[name] = {"shortest_edge": side} if name == "size" else {"height": side, "width": side}
    return settings
