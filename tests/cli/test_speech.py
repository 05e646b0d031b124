"""``sensorium transcribe`` and ``translate``, on recorded human speech."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import jiwer
import pytest

from sensorium.speech.speech_to_text import SpeechToText
from tests import real_media
from tests.cli.conftest import Run, documents
from tests.subtitle_reader import read_cues

_PLAIN = jiwer.Compose([jiwer.ToLowerCase(), jiwer.RemovePunctuation(), jiwer.RemoveMultipleSpaces(), jiwer.Strip()])
REFERENCE = real_media.speech_clips("en")[0].text


@pytest.fixture(autouse=True, scope="module")
def loaded_whisper() -> Iterator[SpeechToText]:
    """Whisper, loaded, so that commands in this process find it loaded."""
    with SpeechToText() as speech_to_text:
        yield speech_to_text


def _error_rate(text: str, reference: str = REFERENCE) -> float:
    return float(jiwer.wer(_PLAIN(reference), _PLAIN(text.replace("Mr.", "mister"))))


def test_text_goes_to_standard_output(run: Run, desk: Path) -> None:
    result = run("transcribe", "interview.mp3")
    assert (result.exit_code, result.stderr) == (0, "")
    assert _error_rate(result.stdout) < 0.1


def test_a_recording_on_standard_input_as_json(run: Run, desk: Path) -> None:
    result = run(
        "transcribe", "-", "--words", "--json", "--language", "English", input=(desk / "interview.mp3").read_bytes()
    )
    assert result.exit_code == 0
    (document,) = documents(result.stdout)
    assert _error_rate(document["text"]) < 0.1
    assert (document["language"], document["model"], document["task"]) == ("en", "whisper-base", "transcribe")
    words = [word for segment in document["segments"] for word in segment["words"]]
    assert len(words) > 15
    assert all(a["start"] <= b["start"] for a, b in pairwise(words))


@pytest.mark.parametrize(("name", "form"), [("talk.srt", None), ("talk.vtt", None), ("talk.txt", "srt")])
def test_subtitles_go_into_a_file(run: Run, desk: Path, name: str, form: str | None) -> None:
    result = run("transcribe", "interview.mp3", "-o", name, *(["-f", form] if form else []))
    assert (result.exit_code, result.stdout) == (0, f"{name}\n")
    written = (desk / name).read_text(encoding="utf-8")
    cues = read_cues(written, form or name[-3:])
    assert _error_rate(" ".join(cue.text.replace("\n", " ") for cue in cues)) < 0.1
    assert all(len(line) <= 42 for cue in cues for line in cue.text.split("\n"))


def test_words_are_timed_one_by_one(run: Run, desk: Path) -> None:
    header, *rows = run("transcribe", "interview.mp3", "--words").stdout.splitlines()
    assert header.split("\t") == ["start", "end", "text"]
    assert len(rows) == len(REFERENCE.split())


def test_several_recordings_on_the_screen_and_in_a_folder(run: Run, desk: Path) -> None:
    (desk / "talks").mkdir()
    for number, clip in enumerate(real_media.speech_clips("fr")[:2]):
        shutil.copy(clip.path, desk / "talks" / f"{number}.wav")
    (desk / "talks" / "broken.wav").write_bytes(b"RIFF\x00\x00\x00\x00WAVE")
    shown = run("transcribe", "talks", "--language", "fr")
    assert shown.exit_code == 1
    headings = [line for line in shown.stdout.splitlines() if line.startswith("==>")]
    assert headings == [f"==> {Path('talks', name)} <==" for name in ("0.wav", "1.wav")]
    assert "broken.wav" in shown.stderr

    (desk / "talks" / "broken.wav").unlink()
    (desk / "talks" / "1.wav").unlink()
    written = run("transcribe", "talks", "-o", "texts", "--format", "srt", "--json")
    assert written.exit_code == 0
    assert [document["output"] for document in documents(written.stdout)] == [str(Path("texts", "0.srt"))]
    assert (desk / "texts" / "0.srt").is_file()


def test_translate_writes_english(run: Run, desk: Path) -> None:
    clip = max(real_media.speech_clips("es"), key=lambda clip: len(clip.text))
    (document,) = documents(run("translate", clip.path, "--language", "es", "--json").stdout)
    assert (document["task"], document["language"]) == ("translate", "es")
    assert document["text"]


def test_nothing_is_invented_where_nobody_speaks(run: Run, desk: Path) -> None:
    import numpy as np

    from sensorium.media.audio import write_audio

    write_audio(np.zeros(16000 * 5, np.float32), "silence.wav", 16000)
    result = run("transcribe", "silence.wav")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "Nobody speaks in it.\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["interview.mp3", "--format", "docx"], "There is no format 'docx'"),
        (["interview.mp3", "-o", "talk.docx"], "There is no format 'docx'"),
        (["interview.mp3", "-o", "nofolder/talk.srt"], "The folder of nofolder/talk.srt doesn't exist"),
        (["interview.mp3", "-o", "interview.mp3", "-f", "txt"], "interview.mp3 is also an input"),
        (["interview.mp3", "photos", "-o", "cat.jpg"], "'cat.jpg' is a file"),
        (["interview.mp3", "photos", "-o", "-"], "'-' takes one text"),
        (["interview.mp3", "--language", "klingon"], "klingon"),
        (["cat.jpg"], "cat.jpg"),
        (["nothere.mp3", "-o", "nothere.srt"], "nothere.mp3"),
    ],
)
def test_what_cannot_be_done_is_said_before_any_work(run: Run, desk: Path, arguments: list[str], sentence: str) -> None:
    (desk / "copy").mkdir()
    shutil.copy(desk / "interview.mp3", desk / "copy" / "interview.wav")
    before = {path: path.stat().st_size for path in desk.rglob("*")}
    result = run("transcribe", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in result.stderr
    assert {path: path.stat().st_size for path in desk.rglob("*")} == before
