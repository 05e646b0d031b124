"""Errors of outcomes, as errors again."""

from __future__ import annotations

from sensorium.batch.item import ItemOutcome
from sensorium.errors import SensoriumError


def error_of(outcome: ItemOutcome) -> SensoriumError:
    """Return why there is no result."""
    return SensoriumError.from_dict({"type": outcome.error_type, "message": outcome.error, "remedy": ""})
