"""Rough pictures of a painting on its way, without the autoencoder's costly decoder.

Latents are nearly a small picture in other colours. The matrix that turns them into red, green and blue is fitted once
per checkpoint, on a few smooth pictures that its own encoder turns into latents.
"""

from __future__ import annotations

from typing import Any

import PIL.Image
import torch

_SIDE = 64
_PICTURES = 8


class LatentPreview:
    """Turns latents of one checkpoint into small RGB pictures.

    Args:
        vae: Its autoencoder.
        scale_factor: Pixels per latent, along a side.
    """

    def __init__(self, vae: Any, scale_factor: int) -> None:
        self._matrix: torch.Tensor | None = None
        if hasattr(vae, "encode") and getattr(vae.config, "scaling_factor", None) and vae.config.get("latent_channels"):
            self._matrix = _fit(vae, max(_SIDE, 8 * scale_factor), scale_factor)

    def picture(self, latents: torch.Tensor, size: tuple[int, int]) -> PIL.Image.Image | None:
        """Return a picture of one pixel per latent, or None if this family's latents aren't laid out as a picture.

        Args:
            latents: As the scheduler returns them, ``[1, channels, height, width]``, or packed two by two as
                ``[1, patches, 4 × channels]``.
            size: Width and height of the finished picture.
        """
        if self._matrix is None:
            return None
        channels = self._matrix.shape[0] - 1
        rows = _rows(latents.detach().float().cpu(), channels, size)
        if rows is None:
            return None
        pixels = torch.cat([rows, torch.ones_like(rows[..., :1])], -1) @ self._matrix
        return PIL.Image.fromarray(pixels.mul(255).round().nan_to_num(0).clamp(0, 255).byte().numpy())


def _rows(latents: torch.Tensor, channels: int, size: tuple[int, int]) -> torch.Tensor | None:
    """Return ``[height, width, channels]``."""
    if latents.ndim == 4 and latents.shape[1] == channels:
        return latents[0].permute(1, 2, 0)
    if latents.ndim == 3 and latents.shape[2] == 4 * channels:
        width = round((latents.shape[1] * size[0] / size[1]) ** 0.5)
        if width and latents.shape[1] % width == 0:
            packed = latents[0].reshape(-1, width, channels, 2, 2)
            return packed.permute(0, 3, 1, 4, 2).reshape(2 * packed.shape[0], 2 * width, channels)
    return None


@torch.inference_mode()
def _fit(vae: Any, side: int, scale_factor: int) -> torch.Tensor:
    """Return the matrix ``[channels + 1, 3]`` that comes nearest, by least squares."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(_PICTURES, 3, 4, 4, generator=generator)
    pictures = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)
    encoded = vae.encode((pictures * 2 - 1).to(vae.device, vae.dtype)).latent_dist.mode().float().cpu()
    latents = (encoded - (vae.config.get("shift_factor") or 0)) * vae.config.scaling_factor
    colours = torch.nn.functional.interpolate(pictures, latents.shape[-2:], mode="area")
    rows = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    rows = torch.cat([rows, torch.ones_like(rows[:, :1])], 1)
    matrix: torch.Tensor = torch.linalg.lstsq(rows, colours.permute(0, 2, 3, 1).reshape(-1, 3), driver="gelsd").solution
    return matrix
