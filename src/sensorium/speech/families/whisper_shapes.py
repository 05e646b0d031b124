"""How large the parts of a Whisper are, and whether they fit together: CTranslate2 reads past their ends otherwise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sensorium.speech.families.ctranslate2_file import (
    Contents,
    StoredVariable,
    UnknownFormatError,
    read_contents,
    read_values,
)

_SPECIFICATION = "WhisperSpec"
_USUAL_HEADS = 8
"""What CTranslate2 takes where the file doesn't say how many."""
_LAYER = "self_attention/linear_0/weight"
_ACTIVATIONS = 7
"""How many activation functions CTranslate2 has."""
_FLAGS = {"pre_norm", "scale_embeddings", "scale_alibi", "alibi_use_positive_positions", "start_from_zero_embedding"}
_KINDS = {"weight", "weight_scale", "bias", "gamma", "beta", "encodings"}
_FLOATS = {"float32", "float16", "bfloat16"}


@dataclass(frozen=True)
class WhisperSizes:
    """How large a Whisper is.

    Attributes:
        mel_bands: How many bands of the spectrogram it hears.
        frames: How many frames of the spectrogram it hears at most.
        decoder_layers: Of its decoder.
        decoder_heads: Of each layer of its decoder.
        words: How many it knows, special ones among them.
        longest_text: How many words its decoder reads and writes at most.
    """

    mel_bands: int
    frames: int
    decoder_layers: int
    decoder_heads: int
    words: int
    longest_text: int


def whisper_sizes(weights: Path) -> WhisperSizes:
    """Return how large a Whisper is.

    Args:
        weights: Its ``model.bin``.

    Raises:
        UnknownFormatError: It isn't whole, it is no Whisper, or its parts don't fit together.
    """
    contents = read_contents(weights)
    if contents.specification != _SPECIFICATION:
        raise UnknownFormatError(f"the model is a {contents.specification}")
    words, width = _shape(contents, "decoder/embeddings/weight", 2)
    _, mel_bands, _ = _shape(contents, "encoder/conv1/weight", 3)
    numbers = _numbers(contents, weights)
    layers = {side: _layers(contents, side) for side in ("encoder", "decoder")}
    heads = {side: numbers.pop(f"{side}/num_heads", _USUAL_HEADS) for side in ("encoder", "decoder")}
    for side in ("encoder", "decoder"):
        if heads[side] < 1 or width % heads[side]:
            raise UnknownFormatError(f"the {side} has {heads[side]} attention heads for a width of {width}")
        if not layers[side]:
            raise UnknownFormatError(f"the {side} has no layers")
    sizes = WhisperSizes(
        mel_bands=mel_bands,
        frames=2 * _shape(contents, "encoder/position_encodings/encodings", 2)[0],
        decoder_layers=layers["decoder"],
        decoder_heads=heads["decoder"],
        words=words,
        longest_text=_shape(contents, "decoder/position_encodings/encodings", 2)[0],
    )
    for name, number in numbers.items():
        if not _is_possible(name.rpartition("/")[2], number, sizes):
            raise UnknownFormatError(f"{name} can't be {number}")
    _require_matrices(contents, sizes, width)
    return sizes


def _shape(contents: Contents, name: str, rank: int) -> tuple[int, ...]:
    variable = contents.find(name)
    if variable is None or len(variable.shape) != rank or 0 in variable.shape:
        raise UnknownFormatError(f"{name} is missing")
    return variable.shape


def _layers(contents: Contents, side: str) -> int:
    count = 0
    while contents.find(f"{side}/layer_{count}/{_LAYER}"):
        count += 1
    return count


def _numbers(contents: Contents, weights: Path) -> dict[str, int]:
    """Return the variables that are single integers."""
    found = {}
    with weights.open("rb") as file:
        for name in contents.names:
            variable = contents.find(name)
            if variable is not None and not variable.shape and variable.dtype not in _FLOATS:
                found[name] = int(read_values(file, variable))
    return found


def _is_possible(name: str, number: int, sizes: WhisperSizes) -> bool:
    """Return whether a setting can have a value; of what isn't known here, that it is switched off."""
    if name == "activation":
        return 0 <= number < _ACTIVATIONS
    if name == "alignment_layer":
        return -sizes.decoder_layers <= number < sizes.decoder_layers
    if name == "alignment_heads":
        return 0 <= number <= sizes.decoder_heads
    if name in _FLAGS:
        return number in (0, 1)
    return number == 0 and name not in {"num_heads_kv", "head_dim"}


def _require_matrices(contents: Contents, sizes: WhisperSizes, width: int) -> None:
    """Require that all weights have the shapes that they need beside each other."""
    for name in contents.names:
        variable = contents.find(name)
        if variable is None:
            raise UnknownFormatError(f"{name} is missing")
        if variable.shape or variable.dtype in _FLOATS:
            expected = _expected(contents, name, variable, sizes, width)
            if variable.shape != expected:
                raise UnknownFormatError(f"{name} has the shape {variable.shape} instead of {expected}")
            origin = contents.aliases.get(name, name)
            quantized = origin.endswith("/weight") and contents.find(f"{origin}_scale") is not None
            if variable.dtype not in ({"int8", "int16"} if quantized else _FLOATS):
                raise UnknownFormatError(f"{name} can't be of the type {variable.dtype}")


def _expected(
    contents: Contents, name: str, variable: StoredVariable, sizes: WhisperSizes, width: int
) -> tuple[int, ...]:
    """Return the shape that a variable must have."""
    layer, _, kind = name.rpartition("/")
    shapes: dict[str, tuple[int, ...]] = {
        r".*/self_attention/linear_0": (3 * width, width),
        r".*/self_attention/linear_1": (width, width),
        r".*/attention/linear_[02]": (width, width),
        r".*/attention/linear_1": (2 * width, width),
        r"encoder/conv1": (width, sizes.mel_bands, 3),
        r"encoder/conv2": (width, width, 3),
        r"decoder/(embeddings|projection)": (sizes.words, width),
        r".*layer_norm": (width,),
        r".*/position_encodings": (*variable.shape[:1], width),
    }
    if feed_forward := re.fullmatch(r"(.*/ffn)/linear_[01]", layer):
        inner = _shape(contents, f"{feed_forward[1]}/linear_0/weight", 2)[0]
        shapes |= {r".*/ffn/linear_0": (inner, width), r".*/ffn/linear_1": (width, inner)}
    for pattern, shape in shapes.items():
        if re.fullmatch(pattern, layer) and kind in _KINDS:
            if kind in ("weight", "encodings"):
                return shape
            # One scale for all rows, or one for each.
            return () if kind == "weight_scale" and not variable.shape else shape[:1]
    raise UnknownFormatError(f"{name} is no part of a Whisper")
