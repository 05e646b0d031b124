"""Models behind an OpenAI-compatible server: one client, and plain sentences for whatever goes wrong there."""

from __future__ import annotations

import logging
import queue
import socket
import threading
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from sensorium import settings
from sensorium.answer import Ending, FinishReason, Usage
from sensorium.errors import InputError, ModelServerError, ModelUnavailableError, UnsupportedError
from sensorium.models.catalog import Checkpoint
from sensorium.models.checkpoint import ModelServer
from sensorium.models.endpoint_errors import USUAL_PATIENCE, model_name, one_line, plain_endpoint_errors, server_of
from sensorium.models.extras import missing_packages_explained
from sensorium.models.unlisted_checkpoints import OPENAI_ADDRESS
from sensorium.progress import Cancellation, check_cancelled

if TYPE_CHECKING:
    import openai

_PATIENCE_SECONDS = 0.05
_RETRIES = 1

_DEFAULTS = {
    "temperature": 0.0,
    "top_p": 1.0,
    "seed": None,
    "max_tokens": None,
    "stop": None,
    "stream_options": None,
    "chat_template_kwargs": None,
}
"""Fields that some models or servers refuse, and the values that stand for no wish of the caller; None for any value.

OpenAI's newest models take only their own temperature, and newer servers know ``max_tokens`` as
``max_completion_tokens`` only. Whoever reads an answer ends it before a stop sequence in any case; without
``stream_options`` only the count of tokens is missing, and a server that doesn't know ``chat_template_kwargs`` decides
itself whether its model thinks."""
_REASONING = ("reasoning_content", "reasoning")
"""The fields in which servers send thoughts."""
OPENED, CLOSED = "<think>", "</think>"
"""Told around thoughts that come in a field of their own, as most models mark them in their text."""

_refused: dict[Checkpoint, frozenset[str]] = {}
"""What each model refused before, so that it isn't asked twice each time."""

logger = logging.getLogger("sensorium.models")


def open_client(checkpoint: Checkpoint) -> openai.OpenAI:
    """Return a client for the checkpoint's server; no request is made yet.

    The key is ``OPENAI_API_KEY``, or in the variable that the configuration names for the server. A server on this
    machine may need none.

    Raises:
        MissingDependencyError: The ``openai`` package isn't installed.
        ModelUnavailableError: A key is needed and not set, or offline mode is set and the server is elsewhere.
    """
    with missing_packages_explained(f"The model {checkpoint.name!r}, which runs behind a server,"):
        import openai
    if checkpoint.server is not None:
        return _client_of_named(checkpoint, checkpoint.server)
    host = urlparse(checkpoint.endpoint).hostname or ""
    key = settings.openai_key()
    if settings.offline() and not _on_this_machine(host):
        raise ModelUnavailableError(
            f"The model {checkpoint.name!r} runs at {host}, and offline mode is set, so nothing was requested",
            "Unset SENSORIUM_OFFLINE and HF_HUB_OFFLINE, or choose a local checkpoint",
        )
    if not key and not _on_this_machine(host):
        raise ModelUnavailableError(
            f"The model {checkpoint.name!r} runs at {host}, which needs a key", "Set OPENAI_API_KEY to yours"
        )
    return openai.OpenAI(base_url=checkpoint.endpoint, api_key=key or "none", timeout=USUAL_PATIENCE)


def _client_of_named(checkpoint: Checkpoint, server: ModelServer) -> openai.OpenAI:
    import openai

    key = settings.key_in(server.key_variable) if server.key_variable else "none"
    if not key:
        raise ModelServerError(
            f"The {server_of(checkpoint)} needs a key, and {server.key_variable} isn't set where this one runs",
            f"Set {server.key_variable} there, and start it again",
        )
    return openai.OpenAI(base_url=checkpoint.endpoint, api_key=key, timeout=server.patience, max_retries=_RETRIES)


def stream_chat(
    client: openai.OpenAI,
    checkpoint: Checkpoint,
    turns: Sequence[dict[str, Any]],
    *,
    cancel: Cancellation | None = None,
    **options: Any,
) -> Generator[str, None, Ending]:
    """Give a chat answer's text as it comes, and return how it ended; a piece may be empty.

    The request is made at the first piece. Of thoughts that the server sends apart, only `OPENED` and `CLOSED` are
    given. Closing the generator, or setting ``cancel``, hangs up at once, also while the server is silent.

    Args:
        client: From `open_client`.
        checkpoint: Names the model and the server.
        turns: The conversation in OpenAI's form.
        cancel: Hangs up.
        options: Further fields of the request, such as ``max_tokens``.

    Raises:
        ModelUnavailableError: The server can't be reached, refuses, or breaks off in the middle.
        InputError: The server refuses the request itself, or the answer's length was used up before its first word.
        UnsupportedError: The model refuses to answer, or the server withheld the answer or its end.
        CancelledError: ``cancel`` was set.
    """
    halt = threading.Event()
    written: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    failures: list[BaseException] = []
    opened: list[Any] = []
    answer = _Answering(checkpoint)

    def read() -> None:
        try:
            with plain_endpoint_errors(checkpoint):
                for piece in answer.pieces(client, turns, opened, options):
                    if halt.is_set():
                        return
                    written.put(piece)
        except BaseException as error:  # handed to whoever reads the pieces
            failures.append(error)
        finally:
            written.put(None)

    check_cancelled(cancel)
    threading.Thread(target=read, name="sensorium-endpoint", daemon=True).start()
    try:
        while True:
            check_cancelled(cancel)
            try:
                piece = written.get(timeout=_PATIENCE_SECONDS)
            except queue.Empty:
                continue
            if piece is None:
                break
            yield piece
    finally:
        halt.set()
        for chunks in opened:
            _hang_up(chunks)
    if failures:
        raise failures[0]
    return answer.ending()


class _Answering:
    """Reads an answer's events, and notes what they tell about its end."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._came, self._said, self._reason, self._refusal = False, False, "", ""
        self._thinking = False
        self._usage: Usage | None = None

    def pieces(
        self, client: openai.OpenAI, turns: Sequence[dict[str, Any]], opened: list[Any], options: dict[str, Any]
    ) -> Iterator[str]:
        """Make the request and give the text; ``opened`` gets the connection."""
        import openai

        fields = {"messages": list(turns), "stream": True, "stream_options": {"include_usage": True}, **options}
        with _request(client, self._checkpoint, fields) as chunks:
            opened.append(chunks)
            try:
                for chunk in chunks:
                    yield self._read(chunk)
            except openai.APIConnectionError as error:
                raise _broke_off(self._checkpoint) from error

    def ending(self) -> Ending:
        """Return how the answer ended."""
        address = server_of(self._checkpoint)
        if not self._came:
            raise ModelServerError(
                f"The {address} does not answer as an OpenAI-compatible server does",
                "Check the address; it often ends with /v1",
            )
        if not self._reason:
            raise _broke_off(self._checkpoint)
        if self._refusal:
            raise UnsupportedError(
                f"{self._checkpoint.name!r} refuses to answer: {' '.join(self._refusal.split())[:200]}",
                "Ask differently",
            )
        if self._reason == "content_filter":
            part = "the rest of the answer" if self._said else "the answer"
            raise UnsupportedError(f"The {address} withheld {part}: its content filter objects", "Ask differently")
        if not self._said and self._reason == "length":
            raise nothing_said(self._checkpoint)
        reason: FinishReason = "length" if self._reason == "length" else "stop"
        return Ending(reason, self._usage)

    def _read(self, chunk: Any) -> str:
        self._came = True
        usage = getattr(chunk, "usage", None)
        if usage is not None:
            details = getattr(usage, "completion_tokens_details", None)
            thought = int(getattr(details, "reasoning_tokens", None) or 0)
            self._usage = Usage(int(usage.prompt_tokens or 0), int(usage.completion_tokens or 0), thought)
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        self._reason = choice.finish_reason or self._reason
        self._refusal += getattr(choice.delta, "refusal", None) or ""
        piece = getattr(choice.delta, "content", None) or ""
        self._said = self._said or bool(piece.strip())
        return self._marks(choice.delta, piece) + piece

    def _marks(self, delta: Any, piece: str) -> str:
        """Return the mark that belongs before a piece of the answer."""
        thought = any(getattr(delta, name, None) for name in _REASONING)
        if thought and not self._thinking and not self._said:
            self._thinking = True
            return OPENED
        if piece and self._thinking:
            self._thinking = False
            return CLOSED
        return ""


def _request(client: openai.OpenAI, checkpoint: Checkpoint, fields: dict[str, Any]) -> Any:
    """Ask for a chat answer; once more without a field that the model refuses and nobody asked for."""
    import openai

    completions: Any = client.chat.completions
    while True:
        asked = _spoken(fields, _refused.get(checkpoint, frozenset()))
        if checkpoint.endpoint == OPENAI_ADDRESS and "max_tokens" in asked:
            asked["max_completion_tokens"] = asked.pop("max_tokens")
        sent = _with_template_arguments(asked, checkpoint)
        try:
            return completions.create(model=model_name(checkpoint), **sent)
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            name = _dispensable(error, asked)
            if not name:
                raise
            _refused[checkpoint] = _refused.get(checkpoint, frozenset()) | {name}
            if name == "temperature":
                logger.warning(
                    "The model %r doesn't take the temperature 0, so it was asked without: "
                    "its answers may differ from one time to the next.",
                    checkpoint.name,
                )


def _spoken(fields: dict[str, Any], refused: Collection[str]) -> dict[str, Any]:
    """Return the fields of a request in the way that a model takes them, given what it refused before."""
    asked = {name: value for name, value in fields.items() if name not in refused or not _is_default(name, fields)}
    if "max_tokens" in refused and "max_tokens" in fields:
        asked["max_completion_tokens"] = fields["max_tokens"]
    return asked


def _with_template_arguments(asked: dict[str, Any], checkpoint: Checkpoint) -> dict[str, Any]:
    """Return a request as the client takes it; what is for chat templates is no field of OpenAI's own models."""
    told = {name: value for name, value in asked.items() if name != "chat_template_kwargs"}
    if "chat_template_kwargs" in asked and checkpoint.endpoint != OPENAI_ADDRESS:
        chosen = {"chat_template_kwargs": asked["chat_template_kwargs"]}
        told["extra_body"] = {**told.get("extra_body", {}), **chosen}
    return told


def nothing_said(checkpoint: Checkpoint) -> InputError:
    """Return the error for an answer whose length was used up by thoughts."""
    return InputError(
        f"{checkpoint.name!r} used up the answer's length before it wrote a word", "Allow more tokens for the answer"
    )


def _dispensable(error: openai.APIStatusError, asked: dict[str, Any]) -> str:
    """Return the field that a server's refusal names, if the request can do without; else ""."""
    named = error.param or next((name for name in _DEFAULTS if f"'{name}'" in one_line(error)), "")
    if "chat_template_kwargs" in f"{error.param} {error.message} {error.body}":  # each server says so in its own way
        named = "chat_template_kwargs"
    return named if named in asked and _is_default(named, asked) else ""


def _is_default(name: str, fields: dict[str, Any]) -> bool:
    """Return whether a field says nothing that the caller asked for: leaving it out changes nothing for them."""
    if name == "seed":  # without a temperature nothing is drawn
        return not fields.get("temperature")
    return name in _DEFAULTS and _DEFAULTS[name] in (None, fields.get(name))


def _broke_off(checkpoint: Checkpoint) -> ModelUnavailableError:
    return ModelServerError(f"The {server_of(checkpoint)} broke off in the middle of an answer", "Ask again")


def _hang_up(chunks: Any) -> None:
    """Close a stream's connection under the thread that waits for it, which closing the stream alone would not wake."""
    stream = chunks.response.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream is not None else None
    if connection is not None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _on_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
