"""Opening painters that are a single safetensors file, as the original programs wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.image_generation.diffusion.checkpoints.checkpoint import CheckpointLayout
from sensorium.image_generation.diffusion.checkpoints.single_file_configuration import configuration_of, tokenizer_names
from sensorium.models.catalog import Checkpoint
from sensorium.models.pretrained import open_part
from sensorium.models.single_file import AUTOENCODERS, DENOISER, WeightsFile, read_weights_file, weights_path
from sensorium.models.spoiled_files import SPOILED
from sensorium.models.thread_safe import loading_weights
from sensorium.quiet import quiet_diffusers, quiet_transformers

if TYPE_CHECKING:
    import torch

_BYTES_IN_FLOAT32 = 4
_PARTS = ((DENOISER,), AUTOENCODERS, ("cond_stage_model.", "conditioner."))


@dataclass(frozen=True)
class SingleFile:
    """A painter that is one file.

    Attributes:
        weights: What the file holds.
        checkpoint: Its catalog entry.
    """

    weights: WeightsFile
    checkpoint: Checkpoint

    @property
    def layout(self) -> CheckpointLayout:
        """What it says about itself."""
        components = {"unet": ("diffusers", "UNet2DConditionModel")}
        return CheckpointLayout(self.weights.content.family, components, (), None, checks_safety=False)

    @property
    def memory(self) -> list[int]:
        """The bytes that each of its parts needs in float32."""
        return [self.weights.numbers(*prefixes) * _BYTES_IN_FLOAT32 for prefixes in _PARTS]

    def open(self, *, device: str, dtype: torch.dtype, runs_on: str = "") -> Any:
        """Load all its parts, and return diffusers' pipeline around them.

        Args:
            device: Where its models go.
            dtype: Their precision.
            runs_on: Where they run: weights of these families can be moved, so that it makes no difference.

        Raises:
            ModelUnavailableError: Weights are missing or damaged.
            UnsupportedError: It has parts that no known network of its family has.
        """
        import diffusers
        import transformers
        from diffusers.loaders.single_file_utils import SingleFileComponentError
        from safetensors import SafetensorError

        with configuration_of(self.weights) as folder:
            tokenizers = {
                name: open_part(transformers.CLIPTokenizer, folder / name, checkpoint=self.checkpoint)
                for name in tokenizer_names(folder)
            }
            pipeline_class = getattr(diffusers, self.layout.pipeline_class)
            try:
                with loading_weights, quiet_diffusers(), quiet_transformers():
                    pipeline = pipeline_class.from_single_file(
                        str(self.weights.path), config=str(folder), local_files_only=True, dtype=dtype, **tokenizers
                    )
            except (SingleFileComponentError, SafetensorError, *SPOILED) as error:
                raise self._damaged("its tensors don't fit together, or some are missing") from error
        self._require_all(pipeline)
        for part in _models(pipeline).values():
            part.to(device).eval()
        return pipeline

    def _require_all(self, pipeline: Any) -> None:
        """See that the file had every weight, and that every weight of its denoiser is used."""
        for name, model in _models(pipeline).items():
            # diffusers leaves what the file doesn't have without memory.
            missing = [key for key, value in model.named_parameters() if value.is_meta]
            if missing:
                raise self._damaged(f"{len(missing)} weights of its {name} are missing, such as {min(missing)!r}")
        used, there = sum(value.numel() for value in pipeline.unet.parameters()), self.weights.numbers(DENOISER)
        if used != there:
            raise UnsupportedError(
                f"The checkpoint {self.checkpoint.name!r} has a denoiser of an unusual form: {there:,} numbers, and "
                f"{used:,} of them have a known place",
                "Choose its repository in diffusers' layout, which says what goes where",
            )

    def _damaged(self, reason: str) -> ModelUnavailableError:
        return ModelUnavailableError(
            f"The checkpoint {self.checkpoint.name!r} can't be opened: {reason}",
            f"Fetch or copy the file {self.weights.path.name!r} again, or choose another one",
        )


def find_single_file(folder: Path, checkpoint: Checkpoint) -> SingleFile | None:
    """Return the painter that a checkpoint is, if it is a single file.

    Args:
        folder: Where it lies.
        checkpoint: Its ``hub_files`` name the file, or it is the only one in the folder.

    Raises:
        ModelUnavailableError: The file is damaged, or no checkpoint.
    """
    path = weights_path(folder, checkpoint.hub_files if checkpoint.folder else ())
    return None if path is None else SingleFile(read_weights_file(path), checkpoint)


def _models(pipeline: Any) -> dict[str, Any]:
    import torch

    return {name: part for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)}
