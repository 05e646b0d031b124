"""``/v1/chat/completions``: conversations with pictures, recordings and films."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from sensorium.engine.interface import Engine
from sensorium.engine.job import Job, JobEvent
from sensorium.errors import InputError
from sensorium.operations.chat import Chat
from sensorium.operations.operation import Operation
from sensorium.server.engine_of import TheEngine, TheOwner
from sensorium.server.errors import blaming
from sensorium.server.openai.aliases import model_for
from sensorium.server.openai.answering import (
    MODEL,
    Told,
    answered_together,
    as_events,
    message,
    model_of,
    streamed,
)
from sensorium.server.openai.conversation import read_messages
from sensorium.server.openai.documented import WHOLE_OR_STREAM
from sensorium.server.openai.fields import ignored_header
from sensorium.server.openai.put_into_words import PutIntoWords, film_question, put_into_words
from sensorium.server.openai.writing import GrowingText, WritingFields, chat_of, refuse_promises
from sensorium.server.operations import ended_well

_MOST_CHOICES = 16
_DONE = b"data: [DONE]\n\n"


class StreamOptions(BaseModel):
    """How a stream is told."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    include_usage: bool | None = None
    """Tell the tokens at the end."""


class ChatFields(WritingFields):
    """A conversation to go on with."""

    messages: Annotated[list[Any], Field(json_schema_extra={"minItems": 1, "items": {"type": "object"}})]
    """Messages with role and content: text, or parts of type text, image_url, input_audio, video_url or file."""
    stream_options: StreamOptions | None = None
    """How a stream is told."""
    n: Annotated[int | None, Field(json_schema_extra={"minimum": 1, "maximum": _MOST_CHOICES})] = None
    """How many answers."""
    max_completion_tokens: int | None = None
    """Longest answer in tokens."""
    max_tokens: int | None = None
    """The same, as older clients call it."""
    reasoning_effort: str | None = None
    """Whether the model thinks before it answers, if it can: none, which is the default, is no; all else is yes."""
    response_format: dict[str, Any] | None = None
    """Only {"type": "text"}: no other form can be promised."""


@dataclass(frozen=True)
class _Asked:
    """What is to be answered.

    Attributes:
        operations: One for each answer.
        in_words: What is read in place of recordings and films.
        ignored: Fields that have no meaning for it.
    """

    operations: Sequence[Operation]
    in_words: Sequence[PutIntoWords]
    ignored: Sequence[str] = ()


def chat_router() -> APIRouter:
    """Return the endpoint of chats."""
    router = APIRouter(prefix="/v1", tags=["openai"])

    @router.post("/chat/completions", response_class=JSONResponse, responses=dict(WHOLE_OR_STREAM))
    async def chat(fields: ChatFields, request: Request, engine: TheEngine, owner: TheOwner) -> Response:
        """Answer the last message of a conversation, whole or as a stream (SSE)."""
        asked = await _asked(fields, request, engine, owner)
        headers = ignored_header(sorted({*fields.ignored, *asked.ignored}))
        if fields.stream:
            return await _stream(fields, asked, engine, owner, headers)
        jobs = await answered_together(request, engine, asked.operations, owner)
        model = model_of(jobs[0])
        return JSONResponse(_completion(jobs, model, asked.in_words), headers={MODEL: model, **headers})

    return router


async def _asked(fields: ChatFields, request: Request, engine: Engine, owner: str) -> _Asked:
    refuse_promises(fields.model_extra or {}, fields.response_format)
    count = 1 if fields.n is None else fields.n
    if not 1 <= count <= _MOST_CHOICES:
        raise InputError(f"{count} answers can't be asked for", f"Ask for 1 to {_MOST_CHOICES}")
    model = model_for(request, fields.model, Chat.task)
    with blaming("reasoning_effort"):
        thinking = fields.thinks(fields.reasoning_effort)
    longest = fields.max_tokens if fields.max_completion_tokens is None else fields.max_completion_tokens
    with blaming("messages"):
        messages = await read_messages(fields.messages, engine, owner)
        about_film = film_question(messages, model, thinking=thinking, longest=longest)
        if about_film is not None:
            sampling = fields.model_fields_set & {"temperature", "top_p", "seed", "stop", "repetition_penalty", "n"}
            return _Asked([about_film], [], sorted(sampling))
        messages, in_words = await put_into_words(messages, request, engine, owner, model=model)
    operations = [
        chat_of(
            messages,
            model,
            **fields.sampling(longest, effort=fields.reasoning_effort, number=number, several=count > 1),
        )
        for number in range(count)
    ]
    return _Asked(operations, in_words)


async def _stream(fields: ChatFields, asked: _Asked, engine: Engine, owner: str, headers: dict[str, str]) -> Response:
    usage = bool(fields.stream_options and fields.stream_options.include_usage)

    async def written(first: Job, told: Told) -> AsyncIterator[bytes]:
        """Tell the answers one after the other: one model writes them."""
        chunks = _Chunks(first, model_of(first), asked.in_words)
        for number, operation in enumerate(asked.operations):
            chunks.begin(number)
            events = _events(engine, operation, owner) if number else told
            async for piece in as_events(chunks)(first, events):
                yield piece
            if not chunks.complete:
                return  # the error was told
        if usage:
            yield message(chunks.usage())
        yield _DONE

    return await streamed(engine, asked.operations[0], owner, written, media_type="text/event-stream", headers=headers)


async def _events(engine: Engine, operation: Operation, owner: str) -> Told:
    job = await engine.submit(operation, owner=owner, durable=False)
    async with aclosing(cast("AsyncGenerator[JobEvent]", engine.events(job.id))) as told:
        async for event in told:
            yield event


class _Chunks:
    """Shapes the events of answers, one answer after the other."""

    def __init__(self, job: Job, model: str, in_words: Sequence[PutIntoWords]) -> None:
        self._frame = {
            "id": f"chatcmpl-{job.id}",
            "object": "chat.completion.chunk",
            "created": int(job.created),
            "model": model,
        }
        self._in_words = in_words
        self._results: list[Mapping[str, Any]] = []
        self._index = 0
        self._text = GrowingText()
        self._begun = self.complete = False

    def begin(self, index: int) -> None:
        """Begin an answer."""
        self._index, self._text = index, GrowingText()
        self._begun = self.complete = False

    def __call__(self, event: JobEvent) -> Iterable[Mapping[str, Any]]:
        """Return the chunks for an event."""
        if not self._begun:
            self._begun = True
            yield self._chunk({"role": "assistant", "content": ""}, **_extension(self._in_words))
        new = self._text.grow(event.document)
        if event.document["type"] == "ended":
            result = ended_well(Job.from_dict(event.document["job"])).result or {}
            new = self._text.rest(result["text"])
        if new:
            yield self._chunk({"content": new})
        if event.document["type"] == "ended":
            yield self._chunk({}, result["finish_reason"], **_extension((), [result]))
            self._results.append(result)
            self.complete = True

    def usage(self) -> Mapping[str, Any]:
        """Return the chunk that tells the tokens."""
        return {**self._frame, "choices": [], "usage": _usage(self._results)}

    def _chunk(self, delta: Mapping[str, Any], reason: str | None = None, **more: Any) -> Mapping[str, Any]:
        choice = {"index": self._index, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {**self._frame, "choices": [choice], **more}


def _completion(jobs: Sequence[Job], model: str, in_words: Sequence[PutIntoWords]) -> dict[str, Any]:
    results = [job.result or {} for job in jobs]
    return {
        "id": f"chatcmpl-{jobs[0].id}",
        "object": "chat.completion",
        "created": int(jobs[0].created),
        "model": model,
        "choices": [
            {
                "index": number,
                "message": {"role": "assistant", "content": result["text"], "refusal": None},
                "logprobs": None,
                "finish_reason": result["finish_reason"],
            }
            for number, result in enumerate(results)
        ],
        "usage": _usage(results),
        **_extension(in_words, results),
    }


def _extension(in_words: Sequence[PutIntoWords], results: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Return what an answer tells beyond OpenAI's fields: what was read in other words, missing or damaged."""
    told = {
        "put_into_words": [each.to_dict() for each in in_words],
        "warnings": list(dict.fromkeys(sentence for result in results for sentence in result.get("warnings", ()))),
    }
    found = {name: value for name, value in told.items() if value}
    return {"sensorium": found} if found else {}


def _usage(results: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the tokens of all answers, or None where nobody counted them."""
    counted = [result["usage"] for result in results]
    if None in counted:
        return None
    names = ("prompt_tokens", "completion_tokens", "reasoning_tokens")
    read, written, thought = (sum(each[name] for each in counted) for name in names)
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "completion_tokens_details": {"reasoning_tokens": thought},
    }
