"""The conversations of a visitor, and their branches: each is the last of a chain of jobs."""

from __future__ import annotations

import asyncio

import gradio as gr

from sensorium.engine.job import Job
from sensorium.studio.tabs.see.conversation import Said, asked_in
from sensorium.studio.workroom import Workroom

_LOOKED_AT = 30
_LONGEST = 60


async def branches(room: Workroom, request: gr.Request) -> list[tuple[str, str]]:
    """Return the conversations that nothing follows, the newest first: what was asked last, and the job's id."""
    owner = room.owner(request)
    listed = [job for job in await room.engine.jobs(owner=owner, limit=200) if job.operation == "chat"]
    # A list of jobs comes without what they were asked.
    jobs = await asyncio.gather(*(room.engine.job(job.id, owner=owner) for job in listed[:_LOOKED_AT]))
    asked = {job.id: asked_in(job.arguments) for job in jobs}
    return [(_title(room, asked[job.id]), job.id) for job in jobs if not _goes_on(job, asked)]


def _goes_on(job: Job, asked: dict[str, list[Said]]) -> bool:
    """Return whether a later job has this one's question and something after it."""
    own = asked[job.id]
    return any(len(other) > len(own) and other[: len(own)] == own for other in asked.values())


def _title(room: Workroom, asked: list[Said]) -> str:
    last = " ".join(asked[-1].text.split()) or room.words("see.only_pictures")
    shown = last if len(last) <= _LONGEST else f"{last[: _LONGEST - 1]}…"
    turns = sum(each.role == "user" for each in asked)
    return room.words("see.branch", question=shown, turns=turns)
