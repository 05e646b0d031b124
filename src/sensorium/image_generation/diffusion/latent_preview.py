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

    Attributes:
        shows: Whether the last latents could be shown.
    """

    def __init__(self, vae: Any, scale_factor: int) -> None:
        self.shows = False
        self._matrix = _fit(vae, max(_SIDE, 8 * scale_factor)) if _can_be_asked(vae) else None

    def picture(self, latents: torch.Tensor, size: tuple[int, int]) -> PIL.Image.Image | None:
        """Return a picture of one pixel per latent, or None if this family's latents aren't laid out as a picture.

        Args:
            latents: As the scheduler returns them: ``[1, channels, height, width]``, the same with one frame before
                the height, ``[1, 1, height, width, channels]``, ``[1, patches, channels]``, or packed two by two as
                ``[1, patches, 4 × channels]``.
            size: Width and height of the finished picture.
        """
        rows = None
        if self._matrix is not None:
            rows = _rows(latents.detach().float().cpu(), self._matrix.shape[0] - 1, size)
        self.shows = rows is not None
        if rows is None or self._matrix is None:
            return None
        pixels = torch.cat([rows, torch.ones_like(rows[..., :1])], -1) @ self._matrix
        return PIL.Image.fromarray(pixels.mul(255).round().nan_to_num(0).clamp(0, 255).byte().numpy())


def _rows(latents: torch.Tensor, channels: int, size: tuple[int, int]) -> torch.Tensor | None:
    """Return ``[height, width, channels]``."""
    if latents.ndim == 5 and latents.shape[1] == 1 and latents.shape[-1] == channels:
        return latents[0, 0]
    if latents.ndim == 5 and latents.shape[2] == 1:
        latents = latents[:, :, 0]
    if latents.ndim == 4 and latents.shape[1] == channels:
        return latents[0].permute(1, 2, 0)
    packed = latents.ndim == 3 and latents.shape[2] == 4 * channels
    if packed or (latents.ndim == 3 and latents.shape[2] == channels):
        width = round((latents.shape[1] * size[0] / size[1]) ** 0.5)
        if width and latents.shape[1] % width == 0:
            if not packed:
                return latents[0].reshape(-1, width, channels)
            patches = latents[0].reshape(-1, width, channels, 2, 2)
            return patches.permute(0, 3, 1, 4, 2).reshape(2 * patches.shape[0], 2 * width, channels)
    return None


def _can_be_asked(vae: Any) -> bool:
    """Return whether an autoencoder turns pictures into the latents that its painter starts from."""
    if not hasattr(vae, "encode"):
        return False
    return bool(hasattr(vae, "bn") or vae.config.get("latents_mean") or vae.config.get("scaling_factor"))


@torch.inference_mode()
def _fit(vae: Any, side: int) -> torch.Tensor:
    """Return the matrix ``[channels + 1, 3]`` that comes nearest, by least squares."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(_PICTURES, 3, 4, 4, generator=generator)
    pictures = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)
    latents = _latents(vae, (pictures * 2 - 1).to(vae.device, vae.dtype))
    colours = torch.nn.functional.interpolate(pictures, latents.shape[-2:], mode="area")
    rows = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    rows = torch.cat([rows, torch.ones_like(rows[:, :1])], 1)
    matrix: torch.Tensor = torch.linalg.lstsq(rows, colours.permute(0, 2, 3, 1).reshape(-1, 3), driver="gelsd").solution
    return matrix


def _latents(vae: Any, pictures: torch.Tensor) -> torch.Tensor:
    """Return what painters denoise, ``[pictures, channels, height, width]``, for pictures of -1 to 1."""
    films = vae.config.get("z_dim")
    encoded = vae.encode(pictures[:, :, None] if films else pictures)
    found = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded[0]
    latents = (found[:, :, 0] if films else found).float().cpu()
    if hasattr(vae, "bn"):  # FLUX.2: patches of two by two, each channel of them in its own measure
        latents = torch.nn.functional.pixel_unshuffle(latents, 2)
        mean, variance = (each.float().cpu().view(1, -1, 1, 1) for each in (vae.bn.running_mean, vae.bn.running_var))
        return torch.div(latents - mean, (variance + vae.config.batch_norm_eps).sqrt())
    mean, deviation = (vae.config.get(name) for name in ("latents_mean", "latents_std"))
    if mean and deviation:
        mean, deviation = (torch.tensor(each).view(1, -1, 1, 1) for each in (mean, deviation))
        return torch.mul((latents - mean) / deviation, vae.config.get("scaling_factor") or 1)
    return torch.mul(latents - (vae.config.get("shift_factor") or 0), vae.config.scaling_factor)
