"""``/v1/sensorium/models``: what is loaded, what could be, and loading, unloading, pinning and fetching."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from sensorium.models import catalog, store
from sensorium.server.engine_of import FOR_ADMINISTRATORS, TheEngine
from sensorium.server.events import EventStream
from sensorium.server.loading import operation_for
from sensorium.server.pulling import Pulling


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Load(_Fields):
    """What to load: the checkpoint on which an operation would run."""

    operation: Annotated[str, Field(description="Name of the operation.")]
    model: Annotated[str | None, Field(description="By default the profile's choice.")] = None
    profile: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    quantize: Annotated[str | None, Field(description="8bit or 4bit, of chat and language models.")] = None
    fields: Annotated[
        dict[str, Any], Field(description="Other fields of the operation that say what it opens, such as a voice.")
    ] = {}


class Loaded(_Fields):
    """Which loaded model."""

    model: Annotated[str, Field(description="As /v1/sensorium/models names it.")]


class Pin(Loaded):
    """Which loaded model, and whether it stays."""

    pinned: Annotated[bool, Field(description="Never unload it to make room.")] = True


class Pull(_Fields):
    """What to fetch."""

    model: Annotated[str, Field(description="Catalog name or hub id.")]
    convert_pickle: Annotated[
        bool,
        Field(description="Allow pickled weights, where the catalog names some: their numbers become safetensors."),
    ] = False


def models_router() -> APIRouter:
    """Return the endpoints of models."""
    router = APIRouter(prefix="/v1/sensorium/models", tags=["models"])

    @router.get("")
    async def list_models(engine: TheEngine) -> dict[str, Any]:
        """List the loaded models, and the catalog with what is on this machine."""
        return {
            "loaded": [model.to_dict() for model in await engine.models()],
            "catalog": await asyncio.to_thread(_catalog),
        }

    @router.post("/load", dependencies=FOR_ADMINISTRATORS)
    async def load(what: Load, engine: TheEngine) -> dict[str, Any]:
        """Load the checkpoint on which an operation would run; answer once it is there."""
        choice = what.model_dump(exclude={"operation", "fields"})
        return (await engine.load(operation_for(what.operation, {**what.fields, **choice}))).to_dict()

    @router.post("/unload", status_code=204, response_class=Response, dependencies=FOR_ADMINISTRATORS)
    async def unload(which: Loaded, engine: TheEngine) -> None:
        """End a model's process once its jobs have ended; answer when its memory is back."""
        await engine.unload(which.model)

    @router.post("/pin", dependencies=FOR_ADMINISTRATORS)
    async def pin(which: Pin, engine: TheEngine) -> dict[str, Any]:
        """Say whether a loaded model stays, whatever else needs room."""
        return (await engine.pin(which.model, which.pinned)).to_dict()

    @router.post("/pull", response_class=Response, dependencies=FOR_ADMINISTRATORS)
    async def pull(what: Pull, request: Request) -> Response:
        """Fetch a checkpoint and those that it needs, telling progress (SSE); stops if the reader goes."""
        puller: Pulling = request.app.state.puller
        return EventStream(await puller.begin(what.model, convert_pickle=what.convert_pickle))

    return router


def _catalog() -> list[dict[str, Any]]:
    return [
        {
            "name": entry.name,
            "task": entry.task,
            "also_for": list(entry.also_for),
            "profiles": list(entry.profiles),
            "size_bytes": entry.size_bytes,
            "memory_bytes": entry.memory_bytes,
            "licence": entry.licence,
            "present": store.is_present(entry),
        }
        for entry in catalog.entries()
    ]
