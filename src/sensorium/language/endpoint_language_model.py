"""Language models behind an OpenAI-compatible server: OpenAI itself, vLLM, llama.cpp, Ollama, …"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

from sensorium.answer import Ending
from sensorium.errors import UnsupportedError
from sensorium.language.endpoint_request import answer_of_endpoint
from sensorium.language.messages import Turn
from sensorium.language.sampling import Sampling
from sensorium.models.catalog import Checkpoint
from sensorium.models.endpoint import open_client
from sensorium.progress import Cancellation, ProgressCallback


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

    def count_tokens(self, turns: Sequence[Turn]) -> int:
        """Refuse: only the server has the tokenizer."""
        raise UnsupportedError(
            f"The tokens of {self._checkpoint.name!r} can't be counted: only its server has the tokenizer",
            "Count them with a local checkpoint",
        )

    def write(
        self,
        turns: Sequence[Turn],
        sampling: Sampling,
        *,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Generator[str, None, Ending]:
        """Ask the server at the first piece; closing the generator, or setting ``cancel``, hangs up.

        Raises:
            ModelUnavailableError: The server can't be reached, refuses, or breaks off in the middle.
            InputError: The server refuses the request itself, for a prompt that is too long, say.
            UnsupportedError: The model refuses to answer, or the conversation holds a film.
            CancelledError: ``cancel`` was set.
        """
        return answer_of_endpoint(self._client, self._checkpoint, turns, sampling, progress=progress, cancel=cancel)
