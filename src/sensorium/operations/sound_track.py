"""Which sound track of a film is heard, as a field of the operations that listen."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BeforeValidator

from sensorium.media.track_choice import require_track

Track: TypeAlias = Annotated[int | str | None, BeforeValidator(require_track)]
