"""``sensorium jobs``: what a server does, has done, and made."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from sensorium.cli.call import Call
from sensorium.cli.interrupt import cancel, command
from sensorium.cli.loaded_models import server_at
from sensorium.cli.options import AsJson, Quiet, Server, examples
from sensorium.cli.outputs import is_stream, output_path, place_for, require_no_screen, shown
from sensorium.errors import CancelledError, InputError, SensoriumError

if TYPE_CHECKING:
    from sensorium.client import Client
    from sensorium.engine.job import Job

Id: TypeAlias = Annotated[str, typer.Argument(metavar="ID", help="The job's id, as 'sensorium jobs list' shows it.")]


def register(app: typer.Typer) -> None:
    """Add the group and its commands."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Show, cancel and order the jobs of a server, and get what came out.",
        epilog=examples("sensorium jobs list"),
    )
    for name, function, line in (
        ("list", list_jobs, "sensorium jobs list --state running"),
        ("show", show, "sensorium jobs show ID"),
        ("events", events, "sensorium jobs events ID"),
        ("result", result, "sensorium jobs result ID -o picture.png"),
        ("cancel", cancel_job, "sensorium jobs cancel ID"),
        ("move", move, "sensorium jobs move ID 0"),
        ("pause", pause, "sensorium jobs pause"),
        ("resume", resume, "sensorium jobs resume"),
    ):
        group.command(name, epilog=examples(line))(function)
    app.add_typer(group, name="jobs", rich_help_panel="Sensorium")


@command
def list_jobs(
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state", metavar="NAME", help="Only queued, running, done, failed, cancelled or interrupted ones."
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, metavar="NUMBER", help="How many.")] = 50,
    before: Annotated[
        str | None, typer.Option("--before", metavar="ID", help="Only those older than this one.")
    ] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, the newest first."""
    with _call(as_json) as call, server_at(server) as client:
        found = client.jobs(_states(state or []), limit, before)
        if as_json:
            call.document({"jobs": [job.to_dict() for job in found]})
            return
        rows = [(job.id, job.operation, _state(job), job.model, _time(job.created)) for job in found]
        call.table(("ID", "OPERATION", "STATE", "MODEL", "SUBMITTED"), rows)


@command
def show(job: Id, server: Server = None, as_json: AsJson = False) -> None:
    """Show a job: its state, times, arguments, and what came out."""
    with _call(as_json) as call, server_at(server) as client:
        found = client.job(job)
        call.show(None, found, _described(found))


@command
def events(
    job: Id,
    after: Annotated[int, typer.Option("--after", min=0, metavar="NUMBER", help="Only those after this one.")] = 0,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Show what a job tells, from its beginning to its end, one event a line."""
    with _call(as_json) as call, server_at(server) as client:
        for number, document in client.events(job, after):
            if cancel.is_set():
                raise CancelledError("Stopped to listen; the job goes on")
            if as_json:
                call.document({"id": number, **document})
            else:
                rest = {name: value for name, value in document.items() if name != "type"}
                call.line(f"{number} {document['type']} {_short(rest)}")


@command
def result(
    job: Id,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="A file for what it made, or for several files a folder; - is standard output.",
        ),
    ] = None,
    server: Server = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Print the result of a job as JSON, and get the files that it made; waits for a job that isn't done."""
    with Call(as_json=as_json, quiet=quiet) as call, server_at(server) as client:
        ended = _ended(client, job)
        paths = _places(ended, output)
        call.require_room(paths)
        for artifact, path in zip(ended.artifacts, paths, strict=False):
            with place_for(path, artifact.name) as place:
                client.download(ended.id, artifact.name, place)
        document = {"job": ended.id, "result": ended.result, "files": [str(path) for path in paths]}
        text = "\n".join(map(shown, paths)) or json.dumps(document["result"], ensure_ascii=False, indent=2)
        call.show(None, document, text)
        if ended.artifacts and not paths:
            call.note(f"It made {len(ended.artifacts)} files; -o gets them.")


@command
def cancel_job(job: Id, server: Server = None, as_json: AsJson = False) -> None:
    """Cancel a job, queued or running; one that has ended stays as it is."""
    with _call(as_json) as call, server_at(server) as client:
        ended = client.cancel(job)
        call.show(None, ended, f"{ended.id}: {_state(ended)}")


@command
def move(
    job: Id,
    position: Annotated[int, typer.Argument(min=0, metavar="NUMBER", help="How many others start before it.")],
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Let a queued job start earlier or later."""
    with _call(as_json) as call, server_at(server) as client:
        moved = client.move(job, position)
        call.show(None, moved, f"{moved.id}: {_state(moved)}")


@command
def pause(server: Server = None, as_json: AsJson = False) -> None:
    """Start no more jobs on the server; those that run go on."""
    with _call(as_json) as call, server_at(server) as client:
        client.pause()
        call.show(None, {"paused": True}, "Paused: no more jobs start.")


@command
def resume(server: Server = None, as_json: AsJson = False) -> None:
    """Start jobs again."""
    with _call(as_json) as call, server_at(server) as client:
        client.resume()
        call.show(None, {"paused": False}, "Resumed: jobs start again.")


def _call(as_json: bool) -> Call:
    return Call(as_json=as_json)


def _states(names: list[str]) -> Any:
    from typing import get_args

    from sensorium.engine.job import State

    known = get_args(State)
    for name in names:
        if name not in known:
            raise InputError(f"There is no state {name!r}", f"Choose one of {', '.join(known)}")
    return names


def _ended(client: Client, job: str) -> Job:
    """Return a job that is done, however long that takes."""
    found = client.job(job)
    if found.state in ("queued", "running"):
        for _, _document in client.events(job):
            if cancel.is_set():
                raise CancelledError("Stopped to wait; the job goes on")
        found = client.job(job)
    if found.state != "done":
        if found.error is not None:
            raise SensoriumError.from_dict(found.error)
        raise InputError(f"The job {job!r} has no result: it is {found.state}", "Run it again")
    return found


def _places(job: Job, output: str | None) -> list[Path]:
    if output is None or not job.artifacts:
        return []
    path = output_path(output)
    if len(job.artifacts) == 1 and not path.is_dir():
        if not job.artifacts[0].media_type.startswith("text/"):
            require_no_screen(path, "What it made")
        return [path]
    if is_stream(output):
        raise InputError(f"The job made {len(job.artifacts)} files, and {output!r} takes one", "Name a folder with -o")
    path.mkdir(parents=True, exist_ok=True)
    return [path / Path(artifact.name).name for artifact in job.artifacts]


def _state(job: Job) -> str:
    if job.state == "queued" and job.position is not None:
        return f"queued, {job.position} before it"
    if job.state == "running" and job.progress and job.progress.get("total"):
        return f"running, {100 * job.progress['done'] / job.progress['total']:.0f} %"
    return job.state


def _described(job: Job) -> str:
    from sensorium.cli.terminal import aligned

    rows = [
        ("operation", job.operation),
        ("state", _state(job)),
        ("model", job.model),
        ("submitted", _time(job.created)),
        ("started", _time(job.started)),
        ("ended", _time(job.ended)),
        ("arguments", _short(dict(job.arguments))),
        ("files", ", ".join(artifact.name for artifact in job.artifacts)),
        ("result", "" if job.result is None else _short(dict(job.result))),
        ("error", "" if job.error is None else str(SensoriumError.from_dict(job.error))),
    ]
    return "\n".join([job.id, *("  " + aligned(row, (9, 0)) for row in rows if row[1])])


def _time(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


def _short(document: dict[str, Any]) -> str:
    text = json.dumps(document, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:199]}…"
