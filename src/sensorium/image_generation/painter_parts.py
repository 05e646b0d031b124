"""Which parts of a painter come from elsewhere, and which are left out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

from sensorium.errors import InputError
from sensorium.models import catalog
from sensorium.models.catalog import Checkpoint
from sensorium.models.single_file import read_weights_file, weights_path
from sensorium.models.transformer_painters import transformer_painter
from sensorium.task import TaskOptions

TEXT_TO_IMAGE = "text-to-image"
DISPENSABLE = {"text_encoder_3": ("text_encoder_3", "tokenizer_3"), "safety_checker": ("safety_checker",)}
"""From what can be left out to the components that go with it."""


class PartsKeywords(TypedDict, total=False):
    """The keyword arguments that say which parts come from elsewhere, and which are left out.

    Attributes:
        base: Hub id, folder or catalog name of the checkpoint that gives a single file what it doesn't hold: FLUX and
            Stable Diffusion 3 are often a file that holds the denoiser alone.
        vae: Another autoencoder: a file, a folder or a hub id.
        without: What to leave out: ``"text_encoder_3"`` (T5, of Stable Diffusion 3) or ``"safety_checker"``. It is
            neither fetched nor opened.
    """

    base: str | os.PathLike[str] | None
    vae: str | os.PathLike[str] | None
    without: Sequence[str]


class PainterKeywords(TaskOptions, PartsKeywords, total=False):
    """The keyword arguments of a painting task's constructor: see `sensorium.task.Task` and `PartsKeywords`."""


@dataclass(frozen=True)
class PainterParts:
    """The parts that come from elsewhere.

    Attributes:
        base: The checkpoint that gives what a single file doesn't hold, or None.
        vae: The checkpoint whose autoencoder is used, or None.
    """

    base: Checkpoint | None = None
    vae: Checkpoint | None = None

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """All of them."""
        return tuple(part for part in (self.base, self.vae) if part is not None)

    def recorded(self, without: Sequence[str]) -> dict[str, Any]:
        """Return what a picture's settings say of the parts of its painter; nothing of a plain one."""
        named = {"base": self.base.name if self.base else "", "vae": self.vae.name if self.vae else ""}
        left_out = [name for name, parts in DISPENSABLE.items() if set(parts) <= set(without)]
        return {name: value for name, value in {**named, "without": left_out}.items() if value}


def with_parts(checkpoint: Checkpoint, keywords: PartsKeywords) -> tuple[Checkpoint, PainterParts]:
    """Return a checkpoint without what is left out, and the parts that come from elsewhere.

    Raises:
        InputError: Something can't be left out.
        ModelUnavailableError: A part isn't known.
    """
    left_out = keywords.get("without") or ()
    check_without(left_out)
    without = tuple(part for name in dict.fromkeys(left_out) for part in DISPENSABLE[name])
    base, vae = (_named(keywords.get("base")), _named(keywords.get("vae")))
    if base is not None:
        # What the file holds itself is neither fetched nor opened.
        base = replace(base, without=tuple(dict.fromkeys((*_held_by(checkpoint), *without))))
    return replace(checkpoint, without=without), PainterParts(base, vae)


def _held_by(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return the components that a painter in one file holds; of one that isn't here yet, only the denoiser is sure."""
    painter = None
    if checkpoint.folder and checkpoint.hub_files:
        path = weights_path(Path(checkpoint.folder), checkpoint.hub_files)
        painter = None if path is None else transformer_painter(read_weights_file(path))
    return tuple(painter.parts) if painter is not None and painter.parts else ("transformer",)


def check_without(names: Sequence[str]) -> None:
    """Refuse to leave out what no painter works without.

    Raises:
        InputError: One of the components is such.
    """
    for name in names:
        if name not in DISPENSABLE:
            raise InputError(
                f"{name!r} can't be left out: no painter works without it",
                f"What can be left out is {' and '.join(DISPENSABLE)}",
            )


def _named(name: str | os.PathLike[str] | None) -> Checkpoint | None:
    return None if name is None else catalog.resolve(name, task=TEXT_TO_IMAGE)
