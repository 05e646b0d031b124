"""Language models: the starter's answers, tiny checkpoints against transformers itself, and wrong input."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sensorium import LanguageModel
from sensorium.errors import CancelledError, InputError, ModelUnavailableError, UnsupportedError
from sensorium.language.messages import user_turn
from sensorium.progress import Progress
from tests.language.test_text_pieces import pieces_of_text
from tests.language.tiny_language_models import tiny_causal_language_model, write_gguf

_FACTS = ["There are two people.", "The car is red.", "The clock shows ten past four."]


@pytest.fixture(scope="module")
def starter() -> LanguageModel:
    return LanguageModel()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_causal_language_model(tmp_path_factory.mktemp("models") / "tiny-llama")


def _by_transformers(folder: Path, prompt: str, count: int, **options: Any) -> str:
    """Return what transformers writes, called directly, without the letter that the last token leaves unfinished."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    written = model.generate(ids, max_new_tokens=count, do_sample=False, pad_token_id=1, **options)
    return (
        str(tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True))
        .rstrip("\N{REPLACEMENT CHARACTER}")
        .strip()
    )


def test_the_starter_answers_from_facts(starter: LanguageModel) -> None:
    started = time.perf_counter()
    answer = starter.generate("What color is the car?", _FACTS, max_new_tokens=24)
    print(f"{answer} ({time.perf_counter() - started:.1f} s)")
    assert "red" in answer.lower()
    assert answer.model == "smollm2-135m"
    assert "<|" not in answer


def test_the_starter_streams_what_it_answers(starter: LanguageModel) -> None:
    messages = [{"role": "user", "content": "Say the names of three animals."}]
    told: list[Progress] = []
    pieces = list(starter.stream(messages, max_new_tokens=16, progress=told.append))
    assert "".join(pieces).strip() == starter.chat(messages, max_new_tokens=16)
    written = [report for report in told if report.unit == "tokens"]
    assert [report.done for report in written] == list(range(1, len(written) + 1))
    print("".join(pieces))


def test_a_history_counts(starter: LanguageModel) -> None:
    messages = [
        {"role": "user", "content": "My dog is called Rex."},
        {"role": "assistant", "content": "Rex is a good name."},
        {"role": "user", "content": "What is my dog called?"},
    ]
    assert "Rex" in starter.chat(messages, max_new_tokens=12)


def test_cancel_stops_within_a_token_and_so_does_closing(starter: LanguageModel) -> None:
    messages = [{"role": "user", "content": "Tell me a long story."}]
    cancel = threading.Event()
    pieces = starter.stream(messages, max_new_tokens=2000, cancel=cancel)
    next(pieces)
    cancel.set()
    with pytest.raises(CancelledError):
        list(pieces)
    other = starter.stream(messages, max_new_tokens=2000)
    next(other)
    other.close()
    assert "red" in starter.generate("What color is the car?", _FACTS, max_new_tokens=24).lower()


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_greedy_text_is_that_of_transformers(
    family: str, tmp_path: Path, parity: Callable[[str, str, str], None]
) -> None:
    folder = tiny_causal_language_model(tmp_path / "model", family=family, chat=False, seed=3)
    model = LanguageModel(folder)
    prompt = "Once upon a time"
    assert model.generate(prompt, max_new_tokens=40) == _by_transformers(folder, prompt, 40)
    assert model.generate(prompt, max_new_tokens=40, repetition_penalty=1.3) == _by_transformers(
        folder, prompt, 40, repetition_penalty=1.3
    )
    parity(f"LanguageModel, {family}", "AutoModelForCausalLM.generate", "token-identical")


def test_a_chat_template_is_applied_once(tiny: Path) -> None:
    model = LanguageModel(tiny)
    asked = "<|im_start|>user\nWhat colour is the sky?<|im_end|>\n<|im_start|>assistant\n"
    answer = model.chat([{"role": "user", "content": "What colour is the sky?"}], max_new_tokens=30)
    assert answer == _by_transformers(tiny, asked, 30)
    assert answer == model.generate("What colour is the sky?", max_new_tokens=30)
    assert model.count_tokens([{"role": "user", "content": "Hi"}]) > 4


def test_letters_of_several_tokens_come_whole(tiny: Path) -> None:
    model = LanguageModel(tiny).load()
    tokenizer = model.backend.tokenizer
    text = "naß 猫が好き 🦊 Привет"
    ids = tokenizer.encode([user_turn(text)])
    pieces = pieces_of_text(ids, tokenizer.text)
    assert len(pieces) == len(ids)
    assert text in "".join(pieces)


def test_sampling_leaves_the_process_s_random_numbers_alone(tiny: Path) -> None:
    model = LanguageModel(tiny)
    alone = model.generate("The fox", max_new_tokens=20, temperature=1.5, seed=7)
    state = torch.random.get_rng_state()
    pieces = model.stream([{"role": "user", "content": "The fox"}], max_new_tokens=20, temperature=1.5, seed=7)
    written = ""
    for piece in pieces:
        torch.rand(3)  # somebody else draws from the process's generator
        written += piece
    assert written.strip() == alone
    torch.random.set_rng_state(state)
    model.generate("The fox", max_new_tokens=20, temperature=1.5, seed=7)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_sampling_is_repeatable_and_greedy_is_not_sampling(tiny: Path) -> None:
    model = LanguageModel(tiny)

    def write(seed: int, temperature: float) -> str:
        return model.generate("The fox", max_new_tokens=20, temperature=temperature, seed=seed)

    assert write(7, 1.5) == write(7, 1.5)
    assert len({write(seed, 1.5) for seed in range(6)}) > 1
    assert write(1, 0.0) == write(2, 0.0)


def test_the_answer_ends_before_a_stop(tiny: Path) -> None:
    model = LanguageModel(tiny)
    messages = [{"role": "user", "content": "The car"}]
    whole = str(model.chat(messages, max_new_tokens=40))
    stop = whole[9:12]
    stopped = model.chat(messages, max_new_tokens=40, stop=stop)
    assert stopped == whole[: whole.index(stop)].strip()
    assert "".join(model.stream(messages, max_new_tokens=40, stop=[stop, "nowhere"])).strip() == stopped


def test_a_gguf_file_is_converted_once_and_reads_the_same(
    tiny: Path, tmp_path: Path, sensorium_home: Path, parity: Callable[[str, str, str], None]
) -> None:
    file = write_gguf(tiny, tmp_path / "tiny.gguf")
    exact = LanguageModel(file, dtype="float32")
    assert exact.model == "tiny"
    asked = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    assert exact.generate("Hello", max_new_tokens=20) == _by_transformers(tiny, asked, 20)
    parity("LanguageModel, gguf", "AutoModelForCausalLM.generate on the weights it was made from", "token-identical")
    fast = LanguageModel(file)
    assert type(fast.backend).__name__ == "CTranslate2LanguageModel"
    assert fast.generate("Hello", max_new_tokens=20)
    converted = sorted((sensorium_home / "derived" / "tiny").iterdir())
    assert len(converted) == 2
    ages = [folder.stat().st_mtime_ns for folder in converted]
    LanguageModel(file).generate("Hello", max_new_tokens=4)
    assert [folder.stat().st_mtime_ns for folder in sorted((sensorium_home / "derived" / "tiny").iterdir())] == ages


def test_the_window_is_never_cut_silently(tiny: Path) -> None:
    model = LanguageModel(tiny)
    count = model.count_tokens([{"role": "user", "content": "red " * 199 + "red"}])
    assert model.context_window == 128
    with pytest.raises(InputError, match=f"{count} tokens.*may have 10.*holds 128"):
        model.generate("red " * 200, max_new_tokens=10)
    with pytest.raises(InputError, match="may have 4000"):
        model.generate("Hello", max_new_tokens=4000)


@pytest.mark.parametrize("prompt", ["", "  \n"])
def test_an_empty_prompt_is_refused(tiny: Path, prompt: str) -> None:
    with pytest.raises(InputError, match="prompt is empty"):
        LanguageModel(tiny).generate(prompt)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"temperature": -1}, "temperature -1"),
        ({"top_p": 0}, "top_p is 0"),
        ({"repetition_penalty": 0}, "repetition penalty 0"),
        ({"seed": -1}, "seed -1"),
        ({"seed": 1 << 63}, "between 0 and"),
    ],
)
def test_numbers_out_of_range_are_refused(tiny: Path, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        LanguageModel(tiny).generate("Hello", **options)


def test_chinese_is_refused_by_the_starter_and_taken_by_others(starter: LanguageModel, tiny: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"Chinese.*'smollm2-135m' knows only English.*model="):
        starter.generate("你好吗？")
    assert starter.generate("What does 你好 mean in English?", max_new_tokens=2)
    LanguageModel(tiny).generate("你好吗？", max_new_tokens=2)


def test_a_base_model_holds_no_conversation(tmp_path: Path) -> None:
    model = LanguageModel(tiny_causal_language_model(tmp_path / "base", chat=False))
    with pytest.raises(UnsupportedError, match="no chat template"):
        model.chat([{"role": "user", "content": "Hello"}])


def test_other_architectures_and_broken_files_are_one_sentence(tmp_path: Path, sensorium_home: Path) -> None:
    import gguf

    other = tmp_path / "speech.gguf"
    writer = gguf.GGUFWriter(str(other), "whisper")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(UnsupportedError, match=r"speech\.gguf holds a model of architecture 'whisper'"):
        LanguageModel(other).load()
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelUnavailableError, match=r"broken\.gguf.* is no GGUF file, or it is damaged or cut off"):
        LanguageModel(broken).load()
    folder = tmp_path / "picture-model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(UnsupportedError, match="its family is 'clip', which is for image-text-similarity"):
        LanguageModel(folder).load()
    half = tiny_causal_language_model(tmp_path / "half")
    weights = half / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelUnavailableError, match="half"):
        LanguageModel(half).load()


@pytest.mark.parametrize("seed", [42, (1 << 32) - 1, (1 << 63) - 1])
def test_the_starter_repeats_itself_with_a_seed(seed: int) -> None:
    model = LanguageModel()
    options = {"max_new_tokens": 12, "temperature": 1.0}
    first, again = (model.generate("Say something about cats.", seed=seed, **options) for _ in range(2))
    assert first == again
    assert model.generate("Say something about cats.", seed=seed - 1, **options) != first


def test_facts_may_be_an_array(starter: LanguageModel) -> None:
    facts = ["The cat is black.", "The dog is brown."]
    answer = starter.generate("Which animal is black?", np.array(facts), max_new_tokens=8)
    assert answer == starter.generate("Which animal is black?", facts, max_new_tokens=8)
