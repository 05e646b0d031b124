"""``/health``, ``/v1/sensorium/health`` and ``/metrics``."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from sensorium.engine.metrics import MEDIA_TYPE
from sensorium.server.engine_of import TheEngine

_DEGRADED = "Something is wrong with the server. /v1/sensorium/health says what."


def status_router() -> APIRouter:
    """Return the endpoints that those use who watch over the server."""
    router = APIRouter(tags=["status"])

    @router.get(
        "/health",
        response_class=PlainTextResponse,
        responses={503: {"description": "Degraded: the body says what is wrong.", "content": {"text/plain": {}}}},
    )
    async def health(engine: TheEngine) -> PlainTextResponse:
        """Say `OK` if all is well. No key is needed: nothing else is told, and what is wrong only in general."""
        good = (await engine.health()).status == "ok"
        return PlainTextResponse("OK" if good else _DEGRADED, 200 if good else 503, {"cache-control": "no-store"})

    @router.get("/v1/sensorium/health", responses={503: {"description": "Degraded: the body says what is wrong."}})
    async def full_health(engine: TheEngine) -> JSONResponse:
        """Ask the workers, the database and the disk how they are: 200 if all is well, 503 if anything isn't."""
        found = await engine.health()
        return JSONResponse(found.to_dict(), 200 if found.status == "ok" else 503, {"cache-control": "no-store"})

    @router.get("/metrics", response_class=Response)
    async def metrics(engine: TheEngine) -> Response:
        """Tell what the engine counts and measures, as Prometheus reads it."""
        return Response(await engine.measurements(), media_type=MEDIA_TYPE)

    return router
