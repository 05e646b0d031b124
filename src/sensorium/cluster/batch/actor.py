"""What works on a batch: one actor with one loaded model; Ray Data hands it groups of items."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sensorium import settings
from sensorium.batch.item import BatchItem, ItemOutcome
from sensorium.batch.item_worker import BatchWork, ItemWorker
from sensorium.errors import CancelledError, MissingDependencyError, ModelUnavailableError, SensoriumError
from sensorium.operations.registry import operation_named
from sensorium.progress import Progress
from sensorium.version import VERSION

_LINGER_SECONDS = 0.02
"""How long an outcome waits for others, so that quick items cost the post less: one message for many."""


@dataclass(frozen=True)
class ActorSetup:
    """What every actor of a batch is told.

    Attributes:
        work: What is the same for all items.
        threads: With how many it computes.
        profile: Whose models are the default.
        version: Of Sensorium where the batch was started.
        seconds_between: Between two signs of life.
    """

    work: BatchWork
    threads: int
    profile: str
    version: str
    seconds_between: float


class BatchActor:
    """Runs groups of items and sends their outcomes to the `Post`, each as soon as it is there.

    Nothing is loaded before the first group is: what goes wrong then is told in a sentence. An actor that can't be made
    would be made again and again.

    Args:
        post: The handle of the post.
        setup: What every actor is told.
    """

    def __init__(self, post: Any, setup: ActorSetup) -> None:
        settings.be_a_worker(setup.threads, setup.profile)
        self._post = post
        self._setup = setup
        self._machine = _machine()
        self._worker = ItemWorker(setup.work)
        self._outbox = _Outbox(post, setup.seconds_between)
        self._able = False

    def __call__(self, groups: Mapping[str, Sequence[Any]]) -> dict[str, list[int]]:
        """Run groups, as Ray Data hands them over: columns with numbers and with JSON lists of items."""
        for number, document in zip(groups["number"], groups["items"], strict=True):
            items = [BatchItem.from_dict(each) for each in json.loads(str(document))]
            try:
                self._run(int(number), items)
            except CancelledError:
                break
        return {"number": [int(number) for number in groups["number"]]}

    def _run(self, number: int, items: list[BatchItem]) -> None:
        import ray

        if self._outbox.is_set():
            return
        task = ray.get(self._post.begin.remote(number, items, self._machine))
        wanted = set(task.items)
        waiting = [item for item in items if item.id in wanted]
        if not waiting or not self._is_able(waiting[0]):
            return
        try:
            for some in [[item] for item in waiting] if task.one_by_one else [waiting]:
                if task.one_by_one:
                    ray.get(self._post.starts.remote(number, some[0].id))
                for outcome in self._worker.run(some, self._outbox, self._outbox.tell):
                    self._outbox.send(number, outcome)
        finally:
            self._outbox.wait()

    def _is_able(self, item: BatchItem) -> bool:
        """Return whether this machine has what an item needs; if not, it is told: the batch can't go on here."""
        if self._able:
            return True
        import ray

        refusal = self._refusal(item)
        if refusal is not None:
            ray.get(self._post.refuse.remote(refusal.to_dict()))
            return False
        self._able = True
        return True

    def _refusal(self, item: BatchItem) -> SensoriumError | None:
        where = f"The machine {self._machine.partition(' ')[0]}"
        if self._setup.version != VERSION:
            return MissingDependencyError(
                f"{where} has version {VERSION} of sensorium, and the batch was started by {self._setup.version}",
                "Install the same version on all machines of the cluster",
            )
        try:
            operation_named(self._setup.work.operation).of(dict(item.fields)).checkpoints()
        except SensoriumError:
            return None  # it is the item's fault, and will be told as its error
        try:
            self._worker.load(item, self._outbox)
        except (ModelUnavailableError, MissingDependencyError) as error:
            return type(error)(f"{where} can't work on this batch: {error.message}", error.remedy)
        except CancelledError:
            raise
        except SensoriumError:
            return None
        return None


class _Outbox:
    """Sends outcomes and signs of life from a thread of its own, and knows whether the batch is to stop.

    Outcomes that come soon after each other go out together.
    """

    def __init__(self, post: Any, seconds_between: float) -> None:
        self._post = post
        self._seconds = seconds_between
        self._waiting: queue.SimpleQueue[tuple[int, ItemOutcome]] = queue.SimpleQueue()
        self._unsent = 0
        self._sent = threading.Condition()
        self._stop = threading.Event()
        self._awaited = threading.Event()
        self._progress: dict[str, tuple[str, float, float | None, str]] = {}
        threading.Thread(target=self._go_on, name="sensorium-outbox", daemon=True).start()

    def is_set(self) -> bool:
        """Return whether the batch is to stop."""
        return self._stop.is_set()

    def send(self, group: int, outcome: ItemOutcome) -> None:
        """Send an outcome of a group."""
        with self._sent:
            self._unsent += 1
        self._waiting.put((group, outcome))

    def tell(self, item: BatchItem, progress: Progress) -> None:
        """Send how far an item is, with the next sign of life."""
        self._progress[item.id] = (progress.stage, progress.done, progress.total, progress.unit)

    def wait(self) -> None:
        """Wait until all outcomes have arrived."""
        self._awaited.set()
        with self._sent:
            self._sent.wait_for(lambda: self._unsent == 0)
        self._awaited.clear()

    def _go_on(self) -> None:
        while True:
            some = self._some()
            try:
                stop = self._hand_over(some)
            except Exception:  # nobody is there any more to take them: the batch has ended
                stop = True
            if stop:
                self._stop.set()
            with self._sent:
                self._unsent -= len(some)
                self._sent.notify_all()

    def _some(self) -> list[tuple[int, ItemOutcome]]:
        """Return outcomes that wait; none after a while without any."""
        try:
            some = [self._waiting.get(timeout=self._seconds)]
        except queue.Empty:
            return []
        self._awaited.wait(_LINGER_SECONDS)
        while not self._waiting.empty():
            some.append(self._waiting.get())
        return some

    def _hand_over(self, some: list[tuple[int, ItemOutcome]]) -> bool:
        import ray

        if not some:
            progress, self._progress = self._progress, {}
            return bool(ray.get(self._post.lives.remote(progress)))
        stop = False
        for group in {group for group, _ in some}:
            outcomes = [outcome.to_dict() for each, outcome in some if each == group]
            stop |= bool(ray.get(self._post.record.remote(group, outcomes)))
        return stop


def _machine() -> str:
    """Return the address of this machine and what tells it from all others in the cluster."""
    import ray

    address: Callable[[], str] = ray.util.get_node_ip_address
    return f"{address()} {ray.get_runtime_context().get_node_id()}"
