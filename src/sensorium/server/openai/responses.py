"""``/v1/responses``: answers that are kept as jobs, and conversations that go on from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from sensorium.engine.interface import Engine
from sensorium.engine.job import Job
from sensorium.errors import InputError, NotFoundError
from sensorium.operations.chat import Chat
from sensorium.server.engine_of import TheEngine, TheOwner
from sensorium.server.errors import blaming
from sensorium.server.openai.aliases import model_for
from sensorium.server.openai.answering import MODEL, answered, as_events, followed, model_of, streamed
from sensorium.server.openai.conversation import Message, read_messages
from sensorium.server.openai.documented import WHOLE_OR_STREAM
from sensorium.server.openai.response_object import RESPONSE, ResponseEvents, joined, parted, response_of
from sensorium.server.openai.writing import WritingFields, refuse_promises

_STREAM = "text/event-stream"


class ResponseFields(WritingFields):
    """What to answer."""

    input: str | list[Any]
    """A text, or messages with parts of type input_text, input_image or input_file."""
    instructions: str | None = None
    """How to behave; they hold for this answer only."""
    previous_response_id: str | None = None
    """The answer after which the conversation goes on."""
    max_output_tokens: int | None = None
    """Longest answer in tokens."""
    background: bool | None = None
    """Answer at once; the work goes on, whether or not anybody waits."""
    store: bool | None = None
    """Keep the answer, so that it can be retrieved; the default."""
    reasoning: dict[str, Any] | None = None
    """{"effort": ...}: whether the model thinks before it answers, if it can; none, which is the default, is no."""
    text: dict[str, Any] | None = None
    """Only {"format": {"type": "text"}}: no other form can be promised."""


def responses_router() -> APIRouter:
    """Return the endpoints of responses."""
    router = APIRouter(prefix="/v1/responses", tags=["openai"])

    @router.post("", response_class=JSONResponse, responses=dict(WHOLE_OR_STREAM))
    async def create(fields: ResponseFields, request: Request, engine: TheEngine, owner: TheOwner) -> Response:
        """Answer, whole or as a stream of events (SSE), now or in the background."""
        operation = await _operation(fields, request, engine, owner)
        durable, background = fields.store is not False, bool(fields.background)
        if background and not durable:
            raise InputError("An answer in the background must be kept", "Leave store out")
        if fields.stream:
            return await streamed(
                engine,
                operation,
                owner,
                lambda job, told: as_events(ResponseEvents(job, model_of(job)))(job, told),
                media_type=_STREAM,
                headers=fields.headers,
                durable=durable,
                goes_on=background,
            )
        if background:
            job = await engine.submit(operation, owner=owner)
        else:
            job = await answered(request, engine, operation, owner, durable=durable)
        model = model_of(job)
        return JSONResponse(response_of(job, model), headers={MODEL: model, **fields.headers})

    @router.get("/{response}", response_class=JSONResponse, responses=dict(WHOLE_OR_STREAM))
    async def retrieve(
        response: str,
        engine: TheEngine,
        owner: TheOwner,
        stream: Annotated[bool, Query(description="Tell its events (SSE), those in the past too.")] = False,
        starting_after: Annotated[int, Query(description="Only the events after this number.")] = -1,
    ) -> Response:
        """Show an answer as it is now, or tell its events."""
        job = await _job(response, engine, owner)
        model = model_of(job)
        if stream:
            shaped = ResponseEvents(job, model, starting_after)
            return followed(engine, job, as_events(shaped), media_type=_STREAM)
        return JSONResponse(response_of(job, model), headers={MODEL: model})

    @router.post("/{response}/cancel", response_class=JSONResponse)
    async def cancel(response: str, engine: TheEngine, owner: TheOwner) -> Response:
        """Stop an answer that is being made; return once it has stopped."""
        job = await engine.cancel((await _job(response, engine, owner)).id)
        return JSONResponse(response_of(job, model_of(job)))

    @router.delete("/{response}")
    async def delete(response: str, engine: TheEngine, owner: TheOwner) -> dict[str, Any]:
        """Forget an answer; one that is being made is stopped first."""
        await engine.delete((await _job(response, engine, owner)).id)
        return {"id": response, "object": "response", "deleted": True}

    return router


async def _operation(fields: ResponseFields, request: Request, engine: Engine, owner: str) -> Chat:
    refuse_promises(fields.model_extra or {}, (fields.text or {}).get("format"))
    effort = (fields.reasoning or {}).get("effort")
    with blaming("reasoning"):
        fields.thinks(effort)
    before = await _before(fields.previous_response_id, engine, owner)
    with blaming("input"):
        given = [{"role": "user", "content": fields.input}] if isinstance(fields.input, str) else fields.input
        new = await read_messages(given, engine, owner)
        _require_pictures(new)
        conversation = joined(fields.instructions, _one_after_the_other(before, new))
        model = model_for(request, fields.model, Chat.task)
        sampling = fields.sampling(fields.max_output_tokens, effort=effort)
        return Chat.of({**conversation, "model": model, **sampling})


async def _before(response: str | None, engine: Engine, owner: str) -> list[Message]:
    """Return the conversation up to an answer, without the instructions that held for that answer."""
    if not response:
        return []
    with blaming("previous_response_id"):
        job = await _job(response, engine, owner)
        if job.state != "done":
            raise InputError(
                f"The conversation can't go on after {response!r}, which is {job.state}", "Wait until it is completed"
            )
        _, messages = parted(job.arguments)
        said = {"type": "text", "text": (job.result or {})["text"]}
        return [*messages, {"role": "assistant", "content": [said]}] if said["text"] else messages


def _one_after_the_other(before: list[Message], new: list[Message]) -> list[Message]:
    """Join two parts of a conversation; what the system says stands in one message in front."""
    both = [*before, *new]
    system = [part for message in both if message["role"] == "system" for part in message["content"]]
    spoken = [message for message in both if message["role"] != "system"]
    return [*([{"role": "system", "content": system}] if system else []), *spoken]


def _require_pictures(messages: Sequence[Message]) -> None:
    for message in messages:
        for part in message["content"]:
            if part["type"] in ("audio", "video"):
                raise InputError(
                    "Responses are made of text and pictures, not of recordings and films",
                    "Send them to /v1/chat/completions",
                )


async def _job(response: str, engine: Engine, owner: str) -> Job:
    """Return the job of a response.

    Raises:
        NotFoundError: There is none of that owner's.
    """
    missing = NotFoundError(f"There is no response {response[:100]!r}", "Responses are forgotten after a while")
    if not response.startswith(RESPONSE):
        raise missing
    try:
        job = await engine.job(response.removeprefix(RESPONSE), owner=owner)
    except NotFoundError:
        raise missing from None
    if job.operation != Chat.name:
        raise missing
    return job
