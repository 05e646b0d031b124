"""Answers with pictures: whole, or as a stream that shows them while they are painted."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any

from fastapi import Request

from sensorium.engine.interface import Engine
from sensorium.engine.job import Job, JobEvent
from sensorium.errors import InterruptedJobError, SensoriumError
from sensorium.operations.pictures import Picture, PictureFormat, Pictures
from sensorium.server.openai.answering import Told, as_events
from sensorium.server.operations import ended_well

_OPAQUE = "opaque"
_SETTINGS = ("seed", "steps", "guidance_scale", "scheduler", "safety", "model")
"""What an answer tells of how a picture was made, beyond OpenAI's fields; its file tells the rest."""


async def images_document(
    engine: Engine, job: Job, forms: Sequence[str], format: PictureFormat, request: Request
) -> dict[str, Any]:
    """Return the answer that has all pictures of a job.

    Args:
        engine: Has the files.
        job: Is done.
        forms: How pictures are given: ``"b64_json"``, ``"url"``, or both.
        format: Of the files.
        request: By whose address the client finds them.
    """
    result = Pictures.from_dict(job.result or {})
    data = []
    for picture in result.pictures:
        entry: dict[str, Any] = {"revised_prompt": None}
        if "url" in forms:
            where = f"v1/sensorium/jobs/{job.id}/artifacts/{picture.artifact.name}"
            entry["url"] = f"{request.base_url}{where}"
        if "b64_json" in forms:
            entry["b64_json"] = await _in_base64(engine, job, picture.artifact.name)
        data.append({**entry, "sensorium": _told_of(picture)})
    size = {"size": _size(result.pictures[0])} if result.pictures else {}
    return {
        "created": int(job.ended or job.created),
        "data": data,
        "background": _OPAQUE,
        "output_format": format,
        **size,
        "sensorium": {"job": job.id, "notes": list(result.notes), "withheld": result.withheld},
    }


class PictureStream:
    """Writes a stream of events that shows pictures while they are painted, and each when it is finished.

    Args:
        engine: Has the files.
        kind: What types of events begin with: ``"image_generation"`` or ``"image_edit"``.
        format: Of the finished pictures; those that aren't are JPEG.
        partial: How many times each picture is shown before it is finished, if it can be.
        count: How many pictures there will be.
    """

    def __init__(self, engine: Engine, kind: str, format: PictureFormat, partial: int, count: int) -> None:
        self._engine, self._kind, self._format = engine, kind, format
        self._moments = _Moments(partial, count)
        self._job: Job | None = None

    async def written(self, job: Job, told: Told) -> AsyncIterator[bytes]:
        """Yield the bytes of the stream; the job's files are deleted at its end."""
        self._job = job
        try:
            async with aclosing(as_events(self._shaped)(job, self._with_files(job, told))) as pieces:  # type: ignore[type-var]
                async for piece in pieces:
                    yield piece
        finally:
            await forget(self._engine, job)

    async def _with_files(self, job: Job, told: Told) -> Told:
        """Yield the events; those of finished pictures with the picture's file."""
        async with aclosing(told) as events:  # type: ignore[type-var]
            async for event in events:
                if event.document["type"] == "finished":
                    picture = Picture.from_dict(event.document["result"])
                    content = await _in_base64(self._engine, job, picture.artifact.name)
                    yield JobEvent(event.id, {**event.document, "content": content})
                else:
                    yield event

    def _shaped(self, event: JobEvent) -> Iterable[Mapping[str, Any]]:
        document = event.document
        match document["type"]:
            case "progress" if document["stage"] == "painting":
                self._moments.of_all = document["total"] or 0
            case "preview":
                number = self._moments.reached(document["step"])
                if number is not None:
                    size = f"{document['width']}x{document['height']}"
                    index = {"partial_image_index": number}
                    yield self._event("partial_image", document["image"], event, "jpeg", size) | index
            case "finished":
                picture = Picture.from_dict(document["result"])
                completed = self._event("completed", document["content"], event, self._format, _size(picture))
                yield completed | {"sensorium": _told_of(picture)}
            case "restarted":
                raise InterruptedJobError("The painting began anew", "Ask again")
            case "ended":
                ended_well(Job.from_dict(document["job"]))

    def _event(self, what: str, content: str, event: JobEvent, format: str, size: str) -> dict[str, Any]:
        assert self._job is not None
        return {
            "type": f"{self._kind}.{what}",
            "b64_json": content,
            "created_at": int(self._job.created),
            "background": _OPAQUE,
            "output_format": format,
            "quality": "auto",
            "size": size,
        }


class _Moments:
    """Says at which steps a picture is shown.

    Args:
        partial: How many times each picture.
        count: How many pictures.

    Attributes:
        of_all: How many steps all pictures take together; 0 until that is known.
    """

    def __init__(self, partial: int, count: int) -> None:
        self.of_all = 0.0
        self._partial, self._count = partial, count
        self._picture = self._shown = 0

    def reached(self, step: int) -> int | None:
        """Return as which one of its picture, from 0 on, a step is shown; None if it isn't."""
        of_each = max(1, round(self.of_all / self._count)) if self.of_all else step
        picture, within = divmod(step - 1, of_each)
        if picture != self._picture:
            self._picture, self._shown = picture, 0
        due = math.ceil((self._shown + 1) * of_each / (self._partial + 1))
        if self._shown >= self._partial or within + 1 < due:
            return None
        self._shown += 1
        return self._shown - 1


async def forget(engine: Engine, job: Job) -> None:
    """Delete a job whose pictures were given out; if that fails, they go with age."""
    with suppress(SensoriumError):
        await engine.delete(job.id)


async def _in_base64(engine: Engine, job: Job, name: str) -> str:
    path, _ = await engine.artifact(job.id, name)
    content = await asyncio.to_thread(path.read_bytes)
    return base64.b64encode(content).decode("ascii")


def _size(picture: Picture) -> str:
    return f"{picture.settings.width}x{picture.settings.height}"


def _told_of(picture: Picture) -> dict[str, Any]:
    return {name: picture.settings[name] for name in _SETTINGS}
