"""``sensorium speak`` and ``clone``: in the starter's voice, in voices of the hub, in the voice of a recording."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sensorium.cli.exit_codes import as_options
from sensorium.media.audio import probe_audio, write_audio
from sensorium.speech.speech_to_text import SpeechToText
from tests import real_media
from tests.checkpoints.speech import tiny_csm, tiny_vits
from tests.cli.conftest import Program, Run, documents
from tests.speech.conftest import comment_of, silence

CONSENT = "I am the speaker"


@pytest.fixture(scope="module")
def tiny_voices(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Tiny checkpoints in the place of the chapter's voice and of the one that clones."""
    folder = tmp_path_factory.mktemp("voices")
    return f"mms-tts-eng={tiny_vits(folder / 'tiny-vits')},csm-1b={tiny_csm(folder / 'tiny-csm')}"


@pytest.fixture
def reference(desk: Path) -> real_media.SpeechClip:
    """Seven seconds of human speech in ``voice.wav``."""
    clip = real_media.speech_clips("en")[0]
    shutil.copy(clip.path, desk / "voice.wav")
    return clip


def test_speech_goes_into_a_file_and_says_the_words(run: Run, desk: Path) -> None:
    result = run("speak", "Hello, this is a text to speech example.", "-o", "hello.mp3", "--seed", "1")
    assert (result.exit_code, result.stdout) == (0, "hello.mp3\n")
    assert "a generated voice" in result.stderr
    heard = SpeechToText().transcribe("hello.mp3").text.lower()
    assert {"hello", "this", "is", "a", "text", "speech", "example"} <= set(re.findall("[a-z]+", heard))


def test_speak_reads_a_file_or_standard_input(run: Run, desk: Path) -> None:
    (desk / "story.txt").write_text("\ufeffOnce upon a time.\n", encoding="utf-8")
    (document,) = documents(run("speak", "--file", "story.txt", "-o", "a.wav", "--seed", "3", "--json").stdout)
    assert (document["output"], document["sample_rate"], document["model"]) == ("a.wav", 24000, "hibari")
    assert document["seed"] == 3
    assert document["duration"] == pytest.approx(probe_audio("a.wav").duration)
    assert run("speak", "-", "-o", "b.wav", "--seed", "3", input="Once upon a time.\n").exit_code == 0
    assert (desk / "a.wav").read_bytes() == (desk / "b.wav").read_bytes()
    assert run("speak", "Once upon a time.", "-o", "slow.wav", "--speed", "0.5").exit_code == 0
    assert probe_audio("slow.wav").duration > 1.5 * probe_audio("a.wav").duration  # type: ignore[operator]


def test_a_file_name_as_text_gets_a_hint(run: Run, desk: Path) -> None:
    (desk / "story.txt").write_text("Once upon a time.")
    assert "--file 'story.txt' reads the file aloud" in run("speak", "story.txt", "-o", "a.wav").stderr


def test_a_text_too_long_for_a_file_name_is_spoken(run: Run, desk: Path) -> None:
    result = run("speak", "One two. " * 40, "-o", "long.wav")
    assert result.exit_code == 0, result.stderr
    assert (desk / "long.wav").is_file()


def test_a_text_in_another_encoding_is_spoken(run: Run, desk: Path) -> None:
    (desk / "marked.txt").write_bytes("Once upon a time.".encode("utf-16"))
    (desk / "western.txt").write_bytes("The café’s bill — it’s £5 — was paid by the naïve man.".encode("cp1252"))
    result = run("speak", "--file", "marked.txt", "-o", "a.wav")
    assert (result.exit_code, "UTF" in result.stderr) == (0, False)
    result = run("speak", "--file", "western.txt", "-o", "b.wav")
    assert (result.exit_code, "'western.txt'" in result.stderr, "cp1252" in result.stderr) == (0, True, True)


def test_what_the_voice_can_not_read_is_left_out_with_a_warning(run: Run, desk: Path) -> None:
    (desk / "report.txt").write_text(
        "Dear reader, this long report is entirely in English and explains the results, as the word λόγος does. "
        "The angle α was 30 degrees.",
        encoding="utf-8",
    )
    result = run("speak", "--file", "report.txt", "-o", "a.wav", "--json")
    (document,) = documents(result.stdout)
    assert result.exit_code == 0
    assert len(document["warnings"]) == 1
    assert "λόγος" in document["warnings"][0]
    assert "α" not in document["warnings"][0].replace("λόγος", "")
    assert "λόγος" in result.stderr


def test_sound_goes_to_a_pipe(program: Program, desk: Path) -> None:
    done = program("speak", "Hello there.", "-o", "-", encoding="latin-1")
    assert done.returncode == 0
    assert done.stdout.startswith("RIFF")
    (desk / "piped.wav").write_bytes(done.stdout.encode("latin-1"))
    assert (probe_audio("piped.wav").duration or 0) > 0.5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "There is no text to speak"),
        (["Hello", "--file", "x.txt"], "There are two texts to speak"),
        (["--file", "nothere.txt"], "The text file 'nothere.txt' can't be read"),
        (["--file", "cat.jpg"], "is not UTF-8"),
        (["Hello", "-o", "hello.docx"], "hello.docx"),
        (["Hello", "--speed", "9"], "speed"),
        (["Hello", "-o", "-", "--json"], "can't both go to standard output"),
    ],
)
def test_what_cannot_be_spoken(run: Run, desk: Path, arguments: list[str], sentence: str) -> None:
    before = set(desk.rglob("*"))
    result = run("speak", *arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert set(desk.rglob("*")) == before


def test_another_language_is_refused(run: Run, desk: Path) -> None:
    result = run("speak", "你好，世界", "-o", "hello.wav")
    assert result.exit_code == 2
    assert not (desk / "hello.wav").exists()


def test_a_voice_of_the_hub_speaks(run: Run, desk: Path, tiny_voices: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", tiny_voices)
    (document,) = documents(run("speak", "It costs $5.", "--profile", "standard", "-o", "a.flac", "--json").stdout)
    assert (document["sample_rate"], document["model"]) == (16000, "tiny-vits")
    assert f"seed {document['seed']}" in comment_of("a.flac")
    refused = run("speak", "Hello", "-m", "mms-tts-eng", "--voice", "2", "-o", "b.wav")
    assert refused.exit_code == 2
    assert "one voice" in refused.stderr
    refused = run("speak", "Bonjour", "-m", "mms-tts-eng", "--language", "French", "-o", "b.wav")
    assert refused.exit_code == 2
    assert "not French" in refused.stderr
    assert not (desk / "b.wav").exists()


def test_a_voice_is_cloned_with_consent(
    run: Run,
    desk: Path,
    reference: real_media.SpeechClip,
    tiny_voices: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", tiny_voices)
    arguments = ["clone", "Hello you.", "--reference", "voice.wav", "--reference-text", reference.text, "--seed", "1"]
    (document,) = documents(run(*arguments, "--consent", CONSENT, "-o", "mine.wav", "--json").stdout)
    assert (document["model"], document["consent"], document["seed"]) == ("tiny-csm", CONSENT, 1)
    assert document["duration"] == pytest.approx(probe_audio("mine.wav").duration)
    assert CONSENT in comment_of("mine.wav")
    refused = run(*arguments, "-o", "theirs.wav")
    assert refused.exit_code == 2
    assert "consent" in refused.stderr
    assert not (desk / "theirs.wav").exists()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.write_text("not sound"), "voice.wav"),
        (lambda path: write_audio(silence(5), path, 16_000), "Nobody speaks"),
        (lambda path: path.unlink(missing_ok=True), "voice.wav"),
    ],
)
def test_a_reference_that_is_no_voice_is_refused(
    run: Run,
    desk: Path,
    tiny_voices: str,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], object],
    sentence: str,
) -> None:
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", tiny_voices)
    make(desk / "voice.wav")
    result = run("clone", "Hello.", "--reference", "voice.wav", "--consent", CONSENT, "-o", "mine.wav")
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert not (desk / "mine.wav").exists()


def test_what_is_missing_for_a_clone_is_named(run: Run, desk: Path) -> None:
    result = run("clone", "Hello.", "--consent", CONSENT)
    assert (result.exit_code, "--reference" in result.stderr) == (2, True)
    result = run("clone", "Hello.", "--reference", "voice.wav")
    assert (result.exit_code, "--consent 'I am the speaker'" in result.stderr) == (2, True)
    assert "consent=" not in result.stderr


def test_python_arguments_are_called_by_their_options() -> None:
    assert as_options("Use device='cpu'") == "Use --device cpu"
    assert as_options("such as consent='I agree', or language=…") == "such as --consent 'I agree', or --language"
    assert as_options("with fewer frames (num_frames=…)") == "with fewer frames (--frames)"
    assert as_options("Give it ready-made: control_image=…") == "Give it ready-made: --map"


def test_a_reference_is_looked_at_before_a_checkpoint_is_fetched(
    run: Run, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    result = run("clone", "Hello.", "--reference", "gone.wav", "--consent", CONSENT, "-o", "mine.wav")
    assert (result.exit_code, result.stderr.startswith("Error: There is no file gone.wav")) == (2, True)


def test_without_a_checkpoint_that_clones_its_name_and_size_are_said(
    run: Run, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    result = run("clone", "Hello.", "--reference", "interview.mp3", "--consent", CONSENT)
    assert result.exit_code == 3
    assert "csm-1b" in result.stderr
    assert "MB" in result.stderr
