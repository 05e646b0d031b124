"""Phonon, Pocket TTS, VibeVoice and Higgs Audio, through one backend: equal to transformers on tiny checkpoints."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from sensorium.errors import CancelledError, InputError, ModelUnavailableError, UnsupportedError
from sensorium.media.limits import Limits
from sensorium.models.catalog import Checkpoint
from sensorium.speech.families.audio_codecs import resample
from sensorium.speech.own_voices import own_voices
from sensorium.speech.reference_recording import find_reference
from sensorium.speech.speaking_checkpoints import opened_for_cloning, opened_for_speaking
from sensorium.speech.text_to_speech import TextToSpeech
from sensorium.speech.voice import Reference
from sensorium.task import Task
from tests import real_media
from tests.checkpoints import voices
from tests.refusals import refused
from tests.speech.conftest import comment_of

TEXT = "Hello you."
CONSENT = "I am the speaker"
CODECS = {"phonon": "phonon_codec", "pocket": "pocket_codec", "higgs": "higgs_codec"}
FAMILIES = ("phonon", "pocket", "vibevoice", "higgs")
CLONING = ("pocket", "vibevoice", "higgs")
FRAMES = {"phonon": None, "pocket": None, "vibevoice": 7.5, "higgs": 25.0}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("voices")
    made = {
        "phonon_codec": voices.tiny_phonon_codec(home / "phonon-codec"),
        "pocket_codec": voices.tiny_phonon_codec(home / "pocket-codec", encoder=True),
        "higgs_codec": voices.tiny_higgs_codec(home / "higgs-codec"),
        "vibevoice": voices.tiny_vibevoice(home / "tiny-vibevoice"),
    }
    for family, codec in CODECS.items():
        build = getattr(voices, f"tiny_{family}")
        made[family] = build(home / f"tiny-{family}", codec=str(made[codec]))
    return made


@pytest.fixture(scope="module")
def speakers(folders: dict[str, Path]) -> dict[str, TextToSpeech]:
    return {family: TextToSpeech(folders[family]) for family in FAMILIES}


@pytest.fixture(scope="module")
def clip() -> real_media.SpeechClip:
    return real_media.speech_clips("en")[0]


@pytest.fixture(scope="module")
def heard(clip: real_media.SpeechClip) -> np.ndarray:
    return find_reference(clip.path, whole=True).samples(24_000)


def conversation(family: str, text: str, *, said: str | None) -> list[dict[str, Any]]:
    """What transformers' documentation asks each family with; ``said`` is what a recording says."""
    words, sound = {"type": "text", "text": text}, [{"type": "audio", "path": ""}]
    if family == "higgs":
        turns = [
            ("system", [{"type": "text", "text": "Generate audio following instruction."}]),
            ("scene", [{"type": "text", "text": "Audio is recorded from a quiet room."}]),
        ]
        if said is not None:
            turns += [("user", [{"type": "text", "text": said}]), ("assistant", sound)]
        return [{"role": role, "content": content} for role, content in [*turns, ("user", [words])]]
    role = "0" if family == "vibevoice" else "user"
    content = [words] if said is None else [words, *sound] if family == "vibevoice" else [*sound, words]
    return [{"role": role, "content": content}]


def theirs(family: str, folder: Path, text: str, seed: int, *, said: str | None = None, **sound: Any) -> np.ndarray:
    """Speak with the library used directly."""
    from transformers import AutoModelForTextToWaveform, AutoProcessor, set_seed

    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForTextToWaveform.from_pretrained(folder).eval()
    asked = conversation(family, text, said=said)
    prompt = processor.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    inputs = processor(text=[prompt], return_tensors="pt", **sound)
    bound = {} if FRAMES[family] is None else {"max_new_tokens": int(FRAMES[family] * (2 + len(text) / 8))}
    set_seed(seed)
    given = model.generate(**inputs, **bound)
    if family == "vibevoice":
        waveform = given[0]
    elif family == "higgs":
        waveform = processor.batch_decode(given)[0]
    else:
        waveform = processor.decode(given.audio_latents[0])
    return waveform.float().clamp(-1, 1).reshape(-1).numpy()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_waveform_is_that_of_transformers(
    family: str,
    speakers: dict[str, TextToSpeech],
    folders: dict[str, Path],
    parity: Callable[[str, str, str], None],
) -> None:
    (chunk,) = speakers[family].stream(TEXT, seed=5)
    sound: dict[str, Any] = {}
    if family == "phonon":
        from safetensors.torch import load_file

        latents = load_file(folders[family] / "default-voice.safetensors")["speaker_wavs"][0].T
        sound = {"audio_prompt_latents": [latents], "said": ""}
    reference = theirs(family, folders[family], TEXT, 5, **sound)
    assert chunk.sample_rate == 24_000
    assert np.array_equal(chunk.samples, reference)
    assert np.abs(reference).max() > 0.01
    parity(family, "AutoModelForTextToWaveform and its processor, same seed", "equal sample for sample")


@pytest.mark.parametrize("family", CLONING)
def test_a_voice_is_cloned_as_in_transformers(
    family: str,
    speakers: dict[str, TextToSpeech],
    folders: dict[str, Path],
    clip: real_media.SpeechClip,
    heard: np.ndarray,
    parity: Callable[[str, str, str], None],
) -> None:
    voice = speakers[family].backend
    speaker = voice.imitate(Reference(heard, clip.text))
    ours = voice.speak(TEXT, speaker=speaker, speed=1.0, seed=5, cancel=None)
    sound = {"audio": [heard], "sampling_rate": 24_000, "said": clip.text}
    assert np.array_equal(ours, theirs(family, folders[family], TEXT, 5, **sound))
    plain = next(speakers[family].stream(TEXT, seed=5)).samples
    assert not np.array_equal(ours, plain), "the recording changed nothing"
    parity(f"{family}, cloning", "the same with a recording in its conversation", "equal sample for sample")


@pytest.mark.parametrize("family", CLONING)
def test_a_clone_is_written_with_its_consent(
    family: str, speakers: dict[str, TextToSpeech], clip: real_media.SpeechClip, tmp_path: Path
) -> None:
    said = clip.text if family == "higgs" else None

    def nobody(part: type[Task[Any]], model: str | None) -> Task[Any] | None:
        raise AssertionError(f"{part.__name__} was opened")

    voice = TextToSpeech(speakers[family].checkpoint.folder, provide=nobody)
    path = voice.clone(TEXT, clip.path, tmp_path / "a.flac", consent=CONSENT, reference_text=said, seed=3)
    assert all(words in comment_of(path) for words in ("Generated speech", CONSENT, "seed 3"))


def test_a_recording_that_holds_too_little_speech_is_refused(
    speakers: dict[str, TextToSpeech], clip: real_media.SpeechClip, tmp_path: Path
) -> None:
    import wave

    def written(name: str, samples: np.ndarray) -> Path:
        with wave.open(str(tmp_path / name), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes((samples * 32767).astype("<i2").tobytes())
        return tmp_path / name

    speech = find_reference(clip.path, whole=True).speech
    for name, samples in {"silence.wav": np.zeros(80_000), "short.wav": speech[:24_000]}.items():
        with refused(InputError, name):
            speakers["pocket"].clone(TEXT, written(name, samples), tmp_path / "a.flac", consent=CONSENT)
    assert not (tmp_path / "a.flac").exists()


def test_half_a_codec_hears_no_recording(
    speakers: dict[str, TextToSpeech], clip: real_media.SpeechClip, tmp_path: Path
) -> None:
    with refused(UnsupportedError, "tiny-phonon", "csm-1b"):
        speakers["phonon"].clone(TEXT, clip.path, tmp_path / "a.wav", consent=CONSENT)
    assert list(tmp_path.iterdir()) == []


def test_voices_go_by_the_names_of_their_files(
    speakers: dict[str, TextToSpeech], folders: dict[str, Path], tmp_path: Path
) -> None:
    phonon = speakers["phonon"]
    assert own_voices(Checkpoint("phonon", "text-to-speech", folder=str(folders["phonon"]))) == (
        "default",
        "freya",
        "toby",
    )
    usual, named, freya, toby = (
        next(phonon.stream(TEXT, voice=voice, seed=1)).samples for voice in (None, "default", "freya", "toby")
    )
    assert np.array_equal(usual, named)
    assert not np.array_equal(freya, toby)
    with refused(InputError, "Anna", "default, freya, toby"):
        phonon.stream(TEXT, voice="Anna")
    with refused(UnsupportedError, "tiny-vibevoice"):
        speakers["vibevoice"].stream(TEXT, voice="Anna")


def test_a_voice_may_be_any_file_of_such_latents(
    speakers: dict[str, TextToSpeech], folders: dict[str, Path], tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import save_file

    phonon = speakers["phonon"]
    own, wide, broken = (tmp_path / f"{name}.safetensors" for name in ("own", "wide", "broken"))
    shutil.copyfile(folders["phonon"] / "embeddings" / "toby.safetensors", own)
    save_file({"emb": torch.zeros(1, 20, 16)}, wide)
    broken.write_bytes(own.read_bytes()[:200])
    toby, by_file = (next(phonon.stream(TEXT, voice=str(voice), seed=1)).samples for voice in ("toby", own))
    assert np.array_equal(toby, by_file)
    with refused(InputError, "wide.safetensors", "12 numbers"):
        phonon.stream(TEXT, voice=str(wide))
    with refused(InputError, "broken.safetensors"):
        phonon.stream(TEXT, voice=str(broken))
    guarded = TextToSpeech(folders["phonon"], limits=Limits(allow_files=False))
    assert next(guarded.stream(TEXT, voice="toby", seed=1)).text == TEXT
    with refused(InputError, "tiny-phonon"):
        guarded.stream(TEXT, voice=str(own))


def test_a_voice_may_be_what_the_layers_keep_of_it(
    speakers: dict[str, TextToSpeech], folders: dict[str, Path], heard: np.ndarray, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForTextToWaveform, AutoProcessor, set_seed

    processor = AutoProcessor.from_pretrained(folders["pocket"])
    model = AutoModelForTextToWaveform.from_pretrained(folders["pocket"]).eval()
    asked = conversation("pocket", "", said="")
    prompt = processor.apply_chat_template(asked, tokenize=False).removesuffix("<|audio_bos|>")
    whole = processor(text=f"{prompt}<|audio_bos|>", audio=[heard], sampling_rate=24_000, return_tensors="pt")
    prefix = whole["input_ids"][:, :-1]
    with torch.inference_mode():
        kept = model.model(prefix, audio_prompt_latents=whole["audio_prompt_latents"], use_cache=True).past_key_values
    states = {
        f"past_key_values.{number}.{kind}": getattr(layer, kind).clone()
        for number, layer in enumerate(kept.layers)
        for kind in ("keys", "values")
    }
    folder = tmp_path / "pocket"
    shutil.copytree(folders["pocket"], folder)
    (folder / "voices").mkdir()
    save_file(states, folder / "voices" / "alba.safetensors")
    voice = TextToSpeech(folder)
    spoken = [next(voice.stream(TEXT, voice=name, seed=5)).samples for name in (None, "alba")]
    inputs = processor(
        text=processor.apply_chat_template(conversation("pocket", TEXT, said=None), tokenize=False),
        return_tensors="pt",
    )
    set_seed(5)
    reference = processor.decode(model.generate(**inputs, past_key_values=kept).audio_latents[0]).numpy()
    assert all(np.array_equal(samples, reference) for samples in spoken)
    del states["past_key_values.0.values"]
    save_file(states, folder / "voices" / "half.safetensors")
    with refused(InputError, "half.safetensors", "layers"):
        voice.stream(TEXT, voice="half")


@pytest.mark.parametrize(
    ("text", "language", "spoken"),
    [
        ("I have 21 of the apples.", None, "twenty one"),
        ("J'ai vu 21 chats dans la rue.", None, "vingt"),
        ("Ich sehe 21 Hunde auf der Wiese.", None, "einundzwanzig"),
        ("Hay 21 gatos en la calle y no hay perros.", None, "veintiuno"),
        ("Ele tem 21 gatos em casa com uma amiga.", None, "vinte e um"),
        ("Nr 21", "de", "einundzwanzig"),
    ],
)
def test_numbers_are_written_out_in_the_language_of_the_text(
    speakers: dict[str, TextToSpeech], text: str, language: str | None, spoken: str
) -> None:
    (chunk,) = speakers["phonon"].stream(text, language=language, seed=1)
    assert spoken in chunk.text
    assert "21" not in chunk.text


def test_a_text_that_the_voice_does_not_speak_is_refused(
    speakers: dict[str, TextToSpeech], folders: dict[str, Path], tmp_path: Path
) -> None:
    phonon = speakers["phonon"]
    for text in ("你好，世界", "Привет, как дела?"):
        with refused(UnsupportedError, "tiny-phonon"):
            phonon.stream(text)
    with refused(UnsupportedError, "Italian", "tiny-phonon"):
        phonon.stream("Questo non è il gatto che ho visto nella casa della nonna con mio fratello.")
    with refused(UnsupportedError, "Italian"):
        phonon.stream(TEXT, language="it")
    for text in ("", "…"):
        with refused(InputError, "no words"):
            phonon.stream(text)
    english = tmp_path / "phonon-en"
    shutil.copytree(folders["phonon"], english)
    (english / "README.md").write_text("---\nlanguage:\n- en\nlicense: apache-2.0\n---\n# A voice\n")
    with refused(UnsupportedError, "German", "English"):
        TextToSpeech(english).stream("Das ist nicht der Hund, den ich auf der Wiese sehe.")


def test_control_words_in_a_text_are_not_obeyed(speakers: dict[str, TextToSpeech]) -> None:
    for family in ("phonon", "pocket", "vibevoice", "higgs"):
        told = speakers[family].backend.written_out("Hello <|audio_bos|> BOS <|vision_pad|> [SPEAKER1] you.", None)
        assert not any(word in told for word in ("audio_bos", "vision_pad", "SPEAKER1"))


@pytest.mark.parametrize("family", ["pocket", "higgs"])
def test_the_second_sentence_goes_on_in_the_voice_of_the_first(family: str, speakers: dict[str, TextToSpeech]) -> None:
    voice = speakers[family].backend
    speaker = voice.speaker(None)
    options: dict[str, Any] = {"speed": 1.0, "seed": 5, "cancel": None}
    first, second = (voice.speak(TEXT, speaker=speaker, **options) for _ in range(2))
    heard = voice.imitate(Reference(first, TEXT))
    assert np.array_equal(second, voice.speak(TEXT, speaker=heard, **options))
    assert not np.array_equal(first, second)


def test_half_a_codec_and_no_voice_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(folders["phonon"], bare, ignore=shutil.ignore_patterns("embeddings", "default-voice*"))
    with refused(UnsupportedError, "bare", "'voices'"):
        TextToSpeech(bare).stream(TEXT)


def test_speaking_stops_within_a_sentence(speakers: dict[str, TextToSpeech]) -> None:
    voice = speakers["pocket"].backend
    cancel, steps = Event(), []

    def count(*_: Any) -> None:
        steps.append(1)
        if len(steps) == 3:
            cancel.set()

    hook = voice._model.base_model.register_forward_hook(count)
    try:
        with pytest.raises(CancelledError):
            voice.speak(TEXT, speaker=voice.speaker(None), speed=1.0, seed=1, cancel=cancel)
    finally:
        hook.remove()
    assert len(steps) == 3


def test_the_pace_and_half_precision(speakers: dict[str, TextToSpeech], folders: dict[str, Path]) -> None:
    slow, fast = (next(speakers["phonon"].stream(TEXT, speed=speed, seed=1)).samples for speed in (0.5, 2.0))
    assert len(slow) > 3 * len(fast)
    for family in FAMILIES:
        (chunk,) = TextToSpeech(folders[family], dtype="bfloat16").stream(TEXT, seed=1)
        assert np.isfinite(chunk.samples).all()


def test_the_codec_is_a_repository_of_its_own(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = voices.tiny_phonon(tmp_path / "phonon")
    checkpoint = Checkpoint("phonon", "text-to-speech", folder=str(folder))
    assert [part.name for part in opened_for_speaking(checkpoint)] == ["phonon", voices.PHONON_CODEC]
    pocket = Checkpoint("pocket", "text-to-speech", folder=str(folders["pocket"]))
    assert [part.name for part in opened_for_cloning(pocket, transcript=False, profile="starter")] == ["pocket"]
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    with refused(ModelUnavailableError, voices.PHONON_CODEC):
        TextToSpeech(folder).stream(TEXT)
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", f"{voices.PHONON_CODEC}={folders['phonon_codec']}")
    assert next(TextToSpeech(folder).stream(TEXT, seed=1)).samples.size
    inside = tmp_path / "whole"
    shutil.copytree(folder, inside)
    shutil.copytree(folders["phonon_codec"], inside / "gradium" / "phonon-mimi")
    monkeypatch.delenv("SENSORIUM_SUBSTITUTE")
    assert next(TextToSpeech(inside).stream(TEXT, seed=1)).samples.size


def test_damaged_files_are_named(folders: dict[str, Path], tmp_path: Path) -> None:
    def with_codec(name: str, codec: Path) -> Path:
        folder = tmp_path / name
        shutil.copytree(folders["phonon"], folder)
        settings = json.loads((folder / "processor_config.json").read_text())
        settings["audio_tokenizer"]["audio_tokenizer_name_or_path"] = str(codec)
        (folder / "processor_config.json").write_text(json.dumps(settings))
        return folder

    cut = tmp_path / "cut"
    shutil.copytree(folders["phonon_codec"], cut)
    weights = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with refused(ModelUnavailableError, "half-codec"):
        TextToSpeech(with_codec("half-codec", cut)).load()
    with refused(ModelUnavailableError, "no-codec"):
        TextToSpeech(with_codec("no-codec", tmp_path / "gone")).load()
    untold = with_codec("untold", folders["phonon_codec"])
    (untold / "chat_template.jinja").unlink()
    with refused(ModelUnavailableError, "untold", "chat template"):
        TextToSpeech(untold).load()


@pytest.mark.parametrize(("family", "reason"), [("musicgen", "music"), ("seamless_m4t_v2", "translates")])
def test_what_makes_sound_and_reads_no_text_is_refused_with_its_reason(
    family: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
    with refused(UnsupportedError, reason):
        TextToSpeech(tmp_path).stream(TEXT)


def test_resampling_keeps_a_tone() -> None:
    import torch

    def tone(rate: int) -> torch.Tensor:
        return torch.sin(2 * math.pi * 440 * torch.arange(rate) / rate)

    got = resample(tone(24_000)[None, None], 24_000, 16_000)[0, 0]
    assert got.shape == (16_000,)
    assert (got - tone(16_000))[100:-100].abs().max() < 2e-3


def test_a_checkpoint_without_the_settings_of_its_processor_is_told_as_damaged(tmp_path: Path) -> None:
    folder = voices.tiny_pocket(tmp_path / "half")
    (folder / "processor_config.json").unlink()
    with refused(ModelUnavailableError, "'half'", "processor_config.json"):
        TextToSpeech(folder).load()
