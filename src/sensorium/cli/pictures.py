"""``sensorium classify``, ``caption``, ``ask`` and ``chat``: questions to pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sensorium.cli.call import Call
from sensorium.cli.chat import chat
from sensorium.cli.inputs import STANDARD_INPUT, Input, gather
from sensorium.cli.interrupt import cancel, command
from sensorium.cli.options import AsJson, Device, Model, Profile, Quiet, examples
from sensorium.cli.terminal import aligned, clock, column_widths, one_line
from sensorium.errors import InputError, InsufficientMemoryError

if TYPE_CHECKING:
    from sensorium.answer import Answer
    from sensorium.vision_language.classification import Classification
    from sensorium.vision_language.image_qa import ImageQA

Pictures = Annotated[
    list[str],
    typer.Argument(metavar="IMAGE", help="Pictures, folders, globs or addresses; - is standard input."),
]
ShowEvidence = Annotated[bool, typer.Option("--evidence", metavar="", help="Also show the facts that it rests on.")]


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    panel = "Pictures"
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "sensorium classify cat.jpg --labels cat,dog,bird,car",
            "sensorium classify photos --labels 'a cat,a cup of coffee,a rocket' --json",
        ),
    )(classify)
    app.command(
        rich_help_panel=panel,
        epilog=examples("sensorium caption scene.jpg", "sensorium caption 'photos/*.jpg' --json"),
    )(caption)
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "sensorium ask scene.jpg 'How many people are there?'",
            "sensorium ask film.mp4 'What is said about the rocket?' --evidence",
        ),
    )(ask)
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "sensorium chat scene.jpg",
            "echo 'What is in this picture?' | sensorium chat scene.jpg",
            "sensorium chat scene.jpg --history scene-talk.json",
        ),
    )(chat)


@command
def classify(
    images: Pictures,
    labels: Annotated[
        str, typer.Option("--labels", "-l", metavar="LABEL,LABEL", help="The labels to choose from, with commas.")
    ],
    top: Annotated[int, typer.Option("--top", min=1, metavar="NUMBER", help="How many labels to show.")] = 3,
    model: Model = None,
    profile: Profile = None,
    device: Device = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say which of your labels fits a picture best (zero-shot classification).

    "not sure" means that even the best label hardly goes with the picture.
    """
    with Call(profile=profile, as_json=as_json, quiet=quiet) as call:
        from sensorium.vision_language.clip import CLIP

        candidates = [label.strip() for label in labels.split(",") if label.strip()]
        if not candidates:
            raise InputError("There are no labels to choose from", "Write them like --labels cat,dog,bird")
        items = gather(images, ("image",))
        widths = column_widths([("FILE", "BEST"), *((one_line(item.name), "") for item in items)])
        widths[1] = column_widths([("BEST",), ("not sure",), *((label,) for label in candidates)])[0]
        clip = call.open(CLIP(model, profile=call.profile, device=device))
        header_printed = as_json
        for item in call.inputs(items):
            with call.attempt(item):
                found = clip.zero_shot_classification(item.source, candidates)
                if not header_printed:
                    call.header(("FILE", "BEST", "SCORES"), (*widths, 0))
                    header_printed = True
                call.show(item, found, _row(item, found, top, widths))


def _row(item: Input, found: Classification, top: int, widths: list[int]) -> str:
    best = found[0].label if found.sure else "not sure"
    scores = "  ".join(f"{entry.label} {entry.score:.2f}" for entry in found[:top])
    return f"{aligned((one_line(item.name), best), widths).ljust(sum(widths) + 2)}  {scores}"


@command
def caption(
    images: Pictures,
    evidence: ShowEvidence = False,
    model: Model = None,
    profile: Profile = None,
    device: Device = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Describe pictures in a sentence or two each."""
    with Call(profile=profile, as_json=as_json, quiet=quiet) as call:
        from sensorium.vision_language.image_qa import ImageQA

        items = gather(images, ("image",))
        image_qa = call.open(ImageQA(model, profile=call.profile, device=device))
        ready: dict[str, Answer] = {}
        for number, item in enumerate(call.inputs(items)):
            if number % image_qa.batch_size == 0:
                ready = _captions_together(image_qa, items[number : number + image_qa.batch_size])
            with call.attempt(item):
                answer = ready.get(item.name) or image_qa.generate_caption(item.source, cancel=cancel)
                text = answer_text(answer, evidence)
                call.show(item, answer, text if len(items) == 1 else f"{one_line(item.name)}: {text}")


def _captions_together(image_qa: ImageQA, items: Sequence[Input]) -> dict[str, Answer]:
    """Return the captions of files that go through the model in one pass; none if that fails for any of them."""
    files = [item for item in items if item.error is None and item.name != STANDARD_INPUT]
    if len(files) < 2:
        return {}
    try:
        captions = image_qa.generate_caption([item.source for item in files], cancel=cancel)
    except (InputError, InsufficientMemoryError):
        # One by one, each gets its caption or its error.
        return {}
    return dict(zip((item.name for item in files), captions, strict=True))


@command
def ask(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A picture or a film; - is standard input.")],
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to find out.")],
    evidence: ShowEvidence = False,
    model: Model = None,
    profile: Profile = None,
    device: Device = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Ask about a picture or a film; which of the two it is, its content tells."""
    with Call(profile=profile, as_json=as_json, quiet=quiet) as call:
        from sensorium.media.source import resolve

        item = Input(file)
        media = resolve(item.source)
        answer: Answer
        if media.kind == "video":
            from sensorium.video.video_qa import VideoQA

            video_qa = call.open(VideoQA(model, profile=call.profile, device=device))
            answer = video_qa.answer_video_question(media, question, progress=call.progress, cancel=cancel)
        else:
            from sensorium.vision_language.image_qa import ImageQA

            image_qa = call.open(ImageQA(model, profile=call.profile, device=device))
            answer = image_qa.answer_question(media, question, progress=call.progress, cancel=cancel)
        call.show(item, {"question": question, **answer.to_dict()}, answer_text(answer, evidence))


def answer_text(answer: Answer, evidence: bool) -> str:
    """Return an answer, and if asked for the facts that it rests on, one a line, with their times."""
    lines = [str(answer)]
    for fact in answer.evidence if evidence else ():
        start = "" if fact.start is None else clock(fact.start)
        end = "" if fact.end is None else f"–{clock(fact.end)}"
        sure = "" if fact.confidence is None else f" ({fact.confidence:.2f})"
        lines.append(f"  {start}{end}{' ' if start else ''}{fact.kind}: {one_line(fact.text)}{sure}")
    return "\n".join(lines)
