"""Turning files into rows of the index: reading, sampling and encoding overlap, and what is finished is kept."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import time
import unicodedata
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from sensorium.errors import CancelledError, InputError, MissingDependencyError, SensoriumError, UnsupportedError
from sensorium.media.collect import claimed_kind
from sensorium.media.content import HEAD_BYTES, Kind
from sensorium.media.input_warnings import InputWarnings
from sensorium.media.regular_file import open_regular_file, why_unreadable
from sensorium.media.source import ResolvedMedia, display_name, resolve, sniff_kind
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.retrieval.counts import IngestCounts
from sensorium.retrieval.destination import Destination
from sensorium.retrieval.looking_ahead import ahead
from sensorium.retrieval.mounts import mount_of
from sensorium.retrieval.parts import ROW_KINDS, parts_of, takes
from sensorium.retrieval.readers import circumstances
from sensorium.retrieval.results import SkippedFile
from sensorium.retrieval.rows import NAME, PICTURES, FileRows, FileState
from sensorium.retrieval.scan import FoundFile, settled_time
from sensorium.retrieval.stored_files import fetched, number_of_version
from sensorium.retrieval.written import SIDE_TO_READ
from sensorium.stored_path import path_or_address
from sensorium.vision_language.shortening import shortened

if TYPE_CHECKING:
    import numpy as np

    from sensorium.vision_language.clip import CLIP
    from sensorium.vision_language.embeddable import Embeddable
    from sensorium.vision_language.text_reader import TextReader

_ROWS_PER_WRITE = 2048
_SECONDS_PER_WRITE = 20.0
_READ_AHEAD = 32
_CHUNK = 1 << 20
_DIGEST_LENGTH = 32

_KINDS: tuple[Kind, ...] = ("image", "video", "audio", "text")
_IDENTITY = ("st_dev", "st_ino", "st_size", "st_mtime_ns")


@dataclass
class _Reading:
    """A file on its way into the index."""

    file: FoundFile
    found: os.stat_result | None
    tried: str
    state: FileState
    times: list[float | None] = field(default_factory=list)
    vectors: list[np.ndarray] = field(default_factory=list)
    writings: list[str] = field(default_factory=list)
    reason: str = ""
    lasting: bool = True
    warnings: InputWarnings = field(default_factory=InputWarnings)

    def fail(self, error: SensoriumError) -> None:
        """Note why it can't be read."""
        self.reason = error.message
        self.lasting = isinstance(error, (InputError, UnsupportedError, MissingDependencyError))

    @property
    def settled(self) -> bool:
        """Whether another look at the file, as it is now, would find the same."""
        if self.found is None:
            return self.lasting  # what was encoded is the very copy that was digested
        try:
            now = os.stat(self.file.path)  # noqa: PTH116 - called for every file
        except OSError:
            return False
        return self.lasting and all(getattr(now, name) == getattr(self.found, name) for name in _IDENTITY)


@dataclass(frozen=True)
class _Part:
    """What is to be encoded of a file: a picture, a moment of a film, and the like."""

    reading: _Reading
    source: Embeddable
    time: float | None
    writing: str


@dataclass(frozen=True)
class _Known:
    """A file whose content the index has already, or will have in a moment."""

    reading: _Reading


@dataclass(frozen=True)
class _Unreadable:
    """A file that the operating system doesn't let us read: not noted in the index, so tried again next time."""

    file: FoundFile
    reason: str


@dataclass(frozen=True)
class _PassedOver:
    """A file that the encoder makes no vectors of."""

    file: FoundFile
    kind: Kind


_Item: TypeAlias = "_Part | _Known | _Unreadable | _PassedOver | _Reading"


class Ingest:
    """Read files, encode them and write them into a table.

    Args:
        clip: The encoder.
        table: Where rows go.
        reader: Reads what is written in pictures and moments; None not to read.
        every: Seconds between the moments of films.
        names: How messages call files, by path; others are called by their paths.
        progress: Told how many files are done.
        cancel: Stops; what was finished is in the table.
    """

    def __init__(
        self,
        clip: CLIP,
        table: Destination,
        *,
        reader: TextReader | None = None,
        every: float,
        names: Mapping[str, str],
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> None:
        self.counts = IngestCounts()
        self._clip = clip
        self._table = table
        self._reader = reader
        self._every = every
        self._names = names
        self._progress = progress
        self._cancel = cancel
        self._contents = table.contents()
        self._parts: dict[int, _Part] = {}
        self._begun: deque[_Reading] = deque()
        self._finished: list[_Reading] = []
        self._known: list[_Reading] = []
        self._mount_of = lru_cache(maxsize=4096)(mount_of)
        self._done = 0
        self._total = 0
        self._written_at = time.monotonic()

    def run(self, files: Iterable[FoundFile]) -> IngestCounts:
        """Read files and write their rows.

        Raises:
            CancelledError: ``cancel`` was set.
        """
        listed = list(files)
        self._total = len(listed)
        self._read(listed, reuse=True)
        # What these were to be copied from couldn't be read, or was itself replaced meanwhile (two files that swapped
        # their names, say), so they are read after all.
        waiting = [reading.file for reading in self._known]
        self._known.clear()
        self._read(waiting, reuse=False)
        return self.counts

    def _read(self, files: list[FoundFile], *, reuse: bool) -> None:
        try:
            with closing(ahead(self._look(files, reuse), _READ_AHEAD)) as items:
                encoded = self._clip.encode_images(self._sources(items), on_error=self._fail, cancel=self._cancel)
                for index, row in encoded:
                    part = self._arrive(index)
                    part.reading.times.append(part.time)
                    part.reading.writings.append(part.writing)
                    part.reading.vectors.append(shortened(row, self._table.encoder.dimension, self._clip))
                    self._write_if_due()
            while self._begun:
                self._finish()
            self._write()
        except BaseException:
            self._write()
            raise

    def _look(self, files: list[FoundFile], reuse: bool) -> Generator[_Item, None, None]:
        """Open files one after the other; runs in a thread of its own, ahead of the encoder."""
        for file in files:
            try:
                reading, kind, media = self._fetch(file) if file.stored else self._digest(file)
            except (OSError, ValueError) as error:
                yield _Unreadable(file, why_unreadable(error, self._name(file)).message)
                continue
            except InputError as error:
                yield _Unreadable(file, error.message)
                continue
            if not takes(kind, self._clip.kinds):
                yield _PassedOver(file, kind)
                continue
            content = reading.state.decides_rows
            if reuse and content in self._contents:
                yield _Known(reading)
                continue
            self._contents.add(content)
            yield reading
            try:
                yield from self._parts_of(reading, kind, media)
            except CancelledError:
                raise
            except SensoriumError as error:
                reading.fail(error)

    def _digest(self, file: FoundFile) -> tuple[_Reading, Kind, None]:
        """Look at a file of this machine."""
        with open_regular_file(file.path) as stream:
            found = os.fstat(stream.fileno())
            content, kind = self._content_of(file, stream)
        mount = self._mount_of(os.path.dirname(file.path))  # noqa: PTH120 - pathlib's takes ten times as long
        state = self._state(kind, found.st_size, settled_time(found), content, mount)
        return _Reading(file, found, circumstances(self._clip.limits, found.st_ctime_ns), state), kind, None

    def _fetch(self, file: FoundFile) -> tuple[_Reading, Kind, ResolvedMedia]:
        """Bring a file from an object store."""
        media, version = fetched(file.path, self._clip.limits)
        with media.open() as stream:
            content, kind = self._content_of(file, stream)
        state = self._state(kind, media.size, number_of_version(version), content, "")
        return _Reading(file, None, circumstances(self._clip.limits, version), state), kind, media

    def _content_of(self, file: FoundFile, stream: BinaryIO) -> tuple[str, Kind]:
        digest = hashlib.sha256()
        head = stream.read(_CHUNK)
        digest.update(head)
        while chunk := stream.read(_CHUNK):
            check_cancelled(self._cancel)
            digest.update(chunk)
        return digest.hexdigest()[:_DIGEST_LENGTH], sniff_kind(head[:HEAD_BYTES]) or _kind_by_name(file.path)

    def _state(self, kind: Kind, size: int, modified_ns: int, content: str, mount: str) -> FileState:
        every = self._every if kind == "video" else None
        rows = ROW_KINDS.get(kind, "image")
        reader = self._reader.model if self._reader is not None and rows in PICTURES else ""
        return FileState(size, modified_ns, content, every, "", mount, kind=rows, reader=reader)

    def _parts_of(self, reading: _Reading, kind: Kind, media: ResolvedMedia | None) -> Iterator[_Part]:
        parts = parts_of(
            media or self._media(reading.file),
            kind,
            self._clip.backend,
            every=self._every,
            limits=self._clip.limits,
            on_warning=reading.warnings,
            cancel=self._cancel,
            minimum_side=SIDE_TO_READ if reading.state.reader else 0,
        )
        yield from (_Part(reading, source, time, self._written(source, reading)) for source, time in parts)

    def _written(self, source: Embeddable, reading: _Reading) -> str:
        """Return what is written in a picture or a moment, if it is to be read."""
        from sensorium.vision_language.embeddable import Passage, SoundWindow

        if self._reader is None or not reading.state.reader or isinstance(source, (Passage, SoundWindow)):
            return ""
        # In the characters that queries are put into; a filter of the table compares them as they are.
        return unicodedata.normalize("NFKC", self._reader.read(source, cancel=self._cancel).text)

    def _media(self, file: FoundFile) -> ResolvedMedia:
        # Whoever adds to an index names files of this machine: limits that forbid it to others don't mean this.
        found = resolve(file.path, limits=replace(self._clip.limits, allow_files=True))
        return replace(found, name=self._name(file))

    def _name(self, file: FoundFile) -> str:
        return self._names.get(file.path) or display_name(file.path)

    def _sources(self, items: Iterable[_Item]) -> Iterator[Embeddable]:
        """Give the encoder the parts of files, and note on the way what needs no encoding."""
        count = 0
        for item in items:
            if isinstance(item, _Part):
                self._parts[count] = item
                count += 1
                yield item.source
            elif isinstance(item, _Reading):
                self._begun.append(item)
            elif isinstance(item, _Known):
                self._known.append(item.reading)
                self._write_if_due()
            elif isinstance(item, _PassedOver):
                self.counts.passed_over[item.file.path] = item.kind
                self._report()
            else:
                self.counts.skipped.append(SkippedFile(path_or_address(item.file.path), item.reason))
                self._report()

    def _fail(self, index: int, error: SensoriumError) -> None:
        # Failures are told as soon as a picture can't be read, before the rows of the batch that it would be in.
        self._parts.pop(index).reading.fail(error)

    def _arrive(self, index: int) -> _Part:
        """Take the part whose row came back: rows come in order, so all files before its own are complete."""
        part = self._parts.pop(index)
        while self._begun[0] is not part.reading:
            self._finish()
        return part

    def _finish(self) -> None:
        self._finished.append(self._begun.popleft())
        self._report()

    def _write_if_due(self) -> None:
        rows = len(self._known) + sum(max(1, len(reading.times)) for reading in self._finished)
        if rows >= _ROWS_PER_WRITE or time.monotonic() - self._written_at >= _SECONDS_PER_WRITE:
            self._write()

    def _write(self) -> None:
        for reading in self._finished:
            reading.state = replace(reading.state, warnings=self._warnings(reading))
        self._table.write([self._rows(reading) for reading in self._finished])
        for reading in self._finished:
            self._count(reading, reused=False)
        self._finished.clear()
        if self._known:
            self._copy()
        self._written_at = time.monotonic()

    def _copy(self) -> None:
        """Write the files whose content is in the table by now; the others wait."""
        sources = self._table.with_content({reading.state.content for reading in self._known})
        ready = [reading for reading in self._known if reading.state.decides_rows in sources]
        for reading in ready:
            reading.state = replace(reading.state, warnings=sources[reading.state.decides_rows].state.warnings)
        self._table.write(
            [
                replace(
                    sources[reading.state.decides_rows],
                    path=reading.file.path,
                    state=reading.state,
                    replaced=reading.file.known,
                )
                for reading in ready
            ]
        )
        self._known = [reading for reading in self._known if reading.state.decides_rows not in sources]
        for reading in ready:
            self._count(reading, reused=True)
            self._report()

    def _rows(self, reading: _Reading) -> FileRows:
        import numpy as np

        path, state, known = reading.file.path, reading.state, reading.file.known
        if not reading.settled:
            # What was encoded isn't certainly what was digested: no other file may take it over, and it is read again.
            state = replace(state, modified_ns=0, content="")
        if reading.reason:
            nothing = np.empty((0, self._table.encoder.dimension), np.float32)
            return FileRows(path, replace(state, reason=reading.reason, tried=reading.tried), (), nothing, known)
        writings = tuple(reading.writings) if state.reader else ()
        return FileRows(path, state, tuple(reading.times), np.stack(reading.vectors), known, writings)

    def _warnings(self, reading: _Reading) -> str:
        name = self._name(reading.file)
        return "\n".join(sentence.replace(name, NAME) for sentence in reading.warnings.told())

    def _count(self, reading: _Reading, *, reused: bool) -> None:
        known = reading.file.known
        if known is None:
            arrived = self.counts.broken if reading.reason else self.counts.arrived
            arrived[reading.file.path] = reading.state.content
        if reading.state.warnings and not reading.reason:
            self.counts.damaged[reading.file.path] = reading.state
        if reading.reason:
            self.counts.skipped.append(SkippedFile(path_or_address(reading.file.path), reading.reason))
        elif reused and known is not None and known.decides_rows == reading.state.decides_rows:
            self.counts.unchanged += 1
        else:
            self.counts.reused += reused
            self.counts.added += known is None
            self.counts.updated += known is not None

    def _report(self) -> None:
        self._done += 1
        report(self._progress, "indexing", self._done, self._total, "files")


def _kind_by_name(path: str) -> Kind:
    """Return the kind of a file whose content has no signature, by the suffix of its name; "" for an unknown one."""
    named = (mimetypes.guess_type(path)[0] or "").partition("/")[0]
    return claimed_kind(Path(path)) or next((kind for kind in _KINDS if kind == named), "")
