"""``sensorium index`` and ``search``: find pictures, moments of films and more by words or by likeness."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from sensorium.cli.call import Call
from sensorium.cli.exit_codes import BAD_INPUT, SOME_FAILED
from sensorium.cli.inputs import gather, media_of
from sensorium.cli.interrupt import command, command_ending_within
from sensorium.cli.option_groups import CommonOptions, grouped
from sensorium.cli.options import examples
from sensorium.cli.terminal import clock, one_line, print_error
from sensorium.errors import InputError
from sensorium.settings import default_index
from sensorium.stored_path import path_or_address

if TYPE_CHECKING:
    from sensorium.operations.media import Media
    from sensorium.operations.retrieval import FoundMedium
    from sensorium.retrieval.portions import Crew

Text: TypeAlias = str | None

_MOST_NAMED = 5
"""How many files that are passed over are named on the screen."""
_LAST_PASS_SECONDS = 30.0
"""In which pictures that go through the encoder together come out and are kept, with all that were finished before."""


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    panel = "Search"
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "sensorium index photos",
            "sensorium index photos film.mp4 --to holiday-index",
            "sensorium index photos --read",
            "sensorium index photos --to holiday-index --actors 2",
            "sensorium index --remove photos/old",
        ),
    )(index)
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "sensorium search 'a cup of coffee'",
            "sensorium search --image cat.jpg --index holiday-index --limit 3",
        ),
    )(search)


@command_ending_within(_LAST_PASS_SECONDS)
@grouped
def index(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Folders, files or globs.")],
    to: Annotated[
        Text, typer.Option("--to", metavar="INDEX", help="The folder of the index; by default one in the cache.")
    ] = None,
    every: Annotated[
        float, typer.Option("--every", metavar="SECONDS", help="How far apart the moments of a film are.")
    ] = 2.0,
    dimensions: Annotated[
        int | None,
        typer.Option(
            "--dimensions",
            min=1,
            metavar="NUMBER",
            help="How many numbers the vectors of a new index have, with checkpoints that are made for it.",
        ),
    ] = None,
    read: Annotated[
        bool | None,
        typer.Option(
            "--read/--no-read",
            help="Read what is written in pictures, so that it is found: a second for each. By default as before.",
        ),
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", metavar="", help="Take them out of the index instead; the files stay.")
    ] = False,
    actors: Annotated[
        int | None,
        typer.Option(
            "--actors", min=1, metavar="NUMBER", help="In how many processes of Ray to encode; by default in this one."
        ),
    ] = None,
    address: Annotated[
        Text,
        typer.Option("--address", metavar="ADDRESS", help="The Ray cluster whose machines encode, such as head:6379."),
    ] = None,
    *,
    options: CommonOptions,
) -> None:
    """Make pictures and films searchable; with a model that takes them, such as EmbeddingGemma 2, recordings and texts.

    Run it again at any time: new and changed files are read, deleted ones dropped, broken ones listed and skipped.
    """
    with options.call() as call:
        from sensorium.operations.retrieval import Index, RemoveFromIndex

        if actors is not None or address is not None:
            call.crew = _crew(actors, address, call)
        place = _place(to, call)
        files, unsent = _files(paths, call)
        origins = () if call.server is None else tuple(map(_origin, files))
        if remove:
            removal = call.run(RemoveFromIndex(files=files, origins=origins, index=place.name))
            text = f"{removal.removed} removed; {removal.files} files in {place.shown}"
            call.show(None, {"index": place.shown, **removal.to_dict()}, text)
            return
        wish = Index(
            files=files,
            origins=origins,
            index=place.name,
            every=every,
            read=read,
            dimensions=dimensions,
            **options.choice,
        )
        changes = call.run(wish)
        counts = {name: changes[name] for name in ("added", "updated", "moved", "unchanged", "removed")}
        skipped = [*unsent, *({"path": file.media, "reason": file.reason} for file in changes.skipped)]
        counts["skipped"] = len(skipped)
        counts["passed over"] = len(changes.passed_over)
        text = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing to do"
        passed_over = [{"path": file.media, "reason": file.reason} for file in changes.passed_over]
        document = {"index": place.shown, **changes.to_dict(), "skipped": skipped, "passed_over": passed_over}
        call.show(None, document, f"{text}; {changes.files} files in {place.shown}")
        for file in passed_over[:_MOST_NAMED]:
            call.note(f"Passed over: {file['reason']}")
        if len(passed_over) > _MOST_NAMED:
            call.note(f"Passed over: {len(passed_over) - _MOST_NAMED} more; --json names them all")
        for file in skipped:
            print_error(file["reason"])
    if skipped or (passed_over and not changes.files):
        raise typer.Exit(
            SOME_FAILED if changes.added + changes.updated + changes.moved + changes.unchanged else BAD_INPUT
        )


@command
@grouped
def search(
    text: Annotated[Text, typer.Argument(metavar="TEXT", help="What to look for, in words.")] = None,
    image: Annotated[Text, typer.Option("--image", metavar="FILE", help="A picture to find similar ones to.")] = None,
    sound: Annotated[
        Text, typer.Option("--sound", metavar="FILE", help="A recording to find what goes with it.")
    ] = None,
    where: Annotated[
        Text, typer.Option("--index", metavar="INDEX", help="The folder of the index; by default one in the cache.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, metavar="NUMBER", help="How many to show.")] = 10,
    under: Annotated[Text, typer.Option("--under", metavar="FOLDER", help="Only what lies below this folder.")] = None,
    all_moments: Annotated[
        bool,
        typer.Option("--all-moments", metavar="", help="Every moment of a film or recording, not only the best."),
    ] = False,
    *,
    options: CommonOptions,
) -> None:
    """Find pictures, moments of films and more, best first: by words, by a picture, by a recording, or by several."""
    with options.call() as call:
        from sensorium.operations.retrieval import Search

        if text is None and image is None and sound is None:
            raise InputError("There is nothing to look for", "Give words, --image with a picture or --sound")
        place = _place(where, call)
        found = call.run(
            Search(
                text=text,
                image=media_of(image),
                sound=media_of(sound),
                index=place.name,
                limit=limit,
                under=under,
                all_moments=all_moments,
                **options.choice,
            )
        )
        if call.as_json:
            query = {"text": text, "image": image, "sound": sound, "index": place.shown, "model": found.model}
            call.document(
                {**query, "matches": [_document(match) for match in found.matches], "warnings": found.warnings}
            )
            return
        for match in found.matches:
            moment = "" if match.time is None else f"  at {clock(match.time)}"
            name = match.name if call.server else _relative(match.media)
            writing = "" if match.writing is None else f"  written: {one_line(match.writing)}"
            call.line(f"{match.score:.2f}  {one_line(name)}{moment}{writing}")
        if not found.matches:
            call.note(f"Nothing found in {place.shown}")


@dataclass(frozen=True)
class _Place:
    """Where an index lies.

    Attributes:
        name: Its name for operations.
        shown: How it is called in what is printed.
    """

    name: str | None
    shown: str


def _crew(actors: int | None, address: str | None, call: Call) -> Crew:
    """Return the processes that encode."""
    if call.server is not None:
        raise InputError(
            "A server encodes by itself: --actors and --address are for indexes of this machine's own",
            "Leave out --server, or these options",
        )
    from sensorium.cluster.crew import RayCrew

    return RayCrew(actors, address)


def _place(named: str | None, call: Call) -> _Place:
    if call.server is not None:
        return _Place(named, named or "the index on the server")
    folder = named or str(default_index())
    return _Place(folder, folder)


def _files(paths: Sequence[str], call: Call) -> tuple[tuple[Media, ...], list[dict[str, str]]]:
    """Return what to index: as it was named, or one by one for a server, which knows no folders of this machine.

    Besides, return what lies below the folders and can't be sent, each with the reason.
    """
    from sensorium.operations.media import ARTIFACT, UPLOAD, Media

    if call.server is None:
        return tuple(Media(path) for path in paths), []
    files = [Media(path) for path in paths if path.startswith((UPLOAD, ARTIFACT))]
    skipped, unsent = list[dict[str, str]](), list[InputError]()
    for item in gather([path for path in paths if path not in files], ("image", "video", "audio", "text")):
        try:
            call.resolved(item)
            files.append(item.media)
        except InputError as error:
            if item.name in paths:
                raise
            unsent.append(error)
            skipped.append({"path": item.name, "reason": error.message})
    if unsent and not files:
        raise unsent[0]
    return tuple(files), skipped


def _origin(file: Media) -> str:
    """Return what tells a file of this machine from all others; a server is told no path, only a sum of it."""
    if file.upload is not None or file.artifact is not None:
        return ""
    folder, name = os.path.split(file)
    place = f"{platform.node()}:{os.path.realpath(folder)}:{name}"
    return hashlib.sha256(place.encode(errors="surrogateescape")).hexdigest()


def _document(match: FoundMedium) -> dict[str, Any]:
    return {"path": match.media, "kind": match.kind, "time": match.time, "score": match.score, "writing": match.writing}


def _relative(file: str) -> str:
    """Return a path as a user in this folder would type it, and an address as it is."""
    path = path_or_address(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
