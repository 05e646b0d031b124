"""Operations on speech: real recordings written down, a film with subtitles, texts spoken and heard again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest

from sensorium.errors import CancelledError, InputError, UnsupportedError
from sensorium.media.audio import probe_audio, read_audio, write_audio
from sensorium.media.audio_encoder import SOUND_FORMATS
from sensorium.media.limits import Limits
from sensorium.models import catalog, store
from sensorium.operations.operation import ModelOperation
from sensorium.operations.speech_to_text import DetectLanguage, Subtitle, Transcribe, Translate
from sensorium.operations.tasks import Tasks
from sensorium.operations.text_to_speech import Clone, Speak
from sensorium.progress import Finished, Progress, Sound
from sensorium.speech.families.csm_voice import CsmVoice
from sensorium.speech.families.dia_voice import DiaVoice
from sensorium.speech.families.speecht5_voice import SpeechT5Voice
from sensorium.speech.speech_to_text import SpeechToText
from tests import real_media
from tests.checkpoints.speech import tiny_csm, tiny_whisper
from tests.operations.listening import Listening, through_json
from tests.operations.unheard import Unheard
from tests.refusals import refused
from tests.speech.conftest import comment_of, joined_clips, silence, words_of
from tests.subtitle_reader import read_cues

CLIP = real_media.speech_clips("en")[0]
TEXT = "The old clock had stopped. Nobody in the house knew why. Then it struck three."
CONSENT = "Maria Rossi agreed on 3 May 2026"


@pytest.fixture(scope="module")
def tasks() -> Iterator[Tasks]:
    tasks = Tasks()
    yield tasks
    tasks.close()


@pytest.fixture(scope="module")
def csm(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_csm(tmp_path_factory.mktemp("voices") / "tiny-csm"))


@pytest.fixture(scope="module")
def english_whisper(tmp_path_factory: pytest.TempPathFactory) -> str:
    tokenizer = store.locate(catalog.resolve("base", task="speech-to-text")) / "tokenizer.json"
    return str(tiny_whisper(tmp_path_factory.mktemp("recognisers") / "tiny-whisper.en", tokenizer, english_only=True))


@pytest.fixture(scope="module")
def several_sentences(tmp_path_factory: pytest.TempPathFactory) -> str:
    samples, _ = joined_clips("en")
    return str(write_audio(samples, tmp_path_factory.mktemp("talk") / "talk.flac", 16_000))


def error_rate(text: str, reference: str = CLIP.text) -> float:
    return float(jiwer.wer(words_of(reference), words_of(text.replace("Mr.", "mister"))))


def test_what_is_said_is_written_down_and_told_as_it_comes(tasks: Tasks, several_sentences: str) -> None:
    heard = Listening()
    operation = Transcribe(audio=several_sentences, language="English", word_timestamps=True)
    said = through_json(operation, tasks, heard)
    told = [event.result for event in heard.told if isinstance(event, Finished)]
    assert tuple(told) == said.segments
    assert len(told) > 3
    assert all(segment.words for segment in told)
    assert operation.part_type().from_dict(json.loads(json.dumps(told[0].to_dict()))) == told[0]
    assert (operation.language, said.language, said.task, said.model) == ("en", "en", "transcribe", "whisper-base")
    assert error_rate(said.text, joined_clips("en")[1]) < 0.15
    first = next(number for number, event in enumerate(heard.told) if isinstance(event, Finished))
    assert any(isinstance(event, Progress) and event.done > 0 for event in heard.told[first:])


def test_the_text_is_that_of_the_task(tasks: Tasks, several_sentences: str) -> None:
    options: dict[str, Any] = {"segment_timestamps": False, "initial_prompt": "A novel.", "hotwords": "Dashwood"}
    assert through_json(Transcribe(audio=several_sentences, **options), tasks) == SpeechToText().transcribe(
        several_sentences, **options
    )


def test_another_language_becomes_english(tasks: Tasks) -> None:
    clip = max(real_media.speech_clips("es"), key=lambda clip: len(clip.text))
    said = through_json(Translate(audio=str(clip.path), language="es"), tasks)
    assert (said.task, said.language) == ("translate", "es")
    assert {"the", "of", "and", "to"} & set(words_of(said.text).split())


def test_where_nobody_speaks_there_is_no_text(tasks: Tasks, tmp_path: Path) -> None:
    quiet = str(write_audio(silence(3), tmp_path / "quiet.wav", 16_000))
    heard = Listening()
    said = through_json(Transcribe(audio=quiet), tasks, heard)
    assert (said.text, said.segments, said.language) == ("", (), "")
    assert not any(isinstance(event, Finished) for event in heard.told)
    detected = through_json(DetectLanguage(audio=quiet), tasks)
    assert (detected.language, detected.probability, detected.others) == ("", 0.0, ())


@pytest.mark.parametrize("format", ["srt", "vtt"])
def test_a_recording_gets_subtitles(tasks: Tasks, tmp_path: Path, format: str) -> None:
    made = through_json(Subtitle(audio=str(CLIP.path), format=format), tasks, Unheard(tmp_path))
    file = tmp_path / made.artifact.name
    assert (file.suffix, file.stat().st_size) == (f".{format}", made.artifact.size)
    assert made.artifact.media_type == {"srt": "application/x-subrip", "vtt": "text/vtt"}[format]
    assert file.read_text() == SpeechToText().generate_subtitles(CLIP.path, tmp_path / f"same.{format}").read_text()
    cues = read_cues(file.read_text(encoding="utf-8"), format)
    assert error_rate(" ".join(cue.text.replace("\n", " ") for cue in cues)) < 0.1
    assert made.transcription.segments[0].words


def test_a_film_gets_subtitles_in_english_and_a_table_of_words(tasks: Tasks, tmp_path: Path) -> None:
    film = real_media.film("Megamind")
    made = through_json(Subtitle(audio=str(film), translate=True, format="tsv", words=True), tasks, Unheard(tmp_path))
    assert made.transcription.task == "translate"
    header, *rows = (tmp_path / made.artifact.name).read_text(encoding="utf-8").splitlines()
    assert header.split("\t") == ["start", "end", "text"]
    assert len(rows) == sum(len(segment.words) for segment in made.transcription.segments)


@pytest.mark.parametrize("language", ["en", "fr", "es", "ru"])
def test_the_language_is_detected_as_a_transcription_does(tasks: Tasks, language: str) -> None:
    recording = str(real_media.speech_clips(language)[0].path)
    detected = through_json(DetectLanguage(audio=recording), tasks)
    said = Transcribe(audio=recording, segment_timestamps=False).run(tasks, Unheard())
    assert (detected.language, detected.model) == (language, "whisper-base")
    assert (detected.language, detected.probability) == (said.language, pytest.approx(said.language_probability))
    likely = [detected.probability, *(other.probability for other in detected.others)]
    assert likely == sorted(likely, reverse=True)
    assert len(likely) == len({language, *(other.language for other in detected.others)}) > 3
    assert sum(likely) <= 1.001


def test_a_checkpoint_for_english_detects_no_language(tasks: Tasks, english_whisper: str, sensorium_home: Path) -> None:
    with refused(UnsupportedError, "tiny-whisper.en", "English only"):
        DetectLanguage(audio=str(CLIP.path), model=english_whisper).run(tasks, Unheard())


def test_what_is_spoken_is_understood(tasks: Tasks, tmp_path: Path) -> None:
    spoken = through_json(Speak(text=TEXT, seed=1), tasks, Unheard(tmp_path))
    file = tmp_path / spoken.artifact.name
    assert (spoken.format, spoken.artifact.media_type, file.name) == ("mp3", "audio/mpeg", "speech.mp3")
    assert (spoken.model, spoken.seed) == ("hibari", 1)
    assert (spoken.duration, spoken.sample_rate) == (probe_audio(file).duration, 24_000)
    assert "Generated speech" in comment_of(file)
    assert "seed 1" in comment_of(file)
    assert error_rate(Transcribe(audio=str(file)).run(tasks, Unheard()).text, TEXT) <= 0.1


@pytest.mark.parametrize("format", [name for name, form in SOUND_FORMATS.items() if form.piece_options is not None])
def test_told_pieces_are_the_file(tasks: Tasks, tmp_path: Path, format: str) -> None:
    heard = Listening(folder=tmp_path)
    spoken = through_json(Speak(text=TEXT, format=format, stream=True, seed=1), tasks, heard)
    pieces = [event for event in heard.told if isinstance(event, Sound)]
    assert {piece.media_type for piece in pieces} == {spoken.artifact.media_type}
    assert len(pieces) >= 3
    data = b"".join(piece.data for piece in pieces)
    assert data == (tmp_path / spoken.artifact.name).read_bytes()
    whole = Listening(folder=tmp_path)
    again = Speak(text=TEXT, format=format, seed=1).run(tasks, whole)
    assert not any(isinstance(event, Sound) for event in whole.told)
    assert again.duration == pytest.approx(spoken.duration, abs=0.15)
    if format in ("wav", "flac"):
        assert np.array_equal(read_audio(data), read_audio(tmp_path / again.artifact.name))
    elif format == "pcm":
        assert data == (tmp_path / again.artifact.name).read_bytes()


def test_a_drawn_seed_is_told_and_repeats(tasks: Tasks, tmp_path: Path) -> None:
    first = Speak(text="Hello.", format="wav").run(tasks, Unheard(tmp_path))
    data = (tmp_path / "speech.wav").read_bytes()
    assert Speak(text="Hello.", format="wav", seed=first.seed).run(tasks, Unheard(tmp_path)) == first
    assert (tmp_path / "speech.wav").read_bytes() == data
    slow = Speak(text="Hello.", format="wav", seed=first.seed, speed=0.5).run(tasks, Unheard(tmp_path))
    assert slow.duration > 1.5 * first.duration


def test_a_voice_is_cloned_with_consent_and_heard_when_its_text_is_not_given(
    tasks: Tasks, csm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    imitate = CsmVoice.imitate

    def listen(self: CsmVoice, reference: Any) -> Any:
        heard.append(reference.text)
        return imitate(self, reference)

    monkeypatch.setattr(CsmVoice, "imitate", listen)
    asked = {"text": "Hello you.", "reference": str(CLIP.path), "consent": CONSENT, "model": csm, "format": "flac"}
    spoken = through_json(Clone(**asked, seed=3), tasks, Unheard(tmp_path))
    assert "Dashwood" in heard[0]
    assert (spoken.model, spoken.seed) == ("tiny-csm", 3)
    assert CONSENT in comment_of(tmp_path / spoken.artifact.name)
    listener = Listening(folder=tmp_path)
    Clone(**asked, reference_text=CLIP.text, stream=True).run(tasks, listener)
    assert heard[1] == CLIP.text
    data = b"".join(event.data for event in listener.told if isinstance(event, Sound))
    assert data == (tmp_path / "speech.flac").read_bytes()


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: Transcribe(audio="a.wav", language="klingon"), ("klingon",)),
        (lambda: Transcribe(audio="a.wav", initial_prompt="\ud800"), ("initial prompt",)),
        (lambda: Translate(audio="a.wav", hotwords="\ud800"), ("hotwords",)),
        (lambda: Transcribe(audio=""), ("audio",)),
        (lambda: Subtitle(audio="a.wav", format="docx"), ("docx", "srt", "vtt", "tsv")),
        (lambda: Speak(text="😀"), ("words",)),
        (lambda: Speak(text="Hello.", speed=9), ("speed", "9", "2")),
        (lambda: Speak(text="Hello.", seed=-1), ("seed", "-1")),
        (lambda: Speak(text="Hello.", format="midi"), ("midi", "mp3")),
        (lambda: Speak(text="Hello.", format="m4a", stream=True), ("m4a", "mp3")),
        (lambda: Clone(text="Hello.", reference="a.wav"), ("consent",)),
        (lambda: Clone(text="Hello.", reference="a.wav", consent="…"), ("agrees", "I am the speaker")),
        (lambda: Clone(text="Hello.", consent=CONSENT), ("reference",)),
    ],
)
def test_what_no_checkpoint_could_do_is_refused_before_any_is_opened(
    make: Callable[[], ModelOperation], names: tuple[str, ...]
) -> None:
    with refused(InputError, *names):
        make()


def test_a_text_in_another_language_is_refused_before_a_voice_is_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    with refused(UnsupportedError, "csm-1b", "French"):
        Speak(text="Bonjour.", language="fr", model="csm-1b").run(Tasks(), Unheard(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_files_of_the_machine_are_refused_where_limits_forbid_them(csm: str, tmp_path: Path) -> None:
    tasks = Tasks(limits=Limits(allow_files=False))
    for operation in (
        Transcribe(audio=str(CLIP.path)),
        DetectLanguage(audio=str(CLIP.path)),
        Clone(text="Hello.", reference=str(CLIP.path), consent=CONSENT, model=csm),
    ):
        with refused(InputError, CLIP.path.name):
            operation.run(tasks, Unheard(tmp_path))
    assert list(tmp_path.iterdir()) == []
    tasks.close()


def test_a_transcription_stops_at_the_next_sentence(tasks: Tasks, several_sentences: str) -> None:
    heard = Listening(until=lambda event: isinstance(event, Finished))
    with pytest.raises(CancelledError):
        Transcribe(audio=several_sentences).run(tasks, heard)
    assert sum(isinstance(event, Finished) for event in heard.told) < 5


@pytest.mark.parametrize("stream", [True, False])
def test_speaking_stops_at_the_next_sentence_and_leaves_nothing(tasks: Tasks, tmp_path: Path, stream: bool) -> None:
    heard = Listening(until=lambda event: isinstance(event, Progress) and event.done > 0, folder=tmp_path)
    with pytest.raises(CancelledError):
        Speak(text="One sentence. " * 50, stream=stream).run(tasks, heard)
    assert list(tmp_path.iterdir()) == []


def test_all_checkpoints_that_are_opened_are_told_the_most_important_first(csm: str) -> None:
    def opened(operation: ModelOperation) -> list[str]:
        return [checkpoint.name for checkpoint in operation.checkpoints()]

    assert opened(Transcribe(audio="a.wav")) == opened(DetectLanguage(audio="a.wav")) == ["whisper-base"]
    assert opened(Speak(text="Hello.")) == ["hibari"]
    assert opened(Speak(text="Hello.", model="dia-1.6b")) == ["dia-1.6b", "dac-44khz"]
    asked = {"text": "Hello.", "reference": "a.wav", "consent": CONSENT}
    assert opened(Clone(**asked)) == ["csm-1b", "whisper-base"]
    assert opened(Clone(**asked, reference_text="Hello.")) == ["csm-1b"]
    assert opened(Clone(**asked, model=csm)) == ["tiny-csm", "whisper-base"]
    speecht5 = opened(Clone(**asked, model="speecht5-tts"))
    assert speecht5 == ["speecht5-tts", "speecht5-hifigan", "wavlm-base-plus-sv"]


def test_the_families_that_are_said_to_clone_by_ear_need_no_transcript() -> None:
    from sensorium.speech.families.components import CLONING_BY_EAR
    from sensorium.speech.families.voice_forms import form_of

    needs: dict[str, Any] = {"csm": CsmVoice, "dia": DiaVoice, "speecht5": SpeechT5Voice}
    needs |= {name: form for name in ("pocket_tts", "vibevoice", "higgs_audio_v2") if (form := form_of(name))}
    assert {name for name, voice in needs.items() if not voice.needs_transcript} == CLONING_BY_EAR


@pytest.mark.parametrize("kind", [Transcribe, Translate, Subtitle, DetectLanguage, Speak, Clone])
def test_the_schema_describes_every_field(kind: type[ModelOperation]) -> None:
    schema = kind.model_json_schema()
    assert schema["description"]
    assert [name for name, field in schema["properties"].items() if not field.get("description")] == []


def test_the_schema_tells_ranges_and_choices() -> None:
    speak = Speak.model_json_schema()["properties"]
    assert (speak["speed"]["minimum"], speak["speed"]["maximum"]) == (0.5, 2.0)
    assert set(speak["format"]["enum"]) == set(SOUND_FORMATS)
    assert "srt" in Subtitle.model_json_schema()["properties"]["format"]["enum"]
    assert set(Clone.model_json_schema()["required"]) == {"text", "reference", "consent"}


def test_media_are_found_by_whoever_runs_the_operation(tmp_path: Path) -> None:
    shutil.copy(CLIP.path, tmp_path / "sent.wav")
    tasks = Tasks(find_media=lambda reference: tmp_path / "sent.wav" if reference.upload == "1" else str(reference))
    assert error_rate(Transcribe(audio="upload:1").run(tasks, Unheard()).text) < 0.1
    tasks.close()
