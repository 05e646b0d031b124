"""What an IP-Adapter's file says about itself: for which denoiser it was made, and which image encoder it reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensorium.errors import InputError, UnsupportedError
from sensorium.models.single_file import WeightsFile, read_weights_file

_BASES = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "Stable Diffusion XL"}
"""From the width of the text features that a denoiser reads."""
_XL_BLOCKS = ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D")
_PICTURE_TOKENS = 4
"""As how many words the plain IP-Adapter gives a picture."""
_FACE_ADAPTER = "Use one that reads the picture itself, such as 'ip-adapter-plus-face-sd15'"
_OTHER_FAMILIES = ("double_blocks.", "single_blocks.", "joint_blocks.", "ip_adapter_proj_model.")


@dataclass(frozen=True)
class AdaptableDenoiser:
    """What an IP-Adapter must fit.

    Attributes:
        text_width: How wide the text features are that the denoiser reads.
        layer_widths: How wide it is at each of its attentions to the prompt, in the order of its layers.
        has_parts: Whether it is known which layers make the style and the layout of a picture, as of XL.
    """

    text_width: int
    layer_widths: tuple[int, ...]
    has_parts: bool


@dataclass(frozen=True)
class EncoderKind:
    """Which image encoder an IP-Adapter reads, as the encoder's ``config.json`` tells it.

    Attributes:
        setting: ``"projection_dim"`` if it reads the encoder's result, ``"hidden_size"`` if its last layer but one.
        width: What that setting must be.
    """

    setting: str
    width: int


@dataclass(frozen=True)
class IPAdapterFile:
    """The safetensors file of an IP-Adapter in the published layout.

    Attributes:
        weights: Its names and shapes.
        name: What messages call it.
    """

    weights: WeightsFile
    name: str

    @property
    def encoder(self) -> EncoderKind:
        """The image encoder that it reads."""
        if result := self.weights.width("image_proj.proj.weight", 1):
            return EncoderKind("projection_dim", result)
        return EncoderKind(
            "hidden_size",
            self.weights.width("image_proj.proj.0.weight", 1) or self.weights.width("image_proj.proj_in.weight", 1),
        )

    def check_fits(self, denoiser: AdaptableDenoiser, painter: str) -> None:
        """Refuse a denoiser of another kind than the one that the adapter was made for.

        Args:
            denoiser: Of the painter.
            painter: The name of its checkpoint.

        Raises:
            InputError: The two don't fit.
        """
        width = denoiser.text_width
        expected = {
            f"ip_adapter.{2 * number + 1}.{name}.weight": (hidden, width)
            for number, hidden in enumerate(denoiser.layer_widths)
            for name in ("to_k_ip", "to_v_ip")
        }
        found = {name: shape for name, shape in self.weights.shapes.items() if name.endswith("_ip.weight")}
        if found == expected and self._features == width:
            return
        theirs = {shape[1] for shape in found.values() if len(shape) == 2}
        base = next((name for text, name in _BASES.items() if theirs == {text} and text != width), "")
        raise misfit(self.name, painter, base or "another family")

    @property
    def _features(self) -> int:
        """How wide the features of a picture are that the denoiser reads."""
        plain = self.weights.width("image_proj.proj.weight")
        return (
            plain // _PICTURE_TOKENS
            or self.weights.width("image_proj.proj.3.weight")
            or self.weights.width("image_proj.proj_out.weight")
        )


def misfit(adapter: str, painter: str, made_for: str) -> InputError:
    """Return the error for an adapter of another family than the painter."""
    return InputError(
        f"The IP-Adapter {adapter!r} doesn't fit {painter!r}: it was made for {made_for}",
        "Use it with a checkpoint of that family, or choose an adapter that was made for this one",
    )


def read_ip_adapter(path: Path, name: str) -> IPAdapterFile:
    """Read the header of an IP-Adapter's file.

    Raises:
        ModelUnavailableError: It is no safetensors file, or it is damaged or cut off.
        InputError: It is something else than an IP-Adapter.
        UnsupportedError: It is one of a kind that can't be used.
    """
    weights = read_weights_file(path)
    if _reads_face_recognition(weights):
        raise UnsupportedError(
            f"The IP-Adapter {name!r} is a FaceID one: it reads faces through InsightFace, which is not used here",
            _FACE_ADAPTER,
        )
    if weights.has(*_OTHER_FAMILIES) and "ip_adapter" in " ".join(weights.shapes):
        raise UnsupportedError(
            f"The IP-Adapter {name!r} was made for FLUX or Stable Diffusion 3; those of Stable Diffusion 1, 2 and XL "
            "are used",
            "Choose one of those, with a checkpoint of its family",
        )
    file = IPAdapterFile(weights, name)
    if not weights.has("ip_adapter.") or not file.encoder.width:
        what = weights.content.description
        raise InputError(f"The file {name!r} is no IP-Adapter: it is {what}", "Name the file of an IP-Adapter")
    return file


def _reads_face_recognition(weights: WeightsFile) -> bool:
    layers = {"image_proj.proj.0.weight", "image_proj.norm.weight"} <= weights.shapes.keys()
    return layers or weights.has("image_proj.perceiver_resampler.") or any("_lora." in name for name in weights.shapes)


def adaptable(unet: Any) -> AdaptableDenoiser | None:
    """Return what IP-Adapters must fit; None for a denoiser that takes none.

    It is asked before anything is put on the denoiser: with an adapter on, it looks like one that takes none.

    Args:
        unet: The denoiser, or None.
    """
    if unet is None or unet.encoder_hid_proj is not None or not isinstance(unet.config.cross_attention_dim, int):
        return None
    widths = unet.config.block_out_channels
    found = []
    for name in unet.attn_processors:
        kind, _, rest = name.partition(".")
        if name.endswith("attn1.processor"):
            continue
        if kind == "mid_block":
            found.append(widths[-1])
        else:
            block = int(rest.partition(".")[0])
            found.append(widths[block] if kind == "down_blocks" else widths[-1 - block])
    has_parts = tuple(unet.config.down_block_types) == _XL_BLOCKS and unet.config.layers_per_block == 2
    return AdaptableDenoiser(unet.config.cross_attention_dim, tuple(found), has_parts)
