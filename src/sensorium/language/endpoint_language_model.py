"""Language models behind an OpenAI-compatible server: OpenAI itself, vLLM, llama.cpp, Ollama, …"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from sensorium.errors import UnsupportedError
from sensorium.language.messages import Message
from sensorium.language.sampling import Sampling
from sensorium.models.catalog import Checkpoint
from sensorium.models.endpoint import open_client, stream_chat
from sensorium.progress import Cancellation


class EndpointLanguageModel:
    """A language model that a server runs; its answers are streamed.

    Args:
        folder: Not used: the weights are elsewhere.
        checkpoint: Names the model and the server.
        device: Not used.
        dtype: Not used.

    Raises:
        MissingDependencyError: The ``openai`` package isn't installed.
        ModelUnavailableError: A key is needed and not set, or offline mode is set and the server is elsewhere.
    """

    holds_conversations = True
    context_window: int | None = None

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        self._checkpoint = checkpoint
        self._client = open_client(checkpoint)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Refuse: only the server has the tokenizer."""
        raise UnsupportedError(
            f"The tokens of {self._checkpoint.name!r} can't be counted: only its server has the tokenizer",
            "Count them with a local checkpoint",
        )

    def write(
        self, messages: Sequence[Message], sampling: Sampling, *, cancel: Cancellation | None
    ) -> Generator[str, None, None]:
        """Ask the server at the first piece; closing the generator, or setting ``cancel``, hangs up.

        Raises:
            ModelUnavailableError: The server can't be reached, refuses, or breaks off in the middle.
            InputError: The server refuses the request itself, for a prompt that is too long, say.
            CancelledError: ``cancel`` was set.
        """
        options: dict[str, Any] = {
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
        }
        if sampling.repetition_penalty not in (None, 1):
            # Not in OpenAI's own protocol; vLLM and others take it, and those that don't say so.
            options["extra_body"] = {"repetition_penalty": sampling.repetition_penalty}
        turns = [{"role": turn["role"], "content": turn["content"]} for turn in messages]
        return stream_chat(self._client, self._checkpoint, turns, cancel=cancel, **options)
