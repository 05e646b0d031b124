"""The sound of a job that tells it piece by piece, joined whatever happens to the job."""

from __future__ import annotations

import base64

from sensorium.engine.job import JobEvent


class GrowingSound:
    """Takes a job's events, and gives each piece of its sound once.

    A job that began again makes pieces once more that were given already: the same ones, if its seed is fixed.
    """

    def __init__(self) -> None:
        self._sent = self._made = 0

    def new(self, event: JobEvent) -> bytes:
        """Return the bytes that an event brings."""
        if event.document["type"] == "restarted":
            self._made = 0
        if event.document["type"] != "sound":
            return b""
        data = base64.b64decode(event.document["data"])
        known = max(0, self._sent - self._made)
        self._made += len(data)
        self._sent = max(self._sent, self._made)
        return data[known:]
