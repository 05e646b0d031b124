"""Streams and whole calls end with the same result: text, why it ended, tokens, seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensorium import LanguageModel
from sensorium.answer import Answer, Usage
from sensorium.errors import InputError, UnsupportedError
from sensorium.language.messages import user_turn
from sensorium.language.sampling import Sampling
from sensorium.streaming import ResultStream
from tests.films import truncated
from tests.language.tiny_language_models import tiny_causal_language_model, write_gguf
from tests.openai_server import OpenAIServer, serve_openai

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What colour is the sky?"},
    {"role": "user", "content": "And the car?"},
]


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with serve_openai() as running:
        yield running


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_causal_language_model(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture(scope="module")
def open_model(
    tiny: Path, server: OpenAIServer, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], LanguageModel]:
    def gguf(dtype: str) -> LanguageModel:
        return LanguageModel(write_gguf(tiny, tmp_path_factory.mktemp("gguf") / "tiny.gguf"), dtype=dtype)

    openers: dict[str, Callable[[], LanguageModel]] = {
        "starter": LanguageModel,
        "transformers": lambda: LanguageModel(tiny),
        "gguf": lambda: gguf("float32"),
        "ctranslate2": lambda: gguf("auto"),
        "server": lambda: LanguageModel(server.model()),
    }
    return lambda kind: openers[kind]()


def same(one: Answer, other: Answer) -> bool:
    return (str(one), one.origin()) == (str(other), other.origin())


@pytest.mark.parametrize("kind", ["starter", "transformers", "gguf", "ctranslate2", "server"])
@pytest.mark.parametrize("options", [{}, {"temperature": 1.0, "seed": 3}, {"stop": ["a"]}])
def test_a_stream_ends_with_the_result_of_the_whole_call(
    kind: str, options: dict[str, Any], open_model: Callable[[str], LanguageModel]
) -> None:
    model = open_model(kind)
    stream = model.stream(MESSAGES, max_new_tokens=12, **options)
    assert isinstance(stream, ResultStream)
    pieces = [next(stream)]
    with pytest.raises(InputError):
        _ = stream.result
    pieces += stream
    whole = model.chat(MESSAGES, max_new_tokens=12, **options)
    assert same(stream.result, whole)
    assert "".join(pieces).strip() == whole
    assert whole.seed == options.get("seed")
    assert whole.model == model.model


@pytest.mark.parametrize("kind", ["transformers", "ctranslate2"])
def test_tokens_are_those_that_were_read_and_written(
    kind: str, open_model: Callable[[str], LanguageModel], tiny: Path
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    merged = [MESSAGES[0], {"role": "user", "content": "What colour is the sky?\n\nAnd the car?"}]
    read = len(tokenizer.apply_chat_template(merged, add_generation_prompt=True)["input_ids"])
    model = open_model(kind)
    cut = model.chat(MESSAGES, max_new_tokens=12)
    assert (cut.finish_reason, cut.usage) == ("length", Usage(read, 12))
    assert model.count_tokens(MESSAGES) == read
    stop = str(cut)[4:6]
    stopped = model.chat(MESSAGES, max_new_tokens=12, stop=stop)
    assert stopped.finish_reason == "stop"
    assert stopped == str(cut)[: str(cut).index(stop)].strip()
    assert stopped.usage is not None
    assert 0 < stopped.usage.completion_tokens < 12


@pytest.mark.parametrize("kind", ["transformers", "ctranslate2"])
def test_a_model_that_is_done_says_so(kind: str, open_model: Callable[[str], LanguageModel]) -> None:
    model = open_model(kind)
    # Any token ends the text of this model.
    backend: Any = model.backend
    first = model.generate("Hello", max_new_tokens=1)
    (token,) = list(backend.write_tokens(backend.tokenizer.encode([user_turn("Hello")]), Sampling(1), cancel=None))
    assert first.finish_reason == "length"
    if kind == "transformers":
        backend._model.generation_config.eos_token_id = token
    backend.ends = frozenset([token])
    done = model.generate("Hello", max_new_tokens=5)
    assert (done, done.finish_reason) == ("", "stop")
    assert done.usage is not None
    assert done.usage.completion_tokens == 0
    exactly = model.generate("Hello", max_new_tokens=1)
    assert exactly.finish_reason == "stop"


def test_a_drawn_seed_is_told_and_repeats(open_model: Callable[[str], LanguageModel]) -> None:
    for kind in ("transformers", "ctranslate2"):
        model = open_model(kind)
        drawn = model.generate("The fox", max_new_tokens=12, temperature=1.5)
        assert drawn.seed is not None
        again = model.generate("The fox", max_new_tokens=12, temperature=1.5, seed=drawn.seed)
        assert same(drawn, again)
        assert model.generate("The fox", max_new_tokens=12).seed is None


def test_a_server_is_told_the_stops_and_counts_itself(
    server: OpenAIServer, open_model: Callable[[str], LanguageModel]
) -> None:
    server.usage = (40, 5)
    model = open_model("server")
    answer = model.chat(MESSAGES, stop=list("12345"), max_new_tokens=9)
    assert server.requests[-1].body["stop"] == list("1234")
    assert (answer.usage, answer.finish_reason) == (Usage(40, 5), "stop")
    server.ending = "length"
    assert model.chat(MESSAGES).finish_reason == "length"
    server.ending = "stop"
    # A server that knows no stops is hung up on before it has counted.
    cut = model.chat(MESSAGES, stop="on")
    assert (cut, cut.usage, cut.finish_reason) == ("A cat", None, "stop")


def test_what_a_text_model_can_t_take(open_model: Callable[[str], LanguageModel], server: OpenAIServer) -> None:
    for kind, source in (("image", "cat.jpg"), ("audio", "talk.wav"), ("video", "film.mp4")):
        messages = [{"role": "user", "content": [{"type": kind, kind: source}, "What is this?"]}]
        for call in ("chat", "stream", "count_tokens"):
            with pytest.raises(UnsupportedError, match="'tiny-llama' takes none") as caught:
                getattr(open_model("transformers"), call)(messages)
            assert caught.value.remedy
    with pytest.raises(UnsupportedError, match="holds a film"):
        LanguageModel(server.model()).chat([{"role": "user", "content": [{"type": "video", "video": "film.mp4"}]}])


def test_a_server_hears_and_sees(server: OpenAIServer, tmp_path: Path) -> None:
    import base64
    import io
    import wave

    import PIL.Image

    with wave.open(str(tmp_path / "tone.wav"), "wb") as sound:
        sound.setparams((1, 2, 16000, 0, "NONE", ""))
        sound.writeframes(b"\x00\x10" * 1600)
    PIL.Image.new("RGB", (32, 16), "red").save(tmp_path / "red.png")
    parts = [
        {"type": "audio", "audio": tmp_path / "tone.wav"},
        {"type": "image", "image": tmp_path / "red.png"},
        {"type": "text", "text": "What is this?"},
    ]
    LanguageModel(server.model()).chat([{"role": "user", "content": parts}])
    (message,) = server.requests[-1].body["messages"]
    heard, seen, said = message["content"]
    assert said == {"type": "text", "text": "What is this?"}
    assert seen["image_url"]["url"].startswith("data:image/jpeg;base64,")
    with wave.open(io.BytesIO(base64.b64decode(heard["input_audio"]["data"]))) as wav:
        assert (heard["input_audio"]["format"], wav.getframerate(), wav.getnframes()) == ("wav", 16000, 1600)


def test_what_is_missing_of_a_recording_is_told_with_the_answer(server: OpenAIServer, tmp_path: Path) -> None:
    from sensorium import LLaVA
    from sensorium.media.audio_writer import write_audio

    whole = write_audio(np.random.default_rng(0).normal(0, 0.1, 32_000), tmp_path / "whole.wav", 16_000)
    cut = truncated(whole, tmp_path / "cut.wav", 0.5)
    turn = {"role": "user", "content": [{"type": "audio", "audio": cut}, {"type": "text", "text": "What is this?"}]}
    for answer in (LanguageModel(server.model()).chat([turn]), LLaVA(server.model()).chat(None, [turn])):
        (sentence,) = answer.warnings
        assert "cut.wav breaks off at second 1" in sentence
    assert LanguageModel(server.model()).chat([{"role": "user", "content": "Hello"}]).warnings == ()
