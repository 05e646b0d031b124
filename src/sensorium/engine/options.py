"""What can be set of an engine: the same names as options of ``sensorium serve`` and in its TOML file."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from sensorium.models import catalog
from sensorium.models.catalog import PROFILES
from sensorium.models.model_servers import PAINTING, TASKS, ServedModel
from sensorium.operations.validation import refusal

STARTER = "starter"
"""The name of the process that the starter's small models share, and that operations without a model run in."""


class Options(BaseModel):
    """Frozen options; an unknown or wrong one is an `InputError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), use_attribute_docstrings=True)

    def __init__(self, **options: Any) -> None:
        try:
            super().__init__(**options)
        except ValidationError as error:
            raise refusal("The configuration", error, type(self).model_fields) from None


class ModelOptions(Options):
    """What can be set of one model."""

    time_to_live: float | None = None
    """Seconds without work after which it is unloaded; 0 at once, negative never. By default the engine's."""
    pinned: bool = False
    """Never unload it to make room."""
    memory: Annotated[int | None, Field(gt=0)] = None
    """Bytes that it takes, if that is known better than the catalog knows it."""


class EndpointOptions(Options):
    """What can be set of a model that runs behind an OpenAI-compatible server, such as vLLM's."""

    address: Annotated[str, Field(pattern=r"^https?://[^/\s]+")]
    """The server's base address, which often ends with /v1."""
    model: Annotated[str, Field(min_length=1)]
    """What the server calls the model."""
    key_variable: str = ""
    """The environment variable that holds the server's key; by default it needs none."""
    tasks: Annotated[tuple[str, ...], Field(min_length=1)] = TASKS
    """What it is asked for: image-chat, image-question-answering, text-generation, video-question-answering (these
    four by default), text-to-image."""
    patience: Annotated[float, Field(gt=0)] = 600.0
    """Seconds that the server may be silent."""
    requests: Annotated[int, Field(ge=1)] = 16
    """How many requests are with it at the same time."""

    @field_validator("tasks")
    @classmethod
    def _check_tasks(cls, tasks: tuple[str, ...]) -> tuple[str, ...]:
        for task in tasks:
            if task not in (*TASKS, PAINTING):
                raise ValueError(f"it can't be asked for {task!r}, only for {', '.join((*TASKS, PAINTING))}")
        return tasks


class EngineOptions(Options):
    """What can be set of an engine."""

    data: Path | None = None
    """Folder for jobs, uploads and artifacts; by default one in the user's data folder."""
    database: str | None = None
    """Address of the database, such as postgresql+psycopg://user@host/name; by default SQLite in the folder."""
    storage: str | None = None
    """Address in an object store that keeps uploads, artifacts and search indexes, such as s3://bucket/sensorium; then
    the data folder holds only what this machine has used lately."""
    cache_bytes: Annotated[int, Field(gt=0)] = 10_000_000_000
    """How many bytes of uploads and artifacts the data folder may hold beside a storage."""
    queue: Annotated[int, Field(ge=1)] = 256
    """How many jobs may wait."""
    queue_per_owner: Annotated[int | None, Field(ge=1)] = None
    """How many jobs of one owner may wait; by default as many as of all."""
    queue_shares: dict[str, Annotated[int, Field(ge=1)]] = {}
    """How many jobs of single owners may wait, by owner."""
    time_limit: Annotated[float, Field(gt=0)] = 3600.0
    """Seconds that a job may run; then its worker is ended."""
    cancel_grace: Annotated[float, Field(gt=0)] = 10.0
    """Seconds that a worker has to stop a cancelled job; then it is ended."""
    time_to_live: float = 300.0
    """Seconds without work after which a model is unloaded; 0 at once, negative never."""
    memory: Annotated[int | None, Field(gt=0)] = None
    """Bytes of main memory for all models together; by default four fifths of the machine's."""
    gpu_memory: Annotated[int | None, Field(gt=0)] = None
    """Bytes of each GPU's memory for all models together; by default nine tenths of it."""
    endpoints: dict[str, EndpointOptions] = {}
    """Models that run behind OpenAI-compatible servers, by what they are called here."""
    models: dict[str, ModelOptions] = {}
    """Options of single models, by name."""
    profile: str | None = None
    """The profile of operations that name none: starter, standard or best."""
    preload: bool = True
    """Import the heavy libraries once, before the first model is loaded; needs half a gigabyte of memory."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    """How many requests may go through a model together."""
    batch_wait: Annotated[float, Field(ge=0, le=1)] = 0.004
    """Longest time, in seconds, that a request waits for others to go with it."""
    keep_seconds: Annotated[float, Field(gt=0)] = 7 * 24 * 3600.0
    """How long ended jobs, their artifacts, and unused uploads are kept."""
    keep_bytes: Annotated[int, Field(gt=0)] = 20_000_000_000
    """How many bytes of artifacts and uploads are kept; the oldest go first."""
    largest_upload: Annotated[int, Field(gt=0)] = 2_000_000_000
    """Bytes that one upload may have."""
    fetch_from: tuple[str, ...] = ()
    """Hosts that media may be fetched from, such as "images.example.org" or "*.example.org"; none by default."""

    @field_validator("profile")
    @classmethod
    def _check_profile(cls, profile: str | None) -> str | None:
        if profile is not None and profile not in PROFILES:
            raise ValueError(f"there is none of that name, only {', '.join(PROFILES)}")
        return profile

    @property
    def served_models(self) -> tuple[ServedModel, ...]:
        """The models behind servers."""
        return tuple(ServedModel(name=name, **dict(options)) for name, options in self.endpoints.items())

    @field_validator("endpoints")
    @classmethod
    def _check_endpoints(cls, endpoints: dict[str, EndpointOptions]) -> dict[str, EndpointOptions]:
        for name in endpoints:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
                raise ValueError(f"{name[:100]!r} can't be the name of a model: letters, digits, '.', '_' and '-' can")
            if name in (STARTER, *(entry.name for entry in catalog.entries() if entry.server is None)):
                raise ValueError(f"{name!r} is a model already")
        return endpoints

    @field_validator("models")
    @classmethod
    def _check_models(cls, models: dict[str, ModelOptions], info: ValidationInfo) -> dict[str, ModelOptions]:
        known = {entry.name: entry for entry in catalog.entries()}
        known |= {name: catalog.Checkpoint(name, "") for name in info.data.get("endpoints", {})}
        for name, options in models.items():
            for part in name.split("+"):
                if part != STARTER and "/" not in part and part not in known:
                    close = difflib.get_close_matches(part, [STARTER, *known], n=1)
                    raise ValueError(f"there is no model {part!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
            alone = known.get(name)
            if alone is not None and STARTER in alone.profiles and (options.pinned or options.time_to_live is not None):
                raise ValueError(
                    f"{name!r} shares a process with other small models; say it of {STARTER!r}, their name"
                )
        return models
