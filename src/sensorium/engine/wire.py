"""What an engine and its workers tell each other: one line of JSON a message, never pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sensorium.errors import InputError
from sensorium.models.model_servers import ServedModel
from sensorium.operations.artifact import Artifact
from sensorium.record import Record


@dataclass(frozen=True, eq=False, repr=False)
class StorageSetup(Record):
    """Where an engine's files lie, beside the folder of each machine: see `StoredJobFiles`.

    Attributes:
        folder: The folder; the same path on every machine.
        address: In the object store.
        cache_bytes: How much of the folder uploads and artifacts may take.
        scattered: Whether the worker may be on another machine than the engine.
    """

    folder: str
    address: str
    cache_bytes: int
    scattered: bool


@dataclass(frozen=True, eq=False, repr=False)
class WorkerSetup(Record):
    """What a worker must know before its first call; the first line that it reads.

    Attributes:
        threads: Its share of the cores.
        limits: Fields of `media.limits.Limits`; the others keep their defaults. A server says ``allow_files=False``.
        profile: The profile of operations that name none.
        storage: Where the files of calls are that aren't on this machine; None if they always are.
        served_models: Models that run behind servers.
    """

    threads: int
    limits: Mapping[str, Any]
    profile: str | None = None
    storage: StorageSetup | None = None
    served_models: tuple[ServedModel, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Call(Record):
    """An operation that a worker is to run.

    Attributes:
        id: Tells calls apart; in all messages about it.
        operation: Name of the operation.
        arguments: Its fields.
        media: For each reference among them that stands for a file: ``path`` of the file, and its ``name`` in messages.
        folder: Where the files go that it makes; made with the first one.
        index_folder: Where the search indexes of its owner lie: a folder, made with the first one, or an address.
    """

    id: str
    operation: str
    arguments: Mapping[str, Any]
    media: Mapping[str, Mapping[str, str]]
    folder: str
    index_folder: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Run(Record):
    """Run some calls, now and beside those that run already; what may go together goes through the model together."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Load(Record):
    """Open what an operation needs; answered like a call, without a result."""

    call: Call


@dataclass(frozen=True, eq=False, repr=False)
class Cancel(Record):
    """Stop a call as soon as it can be stopped; it then fails with a `CancelledError`."""

    id: str


@dataclass(frozen=True, eq=False, repr=False)
class Ping(Record):
    """Answer this, whatever else you do."""

    number: int


@dataclass(frozen=True, eq=False, repr=False)
class Stop(Record):
    """Cancel all calls, and end once they have; after so many seconds, end whatever they do."""

    grace: float


@dataclass(frozen=True, eq=False, repr=False)
class Started(Record):
    """A call has begun."""

    id: str


@dataclass(frozen=True, eq=False, repr=False)
class Told(Record):
    """An event of a call.

    Attributes:
        id: The call.
        document: What `event_document` writes; or ``{"type": "restarted"}``: the pieces and finished parts so far are
            void, because the call is run again by itself after those with which it ran together failed.
    """

    id: str
    document: Mapping[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class Kept(Record):
    """A file of a call is complete in its folder. One of the same name replaces an earlier one."""

    id: str
    artifact: Artifact


@dataclass(frozen=True, eq=False, repr=False)
class Done(Record):
    """A call has ended well; the last message about it."""

    id: str
    result: Any = None


@dataclass(frozen=True, eq=False, repr=False)
class Failed(Record):
    """A call has failed; the last message about it.

    Attributes:
        id: The call.
        error: What `SensoriumError.to_dict` writes.
        recycle: Whether the worker should be ended once its other calls have: its memory ran out, or its GPU fell ill.
    """

    id: str
    error: Mapping[str, Any]
    recycle: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class Returned(Record):
    """A call has not begun and is to wait again, since the pass with the others was full; the last message about it.

    Attributes:
        id: The call.
        alone: Whether it is too heavy to go with others.
    """

    id: str
    alone: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class Pong(Record):
    """The answer to a `Ping`.

    Attributes:
        number: Its number.
        gpu_memory: Bytes of GPU memory that torch has reserved in the worker.
    """

    number: int
    gpu_memory: int = 0


ToWorker: TypeAlias = Run | Load | Cancel | Ping | Stop
FromWorker: TypeAlias = Started | Told | Kept | Done | Failed | Returned | Pong
Message: TypeAlias = WorkerSetup | ToWorker | FromWorker

_KINDS: dict[str, type[Message]] = {
    kind.__name__: kind
    for kind in (WorkerSetup, Run, Load, Cancel, Ping, Stop, Started, Told, Kept, Done, Failed, Returned, Pong)
}


def line_of(message: Message) -> bytes:
    """Return a message as one line.

    Raises:
        ValueError: It holds something that JSON doesn't know, such as a number that is none.
        TypeError: Likewise.
    """
    document = {"message": type(message).__name__, **message.to_dict()}
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def message_of(line: bytes) -> Message:
    """Return the message that a line holds.

    Raises:
        InputError: It holds none.
    """
    try:
        document = json.loads(line)
        kind = _KINDS[document.pop("message")]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError("This line holds no message", "Give one that was made by line_of, as it was") from None
    return kind.from_dict(document)
