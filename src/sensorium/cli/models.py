"""``sensorium models``: which checkpoints there are, their cards, fetching and removing them."""

from __future__ import annotations

import logging
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sensorium import settings
from sensorium.cli import best_models, loaded_models
from sensorium.cli.call import Call
from sensorium.cli.completion import complete_models, complete_profiles, complete_pullable, complete_tasks
from sensorium.cli.inputs import Input
from sensorium.cli.interrupt import cancel, command
from sensorium.cli.options import AsJson, Quiet, Server, examples
from sensorium.cli.terminal import size
from sensorium.errors import InputError, ModelUnavailableError
from sensorium.models.catalog import PROFILES, Checkpoint
from sensorium.models.foreign_layouts import ForeignLayout, folders_config, foreign_layout
from sensorium.models.single_file import read_weights_file, weights_path

_MUCH = 2_000_000_000
"""Bytes. Before a larger download, the user is asked."""

"""Used as the task of a checkpoint that isn't in the catalog."""

_OF_NO_USE = "Nothing here uses checkpoints of this family."

Names = Annotated[
    list[str], typer.Argument(metavar="NAME", help="Names of checkpoints.", autocompletion=complete_models)
]


def register(app: typer.Typer) -> None:
    """Add the group and its commands."""
    group = typer.Typer(
        no_args_is_help=True, help="Show, fetch and remove checkpoints.", epilog=examples("sensorium models list")
    )
    group.command(
        "list",
        epilog=examples(
            "sensorium models list",
            "sensorium models list --profile best",
            "sensorium models list --task speech-to-text --json",
        ),
    )(list_models)
    group.command(
        "info",
        epilog=examples(
            "sensorium models info whisper-base",
            "sensorium models info runwayml/stable-diffusion-v1-5",
            "sensorium models info ink.safetensors",
        ),
    )(info)
    group.command("pull", epilog=examples("sensorium models pull starter", "sensorium models pull whisper-base"))(pull)
    group.command("remove", epilog=examples("sensorium models remove whisper-base"))(remove)
    best_models.register(group)
    loaded_models.register(group)
    group.command("path", epilog=examples("sensorium models path", "sensorium models path whisper-base"))(path)
    app.add_typer(group, name="models", rich_help_panel="Sensorium")


@command
def list_models(
    task: Annotated[
        str | None,
        typer.Option("--task", metavar="NAME", help="Only those for one task.", autocompletion=complete_tasks),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option("--profile", metavar="NAME", help="Only those of one profile.", autocompletion=complete_profiles),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the checkpoints of the catalog."""
    with Call(as_json=as_json) as call:
        from sensorium.models import catalog

        entries = catalog.entries(task, profile)
        if not entries:
            known = ", ".join(sorted({entry.task for entry in catalog.entries()}))
            wanted = [f"task {task!r}"] * (task is not None) + [f"profile {profile!r}"] * (profile is not None)
            raise InputError(
                f"There is no checkpoint for {' and '.join(wanted)}",
                f"Tasks are {known}; profiles are {', '.join(PROFILES)}",
            )
        if as_json:
            call.document({"checkpoints": [_card(entry) for entry in entries]})
            return
        best = profile == "best"
        columns = {
            "NAME": [entry.name for entry in entries],
            "TASK": [entry.task for entry in entries],
            "HARDWARE" if best else "PROFILES": [",".join(e.hardware if best else e.profiles) for e in entries],
            "SIZE": [size(entry.size_bytes) for entry in entries],
            "LICENCE": [entry.licence for entry in entries],
            **({"COMMERCIAL": [entry.commercial_use for entry in entries]} if best else {}),
            "HERE": [_presence(entry) for entry in entries],
            **({"REASON": [entry.reason for entry in entries]} if best else {}),
        }
        call.table(tuple(columns), list(zip(*columns.values(), strict=True)))


@command
def info(names: Names, as_json: AsJson = False) -> None:
    """Show the cards of checkpoints: what they are, their limits, licence, sizes and sums; or what a file holds."""
    with Call(as_json=as_json) as call:
        for item in call.inputs([Input(name) for name in names]):
            with call.attempt(item):
                card = _card(_described(_find(item.name)))
                call.show(None, card, _card_text(card))


@command
def pull(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME",
            help="Checkpoints, hub ids, or a profile for all of its checkpoints.",
            autocompletion=complete_pullable,
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Don't ask before fetching gigabytes.")] = False,
    convert_pickle: Annotated[
        bool,
        typer.Option(
            "--convert-pickle",
            metavar="",
            help="Allow pickled weights, where the catalog names some: their numbers are kept as safetensors.",
        ),
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    server: Server = None,
) -> None:
    """Fetch checkpoints, and those that they need beside them, so that they work without network.

    Of the profile best, those for this class of machine are fetched; SENSORIUM_HARDWARE chooses another one.
    """
    with Call(as_json=as_json, quiet=quiet) as call:
        from sensorium.models import store

        _tell_sources(call)
        wanted = {entry.name: entry for name in names for entry in _expand(name)}
        there = server or settings.server()
        if there is not None:
            loaded_models.pull_there(call, there, list(wanted), convert_pickle=convert_pickle)
            return
        _announce(call, list(wanted.values()), asking=not yes)
        for item in call.inputs([Input(name) for name in wanted]):
            with call.attempt(item):
                entry = wanted[item.name]
                present = store.is_present(entry)
                folder = store.locate(entry, progress=call.progress, cancel=cancel, convert_pickle=convert_pickle)
                document = {"name": entry.name, "folder": str(folder), "fetched": not present}
                call.show(None, document, f"{entry.name}: {'already here' if present else 'fetched'}, {folder}")


@command
def remove(names: Names, as_json: AsJson = False) -> None:
    """Delete fetched checkpoints and everything made from them."""
    with Call(as_json=as_json) as call:
        from sensorium.models import store

        for item in call.inputs([Input(name) for name in names]):
            with call.attempt(item):
                entry = _find(item.name)
                freed = store.remove(entry)
                text = f"{entry.name}: removed, {size(freed)} freed" if freed else f"{entry.name}: nothing to remove"
                call.show(None, {"name": entry.name, "freed_bytes": freed}, text)


@command
def path(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="A checkpoint; without one, the folder of all.", autocompletion=complete_models
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the folder that holds the fetched checkpoints, or one of them."""
    with Call(as_json=as_json) as call:
        from sensorium.models import store

        if name is None:
            folder = settings.home()
        else:
            entry = _find(name)
            if not store.is_present(entry):
                raise ModelUnavailableError(
                    f"The checkpoint {entry.name!r} is not here", f"'sensorium models pull {entry.name}' fetches it"
                )
            folder = store.locate(entry)
        call.show(None, {"path": str(folder)}, str(folder))


def _find(name: str) -> Checkpoint:
    """Return the checkpoint of a given name, for any task."""
    from sensorium.image_generation.ip_adapter import adapter_on_the_hub
    from sensorium.models import catalog

    return catalog.find(name) or adapter_on_the_hub(name) or catalog.resolve(name, task=catalog.ANY_TASK)


def _described(entry: Checkpoint) -> Checkpoint:
    """If a checkpoint isn't in the catalog, fill in its family and tasks, which its own files tell."""
    from dataclasses import replace

    from sensorium.image_generation.diffusion.control.control_kinds import describe_network
    from sensorium.models import catalog, store
    from sensorium.suitability import tasks_for

    if entry.task != catalog.ANY_TASK:
        return entry
    folder = None
    family = entry.family
    file = foreign = None
    told = ""
    if entry.folder and entry.hub_files:
        file = weights_path(Path(entry.folder), entry.hub_files)
    if not family:
        if not store.is_present(entry):
            unknown = "Not in the catalog, and not here: once it is pulled, its files tell what it is."
            return replace(entry, task="", description=unknown)
        folder = store.locate(entry)
        family = catalog.family_of(folder)
        file = weights_path(folder)
        config = folders_config(folder)
        foreign, told = foreign_layout(config), describe_network(config)
    tasks = tasks_for(entry, folder)
    return replace(
        entry,
        task=tasks[0] if tasks else "",
        also_for=tasks[1:],
        family=family,
        size_bytes=file.stat().st_size if file else entry.size_bytes,
        description=read_weights_file(file).sentence if file else told or _without_file(tasks, foreign),
    )


def _without_file(tasks: tuple[str, ...], foreign: ForeignLayout | None) -> str:
    if foreign is not None:
        return f"It {foreign.reason}. {foreign.remedy}."
    return "" if tasks else _OF_NO_USE


def _expand(name: str) -> list[Checkpoint]:
    from sensorium.models import catalog

    if name not in PROFILES:
        entry = _find(name)
        return [entry, *map(catalog.named, entry.companions)]
    return catalog.fetched_for(name)


def _announce(call: Call, entries: list[Checkpoint], *, asking: bool) -> None:
    """Before a large download: say how much will be fetched, check the disk space, and ask a user at a terminal."""
    from huggingface_hub import constants

    from sensorium.models import catalog, store

    parts = {name: catalog.named(name) for entry in entries for name in entry.components}
    absent = {e.name: e for e in (*entries, *parts.values()) if not e.components and not store.is_present(e)}
    total = sum(entry.size_bytes for entry in absent.values())
    if total < _MUCH:
        return
    cache = Path(constants.HF_HUB_CACHE)
    free = shutil.disk_usage(next(folder for folder in (cache, *cache.parents) if folder.exists())).free
    amount = f"{len(absent)} checkpoint{'s' if len(absent) > 1 else ''} of {size(total)} in all"
    if total > free:
        raise InputError(
            f"There is no room for {amount}: {size(free)} are free in {str(cache)!r}",
            "Free some space, pull fewer checkpoints by name, or set HF_HOME to a folder on a larger disk",
        )
    call.note(f"To be fetched: {amount}; {size(free)} are free")
    if asking and sys.stdin.isatty() and not typer.confirm("Fetch them?", err=True):
        raise typer.Abort()


def _card(entry: Checkpoint) -> dict[str, Any]:
    from dataclasses import asdict

    from sensorium.models import store

    return {**asdict(entry), "present": store.is_present(entry)}


def _card_text(card: dict[str, Any]) -> str:
    from sensorium.cli.terminal import aligned

    sums = [f"{file['path']}  {file['size_bytes']:,} bytes  sha256 {file['sha256']}" for file in card["files"]]
    carrier = "sensorium" if any(file["carried"] for file in card["files"]) else ""
    parcels = sorted({part["package"] for file in card["files"] for part in file["parts"]})
    places = [card, *card["sources"]]
    hub = [" ".join(filter(None, (each["repository"], each["revision"], each.get("pickle")))) for each in places]
    rows = [
        ("task", ", ".join(filter(None, [card["task"], *card["also_for"]]))),
        ("family", card["family"]),
        ("description", card["description"]),
        ("limits", card["limits"]),
        ("licence", card["licence"]),
        ("commercial", card["commercial_use"]),
        ("languages", ", ".join(card["languages"])),
        ("profiles", ", ".join(card["profiles"])),
        ("best for", ", ".join(card["hardware"])),
        ("reason", card["reason"]),
        ("better for", card["better_for"]),
        ("figure", card["figure"]),
        ("found in", card["figure_source"]),
        ("chosen", card["chosen"]),
        ("also called", ", ".join(card["aliases"])),
        ("made of", ", ".join(card["components"])),
        ("needs", ", ".join(card["companions"])),
        ("size", size(card["size_bytes"])),
        ("memory", size(card["memory_bytes"])),
        ("package", card["installed"] or carrier),
        ("parcels", ", ".join(parcels)),
        *zip(["hub", *["or"] * (len(hub) - 1)], hub, strict=True),
        ("files", ""),
        *(("", line) for line in sums),
        ("citation", card["citation"]),
        ("here", "yes" if card["present"] else "no"),
    ]
    shown = [row for row in rows if row[1] or (row[0] == "files" and sums)]
    return "\n".join([card["name"], *("  " + aligned(row, (11, 0)) for row in shown)])


def _presence(entry: Checkpoint) -> str:
    from sensorium.models import store

    return "yes" if store.is_present(entry) else "no"


def _tell_sources(call: Call) -> None:
    """Print the store's log messages as notes: where each checkpoint is fetched from, and why a source failed."""

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            call.note(text[:1].upper() + text[1:])

    logger = logging.getLogger("sensorium.models")
    logger.setLevel(logging.INFO)
    logger.handlers = [Notes()]
