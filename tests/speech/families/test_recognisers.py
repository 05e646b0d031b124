"""Recognisers beside Whisper: what they write is what transformers writes, and all else is as with Whisper."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensorium.errors import CancelledError, MissingDependencyError, UnsupportedError
from sensorium.media.audio import read_audio
from sensorium.speech.alignment import aligned
from sensorium.speech.recogniser import Told
from sensorium.speech.speech_to_text import Recording, SpeechToText
from sensorium.speech.transcription import Transcription
from sensorium.speech.voice_activity import Span, Window
from tests import real_media
from tests.checkpoints import hearing_models, recognisers
from tests.refusals import refused
from tests.speech.conftest import SAMPLE_RATE, joined_clips, words_of

_SECONDS = 6
KINDS: dict[str, Callable[[Path], Path]] = {
    "parakeet_tdt": lambda folder: recognisers.tiny_parakeet(folder, "TDT"),
    "parakeet_rnnt": lambda folder: recognisers.tiny_parakeet(folder, "RNNT"),
    "parakeet_ctc": lambda folder: recognisers.tiny_parakeet(folder, "CTC"),
    "wav2vec2": recognisers.tiny_wav2vec2,
    "moonshine": recognisers.tiny_moonshine,
    "cohere_asr": recognisers.tiny_cohere,
    "canary": recognisers.tiny_canary,
    "qwen3_asr": recognisers.tiny_qwen3_asr,
    "glmasr": recognisers.tiny_glm_asr,
    "audioflamingo3": hearing_models.tiny_audio_flamingo,
    "moss_transcribe_diarize": hearing_models.tiny_moss,
    "vibevoice_asr": hearing_models.tiny_vibevoice_asr,
    "fun_asr_nano": hearing_models.tiny_fun_asr,
    "granite_speech5_ctc": hearing_models.tiny_granite_ctc,
    "granite_speech": hearing_models.tiny_granite_speech,
    "seamless_m4t_v2": hearing_models.tiny_seamless,
}
LATER = (
    *("audioflamingo3", "moss_transcribe_diarize", "vibevoice_asr", "fun_asr_nano", "granite_speech"),
    "seamless_m4t_v2",
)
TIMED = ("parakeet_tdt", "parakeet_rnnt", "parakeet_ctc", "wav2vec2", "granite_speech5_ctc")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], SpeechToText]]:
    """Takes the name of a kind, and returns a recogniser with such a checkpoint; each is built once."""
    home = tmp_path_factory.mktemp("recognisers")
    found: dict[str, SpeechToText] = {}

    def recogniser(kind: str) -> SpeechToText:
        if kind not in found:
            found[kind] = SpeechToText(KINDS[kind](home / kind), device="cpu").load()
        return found[kind]

    yield recogniser
    for each in found.values():
        each.close()


@pytest.fixture(scope="module")
def forced_aligner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recognisers.tiny_forced_aligner(tmp_path_factory.mktemp("aligners") / "aligner")


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return np.concatenate([read_audio(clip.path) for clip in real_media.speech_clips("en")])[: _SECONDS * SAMPLE_RATE]


def _theirs(kind: str, folder: Path, speech: np.ndarray) -> str:
    """Return what the library writes by itself, called as its documentation says."""
    import torch
    import transformers

    processor: Any = transformers.AutoProcessor.from_pretrained(folder)
    name = {"parakeet_tdt": "TDT", "parakeet_rnnt": "RNNT", "parakeet_ctc": "CTC", "wav2vec2": "CTC"}
    name |= {"glmasr": "MultimodalLM", "audioflamingo3": "Seq2SeqLM", "granite_speech5_ctc": "CTC"}
    name["moss_transcribe_diarize"] = "MultimodalLM"
    model: Any = getattr(transformers, f"AutoModelFor{name.get(kind, 'SpeechSeq2Seq')}").from_pretrained(folder).eval()
    with torch.no_grad():
        if kind in LATER:
            return _asked(kind, processor, model, speech)
        if kind in ("canary", "qwen3_asr", "glmasr"):
            language = {"canary": {"source_language": "en"}, "qwen3_asr": {"language": "en"}}.get(kind, {})
            inputs = processor.apply_transcription_request(audio=[speech], return_tensors="pt", **language)
            new = model.generate(**inputs, max_new_tokens=160, do_sample=False)
            if kind != "canary":
                new = new[:, inputs["input_ids"].shape[1] :]
            if kind == "glmasr":
                return str(processor.decode(new, skip_special_tokens=True, strip_prefix=True)[0])
            if kind == "qwen3_asr":
                return str(processor.decode(new, return_format="transcription_only")[0])
        else:
            language = {"language": "en"} if kind == "cohere_asr" else {}
            inputs = processor(speech, sampling_rate=SAMPLE_RATE, return_tensors="pt", **language)
            if kind == "wav2vec2":
                return str(processor.batch_decode(model(**inputs).logits.argmax(dim=-1))[0])
            elif kind in TIMED:
                found = model.generate(**inputs)
                if kind in ("parakeet_ctc", "granite_speech5_ctc"):
                    return str(processor.batch_decode(found, skip_special_tokens=True)[0])
                return str(processor.decode(found.sequences, durations=found.durations, skip_special_tokens=True)[0][0])
            else:
                new = model.generate(**inputs, max_new_tokens=160, do_sample=False)
    return str(processor.batch_decode(new, skip_special_tokens=True)[0])


def _asked(kind: str, processor: Any, model: Any, speech: np.ndarray) -> str:
    """Return what the library writes when it is asked as the page of the checkpoint says."""
    import torch
    from scipy.signal import resample_poly

    most = {"max_new_tokens": 160, "do_sample": False}
    if kind == "seamless_m4t_v2":
        inputs = processor(audio=[speech], sampling_rate=SAMPLE_RATE, return_tensors="pt")
        return str(
            processor.tokenizer.decode(model.generate(**inputs, tgt_lang="eng", **most)[0], skip_special_tokens=True)
        )
    if kind == "granite_speech":
        turn = {"role": "user", "content": "<|audio|>can you transcribe the speech into a written format?"}
        text = processor.tokenizer.apply_chat_template([turn], tokenize=False, add_generation_prompt=True)
        inputs = processor(text=[text], audio=[speech], return_tensors="pt")
    else:
        if kind == "vibevoice_asr":
            speech = resample_poly(speech, 3, 2).astype(np.float32)
        language = {"language": "en"} if kind == "fun_asr_nano" else {}
        inputs = processor.apply_transcription_request(audio=[speech], return_tensors="pt", **language)
    torch.manual_seed(0)
    new = model.generate(**inputs, **most)[:, inputs["input_ids"].shape[1] :]
    if kind in ("moss_transcribe_diarize", "vibevoice_asr"):
        return str(processor.decode(new, return_format="transcription_only")[0])
    if kind in ("audioflamingo3", "fun_asr_nano"):
        return str(processor.decode(new, skip_special_tokens=True, strip_prefix=True)[0])
    return str(processor.tokenizer.decode(new[0], skip_special_tokens=True))


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_text_is_that_of_transformers(
    kind: str,
    opened: Callable[[str], SpeechToText],
    speech: np.ndarray,
    parity: Callable[[str, str, str], None],
) -> None:
    recogniser = opened(kind)
    with recogniser.lease() as backend:
        [ours] = backend.recognise(backend.encode([speech]), Told("en"), needs_words=lambda number, text: True)
    theirs = _theirs(kind, Path(recogniser.checkpoint.folder), speech)
    assert ours.text.split() == theirs.split()
    assert len(ours.text) > 2
    assert ours.average_log_probability < 0
    parity(f"{kind} (speech-to-text)", "its Auto class and processor", f"the same text ({len(ours.text)} characters)")


@pytest.mark.parametrize("kind", TIMED)
def test_words_have_the_times_of_their_tokens(
    kind: str, opened: Callable[[str], SpeechToText], speech: np.ndarray
) -> None:
    with opened(kind).lease() as backend:
        [found] = backend.recognise(backend.encode([speech]), Told(""), needs_words=lambda number, text: True)
    assert "".join(word.text for word in found.words) == found.text
    starts = [word.start for word in found.words]
    assert starts == sorted(starts)
    assert all(0 <= word.start <= word.end <= _SECONDS + 0.5 for word in found.words)
    assert all(0 < word.probability <= 1 for word in found.words)


def test_times_of_a_transducer_are_those_of_its_processor(
    opened: Callable[[str], SpeechToText], speech: np.ndarray
) -> None:
    import torch
    import transformers

    recogniser = opened("parakeet_tdt")
    folder = recogniser.checkpoint.folder
    processor: Any = transformers.AutoProcessor.from_pretrained(folder)
    model: Any = transformers.AutoModelForTDT.from_pretrained(folder).eval()
    with torch.no_grad():
        out = model.generate(**processor(speech, sampling_rate=SAMPLE_RATE, return_tensors="pt"))
    _, [tokens] = processor.decode(out.sequences, durations=out.durations, skip_special_tokens=True)
    with recogniser.lease() as backend:
        [found] = backend.recognise(backend.encode([speech]), Told(""), needs_words=lambda number, text: True)
    assert found.words[0].start == pytest.approx(tokens[0]["start"])
    # Its processor puts a full stop at the end of the token before it; a word ends with its last token's frames.
    assert found.words[-1].start == pytest.approx(max(each["start"] for each in tokens), abs=0.33)


@pytest.mark.parametrize("kind", ["parakeet_tdt", "qwen3_asr"])
def test_a_recording_becomes_segments_and_subtitles(
    kind: str, opened: Callable[[str], SpeechToText], tmp_path: Path
) -> None:
    clip = real_media.speech_clips("es")[0].path
    said = opened(kind).transcribe(clip, word_timestamps=True)
    assert said.segments
    assert said.text
    assert all(0 <= part.start <= part.end <= said.duration + 0.1 for part in said.segments)
    assert all(part.words for part in said.segments)
    path = opened(kind).generate_srt(clip, tmp_path / "said.srt")
    assert " --> " in path.read_text(encoding="utf-8")


def test_together_each_gets_the_text_that_it_gets_alone(opened: Callable[[str], SpeechToText]) -> None:
    clips = [clip.path for clip in real_media.speech_clips("en")[:3]]
    for kind in ("parakeet_ctc", "cohere_asr"):
        recogniser = opened(kind)
        together = recogniser.transcribe_together([Recording(path) for path in clips])
        assert [said.text for said in together if said] == [recogniser.transcribe(path).text for path in clips]  # type: ignore[union-attr]


def test_the_aligner_tells_when_the_words_of_a_text_are_spoken(recogniser: SpeechToText) -> None:
    clip = max(real_media.speech_clips("en"), key=lambda each: len(each.text) if len(each.text) < 200 else 0)
    samples = read_audio(clip.path)
    window = Window(samples, (Span(0, len(samples), 0),))
    with recogniser.lease() as backend:
        words, rough = aligned(backend, window, clip.text, "en")  # type: ignore[arg-type]
    assert not rough
    assert "".join(word.text for word in words).split() == clip.text.split()
    heard = [
        word for part in recogniser.transcribe(samples, "en", word_timestamps=True).segments for word in part.words
    ]
    places = {words_of(word.text): word.start for word in heard}
    both = [(word.start, places[words_of(word.text)]) for word in words if words_of(word.text) in places]
    assert len(both) > len(words) / 2
    assert np.median([abs(one - other) for one, other in both]) < 0.2


def test_a_text_that_cant_be_aligned_shares_the_time_and_says_so(
    opened: Callable[[str], SpeechToText], recogniser: SpeechToText
) -> None:
    samples = joined_clips("en")[0][: 30 * SAMPLE_RATE]
    window = Window(samples, (Span(0, len(samples), 0),), ((10.0, 20.0),))
    with recogniser.lease() as backend:
        words, rough = aligned(backend, window, "more than anybody says " * 150, "en")  # type: ignore[arg-type]
    assert rough
    assert len(words) == 600
    starts = [word.start for word in words]
    assert starts == sorted(starts)
    assert not any(10.0 < start < 20.0 for start in starts), "nobody speaks there"
    # So much speech lets this one write more than an aligner takes.
    said = opened("moonshine").transcribe(samples, "en", word_timestamps=True)
    assert any("moonshine" in warning and "rough" in warning for warning in said.warnings)


def test_a_forced_aligner_gives_the_times_that_transformers_gives(
    forced_aligner: Path, speech: np.ndarray, parity: Callable[[str, str, str], None]
) -> None:
    import torch
    import transformers

    text = "Well, he said -- «yes»; 北京 it's gone."
    processor: Any = transformers.AutoProcessor.from_pretrained(forced_aligner)
    model: Any = transformers.AutoModelForTokenClassification.from_pretrained(forced_aligner).eval()
    inputs, lists = processor.prepare_forced_aligner_inputs(audio=[speech], transcript=[text], language=["en"])
    with torch.no_grad():
        logits = model(**inputs).logits
    mark = model.config.timestamp_token_id
    [theirs] = processor.decode_forced_alignment(logits, inputs["input_ids"], lists, mark)
    with SpeechToText(forced_aligner).lease() as aligner:
        [ours] = aligner.align([speech], [text], ["en"])  # type: ignore[attr-defined]
        assert aligner.align([speech], ["?!"], [""]) == [()]  # type: ignore[attr-defined]
    assert [word.text for word in ours] == ["Well,", " he", " said", " -- «yes»;", " 北", "京", " it's", " gone."]
    assert [(word.start, word.end) for word in ours] == [
        (min(each["start_time"], _SECONDS), max(min(each["start_time"], _SECONDS), min(each["end_time"], _SECONDS)))
        for each in theirs
    ]
    assert len({word.start for word in ours}) > 2
    parity("qwen3_asr (forced aligner)", "its Auto class and processor", f"the same times of {len(ours)} words")


def test_a_forced_aligner_times_the_words_of_another_model(
    forced_aligner: Path, opened: Callable[[str], SpeechToText]
) -> None:
    clip = real_media.speech_clips("es")[0].path
    for kind, named in (("qwen3_asr", "pt"), ("cohere_asr", None)):
        with SpeechToText(opened(kind).checkpoint.folder, aligner=forced_aligner) as recogniser:
            said = recogniser.transcribe(clip, named, word_timestamps=True)
        assert said.language == (named or "es")
        assert all(part.words for part in said.segments)
        assert not any("rough" in warning for warning in said.warnings)


def test_what_a_forced_aligner_lacks_for_a_language_is_told_and_costs_no_text(
    forced_aligner: Path, opened: Callable[[str], SpeechToText]
) -> None:
    clip = real_media.speech_clips("es")[0].path
    with SpeechToText(opened("qwen3_asr").checkpoint.folder, aligner=forced_aligner) as recogniser:
        for language, reason in (("ja", "nagisa"), ("ko", "soynlp"), ("pl", "language 'pl'")):
            said = recogniser.transcribe(clip, language, word_timestamps=True)
            assert any("rough" in warning and reason in warning for warning in said.warnings)
            assert said.text
            assert all(part.words for part in said.segments)


def test_a_forced_aligner_writes_nothing(forced_aligner: Path) -> None:
    with refused(UnsupportedError, "aligner", "when the words"):
        SpeechToText(forced_aligner).transcribe(real_media.speech_clips("en")[0].path)


def test_the_aligner_tells_the_language_to_a_recogniser_that_must_be_told(
    opened: Callable[[str], SpeechToText],
) -> None:
    said = opened("cohere_asr").transcribe(real_media.speech_clips("es")[0].path)
    assert said.language == "es"
    assert opened("cohere_asr").detect_language(real_media.speech_clips("es")[0].path).language == "es"
    assert opened("parakeet_tdt").transcribe(real_media.speech_clips("es")[0].path, "es").language == "es"


def test_a_language_that_a_recogniser_doesnt_know_ends_no_recording(opened: Callable[[str], SpeechToText]) -> None:
    said = opened("cohere_asr").transcribe(real_media.speech_clips("ru")[0].path)
    assert said.segments
    assert said.language != "ru"


def test_one_recording_of_several_is_refused_alone(opened: Callable[[str], SpeechToText]) -> None:
    clips = [clip.path for clip in real_media.speech_clips("en")[:3]]
    languages = ("en", "sw", "en")
    recordings = [Recording(path, language) for path, language in zip(clips, languages, strict=True)]
    first, second, third = opened("cohere_asr").transcribe_together(recordings)
    assert isinstance(second, UnsupportedError)
    assert isinstance(first, Transcription)
    assert isinstance(third, Transcription)


def test_which_languages_may_be_spoken_counts_or_is_told(opened: Callable[[str], SpeechToText]) -> None:
    clip = real_media.speech_clips("en")[0].path
    assert opened("wav2vec2").transcribe(clip, languages=["de"]).language == "de"
    unused = opened("parakeet_ctc").transcribe(clip, languages=["de", "fr"])
    assert any("parakeet_ctc" in warning for warning in unused.warnings)
    assert opened("moonshine").transcribe(clip, languages=["de", "fr"]).language in ("de", "fr")
    assert opened("moonshine").detect_language(clip).language == "en"


def test_what_a_recogniser_cant_do_is_refused(opened: Callable[[str], SpeechToText], tmp_path: Path) -> None:
    clip = real_media.speech_clips("en")[0].path
    with refused(UnsupportedError, "parakeet_tdt", "translate"):
        opened("parakeet_tdt").transcribe(clip, task="translate")
    with refused(UnsupportedError, "parakeet_ctc"):
        opened("parakeet_ctc").detect_language(clip)
    with refused(UnsupportedError, "cohere_asr", "sw"):
        opened("cohere_asr").transcribe(clip, "sw")
    assert opened("canary").transcribe(clip, "es", task="translate").task == "translate"
    warnings = opened("parakeet_tdt").transcribe(clip, initial_prompt="Dear Ann,", hotwords="Ann").warnings
    assert any("initial prompt" in each for each in warnings)
    assert any("hotwords" in each for each in warnings)
    assert not any("hotwords" in each for each in opened("qwen3_asr").transcribe(clip, hotwords="Ann").warnings)


def test_a_checkpoint_that_was_never_taught_to_write_is_refused(tmp_path: Path) -> None:
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2ForPreTraining

    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=(8,),
        conv_kernel=(10,), conv_stride=(10,), num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
        codevector_dim=8, proj_codevector_dim=8, num_codevectors_per_group=4,
    )  # fmt: skip
    Wav2Vec2ForPreTraining(config).save_pretrained(tmp_path / "pretrained")
    with refused(UnsupportedError, "pretrained", "wav2vec2"):
        SpeechToText(tmp_path / "pretrained").load()


def test_what_is_no_aligner_is_refused(opened: Callable[[str], SpeechToText]) -> None:
    wrong = opened("parakeet_ctc").checkpoint.folder
    with (
        SpeechToText(opened("moonshine").checkpoint.folder, aligner=wrong) as recogniser,
        refused(UnsupportedError, "parakeet_ctc", "aligner"),
    ):
        recogniser.transcribe(real_media.speech_clips("en")[0].path)


def test_why_a_family_isnt_opened_is_true(tmp_path: Path) -> None:
    def named(family: str, architecture: str) -> Path:
        folder = tmp_path / family
        folder.mkdir()
        config = {"model_type": family, "architectures": [architecture]}
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    with refused(MissingDependencyError, "voxtral", "mistral_common and soundfile", "pip install mistral-common"):
        SpeechToText(named("voxtral", "VoxtralForConditionalGeneration")).load()
    with refused(MissingDependencyError, "voxtral_realtime", "mistral_common"):
        SpeechToText(named("voxtral_realtime", "VoxtralRealtimeForConditionalGeneration")).load()
    with refused(UnsupportedError, "kyutai_speech_to_text", "in step with the sound"):
        SpeechToText(named("kyutai_speech_to_text", "KyutaiSpeechToTextForConditionalGeneration")).load()
    original = named("qwen3_asr", "Qwen3ASRForConditionalGeneration")
    config = {"model_type": "qwen3_asr", "architectures": ["Qwen3ASRForConditionalGeneration"], "thinker_config": {}}
    (original / "config.json").write_text(json.dumps(config))
    with refused(UnsupportedError, "qwen-asr", "-hf"):
        SpeechToText(original).load()


def test_those_that_translate_are_asked_to(opened: Callable[[str], SpeechToText]) -> None:
    clip = real_media.speech_clips("es")[0].path
    for kind in ("granite_speech", "seamless_m4t_v2"):
        assert opened(kind).transcribe(clip, "es", task="translate").task == "translate"
    with refused(UnsupportedError, "vibevoice_asr", "translate"):
        opened("vibevoice_asr").transcribe(clip, task="translate")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "wav2vec2"])
def test_windows_that_go_through_a_model_together_get_the_text_that_they_get_alone(
    kind: str, opened: Callable[[str], SpeechToText], speech: np.ndarray
) -> None:
    import torch

    windows = [speech[: 2 * SAMPLE_RATE], speech[2 * SAMPLE_RATE :]]
    with opened(kind).lease() as recogniser, torch.inference_mode():
        backend: Any = recogniser  # on a GPU it does so by itself
        told = Told("en")
        alone = [backend.written([window], told)[0] for window in windows]
        together = [each for part in ([windows] if backend.batches else []) for each in backend.written(part, told)]
    assert [each.text for each in together or alone] == [each.text for each in alone]
    assert backend.batches == (kind not in ("moonshine", "vibevoice_asr", "moss_transcribe_diarize", "fun_asr_nano"))


@pytest.mark.parametrize("kind", ["cohere_asr", "parakeet_tdt"])
def test_a_recogniser_is_stopped_within_a_token(kind: str, opened: Callable[[str], SpeechToText]) -> None:
    class Soon:
        asked = 0

        def is_set(self) -> bool:
            self.asked += 1
            return self.asked > 5

    soon, sound = Soon(), np.random.default_rng(0).normal(scale=0.1, size=20 * SAMPLE_RATE).astype(np.float32)
    with opened(kind).lease() as backend, pytest.raises(CancelledError):
        backend.recognise(backend.encode([sound]), Told("en"), needs_words=lambda number, text: True, cancel=soon)
    assert soon.asked == 6
    with opened(kind).lease() as backend:
        assert backend.recognise(backend.encode([sound]), Told("en"), needs_words=lambda number, text: False)
