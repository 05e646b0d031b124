"""Models that see and hear as recognisers, held against the library's own classes asked in the same words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from sensorium import LLaVA, SpeechToText
from sensorium.errors import UnsupportedError
from sensorium.media.audio import read_audio
from sensorium.models.loaded import Shared
from sensorium.speech.families.omni_recogniser import OmniRecogniser
from sensorium.speech.recogniser import Told
from sensorium.vision_language.families.image_text_model import ImageTextModel
from tests import real_media
from tests.checkpoints.omni import tiny_gemma_4, tiny_qwen_omni
from tests.omni_reference import written_by_library
from tests.refusals import refused

FAMILIES: dict[str, Callable[[Path], Path]] = {
    "gemma4": tiny_gemma_4,
    "qwen3_omni_moe": tiny_qwen_omni,
    "qwen2_5_omni": lambda folder: tiny_qwen_omni(folder, family="qwen2_5_omni"),
}
_ENGLISH = {
    "gemma4": "Transcribe the following speech segment in English into English text.\n\nFollow these specific "
    "instructions for formatting the answer:\n* Only output the transcription, with no newlines.\n* When transcribing "
    "numbers, write the digits, i.e. write 1.7 and not one point seven, and write 3 instead of three.",
    **dict.fromkeys(("qwen3_omni_moe", "qwen2_5_omni"), "Transcribe the English audio into text."),
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], SpeechToText]]:
    """Takes a family, and returns a recogniser with such a checkpoint; each is built once."""
    home = tmp_path_factory.mktemp("omni")
    found: dict[str, SpeechToText] = {}

    def recogniser(family: str) -> SpeechToText:
        if family not in found:
            found[family] = SpeechToText(FAMILIES[family](home / family), device="cpu").load()
        return found[family]

    yield recogniser
    for each in found.values():
        each.close()


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read_audio(real_media.speech_clips("en")[0].path)[: 3 * 16_000]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_text_is_that_of_transformers(
    family: str,
    opened: Callable[[str], SpeechToText],
    speech: np.ndarray,
    parity: Callable[[str, str, str], None],
) -> None:
    from transformers import AutoTokenizer

    folder = Path(opened(family).checkpoint.folder)
    sound, words = {"type": "audio", "audio": speech}, {"type": "text", "text": _ENGLISH[family]}
    theirs = written_by_library(folder, [{"role": "user", "content": [sound, words]}], length=112)
    text = AutoTokenizer.from_pretrained(folder).decode(theirs, skip_special_tokens=True)
    with opened(family).lease() as backend:
        ours, shorter = backend.recognise(
            backend.encode([speech, speech[:24_000]]), Told("en"), needs_words=lambda number, text: False
        )
    assert ours.text == " ".join(text.rstrip("\N{REPLACEMENT CHARACTER}").split())
    assert len(ours.text) > 2
    assert ours.text != shorter.text
    assert ours.average_log_probability < 0
    parity(f"{family} (speech-to-text)", "AutoModelForMultimodalLM: its parts + generate", "the same text")


def test_a_recording_is_written_down_with_times(opened: Callable[[str], SpeechToText]) -> None:
    clip = real_media.speech_clips("en")[0].path
    written = opened("qwen3_omni_moe").transcribe(clip, "en", word_timestamps=True)
    assert written.text
    assert written.language == "en"
    assert written.segments[0].words
    assert 0 <= written.segments[0].start < written.segments[-1].end <= written.duration
    assert opened("qwen3_omni_moe").transcribe(np.zeros(32_000, np.float32), "en").text == ""


def test_the_translation_is_what_stands_after_the_transcription(
    opened: Callable[[str], SpeechToText], speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    recogniser = opened("gemma4")
    assert recogniser.transcribe(speech, "de", "translate").task == "translate"
    with recogniser.lease() as backend:
        assert isinstance(backend, OmniRecogniser)
        asked = backend.request(Told("de", "translate"))
        assert asked.count("German") == 2
        assert "English: " in asked
        assert backend._said("Guten\nTag.\nEnglish: Good day.", Told("de", "translate")) == "Good day."
        assert backend._said("He said:\nEnglish: yes", Told("en")) == "He said: English: yes"
        assert "original language" in backend.request(Told(""))


def test_a_process_holds_the_weights_once(opened: Callable[[str], SpeechToText]) -> None:
    folder = opened("gemma4").checkpoint.folder
    with LLaVA(folder, device="cpu"):
        held = [
            key for key in Shared._entries if key[0] is ImageTextModel and str(key[1]) == str(Path(folder).resolve())
        ]  # type: ignore[index]
        assert len(held) == 1


def test_models_that_do_not_hear_are_no_recognisers(tmp_path: Path) -> None:
    with refused(UnsupportedError, "gemma4", "image-chat"), SpeechToText(tiny_gemma_4(tmp_path / "deaf", hears=False)):
        pass
    mute = tiny_qwen_omni(tmp_path / "mute")
    (mute / "chat_template.json").unlink()
    with refused(UnsupportedError, "mute", "qwen3_omni_moe"), SpeechToText(mute):
        pass
