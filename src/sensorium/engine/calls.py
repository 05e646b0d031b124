"""Running calls in a worker: each message's calls in a thread of their own, those of one kind together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from sensorium.engine.batching import MOST_CALLS, batches, weight_of
from sensorium.engine.call_files import CallFiles
from sensorium.engine.call_reporter import CallReporter
from sensorium.engine.outbox import Outbox
from sensorium.engine.reference_path import origin_of
from sensorium.engine.wire import Call, Done, Failed, Returned, Started, WorkerSetup
from sensorium.errors import CancelledError, InternalError, SensoriumError
from sensorium.explanation import explained, ran_out_of_memory
from sensorium.media.limits import Limits
from sensorium.media.naming import display_name
from sensorium.media.source import MediaSource, resolve_file
from sensorium.models import model_servers
from sensorium.operations.media import Media
from sensorium.operations.operation import Operation
from sensorium.operations.registry import operation_named
from sensorium.operations.tasks import Tasks
from sensorium.progress import check_cancelled
from sensorium.record import plain

_DEFAULT_INDEX = "default"
_ILL_GPU = ("cuda error", "cudnn error", "cublas error", "cuda failed", "hip error")
"""How torch and CTranslate2 begin to say that the GPU, or this process's part of it, can't be used any more."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Item:
    call: Call
    operation: Operation
    reporter: CallReporter


class Calls:
    """The calls of a worker. Its methods return at once.

    Args:
        setup: What the engine says of the worker.
        outbox: Where messages to the engine go.
    """

    def __init__(self, setup: WorkerSetup, outbox: Outbox) -> None:
        self._outbox = outbox
        self._limits = TypeAdapter(Limits).validate_python(dict(setup.limits))
        model_servers.know(setup.served_models)
        self._files = CallFiles(setup.storage)
        self._shared = Tasks(limits=self._limits)
        self._running: dict[str, CallReporter] = {}
        self._together: dict[str, frozenset[str]] = {}
        self._threads: set[threading.Thread] = set()
        self._guard = threading.Lock()

    def run(self, calls: Sequence[Call]) -> None:
        """Run calls beside those that run already."""
        self._begin(calls, lambda items: self._run_all(items))

    def load(self, call: Call) -> None:
        """Open what a call's operation needs."""

        def load(items: list[_Item]) -> None:
            for item in items:
                self._attempt(item, lambda item: item.operation.load(self._tasks([item.call]), item.reporter))

        self._begin([call], load)

    def cancel(self, call: str) -> None:
        """Let a call stop."""
        with self._guard:
            reporter = self._running.get(call)
            others = [self._running[each] for each in self._together.get(call, ()) if each in self._running]
        if reporter is None:
            return
        reporter.cancel()
        # Its pass goes on for the others: nobody waits until it is over.
        if any(not other.is_set() for other in others):
            self._fail(call, CancelledError("The job was cancelled"))

    def end(self, seconds: float) -> bool:
        """Cancel all calls and wait for them, for so many seconds at most; close all task objects.

        Returns:
            Whether all calls have ended.
        """
        with self._guard:
            running, threads = list(self._running.values()), list(self._threads)
        for reporter in running:
            reporter.cancel()
        deadline = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            return False
        self._shared.close()
        return True

    def _begin(self, calls: Sequence[Call], work: Callable[[list[_Item]], None]) -> None:
        reporters = {call.id: CallReporter(call, self._outbox, self._files) for call in calls}

        def begin() -> None:
            try:
                work([item for call in calls if (item := self._understood(call, reporters[call.id])) is not None])
            finally:
                with self._guard:
                    self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=begin, name=f"sensorium-call-{calls[0].id}" if calls else None, daemon=True)
        with self._guard:
            self._running.update(reporters)
            self._threads.add(thread)
        thread.start()

    def _understood(self, call: Call, reporter: CallReporter) -> _Item | None:
        try:
            return _Item(call, operation_named(call.operation).of(dict(call.arguments)), reporter)
        except Exception as error:
            self._fail(call.id, error)
            return None

    def _run_all(self, items: list[_Item]) -> None:
        keys: dict[str, Hashable | None] = {}
        for item in items:
            try:
                key = item.operation.batch_key()
                keys[item.call.id] = None if key is None else (type(item.operation), key)
            except Exception:  # it will say so again when it is run
                keys[item.call.id] = None
        passes: list[list[_Item]] = []
        begun: set[Hashable] = set()
        for batch in batches(items, lambda item: keys[item.call.id], self._weight, self._most):
            key = keys[batch[0].call.id]
            if key is not None and key in begun:  # a second pass might make others wait that are more urgent
                self._return(batch)
            else:
                passes.append(batch)
                begun.add(key)
        for batch in passes:
            if len(batch) == 1:
                self._run(batch[0])
            else:
                self._run_together(batch)

    def _return(self, batch: list[_Item]) -> None:
        alone = len(batch) == 1 and self._weight(batch[0]) > 1
        for item in batch:
            self._forget(item.call.id)
            self._outbox.send(Returned(item.call.id, alone))

    def _most(self, item: _Item) -> int:
        """Return how many calls like this one the model takes at once, as far as the operation knows."""
        try:
            most = item.operation.at_once(self._tasks([item.call]), item.reporter)
        except Exception:  # it will say so again when it is run
            most = 1
        return most if most > 1 else MOST_CALLS

    def _weight(self, item: _Item) -> float:
        return weight_of(item.operation, self._tasks([item.call]))

    def _run(self, item: _Item) -> None:
        self._attempt(item, lambda item: item.operation.run(self._tasks([item.call]), item.reporter))

    def _attempt(self, item: _Item, work: Callable[[_Item], Any]) -> None:
        try:
            check_cancelled(item.reporter)
            self._outbox.send(Started(item.call.id))
            result = work(item)
        except BaseException as error:  # whatever it is, whoever waits for the call must hear of it
            self._fail(item.call.id, error)
        else:
            self._done(item.call.id, result)

    def _run_together(self, batch: list[_Item]) -> None:
        """Run items in one pass. If that fails as a whole, each is run by itself: one must never fail the others."""
        waiting = [item for item in batch if not item.reporter.is_set()]
        for item in batch:
            if item not in waiting:
                self._run(item)  # which fails as cancelled
        if not waiting:
            return
        together = frozenset(item.call.id for item in waiting)
        with self._guard:
            self._together.update(dict.fromkeys(together, together))
        try:
            self._run_pass(waiting)
        finally:
            with self._guard:
                for each in together:
                    del self._together[each]

    def _run_pass(self, waiting: list[_Item]) -> None:
        operations = [item.operation for item in waiting]
        tasks = self._tasks([item.call for item in waiting])
        for item in waiting:
            self._outbox.send(Started(item.call.id))
        try:
            results = type(operations[0]).run_together(operations, tasks, [item.reporter for item in waiting])
            pairs = list(zip(waiting, results, strict=True))
        except BaseException as error:
            logger.warning("%d calls failed together, and are run one by one: %r", len(waiting), error)
            for item in waiting:
                if item.call.id in self._running:
                    item.reporter.restart()
                    self._run(item)
            return
        for item, result in pairs:
            if item.call.id not in self._running:  # it was cancelled meanwhile
                continue
            if isinstance(result, BaseException):
                self._fail(item.call.id, result)
            else:
                self._done(item.call.id, result)

    def _tasks(self, calls: Sequence[Call]) -> Tasks:
        """Return what some calls may use: the models of all, but only their own files."""
        files = {reference: (call.id, file) for call in calls for reference, file in call.media.items()}

        def find_index(name: str | None) -> str:  # what searches runs alone
            return self._files.index(calls[0].index_folder, name or _DEFAULT_INDEX)

        def find_media(reference: Media) -> MediaSource:
            if reference not in files:
                return str(reference)
            call, file = files[reference]
            path = self._files.medium(call, reference, {"path": file["path"], "name": file["name"]})
            return resolve_file(path, display_name(file["name"]), limits=self._limits)

        return Tasks(
            limits=self._limits,
            find_media=find_media,
            find_index=find_index,
            find_origin=origin_of,
            sharing=self._shared,
        )

    def _done(self, call: str, result: Any) -> None:
        self._forget(call)
        try:
            self._outbox.send(Done(call, plain(result)))
        except (TypeError, ValueError) as error:  # it holds what JSON doesn't know
            self._fail(call, error)

    def _fail(self, call: str, error: BaseException) -> None:
        self._forget(call)
        said = explained(error, remedy="The server's log says where; report it, please")
        if isinstance(said, InternalError):
            logger.error("The call %s failed", call, exc_info=error)
        self._outbox.send(Failed(call, said.to_dict(), _spoils_the_worker(error)))

    def _forget(self, call: str) -> None:
        with self._guard:
            reporter = self._running.pop(call, None)
        if reporter is not None:
            reporter.end()
            self._files.let_go(call)


def _spoils_the_worker(error: BaseException | None) -> bool:
    """Return whether a process shouldn't go on after an error: memory ran out somewhere, or its GPU fell ill."""
    while error is not None:
        text = "" if isinstance(error, SensoriumError) else str(error).lower()
        if ran_out_of_memory(error) or any(words in text for words in _ILL_GPU):
            return True
        error = error.__cause__
    return False
