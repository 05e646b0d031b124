"""Outcomes as they come, so that whatever ends a batch loses at most the items at work."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

from sensorium.batch.item import ItemOutcome
from sensorium.storage.location import Location, StoredFile

_FULL_BYTES = 4 << 20
_SECONDS_BETWEEN = 1.0
_SUFFIX = ".jsonl"


class Journal:
    """Appends outcomes to a file of JSON lines in a folder; a file that is full is followed by the next one.

    In a folder of this machine each outcome is there as soon as `add` returns. An object store has no files that grow:
    there the last file is written anew, at most once a second.

    Args:
        folder: Where the files go. Files of earlier journals stay as they are.
    """

    def __init__(self, folder: Location) -> None:
        self._folder = folder
        self._run = f"{time.time_ns():020}-{secrets.token_hex(4)}"
        self._number = 0
        self._lines = bytearray()
        self._file: BinaryIO | None = None
        self._saved = 0
        self._saved_at = 0.0

    def add(self, outcome: ItemOutcome) -> None:
        """Note an outcome."""
        line = _line(outcome)
        if self._folder.local is not None:
            self._append(line)
            return
        self._lines += line
        if time.monotonic() - self._saved_at >= _SECONDS_BETWEEN or len(self._lines) >= _FULL_BYTES:
            self.flush()

    def flush(self) -> None:
        """See that all outcomes so far are kept."""
        if self._folder.local is None and len(self._lines) > self._saved:
            self._place().write(bytes(self._lines))
            self._saved, self._saved_at = len(self._lines), time.monotonic()
            if self._saved >= _FULL_BYTES:
                self._number += 1
                self._saved = 0
                self._lines.clear()

    def close(self) -> None:
        """Keep what isn't kept yet."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, line: bytes) -> None:
        if self._file is None:
            path = self._place().local
            assert path is not None
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("xb", buffering=0)
        left = memoryview(line)
        while left:  # of a disk that is nearly full the system takes a part, and refuses the rest
            left = left[self._file.write(left) :]
        if self._file.tell() >= _FULL_BYTES:
            self._file.close()
            self._file = None
            self._number += 1

    def _place(self) -> Location:
        return self._folder.join(f"{self._run}-{self._number:06}{_SUFFIX}")


def journal_files(folder: Location) -> list[StoredFile]:
    """Return the files of all journals of a folder, oldest first."""
    return [each for each in folder.files() if each.location.name.endswith(_SUFFIX)]


def read_journal(file: Location) -> Iterator[ItemOutcome]:
    """Yield the outcomes of a file; a line that a kill cut off is passed over: its item was at work."""
    for line in file.read().splitlines():
        try:
            document = json.loads(line)
        except ValueError:
            continue
        yield ItemOutcome.from_dict(document)


def _line(outcome: ItemOutcome) -> bytes:
    document = {name: _writable(value) for name, value in outcome.to_dict().items()}
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def _writable(value: Any) -> Any:
    """Return text that every table takes: names of files may hold bytes that are no characters."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
