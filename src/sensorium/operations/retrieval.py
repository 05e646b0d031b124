"""What can be asked of search indexes: to hold pictures, films, recordings and texts, to forget them, to find them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self, cast

from pydantic import ConfigDict, Field, field_validator, model_validator

from sensorium.errors import InputError
from sensorium.media.source import display_name
from sensorium.models import catalog
from sensorium.models.catalog import Checkpoint
from sensorium.operations.media import Media, PathText
from sensorium.operations.operation import ModelOperation, Operation
from sensorium.operations.reporter import Reporter
from sensorium.operations.tasks import Tasks
from sensorium.record import Record
from sensorium.retrieval.checks import IndexedSource, check_query, require_every
from sensorium.retrieval.index import SearchIndex
from sensorium.retrieval.results import Match, SkippedFile
from sensorium.vision_language.clip import CLIP
from sensorium.vision_language.text_reader import TextReader

DEFAULT_INDEX = "default"
"""Where indexes have names, that of the one that is meant when none is named."""

_KEPT_OPEN = 8
_NOWHERE = ("-", "data:", "http://", "https://")


@dataclass(frozen=True, eq=False, repr=False)
class SkippedMedium(Record):
    """A file that an index doesn't hold, and why.

    Attributes:
        media: The reference to it; on the command line its path.
        name: What its owner calls it.
        reason: One sentence.
    """

    media: str
    name: str
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class IndexChanges(Record):
    """What became of an index.

    Attributes:
        added: How many files are new in it.
        updated: How many have changed since last time, and were read again.
        unchanged: How many are as they were.
        removed: How many are gone, and were dropped.
        skipped: Those that can't be read, each with the reason.
        reused: How many of the added, updated and moved ones were known already by their content.
        model: Name of the checkpoint that encodes.
        files: How many files can be found now.
        moved: How many are at another place than before.
        warnings: What is missing or damaged in the films that it was called for, whenever they were read.
        passed_over: Recordings and texts that the checkpoint makes no vectors of, each with a sentence.
    """

    added: int
    updated: int
    unchanged: int
    removed: int
    skipped: tuple[SkippedMedium, ...]
    reused: int
    model: str
    files: int
    moved: int = 0
    warnings: tuple[str, ...] = ()
    passed_over: tuple[SkippedMedium, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Removal(Record):
    """What was taken out of an index.

    Attributes:
        removed: How many files.
        files: How many can be found now.
    """

    removed: int
    files: int


@dataclass(frozen=True, eq=False, repr=False)
class FoundMedium(Record):
    """A picture, a moment of a film, a recording or a text that was found.

    Attributes:
        media: The reference to the file; on the command line its path.
        name: What its owner calls it.
        kind: ``"image"``, ``"moment"`` (of a film), ``"sound"`` or ``"text"``.
        time: Where in the film or recording, in seconds; None for a picture and a text.
        score: Cosine of the angle between query and match, from -1 to 1; higher is nearer. 1 for a match by writing.
        writing: The line of its writing in which the words of the query stand; None for a match by what it shows.
    """

    media: str
    name: str
    kind: str
    time: float | None
    score: float
    writing: str | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Findings(Record):
    """What was found.

    Attributes:
        matches: Best first.
        model: Name of the checkpoint that compared.
        warnings: One sentence if files that are near are not where they were indexed; they are left out.
    """

    matches: tuple[FoundMedium, ...]
    model: str
    warnings: tuple[str, ...] = ()


class _WithIndex(ModelOperation):
    task: ClassVar[str] = CLIP.task

    model: Annotated[str | None, Field(min_length=1)] = None
    """The checkpoint that encodes; by default the one that the index was made with, for a new one the profile's."""
    index: Annotated[str | None, Field(min_length=1)] = None
    """Name of the index, on the command line its folder or address; by default the caller's own."""

    @property
    def vector_length(self) -> int | None:
        """How many numbers the vectors of a new index have; None for all."""
        return None

    def opened(self, tasks: Tasks, report: Reporter) -> SearchIndex:
        """Return the index; its checkpoint is loaded when there is something to encode."""
        place = tasks.index(self.index)
        opening = self.opening(tasks)
        shelf = tasks.open(_OpenIndexes, _OpenIndexes, report, load=False)
        return shelf.get(
            (place, self.opening_key, self.vector_length),
            lambda: SearchIndex(
                place,
                model=self.model,
                profile=opening["profile"],
                device=opening["device"],
                dtype=opening["dtype"],
                quantize=opening["quantize"],
                limits=opening["limits"],
                name=_shown(self.index, tasks),
                dimensions=self.vector_length,
            ),
        )

    def load(self, tasks: Tasks, report: Reporter) -> None:
        """Load the checkpoint."""
        self.opened(tasks, report).load(progress=report, cancel=report)


class _OfFiles(Operation):
    """What is done to an index with files."""

    files: Annotated[tuple[Media, ...], Field(min_length=1)]
    """The pictures, films, recordings and texts; on the command line also folders, with all that is below them, and
    patterns."""
    origins: tuple[Annotated[str, Field(max_length=1000)], ...] = ()
    """For each file, what tells it from all others at its sender's, such as its path or a sum of that; "" for nothing.
    On a server it stands for the file that was sent before with the same origin, whatever it holds now."""
    index: Annotated[str | None, Field(min_length=1)] = None
    """Name of the index, on the command line its folder or address; by default the caller's own."""

    @field_validator("files")
    @classmethod
    def _check_files(cls, files: tuple[Media, ...]) -> tuple[Media, ...]:
        return _lasting(files)

    @model_validator(mode="after")
    def _check_origins(self) -> Self:
        if self.origins and len(self.origins) != len(self.files):
            raise InputError(
                f"There are {len(self.files)} files, but {len(self.origins)} origins", "Give one for each file, or none"
            )
        return self

    def index_of_media(self) -> str:
        """Return the name of the index."""
        return self.index or DEFAULT_INDEX

    def origins_of_media(self) -> dict[Media, str]:
        """Return the origins of those files that have one."""
        return {file: origin for file, origin in zip(self.files, self.origins, strict=False) if origin}


class Index(_OfFiles, _WithIndex):
    """Make pictures, films and, with a checkpoint that takes them, recordings and texts searchable.

    It may be run again at any time: new and changed files are read, those that are gone are dropped, broken ones are
    listed and skipped.
    """

    result: ClassVar[str] = "sensorium.operations.retrieval:IndexChanges"

    every: float = 2.0
    """How many seconds apart the moments of a film are."""
    read: bool | None = None
    """Read what is written in pictures and moments, so that searches find it: a second or two for each. By default as
    before: if the index knows what is written in some of its files."""
    dimensions: Annotated[int | None, Field(ge=1)] = None
    """How many numbers the vectors of a new index have; by default all. Only checkpoints that are made for it, such as
    EmbeddingGemma 2, have shorter ones."""

    @property
    def vector_length(self) -> int | None:
        """How many numbers the vectors of a new index have; None for all."""
        return self.dimensions

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return the encoder, and what reads if that is asked for."""
        reader = (catalog.resolve(None, task=TextReader.task, profile=self.profile),) if self.read else ()
        return (*super().checkpoints(), *reader)

    @field_validator("every")
    @classmethod
    def _check_every(cls, every: float) -> float:
        require_every(every)
        return every

    def run(self, tasks: Tasks, report: Reporter) -> IndexChanges:
        """Return what has changed."""
        sources = _sources(self.files, tasks)
        index = self.opened(tasks, report)
        # Files of this machine are judged by their folders; of uploads only their keeper knows which are gone.
        own_files = tasks.limits.allow_files
        is_gone = None if own_files else lambda path: tasks.origin(path) is None
        done = index.add(
            sources,
            every=self.every,
            reads=self.read,
            is_gone=is_gone,
            crew=tasks.crew,
            progress=report,
            cancel=report,
        )
        return IndexChanges(
            added=done.added,
            updated=done.updated,
            # What is sent again has another place here, but none that its sender knows of.
            unchanged=done.unchanged if own_files else done.unchanged + done.moved,
            removed=done.removed,
            skipped=tuple(medium for file in done.skipped for medium in _skipped(file, tasks)),
            reused=done.reused,
            model=done.model,
            files=len(index),
            moved=done.moved if own_files else 0,
            warnings=done.warnings,
            passed_over=tuple(medium for file in done.passed_over for medium in _skipped(file, tasks)),
        )


class RemoveFromIndex(_OfFiles):
    """Take files out of a search index; the files themselves stay."""

    result: ClassVar[str] = "sensorium.operations.retrieval:Removal"
    takes_out_of_index: ClassVar[bool] = True

    def run(self, tasks: Tasks, report: Reporter) -> Removal:
        """Return how many were removed."""
        index = SearchIndex(tasks.index(self.index), name=_shown(self.index, tasks))
        removed = index.remove(_sources(self.files, tasks))
        return Removal(removed, files=len(index))


class Search(_WithIndex):
    """Find pictures, moments of films and, where the index holds them, recordings and texts, best first: by words, by a
    picture, by a recording, or by several of them together."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "a cat on a sofa"}]})

    result: ClassVar[str] = "sensorium.operations.retrieval:Findings"

    text: str | None = None
    """What to look for, in words."""
    image: Media | None = None
    """A picture that what is found should resemble."""
    sound: Media | None = None
    """A recording that what is found should go with; the index must be made with a checkpoint that takes sound."""
    limit: int = 10
    """How many to return, at most."""
    under: PathText | None = None
    """Only what lies below this folder; only on the command line."""
    all_moments: bool = False
    """Every moment of a film or recording that matches, not only its best one."""

    @model_validator(mode="after")
    def _check_query(self) -> Search:
        check_query(self.text, self.image, self.sound, self.limit)
        return self

    def run(self, tasks: Tasks, report: Reporter) -> Findings:
        """Return what was found."""
        if self.under is not None and not tasks.limits.allow_files:
            raise InputError(f"The folder {self.under!r} can't be named here", "Leave out 'under'")
        image = None if self.image is None else tasks.media(self.image)
        sound = None if self.sound is None else tasks.media(self.sound)
        found = self.opened(tasks, report).search(
            self.text,
            image,
            self.limit,
            sound=sound,
            under=self.under,
            all_moments=self.all_moments,
            may_be_found=lambda path: tasks.origin(path) is not None,
            progress=report,
            cancel=report,
        )
        matches = tuple(medium for match in found for medium in _found(match, tasks))
        return Findings(matches, found.model, found.warnings if tasks.limits.allow_files else ())


class _OpenIndexes:
    """The indexes that were used last: the next search in one of them needn't read it again."""

    def __init__(self) -> None:
        self._open: OrderedDict[Hashable, SearchIndex] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], SearchIndex]) -> SearchIndex:
        """Return an index, made if it isn't among them."""
        with self._guard:
            if key not in self._open:
                self._open[key] = make()
            self._open.move_to_end(key)
            if len(self._open) > _KEPT_OPEN:
                self._open.popitem(last=False)[1].close()
            return self._open[key]

    def close(self) -> None:
        """Close all."""
        with self._guard:
            for index in self._open.values():
                index.close()
            self._open.clear()


def _lasting(files: tuple[Media, ...]) -> tuple[Media, ...]:
    """Refuse what can't be found again once it was read."""
    for file in files:
        if file.lower().startswith(_NOWHERE[1:]) or file == _NOWHERE[0]:
            raise InputError(
                f"An index can't hold {display_name(file)}: a search could not lead back to it",
                "Save it to a file, or upload it, and name that",
            )
    return files


def _sources(files: tuple[Media, ...], tasks: Tasks) -> list[IndexedSource]:
    # Whatever else stands for a medium has no path; the index refuses it.
    return [cast(IndexedSource, tasks.media(file)) for file in files]


def _shown(index: str | None, tasks: Tasks) -> str | None:
    """Return how messages call an index: where files have names of their own, not by its folder."""
    return None if tasks.limits.allow_files else repr(index or DEFAULT_INDEX)


def _skipped(file: SkippedFile, tasks: Tasks) -> list[SkippedMedium]:
    origin = tasks.origin(file.path)
    return [] if origin is None else [SkippedMedium(str(origin.reference), origin.name, file.reason)]


def _found(match: Match, tasks: Tasks) -> list[FoundMedium]:
    origin = tasks.origin(match.path)
    if origin is None:
        return []
    return [FoundMedium(str(origin.reference), origin.name, match.kind, match.time, match.score, match.writing)]
