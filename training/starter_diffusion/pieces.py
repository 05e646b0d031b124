"""The trained weights in half precision, in files small enough to be carried from machine to machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.starter_diffusion import autoencoder, control, denoiser
from training.starter_diffusion.configuration import Settings
from training.starter_diffusion.pictures import Pictures

PIECE_BYTES = 16 * 2**20
_STEM = "weights.safetensors"


def write(folder: Path, settings: Settings, pictures: Pictures, run: Path) -> list[Path]:
    """Write the weights of a run and return the files."""
    from safetensors.torch import save

    parts = {
        autoencoder.NAME: autoencoder.load(settings, pictures, run),
        denoiser.NAME: denoiser.load(settings, run),
        control.NAME: control.load(settings, run),
    }
    content = save(
        {
            f"{part}.{name}": value.half().contiguous()
            for part, network in parts.items()
            if network is not None
            for name, value in network.state_dict().items()
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, start in enumerate(range(0, len(content), PIECE_BYTES)):
        files.append(folder / f"{_STEM}.{number:02}")
        files[-1].write_bytes(content[start : start + PIECE_BYTES])
    return files


def read(folder: Path, settings: Settings) -> tuple[Any, Any, Any | None]:
    """Return autoencoder, denoiser and ControlNet (None if there is none) from such files, in single precision."""
    from safetensors.torch import load

    tensors = load(b"".join(file.read_bytes() for file in sorted(folder.glob(f"{_STEM}.*"))))
    unet = denoiser.build(settings.denoiser, denoiser.latent_side(settings))
    networks = {
        autoencoder.NAME: autoencoder.build(settings.autoencoder, settings.data.side),
        denoiser.NAME: unet,
        control.NAME: control.build(unet, settings.control),
    }
    found: dict[str, Any] = {}
    for part, network in networks.items():
        own = {name.removeprefix(f"{part}."): value for name, value in tensors.items() if name.startswith(f"{part}.")}
        if own:
            network.load_state_dict({name: value.float() for name, value in own.items()})
            found[part] = network.requires_grad_(False).train(False)
    return found[autoencoder.NAME], found[denoiser.NAME], found.get(control.NAME)
