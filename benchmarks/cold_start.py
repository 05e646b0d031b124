"""How long from Enter to the first result, for each group of commands, in a fresh process?

The floor of a command is a process that imports the same third-party modules and does nothing else: Python tells
which those are (``-X importtime``). What is above the floor is ours: reading weights, decoding, computing. The ratio
is of processor time, which other programs on the machine change least; the targets are for a quiet machine.

    python -m benchmarks.cold_start [--runs 3]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.__main__ import table as as_table
from benchmarks.measure import ProcessTime, process_time, row
from sensorium.media.audio import read_audio
from sensorium.media.video_writer import write_video
from tests.real_media import photo, speech_clips

IMPORT_ALL = """
import importlib, sys
for name in open(sys.argv[1], encoding="utf-8").read().split():
    try:
        importlib.import_module(name)
    except ImportError:
        pass
"""


TARGETS = {
    "classify": 1.0,
    "caption": 1.0,
    "ask": 1.0,
    "search": 1.2,
    "transcribe": 1.5,
    "watch": 3.5,
    "speak": 1.0,
}
"""Seconds of processor time on a quiet machine."""
FILM_SECONDS, FRAMES_PER_SECOND, SOUND_RATE = 20, 10, 16_000


def commands(folder: Path) -> dict[str, list[str | Path]]:
    """Return one short job for each command, the cheap ones first."""
    cat, film, index = photo("chelsea"), folder / "film.mp4", folder / "index"
    speech = min((clip.path for clip in speech_clips("en")), key=lambda path: path.stat().st_size)
    write_film(film, speech)
    return {
        "prompt": ["prompt", "a cat on a sofa"],
        "models": ["models", "list"],
        "doctor": ["doctor"],
        "speak": ["speak", "Good morning.", "-o", folder / "good-morning.wav"],
        "transcribe": ["transcribe", speech],
        "classify": ["classify", cat, "--labels", "cat,dog,bird,car"],
        "index": ["index", cat, film, "--to", index],
        "search": ["search", "a cat", "--index", index],
        "caption": ["caption", cat],
        "ask": ["ask", cat, "What is in the picture?"],
        "watch": ["watch", film],
    }


def write_film(path: Path, speech: Path) -> None:
    """Write a film of 20 seconds: four photographs, one after the other, and somebody who speaks at its beginning."""
    pictures = []
    for name in ("coffee", "chelsea", "rocket", "street"):
        with Image.open(photo(name)) as image:
            pictures.append(image.convert("RGB").resize((640, 480)))
    each = FILM_SECONDS * FRAMES_PER_SECOND // len(pictures)
    frames = (picture for picture in pictures for _ in range(each))
    sound = np.zeros(FILM_SECONDS * SOUND_RATE, np.float32)
    spoken = read_audio(speech, sample_rate=SOUND_RATE)[: len(sound)]
    sound[: len(spoken)] = spoken
    write_video(path, frames, FRAMES_PER_SECOND, audio=sound, sample_rate=SOUND_RATE)


def third_party_modules(command: Sequence[str | Path]) -> list[str]:
    """Return the modules that a command imports, neither Python's own nor ours, in their order."""
    traced = [sys.executable, "-X", "importtime", *command[1:]]
    done = subprocess.run(traced, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    names = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")]
    own = {*sys.stdlib_module_names, "sensorium", "__mp_main__"}
    return [name for name in names if name.partition(".")[0] not in own and name.replace(".", "").isidentifier()]


def floor(modules: list[str], folder: Path, runs: int) -> ProcessTime:
    """Return the time of a process that only imports modules."""
    listed = folder / "modules.txt"
    listed.write_text("\n".join(modules), encoding="utf-8")
    return process_time([sys.executable, "-c", IMPORT_ALL, listed], runs=runs)


def run(runs: int = 3) -> list[dict[str, Any]]:
    """Measure."""
    python = sys.executable
    bare = process_time([python, "-c", "pass"], runs=runs)
    ours = process_time([python, "-c", "import sensorium"], runs=runs)
    bare_name = f"python -c pass: {bare}"
    rows = [
        row("import sensorium", str(ours), bare_name, bare.cpu / ours.cpu, "quickest of several runs, as all below")
    ]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        jobs = {"--help": ["--help"], **commands(folder)}
        for name, arguments in jobs.items():
            command = [python, "-m", "sensorium", *arguments]
            question = f"sensorium {name}, in a fresh process"
            # An index that is there already would leave "index" nothing to do.
            prepare = partial(shutil.rmtree, folder / "index", ignore_errors=True) if name == "index" else None
            try:
                took = process_time(command, runs=runs, prepare=prepare)
            except RuntimeError as error:
                rows.append(row(question, "failed", note=str(error)))
                continue
            if prepare is not None:
                prepare()
            modules = third_party_modules(command)
            least = floor(modules, folder, runs)
            rows.append(
                row(
                    question,
                    str(took),
                    f"only importing its {len(modules)} third-party modules: {least}",
                    least.cpu / took.cpu,
                    f"target: {TARGETS[name]:.1f} s CPU" if name in TARGETS else "",
                )
            )
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_start")
    parser.add_argument("--runs", type=int, default=3)
    print(as_table(run(parser.parse_args().runs)))
