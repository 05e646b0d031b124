"""Which checkpoints exist: one small TOML file each in ``cards/``, found by name, alias, hub id or folder."""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from sensorium import settings
from sensorium.errors import InputError, ModelUnavailableError
from sensorium.models import model_servers
from sensorium.models.adapter_repositories import ADAPTER_CONFIG, described_adapter
from sensorium.models.checkpoint import Checkpoint as Checkpoint
from sensorium.models.checkpoint import CheckpointFile as CheckpointFile
from sensorium.models.checkpoint import Part as Part
from sensorium.models.device import hardware_class
from sensorium.models.hub_source import HubSource
from sensorium.models.lora_names import LORA
from sensorium.models.single_file import SUFFIX, UNKNOWN, only_weights_file, read_weights_file
from sensorium.models.unlisted_checkpoints import ANY_TASK as ANY_TASK
from sensorium.models.unlisted_checkpoints import ENDPOINT as ENDPOINT
from sensorium.models.unlisted_checkpoints import from_endpoint, from_file, from_folder, from_gguf, from_lora

PROFILES = ("starter", "standard", "best")

_LONGEST_HUB_ID = 96
"""As the hub's own library has it."""
_names_only: ContextVar[bool] = ContextVar("names_only", default=False)
_MODULAR = "modular_model_index.json"
_FILES = (SUFFIX, ".ckpt", ".pt", ".pth")
"""A name that ends so is that of a file, never a hub id."""


def entries(task: str | None = None, profile: str | None = None) -> list[Checkpoint]:
    """Return the catalog's entries, sorted by task and name; if asked, only those of one task or one profile.

    Models behind servers that the configuration names are among them.
    """
    found = [
        entry
        for entry in (*_read_catalog().values(), *model_servers.known().values())
        if (task is None or task in (entry.task, *entry.also_for)) and (profile is None or profile in entry.profiles)
    ]
    return sorted(found, key=lambda entry: (entry.task, entry.name))


def best_for(task: str, hardware: str) -> list[Checkpoint]:
    """Return what the profile ``best`` uses for a task on a class of machines, and what else it names there.

    Args:
        task: Such as ``"speech-to-text"``.
        hardware: One of `sensorium.models.device.HARDWARE`.

    Returns:
        The default, if there is one, and then those that are to be taken by name.
    """
    by_name = [entry for entry in entries(task, "best") if "best" in entry.by_name]
    return [entry for entry in (*defaults(task, "best"), *by_name) if hardware in entry.hardware]


def fetched_for(profile: str) -> list[Checkpoint]:
    """Return what is fetched for a profile: of ``best`` what this class of machine uses, without what is better for
    some things only."""
    listed = entries(profile=profile)
    if profile != "best":
        return listed
    machine = hardware_class()
    return [entry for entry in listed if machine in entry.hardware and not entry.better_for]


def current_profile() -> str:
    """Return the profile that applies if a caller names none: ``SENSORIUM_PROFILE``, or ``starter``.

    Raises:
        InputError: ``SENSORIUM_PROFILE`` names no profile.
    """
    return known_profile(settings.profile())


def named(name: str) -> Checkpoint:
    """Return the catalog entry called exactly ``name``."""
    return _read_catalog().get(name) or model_servers.known()[name]


def find(name: str) -> Checkpoint | None:
    """Return the entry that a name, a repository or an alias means, for any task; None if there is none.

    Raises:
        InputError: Several entries have that repository.
    """
    found = _named(name)
    sharing = [entry.name for entry in found if entry.repository == name]
    if len(sharing) > 1:
        raise InputError(
            f"The repository {name!r} holds {len(sharing)} checkpoints of the catalog",
            f"Name one of them: {', '.join(sorted(sharing))}",
        )
    return next((entry for entry in found if entry.name == name), found[0] if found else None)


def component(checkpoint: Checkpoint, task: str) -> str | None:
    """Return the name of the component that does a task, or None where the entry names none."""
    parts = map(named, checkpoint.components)
    return next((part.name for part in parts if part.task == task), None)


def resolve(model: str | os.PathLike[str] | None, *, task: str, profile: str | None = None) -> Checkpoint:
    """Find the checkpoint that a caller means; nothing is fetched.

    With ``SENSORIUM_SUBSTITUTE="medium=base,…"``, code that asks for ``medium`` gets ``base``: a user can run the code
    without having ``medium``. Results name the checkpoint that really ran.

    Args:
        model: Catalog name, alias, hub id, local folder, ``.gguf`` or ``.safetensors`` file, ``openai:NAME`` or
            ``openai:NAME@BASE_URL`` for a model behind an OpenAI-compatible server, or None for the profile's default.
        task: The task that the checkpoint is for.
        profile: The profile whose default is used if ``model`` is None; None for `current_profile`.

    Raises:
        ModelUnavailableError: No checkpoint of that name can do the task.
        InputError: There is no such profile, or it is named by a path where names alone count (`names_only`).
    """
    substitutes = settings.substitutes()
    if model is None:
        default = _profile_default(task, known_profile(profile) if profile else current_profile())
        asked, substitute = default.name, _substitute(default, substitutes)
        if not substitute:
            return default
    else:
        asked = os.fspath(model)
        known = next((entry for entry in _named(asked) if task in (entry.task, *entry.also_for)), None)
        substitute = substitutes.get(asked) or (_substitute(known, substitutes) if known else "")
    wanted = substitute or asked
    if substitute and _names_only.get():
        _require_a_name(asked, substitute)
    if wanted.startswith(ENDPOINT):
        return from_endpoint(wanted, task)
    if wanted.startswith(LORA):
        return from_lora(wanted, task)
    of_that_name = _named(wanted)
    for entry in of_that_name:
        if task in (entry.task, *entry.also_for):
            return entry
    if _names_only.get():
        return _known_to_the_hub(wanted, task, of_that_name)
    path = settings.user_path(wanted)
    # pathlib's own questions raise an error for a name that is too long for a file.
    if wanted and os.path.isdir(path):  # noqa: PTH112
        return from_folder(path, task)
    if path.suffix == ".gguf" and os.path.isfile(path):  # noqa: PTH113
        return from_gguf(path.resolve(), task)
    is_path = path.is_absolute() or wanted.startswith(("~", "./", "../")) or path.suffix in _FILES
    if is_path and os.path.isfile(path):  # noqa: PTH113
        return from_file(path, task)
    if is_path:
        raise ModelUnavailableError(
            f"There is no {'file' if path.suffix in _FILES else 'folder'} {wanted!r}",
            "Name the folder that contains config.json and the weights, or a file that holds a whole checkpoint",
        )
    return _known_to_the_hub(wanted, task, of_that_name)


@contextmanager
def names_only() -> Iterator[None]:
    """Let `resolve` look at no folder or file inside the block: strangers aren't even told whether they exist."""
    before = _names_only.set(True)
    try:
        yield
    finally:
        _names_only.reset(before)


def files_may_be_named() -> bool:
    """Return whether names may be those of files and folders here: not inside `names_only`."""
    return not _names_only.get()


def _require_a_name(asked: str, substitute: str) -> None:
    """Refuse what stands in for a checkpoint where names alone count, without a word of whoever runs this machine."""
    is_path = substitute.startswith(("/", "~", ".")) or settings.user_path(substitute).exists()
    if _named(substitute) or (_is_hub_id(substitute) and not is_path):
        return
    raise ModelUnavailableError(
        f"The model {asked!r} can't be used here: what stands in for it (SENSORIUM_SUBSTITUTE) is neither a catalog "
        "entry nor a hub id",
        "Name another model, or ask whoever runs this server to name one of these there",
    )


def _is_hub_id(name: str) -> bool:
    return re.fullmatch(r"[\w.-]+/[\w.-]+", name) is not None and len(name) <= _LONGEST_HUB_ID


def _known_to_the_hub(wanted: str, task: str, of_that_name: Sequence[Checkpoint]) -> Checkpoint:
    if _names_only.get() and (wanted.startswith(("/", "~", ".")) or "\\" in wanted):
        raise InputError(
            f"The model {wanted!r} is named by a path: folders of this machine can't be named here",
            "Name a catalog entry or a hub id",
        )
    if of_that_name:
        raise ModelUnavailableError(
            f"The checkpoint {wanted!r} is for {of_that_name[0].task}, not for {task}",
            f"'sensorium models list --task {task}' shows those that are",
        )
    if _is_hub_id(wanted):
        return Checkpoint(name=wanted, task=task, repository=wanted)
    names = [name for entry in entries(task) or entries() for name in (entry.name, *entry.aliases)]
    near = difflib.get_close_matches(wanted, names, n=1)
    raise ModelUnavailableError(
        f"No checkpoint for {task} is called {wanted!r}",
        (f"Did you mean {near[0]!r}? " if near else "")
        + f"'sensorium models list' shows all names; a hub id {'' if _names_only.get() else 'or a folder '}works too",
    )


def parse_files(tables: Iterable[Mapping[str, Any]]) -> tuple[CheckpointFile, ...]:
    """Read the ``[[files]]`` tables of a catalog file."""
    return tuple(
        CheckpointFile(
            path=table["path"],
            size_bytes=table["bytes"],
            sha256=table["sha256"],
            parts=tuple(Part(**part) for part in table.get("parts", ())),
            carried=table.get("carried", ""),
        )
        for table in tables
    )


def family_of(folder: Path) -> str:
    """Return the ``model_type`` of a checkpoint folder's ``config.json``, or what its only weights file is.

    Raises:
        ModelUnavailableError: There is no readable ``config.json``, and not one weights file.
    """
    for name in ("config.json", "model_index.json"):
        path = folder / name
        if path.is_file():
            try:
                config = json.loads(path.read_text(encoding="utf-8"))
                return str(config.get("model_type") or config.get("_class_name") or "")
            except (ValueError, AttributeError, RecursionError):
                raise ModelUnavailableError(
                    f"The file {name} of the checkpoint {folder.name!r} is not valid JSON",
                    "Fetch the checkpoint again",
                ) from None
    adapter = folder / ADAPTER_CONFIG
    if adapter.is_file():
        base, kind = described_adapter(adapter.read_text(encoding="utf-8", errors="replace"))
        raise ModelUnavailableError(
            f"The folder {str(folder)!r} holds {kind} for {base}, not a whole model",
            f"Use {base}, or a folder in which the adapter is merged into it",
        )
    file = only_weights_file(folder)
    if file is not None and (family := read_weights_file(file).content.family) != UNKNOWN:
        return family
    if (folder / _MODULAR).is_file():
        raise ModelUnavailableError(
            f"The folder {str(folder)!r} is for diffusers' modular pipelines ({_MODULAR}), which aren't opened here",
            "Choose one in diffusers' usual layout, which has a model_index.json",
        )
    raise ModelUnavailableError(
        f"The folder {str(folder)!r} holds no checkpoint: it has no config.json",
        "Name the folder that contains config.json and the weights",
    )


def known_profile(profile: str) -> str:
    """Return the profile's name, after checking that the profile exists.

    Raises:
        InputError: There is no profile of that name.
    """
    if profile not in PROFILES:
        raise InputError(f"There is no profile {profile!r}", f"Choose {', '.join(PROFILES)}")
    return profile


def _profile_default(task: str, profile: str) -> Checkpoint:
    found = defaults(task, profile)
    if profile == "best":
        machine = hardware_class() if found else ""
        found = [entry for entry in found if machine in entry.hardware]
    if found:
        return found[0]
    others = defaults(task, "standard")
    name = others[0].name if others else ""
    raise ModelUnavailableError(
        f"The profile {profile!r} has no checkpoint for {task}",
        f"Pull one where there is network: 'sensorium models pull {name}', then use it with --profile standard, or "
        "SENSORIUM_PROFILE=standard"
        if name and profile != "standard"
        else f"Name one with model=…; 'sensorium models list --task {task}' shows what there is",
    )


def defaults(task: str, profile: str) -> list[Checkpoint]:
    """Return which checkpoint a profile uses for a task by default: one entry, or one entry per class of machines."""
    found = [entry for entry in entries(task, profile) if profile not in entry.by_name]
    made_for_it = [entry for entry in found if entry.task == task]
    covered = {machine for entry in made_for_it for machine in entry.hardware}
    others = [entry for entry in found if entry.task != task and covered.isdisjoint(entry.hardware)]
    return made_for_it if made_for_it and profile != "best" else made_for_it + others


def _named(name: str) -> list[Checkpoint]:
    all_entries = (*_read_catalog().values(), *model_servers.known().values())
    return [entry for entry in all_entries if name in {entry.name, entry.repository, *entry.aliases} - {""}]


def _substitute(entry: Checkpoint, substitutes: Mapping[str, str]) -> str:
    """Return the name of the checkpoint that replaces an entry, whichever of its names the user gave, or ""."""
    return next((substitutes[n] for n in (entry.name, entry.repository, *entry.aliases) if n in substitutes), "")


@cache
def _read_catalog() -> dict[str, Checkpoint]:
    found: dict[str, Checkpoint] = {}
    for path in package_files("sensorium.models").joinpath("cards").iterdir():
        if path.name.endswith(".toml"):
            entry = _parse(tomllib.loads(path.read_text(encoding="utf-8")))
            found[entry.name] = entry
    return {
        name: replace(entry, size_bytes=sum(found[part].size_bytes for part in entry.components))
        if entry.components
        else entry
        for name, entry in found.items()
    }


def _parse(table: dict[str, Any]) -> Checkpoint:
    files = parse_files(table.pop("files", ()))
    sources = tuple(HubSource(**source) for source in table.pop("sources", ()))
    values: dict[str, Any] = {name: tuple(item) if isinstance(item, list) else item for name, item in table.items()}
    values["size_bytes"] = values.get("size_bytes") or sum(file.size_bytes for file in files)
    return Checkpoint(files=files, sources=sources, **values)
