"""``sensorium models loaded``, ``load``, ``unload`` and ``pin``: the models that a server holds in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sensorium import settings
from sensorium.cli.call import Call
from sensorium.cli.inputs import Input
from sensorium.cli.interrupt import cancel, command
from sensorium.cli.options import AsJson, Device, Dtype, Model, Profile, Quantize, Server, examples
from sensorium.cli.terminal import size
from sensorium.progress import Progress

if TYPE_CHECKING:
    from sensorium.client import Client

DEFAULT_SERVER = "http://127.0.0.1:8756"

Name = Annotated[str, typer.Argument(metavar="NAME", help="A loaded model, as 'sensorium models loaded' shows it.")]


def register(group: typer.Typer) -> None:
    """Add the commands to the group of models."""
    for name, function, line in (
        ("loaded", loaded, "sensorium models loaded"),
        ("load", load, "sensorium models load transcribe --model whisper-base"),
        ("unload", unload, "sensorium models unload starter"),
        ("pin", pin, "sensorium models pin starter"),
    ):
        group.command(name, epilog=examples(line))(function)


@contextmanager
def server_at(address: str | None) -> Iterator[Client]:
    """Give a client of the server that a command means: the one it names, else SENSORIUM_SERVER, else this machine's.

    Raises:
        InputError: That is no address.
    """
    from sensorium.client import Client

    with Client(address or settings.server() or DEFAULT_SERVER, cancel=cancel) as client:
        yield client


@command
def loaded(server: Server = None, as_json: AsJson = False) -> None:
    """List the models that a server has loaded."""
    with Call(as_json=as_json) as call, server_at(server) as client:
        models = client.ask("GET", "/models")["loaded"]
        if as_json:
            call.document({"models": models})
            return
        call.table(("NAME", "DEVICE", "STATE", "MEMORY", "GPU", "PINNED"), [_row(each) for each in models])


@command
def load(
    operation: Annotated[
        str, typer.Argument(metavar="OPERATION", help="What it is to do, such as transcribe or find-moment.")
    ],
    model: Model = None,
    profile: Profile = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    quantize: Quantize = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Load the model on which an operation would run, so that the first who asks needn't wait."""
    choice = {"model": model, "profile": profile, "device": device, "dtype": dtype, "quantize": quantize}
    with Call(as_json=as_json) as call, server_at(server) as client:
        state = client.ask("POST", "/models/load", json={"operation": operation, **choice}, timeout=None)
        call.show(None, state, f"{state['name']}: loaded, {size(state['memory'])}")


@command
def unload(name: Name, server: Server = None, as_json: AsJson = False) -> None:
    """Free the memory of a model, once what runs on it has ended."""
    with Call(as_json=as_json) as call, server_at(server) as client:
        client.ask("POST", "/models/unload", json={"model": name}, timeout=None)
        call.show(None, {"name": name, "loaded": False}, f"{name}: unloaded")


@command
def pin(
    name: Name,
    off: Annotated[bool, typer.Option("--off", metavar="", help="Let it be unloaded again to make room.")] = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Keep a loaded model in memory, whatever else needs room."""
    with Call(as_json=as_json) as call, server_at(server) as client:
        state = client.ask("POST", "/models/pin", json={"model": name, "pinned": not off})
        call.show(None, state, f"{name}: {'pinned' if state['pinned'] else 'not pinned'}")


def pull_there(call: Call, address: str, names: list[str], *, convert_pickle: bool) -> None:
    """Let a server fetch checkpoints, showing its progress."""
    from sensorium.operations.events import event_from

    with server_at(address) as client:
        for item in call.inputs([Input(name) for name in names]):
            with call.attempt(item):
                for document in client.pull(item.name, convert_pickle=convert_pickle):
                    event = None if document["type"] == "ended" else event_from(document)
                    if isinstance(event, Progress):
                        call.progress(event)
                call.show(None, {"name": item.name, "server": address}, f"{item.name}: there, at {address}")


def _row(state: Mapping[str, Any]) -> tuple[str, ...]:
    pinned = "yes" if state["pinned"] else "no"
    return (state["name"], state["device"], state["state"], size(state["memory"]), size(state["gpu_memory"]), pinned)
