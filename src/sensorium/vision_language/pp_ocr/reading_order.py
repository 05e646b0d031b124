"""In which order the pieces of writing on a page are read: columns, rows, and pieces in a row."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sensorium.vision_language.pp_ocr.text_boxes import TextBox

_RUNNING_TEXT = 7
"""A line this many times as long as high, about fifteen letters, is a line of running text. Shorter ones may be cells
of a table or of a receipt, which are read row by row."""
_OVERLAP = 0.25
"""The boxes of two lines one below the other overlap by less than this part of their height."""
_SAME_ROW = 0.5
"""Pieces are in one row if they share this part of the lower one's height."""


@dataclass(frozen=True)
class _Piece:
    """A box in a page that was turned upright."""

    index: int
    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


def reading_order(boxes: Sequence[TextBox]) -> list[list[int]]:
    """Return rows of indices of boxes, in reading order.

    The page is turned so that most of its writing is upright. Then it is cut recursively into blocks: at blank columns
    between running texts, and at blank stripes. What can't be cut is read row by row.

    Source: Nagy and Seth 1984, Hierarchical Representation of Optically Scanned Documents (the recursive cut).
    """
    if not boxes:
        return []
    turn = _page_angle(boxes)
    return _rows_of(
        [_upright(index, box, turn) for index, box in enumerate(boxes)],
    )


def _page_angle(boxes: Sequence[TextBox]) -> float:
    """Return the angle of most writing: the mean of those near the quarter turn that has the most of it."""
    angles, weights = np.array([box.angle for box in boxes]), np.array([box.width for box in boxes])
    quarters = np.round(angles / (math.pi / 2)).astype(int) % 4
    quarter = int(np.argmax(np.bincount(quarters, weights, minlength=4)))
    alike = quarters == quarter
    return math.atan2(
        float((np.sin(angles) * weights)[alike].sum()),
        float((np.cos(angles) * weights)[alike].sum()),
    )


def _upright(index: int, box: TextBox, turn: float) -> _Piece:
    cosine, sine = math.cos(turn), math.sin(turn)
    x, y = cosine * box.x + sine * box.y, cosine * box.y - sine * box.x
    # Around the box as it lies in the turned page; a line at a right angle to the page stands there.
    lean = box.angle - turn
    if abs(math.sin(lean)) > math.sin(math.pi / 4):
        width, height = box.height, box.width
    else:
        width, height = box.width, box.height
    return _Piece(index, x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _rows_of(pieces: Sequence[_Piece]) -> list[list[int]]:
    columns = _cut(pieces, lambda piece: (piece.left, piece.right), _line_height(pieces))
    if len(columns) > 1 and all(_is_running_text(column) for column in columns):
        return [row for column in columns for row in _rows_of(column)]
    # Stripes of any height, even if boxes overlap a little: what is between two of them may have columns of its own.
    stripes = _cut(pieces, lambda piece: (piece.top, piece.bottom), -_OVERLAP * _line_height(pieces))
    if len(stripes) > 1:
        return [row for block in _blocks(stripes) for row in _rows_of(block)]
    return _plain_rows(pieces)


def _blocks(stripes: Sequence[list[_Piece]]) -> list[list[_Piece]]:
    """Join neighbouring stripes that have the same columns of running text: cut apart, they'd be read across."""
    blocks: list[list[_Piece]] = []
    for stripe in stripes:
        joined = [*blocks[-1], *stripe] if blocks else stripe
        columns = _cut(joined, lambda piece: (piece.left, piece.right), _line_height(joined))
        if blocks and len(columns) > 1 and len(joined) > 2 and all(_is_running_text(column) for column in columns):
            blocks[-1] = joined
        else:
            blocks.append(list(stripe))
    return blocks


def _line_height(pieces: Sequence[_Piece]) -> float:
    return float(np.median([piece.height for piece in pieces]))


def _is_running_text(column: Sequence[_Piece]) -> bool:
    lengths = [(piece.right - piece.left) / max(piece.height, 1) for piece in column]
    return len(column) > 1 and float(np.median(lengths)) >= _RUNNING_TEXT


def _cut(pieces: Sequence[_Piece], side: Callable[[_Piece], tuple[float, float]], gap: float) -> list[list[_Piece]]:
    """Return the pieces in groups between which nothing lies over more than ``gap`` pixels."""
    groups: list[list[_Piece]] = []
    reach = -math.inf
    for piece in sorted(pieces, key=side):
        start, end = side(piece)
        if start - reach > gap:
            groups.append([])
        groups[-1].append(piece)
        reach = max(reach, end)
    return groups


def _plain_rows(pieces: Sequence[_Piece]) -> list[list[int]]:
    rows: list[list[_Piece]] = []
    for piece in sorted(pieces, key=lambda piece: piece.middle):
        if rows and _in_row(piece, rows[-1]):
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return [[piece.index for piece in sorted(row, key=lambda piece: piece.left)] for row in rows]


def _in_row(piece: _Piece, row: Sequence[_Piece]) -> bool:
    last = row[-1]
    shared = min(piece.bottom, last.bottom) - max(piece.top, last.top)
    return shared > _SAME_ROW * min(piece.height, last.height)
