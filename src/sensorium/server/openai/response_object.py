"""A chat's job as ``/v1/responses`` shows it: an object, and events with numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sensorium.engine.job import Job, JobEvent
from sensorium.server.openai.writing import GrowingText

RESPONSE = "resp_"
"""What ids of responses begin with; after it stands the job's."""

_STATUS = {
    "queued": "queued",
    "running": "in_progress",
    "done": "completed",
    "failed": "failed",
    "interrupted": "failed",
    "cancelled": "cancelled",
}
_ENDINGS = {"completed": "completed", "incomplete": "incomplete", "failed": "failed", "cancelled": "failed"}
"""The event that tells each end; OpenAI has none for what was cancelled, whose status says so."""


def response_of(job: Job, model: str) -> dict[str, Any]:
    """Return a job as a response.

    Args:
        job: A `Chat`'s.
        model: The checkpoint that it runs on.
    """
    result = job.result if job.state == "done" else None
    cut = result is not None and result["finish_reason"] == "length"
    arguments = job.arguments
    error = job.error or {}
    return {
        "id": RESPONSE + job.id,
        "object": "response",
        "created_at": int(job.created),
        "completed_at": None if job.ended is None else int(job.ended),
        "status": "incomplete" if cut else _STATUS[job.state],
        "error": _error(error) if error else None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": _instructions(arguments),
        "max_output_tokens": arguments["max_new_tokens"],
        "model": model,
        "output": [] if result is None else [_item(job, result["text"], "incomplete" if cut else "completed")],
        "parallel_tool_calls": False,
        "temperature": arguments["temperature"],
        "text": {"format": {"type": "text"}},
        "tool_choice": "none",
        "tools": [],
        "top_p": arguments["top_p"],
        "truncation": "disabled",
        "usage": _usage(result),
    }


class ResponseEvents:
    """Shapes the events of a job. The same job gives the same events with the same numbers, whenever it is asked.

    Args:
        job: A `Chat`'s.
        model: The checkpoint that it runs on.
        after: Only events with greater numbers are given.
    """

    def __init__(self, job: Job, model: str, after: int = -1) -> None:
        self._job = job
        self._model = model
        self._after = after
        self._number = -1
        self._told: set[str] = set()
        self._text = GrowingText()
        self._place = {"item_id": f"msg_{job.id}", "output_index": 0, "content_index": 0}

    def __call__(self, event: JobEvent) -> Iterator[Mapping[str, Any]]:
        """Return what is sent for an event."""
        for document in self._shaped(event.document):
            self._number += 1
            if self._number > self._after:
                yield {**document, "sequence_number": self._number}

    def _shaped(self, document: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        yield from self._once("response.created", lambda: {"response": self._begun("queued")})
        if document["type"] == "state" and document["state"] == "running":
            yield from self._once("response.in_progress", lambda: {"response": self._begun("in_progress")})
        new = self._text.grow(document)
        if new:
            yield from self._delta(new)
        if document["type"] == "ended":
            yield from self._end(Job.from_dict(document["job"]))

    def _delta(self, new: str) -> Iterable[Mapping[str, Any]]:
        item = {**_item(self._job, "", "in_progress"), "content": []}
        yield from self._once("response.output_item.added", lambda: {"output_index": 0, "item": item})
        yield from self._once("response.content_part.added", lambda: {**self._place, "part": _part("")})
        if new:
            yield {"type": "response.output_text.delta", **self._place, "delta": new, "logprobs": []}

    def _end(self, job: Job) -> Iterable[Mapping[str, Any]]:
        response = response_of(job, self._model)
        for item in response["output"]:
            (part,) = item["content"]
            yield from self._delta(self._text.rest(part["text"]))
            text = {"text": part["text"], "logprobs": []}
            yield {"type": "response.output_text.done", **self._place, **text}
            yield {"type": "response.content_part.done", **self._place, "part": part}
            yield {"type": "response.output_item.done", "output_index": 0, "item": item}
        yield {"type": f"response.{_ENDINGS[response['status']]}", "response": response}

    def _begun(self, status: str) -> Mapping[str, Any]:
        state = {"result": None, "error": None, "ended": None, "state": "running"}
        document = {**self._job.to_dict(), **state}
        return {**response_of(Job.from_dict(document), self._model), "status": status}

    def _once(self, kind: str, make: Callable[[], Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
        if kind not in self._told:
            self._told.add(kind)
            yield {"type": kind, **make()}


def _item(job: Job, text: str, status: str) -> dict[str, Any]:
    return {"id": f"msg_{job.id}", "type": "message", "role": "assistant", "status": status, "content": [_part(text)]}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _error(error: Mapping[str, Any]) -> dict[str, str]:
    message = ". ".join(filter(None, [error["message"], error.get("remedy")]))
    return {"code": "invalid_prompt" if error["type"] == "InputError" else "server_error", "message": message}


def _instructions(arguments: Mapping[str, Any]) -> str | None:
    instructions, _ = parted(arguments)
    return instructions


def parted(arguments: Mapping[str, Any]) -> tuple[str | None, list[dict[str, Any]]]:
    """Return the instructions of a response, and the rest of its conversation, from its job's arguments.

    Where a conversation has words of the system's own, the instructions are the first part of its system message.
    """
    messages = [{**message, "content": _parts_in(message["content"])} for message in arguments["messages"]]
    if messages[0]["role"] != "system":
        return arguments["system"], messages
    first, *others = messages[0]["content"]
    return first["text"] or None, [{"role": "system", "content": others}, *messages[1:]]


def joined(instructions: str | None, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of a `Chat` that `parted` takes apart again."""
    if not messages or messages[0]["role"] != "system":
        return {"messages": messages, "system": instructions}
    system = {"role": "system", "content": [{"type": "text", "text": instructions or ""}, *messages[0]["content"]]}
    return {"messages": [system, *messages[1:]], "system": None}


def _parts_in(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _usage(result: Mapping[str, Any] | None) -> dict[str, Any] | None:
    usage = None if result is None else result["usage"]
    if usage is None:
        return None
    read, written = usage["prompt_tokens"], usage["completion_tokens"]
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": usage["reasoning_tokens"]},
        "total_tokens": read + written,
    }
