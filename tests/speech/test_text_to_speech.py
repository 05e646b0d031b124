"""Speech synthesis with the starter voice: what it says is heard again by the recogniser."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import av
import jiwer
import numpy as np
import pytest

from sensorium.errors import CancelledError, InputError, UnsupportedError
from sensorium.media.audio import probe_audio
from sensorium.progress import Progress
from sensorium.speech.speech_to_text import SpeechToText
from sensorium.speech.text_to_speech import TextToSpeech
from tests.memory import PEAK_MEMORY
from tests.speech.conftest import words_of

STORY = (
    "The old clock in the hall had stopped on a Tuesday. Nobody in the house knew why, "
    "although everyone had an opinion. Doctor Brown said it was the cold weather. "
    "My grandmother, who never guessed, opened the door and took out a mouse."
)


def test_what_is_spoken_is_understood(
    voice: TextToSpeech, recogniser: SpeechToText, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    path = voice.synthesize(STORY, tmp_path / "story.wav", seed=1)
    heard = recogniser.transcribe(path, "en").text
    rate = jiwer.wer(words_of(STORY), words_of(heard).replace("dr ", "doctor "))
    measured(f"hibari, spoken and heard again by whisper-base: word error rate {rate:.3f}")
    assert rate <= 0.06


def test_each_format_opens_and_lasts_as_long(voice: TextToSpeech, tmp_path: Path) -> None:
    text = "Hello, this is a text-to-speech example."
    spoken = sum(len(chunk.samples) / chunk.sample_rate for chunk in voice.stream(text, seed=1))
    for suffix, codec in {"wav": "pcm_s16le", "flac": "flac", "mp3": "mp3", "opus": "opus"}.items():
        path = voice.synthesize(text, tmp_path / f"hello.{suffix}", seed=1)
        assert path == str(tmp_path / f"hello.{suffix}")
        info = probe_audio(path)
        assert codec in info.codec
        assert info.channels == 1
        assert info.duration == pytest.approx(spoken, abs=0.1)
        with av.open(path) as container:
            tags = {**container.metadata, **container.streams.audio[0].metadata}
        comment = {key.lower(): value for key, value in tags.items()}["comment"]
        assert "Generated speech" in comment
        assert "hibari" in comment
        assert "seed 1" in comment


def test_speed_changes_the_length(voice: TextToSpeech) -> None:
    lengths = [
        sum(len(chunk.samples) for chunk in voice.stream("Hello there, my old friend.", speed=speed, seed=1))
        for speed in (0.5, 1.0, 2.0)
    ]
    assert lengths[0] > 1.6 * lengths[1] > 1.6 * 1.6 * lengths[2]


def test_the_same_seed_gives_the_same_samples(voice: TextToSpeech) -> None:
    def samples(seed: int | None) -> np.ndarray:
        return np.concatenate([chunk.samples for chunk in voice.stream("One. Two.", seed=seed)])

    assert np.array_equal(samples(7), samples(7))
    assert not np.array_equal(samples(7), samples(8))
    assert samples(7).dtype == np.float32
    assert np.abs(samples(7)).max() <= 1.0


def test_sentences_come_one_by_one_with_their_places(voice: TextToSpeech) -> None:
    reports: list[Progress] = []
    chunks = list(voice.stream("Dr. Smith is in. He waits.\n\nCome soon!", seed=1, progress=reports.append))
    assert [chunk.text for chunk in chunks] == ["Doctor Smith is in.", "He waits.", "Come soon!"]
    ends = [chunk.start + len(chunk.samples) / chunk.sample_rate for chunk in chunks]
    assert [chunk.start for chunk in chunks] == pytest.approx([0.0, *ends[:-1]])
    assert reports[-1].done == reports[-1].total


_BOOK = (
    PEAK_MEMORY
    + """
import json
from sensorium.speech.text_to_speech import TextToSpeech

voice = TextToSpeech()
page = "It was a long and quiet afternoon, and nobody came. The cat slept on the chair beside the window. "
unbroken = "and then and then and then " * 12
for chunk in voice.stream((page + unbroken) * 2, seed=1):
    pass
before = peak_memory()
seconds = 0.0
for chunk in voice.stream((page + unbroken) * 12, seed=1):
    seconds += len(chunk.samples) / chunk.sample_rate
print(json.dumps({"before": before, "after": peak_memory(), "seconds": seconds}))
"""
)


def test_a_long_text_takes_no_more_memory_than_a_page() -> None:
    found = json.loads(subprocess.run([sys.executable, "-c", _BOOK], check=True, capture_output=True, text=True).stdout)
    assert found["seconds"] > 250
    assert found["after"] - found["before"] < 60


def test_a_text_without_sentences_is_spoken_in_parts(voice: TextToSpeech) -> None:
    chunks = list(voice.stream("word " * 300, seed=1))
    assert len(chunks) > 2
    assert sum(chunk.text.count("word") for chunk in chunks) == 300
    assert max(len(chunk.samples) / chunk.sample_rate for chunk in chunks) < 40


def test_numbers_and_a_very_long_word_are_spoken(voice: TextToSpeech) -> None:
    assert sum(len(chunk.samples) for chunk in voice.stream("7" * 200, seed=1)) > 24000 * 10
    assert sum(len(chunk.samples) for chunk in voice.stream("ba" * 500, seed=1)) > 24000 * 10


@pytest.mark.parametrize("text", ["", " \n\t ", "...!?", "😀 🎉", "\x00\x07"])
def test_a_text_without_words_is_refused(voice: TextToSpeech, text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no words"):
        voice.synthesize(text, tmp_path / "a.wav")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("你好，世界", "Chinese"),
        ("こんにちは", "Japanese"),
        ("안녕하세요", "Korean"),
        ("Привет, мир", "Cyrillic"),
        ("مرحبا بالعالم", "Arabic"),
        ("नमस्ते", "Devanagari"),
        ("Hello 你好 world", "你好"),
        ("Guten Tag, wie geht es Ihnen und was ist das für ein Haus?", "German"),
        ("Bonjour, je suis dans la maison avec les enfants.", "French"),
        ("Hola, ¿dónde está la casa de los niños que son muy grandes?", "Spanish"),
    ],
)
def test_a_language_it_can_not_speak_is_refused(voice: TextToSpeech, text: str, named: str) -> None:
    with pytest.raises(UnsupportedError, match=named):
        voice.stream(text)


def test_what_is_written_in_signs_is_heard_as_it_is_meant(
    voice: TextToSpeech, recogniser: SpeechToText, tmp_path: Path
) -> None:
    text = (
        "You can call us at 416-555-0192, and your PIN is 0042. Tomorrow it will be −5 °C in Oslo. The ticket costs "
        "20 € for us. They lost £1.5bn last year. He lives at No. 10 Downing Street. My brother is 6'2\" tall. "
        "Add 1½ cups of flour. Built ca. 1900 and approx. 20 m tall."
    )
    heard = words_of(recogniser.transcribe(voice.synthesize(text, tmp_path / "a.wav", seed=1), "en").text)
    assert "minus 5" in heard
    assert "20 euros" in heard
    assert "1 5 billion pounds" in heard
    assert "number 10 downing street" in heard
    assert "0042" in heard.replace("0 0 4 2", "0042")
    assert "416 555 0192" in heard
    assert "one and a half cups" in heard


def test_a_wrapped_paragraph_is_spoken_sentence_by_sentence(voice: TextToSpeech) -> None:
    text = (
        "It is a truth universally\nacknowledged, that a single man in\npossession of a fortune is rich.\n"
        "He lives at No. 5 here."
    )
    assert [chunk.text for chunk in voice.stream(text, seed=1)] == [
        "It is a truth universally acknowledged, that a single man in possession of a fortune is rich.",
        "He lives at Number five here.",
    ]
    assert len(list(voice.stream("Roses are red,\nViolets are blue,\nSugar is sweet.", seed=1))) == 3


def test_few_words_that_it_can_not_read_are_left_out_with_a_warning(voice: TextToSpeech) -> None:
    told: list[str] = []
    english = "Dear reader, this long report is entirely in English and explains the results. "
    chunks = list(voice.stream(f"{english}The angle α was 30 degrees.", seed=1, on_warning=told.append))
    assert (chunks[-1].text, told) == ("The angle alpha was thirty degrees.", [])
    chunks = list(voice.stream(f"{english}They call it λόγος there.", seed=1, on_warning=told.append))
    assert chunks[-1].text.split() == ["They", "call", "it", "there."]
    assert len(told) == 1
    assert "λόγος" in told[0]
    assert list(voice.stream("Hello 你好 world", language="en", seed=1, on_warning=told.append))
    with pytest.raises(UnsupportedError, match="你好"):
        voice.stream("Hi 你好世界你好", language="en")


@pytest.mark.parametrize(
    "text", ["C'est la vie, he said.", "A café by the Straße costs 5 µm of €.", "Don't panic 👍", "El Niño came."]
)
def test_english_with_foreign_names_is_spoken(voice: TextToSpeech, text: str) -> None:
    assert list(voice.stream(text, seed=1))


def test_a_named_language_decides(voice: TextToSpeech) -> None:
    assert list(voice.stream("Guten Tag, das ist ein Haus und nicht mehr.", language="en-US", seed=1))
    with pytest.raises(UnsupportedError, match="not French"):
        voice.stream("Bonjour", language="fr")
    with pytest.raises(InputError, match="Klingon"):
        voice.stream("nuqneH", language="Klingon")


@pytest.mark.parametrize("speed", [0.0, 0.49, 2.01, -1.0, float("nan"), float("inf")])
def test_a_speed_out_of_range_is_refused(voice: TextToSpeech, speed: float) -> None:
    with pytest.raises(InputError, match="speed"):
        voice.stream("Hello.", speed=speed)


def test_a_format_that_can_not_be_written_is_refused(voice: TextToSpeech, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.mp3"):
        voice.synthesize("Hello.", tmp_path / "hello.xyz")


def test_cancel_leaves_no_file(voice: TextToSpeech, tmp_path: Path) -> None:
    cancel = threading.Event()

    def stop(report: Progress) -> None:
        if report.done > 0:
            cancel.set()

    with pytest.raises(CancelledError):
        voice.synthesize("One sentence. " * 50, tmp_path / "a.wav", progress=stop, cancel=cancel)
    assert list(tmp_path.iterdir()) == []


def test_control_characters_are_not_spoken(voice: TextToSpeech) -> None:
    plain = np.concatenate([chunk.samples for chunk in voice.stream("Hello there.", seed=1)])
    odd = np.concatenate([chunk.samples for chunk in voice.stream("Hel\u00adlo\x00 there\u200b.", seed=1)])
    assert np.array_equal(plain, odd)


def test_the_starter_speaks_without_torch_and_scipy() -> None:
    code = "import sys; from sensorium import TextToSpeech; next(TextToSpeech().stream('Hello.')); "
    code += "print(sorted({'torch', 'transformers', 'scipy.fft', 'faster_whisper', 'PIL'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_the_starters_voice_is_the_only_one_and_runs_on_the_processor(voice: TextToSpeech) -> None:
    with pytest.raises(UnsupportedError, match="one voice"):
        voice.stream("Hello.", voice="Anna")
    with pytest.raises(InputError, match="cuda"):
        TextToSpeech("hibari", device="cuda").load()


@pytest.mark.parametrize("seed", [-1, 2**70])
def test_a_seed_out_of_range_is_refused(voice: TextToSpeech, seed: int) -> None:
    with pytest.raises(InputError, match="seed"):
        voice.stream("Hello.", seed=seed)


def test_words_set_by_hand_are_pronounced_so(voice: TextToSpeech) -> None:
    (chunk,) = voice.stream("Say [hibari](/hibˈɑɹi/) now.", seed=1)
    assert 0.5 < len(chunk.samples) / chunk.sample_rate < 4
