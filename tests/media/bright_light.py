"""Stores an ordinary photo as films of a high dynamic range or a wide gamut do, by the published formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests import real_media

PQ, HLG = 16, 18
WHITE = 203.0
BT_709, BT_2020, DISPLAY_P3 = 1, 9, 12
SIZE = (320, 192)
_FROM_BT_709 = {  # computed from the chromaticities of H.273
    BT_709: np.eye(3),
    BT_2020: np.array([[0.627404, 0.329283, 0.043313], [0.069097, 0.919540, 0.011362], [0.016391, 0.088013, 0.895595]]),
    DISPLAY_P3: np.array([[0.822462, 0.177538, 0.0], [0.033194, 0.966806, 0.0], [0.017083, 0.072397, 0.910520]]),
}


def _linear(colours: NDArray[Any]) -> NDArray[Any]:
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def _srgb(light: NDArray[Any]) -> NDArray[Any]:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def _pq(nits: NDArray[Any]) -> NDArray[Any]:
    """ST 2084, as printed there."""
    power = (nits / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def _hlg(nits: NDArray[Any]) -> NDArray[Any]:
    """BT.2100: what a camera would have stored of what a screen of 1000 cd/m² shows."""
    screen = nits / 1000
    luminance = (screen @ [0.2627, 0.6780, 0.0593])[..., None].clip(1e-9)
    scene = screen * luminance ** (1 / 1.2 - 1)
    return np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), 0.17883277 * np.log((12 * scene - 0.28466892).clip(1e-9)) + 0.55991073
    )


SIGNALS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {PQ: _pq, HLG: _hlg}


def encoded(photo: NDArray[Any], transfer: int, primaries: int) -> NDArray[np.uint16]:
    """Return an ordinary photo as a maker of films puts it among brighter ones: its white at 203 cd/m²."""
    light = _linear(photo / 255) @ _FROM_BT_709[primaries].T
    signal = SIGNALS[transfer](light * WHITE) if transfer in SIGNALS else _srgb(light)
    return (signal.clip(0, 1) * 65535 + 0.5).astype(np.uint16)


def coffee() -> NDArray[np.uint8]:
    """Return a real photo with deep shadows, saturated colours and white."""
    with Image.open(real_media.photo("coffee")) as image:
        return np.asarray(image.convert("RGB").resize(SIZE))
