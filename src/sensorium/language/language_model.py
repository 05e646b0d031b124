"""Text generation by a causal language model: ``LanguageModel``."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from sensorium.answer import Answer
from sensorium.arguments import checked
from sensorium.errors import InputError, UnsupportedError
from sensorium.language.messages import Message, check_conversation
from sensorium.language.sampling import Sampling
from sensorium.language.text_writer import TextWriter
from sensorium.language.written_language import require_language
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.task import Task


class LanguageModel(Task[TextWriter]):
    """Answers a prompt, or the last turn of a conversation, with text.

    Any causal language model that transformers knows, as a folder with ``config.json`` and safetensors, or as a
    single ``.gguf`` file (converted once, then kept); or any model behind an OpenAI-compatible server.

    Args:
        model: Catalog name, hub id, local folder, a ``.gguf`` file, ``openai:NAME@BASE_URL``, or None for the
            profile's default.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.

    Raises:
        ModelUnavailableError: No checkpoint of that name is known for this task.
    """

    task: ClassVar[str] = "text-generation"
    families: ClassVar[Mapping[str, str]] = {
        "gguf": "sensorium.language.gguf:open_gguf",
        "causal-language-model": "sensorium.language.causal_language_model:CausalLanguageModel",
        "openai": "sensorium.language.endpoint_language_model:EndpointLanguageModel",
    }

    def _family(self, folder: Path) -> str:
        family = super()._family(folder)
        if family in self.families:
            return family
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

        return "causal-language-model" if family in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES else family

    @property
    def context_window(self) -> int | None:
        """How many tokens prompt and answer may have together; None where only the model's server knows."""
        return self.backend.context_window

    @checked
    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return how many tokens a conversation takes, the chat template's own tokens included.

        Raises:
            InputError: The turns are out of order or empty.
            UnsupportedError: The model runs behind a server, which alone has the tokenizer.
        """
        with self.lease() as backend:
            return backend.count_tokens(check_conversation(messages))

    @checked
    def generate(
        self,
        prompt: str,
        context: str | Sequence[str] | None = None,
        *,
        system: str | None = None,
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        repetition_penalty: float = 1.0,
        stop: str | Sequence[str] = (),
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer:
        """Answer one prompt.

        A checkpoint without a chat template (a base model) continues the prompt instead of answering it.

        Args:
            prompt: What to answer.
            context: Facts to answer from, written before the prompt; a list is one fact a line.
            system: How to behave, for checkpoints with a chat template.
            max_new_tokens: Longest answer, in tokens.
            temperature: 0 takes the likeliest token each time; higher is more varied, up to 2.
            top_p: Sample only from the likeliest tokens that together have this probability.
            seed: Makes sampling repeatable; a fresh one is drawn if None.
            repetition_penalty: Above 1, words that were written before become less likely.
            stop: End the answer before any of these strings.
            progress: Told the tokens written so far.
            cancel: Stops after the token being written.

        Returns:
            The answer, without prompt or special tokens.

        Raises:
            InputError: The prompt is empty, a number is out of range, or prompt and answer don't fit the window.
            UnsupportedError: The prompt is in a script that the checkpoint was not trained on.
            CancelledError: ``cancel`` was set.
        """
        if not isinstance(prompt, str) or not prompt.strip():
            raise InputError("The prompt is empty", "Write what the model should answer")
        facts = context if isinstance(context, str) else "\n".join(context or ())
        content = f"{facts.strip()}\n\n{prompt.strip()}" if facts.strip() else prompt.strip()
        messages = [{"role": "system", "content": system}] if system else []
        pieces = self._pieces(
            [*messages, {"role": "user", "content": content}],
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            repetition_penalty=repetition_penalty,
            stop=stop,
            continue_text=True,
            progress=progress,
            cancel=cancel,
        )
        return Answer("".join(pieces).strip(), model=self.model)

    @checked
    def chat(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int = 256,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        repetition_penalty: float = 1.0,
        stop: str | Sequence[str] = (),
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer:
        """Answer the last turn of a conversation.

        Args:
            messages: An optional system turn, then user and assistant turns alternating, the last one the user's.
                Nothing of it is ever cut: a conversation beyond the window is an error that names the counts.
            max_new_tokens: Longest answer, in tokens.
            temperature: 0 takes the likeliest token each time; higher is more varied, up to 2.
            top_p: Sample only from the likeliest tokens that together have this probability.
            seed: Makes sampling repeatable; a fresh one is drawn if None.
            repetition_penalty: Above 1, words that were written before become less likely.
            stop: End the answer before any of these strings.
            progress: Told the tokens written so far.
            cancel: Stops after the token being written.

        Raises:
            InputError: The turns are out of order or empty, or the conversation doesn't fit the window.
            UnsupportedError: The checkpoint has no chat template, or doesn't know the script of the last turn.
            CancelledError: ``cancel`` was set.
        """
        pieces = self.stream(
            messages,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            repetition_penalty=repetition_penalty,
            stop=stop,
            progress=progress,
            cancel=cancel,
        )
        return Answer("".join(pieces).strip(), model=self.model)

    @checked
    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int = 256,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        repetition_penalty: float = 1.0,
        stop: str | Sequence[str] = (),
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Iterator[str]:
        """Like `chat`, but give the answer piece by piece as it is written.

        The input is checked at once, not at the first piece. Closing the iterator stops the model.
        """
        return self._pieces(
            check_conversation(messages),
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            repetition_penalty=repetition_penalty,
            stop=stop,
            continue_text=False,
            progress=progress,
            cancel=cancel,
        )

    def _pieces(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seed: int | None,
        repetition_penalty: float,
        stop: str | Sequence[str],
        continue_text: bool,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Iterator[str]:
        _check_sampling(max_new_tokens, temperature, top_p, repetition_penalty, seed)
        require_language(messages[-1]["content"], self.checkpoint, what="prompt")
        sampling = Sampling(
            max_new_tokens,
            temperature,
            top_p,
            random.SystemRandom().randrange(1 << 31) if seed is None else seed,
            repetition_penalty,
        )

        def start(backend: TextWriter) -> Generator[str, None, None]:
            if not backend.holds_conversations and not continue_text:
                raise UnsupportedError(
                    f"The checkpoint {self.model!r} has no chat template: it continues text and holds no conversation",
                    "Use generate(), or choose a checkpoint whose name says 'instruct' or 'chat'",
                )
            written = backend.write(messages, sampling, cancel=cancel)
            return _until(written, (stop,) if isinstance(stop, str) else tuple(stop), max_new_tokens, progress, cancel)

        return self.leased(start, progress=progress, cancel=cancel)


def _check_sampling(
    max_new_tokens: int, temperature: float, top_p: float, repetition_penalty: float, seed: int | None
) -> None:
    if max_new_tokens < 1:
        raise InputError(f"max_new_tokens is {max_new_tokens}", "Allow at least one token")
    if not 0 <= temperature <= 2:
        raise InputError(f"The temperature {temperature} is not between 0 and 2", "0 is repeatable, 0.7 is varied")
    if not 0 < top_p <= 1:
        raise InputError(f"top_p is {top_p}, not above 0 and at most 1", "Use 1 to sample from all tokens")
    if not 0 < repetition_penalty <= 10:
        raise InputError(f"The repetition penalty {repetition_penalty} is not above 0 and at most 10", "Use 1 for none")
    if seed is not None and not 0 <= seed < 1 << 63:
        raise InputError(f"The seed {seed} is not between 0 and 2^63 - 1", "Use a number such as 42")


def _until(
    pieces: Generator[str, None, None],
    stops: tuple[str, ...],
    most: int,
    progress: ProgressCallback | None,
    cancel: Cancellation | None,
) -> Generator[str, None, None]:
    """Pass on what is written, up to the first of ``stops``; hold back what may be the beginning of one."""
    held = ""
    try:
        for done, piece in enumerate(pieces, 1):
            check_cancelled(cancel)
            report(progress, "writing", done, most, "tokens")
            held += piece
            found = [held.index(stop) for stop in stops if stop and stop in held]
            if found:
                held = held[: min(found)]
                break
            keep = max((_overlap(held, stop) for stop in stops), default=0)
            if len(held) > keep:
                yield held[: len(held) - keep]
                held = held[len(held) - keep :]
        check_cancelled(cancel)
        if held:
            yield held
    finally:
        pieces.close()


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of ``text`` are the beginning of ``stop``."""
    return next((size for size in range(min(len(stop), len(text)), 0, -1) if text.endswith(stop[:size])), 0)
