"""``sensorium watch``: what happens in a film."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from sensorium.cli.call import Call
from sensorium.cli.inputs import Input
from sensorium.cli.interrupt import cancel, command
from sensorium.cli.options import AsJson, Device, Model, Profile, Quiet, examples
from sensorium.cli.pictures import ShowEvidence, answer_text
from sensorium.errors import InputError


def register(app: typer.Typer) -> None:
    """Add this group's command."""
    app.command(
        rich_help_panel="Video",
        epilog=examples(
            "sensorium watch film.mp4",
            "sensorium watch film.mp4 'When does the rocket appear?'",
            "sensorium watch film.mp4 --json",
        ),
    )(watch)


@command
def watch(
    film: Annotated[str, typer.Argument(metavar="VIDEO", help="A film; - is standard input.")],
    question: Annotated[
        Optional[str],  # noqa: UP045 - Typer evaluates it at run time, on Python 3.10 too
        typer.Argument(metavar="QUESTION", help="What to find out; without one, the film is described."),
    ] = None,
    evidence: ShowEvidence = False,
    model: Model = None,
    profile: Profile = None,
    device: Device = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Describe a film with timestamps, or answer a question about it, citing the moments."""
    with Call(profile=profile, as_json=as_json, quiet=quiet) as call:
        from sensorium.video.video_qa import VideoQA

        if question is not None and not question.strip():
            raise InputError("The question is empty", "Write what you want to know about the film, or leave it out")
        item = Input(film)
        source = item.source
        video_qa = call.open(VideoQA(model, device=device))
        if question is None:
            answer = video_qa.describe(source, progress=call.progress, cancel=cancel)
            call.show(item, answer, answer_text(answer, evidence))
        else:
            answer = video_qa.answer_video_question(source, question, progress=call.progress, cancel=cancel)
            call.show(item, {"question": question, **answer.to_dict()}, answer_text(answer, evidence))
