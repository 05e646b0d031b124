"""Opening FLUX and Stable Diffusion 3 from a file: safetensors or GGUF, whole or with the denoiser alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import InputError, ModelUnavailableError, UnsupportedError
from sensorium.image_generation.diffusion.checkpoints.checkpoint import CheckpointLayout, open_components, read_layout
from sensorium.image_generation.diffusion.checkpoints.single_file_configuration import tokenizer_names
from sensorium.image_generation.diffusion.checkpoints.transformer_configuration import transformer_configuration_of
from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint
from sensorium.models.gguf_header import GGUF_SUFFIX
from sensorium.models.memory import weights_memory
from sensorium.models.pretrained import open_part
from sensorium.models.single_file import WeightsFile
from sensorium.models.spoiled_files import SPOILED
from sensorium.models.thread_safe import loading_weights
from sensorium.models.transformer_painters import TransformerPainter, transformer_painter
from sensorium.quiet import quiet_diffusers, quiet_transformers

if TYPE_CHECKING:
    import torch

_BYTES_IN_FLOAT32 = 4
_CLASSES = {"Flux": "FluxTransformer2DModel", "StableDiffusion3": "SD3Transformer2DModel"}
_SCALE, _SCALES = ".scale_weight", (".scale_weight", ".scale_input", "scaled_fp8")
"""How ComfyUI names the factors of FP8 numbers."""


@dataclass(frozen=True)
class TransformerFile:
    """A painter with a transformer, in one file, and perhaps the checkpoint that gives it what the file lacks.

    Attributes:
        weights: What the file holds.
        painter: What that is.
        checkpoint: Its catalog entry.
        base: The checkpoint that has the rest, or None.
    """

    weights: WeightsFile
    painter: TransformerPainter
    checkpoint: Checkpoint
    base: Checkpoint | None

    @property
    def layout(self) -> CheckpointLayout:
        """What it says about itself."""
        components = {"transformer": ("diffusers", self._denoiser)}
        return CheckpointLayout(self.painter.pipeline, components, (), None, checks_safety=False)

    @property
    def memory(self) -> list[int]:
        """The bytes that each of its parts needs in float32; packed weights need what they need in any precision."""
        self._require_all()
        packed = self.weights.path.suffix == GGUF_SUFFIX
        own = [
            2 * self.weights.path.stat().st_size if packed else self.weights.numbers(beginning) * _BYTES_IN_FLOAT32
            for beginning in self.painter.parts.values()
        ]
        if self._base is None:
            return own
        folder, layout = self._base
        return own + [weights_memory(folder / name) for name in layout.with_weights]

    @property
    def _denoiser(self) -> str:
        return next(name for family, name in _CLASSES.items() if self.painter.pipeline.startswith(family))

    @cached_property
    def _base(self) -> tuple[Path, CheckpointLayout] | None:
        """Return the folder of the base, and which of its components are taken."""
        if self.base is None:
            return None
        folder = store.locate(self.base)
        family = self.painter.pipeline.partition("Pipeline")[0].removesuffix("Fill").removesuffix("Control")
        found = catalog.family_of(folder)
        if not found.startswith(family):
            raise InputError(
                f"The base {self.base.name!r} is a {found}, and {self.checkpoint.name!r} needs a {family}Pipeline",
                f"Name one such as {self.painter.usual_base}",
            )
        layout = read_layout(folder, self.base, half_precision=True)
        own = {*self.painter.parts, "scheduler"}
        return folder, replace(
            layout,
            components={name: kind for name, kind in layout.components.items() if name not in own},
            with_weights=tuple(name for name in layout.with_weights if name not in own),
        )

    def open(self, *, device: str, dtype: torch.dtype, runs_on: str) -> Any:
        """Load all its parts, and return diffusers' pipeline around them.

        Args:
            device: Where its models wait.
            dtype: Their precision.
            runs_on: Where they run.

        Raises:
            ModelUnavailableError: Weights are missing or damaged.
            UnsupportedError: It has tensors without a known place.
            InputError: The base has other parts than it needs, or it needs one.
        """
        self._require_all()
        with transformer_configuration_of(self.weights, self.painter) as folder:
            parts = self._parts_of_base(device, dtype, runs_on)
            for name in tokenizer_names(folder):
                if name not in parts:
                    parts[name] = self._tokenizer(folder / name)
            parts["transformer"] = self._open_denoiser(folder, dtype)
            pipeline = self._assemble(folder, parts, dtype)
        for name, part in _models(pipeline).items():
            if hasattr(part, "tie_weights"):
                part.tie_weights()  # the file holds T5's words once, and diffusers leaves their second place empty
            self._require_loaded(name, part)
            part.to(device).eval()
        return pipeline

    def _require_all(self) -> None:
        """Refuse a file that lacks something, if no base gives it."""
        absent = list(self.painter.absent)
        if "text_encoder_3" in self.checkpoint.without:
            absent = [what for what in absent if what != "T5's vocabulary"]
        if self.base is not None or not absent:
            return
        remedy = self.painter.use
        if absent == ["T5's vocabulary"] and not self.painter.pipeline.startswith("Flux"):
            remedy += "; or leave T5 out: --without text_encoder_3 (without=…)"
        raise InputError(
            f"The file {self.weights.path.name!r} can't paint alone: it is {self.painter.description}", remedy
        )

    def _parts_of_base(self, device: str, dtype: torch.dtype, runs_on: str) -> dict[str, Any]:
        parts: dict[str, Any] = dict.fromkeys(self.checkpoint.without)
        if self._base is not None and self.base is not None:
            folder, layout = self._base
            parts |= open_components(folder, layout, self.base, device=device, dtype=dtype, runs_on=runs_on)
        elif not self.painter.pipeline.startswith("Flux"):
            parts |= {"text_encoder_3": None, "tokenizer_3": None}
        return parts

    def _tokenizer(self, folder: Path) -> Any:
        import transformers

        return open_part(transformers.CLIPTokenizer, folder, checkpoint=self.checkpoint)

    def _open_denoiser(self, folder: Path, dtype: torch.dtype) -> Any:
        import diffusers

        kind: Any = getattr(diffusers, self._denoiser)
        self._require_known_places(kind, folder)
        options: dict[str, Any] = {"config": str(folder), "subfolder": "transformer", "local_files_only": True}
        if self.weights.path.suffix == GGUF_SUFFIX:
            settings: Any = diffusers.GGUFQuantizationConfig
            options["quantization_config"] = settings(compute_dtype=dtype)
            source: Any = str(self.weights.path)
        else:
            source = self._guarded(lambda: self._tensors(dtype))
        return self._guarded(lambda: kind.from_single_file(source, torch_dtype=dtype, **options))

    def _require_known_places(self, kind: Any, folder: Path) -> None:
        """See that the network has as many numbers as the file: else some would have no place, and be dropped."""
        import torch

        def build() -> Any:
            with torch.device("meta"):
                return kind.from_config(kind.load_config(folder, subfolder="transformer"))

        empty = self._guarded(build)
        expected = sum(value.numel() for value in empty.state_dict().values())
        prefix = self.painter.parts["transformer"]
        names = [name for name in self.weights.shapes if name.startswith(prefix) and not name.endswith(_SCALES)]
        others = [start for part, start in self.painter.parts.items() if part != "transformer"]
        there = sum(self.weights.numbers_of(name) for name in names if not name.startswith(tuple(others)))
        if there != expected:
            raise UnsupportedError(
                f"The checkpoint {self.checkpoint.name!r} has a denoiser of an unusual form: {there:,} numbers, where "
                f"{expected:,} have a known place",
                "Choose its repository in diffusers' layout, which says what goes where",
            )

    def _tensors(self, dtype: torch.dtype) -> dict[str, Any]:
        """Return the denoiser's tensors, in the precision that is asked for."""
        from safetensors import safe_open

        prefix = self.painter.parts["transformer"]
        others = tuple(start for part, start in self.painter.parts.items() if part != "transformer")
        tensors: dict[str, Any] = {}
        with safe_open(self.weights.path, framework="pt") as file:
            names = set(file.keys())
            for name in names:
                if not name.startswith(prefix) or name.endswith(_SCALES) or name.startswith(others):
                    continue
                tensor = file.get_tensor(name)
                scale = name.removesuffix(".weight") + _SCALE
                if scale in names:
                    tensor = tensor.float() * file.get_tensor(scale).float()
                tensors[name.removeprefix(prefix)] = tensor.to(dtype)
        return tensors

    def _assemble(self, folder: Path, parts: dict[str, Any], dtype: torch.dtype) -> Any:
        import diffusers

        kind: Any = getattr(diffusers, self.painter.pipeline)
        if set(self.painter.parts) == {"transformer"}:
            scheduler: Any = diffusers.FlowMatchEulerDiscreteScheduler
            parts["scheduler"] = scheduler.from_pretrained(folder, subfolder="scheduler", local_files_only=True)
            return self._guarded(lambda: kind(**parts))
        return self._guarded(
            lambda: kind.from_single_file(
                str(self.weights.path), config=str(folder), local_files_only=True, torch_dtype=dtype, **parts
            )
        )

    def _guarded(self, open_it: Any) -> Any:
        from diffusers.loaders.single_file_utils import SingleFileComponentError
        from safetensors import SafetensorError

        try:
            with loading_weights, quiet_diffusers(), quiet_transformers():
                return open_it()
        except (
            *(SingleFileComponentError, SafetensorError),
            *SPOILED,
        ) as error:
            raise self._damaged("its tensors don't fit together, or some are missing") from error

    def _require_loaded(self, name: str, model: Any) -> None:
        missing = [key for key, value in model.named_parameters() if value.is_meta]
        if missing:
            raise self._damaged(f"{len(missing)} weights of its {name} are missing, such as {min(missing)!r}")

    def _damaged(self, reason: str) -> ModelUnavailableError:
        return ModelUnavailableError(
            f"The checkpoint {self.checkpoint.name!r} can't be opened: {reason}",
            f"Fetch or copy the file {self.weights.path.name!r} again, or choose another one",
        )


def find_transformer_file(
    weights: WeightsFile, checkpoint: Checkpoint, base: Checkpoint | None
) -> TransformerFile | None:
    """Return the painter that a file holds, if its denoiser is a transformer.

    Args:
        weights: What the file holds.
        checkpoint: Its catalog entry.
        base: The checkpoint that has the rest, or None.
    """
    painter = transformer_painter(weights)
    return None if painter is None or not painter.pipeline else TransformerFile(weights, painter, checkpoint, base)


def _models(pipeline: Any) -> dict[str, Any]:
    import torch

    return {name: part for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)}
