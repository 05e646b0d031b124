"""Which of the user's own files the uploads in search indexes are: an agent on the same machine knows their paths."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sensorium.media.atomic_file import atomic_file
from sensorium.operations.media import UPLOAD


class KnownPaths:
    """Paths by the uploads that hold what was there; kept in a file.

    Args:
        file: The file; made with the first path.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._paths: dict[str, str] = {}
        with suppress(OSError, ValueError):
            self._paths = json.loads(file.read_text("utf-8"))

    def add(self, paths: Mapping[str, Path]) -> None:
        """Keep the paths of some uploads; earlier uploads of the same files are forgotten."""
        new = {UPLOAD + upload: str(path) for upload, path in paths.items()}
        again = set(new.values())
        self._paths = {upload: path for upload, path in self._paths.items() if path not in again} | new
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(self._file) as temporary:
            temporary.write_text(json.dumps(self._paths), "utf-8")

    def in_place_of_uploads(self, result: Any) -> Any:
        """Return a result with paths where it names uploads."""
        if isinstance(result, str):
            return self._paths.get(result, result)
        if isinstance(result, Mapping):
            return {name: self.in_place_of_uploads(each) for name, each in result.items()}
        return [self.in_place_of_uploads(each) for each in result] if isinstance(result, (list, tuple)) else result
