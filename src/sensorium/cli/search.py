"""``sensorium index`` and ``search``: find pictures and moments of films by words or by likeness."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from sensorium.cli.call import Call
from sensorium.cli.exit_codes import BAD_INPUT, SOME_FAILED
from sensorium.cli.inputs import Input
from sensorium.cli.interrupt import cancel, command
from sensorium.cli.options import AsJson, Device, Model, Profile, Quiet, examples
from sensorium.cli.terminal import clock, one_line, print_error
from sensorium.errors import InputError
from sensorium.settings import default_index

Text: TypeAlias = str | None


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    panel = "Search"
    app.command(
        rich_help_panel=panel,
        epilog=examples("sensorium index photos", "sensorium index photos film.mp4 --to holiday-index"),
    )(index)
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "sensorium search 'a cup of coffee'",
            "sensorium search --image cat.jpg --index holiday-index --limit 3",
        ),
    )(search)


@command
def index(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Folders, pictures, films or globs.")],
    to: Annotated[
        Text, typer.Option("--to", metavar="INDEX", help="The folder of the index; by default one in the cache.")
    ] = None,
    every: Annotated[
        float, typer.Option("--every", metavar="SECONDS", help="How far apart the moments of a film are.")
    ] = 2.0,
    model: Model = None,
    profile: Profile = None,
    device: Device = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make pictures and films searchable.

    Run it again at any time: new and changed files are read, deleted ones dropped, broken ones listed and skipped.
    """
    with Call(profile=profile, as_json=as_json, quiet=quiet) as call:
        from sensorium.retrieval.index import SearchIndex

        where = to or str(default_index())
        search_index = SearchIndex(where, model=model, profile=call.profile, device=device)
        report = search_index.add(paths, every=every, progress=call.progress, cancel=cancel)
        counts = {name: getattr(report, name) for name in ("added", "updated", "unchanged", "removed")}
        counts["skipped"] = len(report.skipped)
        text = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing to do"
        call.show(None, {"index": where, **report.to_dict()}, f"{text}; {len(search_index)} files in {where}")
        for file in report.skipped:
            print_error(file.reason)
    if report.skipped:
        raise typer.Exit(SOME_FAILED if report.added + report.updated + report.unchanged else BAD_INPUT)


@command
def search(
    text: Annotated[Text, typer.Argument(metavar="TEXT", help="What to look for, in words.")] = None,
    image: Annotated[Text, typer.Option("--image", metavar="FILE", help="A picture to find similar ones to.")] = None,
    where: Annotated[
        Text, typer.Option("--index", metavar="INDEX", help="The folder of the index; by default one in the cache.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, metavar="NUMBER", help="How many to show.")] = 10,
    under: Annotated[Text, typer.Option("--under", metavar="FOLDER", help="Only what lies below this folder.")] = None,
    all_moments: Annotated[
        bool, typer.Option("--all-moments", metavar="", help="Every moment of a film, not only its best one.")
    ] = False,
    model: Model = None,
    profile: Profile = None,
    device: Device = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find pictures and moments of films, best first: by words, by a picture, or by both."""
    with Call(profile=profile, as_json=as_json, quiet=quiet) as call:
        from sensorium.retrieval.index import SearchIndex

        if text is None and image is None:
            raise InputError("There is nothing to look for", "Give words, or --image with a picture, or both")
        folder = where or str(default_index())
        search_index = SearchIndex(folder, model=model, profile=call.profile, device=device)
        picture = None if image is None else Input(image).source
        matches = search_index.search(text, picture, limit, under=under, all_moments=all_moments)
        if as_json:
            query: dict[str, Any] = {"text": text, "image": image, "index": folder, "model": matches.model}
            call.document({**query, "matches": [match.to_dict() for match in matches]})
            return
        for match in matches:
            moment = "" if match.time is None else f"  at {clock(match.time)}"
            call.line(f"{match.score:.2f}  {one_line(_relative(match.path))}{moment}")
        if not matches:
            call.note(f"Nothing found in {folder}")


def _relative(path: Path) -> str:
    """Return a path as a user in this folder would type it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
