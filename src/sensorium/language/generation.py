"""Text from a generating model of transformers: cancelled within a token, streamed, sampled repeatably."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import closing
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from sensorium.answer import Ending, Usage
from sensorium.language.busy_model import Halt, write_in_thread
from sensorium.language.sampling import Sampling
from sensorium.language.text_pieces import TextReader
from sensorium.models.turns import holding
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.quiet import quiet_transformers


def generation_options(sampling: Sampling) -> dict[str, Any]:
    """Return arguments of ``generate``; they replace what the checkpoint recommends about sampling."""
    chosen: dict[str, Any] = {
        "max_new_tokens": sampling.max_new_tokens,
        "do_sample": False,
        "num_beams": 1,
        "temperature": None,
        "top_p": None,
        "top_k": None,
    }
    if sampling.repetition_penalty is not None:
        chosen["repetition_penalty"] = sampling.repetition_penalty
    if sampling.temperature:
        chosen["logits_processor"] = LogitsProcessorList([_Choice(sampling)])
    return chosen


class _Choice(LogitsProcessor):
    """Samples with a random generator of its own, so that other threads and other samples change nothing.

    transformers samples with the process's generator. Here the token is drawn first, and the only likely one then.
    """

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._generator = torch.Generator().manual_seed(sampling.seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> Any:
        scaled = scores.float().cpu() / self._sampling.temperature
        probabilities, tokens = scaled.softmax(-1).sort(stable=True, dim=-1, descending=True)
        # A token stays in while those before it are less than top_p together; so the likeliest always does.
        before = probabilities.cumsum(-1) - probabilities
        probabilities = probabilities.masked_fill(before >= self._sampling.top_p, 0.0)
        drawn = tokens.gather(-1, torch.multinomial(probabilities, 1, generator=self._generator))
        return torch.full_like(scores, -torch.inf).scatter_(-1, drawn.to(scores.device), 0.0)


class _Stopping(StoppingCriteria):
    """Asks after each token whether the writing is to stop, and lets each text's reader read its own."""

    def __init__(self, asked: Callable[[], bool], readers: Sequence[TextReader] = ()) -> None:
        self._asked, self._readers = asked, readers

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **options: Any) -> Any:
        done = [False] * input_ids.shape[0]
        if self._readers:
            for reader, token in zip(self._readers, input_ids[:, -1].tolist(), strict=True):
                if not reader.done:  # what follows only fills up
                    reader.add(token)
            done = [reader.done for reader in self._readers]
        return torch.tensor(done, device=input_ids.device) | self._asked()


def end_tokens(model: Any) -> frozenset[int]:
    """Return the tokens that end a model's text."""
    ends = model.generation_config.eos_token_id
    if ends is None:
        return frozenset()
    return frozenset([ends] if isinstance(ends, int) else ends)


def endings(
    rows: Sequence[Sequence[int]], ends: Collection[int], prompt_tokens: Sequence[int]
) -> list[tuple[Sequence[int], Ending]]:
    """Return each text of a batch without what follows its end, and how it ended.

    Args:
        rows: The tokens written, shorter texts filled up at the end.
        ends: The tokens that end a text.
        prompt_tokens: How many tokens the model read for each text.
    """
    found = []
    for row, read in zip(rows, prompt_tokens, strict=True):
        length = next((place for place, token in enumerate(row) if token in ends), None)
        written = row if length is None else row[:length]
        found.append((written, Ending("length" if length is None else "stop", Usage(read, len(written)))))
    return found


def write_tokens(
    generate: Callable[..., Any],
    sampling: Sampling,
    *,
    busy: threading.Lock,
    readers: Sequence[TextReader] = (),
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> torch.Tensor:
    """Return what ``generate`` returns: token ids ``[n, length]``, with the prompt if the model repeats it.

    Args:
        generate: A model's ``generate`` with its inputs filled in.
        sampling: How to choose tokens.
        busy: Held while the model runs: two generations at once would share the same cores.
        readers: Read each text while it is written, and say when it is done; none for texts without thoughts.
        progress: Told the tokens written so far.
        cancel: Stops within one token.

    Raises:
        CancelledError: ``cancel`` was set.
    """
    written = 0

    def stop() -> bool:
        nonlocal written
        written += 1
        if readers:
            min(readers, key=lambda reader: reader.done).report(progress)
        else:
            report(progress, "writing", written, sampling.max_new_tokens, "tokens")
        return cancel is not None and cancel.is_set()

    with holding(busy, cancel), torch.inference_mode(), quiet_transformers():
        check_cancelled(cancel)
        criteria = StoppingCriteriaList([_Stopping(stop, readers)])
        tokens = generate(stopping_criteria=criteria, **generation_options(sampling))
    check_cancelled(cancel)
    assert isinstance(tokens, torch.Tensor)
    return tokens


def stream_tokens(
    generate: Callable[..., Any], sampling: Sampling, *, busy: threading.Lock, cancel: Cancellation | None = None
) -> Generator[int, None, None]:
    """Give one sequence's new tokens as they are written in a thread of its own, which holds ``busy``.

    Raises:
        CancelledError: ``cancel`` was set.
    """

    def write(hand_over: Callable[[int], None], halt: Halt) -> None:
        with torch.inference_mode(), quiet_transformers():
            generate(
                streamer=_HandedOver(hand_over),
                stopping_criteria=StoppingCriteriaList([_Stopping(halt.is_set)]),
                **generation_options(sampling),
            )

    with closing(write_in_thread(write, busy=busy, cancel=cancel)) as tokens:
        yield from tokens


class _HandedOver(BaseStreamer):
    """Hands tokens over as they come; the first ones that ``generate`` puts are the prompt's."""

    def __init__(self, hand_over: Callable[[int], None]) -> None:
        self._hand_over = hand_over
        self._prompt = True

    def put(self, value: torch.Tensor) -> None:
        if not self._prompt:
            for token in value.flatten().tolist():
                self._hand_over(token)
        self._prompt = False

    def end(self) -> None:
        """Nothing: the thread says when it is through."""
