"""Painters in two repositories, a prior and a decoder, put together by diffusers' combined pipelines."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.image_generation.diffusion.checkpoints.checkpoint import CheckpointLayout, open_components, read_layout
from sensorium.image_generation.diffusion.other_pipelines import COMBINED
from sensorium.image_generation.diffusion.priors.prior_repository import find_prior
from sensorium.models.catalog import Checkpoint
from sensorium.models.memory import weights_memory
from sensorium.quiet import quiet_diffusers

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TwoHalves:
    """A decoder, with its prior from another repository.

    Attributes:
        folder: The decoder's.
        checkpoint: The decoder's.
        layout: The decoder's.
        half_precision: Whether half-precision files of the prior are preferred.
    """

    folder: Path
    checkpoint: Checkpoint
    layout: CheckpointLayout
    half_precision: bool

    @cached_property
    def _prior(self) -> tuple[Path, Checkpoint, CheckpointLayout]:
        combined = COMBINED[self.layout.pipeline_class]
        folder, checkpoint = find_prior(self.folder, self.checkpoint, combined.prior)
        layout = read_layout(folder, checkpoint, half_precision=self.half_precision)
        if layout.pipeline_class != combined.prior_pipeline:
            raise UnsupportedError(
                f"The checkpoint {checkpoint.name!r} is a {layout.pipeline_class}, where a {combined.prior_pipeline} "
                f"is needed as the prior of {self.checkpoint.name!r}",
                f"Name the right one in the decoder's model card, such as {combined.prior!r}",
            )
        return folder, checkpoint, layout

    @property
    def memory(self) -> list[int]:
        """The bytes that each of its parts needs in float32."""
        prior, _, layout = self._prior
        own = [weights_memory(self.folder / name) for name in self.layout.with_weights]
        return own + [weights_memory(prior / name) for name in layout.with_weights]

    def open(self, *, device: str, dtype: torch.dtype, runs_on: str) -> Any:
        """Load both halves, and return diffusers' pipeline around them.

        Args:
            device: Where their models wait.
            dtype: Their precision.
            runs_on: Where they run.

        Raises:
            ModelUnavailableError: A component is missing or damaged, or the halves don't fit together.
        """
        import diffusers

        prior, checkpoint, layout = self._prior
        where: dict[str, Any] = {"device": device, "dtype": dtype, "runs_on": runs_on}
        components = open_components(self.folder, self.layout, self.checkpoint, **where)
        for name, part in open_components(prior, layout, checkpoint, **where).items():
            components[f"prior_{name}"] = part
        kind: Any = getattr(diffusers, COMBINED[self.layout.pipeline_class].pipeline)
        try:
            with quiet_diffusers():
                return kind(**components)
        except (TypeError, ValueError, AttributeError) as error:
            raise ModelUnavailableError(
                f"The decoder {self.checkpoint.name!r} and its prior {checkpoint.name!r} don't fit together",
                "Fetch both of the same version",
            ) from error
