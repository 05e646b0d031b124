"""The ControlNet: makes the denoiser follow the edges of a picture. A `ControlNetModel` of diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from training.starter_diffusion import denoiser
from training.starter_diffusion.configuration import ControlSettings, Settings, digest
from training.starter_diffusion.denoiser import Examples, Objective
from training.starter_diffusion.devices import Device
from training.starter_diffusion.latents import unpack_edges
from training.starter_diffusion.pictures import Pictures
from training.starter_diffusion.run_state import Averaged, Limit, Run, generator_for, warmed, weights_digest

NAME = "control"
_WARM_STEPS = 200


def build(base: Any, settings: ControlSettings) -> Any:
    """Return a ControlNet that begins as a copy of the denoiser's first half, and without effect."""
    from diffusers import ControlNetModel

    return ControlNetModel.from_unet(base, conditioning_embedding_out_channels=tuple(settings.hint_channels))


def train(settings: Settings, pictures: Pictures, folder: Path, device: Device, limit: Limit) -> bool:
    """Train on the present denoiser, or go on; return whether all steps are done."""
    own = settings.control
    examples = Examples(settings, pictures, folder, device)
    torch.manual_seed(settings.seed)
    base = denoiser.load(settings, folder).to(device.name)
    network = build(base, own).to(device.name).train()
    optimiser = torch.optim.AdamW(network.parameters(), own.learning_rate, betas=(0.9, 0.99), weight_decay=0.01)
    averaged = Averaged(network, own.ema)
    belongs_to = digest(own.hint_channels, own.batch, weights_digest(base))
    run = Run(NAME, folder, belongs_to, {"network": network, "optimiser": optimiser}, averaged)
    objective = Objective(device.name)

    def step(number: int) -> torch.Tensor:
        latents, states, scenes = examples.batch(number, own.batch)
        edges = unpack_edges(examples.cache.edges[scenes.numpy()]).to(device.name)
        noised, times, velocity = objective.noised(latents, generator_for(settings.seed, number, device.name))
        with device.precision():
            down, middle = network(noised, times, states, controlnet_cond=edges, return_dict=False)
            found = base(
                noised,
                times,
                states,
                down_block_additional_residuals=down,
                mid_block_additional_residual=middle,
            ).sample
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
    """Return the moving average of the trained ControlNet, or None if there is none."""
    path = folder / f"{NAME}.pt"
    if not path.is_file():
        return None
    network = build(denoiser.build(settings.denoiser, denoiser.latent_side(settings)), settings.control)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["averaged"])
    return network.requires_grad_(False).train(False)
