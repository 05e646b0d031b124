"""What a single safetensors file holds, told by the names and shapes of its tensors; no weight is read.

Most people keep Stable Diffusion as one file: denoiser, autoencoder and text encoders under the names that the original
programs gave them. LoRA files, ControlNets and autoencoders look the same from outside.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sensorium.errors import ModelUnavailableError
from sensorium.models.control_files import control_network
from sensorium.models.gguf_chat import described_gguf, gguf_family
from sensorium.models.gguf_header import ARCHITECTURE, GGUF_SUFFIX, read_gguf_header
from sensorium.models.spoiled_files import SPOILED
from sensorium.models.transformer_painters import PIPELINES, transformer_painter
from sensorium.models.weight_files import PICKLES

UNKNOWN = "weights"
"""The family of a file of which nothing more is known."""
SUFFIX = ".safetensors"

DENOISER = "model.diffusion_model."
"""What the names of a denoiser's tensors begin with, in a file that holds a whole checkpoint."""
AUTOENCODERS = ("first_stage_model.", "vae.")
SINGLE_FILE_PAINTERS = (
    "StableDiffusionPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusionXLInpaintPipeline",
    "StableDiffusionInstructPix2PixPipeline",
    "StableDiffusionXLInstructPix2PixPipeline",
    *PIPELINES,
)
"""Families of painters that open from a single file."""
AUTOENCODER = "AutoencoderKL"
EMBEDDING = "embedding"

_IN_PARTS = "Choose its repository in diffusers' layout: files of this family don't open alone"
_LONGEST_HEADER = 100_000_000
_TYPE = re.compile(r"[A-Z][A-Z0-9_]{0,15}")
"""How the format names the types of numbers."""
_FIRST_LAYER = "input_blocks.0.0.weight"
_TEXT_WIDTHS = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 1280: "Stable Diffusion XL"}
_ADAPTED = re.compile(r"(lora[._](up|down|A|B)\b|lora_(up|down|A|B)\.|hada_w1_a|lokr_w1|\.diff$|dora_scale)")
_EMBEDDINGS = {"emb_params", "clip_l", "clip_g", "string_to_param.*"}


@dataclass(frozen=True, eq=False)
class WeightsFile:
    """A safetensors or GGUF file.

    Attributes:
        path: Where it lies.
        shapes: From the name of each tensor to its shape.
        type: The type of most of its numbers, such as ``"F16"``, as the format writes it.
        metadata: What its maker wrote into its header.
    """

    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    type: str
    metadata: Mapping[str, str]

    def width(self, name: str, axis: int = 0) -> int:
        """Return one side of a tensor; 0 if there is no such tensor."""
        shape = self.shapes.get(name, ())
        return shape[axis] if -len(shape) <= axis < len(shape) else 0

    def has(self, *prefixes: str) -> bool:
        """Return whether any tensor's name begins with one of ``prefixes``."""
        return any(name.startswith(prefixes) for name in self.shapes)

    def numbers_of(self, name: str) -> int:
        """Return how many numbers a tensor holds."""
        return math.prod(self.shapes[name])

    def numbers(self, *prefixes: str) -> int:
        """Return how many numbers the tensors hold whose names begin with one of ``prefixes``."""
        return sum(math.prod(shape) for name, shape in self.shapes.items() if name.startswith(prefixes))

    @property
    def sentence(self) -> str:
        """What it is, and in which numbers."""
        content = self.content
        text = f"{content.description[:1].upper()}{content.description[1:]}, in one file ({self.type})."
        return f"{text} {content.use}." if content.use else text

    @cached_property
    def content(self) -> Content:
        """What it is.

        Raises:
            ModelUnavailableError: Its tensors have shapes that no model has.
        """
        try:
            return _content(self)
        except (LookupError, ArithmeticError, ValueError, TypeError) as error:
            raise ModelUnavailableError(
                f"The file {self.path.name!r} holds tensors of shapes that no known model has",
                "Fetch or copy it again, or choose another one",
            ) from error


@dataclass(frozen=True)
class Content:
    """What a weights file is.

    Attributes:
        family: Class of diffusers that opens it, such as ``"StableDiffusionXLPipeline"``, or a word for its kind.
        description: What it is, in a few words: "a checkpoint of Stable Diffusion XL".
        use: What to do with it; "" where it can simply be opened.
    """

    family: str
    description: str
    use: str = ""


def read_weights_file(path: Path) -> WeightsFile:
    """Read the header of a safetensors or GGUF file.

    Raises:
        ModelUnavailableError: It is none, or it is damaged or cut off.
    """
    if path.suffix == GGUF_SUFFIX:
        return _read_gguf(path)
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(min(length, _LONGEST_HEADER)))
        metadata = header.pop("__metadata__", None)
        shapes = {name: _shape(entry) for name, entry in header.items()}
        end = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
        types: Counter[str] = Counter()
        for name, entry in header.items():
            types[str(entry["dtype"])] += math.prod(shapes[name])
    except SPOILED as error:
        raise ModelUnavailableError(
            f"The file {path.name!r} is no safetensors file, or it is damaged", "Fetch or copy it again"
        ) from error
    if path.stat().st_size < end:
        raise ModelUnavailableError(
            f"The file {path.name!r} is cut off: it has {path.stat().st_size:,} of {end:,} bytes",
            "Fetch or copy it again",
        )
    told = metadata if isinstance(metadata, dict) else {}
    known = {name: value for name, value in told.items() if isinstance(value, str)}
    return WeightsFile(path, shapes, next((kind for kind, _ in types.most_common(1)), ""), known)


def _shape(entry: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the shape that a header gives a tensor.

    Raises:
        ValueError, TypeError, KeyError: It is none, or its type or its place is none.
    """
    begin, end = entry["data_offsets"]
    sides = entry["shape"]
    if not (isinstance(sides, list) and all(type(side) is int for side in (*sides, begin, end))):
        raise TypeError(sides)
    if min((*sides, begin, end - begin)) < 0 or not _TYPE.fullmatch(entry["dtype"]):
        raise ValueError(entry["dtype"], sides)
    return tuple(sides)


def _read_gguf(path: Path) -> WeightsFile:
    try:
        return WeightsFile(path, *read_gguf_header(path))
    except SPOILED as error:
        raise ModelUnavailableError(
            f"The file {path.name!r} is no GGUF file, or it is damaged or cut off", "Fetch or copy it again"
        ) from error


def only_weights_file(folder: Path) -> Path | None:
    """Return the only safetensors file of a folder that has no configuration, or None.

    Raises:
        ModelUnavailableError: Several files could be meant, or there are only pickles.
    """
    if not folder.is_dir() or any((folder / name).is_file() for name in ("config.json", "model_index.json")):
        return None
    files = sorted(path for path in folder.glob(f"*{SUFFIX}") if path.is_file())
    if len(files) > 1:
        raise ModelUnavailableError(
            f"The folder {str(folder)!r} holds {len(files)} weights files and no config.json, so it doesn't say which "
            "one is meant",
            f"Name the file itself, such as {str(folder / files[0].name)!r}",
        )
    pickle = next((path for path in sorted(folder.iterdir()) if is_pickle(path)), None) if not files else None
    if pickle is not None:
        raise pickled(pickle)
    return files[0] if files else None


def weights_path(folder: Path, names: Iterable[str] = ()) -> Path | None:
    """Return the weights file that a checkpoint is, or None if it is a folder with a configuration.

    Args:
        folder: Where it lies.
        names: Names of its files there, if a file was named.
    """
    named = next((name for name in names if name.endswith((SUFFIX, GGUF_SUFFIX))), None)
    return only_weights_file(folder) if named is None else folder / named


def is_pickle(path: Path) -> bool:
    """Return whether a file is one that would have to be unpickled, by its suffix and its first bytes."""
    if path.suffix.lower() not in PICKLES or not os.path.isfile(path):  # noqa: PTH113 - pathlib's raises an error for a long name
        return False
    with path.open("rb") as stream:
        return stream.read(2) in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def pickled(path: Path) -> ModelUnavailableError:
    """Return the error for a pickle."""
    return ModelUnavailableError(
        f"The file {path.name!r} is a pickle, which can run any code when it is opened, so it is never opened",
        "Fetch the .safetensors file that most publishers offer beside it, or convert it, if you trust it, as "
        "docs/models.md shows",
    )


def _content(file: WeightsFile) -> Content:
    for recognise in (
        _adapter,
        _control,
        _transformer_painter,
        _painter,
        _autoencoder,
        _denoiser,
        _text_encoder,
        _embedding,
    ):
        content = recognise(file)
        if content is not None:
            return content
    if file.path.suffix == GGUF_SUFFIX and (architecture := file.metadata.get(ARCHITECTURE)):
        return Content(gguf_family(architecture), *described_gguf(file.path, architecture))
    return Content(
        UNKNOWN,
        "weights of a kind that isn't known here",
        "If a config.json belongs to it, name the folder that holds both",
    )


def _adapter(file: WeightsFile) -> Content | None:
    names = file.shapes
    if file.has("ip_adapter.", "image_proj."):
        return Content(
            "IP-Adapter",
            "an IP-Adapter",
            "Name the checkpoint that it belongs to, and give this file with --ip-adapter, and pictures with "
            "--ip-adapter-image",
        )
    if not any(map(_ADAPTED.search, names)):
        return None
    kind = "LoHa" if any("hada_w" in n for n in names) else "LoKr" if any("lokr_w" in n for n in names) else "LoRA"
    base = _adapter_base(file)
    return Content(
        kind,
        f"a {kind} for {base}" if base else f"a {kind}",
        f"Name a checkpoint{f' of {base}' if base else ''}, and give this file with --lora",
    )


def _adapter_base(file: WeightsFile) -> str:
    names = " ".join(file.shapes)
    if "double_blocks" in names or "single_transformer_blocks" in names:
        return "FLUX"
    if "joint_blocks" in names or "add_k_proj" in names:
        return "Stable Diffusion 3"
    if "lora_te2_" in names or "text_encoder_2." in names:
        return "Stable Diffusion XL"
    read = re.compile(r"attn2[._]to_k[._](lora[._])?(lora_)?(down|A)\.(default\.)?weight$")
    width = next((shape[-1] for name, shape in file.shapes.items() if read.search(name)), 0)
    return {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "Stable Diffusion XL"}.get(width, "")


def _control(file: WeightsFile) -> Content | None:
    found = control_network(file.shapes)
    return None if found is None else Content(*found)


def _transformer_painter(file: WeightsFile) -> Content | None:
    painter = transformer_painter(file)
    return None if painter is None else Content(painter.pipeline or "painter", painter.description, painter.use)


def _painter(file: WeightsFile) -> Content | None:
    if not file.has(DENOISER):
        return None
    name, pipeline = _painter_family(file)
    if not pipeline and not name:
        return Content(
            "painter", "a painting checkpoint of a family that isn't known here", "Choose another checkpoint"
        )
    missing = [what for what, prefixes in _parts(name).items() if not file.has(*prefixes)]
    if missing:
        return Content(
            "painter",
            f"a checkpoint of {name} without its {' and '.join(missing)}",
            "Choose a file that holds all parts, or a repository in diffusers' layout",
        )
    if pipeline not in SINGLE_FILE_PAINTERS:
        return Content(pipeline or "painter", f"a checkpoint of {name}", _IN_PARTS)
    return Content(pipeline, f"a checkpoint of {name}")


def _painter_family(file: WeightsFile) -> tuple[str, str]:
    first = file.width(DENOISER + _FIRST_LAYER, 1)
    if first:
        kind = {9: "Inpaint", 8: "InstructPix2Pix"}.get(first, "")
        of = {9: " for inpainting", 8: " that follows instructions (InstructPix2Pix)"}.get(first, "")
        if "edm_mean" in file.shapes:
            return "", ""
        if file.has("conditioner.embedders.1."):
            return f"Stable Diffusion XL{of}", f"StableDiffusionXL{kind}Pipeline"
        if file.has("conditioner.embedders.0.model."):
            return "Stable Diffusion XL's refiner", ""
        if file.has(f"{DENOISER}label_emb."):
            # Without its text encoders; XL is all that has this layer and one text encoder's width of 2048.
            wide = file.width(f"{DENOISER}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", 1) == 2048
            return ("Stable Diffusion XL", "StableDiffusionXLPipeline") if wide else ("", "")
        if file.has("cond_stage_model.model."):
            return f"Stable Diffusion 2{of}", f"StableDiffusion{kind}Pipeline"
        width = file.width(f"{DENOISER}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", 1)
        return f"{_TEXT_WIDTHS.get(width, 'Stable Diffusion 1')}{of}", f"StableDiffusion{kind}Pipeline"
    return "", ""


def _parts(family: str) -> dict[str, tuple[str, ...]]:
    """Return what has to be in a file beside the denoiser, and how the names of its tensors begin."""
    autoencoder = {"autoencoder (VAE)": AUTOENCODERS}
    encoders = "conditioner." if "XL" in family else "cond_stage_model."
    return {**autoencoder, "text encoders" if "XL" in family else "text encoder": (encoders,)}


def _autoencoder(file: WeightsFile) -> Content | None:
    for prefix in ("", *AUTOENCODERS):
        channels = file.width(f"{prefix}decoder.conv_in.weight", 1)
        if channels and f"{prefix}encoder.conv_in.weight" in file.shapes:
            of = {4: " of Stable Diffusion 1, 2 or XL", 16: " of Stable Diffusion 3 or FLUX"}.get(channels, "")
            return Content(
                AUTOENCODER, f"an autoencoder (VAE){of}", "Name a checkpoint: an autoencoder alone can't paint"
            )
    return None


def _denoiser(file: WeightsFile) -> Content | None:
    if file.has("double_blocks.", "joint_blocks.", "input_blocks.", "down_blocks.", "transformer_blocks."):
        return Content(
            "denoiser",
            "the denoiser of a painting checkpoint, without autoencoder and text encoders",
            "Choose a file that holds all parts, or name a folder in diffusers' layout (with model_index.json)",
        )
    return None


def _text_encoder(file: WeightsFile) -> Content | None:
    words = file.has("text_model.embeddings.token_embedding.", "embeddings.token_embedding.")
    if words and not file.has("vision_model."):
        return Content("text encoder", "a text encoder (CLIP)", "Choose a file that holds all parts")
    if file.has("encoder.block.0.layer.0.SelfAttention.") and not file.has("decoder."):
        return Content("text encoder", "a text encoder (T5)", "Choose a file that holds all parts")
    return None


def _embedding(file: WeightsFile) -> Content | None:
    small = len(file.shapes) <= 2 and all(
        len(shape) in (1, 2) and shape[-1] in _TEXT_WIDTHS for shape in file.shapes.values()
    )
    if not file.shapes or not (small or file.shapes.keys() & _EMBEDDINGS):
        return None
    width = max(shape[-1] for shape in file.shapes.values() if shape)
    base = _TEXT_WIDTHS.get(width, "")
    return Content(
        EMBEDDING,
        f"an embedding (textual inversion){f' for {base}' if base else ''}",
        f"Name a checkpoint{f' of {base}' if base else ''}, give this file with --embedding, and write its name into "
        "the prompt",
    )
