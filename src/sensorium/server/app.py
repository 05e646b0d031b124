"""The application: the engine's front door over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from sensorium.engine.interface import Engine
from sensorium.server.errors import answer_errors
from sensorium.server.gate import Gate
from sensorium.server.jobs import jobs_router
from sensorium.server.models import models_router
from sensorium.server.operations import operations_router
from sensorium.server.options import ServerOptions
from sensorium.server.pace import Pace
from sensorium.server.status import status_router
from sensorium.server.uploads import uploads_router
from sensorium.version import VERSION


def create_app(engine: Engine, options: ServerOptions) -> FastAPI:
    """Return the application; the engine starts and closes with it.

    Args:
        engine: Runs what is asked for.
        options: Limits of requests.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            await engine.start()
            try:
                yield
            finally:
                await engine.close()
        except Exception as failure:
            app.state.failure = failure
            raise

    app = FastAPI(title="Sensorium", version=VERSION, lifespan=lifespan)
    app.state.engine = engine
    app.state.options = options
    app.state.failure = None
    answer_errors(app)
    app.add_middleware(Pace, options=options)
    app.add_middleware(Gate, requests=options.requests)
    for router in (status_router, uploads_router, jobs_router, models_router, operations_router):
        app.include_router(router())
    return app
