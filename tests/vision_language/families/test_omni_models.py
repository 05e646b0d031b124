"""ImageQA and LLaVA on tiny models that see and hear, held against transformers' own code on the same files."""

from __future__ import annotations

import io
import json
import shutil
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from safetensors import safe_open

from sensorium import ImageQA, LLaVA
from sensorium.errors import InputError, InsufficientMemoryError, ModelUnavailableError, UnsupportedError
from sensorium.media.audio import read_audio
from sensorium.media.audio_writer import write_audio
from sensorium.models import device
from sensorium.models.memory import weights_memory
from tests import real_media
from tests.checkpoints.omni import tiny_gemma_4, tiny_qwen_omni
from tests.omni_reference import library_inputs, written_by_library
from tests.refusals import refused

BUILDERS: dict[str, Callable[[Path], Path]] = {
    "gemma4": tiny_gemma_4,
    "qwen3_omni_moe": tiny_qwen_omni,
    "qwen2_5_omni": lambda folder: tiny_qwen_omni(folder, family="qwen2_5_omni"),
}
LENGTH = 16

Omni = Callable[[str], Path]


@pytest.fixture(scope="module")
def omni(tmp_path_factory: pytest.TempPathFactory) -> Omni:
    """Give the folder of a tiny checkpoint, such as ``omni("gemma4")``."""
    root = tmp_path_factory.mktemp("omni")

    def build(family: str) -> Path:
        return root / family if (root / family).is_dir() else BUILDERS[family](root / family)

    return build


@pytest.fixture(scope="module")
def recordings() -> list[Path]:
    """Give two recordings of speech."""
    return [clip.path for clip in real_media.speech_clips("en")[:2]]


def user(*parts: Any) -> dict[str, Any]:
    """Return a turn of the user: text, and pictures and recordings by their kinds."""
    kinds = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return {"role": "user", "content": kinds}


@pytest.mark.parametrize("family", BUILDERS)
def test_pictures_and_sound_equal_transformers(
    family: str,
    omni: Omni,
    pictures: list[PIL.Image.Image],
    recordings: list[Path],
    generated: list[list[list[int]]],
    parity: Callable[[str, str, str], None],
) -> None:
    folder = omni(family)
    first, second = ({"type": "audio", "audio": read_audio(path)} for path in recordings)
    see = {"type": "image", "image": pictures[0]}
    answered = {"role": "assistant", "content": [{"type": "text", "text": "A voice."}]}
    talks = [
        [user(see, "What is this?")],
        [user(first, "What is said?")],
        [user(second, "What is said?")],
        [user(see, "And this?", first, "What is said?"), answered, user("Is it the same as", second, "here?")],
    ]
    answers = []
    with LLaVA(folder) as llava:
        for talk in talks:
            theirs = written_by_library(folder, talk, length=LENGTH)
            given = [
                {**turn, "content": [_named(part, first, recordings) for part in turn["content"]]} for turn in talk
            ]
            answer = llava.chat(None, given, max_new_tokens=LENGTH)
            prompt = library_inputs(folder, talk)["input_ids"][0].tolist()
            assert generated[-1][0] == [*prompt, *theirs]
            answers.append(answer)
    assert len(set(answers)) == len(talks)  # another picture or recording gets another answer
    parity(f"LLaVA: {family}, pictures and sound", "AutoModelForMultimodalLM: its parts + generate", "token-identical")


def _named(part: Any, first: Any, recordings: list[Path]) -> Any:
    return {"type": "audio", "audio": recordings[part is not first]} if part["type"] == "audio" else part


@pytest.mark.parametrize("family", BUILDERS)
def test_questions_about_pictures_equal_transformers(
    family: str,
    omni: Omni,
    pictures: list[PIL.Image.Image],
    generated: list[list[list[int]]],
    parity: Callable[[str, str, str], None],
) -> None:
    with ImageQA(omni(family)) as image_qa:
        answers = image_qa.answer_question(pictures[:2], "What is it?")
        written = generated[-1]
        for picture, tokens in zip(pictures, written, strict=False):
            talk = [user({"type": "image", "image": picture}, "What is it?")]
            theirs = written_by_library(omni(family), talk, length=LENGTH)
            assert tokens[len(written[0]) - 128 :][: len(theirs)] == theirs
        assert answers[0] != answers[1]
    parity(f"ImageQA: {family}", "AutoModelForMultimodalLM: its parts + generate", "token-identical")


def test_the_part_that_speaks_stays_on_the_disk(omni: Omni) -> None:
    folder = omni("qwen3_omni_moe")
    (file,) = folder.glob("*.safetensors")
    with safe_open(file, "pt") as weights:
        names = list(weights.keys())
        thinking = sum(weights.get_tensor(name).nbytes for name in names if name.startswith("thinker."))
    assert any(name.startswith("talker.") for name in names)
    with LLaVA(folder) as llava:
        model: Any = llava.backend._model._model  # type: ignore[attr-defined]
        assert sum(parameter.nbytes for parameter in model.parameters()) == thinking
    assert weights_memory(folder, "thinker.") == thinking < weights_memory(folder)


def test_a_recording_longer_than_the_model_hears_at_once_is_heard_in_pieces(
    omni: Omni, recordings: list[Path], generated: list[list[list[int]]]
) -> None:
    folder = omni("gemma4")
    samples = np.resize(read_audio(recordings[0]), 60 * 16_000 + 5)
    # The last piece is too short to be heard by itself: silence follows it.
    pieces = [samples[:480_000], samples[480_000:960_000], np.pad(samples[960_000:], (0, 1595))]
    talk = [user(*({"type": "audio", "audio": piece} for piece in pieces), "What is said?")]
    with LLaVA(folder) as llava:
        file = io.BytesIO()
        with wave.open(file, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(16_000)
            sound.writeframes((samples * 32767).astype("<i2").tobytes())
        answer = llava.chat(
            None, [user({"type": "audio", "audio": file.getvalue()}, "What is said?")], max_new_tokens=4
        )
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == library_inputs(folder, talk)["input_ids"].shape[1]
    assert answer.usage.prompt_tokens > 60 * 25


def test_models_that_do_not_hear_refuse_recordings(tmp_path: Path, omni: Omni, recordings: list[Path]) -> None:
    deaf = tiny_gemma_4(tmp_path / "deaf", hears=False)
    talk = [user({"type": "audio", "audio": recordings[0]}, "What is said?")]
    with LLaVA(deaf) as llava, refused(UnsupportedError, "deaf", "recording"):
        llava.chat(None, talk)
    with LLaVA(omni("gemma4")) as llava, refused(UnsupportedError, "gemma4", "film"):
        llava.chat(None, [user({"type": "video", "video": "film.mp4"}, "What happens?")])


def test_bad_recordings_are_refused(omni: Omni, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound")
    with LLaVA(omni("qwen3_omni_moe")) as llava:
        for source, name in ((broken, "broken.wav"), (tmp_path / "none.wav", "none.wav")):
            with refused(InputError, name):
                llava.chat(None, [user({"type": "audio", "audio": source}, "What is said?")])
        with refused(InputError, "<|audio_pad|>"):
            llava.chat(None, [user("What is <|audio_pad|>?")])


@pytest.mark.parametrize("family", BUILDERS)
def test_a_recording_of_one_sample_is_heard(family: str, omni: Omni, tmp_path: Path) -> None:
    click = write_audio(np.array([0.5], np.float32), tmp_path / "click.wav", 16_000)
    with LLaVA(omni(family)) as llava:
        answer = llava.chat(None, [user({"type": "audio", "audio": click}, "What is it?")], max_new_tokens=2)
    assert answer.usage is not None


@pytest.mark.parametrize("thinker", [{}, "none", {"text_config": None}])
def test_a_checkpoint_whose_file_names_no_thinker_is_damaged(thinker: Any, omni: Omni, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(omni("qwen3_omni_moe"), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "thinker_config": thinker}))
    with refused(ModelUnavailableError, "damaged", "config.json"), LLaVA(folder):
        pass


def test_what_does_not_fit_the_context_window_is_refused(omni: Omni, recordings: list[Path]) -> None:
    with LLaVA(omni("gemma4")) as llava, refused(InputError, "gemma4", "sound", "32768"):
        llava.chat(None, [user({"type": "audio", "audio": recordings[0]}, "What?")], max_new_tokens=32_768)


def test_only_the_memory_of_what_is_opened_is_asked_for(omni: Omni, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = omni("qwen3_omni_moe")
    thinking = weights_memory(folder, "thinker.")
    monkeypatch.setattr(device, "available_memory", lambda: thinking)
    LLaVA(folder).load().close()
    monkeypatch.setattr(device, "available_memory", lambda: thinking - 1)
    with refused(InsufficientMemoryError), LLaVA(folder):
        pass
