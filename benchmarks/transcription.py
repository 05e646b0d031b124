"""Speech recognition side by side: the same recordings, the same weights, one process for each contender.

    python -m benchmarks.transcription

openai-whisper gets an environment of its own in the cache, because it isn't needed otherwise; torch is shared with
the present environment, so that both compute with the same build.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import sensorium
from benchmarks.measure import cache_folder, row
from benchmarks.whisper_weights import write_for_openai, write_for_transformers
from sensorium.media.audio import read_audio
from sensorium.models import catalog, store
from sensorium.threads import thread_count

_ROOT = Path(__file__).parents[1]
_SAMPLE_RATE = 16_000
_LANGUAGES = ("en", "es", "fr", "it", "ru")
_ROUNDS = 2
_LONG = "recorded speech in five files"
_SHORT = "recorded speech in short clips"
_PEERS = {
    "faster-whisper": "WhisperModel.transcribe as it comes, int8",
    "faster-whisper batched": "BatchedInferencePipeline as it comes, int8",
    "transformers": "pipeline with chunks of 30 s, float32, greedy",
    "openai-whisper": "transcribe as it comes, float32, greedy",
}

_TEXT_ONLY = "faster-whisper batched"
"""It tells the times of stretches of up to 30 s and not of sentences; ours that does the same is measured beside it."""

Recognise = Callable[[np.ndarray, str], str]


def run() -> list[dict[str, Any]]:
    """Time every contender on long recordings and on short clips; the ratio is over 1 where ours is faster."""
    return list(_rows(list(_PEERS), _ROUNDS))


def _rows(peers: list[str], rounds: int) -> Iterator[dict[str, Any]]:
    sentences = _measure("sensorium", sys.executable, rounds)
    text = _measure("sensorium text", sys.executable, rounds) if _TEXT_ONLY in peers else sentences
    contenders = [("", sentences, peer) for peer in peers]
    if _TEXT_ONLY in peers:
        contenders.append((", without times of sentences", text, _TEXT_ONLY))
    measured: dict[str, dict[str, Any]] = {}
    for how, ours, peer in contenders:
        interpreter = sys.executable
        if peer == "openai-whisper":
            try:
                interpreter = str(_openai_environment())
            except subprocess.CalledProcessError:
                yield row("Speech to text", _time(ours, _LONG), note=f"{peer} can't be installed here")
                continue
        theirs = measured[peer] = measured.get(peer) or _measure(peer, interpreter, rounds)
        for kind in (_LONG, _SHORT):
            mine, other = ours[kind], theirs[kind]
            errors = f"word error rate {mine['errors']:.3f} against {other['errors']:.3f}"
            work = f"processor time {mine['cpu']:.1f} s against {other['cpu']:.1f} s"
            yield row(
                f"Speech to text, Whisper base, {mine['seconds']:.0f} s of {kind}{how}",
                _time(ours, kind),
                f"{peer} {_time(theirs, kind)}",
                other["wall"] / mine["wall"],
                f"{errors}; {work}; peer: {_PEERS[peer]}",
            )


def _time(measured: dict[str, Any], kind: str) -> str:
    return f"{measured[kind]['wall']:.1f} s"


def _measure(contender: str, interpreter: str, rounds: int) -> dict[str, Any]:
    # Another environment doesn't find an editable installation by itself.
    sources = os.pathsep.join([str(_ROOT), str(Path(sensorium.__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": sources, "OMP_NUM_THREADS": str(thread_count())}
    command = [interpreter, "-m", "benchmarks.transcription", "--contender", contender, "--rounds", str(rounds)]
    done = subprocess.run(command, cwd=_ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _compete(contender: str, rounds: int) -> dict[str, Any]:
    """Run in a process of its own: load, warm up, time the best of the rounds."""
    recognise = {
        "sensorium": _sensorium,
        "sensorium text": _sensorium_text,
        "faster-whisper": _faster_whisper,
        "faster-whisper batched": _faster_whisper_batched,
        "transformers": _transformers,
        "openai-whisper": _openai_whisper,
    }[contender]()
    measured = {}
    for question, recordings in _recordings().items():
        recognise(recordings[0][0][: 5 * _SAMPLE_RATE], recordings[0][1])
        wall, cpu, texts = [], [], [""]
        for _ in range(rounds):
            began, worked = time.perf_counter(), time.process_time()
            texts = [recognise(samples, language) for samples, language, _ in recordings]
            wall.append(time.perf_counter() - began)
            cpu.append(time.process_time() - worked)
        measured[question] = {
            "seconds": sum(len(samples) for samples, _, _ in recordings) / _SAMPLE_RATE,
            "wall": min(wall),
            "cpu": min(cpu),
            "errors": _word_error_rate([reference for _, _, reference in recordings], texts),
            "texts": texts,
        }
    return measured


def _recordings() -> dict[str, list[tuple[np.ndarray, str, str]]]:
    """Return recordings of humans with their language and reference: long ones, and short clips."""
    from tests.real_media import speech_clips

    pause = np.zeros(int(1.2 * _SAMPLE_RATE), np.float32)
    long, short = [], []
    for language in _LANGUAGES:
        clips = [(read_audio(clip.path), clip.text) for clip in speech_clips(language)]
        joined = np.concatenate([part for samples, _ in clips for part in (samples, pause)])
        long.append((joined, language, " ".join(text for _, text in clips)))
        short += [(samples, language, text) for samples, text in clips if len(samples) < 10 * _SAMPLE_RATE]
    return {_LONG: long, _SHORT: short}


def _word_error_rate(references: Iterable[str], texts: Iterable[str]) -> float:
    import jiwer

    from tests.speech.conftest import words_of

    rate: float = jiwer.wer([words_of(text) for text in references], [words_of(text) or "∅" for text in texts])
    return rate


def _starter() -> Path:
    return store.locate(catalog.resolve("base", task="speech-to-text"))


def _sensorium() -> Recognise:
    from sensorium.speech.speech_to_text import SpeechToText

    recogniser = SpeechToText("base").load()
    return lambda samples, language: recogniser.transcribe(samples, language).text


def _sensorium_text() -> Recognise:
    from sensorium.speech.speech_to_text import SpeechToText

    recogniser = SpeechToText("base").load()
    return lambda samples, language: recogniser.transcribe(samples, language, segment_timestamps=False).text


def _faster_whisper() -> Recognise:
    from faster_whisper import WhisperModel

    model = WhisperModel(str(_starter()), device="cpu", compute_type="int8", cpu_threads=thread_count())

    def recognise(samples: np.ndarray, language: str) -> str:
        return "".join(segment.text for segment in model.transcribe(samples, language=language)[0])

    return recognise


def _faster_whisper_batched() -> Recognise:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    model = WhisperModel(str(_starter()), device="cpu", compute_type="int8", cpu_threads=thread_count())
    batched = BatchedInferencePipeline(model)

    def recognise(samples: np.ndarray, language: str) -> str:
        return "".join(segment.text for segment in batched.transcribe(samples, language=language)[0])

    return recognise


def _transformers() -> Recognise:
    import torch
    from transformers import pipeline

    torch.set_num_threads(thread_count())
    folder = cache_folder("transcription") / "whisper-base-transformers"
    if not folder.is_dir():
        write_for_transformers(_starter(), folder)
    recogniser = pipeline("automatic-speech-recognition", model=str(folder), chunk_length_s=30)

    def recognise(samples: np.ndarray, language: str) -> str:
        # The pipeline takes what it is given apart, so that it needs a dict of its own each time.
        said = {"raw": samples, "sampling_rate": _SAMPLE_RATE}
        return str(recogniser(said, generate_kwargs={"language": language, "task": "transcribe"})["text"])

    return recognise


def _openai_whisper() -> Recognise:
    import torch
    import whisper

    torch.set_num_threads(thread_count())
    path = cache_folder("transcription") / "whisper-base-openai.pt"
    if not path.is_file():
        write_for_openai(_starter(), path)
    model = whisper.load_model(str(path), device="cpu")

    def recognise(samples: np.ndarray, language: str) -> str:
        return str(model.transcribe(samples, language=language, fp16=False)["text"])

    return recognise


def _openai_environment() -> Path:
    """Return the interpreter of openai-whisper's own environment, made at the first call."""
    folder = cache_folder("transcription") / "openai-whisper"
    interpreter = folder / "bin" / "python"
    if not (folder / "ready").is_file():
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(interpreter), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--no-deps", "openai-whisper==20250625"], check=True)
        subprocess.run([*pip, "numba", "tiktoken", "more-itertools", "tqdm"], check=True)
        (site,) = (folder / "lib").glob("python3.*/site-packages")
        (site / "present-environment.pth").write_text("\n".join(path for path in sys.path if "site-packages" in path))
        (folder / "ready").touch()
    return interpreter


def main() -> None:
    """Print the comparisons, or run one contender for another process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", action="append", choices=list(_PEERS), help="only this one; may be repeated")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="how often each is timed; the best counts")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        print(json.dumps(_compete(options.contender, options.rounds), ensure_ascii=False))
        return
    for found in _rows(options.peer or list(_PEERS), options.rounds):
        ratio = "" if found["ratio"] is None else f"{found['ratio']:.2f}"
        print(" | ".join([found["question"], found["ours"], found["peer"], ratio, found["note"]]), flush=True)


if __name__ == "__main__":
    main()
