"""What people ask of a server on the simulated day, with the seconds that were measured."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.scaling.items import LARGE, PICTURE, SENTENCE, SPEECH
from benchmarks.scaling.measured import Measured
from benchmarks.scaling.traffic import Work

MIX = (
    ("classify", LARGE, 1, "encoder", 28),
    ("embed", LARGE, 1, "encoder", 24),
    ("moderate", LARGE, 1, "encoder", 10),
    ("caption", LARGE, 1, "captioner", 14),
    ("ask", LARGE, 1, "captioner", 6),
    ("transcribe", SPEECH, 5, "recogniser", 8),
    ("speak", SENTENCE, 1, "voice", 6),
    ("imagine", PICTURE, 4, "painter", 4),
)
"""Operation, item, items in a request, the model that does it, and how many of 100 requests: made up, to be changed."""

PROCESS_SECONDS = 5.0
"""From the decision until a replica's process has begun and imported what it needs; then comes the model's start."""


def works(measured: Measured) -> list[Work]:
    """Return the kinds of requests; a replica is one core with one thread."""
    return [
        Work(operation, model, count * measured.costs[operation, item].core_seconds, share)
        for operation, item, count, model, share in MIX
    ]


def start_seconds(measured: Measured) -> Mapping[str, float]:
    """Return how long a replica of each model takes until it can work."""
    found: dict[str, float] = {}
    for operation, item, _, model, _ in MIX:
        own = PROCESS_SECONDS + measured.costs[operation, item].start_core_seconds
        found[model] = max(found.get(model, 0.0), own)
    return found
