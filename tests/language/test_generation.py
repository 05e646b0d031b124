"""Sampling and streams, without a model."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

from sensorium.errors import CancelledError
from sensorium.language.generation import generation_options, stream_tokens, write_tokens
from sensorium.language.sampling import Sampling

PROMPT = torch.zeros(1, 1, dtype=torch.long)


def _drawn(sampling: Sampling, scores: torch.Tensor, times: int) -> torch.Tensor:
    """Return how often each token was chosen."""
    (choice,) = generation_options(sampling)["logits_processor"]
    return torch.stack([choice(PROMPT, scores).isfinite()[0] for _ in range(times)]).float().mean(0)


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 0.9), (2.0, 0.5), (0.3, 0.95)])
def test_tokens_are_drawn_from_the_distribution_that_transformers_defines(temperature: float, top_p: float) -> None:
    torch.manual_seed(0)
    scores = 2 * torch.randn(1, 12)
    warpers = LogitsProcessorList([TemperatureLogitsWarper(temperature)])
    if top_p < 1:
        warpers.append(TopPLogitsWarper(top_p))
    expected = warpers(PROMPT, scores).softmax(-1)[0]
    found = _drawn(Sampling(1, temperature, top_p, seed=5), scores, 4000)
    assert (found - expected).abs().max() < 0.03
    assert not found[expected == 0].any()


def test_the_process_s_generator_is_left_alone() -> None:
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    _drawn(Sampling(1, 1.0, seed=1), torch.randn(1, 12, generator=torch.Generator().manual_seed(1)), 5)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_greedy_replaces_what_a_checkpoint_recommends() -> None:
    options = generation_options(Sampling(7))
    assert (options["do_sample"], options["num_beams"], options["max_new_tokens"]) == (False, 1, 7)
    assert options["temperature"] is options["top_p"] is options["top_k"] is None


def _counting(**options: Any) -> torch.Tensor:
    """Stand in for a model's generate: write 0, 1, 2, … until told to stop."""
    streamer, criteria = options.get("streamer"), options["stopping_criteria"]
    tokens = PROMPT
    if streamer is not None:
        streamer.put(tokens)
    for token in range(options["max_new_tokens"]):
        tokens = torch.cat([tokens, torch.tensor([[token]])], -1)
        if streamer is not None:
            streamer.put(tokens[:, -1])
        if bool(criteria(tokens, torch.empty(0)).all()):
            break
    return tokens


def test_streams_give_what_is_written_after_the_prompt() -> None:
    assert list(stream_tokens(_counting, Sampling(5), busy=threading.Lock())) == [0, 1, 2, 3, 4]
    assert write_tokens(_counting, Sampling(3), busy=threading.Lock()).tolist() == [[0, 0, 1, 2]]


def test_a_failure_in_the_thread_reaches_the_reader() -> None:
    def failing(**options: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(stream_tokens(failing, Sampling(5), busy=threading.Lock()))


def test_whoever_waits_for_a_busy_model_can_be_cancelled_too() -> None:
    busy, cancel = threading.Lock(), threading.Event()
    with busy:
        threading.Timer(0.2, cancel.set).start()
        with pytest.raises(CancelledError):
            write_tokens(_counting, Sampling(5), busy=busy, cancel=cancel)
        with pytest.raises(CancelledError):
            list(stream_tokens(_counting, Sampling(5), busy=busy, cancel=cancel))
    assert not busy.locked()
