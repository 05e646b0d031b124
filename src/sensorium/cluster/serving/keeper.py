"""The keeper: the one process of a cluster that has the queue, the jobs and their database."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from sensorium.cluster.serving.deployment_pool import deployment_pool
from sensorium.cluster.serving.messages import TAKEN, answer, asked, refusal
from sensorium.cluster.serving.model_options import ModelDeploymentOptions
from sensorium.engine.engine import LocalEngine
from sensorium.engine.job import Job, JobEvent, ModelState, Upload
from sensorium.engine.stored_job_files import files_of
from sensorium.errors import SensoriumError
from sensorium.operations.media import Media
from sensorium.operations.registry import operation_named
from sensorium.server.background import LocalBackground
from sensorium.server.errors import unexpected
from sensorium.server.openai.batch import Batch
from sensorium.server.options import ServerOptions

logger = logging.getLogger("sensorium.cluster")

_OF_THE_ENGINE = (
    *("result", "job", "jobs", "cancel", "delete", "move", "pause", "resume"),
    *("upload", "uploads", "discard", "models", "unload", "pin", "health"),
)
_OF_THE_VOICES = ("consent", "consents", "rename_consent", "delete_consent", "voice", "voices", "delete_voice")
_OF_THE_BATCHES = ("batch", "batches", "cancel")


class Keeper:
    """A Serve deployment with one replica: an engine whose models are deployments too, and the batches.

    Ingress replicas ask it with `ask`; files go past it, through the folder that all share.

    Args:
        options: The server's, as plain data.

    Raises:
        StorageError: The folder is in use by another keeper, or the database can't be opened.
    """

    async def __init__(self, options: Mapping[str, Any]) -> None:  # type: ignore[misc]  # Serve awaits it
        chosen = ServerOptions(**options)
        self._engine = engine = LocalEngine(
            chosen, pool=deployment_pool(_models(chosen)), files=files_of(chosen, scattered=True)
        )
        self._background = LocalBackground(engine, chosen)
        batches, voices = self._background.batches, engine.voices
        self._methods: dict[str, Callable[..., Awaitable[Any]]] = {
            "ready": self._ready,
            "submit": self._submit,
            "load": self._load,
            "register": self._register,
            "measurements": self._measurements,
            **{name: getattr(engine, name) for name in _OF_THE_ENGINE},
            **{f"voices.{name}": getattr(voices, name) for name in _OF_THE_VOICES},
            "voices.add_consent": self._with_recording(voices.add_consent),
            "voices.add_voice": self._with_recording(voices.add_voice),
            **{f"batches.{name}": getattr(batches, name) for name in _OF_THE_BATCHES},
            "batches.create": self._create_batch,
        }
        self._streams: dict[str, Callable[..., AsyncIterator[JobEvent]]] = {
            "events": engine.events,
            "fetch": self._fetch,
        }
        await engine.start()
        await self._background.start()

    async def ask(self, line: str) -> AsyncGenerator[str]:
        """Answer a question of an ingress replica, line by line; if this is cancelled, so is what it waits for."""
        yield TAKEN
        try:
            method, arguments = asked(line)
            if method in self._streams:
                async with aclosing(self._streams[method](**arguments)) as events:  # type: ignore[type-var]
                    async for event in events:
                        yield answer(event)
            else:
                yield answer(await self._methods[method](**arguments))
        except SensoriumError as error:
            yield refusal(error)
        except Exception:
            logger.exception("a question to the keeper failed")
            yield refusal(unexpected())

    async def check_health(self) -> None:
        """Be asked by Serve; whoever can't answer in time, because the event loop stands still, is replaced."""

    async def __del__(self) -> None:
        """Be ended by Serve: what runs is run again by the next keeper."""
        await self._background.close()
        await self._engine.close()

    async def _ready(self) -> None:
        """Be there."""

    async def _submit(self, operation: str, fields: Mapping[str, Any], owner: str, durable: bool) -> Job:
        return await self._engine.submit(operation_named(operation).of(fields), owner=owner, durable=durable)

    async def _load(self, operation: str, fields: Mapping[str, Any]) -> ModelState:
        return await self._engine.load(operation_named(operation).of(fields))

    async def _register(self, upload: Mapping[str, Any]) -> Upload:
        return await self._engine.register(Upload.from_dict(upload))

    async def _measurements(self) -> str:
        return (await self._engine.measurements()).decode()

    async def _create_batch(self, batch: Mapping[str, Any]) -> Batch:
        return await self._background.batches.create(Batch.from_dict(batch))

    async def _fetch(self, name: str, convert_pickle: bool) -> AsyncIterator[JobEvent]:
        async for event in await self._background.puller.begin(name, convert_pickle=convert_pickle):
            yield event

    @staticmethod
    def _with_recording(keep: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def kept(recording: str, **arguments: Any) -> Any:
            return await keep(recording=Media(recording), **arguments)

        return kept


def _models(options: ServerOptions) -> ModelDeploymentOptions:
    return ModelDeploymentOptions(
        replicas=options.model_replicas, replicas_of=options.model_replicas_of, cpus=options.model_cpus
    )
