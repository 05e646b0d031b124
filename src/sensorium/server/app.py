"""The application: the engine's front door over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from sensorium.engine.interface import Engine
from sensorium.models import model_servers
from sensorium.server.agents import AgentsEndpoint
from sensorium.server.background import IN_BATCHES, Background, LocalBackground
from sensorium.server.documented_errors import ERRORS
from sensorium.server.errors import answer_errors
from sensorium.server.gate import Gate
from sensorium.server.jobs import jobs_router
from sensorium.server.key_check import KeyCheck
from sensorium.server.keys import KeyRing
from sensorium.server.models import models_router
from sensorium.server.openai.answering import MODEL
from sensorium.server.openai.batches import batches_router
from sensorium.server.openai.fields import IGNORED
from sensorium.server.openai.files import files_router
from sensorium.server.openai.model_list import model_list_router
from sensorium.server.openai.moderations import NOT_JUDGED
from sensorium.server.openai.speech import speech_router
from sensorium.server.openai.subtitles import subtitles_router
from sensorium.server.openai.transcriptions import transcriptions_router
from sensorium.server.openai.voices import voices_router
from sensorium.server.operations import operations_router
from sensorium.server.options import ServerOptions
from sensorium.server.pace import Pace
from sensorium.server.status import status_router
from sensorium.server.studio import StudioEndpoint
from sensorium.server.telemetry import telemetry_for
from sensorium.server.uploads import uploads_router
from sensorium.version import VERSION

_FOR_PAGES: dict[str, Any] = {
    "allow_methods": ("*",),
    "allow_headers": ("*",),  # so those are repeated that were asked for: the JS client sends a dozen of its own
    "allow_private_network": True,
    "expose_headers": ("x-request-id", "retry-after", "x-should-retry", "location", MODEL, IGNORED, NOT_JUDGED),
}
_OPENAI = (
    model_list_router,
    *IN_BATCHES,
    files_router,
    batches_router,
    transcriptions_router,
    subtitles_router,
    speech_router,
    voices_router,
)


def create_app(engine: Engine, options: ServerOptions, keys: KeyRing, background: Background | None = None) -> FastAPI:
    """Return the application; the engine starts and closes with it.

    Args:
        engine: Runs what is asked for.
        options: Limits of requests.
        keys: Those that it knows; without any, everybody may ask.
        background: What works on behind the answers; by default it does in this process.

    Raises:
        MissingDependencyError: Telemetry is wanted, and what sends it isn't installed.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            await engine.start()
            try:
                await behind.start()
                async with agents.running(), studio.running():
                    yield
            finally:
                await behind.close()
                await engine.close()
        except Exception as failure:
            app.state.failure = failure
            raise

    model_servers.know(options.served_models)
    app = FastAPI(title="Sensorium", version=VERSION, lifespan=lifespan, telemetry=telemetry_for(options))
    app.state.engine = engine
    app.state.options = options
    app.state.failure = None
    behind = background or LocalBackground(engine, options)
    app.state.puller, app.state.batches = behind.puller, behind.batches
    agents, studio = AgentsEndpoint(engine, options), StudioEndpoint(engine, options, behind.puller.begin)
    answer_errors(app)
    app.add_middleware(Pace, options=options)
    app.add_middleware(KeyCheck, options=options, keys=keys)
    if options.origins:
        app.add_middleware(CORSMiddleware, **_FOR_PAGES, allow_origins=options.origins)
    app.add_middleware(Gate, options=options)
    # In this order routes are looked through at each request: what is asked most comes first.
    for router in (operations_router, *_OPENAI, uploads_router, jobs_router, models_router, status_router):
        app.include_router(router(), responses=dict(ERRORS))
    app.router.routes.extend((agents.route, *studio.routes))
    _read_routes(app)
    return app


def _read_routes(app: FastAPI) -> None:
    """Have FastAPI read the routes now: else it does at the first request, which all others would have to wait for."""
    for route in app.router.routes:
        route.matches({"type": "http", "method": "GET", "path": "/nothing", "root_path": "", "headers": []})
