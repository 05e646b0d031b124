"""Search in pictures, films and, with checkpoints that take them, recordings and texts: by words, picture or sound."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sensorium.arguments import checked
from sensorium.errors import InputError
from sensorium.media.content import Kind
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.source import ResolvedMedia, display_name
from sensorium.models import catalog
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.retrieval.checks import check_query, names_by_path, require_every
from sensorium.retrieval.counts import IngestCounts
from sensorium.retrieval.encoders import check_encoder, described
from sensorium.retrieval.finding import nearest_files
from sensorium.retrieval.ingest import Ingest
from sensorium.retrieval.location import check_location, is_remote
from sensorium.retrieval.moves import Moves, find_moves
from sensorium.retrieval.parts import why_passed_over
from sensorium.retrieval.portions import Crew, Plan, build
from sensorium.retrieval.probe import SENSES, Sense, check_probe, senses_of
from sensorium.retrieval.query import Query
from sensorium.retrieval.results import IndexedFile, IndexReport, Match, Matches, SkippedFile
from sensorium.retrieval.rows import FileState
from sensorium.retrieval.scan import Changes, absolute, find_changes
from sensorium.retrieval.spelling import as_indexed, folder_as_indexed
from sensorium.retrieval.table import MediaTable, create_table, open_table
from sensorium.retrieval.written import opened_reader, words_of
from sensorium.stored_path import path_or_address
from sensorium.task import TaskOptions
from sensorium.vision_language.clip import CLIP

if TYPE_CHECKING:
    from sensorium.media.image import ImageSource
    from sensorium.vision_language.embeddable import SoundSource as AudioSource
    from sensorium.vision_language.text_reader import TextReader

__all__ = ["IndexReport", "IndexedFile", "Match", "Matches", "SearchIndex", "SkippedFile"]

_ALL_KINDS: frozenset[Kind] = frozenset({"image", "video", "audio", "text"})
_FILE_KINDS = {"image": "image", "moment": "video", "sound": "audio", "text": "text"}
"""What files are, by what their rows are."""


class SearchIndex:
    """An index of pictures and moments of films, kept in a folder or an object store.

    With a checkpoint that puts them into the same space, such as EmbeddingGemma 2, it holds recordings, the sound of
    films and texts too. Any number of readers may search while one writer adds. Nothing is copied: the index holds
    paths and vectors.

    Args:
        path: The folder of the index, or its address (``s3://``, ``gs://``, ``az://``); it need not exist before
            the first `add`.
        model: Catalog name, hub id or local folder of the checkpoint that encodes; None for the one that the index
            was made with, and for a new index the profile's default.
        profile: The profile whose default is used; None for ``SENSORIUM_PROFILE``, or ``"starter"``.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.
        quantize: As of every task; the checkpoints that encode pictures can't be quantized, and say so.
        limits: How large pictures and films may be; None for limits that suit a person's own files.
        name: How messages call the index; None for its path.
        dimensions: How many numbers the vectors of a new index have; None for all. Only checkpoints whose vectors mean
            something in part make shorter ones: less room, and a little less exact.

    Raises:
        InputError: No index can lie at ``path``.
        ModelUnavailableError: There is no such checkpoint.
    """

    @checked
    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        model: str | os.PathLike[str] | None = None,
        profile: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        quantize: str | None = None,
        limits: Limits | None = None,
        name: str | None = None,
        dimensions: int | None = None,
    ) -> None:
        self._location = check_location(path)
        self._name = name or display_name(os.fspath(path))
        self._asked = None if model is None else catalog.resolve(model, task=CLIP.task)
        self._options: TaskOptions = {
            **{"profile": profile, "device": device, "dtype": dtype},
            **{"quantize": quantize, "limits": limits},
        }
        self._dimensions = dimensions
        self._guard = threading.Lock()
        self._table: MediaTable | None = None
        self._clip: CLIP | None = None
        self._reader: TextReader | None = None
        self._checked: set[Sense] = set()

    @property
    def model(self) -> str:
        """The name of the checkpoint that encodes."""
        table = self._open()
        return table.encoder.name if table is not None else self._chosen().name

    def __len__(self) -> int:
        """Return how many files can be found."""
        table = self._open()
        return 0 if table is None else table.count()

    @checked
    def load(self, *, progress: ProgressCallback | None = None, cancel: Cancellation | None = None) -> Self:
        """Fetch and load the checkpoint that encodes now instead of when it is first needed; return self."""
        self._encoder((), progress, cancel)
        return self

    @checked
    def add(
        self,
        paths: str | os.PathLike[str] | ResolvedMedia | Iterable[str | os.PathLike[str] | ResolvedMedia],
        *,
        every: float = 2.0,
        reads: bool | None = None,
        is_gone: Callable[[Path], bool] | None = None,
        crew: Crew | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> IndexReport:
        """Bring the index up to date with files, folders (with all below them) and patterns.

        New and changed files are read, files that are gone from a named folder are dropped, files that can't be read
        are listed, and tried again once they, what is installed or the limits change. Moved, renamed and copied files
        are known by their content and not encoded again; what the index knew of the earlier place goes. What is
        finished is kept if the call is cancelled or crashes; the next one goes on there.

        Args:
            paths: Files, folders, or patterns such as ``"photos/*.jpg"``, here or in an object store. A file that was
                resolved before is called by its name in messages.
            every: Seconds between two moments of a film.
            reads: Whether to read what is written in pictures and moments, so that searches find it: one or two
                seconds of one core for each, many times what encoding takes. Files in which nobody has read yet are
                read then. None to do as before: to read if the index knows what is written in some of its files.
            is_gone: Asked of every file in the index; those that are gone are dropped, whatever folder they are in.
            crew: Several processes that encode, such as ``sensorium.cluster.crew.RayCrew(4)``; None for this one alone.
            progress: Told how many files are done.
            cancel: Stops soon.

        Returns:
            How many files were added, updated, unchanged, moved, removed, and which were skipped or passed over.

        Raises:
            InputError: A path doesn't exist; a folder has lost all its indexed files at once (its drive may not be
                mounted); the index was made with another checkpoint; another process is writing.
            CancelledError: ``cancel`` was set.
        """
        names = names_by_path(paths)
        wanted = list(names)
        require_every(every)
        with self._writing():
            table = self._open()
            limits = self._options["limits"] or DEFAULT_LIMITS
            if reads is None:
                reads = table is not None and table.is_read()

            def look(kinds: Collection[Kind]) -> Changes:
                return find_changes(
                    wanted,
                    table,
                    kinds=kinds,
                    every=every,
                    reads=reads,
                    limits=limits,
                    index=self._location,
                    progress=progress,
                    cancel=cancel,
                )

            changes = look(_ALL_KINDS if table is None else table.encoder.kinds)
            counts = IngestCounts()
            if changes.to_read and table is None:
                clip = self._encoder(SENSES, progress, cancel)
                if clip.kinds != _ALL_KINDS:
                    # Only the loaded checkpoint tells what it takes.
                    changes = look(clip.kinds)
                if changes.to_read:
                    table = self._create(clip)
            if changes.to_read and table is not None:
                table.complete()
                if crew is None:
                    clip = self._encoder(SENSES, progress, cancel)
                    reader = self._text_reader(progress, cancel) if reads else None
                    ingest = Ingest(
                        clip, table, reader=reader, every=every, names=names, progress=progress, cancel=cancel
                    )
                    counts = ingest.run(changes.to_read)
                else:
                    plan = Plan(self._location, self._name, self._options, every, reads, names, table.digests())
                    counts = build(table, plan, changes.to_read, crew, progress, cancel)
            gone, moves = set(changes.gone), Moves()
            if table is not None:
                if is_gone is not None:
                    gone.update(path for path in table.paths() if is_gone(path_or_address(path)))
                moves = find_moves(counts.arrived, counts.broken, gone, table)
                gone |= moves.left
                table.remove(sorted(gone))
                table.maintain()
        return IndexReport(
            added=counts.added - moves.readable,
            updated=counts.updated,
            unchanged=changes.unchanged + counts.unchanged,
            removed=len(gone) - moves.readable - moves.broken,
            skipped=tuple(sorted([*changes.skipped, *counts.skipped], key=lambda item: item.path)),
            reused=counts.reused,
            model=self.model,
            moved=moves.readable,
            warnings=_warned({**changes.damaged, **counts.damaged}, names),
            passed_over=_passed_over({**changes.passed_over, **counts.passed_over}, names, self.model),
        )

    @checked
    def search(
        self,
        text: str | None = None,
        image: ImageSource | None = None,
        limit: int = 10,
        *,
        sound: AudioSource | None = None,
        image_weight: float = 0.5,
        kind: str | None = None,
        under: str | os.PathLike[str] | None = None,
        all_moments: bool = False,
        may_be_found: Callable[[Path], bool] | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Matches:
        """Find what is nearest to a text, to a picture, to a recording, or to several of them together.

        Where the index knows what is written in its pictures, a text alone also finds those in which all its words
        stand. They take turns with what is near, beginning with the best of them, and show the line (``writing``).

        Args:
            text: What to look for.
            image: A picture that the matches should resemble.
            limit: How many matches at most.
            sound: A recording that the matches should go with, where the checkpoint takes sound.
            image_weight: Beside a text, how much the picture and the recording count, from 0 to 1.
            kind: ``"image"``, ``"moment"``, ``"sound"`` or ``"text"`` for pictures, films, recordings or texts only.
            under: Only what lies below this folder.
            all_moments: Every moment of a film or recording that matches, rather than the best one of each.
            may_be_found: Asked of each file that is near; the others are left out.
            progress: Told what is fetched at the first search.
            cancel: Stops fetching and loading.

        Returns:
            Matches, best first. Files that are not where they were indexed are left out, and told of in ``warnings``.

        Raises:
            InputError: There is no index, it is empty, it knows nothing below ``under``, or the query can't be used.
        """
        check_query(text, image, sound, limit, image_weight, kind)
        table = self._existing()
        below = None if under is None else folder_as_indexed(table, absolute(under), self._location)
        query = Query(text, image, sound, image_weight)
        words = words_of(text) if text is not None and image is None and sound is None else ()
        refused: InputError | None = None
        vector = None
        try:
            vector = query.vector(self._encoder(query.senses, progress, cancel), table.encoder.dimension, cancel)
        except InputError as error:  # what the encoder doesn't understand may be written somewhere, such as a number
            if not words or not table.is_read():
                raise
            refused = error
        matches = nearest_files(
            table,
            vector,
            limit,
            index=self._location,
            kind=kind,
            under=below,
            all_moments=all_moments,
            may_be_found=may_be_found,
            words=words,
        )
        if refused is not None and not matches:
            raise refused
        if not matches and table.count() == 0:
            raise InputError(f"The index {self._name} is empty", "Add files first")
        return matches

    @checked
    def remove(
        self, paths: str | os.PathLike[str] | ResolvedMedia | Iterable[str | os.PathLike[str] | ResolvedMedia]
    ) -> int:
        """Drop files, or all files below folders, from the index; the files themselves stay.

        Returns:
            How many files were dropped.

        Raises:
            InputError: There is no index, or a path isn't in it; another process is writing.
        """
        names = names_by_path(paths)
        self._existing()
        with self._writing():
            table = self._existing()
            gone: set[str] = set()
            for path, name in names.items():
                below = table.states([as_indexed(table, path)])
                if not below:
                    raise InputError(f"{name} is not in the index", "Name an indexed file or folder")
                gone.update(below)
            table.remove(sorted(gone))
            table.maintain()
        return len(gone)

    def files(self) -> list[IndexedFile]:
        """Return the files that can be found, by path.

        Raises:
            InputError: There is no index.
        """
        files: dict[str, FileState] = {}
        moments: Counter[str] = Counter()
        for path, file in self._existing().moments():
            files[path] = file
            moments[path] += 1
        return [
            IndexedFile(
                path_or_address(path),
                _FILE_KINDS[file.kind],
                file.size,
                moments[path],
                file.warned(display_name(path)),
            )
            for path, file in sorted(files.items())
        ]

    def close(self) -> None:
        """Let go of the checkpoint and the table; the object opens them again if used."""
        with self._guard:
            # The checkpoint isn't closed, for a search may be under way: it is freed when nobody holds it.
            self._clip = self._table = self._reader = None
            self._checked.clear()

    def _open(self) -> MediaTable | None:
        with self._guard:
            if self._table is None:
                self._table = open_table(self._location, self._name)
            if self._table is not None:
                check_encoder(self._table.encoder, self._asked, self._dimensions, self._name)
            return self._table

    def _existing(self) -> MediaTable:
        table = self._open()
        if table is None:
            raise InputError(f"There is no index at {self._name}", "Make one with add, or 'sensorium index'")
        return table

    def _create(self, clip: CLIP) -> MediaTable:
        encoder = described(clip, self._dimensions)
        with self._guard:
            self._table = create_table(self._location, encoder, self._name)
            return self._table

    def _chosen(self) -> catalog.Checkpoint:
        return self._asked or catalog.resolve(None, task=CLIP.task, profile=self._options["profile"])

    def _encoder(
        self, senses: Sequence[Sense], progress: ProgressCallback | None = None, cancel: Cancellation | None = None
    ) -> CLIP:
        """Return the loaded checkpoint, once it has shown that it makes the same vectors as the index's."""
        table, clip = self._open(), self._clip
        if clip is None:
            chosen = self._chosen() if table is None else catalog.resolve(table.encoder.model, task=CLIP.task)
            clip = CLIP(chosen.folder or chosen.name, **self._options).load(progress=progress, cancel=cancel)
        if table is not None:
            known = senses_of(table.encoder.kinds)
            unchecked = [sense for sense in senses if sense in known and sense not in self._checked]
            check_probe(table.encoder, clip, unchecked, self._name)
            self._checked.update(unchecked)
        self._clip = clip
        return clip

    def _text_reader(self, progress: ProgressCallback | None, cancel: Cancellation | None) -> TextReader:
        reader = self._reader = self._reader or opened_reader(self._options)
        return reader.ensure_loaded(progress=progress, cancel=cancel)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Keep other writers out. In an object store nothing can: there, two writers do the same work twice."""
        if is_remote(self._location):
            yield
            return
        from filelock import FileLock, Timeout

        folder = Path(self._location)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / ".writing.lock", timeout=0)
            lock.acquire()
        except Timeout:
            raise InputError(
                f"The index {self._name} is being written by another process", "Try again when it has finished"
            ) from None
        except OSError:
            raise InputError(f"The index {self._name} can't be written", "Check permissions and free space") from None
        try:
            yield
        finally:
            lock.release()


def _warned(damaged: Mapping[str, FileState], names: Mapping[str, str]) -> tuple[str, ...]:
    """Return the warnings about files, by path, in the order of their paths."""
    each = (file.warned(names.get(path) or display_name(path)) for path, file in sorted(damaged.items()))
    return tuple(sentence for sentences in each for sentence in sentences)


def _passed_over(files: Mapping[str, Kind], names: Mapping[str, str], model: str) -> tuple[SkippedFile, ...]:
    """Return the files that the checkpoint makes no vectors of, each with a sentence, in the order of their paths."""
    return tuple(
        SkippedFile(path_or_address(path), why_passed_over(names.get(path) or display_name(path), kind, model))
        for path, kind in sorted(files.items())
    )
