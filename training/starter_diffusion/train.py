"""Trains one stage, or all in a given time. Each stage goes on where it stopped."""

from __future__ import annotations

import argparse
import signal
import time
from pathlib import Path

from training.starter_diffusion import autoencoder, control, denoiser, pieces
from training.starter_diffusion.configuration import Settings, read_settings
from training.starter_diffusion.devices import Device
from training.starter_diffusion.pictures import Pictures
from training.starter_diffusion.run_state import STOP, Limit

STAGES = {
    autoencoder.NAME: autoencoder.train,
    denoiser.NAME: denoiser.train,
    control.NAME: control.train,
    autoencoder.DECODER_NAME: autoencoder.train_decoder,
}
SHARES = {autoencoder.NAME: 0.15, denoiser.NAME: 0.58, control.NAME: 0.16, autoencoder.DECODER_NAME: 0.08}
"""The parts of the time that the stages may take; the rest is for writing the results."""

_SECONDS = "stop after this time: one stage, to go on later; all, brought to an end in it"


def main() -> None:
    """Read the command line, train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=[*STAGES, "all"])
    parser.add_argument("settings", type=Path, help="narrow.toml or wide.toml")
    parser.add_argument("data", type=Path, help="the packed data set")
    parser.add_argument("folder", type=Path, help="for states, caches and the log")
    parser.add_argument(
        "--seconds",
        type=float,
        default=float("inf"),
        help="stop after this time; a single stage can go on later, all of them are brought to an end in it",
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, or auto (the default)")
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    parser.add_argument(
        "--bfloat16",
        action="store_true",
        help="on a processor too: faster where it multiplies bfloat16 (lscpu says so)",
    )
    parser.add_argument("--results", type=Path, help="write the weights here, in files of at most 16 MiB")
    arguments = parser.parse_args()
    settings, pictures = read_settings(arguments.settings), Pictures(arguments.data)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    device = Device(arguments.device, arguments.threads, arguments.bfloat16)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: STOP.set())
    begun = time.monotonic()
    if arguments.stage == "all":
        train_all(settings, pictures, arguments.folder, device, arguments.seconds)
    else:
        STAGES[arguments.stage](settings, pictures, arguments.folder, device, Limit(begun + arguments.seconds))
    if arguments.results is not None:
        pieces.write(arguments.results, settings, pictures, arguments.folder)


def train_all(settings: Settings, pictures: Pictures, folder: Path, device: Device, seconds: float) -> None:
    """Train every stage in its share of the time; what a stage doesn't need goes to the later ones."""
    begun = time.monotonic()
    share = 0.0
    for name, train in STAGES.items():
        share += SHARES[name]
        train(settings, pictures, folder, device, Limit(begun + seconds * share, final=True))
        if STOP.is_set():
            return


if __name__ == "__main__":
    main()
