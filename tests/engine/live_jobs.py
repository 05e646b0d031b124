"""Jobs for tests of the engine's parts, which look at no operation."""

from __future__ import annotations

import itertools
import time
from typing import Any

from sensorium.engine.job import Job
from sensorium.engine.live_job import LiveJob
from sensorium.engine.options import STARTER
from sensorium.engine.placement import Placement, WorkerKey
from sensorium.operations.operation import Operation

_numbers = itertools.count(1)


def live_job(owner: str = "", **fields: Any) -> LiveJob:
    """Return a job that waits, behind all that were made before it."""
    number = next(_numbers)
    job = Job(f"job-{number}", owner, "transcribe", {}, "queued", created=time.time(), **fields)
    return LiveJob(job, Operation(), Placement(WorkerKey(STARTER, "auto", "auto"), (), {}), float(number))
