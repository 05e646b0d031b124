"""What the server works on behind its answers: batches, and checkpoints that are being fetched."""

from __future__ import annotations

from typing import Protocol

from fastapi import FastAPI

from sensorium.engine.interface import Engine
from sensorium.server.errors import answer_errors
from sensorium.server.openai.batch import Batches
from sensorium.server.openai.batch_runner import BatchRunner
from sensorium.server.openai.chat import chat_router
from sensorium.server.openai.embeddings import embeddings_router
from sensorium.server.openai.images import images_router
from sensorium.server.openai.moderations import moderations_router
from sensorium.server.openai.responses import responses_router
from sensorium.server.options import ServerOptions
from sensorium.server.pulling import Puller, Pulling

IN_BATCHES = (chat_router, responses_router, embeddings_router, moderations_router, images_router)
"""What makes the endpoints that batches may ask."""


class Background(Protocol):
    """What works on, in this process or in another one.

    Attributes:
        batches: The batches.
        puller: Fetches checkpoints.
    """

    batches: Batches
    puller: Pulling

    async def start(self) -> None:
        """Begin, once the engine has."""

    async def close(self) -> None:
        """Stop, before the engine does."""


class LocalBackground:
    """What works on in this process: see `Background`.

    Args:
        engine: Runs what batches ask for.
        options: Limits of requests.
    """

    def __init__(self, engine: Engine, options: ServerOptions) -> None:
        self._runner = BatchRunner(engine, options, _endpoints(engine, options))
        self.batches: Batches = self._runner
        self.puller: Pulling = Puller()

    async def start(self) -> None:
        """Take up the batches that an earlier server left unfinished."""
        await self._runner.start()

    async def close(self) -> None:
        """Stop: what isn't answered yet is asked again by the next server."""
        await self._runner.close()


def _endpoints(engine: Engine, options: ServerOptions) -> FastAPI:
    """Return the endpoints that batches ask, without the layers that strangers pass."""
    inside = FastAPI(openapi_url=None)
    inside.state.engine = engine
    inside.state.options = options
    answer_errors(inside)
    for router in IN_BATCHES:
        inside.include_router(router())
    return inside
