"""``/v1/sensorium/operations`` and ``/v1/sensorium/NAME``: every operation by its schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from sensorium.engine.interface import Engine
from sensorium.engine.job import Job
from sensorium.errors import CancelledError, InternalError, NotFoundError, SensoriumError
from sensorium.operations.operation import Operation
from sensorium.operations.registry import all_operations, operation_named
from sensorium.server.disconnect import while_connected
from sensorium.server.engine_of import TheEngine, TheOwner
from sensorium.server.events import EventStream

Stream = Annotated[bool, Query(description="Answer with the events of the job as they come (SSE).")]
Background = Annotated[
    bool, Query(description="Answer at once with the job (202), which goes on whether or not anybody listens.")
]


class OperationResult(BaseModel):
    """What an operation answers.

    ``result`` is described by its class; the files in ``artifacts`` are at ``/v1/sensorium/jobs/JOB/artifacts/NAME``.
    """

    result: Annotated[dict[str, Any], Field(description="As the result's class writes it.")]
    artifacts: Annotated[list[dict[str, Any]], Field(description="name, media_type and size of each file.")]
    model: Annotated[str, Field(description='The checkpoint that it ran on; "" where none is needed.')]
    job: Annotated[str, Field(description="The job's id.")]


def operations_router() -> APIRouter:
    """Return the endpoints of all operations."""
    router = APIRouter(prefix="/v1/sensorium", tags=["operations"])

    @router.get("/operations")
    async def list_operations() -> dict[str, Any]:
        """List all operations with the schemas of their fields."""
        return {"operations": [_described(operation) for operation in all_operations().values()]}

    @router.get("/operations/{name}")
    async def show_operation(name: str) -> dict[str, Any]:
        """Show the schema of an operation's fields."""
        if name not in all_operations():
            raise NotFoundError(f"There is no operation {name!r}", "/v1/sensorium/operations lists them")
        return _described(operation_named(name))

    for operation in all_operations().values():
        _add(router, operation)
    return router


def ended_well(job: Job) -> Job:
    """Return a job that is done.

    Raises:
        SensoriumError: It ended in another way.
    """
    if job.state == "done":
        return job
    if job.error is not None:
        raise SensoriumError.from_dict(cast(Mapping[str, str], job.error))
    if job.state == "cancelled":
        raise CancelledError("The job was cancelled", "Send it again if it is still wanted")
    raise InternalError(f"The job ended as {job.state!r}, without a reason", "Send it again")


def _add(router: APIRouter, operation: type[Operation]) -> None:
    """Add the endpoint of one operation."""

    async def run(
        fields: Operation,
        request: Request,
        engine: TheEngine,
        owner: TheOwner,
        stream: Stream = False,
        background: Background = False,
    ) -> Response:
        if background:
            job = await engine.submit(fields, owner=owner)
            return JSONResponse(job.to_dict(), 202, {"location": f"/v1/sensorium/jobs/{job.id}"})
        job = await engine.submit(fields, owner=owner, durable=False)
        if stream:
            return EventStream(engine.events(job.id), lambda: engine.cancel(job.id))
        ended = ended_well(await while_connected(request, _result(engine, job)))
        return JSONResponse(_answer(ended))

    run.__annotations__ = {**run.__annotations__, "fields": operation, "request": Request}
    run.__annotations__ |= {
        "engine": TheEngine,
        "owner": TheOwner,
        "stream": Stream,
        "background": Background,
        "return": Response,
    }
    router.add_api_route(
        f"/{operation.name}",
        run,
        methods=["POST"],
        name=operation.name,
        summary=operation.name,
        description=f"{operation.__doc__}\n\nResult: `{_class_name(operation.result)}`.",
        response_model=None,
        responses={
            200: {
                "model": OperationResult,
                "description": "The result; or a stream of the job's events.",
                "content": {"text/event-stream": {}},
            },
            202: {"description": "The job, if it runs in the background.", "content": {"application/json": {}}},
        },
    )


async def _result(engine: Engine, job: Job) -> Job:
    return await engine.result(job.id)


def _answer(job: Job) -> dict[str, Any]:
    document = job.to_dict()
    return {name: document[name] for name in ("result", "artifacts", "model")} | {"job": job.id}


def _described(operation: type[Operation]) -> dict[str, Any]:
    return {
        "name": operation.name,
        "description": operation.__doc__,
        "fields": operation.model_json_schema(),
        "result": _class_name(operation.result),
        "part": _class_name(operation.part) if operation.part else None,
    }


def _class_name(where: str) -> str:
    return where.rpartition(":")[2]
