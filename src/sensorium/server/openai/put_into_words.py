"""Recordings and films of a conversation, put into words for chat models that take pictures only.

Models that hear are given recordings as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Request

from sensorium.engine.interface import Engine
from sensorium.engine.job import Job
from sensorium.errors import SensoriumError
from sensorium.models import catalog, store
from sensorium.operations.chat import Chat
from sensorium.operations.operation import Operation
from sensorium.operations.speech_to_text import Transcribe
from sensorium.operations.video import AskFilm, DescribeFilm
from sensorium.record import Record
from sensorium.server.openai.answering import answered_together, model_of
from sensorium.server.openai.conversation import Message, words_of
from sensorium.server.openai.references import Content
from sensorium.vision_language.families.image_text_family import has_part_for_sound

_KINDS = ("audio", "video")
_LABELS = {"audio": "In the recording is said", "video": "Of the film is known"}


@dataclass(frozen=True, eq=False, repr=False)
class PutIntoWords(Record):
    """What the chat model read in place of a recording or a film.

    Attributes:
        kind: ``"audio"`` or ``"video"``.
        text: The words; "" where nobody speaks.
        model: The checkpoint that heard or watched.
        warnings: What was missing or damaged in the recording or film: a sentence for each.
    """

    kind: str
    text: str
    model: str
    warnings: tuple[str, ...] = ()


async def put_into_words(
    messages: Sequence[Message], request: Request, engine: Engine, owner: str, *, model: str | None
) -> tuple[list[Message], list[PutIntoWords]]:
    """Return a conversation without recordings and films, and what is read in their place.

    What is said is written down; of a film, the last message is asked. A message that is nothing but a recording is
    what the user says, word for word.

    Args:
        messages: The conversation.
        request: Of the client; if it goes, the work is cancelled.
        engine: Does it.
        owner: For whom.
        model: The checkpoint that is to answer; it watches films too if it can.

    Raises:
        SensoriumError: A recording or film can't be read.
    """
    question = words_of(messages[-1]) if messages else ""
    media = dict.fromkeys((part["type"], part[part["type"]]) for part in _media(messages))
    if any(kind == "audio" for kind, _ in media) and await asyncio.to_thread(_hears, model):
        media = {medium: None for medium in media if medium[0] != "audio"}
    operations = [_operation(kind, reference, question, model) for kind, reference in media]
    jobs = await answered_together(request, engine, operations, owner)
    words = {
        medium: _put_into_words(medium[0], job) for medium, operation, job in zip(media, operations, jobs, strict=True)
    }
    return [_in_words(message, words) for message in messages], list(words.values())


def film_question(
    messages: Sequence[Message], model: str | None, *, thinking: bool = False, longest: int | None = None
) -> AskFilm | DescribeFilm | None:
    """Return what to ask of a film if that alone is the conversation, else None: then it needs no words in between."""
    if len(messages) != 1 or [part["type"] for part in messages[0]["content"] if part["type"] != "text"] != ["video"]:
        return None
    (film,) = _media(messages)
    return _about_film(film["video"], words_of(messages[0]), model, thinking=thinking, longest=longest)


def _operation(kind: str, reference: str, question: str, model: str | None) -> Operation:
    if kind == "audio":
        return Transcribe.of({"audio": reference})
    return _about_film(reference, question, model)


def _put_into_words(kind: str, job: Job) -> PutIntoWords:
    result = job.result or {}
    return PutIntoWords(kind, str(result["text"]).strip(), model_of(job), tuple(result.get("warnings", ())))


def _about_film(
    film: str, question: str, model: str | None, *, thinking: bool = False, longest: int | None = None
) -> AskFilm | DescribeFilm:
    watches = {entry.name for entry in catalog.entries(AskFilm.task)}
    given = longest if longest is not None and longest > 0 else None
    named = model if model in watches else None
    fields = {"film": film, "model": named, "thinking": thinking, "max_new_tokens": given}
    return AskFilm.of({**fields, "question": question}) if question.strip() else DescribeFilm.of(fields)


def _media(messages: Sequence[Message]) -> list[Content]:
    return [part for message in messages for part in message["content"] if part["type"] in _KINDS]


def _hears(model: str | None) -> bool:
    """Return whether the model that is to answer hears recordings itself; not if it isn't on this machine."""
    try:
        with catalog.names_only():
            checkpoint = catalog.resolve(model, task=Chat.task)
        here = not checkpoint.endpoint and store.is_present(checkpoint)
        return here and has_part_for_sound(store.locate(checkpoint))
    except SensoriumError:
        return False  # whoever opens the model says what is wrong with it


def _in_words(message: Message, words: dict[tuple[str, str], PutIntoWords]) -> Message:
    spoken = all(part["type"] == "audio" for part in message["content"])

    def put(part: Content) -> Content:
        if part["type"] not in _KINDS or (part["type"], part[part["type"]]) not in words:
            return part
        text = words[part["type"], part[part["type"]]].text or "(nothing)"
        return {"type": "text", "text": text if spoken else f"{_LABELS[part['type']]}: {text}"}

    return {**message, "content": [put(part) for part in message["content"]]}
