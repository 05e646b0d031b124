"""The denoiser: a `UNet2DConditionModel` of diffusers that paints latents from noise and a caption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.starter_diffusion.autoencoder import LATENT_CHANNELS
from training.starter_diffusion.configuration import DenoiserSettings, Settings, digest
from training.starter_diffusion.devices import Device
from training.starter_diffusion.latents import CachedLatents
from training.starter_diffusion.pictures import Pictures
from training.starter_diffusion.run_state import Averaged, Limit, Run, generator_for, shuffled, warmed
from training.starter_diffusion.scenes import training_scenes
from training.starter_diffusion.text_states import STATE_SIZE, TOKENS, CachedStates

NAME = "denoiser"
NOISE_STEPS = 1000
SCHEDULE: dict[str, Any] = {
    "num_train_timesteps": NOISE_STEPS,
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "v_prediction",
    "steps_offset": 1,
}
_UNCAPTIONED = 0.1
_SIGNAL_TO_NOISE_CAP = 5.0
_STATES_TIMES = 3.0
_WARM_STEPS = 300


def build(settings: DenoiserSettings, latent_side: int) -> Any:
    """Return an untrained denoiser.

    Its attention reads MiniLM's states as they are (``cross_attention_dim`` 384) rather than through an
    ``encoder_hid_proj``: diffusers' `ControlNetModel` has such a layer, but doesn't use it.
    """
    from diffusers import UNet2DConditionModel

    down = tuple("CrossAttnDownBlock2D" if cross else "DownBlock2D" for cross in settings.cross_attention)
    up = tuple("CrossAttnUpBlock2D" if cross else "UpBlock2D" for cross in reversed(settings.cross_attention))
    network = UNet2DConditionModel(
        sample_size=latent_side,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=tuple(settings.channels),
        layers_per_block=settings.layers,
        down_block_types=down,
        up_block_types=up,
        cross_attention_dim=STATE_SIZE,
        attention_head_dim=tuple(channels // settings.head_size for channels in settings.channels),
        norm_num_groups=8,
    )
    for name, parameter in network.named_parameters():
        if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight")):
            # MiniLM's states are small: their deviation is about a third.
            parameter.data *= _STATES_TIMES
    return network


class Objective:
    """What a denoiser learns: the velocity of Salimans and Ho 2022, weighted by min-SNR (Hang et al. 2023).

    Args:
        device: Where the latents are.
    """

    def __init__(self, device: str) -> None:
        from diffusers import DDPMScheduler

        kept = DDPMScheduler(**SCHEDULE).alphas_cumprod.to(device)
        self._signal, self._noise = kept.sqrt(), (1 - kept).sqrt()
        ratio = kept / (1 - kept)
        self._weights = ratio.clamp(max=_SIGNAL_TO_NOISE_CAP) / (ratio + 1)

    def noised(
        self, latents: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return noised latents, the step of each, and the velocities to be found."""
        count = len(latents)
        # One step out of each equal part of the schedule: an even mix in every batch.
        uniform = (
            torch.rand(1, generator=generator, device=latents.device)
            + torch.arange(count, device=latents.device) / count
        ) % 1
        times = (uniform * NOISE_STEPS).long()
        noise = torch.randn(latents.shape, generator=generator, device=latents.device)
        signal, strength = (table[times].view(-1, 1, 1, 1) for table in (self._signal, self._noise))
        return signal * latents + strength * noise, times, signal * noise - strength * latents

    def loss(self, found: torch.Tensor, velocity: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """Return the weighted mean squared error; 1 is what knowing nothing gives."""
        weights = self._weights[times]
        return ((found.float() - velocity).square().mean((1, 2, 3)) * weights).sum() / weights.sum()


class Examples:
    """Latents with caption states, by step; the same for a step whenever it is run.

    Args:
        settings: Of the run.
        pictures: The data set.
        folder: Of the run: holds what is cached.
        device: Where the batches go.
    """

    def __init__(self, settings: Settings, pictures: Pictures, folder: Path, device: Device) -> None:
        self.cache = CachedLatents(folder, settings, pictures, device)
        self._states = CachedStates(folder, settings, pictures, device)
        scenes = training_scenes(pictures.manifest, settings.data, settings.seed)
        self._captions = torch.tensor([self._states.numbers(scene.captions) for scene in scenes])
        self._seed, self._device = settings.seed, device.name
        self._on_gpu = self._states.all_rows().to(device.name) if device.is_gpu else None
        self._latents = torch.from_numpy(np.array(self.cache.latents)).to(device.name)

    def batch(self, step: int, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return latents ``[n, 4, h, w]``, caption states ``[n, 20, 384]`` and the numbers of the scenes."""
        numbers = shuffled(len(self._captions), size, self._seed, step)
        generator = generator_for(self._seed + 1, step, "cpu")
        choice = torch.randint(self._captions.shape[1], (size,), generator=generator)
        captions = self._captions[numbers, choice]
        captions[torch.rand(size, generator=generator) < _UNCAPTIONED] = 0
        states = self._on_gpu[captions.to(self._device)] if self._on_gpu is not None else self._states.rows(captions)
        return self._latents[numbers.to(self._device)].float(), states.float(), numbers


def train(settings: Settings, pictures: Pictures, folder: Path, device: Device, limit: Limit) -> bool:
    """Train, or go on; return whether all steps are done. The weights are in ``denoiser.pt``."""
    own = settings.denoiser
    examples = Examples(settings, pictures, folder, device)
    torch.manual_seed(settings.seed)
    network = build(own, latent_side(settings)).to(device.name).train()
    optimiser = torch.optim.AdamW(network.parameters(), own.learning_rate, betas=(0.9, 0.99), weight_decay=0.01)
    averaged = Averaged(network, own.ema)
    belongs_to = digest(_shape(own), examples.cache.digest)
    run = Run(NAME, folder, belongs_to, {"network": network, "optimiser": optimiser}, averaged)
    objective = Objective(device.name)

    def step(number: int) -> torch.Tensor:
        latents, states, _ = examples.batch(number, own.batch)
        noised, times, velocity = objective.noised(latents, generator_for(settings.seed, number, device.name))
        with device.precision():
            found = network(noised, times, states).sample
        loss = objective.loss(found, velocity, times)
        for group in optimiser.param_groups:
            group["lr"] = warmed(own.learning_rate, number, run.progress, _WARM_STEPS)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        averaged.follow(network, number)
        return loss

    return run.steps(own.steps, own.batch, limit, step)


def load(settings: Settings, folder: Path) -> Any:
    """Return the moving average of the trained denoiser."""
    path = folder / f"{NAME}.pt"
    if not path.is_file():
        raise SystemExit(f"There is no denoiser in {folder}: train it first")
    state = torch.load(path, map_location="cpu", weights_only=True)
    network = build(settings.denoiser, latent_side(settings))
    network.load_state_dict(state["averaged"])
    return network.requires_grad_(False).train(False)


def latent_side(settings: Settings) -> int:
    """Return the side of the latents."""
    return settings.data.side // 2 ** (len(settings.autoencoder.channels) - 1)


def _shape(own: DenoiserSettings) -> list[Any]:
    return [own.channels, own.cross_attention, own.layers, own.head_size, own.batch, TOKENS]
