"""``/studio/sound/JOB``: the speech of a job, sent while it is spoken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from starlette.requests import Request

from sensorium.engine.growing_sound import GrowingSound
from sensorium.engine.interface import Engine
from sensorium.errors import NotFoundError
from sensorium.media.audio_encoder import sound_format
from sensorium.studio.address import PAGE
from sensorium.studio.workroom import Visitor

_PATH = f"{PAGE}/sound"


def sound_address(job: str) -> str:
    """Return where the page, which lies below ``/studio/LANGUAGE/``, finds the growing sound of a job."""
    return f"../sound/{job}"


def add_sound_stream(application: FastAPI, engine: Engine, visitor_of: Callable[[Any], Visitor]) -> None:
    """Let an application send the sound of jobs.

    Args:
        application: The pages'.
        engine: Runs the jobs.
        visitor_of: Says who sent a request.
    """

    async def send_sound(job: str, request: Request) -> StreamingResponse:
        owner = visitor_of(request).owner
        try:
            arguments = (await engine.job(job, owner=owner)).arguments
        except NotFoundError as error:
            raise HTTPException(404, str(error)) from None
        if not arguments.get("stream"):
            raise HTTPException(404, "This job tells no sound")
        media_type = sound_format(arguments["format"]).media_type
        return StreamingResponse(
            _pieces(engine, job, owner), media_type=media_type, headers={"cache-control": "no-store"}
        )

    application.add_api_route(f"{_PATH}/{{job}}", send_sound)


async def _pieces(engine: Engine, job: str, owner: str) -> AsyncIterator[bytes]:
    sound = GrowingSound()
    async for event in engine.events(job, owner=owner):
        if piece := sound.new(event):
            yield piece
