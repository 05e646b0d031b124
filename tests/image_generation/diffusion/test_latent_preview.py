"""Previews: the colours that latents stand for, found out from the autoencoder alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy
import torch
from diffusers.configuration_utils import FrozenDict

from sensorium.image_generation.diffusion.latent_preview import LatentPreview

MIXING = torch.tensor([[0.5, 0.2, 0.1], [-0.3, 0.6, 0.2], [0.1, -0.4, 0.7], [0.2, 0.2, -0.5]])


class PlainAutoencoder:
    """Latents are colours at an eighth of the size, mixed, shifted and scaled."""

    config = FrozenDict({"scaling_factor": 0.5, "shift_factor": 0.3, "latent_channels": 4})
    device, dtype = torch.device("cpu"), torch.float32

    def encode(self, pictures: torch.Tensor) -> Any:
        small = torch.nn.functional.avg_pool2d(pictures, 8)
        mixed = torch.einsum("bchw,kc->bkhw", small, MIXING) + 0.1
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: mixed))


def latents_of(picture: torch.Tensor) -> torch.Tensor:
    encoded = PlainAutoencoder().encode(picture * 2 - 1).latent_dist.mode()
    scaled: torch.Tensor = (encoded - 0.3) * 0.5
    return scaled


def gradient() -> torch.Tensor:
    across = torch.linspace(0, 1, 64).repeat(32, 1)
    return torch.stack([across, 1 - across, torch.full_like(across, 0.25)])[None]


def test_a_preview_has_the_colours_of_the_picture() -> None:
    picture = gradient()
    preview = LatentPreview(PlainAutoencoder(), 8).picture(latents_of(picture), (64, 32))
    assert preview is not None
    assert preview.size == (8, 4)
    small = torch.nn.functional.avg_pool2d(picture, 8)[0].permute(1, 2, 0).numpy() * 255
    assert numpy.abs(numpy.asarray(preview).astype(float) - small).max() < 2


def test_packed_latents_are_unpacked() -> None:
    latents = latents_of(gradient())
    _, channels, height, width = latents.shape
    packed = latents.view(1, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    packed = packed.reshape(1, height * width // 4, 4 * channels)
    previews = LatentPreview(PlainAutoencoder(), 8)
    plain, unpacked = previews.picture(latents, (64, 32)), previews.picture(packed, (64, 32))
    assert plain is not None
    assert unpacked is not None
    assert unpacked.tobytes() == plain.tobytes()


def test_families_whose_latents_are_no_picture_have_no_preview() -> None:
    assert LatentPreview(None, 8).picture(latents_of(gradient()), (64, 32)) is None
    assert LatentPreview(PlainAutoencoder(), 8).picture(torch.zeros(1, 7, 5), (64, 32)) is None
