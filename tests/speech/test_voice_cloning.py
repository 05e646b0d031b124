"""Cloning a voice: only with a statement of consent, which stays with the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sensorium.errors import InputError, ModelUnavailableError, UnsupportedError
from sensorium.media.audio import probe_audio
from sensorium.media.limits import Limits
from sensorium.models import catalog
from sensorium.speech.speech_to_text import SpeechToText, Transcription
from sensorium.speech.text_to_speech import TextToSpeech
from tests import real_media
from tests.speech.conftest import comment_of

TEXT = "Hello you."
CONSENT = "I am the speaker"


@pytest.fixture(scope="module")
def clip() -> real_media.SpeechClip:
    return real_media.speech_clips("en")[0]


@pytest.fixture
def csm(tiny: Callable[[str], Path]) -> TextToSpeech:
    return TextToSpeech(tiny("csm"))


@pytest.mark.parametrize("family", ["csm", "dia", "speecht5"])
def test_each_cloning_family_writes_a_marked_file(
    family: str, tiny: Callable[[str], Path], components: None, clip: real_media.SpeechClip, tmp_path: Path
) -> None:
    voice = TextToSpeech(tiny(family))
    options = {"consent": "Maria Rossi agreed\non 3 May 2026", "reference_text": clip.text, "seed": 3}
    path = voice.clone(TEXT, clip.path, tmp_path / "a.flac", **options)
    again = voice.clone(TEXT, clip.path, tmp_path / "b.flac", **options)
    assert Path(path).read_bytes() == Path(again).read_bytes()
    assert probe_audio(path).duration > 0.01
    comment = comment_of(path)
    for words in ("Generated speech", f"tiny-{family}", "seed 3", "Maria Rossi agreed on 3 May 2026"):
        assert words in comment


@pytest.mark.parametrize("consent", ["", "  \n", "1", "…"])
def test_without_a_statement_nothing_is_cloned(
    csm: TextToSpeech, clip: real_media.SpeechClip, tmp_path: Path, consent: str
) -> None:
    with pytest.raises(InputError, match="agrees"):
        csm.clone(TEXT, clip.path, tmp_path / "a.wav", consent=consent)
    with pytest.raises(InputError, match="agrees"):
        csm.clone(TEXT, clip.path, tmp_path / "a.wav")
    assert list(tmp_path.iterdir()) == []


def test_a_statement_is_no_essay(csm: TextToSpeech, clip: real_media.SpeechClip) -> None:
    with pytest.raises(InputError, match="500 characters"):
        csm.clone(TEXT, clip.path, consent="yes " * 200)


def test_what_is_said_in_the_reference_is_transcribed(
    csm: TextToSpeech, clip: real_media.SpeechClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    imitate = type(csm.backend).imitate

    def listen(self: object, reference: object) -> object:
        heard.append(reference.text)
        return imitate(self, reference)

    monkeypatch.setattr(type(csm.backend), "imitate", listen)
    csm.clone(TEXT, clip.path, tmp_path / "a.wav", consent=CONSENT, seed=1)
    assert "Dashwood" in heard[0]


def test_a_recogniser_that_is_handed_in_is_used_and_stays_open(
    csm: TextToSpeech,
    recogniser: SpeechToText,
    clip: real_media.SpeechClip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[object] = []
    transcribe = SpeechToText.transcribe

    def listen(self: SpeechToText, *arguments: object, **options: object) -> Transcription:
        heard.append(self)
        return transcribe(self, *arguments, **options)

    monkeypatch.setattr(SpeechToText, "transcribe", listen)
    backend = recogniser.backend
    voice = TextToSpeech(csm.checkpoint.folder, provide=lambda system, model: recogniser)
    voice.clone(TEXT, clip.path, tmp_path / "a.wav", consent=CONSENT)
    assert heard == [recogniser]
    assert recogniser.backend is backend


def test_cloning_leaves_nothing_behind_on_the_object(
    csm: TextToSpeech, clip: real_media.SpeechClip, tmp_path: Path
) -> None:
    csm.load()
    before = dict(vars(csm))
    csm.clone(TEXT, clip.path, tmp_path / "a.wav", consent=CONSENT, reference_text=clip.text)
    assert dict(vars(csm)) == before


def test_limits_hold_for_the_recording(csm: TextToSpeech, clip: real_media.SpeechClip, tmp_path: Path) -> None:
    voice = TextToSpeech(csm.checkpoint.folder, limits=Limits(allow_files=False))
    with pytest.raises(InputError):
        voice.clone(TEXT, str(clip.path), tmp_path / "a.wav", consent=CONSENT)
    assert list(tmp_path.iterdir()) == []


def test_text_and_reference_are_checked_before_anything_is_written(
    csm: TextToSpeech, clip: real_media.SpeechClip, tmp_path: Path
) -> None:
    target = tmp_path / "out" / "a.wav"
    target.parent.mkdir()
    fake = tmp_path / "voice.mp3"
    fake.write_text("not sound")
    with pytest.raises(InputError, match="no words"):
        csm.clone("😀", clip.path, target, consent=CONSENT)
    with pytest.raises(InputError, match=r"voice\.mp3"):
        csm.clone(TEXT, fake, target, consent=CONSENT)
    with pytest.raises(InputError, match="speed"):
        csm.clone(TEXT, clip.path, target, consent=CONSENT, speed=9)
    assert list(target.parent.iterdir()) == []


def test_a_voice_that_can_not_clone_names_one_that_can(clip: real_media.SpeechClip) -> None:
    with pytest.raises(UnsupportedError, match="'csm-1b'"):
        TextToSpeech("hibari").clone(TEXT, clip.path, consent=CONSENT)


def test_a_missing_speaker_encoder_is_named(
    tiny: Callable[[str], Path],
    clip: real_media.SpeechClip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sensorium_home: Path,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", f"microsoft/speecht5_hifigan={tiny('hifigan')}")
    with pytest.raises(ModelUnavailableError, match="wavlm-base-plus-sv"):
        TextToSpeech(tiny("speecht5")).clone(TEXT, clip.path, tmp_path / "a.wav", consent=CONSENT)


def test_the_default_for_cloning_can_clone() -> None:
    checkpoint = TextToSpeech.for_cloning().checkpoint
    assert checkpoint.family in ("csm", "dia", "pocket_tts", "vibevoice", "higgs_audio_v2")
    assert TextToSpeech.for_cloning("microsoft/speecht5_tts").model
    assert checkpoint in catalog.entries("text-to-speech")


def test_an_error_about_cloning_does_not_advise_the_starter(
    monkeypatch: pytest.MonkeyPatch, clip: real_media.SpeechClip, tmp_path: Path
) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    for voice in (TextToSpeech.for_cloning(), TextToSpeech("csm-1b")):
        with pytest.raises(ModelUnavailableError) as caught:
            voice.clone("Hello.", clip.path, tmp_path / "out.wav", consent="I am the speaker")
        assert "starter" not in caught.value.remedy
        with pytest.raises(ModelUnavailableError) as caught:
            voice.synthesize("Hello.", tmp_path / "out.wav")
        assert "starter" in caught.value.remedy


def test_what_can_be_refused_is_refused_before_gigabytes_are_fetched(
    monkeypatch: pytest.MonkeyPatch, clip: real_media.SpeechClip, tmp_path: Path
) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    voice = TextToSpeech("csm-1b")
    with pytest.raises(InputError, match="folder"):
        voice.synthesize("Hello.", tmp_path / "nowhere" / "out.wav")
    with pytest.raises(InputError, match="written"):
        voice.clone("Hello.", clip.path, tmp_path / "out.docx", consent="I am the speaker")
    with pytest.raises(InputError, match="gone"):
        voice.clone("Hello.", tmp_path / "gone.wav", tmp_path / "out.wav", consent="I am the speaker")
