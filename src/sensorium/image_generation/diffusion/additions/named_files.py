"""The user's own folders of LoRA files and embeddings, which prompts name by the files' stems."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sensorium import settings
from sensorium.errors import InputError
from sensorium.image_generation.diffusion.additions.added_file import AddedFile
from sensorium.media.source import ResolvedMedia
from sensorium.models.single_file import SUFFIX


@dataclass(frozen=True)
class NamedFiles:
    """The safetensors files of a folder and of those inside it; without a folder there are none.

    Attributes:
        folder: Where they lie, or None.
        variable: The environment variable that says so.

    Raises:
        InputError: There is no such folder.
    """

    folder: Path | None
    variable: str

    def __post_init__(self) -> None:
        if self.folder is not None and not self.folder.is_dir():
            raise InputError(f"{self.variable} names no folder: {str(self.folder)!r}", "Name one that is there")

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """All that can be read: a link may lead nowhere, and a folder may be called like a file."""
        found = () if self.folder is None else sorted(self.folder.rglob(f"*{SUFFIX}"))
        return tuple(file for file in found if file.is_file() and os.access(file, os.R_OK))

    def find(self, name: str) -> Path | None:
        """Return the file with a stem, in any case if no other is written so; never one that a path names.

        Raises:
            InputError: Several have that stem.
        """
        exact = [file for file in self.files if file.stem == name]
        found = exact or [file for file in self.files if file.stem.lower() == name.lower()]
        if len(found) > 1:
            raise InputError(
                f"{len(found)} files of the folder that {self.variable} names are called {name!r}", "Rename one of them"
            )
        return found[0] if found else None

    def alone(self) -> tuple[Path, ...]:
        """Return those whose stems no other file has, in whatever case."""
        count = Counter(file.stem.lower() for file in self.files)
        return tuple(file for file in self.files if count[file.stem.lower()] == 1)

    def suggestion(self, name: str, *others: str) -> str:
        """Return the beginning of a remedy: stems, and names of ``others``, that are written much like ``name``."""
        near = difflib.get_close_matches(name, [*others, *(file.stem for file in self.files)], n=3)
        return f"Did you mean {' or '.join(map(repr, near))}? " if near else ""


def recorded_source(
    kind: str, table: Mapping[str, Any], given: Sequence[AddedFile], own: NamedFiles
) -> Path | ResolvedMedia:
    """Return the very file that a picture was made with.

    Args:
        kind: What it is, for the words of an error: "LoRA", "embedding".
        table: Its name and sha256, as the picture's settings have them.
        given: Files of the call.
        own: Files of the user's own folder: one of that name will do, too.

    Raises:
        InputError: It is not among them.
    """
    named = (AddedFile(file) for file in own.files if file.name == table["name"])
    for each in (*given, *named):
        if each.sha256 == table["sha256"]:
            return each.source
    raise InputError(
        f"The picture was made with the {kind} {table['name']!r}, which is not among the files given",
        "Give that very file",
    )


def lora_files() -> NamedFiles:
    """Return the files of ``SENSORIUM_LORAS``."""
    return NamedFiles(settings.loras(), "SENSORIUM_LORAS")


def embedding_files() -> NamedFiles:
    """Return the files of ``SENSORIUM_EMBEDDINGS``."""
    return NamedFiles(settings.embeddings(), "SENSORIUM_EMBEDDINGS")
