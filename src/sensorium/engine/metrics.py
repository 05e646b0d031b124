"""What the engine counts and measures, as Prometheus reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium.models.extras import missing_packages_explained

if TYPE_CHECKING:
    from sensorium.engine.job import State

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters and measurements of one engine, apart from those of any other; safe from any thread.

    Models are named as in `ModelState`; "" stands for operations that need none.

    Raises:
        MissingDependencyError: prometheus-client isn't installed.
    """

    def __init__(self) -> None:
        with missing_packages_explained("The engine"):
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        self._registry = registry = CollectorRegistry()

        def gauge(name: str, says: str, *labels: str) -> Gauge:
            return Gauge(f"sensorium_{name}", says, labels, registry=registry)

        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(f"sensorium_{name}", says, labels, registry=registry)

        def histogram(name: str, says: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"sensorium_{name}", says, labels, registry=registry, buckets=buckets)

        self._queue = gauge("queue_length", "Jobs that wait.", "model")
        self._running = gauge("running", "Jobs that run.", "model", "operation")
        self._memory = gauge("memory_bytes", "Main memory of a loaded model's process.", "model")
        self._gpu_memory = gauge("gpu_memory_bytes", "GPU memory of a loaded model's process.", "model")
        self._replicas = gauge("replicas", "Processes of a model on a cluster.", "model")
        self._jobs = counter("jobs", "Jobs that ended.", "model", "operation", "state")
        self._failures = counter("failures", "Jobs that failed.", "model", "operation")
        self._cancels = counter("cancels", "Jobs that were cancelled.", "model")
        self._loads = counter("loads", "Models that were loaded.", "model")
        self._unloads = counter("unloads", "Models that were unloaded, and why.", "model", "reason")
        self._waited = histogram("waiting_seconds", "From submitting to start.", _SECONDS, "model", "operation")
        self._ran = histogram("running_seconds", "From start to end.", _SECONDS, "model", "operation")
        self._batches = histogram("batch_size", "Requests that went through a model together.", _SIZES, "model")
        self._loading = histogram("load_seconds", "From starting a worker until it first answers.", _SECONDS, "model")
        self._stopping = histogram("cancel_seconds", "From cancelling until the worker is free.", _SECONDS, "model")

    def queued(self, model: str) -> None:
        """Count a job that waits."""
        self._queue.labels(model).inc()

    def dequeued(self, model: str) -> None:
        """Count a job that waits no longer and was not started: it was cancelled or refused."""
        self._queue.labels(model).dec()

    def started(self, model: str, operation: str, waited: float) -> None:
        """Count a job that waits no longer, and runs.

        Args:
            model: On which it runs.
            operation: Name of the operation.
            waited: Seconds since it was submitted.
        """
        self._queue.labels(model).dec()
        self._running.labels(model, operation).inc()
        self._waited.labels(model, operation).observe(waited)

    def ended(self, model: str, operation: str, state: State, seconds: float) -> None:
        """Count a job that ran and has ended.

        Args:
            model: On which it ran.
            operation: Name of the operation.
            state: In which it ended; ``"queued"`` if it goes back to the queue.
            seconds: How long it ran.
        """
        self._running.labels(model, operation).dec()
        if state == "queued":
            return
        self._ran.labels(model, operation).observe(seconds)
        self._jobs.labels(model, operation, state).inc()
        if state == "failed":
            self._failures.labels(model, operation).inc()

    def batch(self, model: str, size: int) -> None:
        """Note how many requests go through a model together."""
        self._batches.labels(model).observe(size)

    def loaded(self, model: str, seconds: float) -> None:
        """Count a model that was loaded, and the seconds until it first answered."""
        self._loads.labels(model).inc()
        self._loading.labels(model).observe(seconds)

    def unloaded(self, model: str, reason: str) -> None:
        """Count a model whose process has ended.

        Args:
            model: Which.
            reason: Such as ``"time_to_live"``, ``"room"``, ``"asked"``, ``"lost"``, ``"closed"``.
        """
        self._unloads.labels(model, reason).inc()
        self.memory(model, 0, 0)

    def memory(self, model: str, main: int, gpu: int) -> None:
        """Note the bytes of main memory and of GPU memory that a model takes now."""
        self._memory.labels(model).set(main)
        self._gpu_memory.labels(model).set(gpu)

    def replicas(self, model: str, count: int) -> None:
        """Note how many processes a model has on a cluster."""
        self._replicas.labels(model).set(count)

    def cancelled(self, model: str, seconds: float) -> None:
        """Count a job that was cancelled, and the seconds until its worker was free."""
        self._cancels.labels(model).inc()
        self._stopping.labels(model).observe(seconds)

    def text(self) -> bytes:
        """Return everything in the text format of Prometheus (`MEDIA_TYPE`)."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)
