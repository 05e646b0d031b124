"""Language models in CTranslate2: streams don't block each other, and a seed needs no second opening of the weights."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sensorium import LanguageModel
from sensorium.errors import CancelledError
from sensorium.language.ctranslate2_seed import Seeds
from sensorium.language.messages import user_turn
from tests.language.tiny_language_models import tiny_causal_language_model, write_gguf

ASKED = [{"role": "user", "content": "The fox"}]
SAMPLED: Any = {"max_new_tokens": 20, "temperature": 1.5}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    return write_gguf(tiny_causal_language_model(folder / "source"), folder / "tiny.gguf")


@pytest.fixture
def model(file: Path) -> LanguageModel:
    return LanguageModel(file)


def _count_openings(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    backend: Any = model.backend
    opened: list[int] = []
    open_weights = backend._open

    def counted() -> Any:
        opened.append(1)
        return open_weights()

    monkeypatch.setattr(backend, "_open", counted)
    return opened


def test_a_second_stream_doesn_t_wait_for_whoever_reads_the_first(model: LanguageModel) -> None:
    first = model.stream(ASKED, max_new_tokens=60)
    begun = next(first)
    second = model.stream(ASKED, max_new_tokens=60)
    # The first one is not read on, and the second gets its turn all the same.
    assert "".join(second) == begun + "".join(first)
    assert str(first.result) == str(second.result)


def test_a_stream_that_waits_for_its_turn_can_be_cancelled(model: LanguageModel) -> None:
    backend: Any = model.backend
    cancel = threading.Event()
    failures: list[BaseException] = []

    def wait() -> None:
        try:
            model.stream(ASKED, max_new_tokens=60, cancel=cancel).finish()
        except CancelledError as error:
            failures.append(error)

    with backend._busy:  # another text is being written, and takes long
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.15)
        assert waiting.is_alive()
        cancel.set()
        began = time.monotonic()
        waiting.join(5)
        assert not waiting.is_alive()
    assert time.monotonic() - began < 2
    assert len(failures) == 1


def test_closing_a_stream_that_waits_for_its_turn(model: LanguageModel) -> None:
    backend: Any = model.backend
    with backend._busy:
        stream = model.stream(ASKED, max_new_tokens=60)
        reading = threading.Thread(target=lambda: next(stream, None), daemon=True)
        reading.start()
        reading.join(0.1)
    reading.join(5)
    stream.close()
    assert [thread for thread in threading.enumerate() if thread.name == "sensorium-generate"] == []
    assert model.generate("The fox", max_new_tokens=4)


def test_sampling_opens_the_weights_no_second_time(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = _count_openings(model, monkeypatch)
    answers = [str(model.chat(ASKED, seed=seed, **SAMPLED)) for seed in (5, 6, 5, 6)]
    assert opened == []
    assert answers[:2] == answers[2:]
    assert answers[0] != answers[1]


def test_a_seed_means_what_it_means_to_weights_that_were_just_opened(model: LanguageModel) -> None:
    import ctranslate2

    model.chat(ASKED, seed=1, **SAMPLED)
    written = model.chat(ASKED, seed=5, **SAMPLED)
    ctranslate2.set_random_seed(5)
    backend: Any = model.backend
    names = backend._names(backend.tokenizer.encode([user_turn("The fox")]))
    theirs = backend._open().generate_batch(
        [names], max_length=20, sampling_topk=0, sampling_temperature=1.5, include_prompt_in_result=False
    )
    assert written == backend.tokenizer.text(theirs[0].sequences_ids[0]).rstrip("\N{REPLACEMENT CHARACTER}").strip()


def test_threads_that_sample_at_the_same_time(model: LanguageModel) -> None:
    alone = [str(model.chat(ASKED, seed=seed, **SAMPLED)) for seed in range(4)]
    found: dict[int, str] = {}

    def write(seed: int) -> None:
        found[seed] = str(model.chat(ASKED, seed=seed, **SAMPLED))

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[seed] for seed in range(4)] == alone


def test_where_seeds_can_t_be_changed_the_weights_are_opened_again(
    model: LanguageModel, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [str(model.chat(ASKED, seed=seed, **SAMPLED)) for seed in (5, 6, 5)]
    model.close()
    gc.collect()  # the models of earlier tests too: this one shall open the weights anew
    other = LanguageModel(file)
    monkeypatch.setattr(Seeds, "reseed", lambda self, seed: False)
    opened = _count_openings(other, monkeypatch)
    assert [str(other.chat(ASKED, seed=seed, **SAMPLED)) for seed in (5, 6, 5)] == expected
    assert len(opened) == 2  # the first text draws from a generator that is fresh


def test_an_answer_after_weights_that_could_not_be_opened_again(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    greedy = model.chat(ASKED, max_new_tokens=3)
    backend: Any = model.backend
    open_weights = backend._open

    def fail() -> Any:
        raise RuntimeError("std::bad_alloc")

    monkeypatch.setattr(Seeds, "reseed", lambda self, seed: False)
    model.chat(ASKED, seed=1, **SAMPLED)
    monkeypatch.setattr(backend, "_open", fail)
    with pytest.raises(RuntimeError):
        model.chat(ASKED, seed=2, **SAMPLED)
    monkeypatch.setattr(backend, "_open", open_weights)
    assert model.chat(ASKED, max_new_tokens=3) == greedy
