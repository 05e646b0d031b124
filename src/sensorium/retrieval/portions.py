"""An index built by several processes: each encodes portions of the files, one puts their rows into the table."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from sensorium.errors import InputError
from sensorium.media.source import display_name
from sensorium.models import catalog
from sensorium.progress import Cancellation, ProgressCallback, report
from sensorium.retrieval.counts import IngestCounts
from sensorium.retrieval.fragments import Fragments, KnownContents
from sensorium.retrieval.ingest import Ingest
from sensorium.retrieval.probe import SENSES, check_probe, senses_of
from sensorium.retrieval.results import SkippedFile
from sensorium.retrieval.rows import FileRows
from sensorium.retrieval.scan import FoundFile
from sensorium.retrieval.table import MediaTable, open_table
from sensorium.retrieval.written import opened_reader
from sensorium.stored_path import path_or_address
from sensorium.task import TaskOptions
from sensorium.vision_language.clip import CLIP

if TYPE_CHECKING:
    import numpy as np

_MOST_FILES = 1024
_MOST_BYTES = 512 << 20
"""What a portion holds at most: what is lost when its process is killed, so seconds or a minute of work."""
_LEAST_FILES = 8
_PORTIONS_PER_PROCESS = 8
"""How many portions each process gets at least, so that all of them end at about the same time."""
_FRAGMENTS_PER_COMMIT = 128
_SECONDS_PER_COMMIT = 60.0


@dataclass(frozen=True)
class Portion:
    """Files that a process encodes at once."""

    files: tuple[FoundFile, ...]

    def halves(self) -> tuple[Portion, Portion]:
        """Return two portions of about half the files each."""
        middle = len(self.files) // 2
        return Portion(self.files[:middle]), Portion(self.files[middle:])


@dataclass(frozen=True, eq=False)
class Plan:
    """What a process must know to encode portions for an index.

    Attributes:
        location: Where the index lies.
        name: How messages call it.
        options: With which its checkpoint is opened.
        every: Seconds between the moments of films.
        reads: Whether what is written in pictures is read.
        names: How messages call files, by path; others are called by their paths.
        digests: The contents that are in the index already, from `MediaTable.digests`.
    """

    location: str
    name: str
    options: TaskOptions
    every: float
    reads: bool
    names: Mapping[str, str]
    digests: np.ndarray


@dataclass(frozen=True, eq=False)
class Encoded:
    """What became of a portion. Nothing of it is in the table yet.

    Attributes:
        portion: The files.
        fragments: The rows of new files, for `MediaTable.append`.
        replacing: The rows of files that the index knew before, for `MediaTable.write`.
        counts: Of its files.
    """

    portion: Portion
    fragments: tuple[str, ...]
    replacing: tuple[FileRows, ...]
    counts: IngestCounts

    @classmethod
    def lost(cls, portion: Portion, names: Mapping[str, str]) -> Self:
        """Return what is told of files that no process came back from: they aren't noted, so tried again next time."""
        ended = "The process that read {} was ended by the system, each time it was tried"
        skipped = [
            SkippedFile(path_or_address(file.path), ended.format(names.get(file.path) or display_name(file.path)))
            for file in portion.files
        ]
        return cls(portion, (), (), IngestCounts(skipped=skipped))


class Crew(ABC):
    """Several processes that encode, on this machine or on others."""

    @abstractmethod
    def encode(
        self, plan: Plan, files: Sequence[FoundFile], progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> Generator[Encoded, None, None]:
        """Encode files in `portions_of` them, each by one process with a `PortionEncoder`; yield them as they are done.

        A portion whose process dies is given to another one, and in the end, in halves, told as `Encoded.lost`.

        Args:
            plan: What the processes are told.
            files: New and changed ones.
            progress: Told what is waited for.
            cancel: Stops.

        Raises:
            SensoriumError: No process can do it.
            CancelledError: ``cancel`` was set.
        """


class PortionEncoder:
    """Encodes portions in one process. The checkpoint is loaded once.

    Args:
        plan: What is to be done.

    Raises:
        InputError: The index can't be seen from here, or was made with other weights than the checkpoint has here.
    """

    def __init__(self, plan: Plan) -> None:
        table = open_table(plan.location, plan.name)
        if table is None:
            raise InputError(
                f"The index {plan.name} can't be seen from another machine of the cluster",
                "Let it lie in an object store, or in a folder that all machines share",
            )
        chosen = catalog.resolve(table.encoder.model, task=CLIP.task)
        self._clip = CLIP(chosen.folder or chosen.name, **plan.options).load()
        known = senses_of(table.encoder.kinds)
        check_probe(table.encoder, self._clip, [sense for sense in SENSES if sense in known], plan.name)
        self._reader = opened_reader(plan.options) if plan.reads else None
        self._plan = plan
        self._table = table

    def encode(self, portion: Portion) -> Encoded:
        """Encode the files of a portion, and write their rows beside the table."""
        plan, known = self._plan, KnownContents(self._plan.digests)
        fragments = Fragments(self._table, known)
        ingest = Ingest(
            self._clip,
            fragments,
            reader=self._reader,
            every=plan.every,
            names=plan.names,
            progress=None,
            cancel=None,
        )
        counts = ingest.run(portion.files)
        # Only files of contents that were in the index before can have been moved here from another place of it.
        counts.arrived = {path: digest for path, digest in counts.arrived.items() if known.in_table(digest)}
        return Encoded(portion, tuple(fragments.written), tuple(fragments.replacing), counts)


def build(
    table: MediaTable,
    plan: Plan,
    files: Sequence[FoundFile],
    crew: Crew,
    progress: ProgressCallback | None,
    cancel: Cancellation | None,
) -> IngestCounts:
    """Let several processes encode files, and put what they make into the table, in few commits.

    What was put in is kept if the call is cancelled or crashes, and isn't encoded again by the next one.

    Args:
        table: Where the rows go.
        plan: What the processes are told.
        files: New and changed ones.
        crew: The processes.
        progress: Told how many files are done.
        cancel: Stops.

    Raises:
        InputError: Rows can't be written.
        CancelledError: ``cancel`` was set.
    """
    counts, commits, done = IngestCounts(), _Commits(table), 0
    report(progress, "indexing", 0, len(files), "files")
    try:
        with closing(crew.encode(plan, files, progress, cancel)) as encoded:
            for each in encoded:
                commits.take(each)
                counts += each.counts
                done += len(each.portion.files)
                report(progress, "indexing", done, len(files), "files")
    finally:
        commits.write()
    return counts


def portions_of(files: Sequence[FoundFile], processes: int) -> Iterator[Portion]:
    """Yield files in portions, so that each of some processes gets several, and none of them is large."""
    most = min(_MOST_FILES, max(_LEAST_FILES, math.ceil(len(files) / (processes * _PORTIONS_PER_PROCESS))))
    held: list[FoundFile] = []
    size = 0
    for file in files:
        if held and (len(held) == most or size + file.size > _MOST_BYTES):
            yield Portion(tuple(held))
            held, size = [], 0
        held.append(file)
        size += file.size
    if held:
        yield Portion(tuple(held))


class _Commits:
    """Collects what is to be put into a table, for each commit writes the list of all its fragments anew."""

    def __init__(self, table: MediaTable) -> None:
        self._table = table
        self._fragments: list[str] = []
        self._replacing: list[FileRows] = []
        self._written_at = time.monotonic()

    def take(self, encoded: Encoded) -> None:
        """Take what became of a portion, and put it in if that is due."""
        self._fragments += encoded.fragments
        self._replacing += encoded.replacing
        late = time.monotonic() - self._written_at >= _SECONDS_PER_COMMIT
        if late or len(self._fragments) + len(self._replacing) >= _FRAGMENTS_PER_COMMIT:
            self.write()

    def write(self) -> None:
        """Put everything in."""
        self._table.append(self._fragments)
        self._fragments = []
        self._table.write(self._replacing)
        self._replacing = []
        self._written_at = time.monotonic()
