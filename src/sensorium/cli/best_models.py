"""``sensorium models best``: what the profile ``best`` uses on a class of machines, and why."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sensorium.cli.call import Call
from sensorium.cli.completion import complete_tasks
from sensorium.cli.interrupt import command
from sensorium.cli.options import AsJson, examples
from sensorium.cli.terminal import aligned, size
from sensorium.errors import InputError

if TYPE_CHECKING:
    from sensorium.models.checkpoint import Checkpoint

_SHOWN = ("name", "reason", "better_for", "figure", "figure_source", "chosen", "licence", "commercial_use")

Task = Annotated[
    str | None,
    typer.Argument(metavar="TASK", help="One task; without it, all of them.", autocompletion=complete_tasks),
]
Hardware = Annotated[
    str | None,
    typer.Option("--hardware", metavar="NAME", help="Class of machines, such as gpu-16gb; by default this one's."),
]
Why = Annotated[bool, typer.Option("--why", metavar="", help="Show the reason, the figure and where it stands.")]


def register(group: typer.Typer) -> None:
    """Add the command to the group of models."""
    group.command(
        "best",
        epilog=examples(
            "sensorium models best",
            "sensorium models best speech-to-text --why",
            "sensorium models best image-chat --hardware gpu-16gb --json",
        ),
    )(best)


@command
def best(task: Task = None, hardware: Hardware = None, why: Why = False, as_json: AsJson = False) -> None:
    """Show which checkpoint the profile best uses for a task on this class of machine, and what it was chosen for."""
    with Call(as_json=as_json) as call:
        from sensorium.models import catalog

        machine = _machine(hardware)
        picks = [(each, entry) for each in _tasks(task) for entry in catalog.best_for(each, machine)]
        if as_json:
            call.document({"hardware": machine, "picks": [{"task": each, **_pick(entry)} for each, entry in picks]})
        elif why:
            call.show(None, {}, "\n\n".join(_explained(each, entry) for each, entry in picks))
        else:
            call.table(
                ("TASK", "NAME", "SIZE", "COMMERCIAL", "BETTER FOR"),
                [(each, e.name, size(e.size_bytes), e.commercial_use, e.better_for) for each, e in picks],
            )


def _machine(hardware: str | None) -> str:
    from sensorium.models.device import HARDWARE, hardware_class

    if hardware is None:
        return hardware_class()
    if hardware not in HARDWARE:
        raise InputError(f"{hardware!r} is no class of machines", f"Choose {', '.join(HARDWARE)}")
    return hardware


def _tasks(task: str | None) -> list[str]:
    from sensorium.models import catalog

    known = sorted({each for entry in catalog.entries(profile="best") for each in (entry.task, *entry.also_for)})
    if task is None:
        return known
    if task not in known:
        raise InputError(f"The profile best has no checkpoint for {task!r}", f"Choose {', '.join(known)}")
    return [task]


def _pick(entry: Checkpoint) -> dict[str, Any]:
    card = asdict(entry)
    return {name: card[name] for name in _SHOWN}


def _explained(task: str, entry: Checkpoint) -> str:
    rows = [
        ("better for", entry.better_for),
        ("reason", entry.reason),
        ("figure", entry.figure),
        ("found in", entry.figure_source),
        ("chosen", entry.chosen),
        ("size", size(entry.size_bytes)),
        ("licence", f"{entry.licence} (commercial use: {entry.commercial_use})"),
    ]
    return "\n".join([f"{task}: {entry.name}", *("  " + aligned(row, (11, 0)) for row in rows if row[1])])
