"""PP-OCR's three networks: where lines are, whether they stand on their heads, and what they say.

Source: Cui et al. 2025, PaddleOCR 3.0 Technical Report. Sizes and thresholds are those of RapidOCR, which the files
come from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import PIL.Image

from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.models.checkpoint import Checkpoint
from sensorium.models.onnx_session import open_session
from sensorium.progress import Cancellation, check_cancelled
from sensorium.vision_language.pp_ocr.reading_order import reading_order
from sensorium.vision_language.pp_ocr.text_boxes import TextBox, text_boxes
from sensorium.vision_language.writing import Writing, WrittenLine

_SHORTER_SIDE = 736
"""Smaller pictures are enlarged to it before lines are looked for."""
_MOST_PIXELS = 1_500_000
"""Larger ones are made smaller before lines are looked for, which are then read in the picture as it is."""
_GLANCE = 320
"""The longer side for a glance."""
_STEP = 32
_LONGEST_SIDE = _MOST_PIXELS // _STEP // _STEP * _STEP
"""Of a picture that is a strip, and no smaller than a step across."""
_LINE_HEIGHT = 48
_SHORTEST_LINE = 320
_LONGEST_LINE = 9600
_DIRECTION_WIDTH = 192
_UPSIDE_DOWN = 0.9
_CONFIDENT = 0.5
_FEW, _CERTAIN = 3, 0.97
"""Eyes, wheels and windows are taken for "0" or "口": so few different characters must be certain."""
_UNSURE = 0.8
"""Less than this may be a line that stands on its head."""
_AT_ONCE = 6
"""Lines that go through a network together, of about the same length; more only take more memory."""

Array = npt.NDArray[Any]
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class _Line:
    """A line cut out of the picture: its box, and its pixels of height 48."""

    box: TextBox
    pixels: PIL.Image.Image

    def turned_around(self) -> _Line:
        return _Line(self.box.turned_around(), self.pixels.transpose(PIL.Image.Transpose.ROTATE_180))


@dataclass(frozen=True, eq=False)
class _Reading:
    """What a line says, and how sure that is."""

    line: _Line
    text: str
    confidence: float


class PpOcr:
    """Finds and reads writing, on the CPU; threads may share it.

    Raises:
        UnsupportedError: Another precision than float32 is asked for.
        ModelUnavailableError: The checkpoint's files are damaged, or don't belong together.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        self._name = checkpoint.name
        if dtype not in ("auto", "float32"):
            raise UnsupportedError(f"The reader {checkpoint.name!r} can't read in {dtype}", "Use dtype='auto'")
        self._detector, self._direction, self._recognizer = (
            open_session(folder / name, folder, checkpoint, any_size=True)
            for name in ("detection.onnx", "direction.onnx", "recognition.onnx")
        )
        characters = self._recognizer.get_modelmeta().custom_metadata_map.get("character", "").splitlines()
        self._characters = np.array(["", *characters, " "])  # the first is CTC's blank
        classes = self._recognizer.get_outputs()[0].shape[-1]
        if len(self._characters) != classes:
            raise ModelUnavailableError(
                f"The checkpoint {checkpoint.name!r} knows {classes} characters and names {len(self._characters)}",
                "Choose another one: these files don't belong together",
            )

    def read(self, image: PIL.Image.Image, *, cancel: Cancellation | None = None) -> Writing:
        """Read an upright RGB picture.

        Raises:
            CancelledError: ``cancel`` was set.
        """
        lines = [_cut_out(image, box) for box in self._find(image)]
        readings = self._recognized(lines, cancel)
        # The network that tells what stands on its head is wrong now and then: the line is read both ways.
        doubtful = [
            index
            for index, upside_down in enumerate(self._upside_down(lines, cancel))
            if upside_down or readings[index].confidence < _UNSURE
        ]
        others = self._recognized([lines[index].turned_around() for index in doubtful], cancel)
        for index, other in zip(doubtful, others, strict=True):
            readings[index] = max(readings[index], other, key=lambda reading: reading.confidence)
        readings = [reading for reading in readings if _is_writing(reading)]
        rows = reading_order([reading.line.box for reading in readings])
        return Writing(
            text="\n".join(" ".join(readings[index].text for index in row) for row in rows),
            lines=tuple(_written(readings[index], image.size) for row in rows for index in row),
            model=self._name,
            width=image.width,
            height=image.height,
        )

    def shows_writing(self, image: PIL.Image.Image) -> bool:
        """Tell whether a glance at an upright RGB picture shows writing."""
        return bool(self._find_at(image, _GLANCE / max(image.size)))

    def _find(self, image: PIL.Image.Image) -> list[TextBox]:
        """Return where lines are, in pixels of the picture."""
        scale = max(1.0, _SHORTER_SIDE / min(image.size))
        scale = min(scale, math.sqrt(_MOST_PIXELS / (image.width * image.height)))
        return self._find_at(image, scale)

    def _find_at(self, image: PIL.Image.Image, scale: float) -> list[TextBox]:
        width, height = (min(_LONGEST_SIDE, max(_STEP, round(length * scale / _STEP) * _STEP)) for length in image.size)
        pixels = _normalized(image.resize((width, height), PIL.Image.Resampling.BILINEAR))
        (likely,) = self._detector.run(None, {"x": pixels[None]})
        return [box.stretched(image.width / width, image.height / height) for box in text_boxes(likely[0, 0])]

    def _upside_down(self, lines: Sequence[_Line], cancel: Cancellation | None) -> list[bool]:
        """Return which lines seem to stand on their heads."""

        def judge(batch: Sequence[_Line]) -> list[bool]:
            pixels = [_squeezed(line.pixels, _DIRECTION_WIDTH) for line in batch]
            (likely,) = self._direction.run(None, {"x": _batch(pixels, _DIRECTION_WIDTH)})
            return [bool(row[1] > _UPSIDE_DOWN) for row in likely]

        return _in_batches(lines, judge, cancel)

    def _recognized(self, lines: Sequence[_Line], cancel: Cancellation | None) -> list[_Reading]:
        """Return what each line says."""

        def recognize(batch: Sequence[_Line]) -> list[_Reading]:
            width = max(_SHORTEST_LINE, *(line.pixels.width for line in batch))
            (likely,) = self._recognizer.run(None, {"x": _batch([line.pixels for line in batch], width)})
            return [_Reading(line, *self._decoded(steps)) for line, steps in zip(batch, likely, strict=True)]

        return _in_batches(lines, recognize, cancel)

    def _decoded(self, steps: Array) -> tuple[str, float]:
        """Return the text of the likeliest characters ``[steps, characters]``, without repetitions and blanks (CTC)."""
        best = steps.argmax(1)
        kept = best != 0
        kept[1:] &= best[1:] != best[:-1]
        if not kept.any():
            return "", 0.0
        return "".join(self._characters[best[kept]]).strip(), float(steps.max(1)[kept].mean())


def _is_writing(reading: _Reading) -> bool:
    different = len(set(reading.text) - {" "})
    return different > 0 and reading.confidence >= (_CERTAIN if different < _FEW else _CONFIDENT)


def _cut_out(image: PIL.Image.Image, box: TextBox) -> _Line:
    """Cut a line out of the picture as it is, and turn it level."""
    width = min(_LONGEST_LINE, max(1, math.ceil(_LINE_HEIGHT * box.width / box.height)))
    corners = box.corners()[[0, 3, 2, 1]]  # Pillow goes round the other way
    # First at the size that it has in the picture: shrunk in one step, thin strokes would get lost.
    size = (max(1, round(box.width)), max(1, round(box.height)))
    level = image.transform(size, PIL.Image.Transform.QUAD, corners.ravel().tolist(), PIL.Image.Resampling.BICUBIC)
    return _Line(box, level.resize((width, _LINE_HEIGHT), PIL.Image.Resampling.BILINEAR))


def _squeezed(line: PIL.Image.Image, width: int) -> PIL.Image.Image:
    return line if line.width <= width else line.resize((width, line.height), PIL.Image.Resampling.BILINEAR)


def _normalized(image: PIL.Image.Image) -> npt.NDArray[np.float32]:
    """Return an image as float32 ``[3, height, width]`` in BGR, from -1 to 1."""
    pixels = np.asarray(image, np.float32)[..., ::-1].transpose(2, 0, 1)
    normalized: npt.NDArray[np.float32] = pixels / np.float32(127.5) - 1
    return normalized


def _batch(lines: Sequence[PIL.Image.Image], width: int) -> npt.NDArray[np.float32]:
    """Return lines of at most ``width`` pixels as float32 ``[n, 3, 48, width]``, with grey behind the shorter ones."""
    pixels = np.zeros((len(lines), 3, _LINE_HEIGHT, width), np.float32)
    for row, line in zip(pixels, lines, strict=True):
        row[..., : line.width] = _normalized(line)
    return pixels


def _in_batches(
    lines: Sequence[_Line], run: Callable[[Sequence[_Line]], list[Result]], cancel: Cancellation | None
) -> list[Result]:
    """Run lines of about the same length together; return the results in the order of the lines."""
    order = sorted(range(len(lines)), key=lambda index: lines[index].pixels.width)
    results: dict[int, Result] = {}
    for start in range(0, len(order), _AT_ONCE):
        check_cancelled(cancel)
        batch = order[start : start + _AT_ONCE]
        results.update(zip(batch, run([lines[index] for index in batch]), strict=True))
    return [results[index] for index in range(len(lines))]


def _written(reading: _Reading, size: tuple[int, int]) -> WrittenLine:
    corners = np.clip(reading.line.box.corners(), 0, size).round(1).tolist()
    first, second, third, fourth = ((float(x), float(y)) for x, y in corners)
    return WrittenLine(reading.text, (first, second, third, fourth), round(reading.confidence, 4))
