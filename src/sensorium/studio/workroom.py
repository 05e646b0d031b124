"""What all tabs share: the engine for whoever asks, files that come and go, and the page's words."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from sensorium.engine.interface import Engine
from sensorium.engine.job import Job
from sensorium.errors import AccessError
from sensorium.media.naming import display_name
from sensorium.operations.media import ARTIFACT, UPLOAD, Media
from sensorium.operations.operation import Operation
from sensorium.studio.address import PAGE
from sensorium.studio.examples import Examples
from sensorium.studio.fetched_models import FetchedModels
from sensorium.studio.watched_jobs import WatchedJob, WatchedJobs
from sensorium.studio.wording import Wording

if TYPE_CHECKING:
    import gradio as gr
    from starlette.requests import Request as StarletteRequest


_REMEMBERED = 2000
_EXAMPLES = "examples"
_SWEEP_SECONDS = 3600.0
_KEPT_SECONDS = 6 * 3600.0
"""How long a copy that the page shows is kept; an open page asks for a new one when it is opened again."""


@dataclass(frozen=True)
class Visitor:
    """Who looks at the page.

    Attributes:
        owner: Whose the jobs are that the visitor submits.
        administrator: Whether the visitor may change what concerns everybody.
    """

    owner: str
    administrator: bool


class Workroom:
    """What a tab works with, in one language.

    Args:
        engine: Runs jobs.
        jobs: Watches them.
        fetched: Fetches models.
        folder: Where files are put that the page shows.
        words: The page's words.
        visitor_of: Says who sent a request.
    """

    def __init__(
        self,
        engine: Engine,
        jobs: WatchedJobs,
        fetched: FetchedModels,
        folder: Path,
        words: Wording,
        visitor_of: Callable[[Any], Visitor],
    ) -> None:
        self.engine = engine
        self.fetched = fetched
        self.words = words
        self.examples = Examples(engine, folder / _EXAMPLES)
        self.panels: list[Any] = []
        """Each `JobPanel` of all tabs that are on the page so far."""
        self._jobs = jobs
        self._folder = folder
        self._visitor_of = visitor_of
        self._media: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._swept = time.monotonic()

    def visitor(self, request: gr.Request) -> Visitor:
        """Return who asks."""
        return self._visitor_of(request.request)

    def require_administrator(self, request: gr.Request, what: str) -> None:
        """Refuse what concerns everybody to those who are no administrators.

        Args:
            request: Whose.
            what: What it is, as the beginning of a sentence.

        Raises:
            AccessError: So it is.
        """
        if not self.visitor(request).administrator:
            raise AccessError(f"{what} is for administrators", "Ask with a key that is marked as an administrator's")

    def reach(self, request: gr.Request) -> str | None:
        """Return whose jobs the visitor may see and order: None, which is everybody's, for administrators."""
        visitor = self.visitor(request)
        return None if visitor.administrator else visitor.owner

    def owner(self, request: gr.Request) -> str:
        """Return for whom a new job is."""
        return self.visitor(request).owner

    def address(self, request: gr.Request) -> str:
        """Return the server's address as the visitor's browser knows it, without a final slash."""
        return str(cast("StarletteRequest", request.request).base_url).partition(PAGE)[0].rstrip("/")

    async def submit(self, operation: Operation, request: gr.Request) -> Job:
        """Queue an operation as a job that goes on whatever happens to the page.

        Raises:
            SensoriumError: It isn't accepted; the message says why.
        """
        return await self.engine.submit(operation, owner=self.owner(request))

    async def look(self, job: str, request: gr.Request) -> WatchedJob:
        """Return what is known of a job of the visitor's.

        Raises:
            NotFoundError: There is no such job.
        """
        return await self._jobs.look(job, self.owner(request))

    async def latest(self, operations: Collection[str], request: gr.Request) -> Job | None:
        """Return the visitor's newest job of some operations, or None."""
        found = await self.engine.jobs(owner=self.owner(request), limit=100)
        return next((job for job in found if job.operation in operations), None)

    async def hand_over(self, file: str | Path, request: gr.Request) -> Media:
        """Keep a file that the visitor has put on the page; return how operations name it.

        Raises:
            SensoriumError: It is too large, empty, or there is no room.
        """
        path = Path(file)
        upload = await self.engine.receive(_pieces(path), name=display_name(path.name), owner=self.owner(request))
        return Media(f"{UPLOAD}{upload.id}")

    async def file_of(self, job: str, name: str, request: gr.Request) -> str:
        """Return a copy of a job's file that the page may show.

        Raises:
            NotFoundError: There is none, or it was deleted by age.
        """
        owner = self.owner(request)
        path, _ = await self.engine.artifact(job, name, owner=owner)
        known = self._known(owner, f"{ARTIFACT}{job}/{name}")
        return known or self._remember(owner, f"{ARTIFACT}{job}/{name}", await asyncio.to_thread(self._shown, path))

    async def media_of(self, reference: str, request: gr.Request) -> str:
        """Return a copy that the page may show of what an operation refers to; the same one each time.

        Args:
            reference: ``upload:ID`` or ``artifact:JOB/NAME``.
            request: Who asks.

        Raises:
            NotFoundError: There is none, or it was deleted by age.
        """
        owner, media = self.owner(request), Media(reference)
        if media.artifact is not None:
            return await self.file_of(*media.artifact, request)
        upload = await self.engine.upload(media.upload or reference, owner=owner)
        known = self._known(owner, reference)
        if known is not None:
            return known
        path = await self.engine.upload_file(upload.id, owner=owner)
        shown = await asyncio.to_thread(self._shown, path, Path(upload.name).name)
        return self._remember(owner, reference, shown)

    def _known(self, owner: str, reference: str) -> str | None:
        """Return the copy that is there already, if there is one."""
        known = self._media.get((owner, reference))
        if known is None or not Path(known).exists():
            return None
        self._media.move_to_end((owner, reference))
        return known

    def _remember(self, owner: str, reference: str, copy: str) -> str:
        self._media[owner, reference] = copy
        if len(self._media) > _REMEMBERED:
            self._media.popitem(last=False)
        return copy

    @staticmethod
    def shown_at(file: str | Path) -> str:
        """Return where the page, below whose address all of Gradio's lie, finds a file that it may show."""
        return f"gradio_api/file={quote(str(file))}"

    def shown(self, data: bytes, name: str) -> str:
        """Return a file that the page may show, made of bytes."""
        place = self._place(name)
        place.write_bytes(data)
        return str(place)

    def _shown(self, path: Path, name: str = "") -> str:
        # Under a name that cannot be guessed: the page's own files can be asked for by everybody with a key.
        place = self._place(name or path.name)
        try:
            os.link(path, place)
        except OSError:
            shutil.copyfile(path, place)
        return str(place)

    def _place(self, name: str) -> Path:
        if time.monotonic() - self._swept > _SWEEP_SECONDS:
            self._swept = time.monotonic()
            forget_shown(self._folder, older_than=_KEPT_SECONDS)
        folder = self._folder / secrets.token_hex(16)
        folder.mkdir(parents=True)
        return folder / name


def forget_shown(folder: Path, older_than: float = 0.0) -> None:
    """Delete the copies that pages have shown, but not the examples.

    Args:
        folder: Where they lie, each in a folder of its own.
        older_than: Seconds that a copy must be old.
    """
    newest = time.time() - older_than
    for each in folder.iterdir():
        with suppress(OSError):
            if each.name != _EXAMPLES and each.is_dir() and each.stat().st_mtime <= newest:
                shutil.rmtree(each, ignore_errors=True)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, 1 << 20):
            yield piece
