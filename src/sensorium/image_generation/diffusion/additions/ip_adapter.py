"""IP-Adapters: layers that let a denoiser read pictures beside the prompt, put on for one call and taken off again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import InputError, ModelUnavailableError, UnsupportedError
from sensorium.image_generation.diffusion.additions.ip_adapter_file import (
    AdaptableDenoiser,
    EncoderKind,
    IPAdapterFile,
    misfit,
    read_ip_adapter,
)
from sensorium.image_generation.diffusion.call_signature import call_parameters
from sensorium.image_generation.diffusion.checkpoints.checkpoint import hub_revision
from sensorium.image_generation.generated_image import pixel_sum
from sensorium.image_generation.ip_adapter import (
    IMAGE_PROMPT,
    LAYOUT,
    STYLE,
    USUAL_ADAPTERS,
    WHOLE,
    ImagePrompt,
)
from sensorium.media.source import ResolvedMedia
from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint
from sensorium.models.file_sums import sum_of
from sensorium.models.pretrained import open_model
from sensorium.models.single_file import weights_path
from sensorium.models.thread_safe import loading_weights
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.quiet import quiet_diffusers, quiet_transformers
from sensorium.unfinished import temporary_folder

if TYPE_CHECKING:
    import torch

_ENCODERS = {
    EncoderKind("projection_dim", 1024): "ip-adapter-image-encoder",
    EncoderKind("hidden_size", 1280): "ip-adapter-image-encoder",
    EncoderKind("projection_dim", 1280): "ip-adapter-image-encoder-bigg",
    EncoderKind("hidden_size", 1664): "ip-adapter-image-encoder-bigg",
}
"""The image encoders of the catalog. Nearly all adapters read one of these two."""
_LAYERS: Mapping[str, tuple[str, str, Sequence[float]]] = {
    STYLE: ("up", "block_0", (0.0, 1.0, 0.0)),
    LAYOUT: ("down", "block_2", (0.0, 1.0)),
}
"""The layers of XL that make a part of a picture. Source: Wang et al. 2024, "InstantStyle"."""
_BESIDE = ("image_encoder", "../image_encoder", "../models/image_encoder", "../sdxl_models/image_encoder")
"""Where the encoder lies in a copy of a published repository, seen from the adapter."""


@dataclass(frozen=True)
class Encoder:
    """An image encoder on this machine.

    Attributes:
        folder: Holds ``config.json`` and the weights.
        checkpoint: Its catalog entry.
    """

    folder: Path
    checkpoint: Checkpoint


@dataclass(frozen=True)
class FoundAdapter:
    """An IP-Adapter on this machine, and what it is to do.

    Attributes:
        prompt: Its pictures, and how strongly they count.
        file: Its weights.
        encoder: What reads the pictures for it.
        revision: Its commit on the hub, or "".
    """

    prompt: ImagePrompt
    file: IPAdapterFile
    encoder: Encoder
    revision: str

    def described(self) -> Mapping[str, Any]:
        """Return what the settings of a picture say of it."""
        return {
            "name": self.file.name,
            "revision": self.revision,
            "sha256": "" if self.revision else sum_of(self.file.weights.path),
            "encoder": self.encoder.checkpoint.name,
            "scale": self.prompt.scale,
            "part": self.prompt.part,
            "images": [pixel_sum(image) for image in self.prompt.images],
        }


@contextmanager
def found_adapters(
    prompts: Sequence[ImagePrompt],
    painter: Checkpoint,
    denoiser: AdaptableDenoiser | None,
    *,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> Iterator[tuple[FoundAdapter, ...]]:
    """Have the IP-Adapters of a call and their image encoders on this machine; no weights are loaded.

    Args:
        prompts: What is asked of them.
        painter: The checkpoint that paints.
        denoiser: Its own, or None if that takes no IP-Adapters.
        progress: Told what is fetched.
        cancel: Stops that.

    Yields:
        The adapters. What was sent is a file for as long.

    Raises:
        InputError: An adapter was made for another family, or isn't the one that a picture was painted with.
        UnsupportedError: The painter or the adapter is of a kind that can't be used.
        ModelUnavailableError: An adapter or its encoder isn't here and can't be fetched, or is damaged.
        CancelledError: ``cancel`` was set.
    """
    if not prompts:
        yield ()
        return
    if denoiser is None:
        raise _takes_none(painter.name)

    def here(checkpoint: Checkpoint, may_fetch: bool) -> Path:
        if not may_fetch and not store.is_present(checkpoint):
            raise ModelUnavailableError(
                f"The checkpoint {checkpoint.name!r} is not on this machine",
                f"Pull it first: 'sensorium models pull {checkpoint.name}', where the server runs",
            )
        return store.locate(checkpoint, progress=progress, cancel=cancel)

    with temporary_folder("sensorium-") as sent:
        found = []
        for prompt in prompts:
            if prompt.part != WHOLE and not denoiser.has_parts:
                raise UnsupportedError(
                    f"Nobody knows which layers of {painter.name!r} make the {prompt.part} of a picture",
                    "Take all of it, or paint with a checkpoint of Stable Diffusion XL",
                )
            adapter = _default(painter, denoiser) if prompt.adapter is None else prompt.adapter
            if isinstance(adapter, ResolvedMedia):
                file, revision = read_ip_adapter(_as_file(adapter, sent), adapter.name), ""
            else:
                _check_base(adapter, painter, denoiser)
                folder = here(adapter, prompt.may_fetch)
                file = read_ip_adapter(_adapter_path(folder, adapter), adapter.name)
                revision = hub_revision(folder, adapter)
            file.check_fits(denoiser, painter.name)
            encoder = _encoder_beside(file) if not revision else None
            if encoder is None:
                card = _encoder_card(file)
                folder = here(card, prompt.may_fetch)
                encoder = Encoder(folder / Path(card.hub_files[0]).parent, card)
            each = FoundAdapter(prompt, file, encoder, revision)
            _check_same(each)
            found.append(each)
        _check_one_encoder(found)
        yield tuple(found)


def _scale(prompt: ImagePrompt) -> Any:
    """Return how strongly pictures count, as diffusers takes it: a number, or one for each layer."""
    if prompt.part == WHOLE:
        return prompt.scale
    way, block, layers = _LAYERS[prompt.part]
    return {way: {block: [prompt.scale * layer for layer in layers]}}


class ImageEncoders:
    """The image encoder that a painter used last, kept for its next call."""

    def __init__(self) -> None:
        self._kept: tuple[Path, Any, Any] | None = None

    def open(self, encoder: Encoder, *, device: torch.device, dtype: torch.dtype) -> tuple[Any, Any]:
        """Return the encoder's model, and what makes its inputs of pictures.

        Raises:
            ModelUnavailableError: It is incomplete or damaged.
            InsufficientMemoryError: It doesn't fit.
        """
        import transformers

        if self._kept is None or self._kept[0] != encoder.folder:
            self._kept = None  # before the next one is loaded
            model = open_model(
                transformers.CLIPVisionModelWithProjection,
                encoder.folder,
                checkpoint=encoder.checkpoint,
                device=str(device),
                dtype=dtype,
            )
            side = model.config.image_size
            # Without torchvision only this one works.
            kind: Any = getattr(transformers, "CLIPImageProcessorPil", None) or transformers.CLIPImageProcessor
            self._kept = encoder.folder, model, kind(size=side, crop_size=side)
        return self._kept[1:]


@contextmanager
def applied_ip_adapters(
    pipeline: Any, adapters: Sequence[FoundAdapter], encoders: ImageEncoders
) -> Iterator[dict[str, Any]]:
    """Put IP-Adapters on a pipeline's denoiser, and take them off afterwards whatever happens.

    The denoiser is shared with other pipelines, so nobody else may use it meanwhile.

    Args:
        pipeline: One of diffusers.
        adapters: From `found_adapters`.
        encoders: Opens what reads the pictures.

    Yields:
        Further arguments of the pipeline's call.

    Raises:
        UnsupportedError: The pipeline takes no IP-Adapters.
        ModelUnavailableError: The image encoder is damaged.
        InsufficientMemoryError: It doesn't fit.
    """
    if not adapters:
        yield {}
        return
    if not hasattr(pipeline, "load_ip_adapter") or "ip_adapter_image" not in call_parameters(pipeline):
        raise _takes_none(type(pipeline).__name__)
    unet = pipeline.unet
    model, processor = encoders.open(adapters[0].encoder, device=unet.device, dtype=unet.dtype)
    pipeline.register_modules(image_encoder=model, feature_extractor=processor)
    before = dict(unet.attn_processors), unet.encoder_hid_proj, unet.config.encoder_hid_dim_type
    try:
        _load(pipeline, adapters)
        pipeline.set_ip_adapter_scale([_scale(adapter.prompt) for adapter in adapters])
        yield {"ip_adapter_image": [list(adapter.prompt.images) for adapter in adapters]}
    finally:
        # Not unload_ip_adapter: it makes new processors instead of putting the old ones back.
        processors, unet.encoder_hid_proj, unet.config.encoder_hid_dim_type = before
        unet.set_attn_processor(processors)


def _load(pipeline: Any, adapters: Sequence[FoundAdapter]) -> None:
    try:
        weights = [_weights(adapter.file.weights.path) for adapter in adapters]
        with loading_weights, quiet_transformers(), quiet_diffusers():
            pipeline.load_ip_adapter(
                weights, subfolder="", weight_name=[""] * len(weights), image_encoder_folder=None, local_files_only=True
            )
    except Exception as error:  # diffusers raises whatever the shapes and names lead it to
        names = ", ".join(repr(adapter.file.name) for adapter in adapters)
        raise InputError(
            f"The IP-Adapter {names} can't be used: its layers that read the picture are damaged, or of another form",
            "Fetch or copy its file again, or choose another one",
        ) from error


def _weights(path: Path) -> dict[str, dict[str, torch.Tensor]]:
    """Return the tensors in the nested form of the original pickles."""
    from safetensors.torch import load_file

    nested: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in load_file(path).items():
        part, _, rest = name.partition(".")
        nested.setdefault(part, {})[rest] = tensor
    return nested


def _check_base(adapter: Checkpoint, painter: Checkpoint, denoiser: AdaptableDenoiser) -> None:
    """Refuse an adapter of the catalog for another family before it is fetched."""
    usual = USUAL_ADAPTERS.get(denoiser.text_width)
    if adapter.base and (usual is None or adapter.base != catalog.named(usual).base):
        raise misfit(adapter.name, painter.name, adapter.base)


def _default(painter: Checkpoint, denoiser: AdaptableDenoiser) -> Checkpoint:
    name = USUAL_ADAPTERS.get(denoiser.text_width)
    if name is None:
        raise UnsupportedError(
            f"There is no IP-Adapter in the catalog that was made for {painter.name!r}",
            "Name one with its model, or paint with Stable Diffusion 1.5 or XL: 'sensorium models pull "
            "stable-diffusion-v1-5' and 'sensorium models pull ip-adapter-sd15' where there is network, then use "
            "--model stable-diffusion-v1-5",
        )
    return catalog.named(name)


def _adapter_path(folder: Path, adapter: Checkpoint) -> Path:
    if adapter.repository:
        return folder / adapter.hub_files[0]
    path = weights_path(folder, adapter.hub_files)
    if path is None:
        raise InputError(
            f"The folder {str(folder)!r} is no IP-Adapter: it holds a model with a configuration of its own",
            "Name the .safetensors file of an IP-Adapter, or a folder that holds only one",
        )
    return path


def _as_file(sent: ResolvedMedia, folder: Path) -> Path:
    if sent.path is not None:
        return sent.path
    file = folder / f"{len(list(folder.iterdir()))}.safetensors"
    file.write_bytes(sent.read())
    return file


def _encoder_beside(file: IPAdapterFile) -> Encoder | None:
    """Return the image encoder that lies in a folder near an adapter, if one suits it."""
    for place in _BESIDE:
        folder = (file.weights.path.parent / place).resolve()
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            fits = config.get(file.encoder.setting) == file.encoder.width
        except (OSError, ValueError, AttributeError):
            continue
        if fits:
            return Encoder(folder, Checkpoint(name=folder.name, task=IMAGE_PROMPT, folder=str(folder)))
    return None


def _encoder_card(file: IPAdapterFile) -> Checkpoint:
    name = _ENCODERS.get(file.encoder)
    if name is None:
        raise ModelUnavailableError(
            f"The IP-Adapter {file.name!r} reads an image encoder of a width of {file.encoder.width}, which is neither "
            "in the catalog nor beside it",
            "Put the encoder's folder, with its config.json and model.safetensors, beside the adapter's file as "
            "'image_encoder'",
        )
    return catalog.named(name)


def _check_one_encoder(found: Sequence[FoundAdapter]) -> None:
    for other in found[1:]:
        if other.encoder.folder != found[0].encoder.folder:
            raise InputError(
                f"The IP-Adapters {found[0].file.name!r} and {other.file.name!r} read different image encoders, and "
                "one call can use only one",
                "Choose adapters that read the same, such as those whose names end in 'vit-h'",
            )


def _check_same(found: FoundAdapter) -> None:
    recorded = found.prompt.same_as
    if recorded is None:
        return
    now = found.described()
    if any(recorded[name] != now[name] for name in ("revision", "sha256" if now["sha256"] else "name")):
        raise InputError(
            f"The picture was painted with the IP-Adapter {recorded['name']!r}, and this is {now['name']!r} or another "
            "version of it",
            f"Give that very one: IPAdapter(images, model={recorded['name']!r})",
        )


def _takes_none(name: str) -> UnsupportedError:
    return UnsupportedError(f"{name!r} takes no IP-Adapters", "Choose a checkpoint of Stable Diffusion 1, 2 or XL")
