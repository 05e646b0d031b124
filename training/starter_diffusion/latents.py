"""All scenes as latents, with their edges for the ControlNet: computed once and kept."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from training.starter_diffusion import autoencoder
from training.starter_diffusion.configuration import Settings
from training.starter_diffusion.devices import Device
from training.starter_diffusion.pictures import Pictures
from training.starter_diffusion.run_state import weights_digest
from training.starter_diffusion.scenes import render, training_scenes

CANNY = (100, 200)
"""OpenCV's thresholds. As in `sensorium`'s canny maps, edges are found in the colour picture."""

_BATCH = 64


class CachedLatents:
    """Latents and edges in files that are read where needed.

    Attributes:
        latents: float16 ``[n, 4, h, w]``.
        edges: uint8, eight pixels to a byte, ``[n, side, side / 8]``.

    Args:
        folder: Of the run; the files are made if they aren't there or belong to another autoencoder.
        settings: Decide the scenes.
        pictures: Likewise.
        device: Where the autoencoder runs.
    """

    def __init__(self, folder: Path, settings: Settings, pictures: Pictures, device: Device) -> None:
        network = autoencoder.load(settings, pictures, folder)
        belongs_to = f"{autoencoder.settings_digest(settings, pictures)} {weights_digest(network.encoder)}"
        index = folder / "latents.json"
        names = ("latents.npy", "edges.npy")
        made = index.is_file() and json.loads(index.read_text(encoding="utf-8")) == belongs_to
        if not made or not all((folder / name).is_file() for name in names):
            _write(folder, names, network, settings, pictures, device)
            index.write_text(json.dumps(belongs_to), encoding="utf-8")
        self.latents, self.edges = (np.load(folder / name, mmap_mode="r") for name in names)
        self.digest = hashlib.sha256(belongs_to.encode()).hexdigest()[:16]


def canny(pixels: np.ndarray) -> np.ndarray:
    """Return the edges of uint8 ``[side, side, 3]`` as uint8 ``[side, side]``, 0 or 255."""
    return cv2.Canny(pixels, *CANNY)


def unpack_edges(packed: np.ndarray) -> torch.Tensor:
    """Turn packed edges ``[n, side, side / 8]`` into what a ControlNet takes, float32 ``[n, 3, side, side]``."""
    bits = torch.from_numpy(np.unpackbits(packed, axis=-1)).float()
    return bits.unsqueeze(1).expand(-1, 3, -1, -1)


def _write(
    folder: Path, names: tuple[str, str], network: Any, settings: Settings, pictures: Pictures, device: Device
) -> None:
    scenes, side = training_scenes(pictures.manifest, settings.data, settings.seed), settings.data.side
    small = side // 2 ** (len(settings.autoencoder.channels) - 1)
    shapes = ((len(scenes), autoencoder.LATENT_CHANNELS, small, small), (len(scenes), side, side // 8))
    partials = [folder / f"{name}.partial" for name in names]
    latents, edges = (
        np.lib.format.open_memmap(partial, mode="w+", dtype=kind, shape=shape)
        for partial, kind, shape in zip(partials, (np.float16, np.uint8), shapes, strict=True)
    )
    network = network.to(device.name)

    def rendered(batch: int) -> torch.Tensor:
        chosen = scenes[batch * _BATCH : (batch + 1) * _BATCH]
        return (
            torch.from_numpy(np.stack([render(scene, pictures, side) for scene in chosen]))
            if chosen
            else (torch.empty(0))
        )

    source = device.prefetched(rendered, 0)
    for number in range(-(-len(scenes) // _BATCH)):
        pixels = source(number).numpy()
        where = slice(number * _BATCH, number * _BATCH + len(pixels))
        with torch.no_grad():
            latents[where] = network.encode(autoencoder.to_tensor(pixels).to(device.name)).latent_dist.mean.cpu()
        edges[where] = np.packbits(np.stack([canny(image) > 0 for image in pixels]), axis=-1)
    for array, partial, name in zip((latents, edges), partials, names, strict=True):
        array.flush()
        partial.replace(folder / name)
