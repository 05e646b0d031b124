"""What a replica says of itself, as one line of JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sensorium.record import Record


@dataclass(frozen=True, eq=False, repr=False)
class ReplicaReport(Record):
    """A process that runs calls on a cluster, at one moment.

    Attributes:
        replica: What tells it apart.
        deployment: The name of the application that it belongs to.
        actor: The name of its actor in Serve's namespace.
        pid: Of its process.
        node: The machine that it is on, as Ray calls it.
        memory: Bytes of main memory that belong to it alone; 0 if not measured.
        gpu_memory: Bytes of GPU memory.
        answers: The number of the latest `Ping` that it has heard.
    """

    replica: str
    deployment: str
    actor: str
    pid: int
    node: str
    memory: int = 0
    gpu_memory: int = 0
    answers: int = 0

    def line(self) -> bytes:
        """Return it as one line."""
        return json.dumps(self.to_dict(), separators=(",", ":")).encode() + b"\n"


def report_of(line: bytes) -> ReplicaReport:
    """Return the report that a line holds.

    Raises:
        ValueError: It holds none.
        InputError: Likewise.
    """
    return ReplicaReport.from_dict(json.loads(line))
