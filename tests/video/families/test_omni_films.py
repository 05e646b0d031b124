"""Films with sound for tiny models that see and hear, held against transformers' own code on the same files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from sensorium import VideoQA
from sensorium.media.audio import read_audio
from sensorium.media.video import sample_frames
from sensorium.media.video_writer import write_video
from sensorium.video.families import video_model
from tests import real_media
from tests.checkpoints.omni import tiny_gemma_4, tiny_qwen_omni
from tests.omni_reference import library_inputs, written_by_library
from tests.video.library_processors import library_inputs as library_frames

BUILDERS: dict[str, Callable[[Path], Path]] = {
    "gemma4": tiny_gemma_4,
    "qwen3_omni_moe": tiny_qwen_omni,
    "qwen2_5_omni": lambda folder: tiny_qwen_omni(folder, family="qwen2_5_omni"),
}
QUESTION = "What happens in this film?"
LENGTH = 24
SECONDS = 6


@pytest.fixture(scope="module")
def omni(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give the folder of a tiny checkpoint, such as ``omni("gemma4")``."""
    root = tmp_path_factory.mktemp("omni")

    def build(family: str) -> Path:
        return root / family if (root / family).is_dir() else BUILDERS[family](root / family)

    return build


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give three films of six seconds with the same frames: somebody speaks, somebody else speaks, no sound track."""
    folder = tmp_path_factory.mktemp("films")
    # Of a size that Qwen-Omni's processors leave as it is: Pillow and torch round differently when they resize.
    blocks = np.random.default_rng(0).integers(0, 256, (14, 14 + SECONDS * 10, 3), dtype=np.uint8)
    noise = blocks.repeat(32, axis=0).repeat(32, axis=1)
    frames = [PIL.Image.fromarray(noise[:, index * 32 :][:, :448]) for index in range(SECONDS * 10)]
    voices = [read_audio(clip.path) for clip in real_media.speech_clips("en")[:2]]
    heard = [np.resize(voice, SECONDS * 16_000) for voice in voices]
    return {
        "one": write_video(folder / "one.mp4", frames, 10, audio=heard[0], sample_rate=16_000),
        "other": write_video(folder / "other.mp4", frames, 10, audio=heard[1], sample_rate=16_000),
        "silent": write_video(folder / "silent.mp4", frames, 10),
    }


def as_library(family: str, folder: Path, film: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, dict[str, Any]]:
    """Return the conversation and the film's inputs, as the library's processors make them."""
    count = 6 if family == "gemma4" else 12
    frames = list(sample_frames(film, count, minimum_side=512))
    sound = None if film.stem == "silent" else read_audio(film, voices=True)
    text = QUESTION
    pictures = [frame.image for frame in frames]
    if family == "gemma4":
        settings = json.loads((folder / "processor_config.json").read_text())["video_processor"]
        settings = {name: settings[name] for name in ("patch_size", "max_soft_tokens", "pooling_kernel_size")}
        pixels = library_frames(family, pictures, settings, monkeypatch)
        run = "<|image>" + "<|video|>" * int(pixels.pop("num_soft_tokens_per_video")[0]) + "<image|>"
        written = " ".join(f"00:{int(frame.time):02d} {run}" for frame in frames)
    else:
        from transformers import AutoTokenizer

        factor = 32 if family == "qwen3_omni_moe" else 28
        settings = json.loads((folder / "preprocessor_config.json").read_text())
        settings["size"] = {"shortest_edge": 128 * factor**2, "longest_edge": 768 * factor**2}
        pixels = library_frames(family, pictures, settings, monkeypatch)
        pixels["video_second_per_grid"] = torch.tensor([2 * SECONDS / count])
        told = ", ".join(f"{frame.time:.1f}" for frame in frames)
        text = f"The film is 6.0 seconds long. Its {count} frames are from these seconds: {told}.\n{QUESTION}"
        tokenizer = AutoTokenizer.from_pretrained(folder)
        written = interleaved(family, tokenizer, pixels, 0 if sound is None else len(sound))
    parts: list[dict[str, Any]] = [{"type": "video"}, {"type": "text", "text": text}]
    if sound is not None and family == "gemma4":
        parts.insert(1, {"type": "audio", "audio": sound})
    shown = {"inputs": pixels, "text": written, **({} if sound is None else {"sound": sound})}
    return [{"role": "user", "content": parts}], shown


def interleaved(family: str, tokenizer: Any, pixels: dict[str, Any], samples: int) -> str:
    """Return what stands for a film of Qwen-Omni: words for its frames and its sound, in the order of time."""
    steps, rows, columns = pixels["video_grid_thw"][0].tolist()
    each = rows * columns // 4
    if not samples:
        return str(tokenizer.video_token * steps * each)
    third = family == "qwen3_omni_moe"
    frames = samples // 160
    rest = frames % 100
    heard = (((rest - 1) // 2 + 1 - 1) // 2 + 1 - 1) // 2 + 1 + frames // 100 * 13
    if not third:
        heard = ((frames - 1) // 2 + 1 - 2) // 2 + 1
    a_second = 13.0 if third else 25
    seen = [(step * a_second, 0) for step in range(steps) for _ in range(each)]
    sounds = [(float(place), 1) for place in range(heard)]
    # Qwen2.5's lie in chunks of two seconds.
    order = sorted([*seen, *sounds], key=lambda item: item if third else (item[0] // 50, item[1]))
    words = "".join((tokenizer.video_token, tokenizer.audio_token)[kind] for _, kind in order)
    return f"{tokenizer.audio_bos_token}{words}{tokenizer.audio_eos_token}"


@pytest.mark.parametrize("family", BUILDERS)
def test_a_film_with_and_without_sound_equals_transformers(
    family: str,
    omni: Callable[[str], Path],
    films: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    parity: Callable[[str, str, str], None],
) -> None:
    from transformers import AutoTokenizer, GenerationMixin

    given: dict[str, Any] = {}
    generate = GenerationMixin.generate
    monkeypatch.setattr(GenerationMixin, "generate", lambda *by, **told: given.update(told) or generate(*by, **told))
    monkeypatch.setattr(video_model, "LONGEST_ANSWER", LENGTH)
    folder = omni(family)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    answers = []
    with VideoQA(folder) as video_qa:
        for film in films.values():
            turns, shown = as_library(family, folder, film, monkeypatch)
            given.clear()
            answer = video_qa.answer_video_question(film, QUESTION)
            inputs = library_inputs(folder, turns, film=shown)
            sounds = [found.get("input_features", torch.zeros(0)) for found in (given, inputs)]
            assert torch.equal(*sounds)
            theirs = written_by_library(folder, turns, length=LENGTH, film=shown)
            text = str(tokenizer.decode(theirs, skip_special_tokens=True))
            assert answer == text.rstrip("\N{REPLACEMENT CHARACTER}").strip()
            assert answer.usage is not None
            assert answer.usage.prompt_tokens == inputs["input_ids"].shape[1]
            assert answer.warnings == ()
            answers.append(answer)
    assert answers[0] != answers[2]  # whether something is heard changes the answer
    parity(f"VideoQA: {family}, with sound", "generate on what its processors' own code gives", "token-identical")


def test_of_a_long_film_the_beginning_is_heard_and_the_answer_says_so(
    omni: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = omni("gemma4")
    monkeypatch.setattr(video_model, "LONGEST_ANSWER", 4)
    black = PIL.Image.new("RGB", (64, 48))
    voice = np.resize(read_audio(real_media.speech_clips("en")[0].path), 400 * 16_000)
    film = write_video(tmp_path / "long.mp4", [black] * 400, 1, audio=voice, sample_rate=16_000)
    with VideoQA(folder, num_frames=4) as video_qa:
        answer = video_qa.answer_video_question(film, QUESTION)
    (warning,) = answer.warnings
    assert "05:2" in warning  # a quarter of 32768 tokens, at 25 a second
    assert answer.usage is not None
    assert 8_000 < answer.usage.prompt_tokens < 9_200
