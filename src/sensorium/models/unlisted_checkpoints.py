"""Checkpoints that the catalog doesn't list: the user's folders and files, models behind servers, LoRA files."""

from __future__ import annotations

from pathlib import Path

from sensorium import settings
from sensorium.errors import InputError, ModelUnavailableError
from sensorium.models.checkpoint import Checkpoint
from sensorium.models.gguf_chat import gguf_family
from sensorium.models.gguf_header import may_paint, read_architecture
from sensorium.models.lora_names import LORA, LORA_TASK, hub_lora
from sensorium.models.single_file import SUFFIX, is_pickle, pickled, read_weights_file

ANY_TASK = "any task"
"""What `sensorium.models.catalog.resolve` is asked for by those who only fetch or describe a checkpoint."""
ENDPOINT = "openai:"
"""Names of models behind an OpenAI-compatible server begin with this. Without the colon, it is the name of their
family."""
OPENAI_ADDRESS = "https://api.openai.com/v1"
"""The server of an ``openai:`` model whose name gives no address."""


def from_folder(folder: Path, task: str) -> Checkpoint:
    """Return the checkpoint that a folder is."""
    return Checkpoint(name=folder.name, task=task, folder=str(folder.resolve()))


def from_file(path: Path, task: str) -> Checkpoint:
    """Return the checkpoint that a safetensors file is.

    Raises:
        ModelUnavailableError: It is a pickle, no checkpoint, or damaged.
    """
    if is_pickle(path):
        raise pickled(path)
    if path.suffix != SUFFIX:
        raise ModelUnavailableError(
            f"The file {path.name!r} is no checkpoint that can be opened alone",
            "Name the folder that contains config.json and the weights, or a .safetensors or .gguf file",
        )
    file = path.absolute()
    return Checkpoint(
        name=file.stem,
        task=task,
        family=read_weights_file(file).content.family,
        folder=str(file.parent),
        hub_files=(file.name,),
        size_bytes=file.stat().st_size,
    )


def from_gguf(file: Path, task: str) -> Checkpoint:
    """Return the checkpoint that a GGUF file is.

    Raises:
        ModelUnavailableError: It is damaged.
    """
    architecture = read_architecture(file)
    paints = may_paint(architecture)
    family = read_weights_file(file).content.family if paints else gguf_family(architecture or "")
    return Checkpoint(name=file.stem, task=task, family=family, folder=str(file.parent), hub_files=(file.name,))


def from_endpoint(wanted: str, task: str) -> Checkpoint:
    """Return the model behind a server that a name beginning with `ENDPOINT` means.

    Raises:
        InputError: It can't be read.
    """
    name, _, address = wanted.removeprefix(ENDPOINT).partition("@")
    endpoint = address or settings.openai_address() or OPENAI_ADDRESS
    if not name or not endpoint.startswith(("http://", "https://")):
        raise InputError(
            f"The model {wanted!r} can't be read",
            "Write it like 'openai:gpt-4o-mini' or 'openai:llava@http://localhost:8000/v1'",
        )
    return Checkpoint(name=f"{ENDPOINT}{name}", task=task, family="openai", endpoint=endpoint)


def from_lora(wanted: str, task: str) -> Checkpoint:
    """Return the LoRA of the hub that a name beginning with `LORA` means.

    Raises:
        ModelUnavailableError: It can't be read, or a model is asked for.
    """
    named_so = hub_lora(wanted)
    if named_so is None:
        raise ModelUnavailableError(
            f"The LoRA {wanted!r} can't be read", f"Write it like '{LORA}owner/repository', or with a file behind it"
        )
    if task not in (LORA_TASK, ANY_TASK):
        raise ModelUnavailableError(f"{wanted!r} is a LoRA, not a model", "Name a model, and give this as its LoRA")
    repository, file = named_so
    return Checkpoint(wanted, LORA_TASK, family="LoRA", repository=repository, hub_files=(file,) if file else ())
