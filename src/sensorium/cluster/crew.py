"""Encoding what goes into a search index in several processes at once: Ray actors, each with the checkpoint loaded."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sensorium import settings
from sensorium.cluster.batch.places import Actors, share
from sensorium.cluster.connection import connected
from sensorium.errors import InputError, SensoriumError, WorkerLostError
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.retrieval.portions import Crew, Encoded, Portion, portions_of

if TYPE_CHECKING:
    from sensorium.retrieval.portions import Plan, PortionEncoder
    from sensorium.retrieval.scan import FoundFile

_MOST_KILLS = 2
"""How many processes a portion may cost before it is given out in halves; a single file that costs as many is lost."""
_MOST_FAILED_STARTS = 3
_LOOK_SECONDS = 0.5
_RESUME = "run it again: what is finished is kept"


class RayCrew(Crew):
    """Encodes with Ray actors.

    Args:
        actors: How many; None for as many as the cluster has processors.
        address: Of a running cluster, such as ``"head:6379"``, or ``"auto"`` for the one that this machine belongs to;
            None for a small one that is started on this machine, and ended afterwards.

    Raises:
        InputError: The number can't be.
    """

    def __init__(self, actors: int | None = None, address: str | None = None) -> None:
        if actors is not None and actors < 1:
            raise InputError(f"{actors} actors can't do anything", "Name at least 1")
        self._actors = actors
        self._address = address

    def encode(
        self, plan: Plan, files: Sequence[FoundFile], progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> Generator[Encoded, None, None]:
        """Encode files; see `Crew.encode`."""
        here = self._actors or os.cpu_count() or 1
        # Of a cluster of our own, one processor more is counted than there are actors: none of them ever waits for one.
        with connected(self._address, processors=here + 1, purpose="Encoding in several processes"):
            actors = self._actors or max(1, int(sum(machine.get("CPU", 0.0) for machine in _machines())))
            work = _Work(plan, portions_of(files, actors), actors)
            try:
                yield from work.run(progress, cancel)
            finally:
                work.end()


@dataclass(frozen=True)
class _Attempt:
    """A portion, and how many processes it has cost."""

    portion: Portion
    kills: int = 0

    def after_kill(self) -> list[_Attempt]:
        """Return what is to be tried now; nothing if it is one file that has cost too many processes."""
        if self.kills + 1 < _MOST_KILLS:
            return [_Attempt(self.portion, self.kills + 1)]
        if len(self.portion.files) == 1:
            return []
        # Whichever half has the file that kills costs one more process, and is halved again.
        return [_Attempt(half, _MOST_KILLS - 1) for half in self.portion.halves()]


class _Encoder:
    """What runs in an actor. Made empty, so that whatever goes wrong at loading is told as an error of `load`."""

    _encoder: PortionEncoder

    def load(self, plan: Plan) -> None:
        from sensorium.retrieval.portions import PortionEncoder

        settings.be_a_worker(settings.threads() or 1, None)
        self._encoder = PortionEncoder(plan)

    def encode(self, portion: Portion) -> Encoded:
        return self._encoder.encode(portion)


class _Work:
    """Hands portions to actors, and starts others in place of those that die."""

    def __init__(self, plan: Plan, portions: Iterator[Portion], actors: int) -> None:
        ray = _ray()
        self._plan = plan
        self._sent = ray.put(plan)
        self._waiting = deque(map(_Attempt, portions))
        asked = share(Actors(1, actors), _machines(), plan.options.get("device") or "auto")
        self._made = ray.remote(**asked)(_Encoder)
        self._loading: dict[Any, Any] = {}
        self._encoding: dict[Any, tuple[Any, _Attempt]] = {}
        self._failed_starts = 0
        for _ in range(min(actors, len(self._waiting))):
            self._start()

    def run(self, progress: ProgressCallback | None, cancel: Cancellation | None) -> Iterator[Encoded]:
        """Yield what becomes of the portions, in the order in which they are done."""
        ray = _ray()
        while self._waiting or self._encoding:
            check_cancelled(cancel)
            if not self._encoding:
                report(progress, "waiting for processes that encode", 0, None, "files")
            done, _ = ray.wait([*self._encoding, *self._loading], timeout=_LOOK_SECONDS)
            for each in done:
                yield from self._loaded(each) if each in self._loading else self._encoded(each)

    def end(self) -> None:
        """End all actors."""
        ray = _ray()
        for actor in [*self._loading.values(), *(actor for actor, _ in self._encoding.values())]:
            ray.kill(actor)

    def _start(self) -> None:
        actor = self._made.remote()
        self._loading[actor.load.remote(self._sent)] = actor

    def _loaded(self, done: Any) -> Iterator[Encoded]:
        actor = self._loading.pop(done)
        if _result(done, actor) is _DIED:
            self._failed_starts += 1
            if self._failed_starts >= _MOST_FAILED_STARTS:
                raise WorkerLostError(
                    f"Of the processes that encode, {self._failed_starts} were ended by the system while they loaded "
                    "the model",
                    f"Take fewer of them, or machines with more memory, then {_RESUME}",
                )
            self._start()
        else:
            self._failed_starts = 0
            self._give(actor)
        yield from ()

    def _encoded(self, done: Any) -> Iterator[Encoded]:
        actor, attempt = self._encoding.pop(done)
        found = _result(done, actor)
        if found is not _DIED:
            self._give(actor)
            yield found
            return
        again = attempt.after_kill()
        self._waiting.extendleft(reversed(again))
        if not again:
            yield Encoded.lost(attempt.portion, self._plan.names)
        if self._waiting:
            self._start()

    def _give(self, actor: Any) -> None:
        ray = _ray()
        if self._waiting:
            attempt = self._waiting.popleft()
            self._encoding[actor.encode.remote(attempt.portion)] = (actor, attempt)
        else:
            ray.kill(actor)


_DIED = object()


def _result(done: Any, actor: Any) -> Any:
    """Return what an actor answered, or `_DIED` if it, or its machine, is no more; raise the error that it raised."""
    from ray.exceptions import NodeDiedError, ObjectLostError, OutOfMemoryError, RayActorError, RayTaskError

    ray = _ray()
    try:
        return ray.get(done)
    except RayTaskError as error:
        if isinstance(error.cause, SensoriumError):
            raise error.cause from None
        raise
    except (RayActorError, NodeDiedError, ObjectLostError, OutOfMemoryError):
        ray.kill(actor)  # one that is only out of reach must not go on
        return _DIED


def _machines() -> list[dict[str, float]]:
    """Return what each machine of the cluster has in all."""
    return [node["Resources"] for node in _ray().nodes() if node["Alive"]]


def _ray() -> Any:
    """Return Ray, whose own types say too little to be held against them."""
    import ray

    return ray
