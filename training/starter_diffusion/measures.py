"""What an evaluation measures on pictures, without any network."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import PIL.Image
import torch

from training.starter_diffusion import phrases

_SMALL = 32
_CHUNK = 1024
_CHANCE_DEVIATIONS = 3.0


def small(image: PIL.Image.Image) -> np.ndarray:
    """Return a picture's pixels at 32 × 32, 0 to 1, as a row."""
    resized = image.convert("RGB").resize((_SMALL, _SMALL), PIL.Image.Resampling.BOX)
    return (np.asarray(resized, dtype=np.float32) / 255).reshape(-1)


def nearest(rows: np.ndarray, training: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row the root mean square distance to its nearest training row, and that one's number.

    Args:
        rows: ``[n, d]``.
        training: Chunks ``[k, d]``, one in memory at a time.
    """
    wanted = torch.from_numpy(rows)
    best, which = torch.full((len(rows),), float("inf")), torch.zeros(len(rows), dtype=torch.long)
    offset = 0
    for chunk in training:
        distances = torch.cdist(wanted, torch.from_numpy(chunk))
        found, numbers = distances.min(1)
        closer = found < best
        best[closer], which[closer] = found[closer], numbers[closer] + offset
        offset += len(chunk)
    return (best / rows.shape[1] ** 0.5).numpy(), which.numpy()


def in_chunks(pictures: Iterable[PIL.Image.Image]) -> Iterable[np.ndarray]:
    """Return the `small` rows of pictures in chunks."""
    chunk: list[np.ndarray] = []
    for picture in pictures:
        chunk.append(small(picture))
        if len(chunk) == _CHUNK:
            yield np.stack(chunk)
            chunk = []
    if chunk:
        yield np.stack(chunk)


def main_colour(image: PIL.Image.Image) -> str:
    """Return the name of the colour that most of a picture's lively pixels have; "" if few are lively."""
    pixels = np.asarray(image.convert("RGB").convert("HSV")).reshape(-1, 3).astype(np.float64)
    lively = pixels[(pixels[:, 1] > 90) & (pixels[:, 2] > 90)]
    if len(lively) < 0.03 * len(pixels):
        return ""
    hues = lively[:, 0] * (360 / 256)
    weights = lively[:, 1] * lively[:, 2]
    names = list(phrases.HUES)
    away = np.abs((hues[:, None] - np.array(list(phrases.HUES.values())) + 180) % 360 - 180)
    votes = np.bincount(away.argmin(1), weights=weights, minlength=len(names))
    return names[int(votes.argmax())]


def covered(asked: np.ndarray, found: np.ndarray) -> float:
    """Return the part of the asked edges, uint8 ``[side, side]``, that have a found one beside them or on them."""
    near = cv2.dilate(found, np.ones((3, 3), np.uint8))
    return float((near[asked > 0] > 0).mean()) if (asked > 0).any() else 0.0


def clearly_above(share: float, chance: float, count: int) -> bool:
    """Return whether a share of right answers is three standard deviations above chance."""
    return count > 0 and share > chance + _CHANCE_DEVIATIONS * (chance * (1 - chance) / count) ** 0.5
