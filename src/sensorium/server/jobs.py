"""``/v1/sensorium/jobs`` and ``/v1/sensorium/queue``: what runs, what has run, and what came out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from sensorium.engine.job import State
from sensorium.errors import InputError
from sensorium.server.engine_of import FOR_ADMINISTRATORS, TheEngine, TheReach
from sensorium.server.events import EventStream


class Move(BaseModel):
    """Where to."""

    model_config = ConfigDict(extra="forbid")

    position: Annotated[int, Field(ge=0, description="How many others start before it.")]


def jobs_router() -> APIRouter:
    """Return the endpoints of jobs and of the queue."""
    router = APIRouter(prefix="/v1/sensorium", tags=["jobs"])

    @router.get("/jobs")
    async def list_jobs(
        engine: TheEngine,
        owner: TheReach,
        state: Annotated[list[State], Query(description="Only those in one of these states.")] = [],  # noqa: B006
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        before: Annotated[str | None, Query(description="Only those older than this job.")] = None,
    ) -> dict[str, Any]:
        """List jobs, the newest first, without their arguments and results."""
        jobs = await engine.jobs(owner=owner, states=state, limit=limit, before=before)
        return {"jobs": [job.to_dict() for job in jobs]}

    @router.get("/jobs/{job}")
    async def show_job(job: str, engine: TheEngine, owner: TheReach) -> dict[str, Any]:
        """Show a job as it is now."""
        return (await engine.job(job, owner=owner)).to_dict()

    @router.get("/jobs/{job}/events", response_class=Response)
    async def events(
        job: str,
        engine: TheEngine,
        owner: TheReach,
        after: Annotated[int | None, Query(ge=0, description="Only the events after this one.")] = None,
        last_event_id: Annotated[str | None, Header(description="The same, as browsers send it.")] = None,
    ) -> Response:
        """Tell the events of a job (SSE), those in the past too; the last one is `ended`."""
        await engine.job(job, owner=owner)  # an unknown one is told before the answer begins
        number = _number(last_event_id) if after is None else after
        return EventStream(engine.events(job, owner=owner, after=number))

    @router.post("/jobs/{job}/cancel")
    async def cancel(job: str, engine: TheEngine, owner: TheReach) -> dict[str, Any]:
        """Cancel a job; answer once it has ended."""
        return (await engine.cancel(job, owner=owner)).to_dict()

    @router.post("/jobs/{job}/move")
    async def move(job: str, to: Move, engine: TheEngine, owner: TheReach) -> dict[str, Any]:
        """Let a queued job start earlier or later."""
        return (await engine.move(job, to.position, owner=owner)).to_dict()

    @router.get("/jobs/{job}/artifacts/{name}", response_class=FileResponse)
    async def artifact(job: str, name: str, engine: TheEngine, owner: TheReach) -> FileResponse:
        """Send a file that a job made; parts of it by ranges."""
        path, media_type = await engine.artifact(job, name, owner=owner)
        return FileResponse(path, media_type=media_type, filename=name)

    @router.post("/queue/pause", status_code=204, response_class=Response, dependencies=FOR_ADMINISTRATORS)
    async def pause(engine: TheEngine) -> None:
        """Start no more jobs; those that run go on."""
        await engine.pause()

    @router.post("/queue/resume", status_code=204, response_class=Response, dependencies=FOR_ADMINISTRATORS)
    async def resume(engine: TheEngine) -> None:
        """Start jobs again."""
        await engine.resume()

    return router


def _number(last_event_id: str | None) -> int:
    if last_event_id is None:
        return 0
    if not last_event_id.isascii() or not last_event_id.isdigit():
        raise InputError(f"Last-Event-ID can't be {last_event_id[:60]!r}", "Send the id of the last event, a number")
    return int(last_event_id)
