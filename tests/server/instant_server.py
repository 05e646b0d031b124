"""The real server and engine, whose work is done at once: in place of workers, each job gets a made-up result.

Run as a program: ``python -m tests.server.instant_server DATA``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from sensorium.engine.dispatcher import Dispatcher
from sensorium.engine.engine import LocalEngine
from sensorium.engine.live_job import LiveJob
from sensorium.server.options import ServerOptions
from sensorium.server.program import serve
from tests.server.made_up_results import MadeUp


def main() -> None:
    """Serve; say where on stdout."""
    Dispatcher._dispatch = end_all  # type: ignore[method-assign]
    options = ServerOptions(port=0, data=Path(sys.argv[1]), preload=False)
    serve(LocalEngine(options), options, lambda address: print(address, flush=True))


def end_all(dispatcher: Dispatcher) -> None:
    """End all jobs of the queue, even if it is paused: nobody shall wait for long."""
    dispatcher._awake = False
    for job in list(dispatcher.queue):
        if job.media is not None:
            _end(dispatcher, job)


def _end(dispatcher: Dispatcher, job: LiveJob) -> None:
    dispatcher.queue.remove(job, started=True)
    dispatcher._metrics.dequeued(job.job.model)
    job.change(state="running", position=None, started=time.time(), attempts=1)
    job.tell_state()
    made = MadeUp(job.operation)
    folder = Path(dispatcher._journal.call(job).folder)
    for artifact in made.artifacts:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / artifact.name).write_bytes(bytes(artifact.size))
        job.tell({"type": "artifact", **artifact.to_dict()})
    more: dict[str, Any] = {} if job.loads_only else {"result": made.document, "artifacts": made.artifacts}
    job.end(state="done", **more)
    dispatcher._journal.changed(job)


if __name__ == "__main__":
    main()
