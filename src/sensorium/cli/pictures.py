"""``sensorium classify``, ``caption``, ``ask``, ``read`` and ``chat``: questions to pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sensorium.cli.chat import chat
from sensorium.cli.inputs import STANDARD_INPUT, Input, gather
from sensorium.cli.interrupt import command
from sensorium.cli.option_groups import CommonOptions, grouped
from sensorium.cli.options import MaxTokens, Thinking, examples
from sensorium.cli.output_names import output_files
from sensorium.cli.outputs import place_for, shown
from sensorium.cli.terminal import aligned, clock, column_widths, one_line
from sensorium.errors import InputError

if TYPE_CHECKING:
    from sensorium.answer import Answer
    from sensorium.operations.chat import Chat
    from sensorium.operations.video import AskFilm
    from sensorium.operations.vision_language import Ask
    from sensorium.vision_language.classification import Classification

Pictures = Annotated[
    list[str],
    typer.Argument(metavar="IMAGE", help="Pictures, folders, globs or addresses; - is standard input."),
]
ShowEvidence = Annotated[bool, typer.Option("--evidence", metavar="", help="Also show the facts that it rests on.")]


@dataclass(frozen=True)
class WritingOptions:
    """How an answer is written that nothing is drawn for."""

    max_tokens: MaxTokens = None
    thinking: Thinking = False

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of an operation."""
        return {"max_new_tokens": self.max_tokens, "thinking": self.thinking}


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
            "sensorium ask page.png 'Read this page.' --model lightonai/LightOnOCR-2-1B --max-tokens 1500",
        ),
    )(ask)
    app.command(
        rich_help_panel=panel,
        epilog=examples("sensorium read sign.jpg", "sensorium read 'pages/*.png' -o texts"),
    )(read)
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "sensorium chat scene.jpg",
            "echo 'What is in this picture?' | sensorium chat scene.jpg",
            "sensorium chat scene.jpg --history scene-talk.json",
        ),
    )(chat)


@command
@grouped
def classify(
    images: Pictures,
    labels: Annotated[
        str, typer.Option("--labels", "-l", metavar="LABEL,LABEL", help="The labels to choose from, with commas.")
    ],
    top: Annotated[int, typer.Option("--top", min=1, metavar="NUMBER", help="How many labels to show.")] = 3,
    *,
    common: CommonOptions,
) -> None:
    """Say which of your labels fits a picture best (zero-shot classification).

    "not sure" means that even the best label hardly goes with the picture.
    """
    with common.call() as call:
        from sensorium.operations.vision_language import Classify

        candidates = [label.strip() for label in labels.split(",") if label.strip()]
        if not candidates:
            raise InputError("There are no labels to choose from", "Write them like --labels cat,dog,bird")
        items = gather(images, ("image",))
        widths = column_widths([("FILE", "BEST"), *((one_line(item.name), "") for item in items)])
        widths[1] = column_widths([("BEST",), ("not sure",), *((label,) for label in candidates)])[0]
        any_picture = Classify.of({"image": STANDARD_INPUT, "labels": candidates, **common.choice})
        call.load(any_picture)
        header_printed = call.as_json
        for item in call.inputs(items):
            with call.attempt(item):
                found = call.run(any_picture.model_copy(update={"image": item.media}))
                if not header_printed:
                    call.header(("FILE", "BEST", "SCORES"), (*widths, 0))
                    header_printed = True
                call.show(item, found, _row(item, found, top, widths))


def _row(item: Input, found: Classification, top: int, widths: list[int]) -> str:
    best = found[0].label if found.sure else "not sure"
    scores = "  ".join(f"{entry.label} {entry.score:.2f}" for entry in found[:top])
    return f"{aligned((one_line(item.name), best), widths).ljust(sum(widths) + 2)}  {scores}"


@command
@grouped
def caption(
    images: Pictures, evidence: ShowEvidence = False, *, writing: WritingOptions, common: CommonOptions
) -> None:
    """Describe pictures in a sentence or two each."""
    with common.call() as call:
        from sensorium.operations.vision_language import Caption

        items = gather(images, ("image",))
        any_picture = Caption.of({"image": STANDARD_INPUT, **writing.fields, **common.choice})
        call.load(any_picture)
        usable = [item.media for item in items if item.error is None]
        answers = call.run_together([any_picture.model_copy(update={"image": media}) for media in usable])
        for item in call.inputs(items):
            found = item.error or next(answers)
            with call.attempt(item):
                if isinstance(found, Exception):
                    raise found
                text = answer_text(found, evidence)
                call.show(item, found, text if len(items) == 1 else f"{one_line(item.name)}: {text}")


@command
@grouped
def ask(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A picture, film or recording; - is standard input.")],
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to find out.")],
    evidence: ShowEvidence = False,
    *,
    writing: WritingOptions,
    common: CommonOptions,
) -> None:
    """Ask about a picture, a film or, with a model that hears, a recording; which it is, its content tells."""
    with common.call() as call:
        item = Input(file)
        asked: AskFilm | Ask | Chat
        kind = call.resolved(item).kind
        if kind == "video":
            from sensorium.operations.video import AskFilm

            asked = AskFilm(film=item.media, question=question, **writing.fields, **common.choice)
        elif kind == "audio":
            from sensorium.operations.chat import Chat

            content = [{"type": "audio", "audio": item.media}, {"type": "text", "text": question}]
            asked = Chat.of({"messages": [{"role": "user", "content": content}], **writing.fields, **common.choice})
        else:
            from sensorium.operations.vision_language import Ask

            asked = Ask(image=item.media, question=question, **writing.fields, **common.choice)
        call.load(asked)
        answer = call.run(asked)
        call.show(item, {"question": question, **answer.to_dict()}, answer_text(answer, evidence))


@command
@grouped
def read(
    images: Pictures,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="PATH", help="A file, or for several pictures a folder; - is standard output."
        ),
    ] = None,
    *,
    common: CommonOptions,
) -> None:
    """Read what is written in pictures; --json tells where each line stands, too."""
    with common.call() as call:
        from sensorium.operations.reading import Read

        items = gather(images, ("image",))
        paths = [] if output is None else output_files(output, images, items, "txt")
        call.require_room(paths, items)
        any_picture = Read.of({"image": STANDARD_INPUT, **common.choice})
        call.load(any_picture)
        for number, item in enumerate(call.inputs(items)):
            with call.attempt(item):
                found = call.run(any_picture.model_copy(update={"image": item.media}))
                if paths:
                    _write_text(paths[number], found.text)
                    call.show(item, {**found.to_dict(), "output": str(paths[number])}, shown(paths[number]))
                elif found.lines or call.as_json:
                    heading = f"==> {one_line(item.name)} <==\n" if len(items) > 1 else ""
                    call.show(item, {**found.to_dict(), "output": None}, f"{heading}{found.text}")
                if not found.lines:
                    call.note(f"{one_line(item.name)}: nothing is written there.")


def _write_text(path: Path, text: str) -> None:
    from sensorium.media.atomic_file import atomic_file

    path.parent.mkdir(parents=True, exist_ok=True)
    with place_for(path, "writing.txt") as place, atomic_file(place) as whole:
        whole.write_text(f"{text}\n" if text else "", encoding="utf-8")


def answer_text(answer: Answer, evidence: bool) -> str:
    """Return an answer, and if asked for the facts that it rests on, one a line, with their times."""
    lines = [str(answer)]
    for fact in answer.evidence if evidence else ():
        start = "" if fact.start is None else clock(fact.start)
        end = "" if fact.end is None else f"–{clock(fact.end)}"
        sure = "" if fact.confidence is None else f" ({fact.confidence:.2f})"
        lines.append(f"  {start}{end}{' ' if start else ''}{fact.kind}: {one_line(fact.text)}{sure}")
    return "\n".join(lines)
