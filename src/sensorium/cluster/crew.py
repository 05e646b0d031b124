"""Encoding what goes into a search index in several processes at once: Ray actors, each with the checkpoint loaded."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sensorium import settings
from sensorium.errors import InputError, SensoriumError, UnreachableError, WorkerLostError
from sensorium.models.extras import missing_packages_explained
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.retrieval.portions import Crew, Encoded, Portion, portions_of

if TYPE_CHECKING:
    from sensorium.retrieval.portions import Plan, PortionEncoder
    from sensorium.retrieval.scan import FoundFile

_MOST_KILLS = 2
"""How many processes a portion may cost before it is given out in halves; a single file that costs as many is lost."""
_MOST_FAILED_STARTS = 3
_LOOK_SECONDS = 0.5
_OBJECT_STORE_BYTES = 200 << 20
_RESUME = "run it again: what is finished is kept"


class RayCrew(Crew):
    """Encodes with Ray actors.

    Args:
        actors: How many; None for as many as the cluster has processors.
        address: Of a running cluster, such as ``"ray://head:10001"`` or ``"head:6379"``; None for a small one that is
            started on this machine, and ended afterwards.

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
        with _connected(self._address, self._actors):
            actors = self._actors or _processors()
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
        self._made = ray.remote(**_share(actors, plan.options.get("device") or "auto"))(_Encoder)
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


def _share(actors: int, device: str) -> dict[str, float]:
    """Return what one actor asks the cluster for: so little that all of them fit in, for else they would wait."""
    resources = _ray().cluster_resources()
    share = {"num_cpus": min(1.0, resources.get("CPU", 1.0) / actors)}
    gpus = resources.get("GPU", 0.0)
    if gpus and device != "cpu":
        share["num_gpus"] = 1.0 if gpus >= actors else gpus / actors
    return share


def _processors() -> int:
    return max(1, int(_ray().cluster_resources().get("CPU", 1.0)))


def _ray() -> Any:
    """Return Ray, whose own types say too little to be held against them."""
    import ray

    return ray


@contextmanager
def _connected(address: str | None, actors: int | None) -> Iterator[None]:
    """Be connected to a cluster during the block; where this process is already, to that one."""
    with missing_packages_explained("Encoding in several processes"):
        ray = _ray()
    if ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        # Processors are counted, not bound: with one more than there are actors, none of them ever waits for one.
        here = {"num_cpus": actors + 1} if actors else {}
        ray.init(address="local", include_dashboard=False, object_store_memory=_OBJECT_STORE_BYTES, **here, **quiet)
    else:
        try:
            ray.init(address=address, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UnreachableError(
                f"No Ray cluster answers at {address}", "Check the address, and RAY_AUTH_TOKEN if it asks for a token"
            ) from error
    try:
        yield
    finally:
        ray.shutdown()
