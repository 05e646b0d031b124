"""One run of the pipeline on Ray Data: groups of items through a pool of actors."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from sensorium.batch.item import BatchItem
from sensorium.batch.runner import weighed_groups
from sensorium.cluster.batch.actor import ActorSetup, BatchActor
from sensorium.cluster.batch.places import Actors
from sensorium.errors import SensoriumError, WorkerLostError

_MOST_TOGETHER = 16
_MOST_WEIGHT_TOGETHER = 64.0
"""Megapixels or seconds: so many are decoded and held at a time."""
_GROUPS_PER_ACTOR = 4
"""At least, where there are enough items: else one actor would have work when the others have none any more."""
_GROUPS_AT_AN_ACTOR = 2
"""One at work, and the next one waiting."""
_END_SECONDS = 2.0
_MOST_FAILED_STARTS = 3

_numbers = count()


class Round:
    """A pipeline that runs in a thread of its own. What comes of the items goes to the post.

    Args:
        items: To run.
        actors: How many.
        share: What each asks the cluster for, as options of Ray.
        post: The handle of the post.
        setup: What every actor is told.
    """

    def __init__(
        self, items: Sequence[BatchItem], actors: Actors, share: Mapping[str, Any], post: Any, setup: ActorSetup
    ) -> None:
        groups = [
            {"number": next(_numbers), "items": json.dumps([item.to_dict() for item in group])}
            for group in groups_for(items, actors.most)
        ]
        self._error: Exception | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._go_on, args=(groups, actors, share, post, setup), name="sensorium-batch-round", daemon=True
        )
        self._thread.start()

    def is_running(self) -> bool:
        """Return whether there may be outcomes yet to come."""
        return self._thread.is_alive()

    def end(self) -> None:
        """Stop after the groups at work; the actors have been told to cut them short."""
        self._stopped.set()
        self._thread.join(_END_SECONDS)

    def check(self) -> None:
        """See that the pipeline ended well.

        Raises:
            WorkerLostError: It didn't.
        """
        if self._error is not None:
            raise _explained(self._error) from self._error

    def _go_on(
        self,
        groups: list[dict[str, Any]],
        actors: Actors,
        share: Mapping[str, Any],
        post: Any,
        setup: ActorSetup,
    ) -> None:
        import ray

        try:
            context = ray.data.DataContext.get_current().copy()
            context.enable_progress_bars = False
            context.print_on_execution_start = False
            context.max_consecutive_actor_init_deaths = _MOST_FAILED_STARTS
            # A film may take hours in which nothing leaves an actor. The post knows whether the actors live.
            context.execution_no_progress_timeout_s = -1
            with ray.data.DataContext.current(context):
                data = ray.data.from_items(groups, override_num_blocks=len(groups)).map_batches(
                    BatchActor,
                    fn_constructor_args=(post, setup),
                    batch_size=None,
                    compute=ray.data.ActorPoolStrategy(
                        min_size=min(actors.least, len(groups)),
                        max_size=min(actors.most, len(groups)),
                        max_tasks_in_flight_per_actor=_GROUPS_AT_AN_ACTOR,
                    ),
                    **share,
                )
                for _ in data.iter_rows():
                    if self._stopped.is_set():
                        break
        except Exception as error:  # told by `check`
            self._error = error


def groups_for(items: Sequence[BatchItem], actors: int) -> list[list[BatchItem]]:
    """Return items in groups of about equal weight, enough of them for all actors, the heaviest ones first.

    Whoever does the heaviest last waits for it alone at the end.
    """
    parts = actors * _GROUPS_PER_ACTOR
    most = min(_MOST_TOGETHER, math.ceil(len(items) / parts))
    most_weight = min(_MOST_WEIGHT_TOGETHER, sum(item.weight for item in items) / parts)
    groups = list(weighed_groups(iter(items), most, most_weight))
    return sorted(groups, key=lambda group: -sum(item.weight for item in group))


def _explained(error: Exception) -> SensoriumError:
    said = [line.strip() for line in str(error).splitlines() if line.strip()]
    missing = next((line for line in reversed(said) if "ModuleNotFoundError" in line), "")
    if missing:
        return WorkerLostError(
            f"No actor could be started: {missing}", "Install sensorium[cluster] on all machines of the cluster"
        )
    return WorkerLostError(
        f"The actors ended: {said[-1] if said else type(error).__name__}",
        "Run the batch again: what is finished is kept",
    )
