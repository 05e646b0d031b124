"""Copy as command, Python or curl: what a job did, for those who go on without the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from sensorium.errors import NotFoundError, SensoriumError
from sensorium.operations.media import ARTIFACT, media_in
from sensorium.operations.registry import operation_named
from sensorium.studio.again.command import command_of
from sensorium.studio.again.curl import curl_of
from sensorium.studio.again.program import program_of
from sensorium.studio.again.wish import Wish, wish_of
from sensorium.studio.job_panel import PRIVATE, JobPanel
from sensorium.studio.wording import Wording
from sensorium.studio.workroom import Workroom


@dataclass(frozen=True)
class Recipes:
    """What does a job again.

    Attributes:
        command: For a shell, with Sensorium.
        python: A program.
        curl: For a shell, with the server.
    """

    command: str
    python: str
    curl: str


def recipe_box(room: Workroom, panel: JobPanel) -> None:
    """Put what can be copied of a panel's job on the page: it is filled once the box is opened or the job has ended.

    Args:
        room: What the tab works with.
        panel: Whose job.
    """
    words = room.words
    with gr.Accordion(words("recipe.title"), open=False, elem_id=f"{panel.name}-recipes") as box:
        nothing = gr.Markdown(words("recipe.nothing"), elem_classes="hint")
        codes = [
            gr.Code(
                label=words(f"recipe.{kind}"),
                language="python" if kind == "python" else "shell",
                interactive=False,
                visible=False,
                wrap_lines=True,
                show_line_numbers=False,
                lines=1,
                buttons=["copy"],
                elem_id=f"{panel.name}-recipe-{kind}",
            )
            for kind in ("command", "python", "curl")
        ]

    async def fill(job: str, request: gr.Request) -> list[Any]:
        try:
            recipes = [await recipes_for(room, each, request) for each in job.split()]
        except NotFoundError:
            recipes = []
        if not recipes:
            return [gr.update(visible=True), *(gr.update(visible=False) for _ in codes)]
        texts = ("\n\n".join(getattr(each, kind) for each in recipes) for kind in ("command", "python", "curl"))
        return [gr.update(visible=False), *(gr.update(value=text, visible=True) for text in texts)]

    for listen in (box.expand, panel.ended.change):
        listen(fill, [panel.job], [nothing, *codes], show_progress="hidden", **PRIVATE)


async def recipes_for(room: Workroom, job: str, request: gr.Request) -> Recipes:
    """Return what does a job of the visitor's again; of jobs that were begun together, the first one.

    Raises:
        NotFoundError: There is no such job.
    """
    owner = room.owner(request)
    found = await room.engine.job(job.partition(" ")[0], owner=owner)
    names = {}
    for media in media_in(operation_named(found.operation).of(dict(found.arguments))):
        if media.upload is not None:
            try:
                names[str(media)] = (await room.engine.upload(media.upload, owner=owner)).name
            except SensoriumError:
                continue  # deleted by age: a usual name stands for it
    wish = wish_of(found, names)
    return recipes_of(wish, room.address(request), room.words, with_key=bool(owner))


def recipes_of(wish: Wish, address: str, words: Wording, *, with_key: bool) -> Recipes:
    """Return what does something again.

    Args:
        wish: What.
        address: The server's.
        words: What is said about it.
        with_key: Whether the server wants one.
    """
    files = list(_told(wish, address, words))
    command, beyond_command = command_of(wish, address)
    program, beyond_program = program_of(wish)
    return Recipes(
        _explained(command, [*files, *_left_out(beyond_command, words)]),
        _explained(program or _no_program(words), [*files, *_left_out(beyond_program, words)]),
        _explained(curl_of(wish, address, with_key=with_key), list(_told(wish, address, words, only_uploads=True))),
    )


def _told(wish: Wish, address: str, words: Wording, *, only_uploads: bool = False) -> Iterator[str]:
    for media, name in wish.names.items():
        if media.startswith(ARTIFACT) and only_uploads:
            continue
        if media.startswith(ARTIFACT):
            job, _, file = media.removeprefix(ARTIFACT).partition("/")
            yield words("recipe.made_before", name=name, address=f"{address}/v1/sensorium/jobs/{job}/artifacts/{file}")
        else:
            yield words("recipe.stands_for", name=name)


def _left_out(fields: Sequence[str], words: Wording) -> list[str]:
    return [words("recipe.left_out", fields=", ".join(fields))] if fields else []


def _no_program(words: Wording) -> str:
    return f"# {words('recipe.no_program')}"


def _explained(text: str, lines: Sequence[str]) -> str:
    return "\n".join([*(f"# {' '.join(line.split())}" for line in lines), text])
