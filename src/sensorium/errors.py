"""What can go wrong, said in one plain sentence with a remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class SensoriumError(Exception):
    """Any error that Sensorium raises on purpose.

    Args:
        message: One sentence that names the input and the reason, without a final full stop.
        remedy: One sentence that tells what to do about it; may be empty.

    Attributes:
        param: The field of a request that is to blame, where a front end knows; it isn't kept.
        code: What a front end's protocol calls the error, where that has a name of its own; it isn't kept.
    """

    param: str | None = None
    code: str | None = None

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message.rstrip(".")
        self.remedy = remedy.rstrip(".")
        super().__init__(
            " ".join(f"{text}{'' if text.endswith('?') else '.'}" for text in (self.message, self.remedy) if text)
        )

    def __reduce__(self) -> tuple[type[SensoriumError], tuple[str, str]]:
        return type(self), (self.message, self.remedy)

    def to_dict(self) -> dict[str, str]:
        """Return type, message and remedy, ready for ``json.dumps``."""
        return {"type": type(self).__name__, "message": self.message, "remedy": self.remedy}

    @staticmethod
    def from_dict(document: Mapping[str, str]) -> SensoriumError:
        """Return the error that `to_dict` made a document of; a `SensoriumError` if its type isn't known here.

        Raises:
            InputError: It is no such document.
        """
        parts = [document.get(name) for name in ("type", "message", "remedy")] if isinstance(document, Mapping) else []
        if not parts or not all(isinstance(part, str) for part in parts):
            raise InputError("This document holds no error", "Give one that was made by its to_dict, as it was")
        kinds = {kind.__name__: kind for kind in _kinds(SensoriumError)}
        return kinds.get(document["type"], SensoriumError)(document["message"], document["remedy"])


def _kinds(error: type[SensoriumError]) -> Iterator[type[SensoriumError]]:
    yield error
    for each in error.__subclasses__():
        yield from _kinds(each)


class InputError(SensoriumError):
    """The caller's input (file, text, number, address) can't be used as it is."""


class ModelUnavailableError(SensoriumError):
    """A checkpoint is unknown, absent, damaged, or can't be fetched."""


class ModelServerError(ModelUnavailableError):
    """The server on which a model runs can't be reached, is too busy, or fails."""


class UnsupportedError(SensoriumError):
    """The request is sensible, but this checkpoint, profile or version doesn't do it."""


class MissingDependencyError(SensoriumError):
    """An optional package that the request needs isn't installed."""


class InsufficientMemoryError(SensoriumError):
    """A checkpoint or a request needs more memory than the device has left."""


class ClosedError(SensoriumError):
    """A task was used after it had been closed; nothing is loaded again behind its owner's back."""


class BusyError(SensoriumError):
    """Too much is waiting already; the same request may be made again later.

    Args:
        message: As for every error.
        remedy: As for every error.
        retry_after: After how many seconds it is worth a try.
    """

    def __init__(self, message: str, remedy: str = "", retry_after: float = 5.0) -> None:
        super().__init__(message, remedy)
        self.retry_after = retry_after


class NotFoundError(SensoriumError):
    """There is no job, upload, artifact or operation of that name, or it isn't the caller's."""


class AccessError(SensoriumError):
    """A server wasn't shown a key that it knows, or the key doesn't allow what was asked."""


class UnreachableError(SensoriumError):
    """No server answers at an address, or it does no more."""


class WorkerLostError(SensoriumError):
    """The process that worked on a request ended in the middle of it: it crashed, was killed, or hung."""


class TimeLimitError(SensoriumError):
    """A request ran longer than the server allows."""


class InterruptedJobError(SensoriumError):
    """A job was running when the server ended, and was not run again."""


class StorageError(SensoriumError):
    """The database, disk or object store that keeps jobs, inputs or results can't be used at the moment."""


class CancelledError(SensoriumError):
    """The caller cancelled a running job; nothing half-written is left behind."""


class InternalError(SensoriumError):
    """A mistake in Sensorium or in a library, not in the input."""
