"""A job on the page: where it stands, how to cancel it, and what it has made, found again after any reload."""

from __future__ import annotations

import html
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import gradio as gr
from gradio.context import Context

from sensorium.errors import NotFoundError, SensoriumError
from sensorium.operations.operation import Operation
from sensorium.studio.watched_jobs import WatchedJob
from sensorium.studio.workroom import Workroom

Make: TypeAlias = Callable[..., Awaitable[Operation | Sequence[Operation]]]
"""Builds an operation of the request and the values of the page's fields, in this order; a `JobGroup` takes several."""

Show: TypeAlias = Callable[[WatchedJob, gr.Request], Awaitable[Sequence[Any]]]
"""Returns what the outputs show of a job, running or ended; `gr.skip()` for those that stay."""

PRIVATE: dict[str, Any] = {"api_visibility": "private", "queue": False}
"""What an event of the page's is not: an API. Nor does it wait for others: what takes long is a job."""
_SECONDS = 0.7
_SECONDS_TO_JUDGE = 3.0
"""Before, what a model takes to begin counts too much."""
_SECRET = "sensorium-studio"
"""What Gradio encrypts a job's id with in the browser. It is no secret: a job is found by its owner only."""


@dataclass(frozen=True)
class Event:
    """What starts a job: one of the page's buttons, with what it reads.

    Attributes:
        listen: Such as ``button.click``.
        inputs: The fields whose values `make` gets.
        make: Builds the operation.
    """

    listen: Callable[..., Any]
    inputs: Sequence[Any]
    make: Make


class JobPanel:
    """The panel of the jobs of one part of a tab. Make it where its line of progress shall stand.

    Args:
        room: What the tab works with.
        name: Of the part, unique on the page: the browser keeps the job under it.
        operations: The names of the operations that it submits. Another device shows the newest job of these.
        outputs: What shows the result.
        show: Says what.
    """

    def __init__(
        self, room: Workroom, name: str, operations: Sequence[str], outputs: Sequence[Any], show: Show
    ) -> None:
        self.name = name
        self._room = room
        self.operations = operations
        self.tab = _tab_around(Context.block)
        """The id of the tab that it is in."""
        room.panels.append(self)
        self._outputs = list(outputs)
        self._show = show
        self._seen = gr.State(0)
        self.job = gr.BrowserState("", storage_key=f"sensorium-{name}", secret=_SECRET)
        """The id of the job that is shown; "" for none."""
        self.ended = gr.State("")
        """The id of the job that is shown once it has ended; "" before."""
        with gr.Row(elem_classes="job", equal_height=True):
            self.status = gr.HTML("", elem_id=f"{name}-status", elem_classes="status", scale=4)
            self.cancel = gr.Button(
                room.words("job.cancel"), visible=False, size="sm", scale=1, min_width=110, elem_id=f"{name}-cancel"
            )
        self.timer = gr.Timer(_SECONDS, active=False)
        self._own = [self.job, self._seen, self.status, self.cancel, self.timer, self.ended]
        self.timer.tick(
            self._poll, [self.job, self._seen], [*self._own, *self._outputs], show_progress="hidden", **PRIVATE
        )
        self.cancel.click(self._cancel, [self.job], [self.status], show_progress="hidden", **PRIVATE)

    def starts_with(self, *events: Event) -> list[Any]:
        """Let buttons start jobs; return for each what can be told what comes next (``.then``)."""
        return [
            event.listen(
                self._beginning(event.make),
                list(event.inputs),
                [*self._own, *self._outputs],
                show_progress="hidden",
                **PRIVATE,
            )
            for event in events
        ]

    def resumes_with(self, page: gr.Blocks) -> None:
        """Show the job again when the page is opened again, here or on another device."""
        page.load(self._resume, [self.job], [*self._own, *self._outputs], show_progress="hidden", **PRIVATE)

    def opens(self, listen: Callable[..., Any], job: Any) -> None:
        """Show another job, whose id a component holds, when something happens."""
        listen(self._open, [job], [*self._own, *self._outputs], show_progress="hidden", **PRIVATE)

    def _beginning(self, make: Make) -> Callable[..., Awaitable[list[Any]]]:
        # The request comes first: Gradio doesn't look for it behind any number of values.
        async def begin(request: gr.Request, *values: Any) -> list[Any]:
            try:
                job = await self._begun(await make(request, *values), request)
                return await self._drawn(job, 0, request)
            except SensoriumError as error:
                told = [gr.skip(), gr.skip(), self.said(str(error), "alert"), gr.skip(), gr.skip(), gr.skip()]
                return [*told, *(gr.skip() for _ in self._outputs)]

        return begin

    async def _poll(self, job: str, seen: int, request: gr.Request) -> list[Any]:
        return await self._drawn(job, seen, request)

    async def _open(self, job: str, request: gr.Request) -> list[Any]:
        if not job:
            return [gr.skip() for _ in (*self._own, *self._outputs)]
        return await self._drawn(job, 0, request)

    async def _resume(self, job: str, request: gr.Request) -> list[Any]:
        try:
            if job:
                return await self._drawn(job, 0, request)
        except NotFoundError:
            pass
        return await self._drawn(await self._latest(request), 0, request)

    async def _begun(self, made: Any, request: gr.Request) -> str:
        return (await self._room.submit(made, request)).id

    async def _latest(self, request: gr.Request) -> str:
        latest = await self._room.latest(self.operations, request)
        return "" if latest is None else latest.id

    async def _cancel(self, job: str, request: gr.Request) -> Any:
        try:
            await self._end(job, request)
        except SensoriumError as error:
            return self.said(str(error), "alert")
        return gr.skip()

    async def _end(self, job: str, request: gr.Request) -> None:
        await self._room.engine.cancel(job, owner=self._room.owner(request))

    async def _drawn(self, job: str, seen: int, request: gr.Request) -> list[Any]:
        if not job or not isinstance(job, str):  # what a browser has kept may be anything
            return self._nothing()
        watched = await self._room.look(job, request)
        if watched.changes == seen and not watched.ended:
            return [gr.skip() for _ in (*self._own, *self._outputs)]
        outputs = await self._show(watched, request)
        return [*self._standing(job, watched.changes, self._status(watched), ended=watched.ended), *outputs]

    @staticmethod
    def _standing(job: str, changes: int, status: str, *, ended: bool) -> list[Any]:
        """Return what the panel's own components show."""
        status = f'<div data-job="{html.escape(job)}">{status}</div>'
        return [job, changes, status, gr.update(visible=not ended), gr.Timer(active=not ended), job if ended else ""]

    def _nothing(self) -> list[Any]:
        return [*self._standing("", 0, "", ended=True), *(gr.skip() for _ in self._outputs)]

    def _status(self, watched: WatchedJob) -> str:
        job, words = watched.job, self._room.words
        match job.state:
            case "queued":
                return self.said(words("job.queued", before=job.position or 0))
            case "running":
                return self._progress(watched)
            case "done":
                seconds = (job.ended or 0.0) - (job.started or 0.0)
                notes = "".join(f"<p>{html.escape(note)}</p>" for note in watched.notes)
                model = (job.result or {}).get("model")
                by = words("job.by", model=model) if model else ""
                return self.said(words("job.done", seconds=f"{seconds:.1f}") + by) + notes
            case "cancelled":
                return self.said(words("job.cancelled"))
        error = job.error or {}
        return self.said(" ".join(f"{error[name]}." for name in ("message", "remedy") if error.get(name)), "alert")

    def _progress(self, watched: WatchedJob) -> str:
        told = watched.job.progress or {}
        stage, done, total = told.get("stage") or self._room.words("job.running"), told.get("done"), told.get("total")
        if not total:
            return self.said(f"{stage} …")
        share = min(1.0, done / total)
        bar = f'<progress max="1" value="{share:.3f}" aria-label="{html.escape(stage)}"></progress>'
        return self.said(f"{stage}: {done:.0f} / {total:.0f} {told['unit']}{self._left(watched, share)}") + bar

    def _left(self, watched: WatchedJob, share: float) -> str:
        """Return how long it may still take, once there is something to judge by."""
        lasted = time.time() - (watched.job.started or time.time())
        if not 0.02 < share < 1 or lasted < _SECONDS_TO_JUDGE:
            return ""
        return self._room.words("job.left", seconds=f"{lasted / share * (1 - share):.0f}")

    @staticmethod
    def said(text: str, role: str = "status") -> str:
        """Return a line about a job; the role "alert" is for what went wrong."""
        return f'<p role="{role}" class="{role}">{html.escape(text)}</p>'


def _tab_around(block: Any) -> str:
    while block is not None and not isinstance(block, gr.Tab):
        block = block.parent
    return "" if block is None else str(block.id)
