"""``/v1/sensorium/uploads``: files that operations then name as ``upload:ID``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from sensorium.errors import InputError
from sensorium.server.engine_of import TheEngine, TheOwner, TheReach
from sensorium.server.errors import RefusedRequest

Name = Annotated[str, Query(max_length=255, description="What you call the file; only for messages.")]


def uploads_router() -> APIRouter:
    """Return the endpoints of uploads."""
    router = APIRouter(prefix="/v1/sensorium/uploads", tags=["uploads"])

    @router.post(
        "",
        status_code=201,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    )
    async def receive(request: Request, engine: TheEngine, owner: TheOwner, name: Name = "upload") -> dict[str, Any]:
        """Keep the bytes of the body as a file; what it is, its content tells."""
        if request.headers.get("content-type", "").startswith("multipart/"):
            reason = InputError("Uploads aren't forms", "Send the file's bytes alone, as application/octet-stream")
            raise RefusedRequest(415, reason, close=True)
        return (await engine.receive(request.stream(), name=name, owner=owner)).to_dict()

    @router.get("/{upload}")
    async def show(upload: str, engine: TheEngine, owner: TheReach) -> dict[str, Any]:
        """Show what is known of an upload."""
        return (await engine.upload(upload, owner=owner)).to_dict()

    @router.delete("/{upload}", status_code=204, response_class=Response)
    async def discard(upload: str, engine: TheEngine, owner: TheReach) -> None:
        """Delete an upload once no job uses it."""
        await engine.discard(upload, owner=owner)

    return router
