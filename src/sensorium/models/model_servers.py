"""OpenAI-compatible servers on which this process's configuration lets models run, each under a name of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sensorium.models.checkpoint import Checkpoint, ModelServer
from sensorium.record import Record

FAMILY = "openai"
TASKS = ("image-chat", "image-question-answering", "text-generation", "video-question-answering")
"""What a model that sees can do behind a server."""
PAINTING = "text-to-image"


@dataclass(frozen=True, eq=False, repr=False)
class ServedModel(Record):
    """A model behind a server.

    Attributes:
        name: What it is called here.
        address: Base address of the server, such as ``http://gpu-7:8000/v1``.
        model: What the server calls it.
        tasks: What it is asked for.
        key_variable: The environment variable that holds the server's key; "" if it needs none.
        patience: Seconds that the server may be silent.
        requests: How many requests are with it at the same time.
    """

    name: str
    address: str
    model: str
    tasks: tuple[str, ...] = TASKS
    key_variable: str = ""
    patience: float = 600.0
    requests: int = 16


_known: dict[str, Checkpoint] = {}


def know(models: Iterable[ServedModel]) -> None:
    """Let the catalog of this process know some models behind servers, and none that it knew before."""
    global _known
    _known = {model.name: _checkpoint(model) for model in models}


def known() -> Mapping[str, Checkpoint]:
    """Return the models behind servers, by name."""
    return _known


def _checkpoint(model: ServedModel) -> Checkpoint:
    return Checkpoint(
        name=model.name,
        task=model.tasks[0],
        also_for=model.tasks[1:],
        family=FAMILY,
        endpoint=model.address,
        server=ModelServer(model.model, model.key_variable, model.patience, model.requests),
        description=f"{model.model}, which runs on another server.",
    )
