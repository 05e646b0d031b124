"""Runs the items of a batch in Ray actors, here or on a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sensorium import settings
from sensorium.batch.item import BatchItem, ItemOutcome
from sensorium.batch.item_worker import BatchWork, ItemProgress
from sensorium.cluster.batch.actor import ActorSetup
from sensorium.cluster.batch.places import Actors, share
from sensorium.cluster.batch.post import Post
from sensorium.cluster.batch.round import Round
from sensorium.cluster.connection import connected
from sensorium.errors import CancelledError, SensoriumError, UnreachableError, WorkerLostError
from sensorium.progress import Cancellation, Progress
from sensorium.threads import thread_count
from sensorium.version import VERSION

_ROUND_ITEMS = 20_000
"""Items of a round for each actor. Between two rounds the actors are made anew: some seconds in many minutes."""
_LARGEST_ROUND = 500_000
"""Items of a round: some hundred megabytes in Ray's object store, which writes to the disk what is too much."""
_LISTING_SECONDS = 10.0
"""How long items are gathered for a round: where listing them takes hours, what is known is begun."""
_LETTER_SECONDS = 0.5
_PATIENCE_SECONDS = 600.0
"""How long nobody needs to be heard of: as long as a cluster may take to find room for an actor."""
_AGAIN = "run the batch again: what is finished is kept"


@dataclass(frozen=True)
class RayBatchRunner:
    """Runs items in Ray actors that hold a loaded model each; see `sensorium.cluster.batch`.

    Attributes:
        actors: How many, and what each gets.
        address: Of a running cluster, such as ``"head:6379"``; None for one on this machine that ends with the batch.
    """

    actors: Actors
    address: str | None = None

    def run(
        self,
        items: Iterator[BatchItem],
        work: BatchWork,
        cancel: Cancellation,
        told: ItemProgress | None = None,
    ) -> Iterator[ItemOutcome]:
        """Run the items; see `BatchRunner.run`.

        Raises:
            InputError: The cluster has no room for the actors.
            UnreachableError: There is no cluster, or none of its machines ever had room.
        """
        first = next(items, None)
        if first is None:
            return
        with connected(self.address, processors=self.actors.most, purpose="A batch with several actors"):
            shift = _Shift(self.actors, self._setup(work), _device(first), cancel, told)
            try:
                yield from shift.run(first, items)
            finally:
                shift.end()

    def _setup(self, work: BatchWork) -> ActorSetup:
        processors = self.actors.processors or 1.0
        here = max(1, thread_count() // self.actors.most)
        return ActorSetup(
            work,
            threads=here if self.address is None else settings.threads() or max(1, int(processors)),
            profile=settings.profile(),
            version=VERSION,
            seconds_between=max(0.5, self.actors.most / 200),
        )


class _Shift:
    """All rounds of a batch, while Ray is connected."""

    def __init__(
        self, actors: Actors, setup: ActorSetup, device: str, cancel: Cancellation, told: ItemProgress | None
    ) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        nodes: Callable[[], list[dict[str, Any]]] = ray.nodes
        self._share = share(actors, [node["Resources"] for node in nodes() if node["Alive"]], device)
        self._actors = actors
        self._setup = setup
        self._cancel = cancel
        self._told = told
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._post: Any = (
            ray.remote(Post).options(num_cpus=0, scheduling_strategy=here, max_concurrency=_LARGEST_ROUND).remote()
        )
        self._round: Round | None = None

    def run(self, first: BatchItem, others: Iterator[BatchItem]) -> Iterator[ItemOutcome]:
        size = min(_LARGEST_ROUND, _ROUND_ITEMS * self._actors.most)
        items = [first]
        while items:
            broken: SensoriumError | None = None
            until = time.monotonic() + _LISTING_SECONDS
            try:
                for item in others:
                    items.append(item)
                    if len(items) >= size or time.monotonic() >= until:
                        break
            except SensoriumError as error:
                broken = error
            yield from self._run_round(items)
            if broken is not None:
                raise broken
            items = list(islice(others, 1))

    def end(self) -> None:
        """Let the actors stop, so that nothing unfinished stays behind."""
        import ray

        if self._round is not None and self._round.is_running():
            try:
                ray.get(self._post.stop.remote(), timeout=_LETTER_SECONDS)
            except Exception:  # it is gone, and the actors will notice
                return
            self._round.end()

    def _run_round(self, items: list[BatchItem]) -> Iterator[ItemOutcome]:
        import ray

        ray.get(self._post.next_round.remote())
        at_work = {item.id: item for item in items} if self._told is not None else {}
        waiting = {item.id for item in items}
        self._round = Round(items, self._actors, self._share, self._post, self._setup)
        while True:
            ended = not self._round.is_running()
            letters = ray.get(self._post.letters.remote(0.0 if ended else _LETTER_SECONDS))
            for document in letters.outcomes:
                outcome = ItemOutcome.from_dict(document)
                waiting.discard(outcome.id)
                yield outcome
            if letters.refusal is not None:
                raise SensoriumError.from_dict(letters.refusal)
            if self._cancel.is_set():
                raise CancelledError("The batch was cancelled")
            for id, progress in letters.progress.items():
                if self._told is not None and id in at_work:
                    self._told(at_work[id], Progress(*progress))
            if ended and not letters.outcomes:
                break
            if letters.silent > _PATIENCE_SECONDS:
                raise UnreachableError(
                    f"No actor was heard of for {letters.silent / 60:.0f} minutes: the cluster has no room for one",
                    f"See what else runs there (ray status), then {_AGAIN}",
                )
        self._round.check()
        if waiting:
            raise WorkerLostError(f"Nothing is known of {len(waiting)} items of the batch", _AGAIN.capitalize())


def _device(item: BatchItem) -> str:
    """Return where an item wants its model to run."""
    return str(item.fields.get("device") or "auto")
