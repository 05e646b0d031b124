"""``/v1/models``: the checkpoints on this machine, and the names of OpenAI's that stand for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request

from sensorium.errors import ModelUnavailableError, SensoriumError
from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint
from sensorium.server.openai.aliases import aliases
from sensorium.server.openai.voice_choice import OPENAI_VOICES
from sensorium.server.options import ServerOptions
from sensorium.speech.own_voices import own_voices

_SPEAKING = "text-to-speech"


def model_list_router() -> APIRouter:
    """Return the endpoints that list models."""
    router = APIRouter(prefix="/v1", tags=["openai"])

    @router.get("/models")
    async def list_models(request: Request) -> dict[str, Any]:
        """List the models on this machine, and the names that stand for them."""
        return {"object": "list", "data": await asyncio.to_thread(_models, request.app.state.options)}

    @router.get("/models/{model:path}")
    async def show_model(model: str, request: Request) -> dict[str, Any]:
        """Show a model by its name, its hub id or another of its names."""
        return await asyncio.to_thread(_model, model, request.app.state.options)

    return router


def _models(options: ServerOptions) -> list[dict[str, Any]]:
    present = [_described(entry.name, entry) for entry in catalog.entries() if store.is_present(entry)]
    return [*present, *_aliased(options)]


def _model(name: str, options: ServerOptions) -> dict[str, Any]:
    for entry in catalog.entries():
        if name in (entry.name, entry.repository, *entry.aliases) and store.is_present(entry):
            return _described(name, entry)
    for model in _aliased(options):
        if model["id"] == name:
            return model
    raise ModelUnavailableError(f"There is no model {name[:100]!r} on this machine", "/v1/models lists those there are")


def _aliased(options: ServerOptions) -> Iterator[dict[str, Any]]:
    for task, names in aliases(options).items():
        for name, target in names.items():
            try:
                entry = catalog.resolve(target or None, task=task, profile=options.profile)
                there = store.is_present(entry)
            except SensoriumError:
                continue  # it stands for nothing that is here
            if there:
                yield _described(name, entry)


def _described(name: str, entry: Checkpoint) -> dict[str, Any]:
    described = {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": entry.repository.partition("/")[0] or "sensorium",
        "root": entry.name,
        "task": entry.task,
    }
    if entry.task == _SPEAKING or _SPEAKING in entry.also_for:
        language = entry.languages[0] if len(entry.languages) == 1 else ""
        described["voices"] = [
            {"name": voice, "language": language or "en"} for voice in (*own_voices(entry), *OPENAI_VOICES)
        ]
    return described
