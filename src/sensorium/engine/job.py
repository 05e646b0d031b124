"""A job: an operation that somebody asked for, and what has become of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sensorium.operations.artifact import Artifact
from sensorium.record import Record

State: TypeAlias = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
ENDED: frozenset[State] = frozenset({"done", "failed", "cancelled", "interrupted"})


@dataclass(frozen=True, eq=False, repr=False)
class Job(Record):
    """A job at one moment.

    Attributes:
        id: Its name, unguessable.
        owner: Whose it is; "" where nobody is told apart.
        operation: Name of the operation.
        arguments: The fields of the operation.
        state: ``"queued"``, ``"running"``, or one of the four in which it has ended.
        position: How many jobs are to start before it; None once it has started.
        durable: Whether it is kept in the database, and goes on if whoever asked goes away. Others live as long as
            their request.
        model: The checkpoint that it runs on; "" where none is needed.
        attempts: How often it was started.
        created: When it was submitted, in seconds since 1970.
        started: When it was started last, or None.
        ended: When it ended, or None.
        progress: The latest progress: ``stage``, ``done``, ``total``, ``unit``; None before the first.
        result: What came out, as the operation's result writes it (``to_dict``); None until it is done.
        error: ``type``, ``message`` and ``remedy``; None unless it failed or was interrupted.
        artifacts: The files that belong to the result; those of a running job appear as they are finished.
    """

    id: str
    owner: str
    operation: str
    arguments: Mapping[str, Any]
    state: State
    position: int | None = None
    durable: bool = True
    model: str = ""
    attempts: int = 0
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    progress: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    artifacts: tuple[Artifact, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class JobEvent(Record):
    """Something that happened to a job.

    Attributes:
        id: Its number within the job, from 1 on, growing; an event stream can be taken up again after any of them.
        document: What `event_document` writes; besides, ``{"type": "state", "state": …, "position": …}``,
            ``{"type": "artifact", "name": …, "media_type": …, "size": …}``, ``{"type": "restarted"}`` (all pieces and
            finished parts before it are void), and as the last one ``{"type": "ended", "job": …}``.
    """

    id: int
    document: Mapping[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class Upload(Record):
    """A file that was sent to be used by operations, as ``upload:ID``.

    Attributes:
        id: Its name, unguessable.
        owner: Whose it is.
        name: What its sender calls it; only for messages.
        size: In bytes.
        created: When it was complete, in seconds since 1970.
        purpose: What it was sent for, as a front end calls it; "" for what goes with one request.
        expires: When it is deleted even if it is used, in seconds since 1970, or None.
    """

    id: str
    owner: str
    name: str
    size: int
    created: float
    purpose: str = ""
    expires: float | None = None


@dataclass(frozen=True, eq=False, repr=False)
class ModelState(Record):
    """A model that is loaded or being loaded: a worker process, or on a cluster a deployment of several.

    Attributes:
        name: Its name for `Engine.unload` and `Engine.pin`: the checkpoint's, or ``"starter"`` for the process that the
            small models share.
        device: Where it runs, as it was asked for.
        state: ``"starting"``, ``"idle"``, ``"working"``, ``"ending"``.
        pid: Of its process; of the first one that is known, if there are several; 0 if there is none.
        memory: Bytes of main memory that it takes, as measured; before the first measurement, as declared.
        gpu_memory: Bytes of GPU memory, likewise.
        pinned: Whether it is never unloaded to make room.
        time_to_live: Seconds without work after which it is unloaded; negative for never.
        idle_seconds: For how long it hasn't worked.
        running: The ids of the jobs that it works on.
        replicas: How many processes have it; on a cluster 0 while nobody uses it, until the next request.
    """

    name: str
    device: str
    state: str
    pid: int
    memory: int
    gpu_memory: int
    pinned: bool
    time_to_live: float
    idle_seconds: float
    running: tuple[str, ...] = ()
    replicas: int = 1


@dataclass(frozen=True, eq=False, repr=False)
class WorkerHealth(Record):
    """What a worker answered when it was asked.

    Attributes:
        model: As in `ModelState`.
        alive: Whether it answered in time.
        seconds: How long the answer took; None if there was none.
    """

    model: str
    alive: bool
    seconds: float | None


@dataclass(frozen=True, eq=False, repr=False)
class EndpointHealth(Record):
    """How the server is that a model runs on.

    Attributes:
        model: What it is called here.
        state: ``"ok"``, or why not in one sentence; ``"not asked yet"`` in the first seconds.
    """

    model: str
    state: str


@dataclass(frozen=True, eq=False, repr=False)
class Health(Record):
    """How the engine is.

    Attributes:
        status: ``"ok"``, or ``"degraded"`` if a worker doesn't answer, the database or the object store is
            away, or the disk is full.
        database: ``"ok"``, or why not in one sentence.
        disk: The same for the folder of uploads and artifacts.
        workers: What each worker answered.
        queued: How many jobs wait.
        running: How many run.
        paused: Whether the queue is paused.
        storage: Like ``disk``, for the object store that keeps uploads and artifacts, where there is one.
        endpoints: How the servers are that models run on; one that is ill doesn't count for ``status``.
    """

    status: str
    database: str
    disk: str
    workers: tuple[WorkerHealth, ...]
    queued: int
    running: int
    paused: bool
    storage: str = "ok"
    endpoints: tuple[EndpointHealth, ...] = ()
