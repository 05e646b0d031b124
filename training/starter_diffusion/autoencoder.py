"""The autoencoder: pictures to latents of four channels and back. An `AutoencoderKL` of diffusers.

With an L1 loss alone green turns brown and purple blue: few pixels are coloured, and the median of what they may be
will do. Comparing the colours of pixels and of small areas besides, squared, mends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from training.starter_diffusion import run_state
from training.starter_diffusion.configuration import AutoencoderSettings, DecoderSettings, Settings, digest
from training.starter_diffusion.devices import Device
from training.starter_diffusion.pictures import Pictures
from training.starter_diffusion.run_state import (
    Averaged,
    Limit,
    Run,
    generator_for,
    parameters,
    shuffled,
    warmed,
    weights_digest,
)
from training.starter_diffusion.scenes import Scene, render, training_scenes

LATENT_CHANNELS = 4
NAME, DECODER_NAME = "autoencoder", "decoder"
_COLOUR_WEIGHT, _AREA_WEIGHT, _EDGE_WEIGHT, _DIVERGENCE_WEIGHT = 1.0, 2.0, 0.5, 2e-6
_COLOUR_AREA = 4
_WARM_STEPS = 200
_DECAY = 0.995
_MEASURED = 512
_NORM_GROUPS = 4  # a group of two channels, normalised over a picture of one colour, forgets the colour


def build(settings: AutoencoderSettings, side: int) -> Any:
    """Return an untrained autoencoder."""
    from diffusers import AutoencoderKL

    blocks = len(settings.channels)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        block_out_channels=tuple(settings.channels),
        layers_per_block=settings.layers,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=_NORM_GROUPS,
        sample_size=side,
        scaling_factor=1.0,
        mid_block_add_attention=False,
        force_upcast=False,
    )


def to_tensor(pixels: np.ndarray) -> torch.Tensor:
    """Turn uint8 ``[n, side, side, 3]`` into float32 ``[n, 3, side, side]`` from -1 to 1."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def render_batch(scenes: Sequence[Scene], numbers: Sequence[int], pictures: Pictures, side: int) -> torch.Tensor:
    """Return some scenes as `to_tensor` does."""
    return to_tensor(np.stack([render(scenes[number], pictures, side) for number in numbers]))


def loss_of(target: torch.Tensor, found: torch.Tensor, posterior: Any) -> torch.Tensor:
    """Return how wrong a reconstruction is: pixels, the colours of areas, edges; and how wild the latents are."""
    pixels = (found - target).abs().mean()
    chroma = _chroma(found) - _chroma(target)
    colours = chroma.square().mean()
    areas = functional.avg_pool2d(chroma, _COLOUR_AREA).abs().mean()
    edges = sum((found.diff(dim=axis) - target.diff(dim=axis)).abs().mean() for axis in (-1, -2))
    visible = pixels + _COLOUR_WEIGHT * colours + _AREA_WEIGHT * areas + _EDGE_WEIGHT * edges
    return visible + _DIVERGENCE_WEIGHT * posterior.kl().mean()


def _chroma(pixels: torch.Tensor) -> torch.Tensor:
    red, green, blue = pixels.unbind(1)
    return torch.stack([red - green, (red + green) / 2 - blue], 1)


def train(settings: Settings, pictures: Pictures, folder: Path, device: Device, limit: Limit) -> bool:
    """Train, or go on; return whether all steps are done. The finished weights are in ``autoencoder.pt``."""
    torch.manual_seed(settings.seed)
    network = build(settings.autoencoder, settings.data.side).to(device.name).train()
    return _fit(
        network,
        settings.autoencoder,
        NAME,
        settings_digest(settings, pictures),
        settings,
        pictures,
        folder,
        device,
        limit,
    )


def train_decoder(settings: Settings, pictures: Pictures, folder: Path, device: Device, limit: Limit) -> bool:
    """Train the way back from latents alone: pictures get sharper, and the denoiser stays as good as it is."""
    network = _opened(settings, pictures, folder).to(device.name).train()
    for part in (network.decoder, network.post_quant_conv):
        part.requires_grad_(True)
    belongs_to = f"{settings_digest(settings, pictures)} {weights_digest(network.encoder)}"
    return _fit(network, settings.decoder, DECODER_NAME, belongs_to, settings, pictures, folder, device, limit)


def _fit(
    network: Any,
    own: AutoencoderSettings | DecoderSettings,
    name: str,
    belongs_to: str,
    settings: Settings,
    pictures: Pictures,
    folder: Path,
    device: Device,
    limit: Limit,
) -> bool:
    scenes, side = training_scenes(pictures.manifest, settings.data, settings.seed), settings.data.side
    optimiser = torch.optim.AdamW(list(parameters(network)), own.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
    averaged = Averaged(network, _DECAY)
    run = Run(name, folder, belongs_to, {"network": network, "optimiser": optimiser}, averaged)

    def rendered(step: int) -> torch.Tensor:
        numbers = shuffled(len(scenes), own.batch, settings.seed, step)
        return render_batch(scenes, numbers.tolist(), pictures, side)

    source = device.prefetched(rendered, run.step)

    def step(number: int) -> torch.Tensor:
        target = source(number).to(device.name)
        generator = generator_for(settings.seed, number, device.name)
        with device.precision():
            posterior = network.encode(target).latent_dist
            noise = torch.randn(posterior.mean.shape, generator=generator, device=device.name)
            found = network.decode(posterior.mean + posterior.std * noise).sample
        loss = loss_of(target, found.float(), posterior)
        for group in optimiser.param_groups:
            group["lr"] = warmed(own.learning_rate, number, run.progress, _WARM_STEPS)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters(network), 1.0)
        optimiser.step()
        averaged.follow(network, number)
        return loss

    return run.steps(own.steps, own.batch, limit, step)


def load(settings: Settings, pictures: Pictures, folder: Path) -> Any:
    """Return the trained autoencoder, its latents made to have mean 0 and deviation 1 in each channel.

    The change is folded into the two convolutions on either side of the latents, so that the plain
    ``scaling_factor`` of 1 is right.
    """
    network = _opened(settings, pictures, folder)
    belongs_to = f"{settings_digest(settings, pictures)} {weights_digest(network.encoder)}"
    better = run_state.load(folder / f"{DECODER_NAME}.pt", belongs_to)
    if better is not None:
        network.load_state_dict(better["averaged"])
    scenes = training_scenes(pictures.manifest, settings.data, settings.seed)
    numbers = shuffled(len(scenes), min(_MEASURED, len(scenes)), settings.seed, 0).tolist()
    means = []
    for start in range(0, len(numbers), 32):
        batch = render_batch(scenes, numbers[start : start + 32], pictures, settings.data.side)
        with torch.no_grad():
            means.append(network.encode(batch).latent_dist.mean)
    normalise(network, torch.cat(means))
    return network


def _opened(settings: Settings, pictures: Pictures, folder: Path) -> Any:
    state = run_state.load(folder / f"{NAME}.pt", settings_digest(settings, pictures))
    if state is None:
        raise SystemExit(f"There is no autoencoder in {folder}: train it first")
    network = build(settings.autoencoder, settings.data.side)
    network.load_state_dict(state["averaged"])
    return network.requires_grad_(False).train(False)


@torch.no_grad()
def normalise(network: Any, latents: torch.Tensor) -> None:
    """Change an autoencoder so that latents like these, ``[n, 4, h, w]``, get mean 0 and deviation 1 by channel."""
    mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    into, out = network.quant_conv, network.post_quant_conv
    channels = len(mean)
    into.weight[:channels] /= deviation.view(-1, 1, 1, 1)
    into.bias[:channels] = (into.bias[:channels] - mean) / deviation
    into.bias[channels:] -= 2 * deviation.log()
    out.bias += (out.weight[..., 0, 0] * mean).sum(1)
    out.weight *= deviation.view(1, -1, 1, 1)


def settings_digest(settings: Settings, pictures: Pictures) -> str:
    """Return what an autoencoder's weights depend on; not how long it is trained."""
    own = settings.autoencoder
    return digest(settings.seed, settings.data, own.channels, own.layers, pictures.digest)
