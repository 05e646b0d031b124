"""Where a painter's components come from: a folder in diffusers' layout or one file, and parts from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sensorium.errors import InputError
from sensorium.image_generation.diffusion.checkpoints.autoencoder import (
    autoencoder_settings,
    open_autoencoder,
    require_autoencoder,
)
from sensorium.image_generation.diffusion.checkpoints.checkpoint import (
    SAFETY_CHECKER,
    CheckpointLayout,
    assemble,
    open_components,
    read_layout,
)
from sensorium.image_generation.diffusion.checkpoints.single_file import SingleFile, find_single_file
from sensorium.image_generation.diffusion.checkpoints.transformer_file import TransformerFile, find_transformer_file
from sensorium.image_generation.diffusion.other_pipelines import COMBINED
from sensorium.image_generation.diffusion.priors.two_halves import TwoHalves
from sensorium.image_generation.painter_parts import PainterParts
from sensorium.models.catalog import Checkpoint
from sensorium.models.memory import weights_memory

if TYPE_CHECKING:
    import torch

_VAE = "vae"


@dataclass(frozen=True)
class OpenedPainter:
    """A loaded painter.

    Attributes:
        pipeline: Diffusers' pipeline around its components, without safety checker.
        safety_checker: Its model, or None: kept apart, since pipelines would blacken pictures with it.
    """

    pipeline: Any
    safety_checker: Any | None = None


class PainterSource(Protocol):
    """What a painter is opened from."""

    @property
    def layout(self) -> CheckpointLayout:
        """What it says about itself."""

    @property
    def memory(self) -> list[int]:
        """The bytes that each of its parts needs in float32."""

    def open(self, *, device: str, dtype: torch.dtype, runs_on: str) -> OpenedPainter:
        """Load it.

        Args:
            device: Where its models wait.
            dtype: Their precision.
            runs_on: Where they run.

        Raises:
            ModelUnavailableError: A part is missing or damaged.
            UnsupportedError: It has parts that can't be opened here.
            InputError: A part from elsewhere doesn't fit.
        """


def painter_source(folder: Path, checkpoint: Checkpoint, parts: PainterParts, *, half_precision: bool) -> PainterSource:
    """Return what a painter is opened from; nothing is loaded.

    Args:
        folder: The checkpoint.
        checkpoint: Its catalog entry.
        parts: What comes from elsewhere.
        half_precision: Prefers half-precision files.

    Raises:
        ModelUnavailableError: A component is missing or damaged.
        UnsupportedError: It brings program code of its own.
        InputError: A part from elsewhere has no use.
    """
    file = find_single_file(folder, checkpoint)
    if file is not None:
        transformer = find_transformer_file(file.weights, checkpoint, parts.base)
        if transformer is not None:
            return _Opened(transformer, checkpoint, parts)
    if parts.base is not None:
        raise InputError(
            f"The checkpoint {checkpoint.name!r} has all of its parts, so that a base has no use", "Leave out base"
        )
    if file is not None:
        return _Opened(file, checkpoint, parts)
    layout = read_layout(folder, checkpoint, half_precision=half_precision)
    if layout.pipeline_class in COMBINED:
        return _Opened(TwoHalves(folder, checkpoint, layout, half_precision), checkpoint, parts)
    return _PipelineFolder(folder, checkpoint, parts, layout)


@dataclass(frozen=True)
class _PipelineFolder:
    """A checkpoint in diffusers' layout."""

    folder: Path
    checkpoint: Checkpoint
    parts: PainterParts
    layout: CheckpointLayout

    @property
    def memory(self) -> list[int]:
        """The bytes that each of its parts needs in float32."""
        return [weights_memory(self.folder / name) for name in self.layout.with_weights]

    def open(self, *, device: str, dtype: torch.dtype, runs_on: str) -> OpenedPainter:
        """Load its components."""
        layout, others = self.layout, {}
        if self.parts.vae is not None:
            own = autoencoder_settings(self.folder / _VAE) if _VAE in layout.components else {}
            require_autoencoder(self.checkpoint, own)
            others = {_VAE: open_autoencoder(self.parts.vae, own, self.checkpoint, device=device, dtype=dtype)}
            layout = replace(
                layout,
                components={name: kind for name, kind in layout.components.items() if name not in others},
                with_weights=tuple(name for name in layout.with_weights if name not in others),
            )
        opened = open_components(self.folder, layout, self.checkpoint, device=device, dtype=dtype, runs_on=runs_on)
        components = {**opened, **others}
        checker = components.pop(SAFETY_CHECKER, None)
        return OpenedPainter(assemble(self.folder, components, self.checkpoint, without=layout.absent), checker)


@dataclass(frozen=True)
class _Opened:
    """A checkpoint that opens as a whole."""

    whole: SingleFile | TransformerFile | TwoHalves
    checkpoint: Checkpoint
    parts: PainterParts

    @property
    def layout(self) -> CheckpointLayout:
        """What it says about itself."""
        return self.whole.layout

    @property
    def memory(self) -> list[int]:
        """The bytes that each of its parts needs in float32."""
        return self.whole.memory

    def open(self, *, device: str, dtype: torch.dtype, runs_on: str) -> OpenedPainter:
        """Load all its parts."""
        pipeline = self.whole.open(device=device, dtype=dtype, runs_on=runs_on)
        if self.parts.vae is not None:
            require_autoencoder(self.checkpoint, getattr(pipeline, _VAE, None) and pipeline.vae.config)
            own = dict(pipeline.vae.config)
            # Its settings have no name of their class: it isn't read from a folder.
            own["_class_name"] = type(pipeline.vae).__name__
            vae = open_autoencoder(self.parts.vae, own, self.checkpoint, device=device, dtype=dtype)
            pipeline.register_modules(vae=vae)
        return OpenedPainter(pipeline)
