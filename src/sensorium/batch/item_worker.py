"""Runs items of a batch in this process, with models that stay loaded from one to the next."""

from __future__ import annotations

import errno
import json
import logging
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from sensorium.batch.item import FILES, BatchItem, ItemOutcome
from sensorium.errors import CancelledError, InputError, SensoriumError, StorageError
from sensorium.explanation import explained
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.naming import display_name
from sensorium.media.source import MediaSource, resolve_file
from sensorium.operations.artifact import Artifact
from sensorium.operations.media import Media
from sensorium.operations.operation import Operation
from sensorium.operations.registry import operation_named
from sensorium.operations.reporter import Reporter
from sensorium.operations.tasks import Tasks
from sensorium.progress import Cancellation, Event, Progress, check_cancelled
from sensorium.record import plain
from sensorium.storage.location import Location, is_stored_remotely
from sensorium.storage.opening import location_of
from sensorium.unfinished import temporary_folder

logger = logging.getLogger(__name__)

_OF_THE_SYSTEM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOTDIR}

ItemProgress: TypeAlias = Callable[[BatchItem, Progress], None]
"""Told how far an item is."""


@dataclass(frozen=True)
class BatchWork:
    """What is the same for all items of a batch; plain data that crosses processes.

    Attributes:
        operation: Its name.
        output: Absolute path or address of the folder for files and manifest.
        limits: How large inputs may be.
    """

    operation: str
    output: str
    limits: Limits = DEFAULT_LIMITS


class ItemWorker:
    """Runs items; use it from one thread at a time.

    Args:
        work: What is the same for all of them.
    """

    def __init__(self, work: BatchWork) -> None:
        self._operation = operation_named(work.operation)
        self._files = location_of(work.output).join(FILES)
        self._limits = work.limits
        self._shared = Tasks(limits=work.limits)

    def load(self, item: BatchItem, cancel: Cancellation) -> None:
        """Open what an item needs, without running it.

        Raises:
            SensoriumError: That can't be opened.
        """
        self._operation.of(dict(item.fields)).load(self._shared, _ItemReporter(item, self._files, cancel, None))

    def run(
        self, items: Sequence[BatchItem], cancel: Cancellation, told: ItemProgress | None = None
    ) -> Iterator[ItemOutcome]:
        """Run items, in one pass of the model those that can be; yield the outcome of each once its files are kept.

        Raises:
            CancelledError: ``cancel`` was set; outcomes that were there before have been yielded.
        """
        groups: dict[Hashable, list[tuple[BatchItem, Operation]]] = {}
        for number, item in enumerate(items):
            operation = self._read(item)
            if isinstance(operation, ItemOutcome):
                yield operation
                continue
            key = operation.batch_key()
            groups.setdefault(number if key is None else ("together", key), []).append((item, operation))
        for group in groups.values():
            check_cancelled(cancel)
            yield from self._run_group(group, cancel, told)

    def close(self) -> None:
        """Free the models."""
        self._shared.close()

    def _read(self, item: BatchItem) -> Operation | ItemOutcome:
        if item.error:
            return failed_outcome(item, item.error, "InputError")
        try:
            return self._operation.of(dict(item.fields))
        except SensoriumError as error:
            return failed_outcome(item, str(error), type(error).__name__)

    def _run_group(
        self, group: Sequence[tuple[BatchItem, Operation]], cancel: Cancellation, told: ItemProgress | None
    ) -> Iterator[ItemOutcome]:
        started, begun = datetime.now(UTC), time.monotonic()
        reporters = [_ItemReporter(item, self._files, cancel, told) for item, _ in group]
        with temporary_folder("sensorium-batch-") as folder:
            tasks = Tasks(limits=self._limits, find_media=_Inputs(folder, self._limits), sharing=self._shared)
            results = _results([operation for _, operation in group], tasks, reporters)
        seconds = (time.monotonic() - begun) / len(group)
        for (item, _), reporter, result in zip(group, reporters, results, strict=True):
            if not isinstance(result, CancelledError):
                yield _outcome(item, reporter.files, result, started, seconds)
        check_cancelled(cancel)
        cancelled = next((each for each in results if isinstance(each, CancelledError)), None)
        if cancelled is not None:
            raise cancelled


class _Inputs:
    """Finds media: files of this machine and addresses of the web as they are, files of object stores as copies.

    Args:
        folder: For the copies.
        limits: How large they may be.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits
        self._found: dict[Media, MediaSource] = {}

    def __call__(self, reference: Media) -> MediaSource:
        """Return what a reference stands for."""
        if not is_stored_remotely(reference):
            return str(reference)
        if reference not in self._found:
            location = location_of(reference)
            file = self._folder / f"{len(self._found)}{Path(location.name).suffix}"
            location.fetch(file)
            self._found[reference] = resolve_file(file, display_name(str(reference)), limits=self._limits)
        return self._found[reference]


class _ItemReporter(Reporter):
    """Keeps the files of one item in its folder, and notes their names."""

    def __init__(self, item: BatchItem, files: Location, cancel: Cancellation, told: ItemProgress | None) -> None:
        self.files: list[str] = []
        self._item = item
        self._folder = files.join(item.name)
        self._cancel = cancel
        self._told = told

    def tell(self, event: Event) -> None:
        """Pass progress on; pieces and finished parts are in the result too, so they are not held."""
        if self._told is not None and isinstance(event, Progress):
            self._told(self._item, event)

    def is_set(self) -> bool:
        """Return whether the batch is to stop."""
        return self._cancel.is_set()

    def keep(self, name: str, media_type: str, write: Callable[[Path], object]) -> Artifact:
        """Write a file into the item's folder."""
        check_cancelled(self._cancel)
        try:
            with self._folder.join(name).written() as path:
                write(path)
                size = path.stat().st_size
        except InputError as error:
            if _is_of_the_system(error):
                raise StorageError(error.message, "Make room or allow it there, then run the batch again") from error
            raise
        self.files.append(f"{FILES}/{self._item.name}/{name}")
        return Artifact(name, media_type, size)


def _is_of_the_system(error: BaseException) -> bool:
    """Return whether the system refused to write: a full disk is no fault of the item."""
    cause = error.__cause__ or error.__context__
    return cause is not None and (getattr(cause, "errno", None) in _OF_THE_SYSTEM or _is_of_the_system(cause))


def _results(operations: Sequence[Operation], tasks: Tasks, reporters: Sequence[Reporter]) -> list[Any]:
    """Return the result of each operation, or the error that says why there is none."""
    if len(operations) > 1:
        try:
            return type(operations[0]).run_together(operations, tasks, reporters)
        except CancelledError as error:
            return [error] * len(operations)
        except Exception:
            logger.debug("running %s together failed; each runs alone", operations[0].name, exc_info=True)
    return [_result(operation, tasks, report) for operation, report in zip(operations, reporters, strict=True)]


def _result(operation: Operation, tasks: Tasks, report: Reporter) -> Any:
    try:
        return operation.run(tasks, report)
    except Exception as error:
        if not isinstance(error, SensoriumError):
            logger.error("%s failed", operation.name, exc_info=error)
        return explained(error, remedy="Report it, please")


def _outcome(item: BatchItem, files: Sequence[str], result: Any, started: datetime, seconds: float) -> ItemOutcome:
    when = started.isoformat(timespec="milliseconds")
    if isinstance(result, SensoriumError):
        return failed_outcome(item, str(result), type(result).__name__, when, seconds)
    document = plain(result)
    return ItemOutcome(
        id=item.id,
        input=item.input,
        result=json.dumps(document, ensure_ascii=False),
        files=tuple(files),
        model=_first(document, "model", str) or "",
        seed=_first(document, "seed", int),
        started=when,
        seconds=round(seconds, 4),
        weight=item.weight,
    )


def failed_outcome(item: BatchItem, error: str, kind: str, started: str = "", seconds: float = 0.0) -> ItemOutcome:
    """Return the outcome of an item that failed.

    Args:
        item: The item.
        error: Why, in a sentence.
        kind: The error's type.
        started: When the work began, in ISO 8601; by default now.
        seconds: How long it took.
    """
    started = started or datetime.now(UTC).isoformat(timespec="milliseconds")
    return ItemOutcome(
        id=item.id,
        input=item.input,
        started=started,
        seconds=round(seconds, 4),
        weight=item.weight,
        error=error,
        error_type=kind,
    )


def _first(document: Any, name: str, kind: type) -> Any:
    """Return the first value of that name and type, the outermost one."""
    waiting = [document]
    for each in waiting:
        if isinstance(each, Mapping):
            found = each.get(name)
            if isinstance(found, kind) and not isinstance(found, bool):
                return found
            waiting.extend(each.values())
        elif isinstance(each, (list, tuple)) and each and not isinstance(each[0], (int, float)):
            waiting.extend(each)
    return None
