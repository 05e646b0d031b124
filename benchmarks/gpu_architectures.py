"""On a GPU: the time of a denoising step, of a generated token and the like at real size, and the memory at most.

Our tasks against plain calls of diffusers and transformers as their documentation and the chapter make them, on the
same checkpoints, in the same run: architectures of real size with random weights, in the hub's layout, in half
precision. Time is what further steps or tokens add, so that loading, text encoders and the decoder of pictures don't
count; memory is what torch took at most, from loading to the end.

    python -m benchmarks.gpu_architectures                          # needs an NVIDIA GPU, 20 GB of disk for LLaVA
    python -m benchmarks.gpu_architectures --only stable-diffusion
    python -m benchmarks.gpu_architectures --size tiny --device cpu   # shows that it runs, measures nothing of interest

Whisper isn't here: it runs in CTranslate2, and with random weights it falls from one temperature into the next.
``transcription.py`` measures it with real ones.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.__main__ import table
from benchmarks.architectures.diarization import nemotron_diarization
from benchmarks.architectures.image_chat import llava, qwen_3_5
from benchmarks.architectures.omni_chat import gemma_4
from benchmarks.architectures.one_space import embedding_gemma_2
from benchmarks.architectures.painting import flux_2_klein, stable_diffusion, stable_diffusion_xl
from benchmarks.architectures.segmentation import eomt
from benchmarks.architectures.speech_recognition import parakeet
from benchmarks.architectures.voices import phonon
from benchmarks.measure import machine

ARCHITECTURES = {
    "stable-diffusion": stable_diffusion,
    "stable-diffusion-xl": stable_diffusion_xl,
    "flux-2-klein": flux_2_klein,
    "llava": llava,
    "gemma-4": gemma_4,
    "qwen-3.5": qwen_3_5,
    "eomt": eomt,
    "phonon": phonon,
    "embedding-gemma-2": embedding_gemma_2,
    "parakeet": parakeet,
    "nemotron-diarization": nemotron_diarization,
}


def measure(size: str, device: str, only: str | None = None) -> list[dict[str, Any]]:
    """Return the rows of the table.

    Args:
        size: ``"real"`` or ``"tiny"``.
        device: ``"cuda"``, or ``"cpu"`` for ``"tiny"``.
        only: One of `ARCHITECTURES`; None for all.
    """
    rows = []
    for name in [only] if only else ARCHITECTURES:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(ARCHITECTURES[name](size, device, Path(folder) / name))
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_architectures", description=__doc__.split("\n")[0])
    parser.add_argument("--size", choices=("real", "tiny"), default="real")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", choices=tuple(ARCHITECTURES))
    options = parser.parse_args(arguments)
    import torch

    if options.size == "real" and not torch.cuda.is_available():
        print("This benchmark needs an NVIDIA GPU that torch can use, and there is none.", file=sys.stderr)
        return 1
    print(torch.cuda.get_device_name() if torch.cuda.is_available() else machine(), flush=True)
    print(table(measure(options.size, options.device, options.only)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
