"""A batch: many requests that are answered in the background, and what has become of them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from sensorium.media.atomic_file import atomic_file
from sensorium.record import Record

Status: TypeAlias = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]
OVER: frozenset[Status] = frozenset({"failed", "completed", "expired", "cancelled"})

_RECORD = "batch.json"
_JOURNALS = ("output.jsonl", "errors.jsonl")


@dataclass(frozen=True, eq=False, repr=False)
class Batch(Record):
    """A batch at one moment.

    Attributes:
        id: Its name, unguessable.
        owner: Whose it is.
        endpoint: What its requests are for.
        input_file: The upload that holds them.
        address: How its sender calls the server, for addresses in answers.
        window: How long it may take, as it was asked for.
        expires: When it is given up, in seconds since 1970.
        metadata: What its sender noted.
        output_life: For how many seconds its files live; None until they are deleted.
        status: How far it is.
        moments: When it became what, in seconds since 1970: ``created``, ``in_progress``, ``completed`` …
        errors: What is wrong with its lines, if it failed.
        total: How many requests it has.
        completed: How many were answered.
        failed: How many were answered with an error, or not in time.
        output_file: The upload with the answers, or "".
        error_file: The upload with the requests that failed, or "".
    """

    id: str
    owner: str
    endpoint: str
    input_file: str
    address: str
    window: str
    expires: float
    metadata: Mapping[str, str] | None = None
    output_life: int | None = None
    status: Status = "validating"
    moments: Mapping[str, float] = field(default_factory=dict)
    errors: tuple[Mapping[str, Any], ...] = ()
    total: int = 0
    completed: int = 0
    failed: int = 0
    output_file: str = ""
    error_file: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in OVER

    def become(self, status: Status, moment: float, **changes: Any) -> Batch:
        """Return it with another status."""
        return replace(self, status=status, moments={**self.moments, status: moment}, **changes)


class Batches(Protocol):
    """The batches of a server, wherever they are worked on."""

    async def create(self, batch: Batch) -> Batch:
        """Take a new batch.

        Raises:
            NotFoundError: There is no file of its requests.
            BusyError: Its owner has too many that aren't over.
        """

    async def batch(self, name: str, owner: str | None) -> Batch:
        """Return a batch as it is now.

        Raises:
            NotFoundError: There is none.
        """

    async def batches(self, owner: str | None, *, after: str | None, limit: int) -> list[Batch]:
        """Return batches, the newest first.

        Args:
            owner: Whose.
            after: Only those that follow the one with this id.
            limit: How many at most.

        Raises:
            NotFoundError: There is none with the id ``after``.
        """

    async def cancel(self, name: str, owner: str | None) -> Batch:
        """Give a batch up; what is answered already stays.

        Raises:
            NotFoundError: There is none.
            InputError: It is over.
        """


class BatchFolder:
    """Where a batch is kept: what it is, its requests, and the answers so far, each written as soon as it is there.

    Args:
        folder: Of this batch alone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.requests = folder / "requests.jsonl"
        self._answered: set[str] = set()
        self._counts = [0, 0]

    @property
    def counts(self) -> tuple[int, int]:
        """How many requests were answered, and how many failed."""
        return self._counts[0], self._counts[1]

    def is_answered(self, custom_id: str) -> bool:
        """Return whether a request has been answered, well or with an error."""
        return custom_id in self._answered

    def save(self, batch: Batch) -> None:
        """Write down what the batch is now."""
        self._folder.mkdir(exist_ok=True, mode=0o700)
        with atomic_file(self._folder / _RECORD) as temporary:
            temporary.write_text(json.dumps(batch.to_dict()), encoding="utf-8")

    def load(self) -> Batch:
        """Return what was written down, and read which requests are answered.

        Raises:
            OSError, ValueError: It can't be read.
        """
        batch = Batch.from_dict(json.loads((self._folder / _RECORD).read_text(encoding="utf-8")))
        for number in range(len(_JOURNALS)):
            for line in self._lines(number):
                self._note(number, json.loads(line)["custom_id"])
        return batch

    def add(self, line: Mapping[str, Any], *, failed: bool) -> None:
        """Write down an answer."""
        with self.journal(failed).open("ab") as file:
            file.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
        self._note(int(failed), line["custom_id"])

    def journal(self, failed: bool) -> Path:
        """Return the file of the answers so far, or that of the requests that failed."""
        return self._folder / _JOURNALS[int(failed)]

    def forget_lines(self) -> None:
        """Delete the requests and answers: they are in files of their own now."""
        for path in (self.requests, *(self._folder / name for name in _JOURNALS)):
            path.unlink(missing_ok=True)

    def delete(self) -> None:
        """Delete all."""
        self.forget_lines()
        (self._folder / _RECORD).unlink(missing_ok=True)
        self._folder.rmdir()

    def _note(self, number: int, custom_id: str) -> None:
        self._answered.add(custom_id)
        self._counts[number] += 1

    def _lines(self, number: int) -> list[bytes]:
        """Return the lines of a journal; one that the end of the server cut off is taken away."""
        path = self._folder / _JOURNALS[number]
        if not path.exists():
            return []
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            path.write_bytes(whole)
        return whole.splitlines()


def new_id() -> str:
    """Return the name of a new batch."""
    return f"batch_{secrets.token_hex(12)}"
