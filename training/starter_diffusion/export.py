"""Writes a trained run, or its results from another machine, as a checkpoint folder in diffusers' layout."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.starter_diffusion import autoencoder, control, denoiser, pieces, pipeline, vocabulary
from training.starter_diffusion.configuration import read_settings
from training.starter_diffusion.pictures import Pictures
from training.starter_diffusion.text_states import TextEncoder, starter_folder


def main() -> None:
    """Read the command line, export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("settings", type=Path, help="narrow.toml or wide.toml")
    parser.add_argument("data", type=Path, help="the packed data set")
    parser.add_argument("folder", type=Path, help="of the run, or with the files of --results")
    parser.add_argument("checkpoint", type=Path, help="the folder to write")
    arguments = parser.parse_args()
    export(arguments.settings, arguments.data, arguments.folder, arguments.checkpoint)


def export(settings_path: Path, data: Path, folder: Path, checkpoint: Path) -> None:
    """Write the checkpoint with its ControlNet and the list of the things that it knows; print the sizes."""
    settings, pictures = read_settings(settings_path), Pictures(data)
    if any(folder.glob("weights.safetensors.*")):
        vae, unet, network = pieces.read(folder, settings)
    else:
        vae = autoencoder.load(settings, pictures, folder)
        unet, network = denoiser.load(settings, folder), control.load(settings, folder)
    pipeline.export(checkpoint, pipeline.assemble(vae, unet, TextEncoder(starter_folder())), network)
    vocabulary.write(checkpoint, pictures.manifest, settings)
    for part, size in pipeline.sizes(checkpoint).items():
        print(f"{part}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
