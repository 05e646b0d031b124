"""``sensorium watch`` and ``moderate``: what happens in a film, and where it shows what a policy looks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sensorium.cli.inputs import STANDARD_INPUT, Input, gather
from sensorium.cli.interrupt import command
from sensorium.cli.option_groups import CommonOptions, grouped
from sensorium.cli.options import Track, examples
from sensorium.cli.pictures import ShowEvidence, WritingOptions, answer_text
from sensorium.cli.terminal import clock, one_line
from sensorium.errors import InputError

if TYPE_CHECKING:
    from sensorium.video.film_writing import FilmWriting
    from sensorium.video.results import ModeratedMoment, Moderation, VideoClassification, VideoSearch

_PARTS = "Parts"


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    panel = "Video"
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "sensorium watch film.mp4",
            "sensorium watch film.mp4 'When does the rocket appear?'",
            "sensorium watch film.mp4 --find 'a cup of coffee'",
            "sensorium watch film.mp4 --labels cat,coffee,rocket",
            "sensorium watch film.mp4 --read",
            "sensorium watch film.mp4 --json",
        ),
    )(watch)
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "sensorium moderate film.mp4",
            "sensorium moderate photos --json",
            "sensorium moderate --show-policy > my-policy.toml",
            "sensorium moderate scene.jpg --policy my-policy.toml --labels weapons",
        ),
    )(moderate)


@dataclass(frozen=True)
class _Instead:
    """What is found out about a film rather than an answer or a description."""

    find: Annotated[
        str | None,
        typer.Option("--find", "-f", metavar="TEXT", help="Find the moments that show this, instead."),
    ] = None
    actions: Annotated[
        bool, typer.Option("--actions", metavar="", help="Name what is done, stretch by stretch, instead.")
    ] = False
    labels: Annotated[
        str | None,
        typer.Option("--labels", "-l", metavar="LABEL,LABEL", help="Say which of these each stretch shows, instead."),
    ] = None
    read: Annotated[
        bool, typer.Option("--read", metavar="", help="Read what is written there, line by line, instead.")
    ] = False
    top: Annotated[int, typer.Option("--top", min=1, metavar="NUMBER", help="How many moments or labels to show.")] = 3


@dataclass(frozen=True)
class _Parts:
    """What a film is looked at and listened to with."""

    frames: Annotated[
        int | None,
        typer.Option("--frames", min=1, metavar="NUMBER", help="Answer from so many frames."),
    ] = None
    track: Track = None
    captioner: Annotated[
        str | None,
        typer.Option("--captioner", metavar="NAME", help="Describes frames in a pipeline.", rich_help_panel=_PARTS),
    ] = None
    writer: Annotated[
        str | None,
        typer.Option("--writer", metavar="NAME", help="The language model of a pipeline.", rich_help_panel=_PARTS),
    ] = None
    listener: Annotated[
        str | None,
        typer.Option(
            "--listener",
            metavar="NAME",
            help="The speech recogniser; a video model hears the sound track only with one.",
            rich_help_panel=_PARTS,
        ),
    ] = None
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder",
            metavar="NAME",
            help="Compares frames with texts for --find and --labels.",
            rich_help_panel=_PARTS,
        ),
    ] = None

    @property
    def answering(self) -> dict[str, Any]:
        """The fields of an operation that describes or answers."""
        return {
            "captioner": self.captioner,
            "language_model": self.writer,
            "speech": self.listener,
            "num_frames": self.frames,
            "track": self.track,
        }


@command
@grouped
def watch(
    film: Annotated[str, typer.Argument(metavar="VIDEO", help="A film; - is standard input.")],
    question: Annotated[
        str | None,
        typer.Argument(metavar="QUESTION", help="What to find out; without one, the film is described."),
    ] = None,
    *,
    instead: _Instead,
    parts: _Parts,
    writing: WritingOptions,
    evidence: ShowEvidence = False,
    options: CommonOptions,
) -> None:
    """Describe a film with timestamps, or answer a question about it, citing the moments."""
    with options.call() as call:
        from sensorium.operations.reading import ReadFilm
        from sensorium.operations.video import AskFilm, ClassifyFilm, DescribeFilm, FindMoment

        _refuse_several_wishes(question, instead)
        item = Input(film)
        common = {"film": item.media, **options.choice}
        if instead.find is not None:
            found = call.run(FindMoment(text=instead.find, limit=instead.top, encoder=parts.encoder, **common))
            call.show(item, found, _found_text(found))
        elif instead.actions or instead.labels is not None:
            labels = None if instead.labels is None else tuple(instead.labels.split(","))
            seen = call.run(ClassifyFilm(labels=labels, top_k=instead.top, encoder=parts.encoder, **common))
            call.show(item, seen, _classified_text(seen))
        elif instead.read:
            written = call.run(ReadFilm(**common))
            if written.lines or call.as_json:
                call.show(item, written, _written_text(written))
            if not written.lines:
                call.note(f"{one_line(item.name)}: nothing is written there.")
        elif question is None:
            described = call.run(DescribeFilm(**parts.answering, **writing.fields, **common))
            call.show(item, described, answer_text(described, evidence))
        else:
            answer = call.run(AskFilm(question=question, **parts.answering, **writing.fields, **common))
            call.show(item, {"question": question, **answer.to_dict()}, answer_text(answer, evidence))


def _refuse_several_wishes(question: str | None, instead: _Instead) -> None:
    if question is not None and not question.strip():
        raise InputError("The question is empty", "Write what you want to know about the film, or leave it out")
    wishes = {
        "a question": question is not None,
        "--find": instead.find is not None,
        "--actions": instead.actions,
        "--labels": instead.labels is not None,
        "--read": instead.read,
    }
    chosen = [name for name, wished in wishes.items() if wished]
    if len(chosen) > 1:
        raise InputError(f"{' and '.join(chosen)} can't be answered in one call", "Make a call for each")


@command
@grouped
def moderate(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE", help="Films, pictures, folders, globs or addresses; - is standard input."),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", "-p", metavar="FILE", help="A policy of your own; by default the shipped one."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", "-l", metavar="LABEL,LABEL", help="Look for these labels of the policy only."),
    ] = None,
    show_policy: Annotated[
        bool, typer.Option("--show-policy", metavar="", help="Print the shipped policy, to copy and change.")
    ] = False,
    *,
    options: CommonOptions,
) -> None:
    """Say where films and pictures show what a policy looks for: labels, scores and thresholds that you can change.

    A help for people who decide, not a decision. What the model can't judge is listed, not passed over.
    """
    with options.call() as call:
        from sensorium.operations.media import Media
        from sensorium.operations.video import Moderate
        from sensorium.video.moderation_policy import policy_in_file, shipped_policy, shipped_policy_text

        if show_policy:
            if call.as_json:
                call.document(shipped_policy())
            else:
                call.write(shipped_policy_text())
            return
        if not files:
            raise InputError("There is no file to look at", "Name a film, a picture or a folder")
        wanted = None if labels is None else tuple(label.strip() for label in labels.split(",") if label.strip())
        rules = None if policy is None else policy_in_file(policy)
        moderation = Moderate(source=Media(STANDARD_INPUT), policy=rules, labels=wanted, **options.choice)
        call.load(moderation)
        for item in call.inputs(gather(files, ("image", "video"))):
            with call.attempt(item):
                found = call.run(moderation.model_copy(update={"source": item.media}))
                call.show(item, found, _moderated_text(item, found))


def _found_text(found: VideoSearch) -> str:
    return "\n".join(f"{_span(moment.start, moment.end)}  {moment.score:.2f}" for moment in found.moments)


def _written_text(written: FilmWriting) -> str:
    return "\n".join(f"{_span(line.start, line.end)}  {one_line(line.text)}" for line in written.lines)


def _classified_text(found: VideoClassification) -> str:
    rows = [
        f"{_span(window.start, window.end)}  {'  '.join(f'{item.label} {item.score:.2f}' for item in window.labels)}"
        for window in found.windows
    ]
    return "\n".join(rows)


def _moderated_text(item: Input, found: Moderation) -> str:
    lines = [f"{one_line(item.name)}: {'flagged' if found.flagged else 'nothing flagged'}"]
    lines += [f"  {_moment_text(moment)}" for moment in found.moments]
    if found.not_judged:
        lines.append(f"  not judged ({found.model} can't): {', '.join(found.not_judged)}")
    return "\n".join(lines)


def _moment_text(moment: ModeratedMoment) -> str:
    at = "" if moment.start is None or moment.end is None else f"{_span(moment.start, moment.end)}  "
    verdict = "flagged" if moment.flagged else "below the threshold"
    return f"{at}{moment.label}  {moment.score:.2f} of {moment.threshold:.2f}, {verdict}"


def _span(start: float, end: float) -> str:
    return f"{clock(start)}–{clock(end)}"
