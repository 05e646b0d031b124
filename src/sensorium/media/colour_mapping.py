"""Shows pictures of a high dynamic range or a wide gamut as an ordinary (sRGB) screen shows them.

Sources of the numbers: Recommendations ITU-R BT.2100 (PQ and HLG), BT.2020 (primaries), BT.2390, section 5.4 (tone
mapping by a Hermite spline), BT.2408 (203 cd/m² as the white of ordinary pictures), and ITU-T H.273 (the code points).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy
import numpy.typing

PQ, HLG = 16, 18
"""Code points of the transfer characteristics of a high dynamic range: SMPTE ST 2084 and ARIB STD-B67."""

WHITE = 203.0
"""cd/m². Brightness of a white sheet of paper in films of a high dynamic range."""

USUAL_PEAK = 1000.0
"""cd/m². Brightest light in films that don't say it, and in all HLG films."""

_HIGHEST_PEAK = 10_000.0
_AT_ONCE = 16_384
"""Pixels are converted in rows of about this many, which fit into a processor's cache."""

_FINE = 4096
_FROM_BT_2020 = ((1.660491, -0.587641, -0.072850), (-0.124550, 1.132900, -0.008349), (-0.018151, -0.100579, 1.118730))
_FROM_P3 = ((1.224940, -0.224940, 0.0), (-0.042057, 1.042057, 0.0), (-0.019638, -0.078636, 1.098274))
_TO_BT_709 = {9: _FROM_BT_2020, 11: _FROM_P3, 12: _FROM_P3}
_LUMINANCE = {9: (0.2627, 0.6780, 0.0593), 11: (0.2290, 0.6917, 0.0793), 12: (0.2290, 0.6917, 0.0793)}
_LUMINANCE_OF_BT_709 = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True)
class ColourCode:
    """How the numbers of a picture stand for colours.

    Attributes:
        primaries: Code point of the colour primaries, by H.273.
        transfer: Code point of the transfer characteristics, by H.273.
        peak: Brightest light in the picture, in cd/m²; only PQ uses it.
    """

    primaries: int
    transfer: int
    peak: float = USUAL_PEAK

    @property
    def is_ordinary(self) -> bool:
        """Whether an ordinary screen shows the numbers right as they are."""
        return self.transfer not in (PQ, HLG) and self.primaries not in _TO_BT_709


def to_ordinary(picture: numpy.typing.NDArray[numpy.uint16], code: ColourCode) -> numpy.typing.NDArray[numpy.uint8]:
    """Return a picture as sRGB.

    Light up to about half of white stays as it is, brighter light is compressed so that the brightest just fits.
    Colours that the screen doesn't have become the nearest in each channel. A picture of an ordinary dynamic range
    keeps its brightness, only its colours are converted.

    Args:
        picture: RGB of shape (height, width, 3), in the whole range of 16 bits.
        code: What the numbers stand for.

    Returns:
        RGB of the same shape, 8 bits.
    """
    light_of = _light(code.transfer)
    matrix = numpy.array(_TO_BT_709.get(code.primaries, numpy.eye(3)), numpy.float32)
    brightest = max(WHITE, min(code.peak, _HIGHEST_PEAK)) / WHITE if code.transfer == PQ else USUAL_PEAK / WHITE
    shown = numpy.empty(picture.shape, numpy.uint8)
    step = max(1, _AT_ONCE // picture.shape[1])
    for top in range(0, len(picture), step):
        rows = picture[top : top + step]
        light = light_of.take(rows.reshape(-1, 3).T)
        if code.transfer == HLG:
            _show_on_hlg_screen(light, code.primaries)
        light = matrix @ light
        if code.transfer in (PQ, HLG):
            _compress(light, brightest)
        place = numpy.sqrt(light.clip(0, 1, out=light), out=light) * (_FINE - 1) + 0.5
        shown[top : top + step] = _srgb().take(place.astype(numpy.uint16)).T.reshape(rows.shape)
    return shown


@lru_cache(maxsize=3)
def _light(transfer: int) -> numpy.typing.NDArray[numpy.float32]:
    """Return the light that each value of 16 bits stands for: relative to white, or to the brightest for HLG."""
    signal = numpy.linspace(0, 1, 65_536)
    if transfer == PQ:
        light = _light_of_pq(signal) / WHITE
    elif transfer == HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = numpy.where(signal <= 0.5, signal**2 / 3, (numpy.exp((signal - c) / a) + b) / 12)
    else:
        light = numpy.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    return light.astype(numpy.float32)


def _show_on_hlg_screen(light: numpy.typing.NDArray[numpy.float32], primaries: int) -> None:
    """Turn light of a scene into the light, relative to white, that a screen of the usual peak shows."""
    luminance = numpy.array(_LUMINANCE.get(primaries, _LUMINANCE_OF_BT_709), numpy.float32) @ light
    light *= luminance**0.2 * (USUAL_PEAK / WHITE)


def _compress(light: numpy.typing.NDArray[numpy.float32], brightest: float) -> None:
    """Dim light, relative to white, so that the brightest just fits; the colours keep their hue."""
    strongest = numpy.maximum(numpy.maximum(light[0], light[1]), light[2]) / brightest
    place = numpy.sqrt(numpy.sqrt(strongest.clip(0, 1, out=strongest))) * (_FINE - 1) + 0.5
    light *= _compression_table(brightest).take(place.astype(numpy.uint16))


@lru_cache(maxsize=8)
def _compression_table(brightest: float) -> numpy.typing.NDArray[numpy.float32]:
    """Return the factors for light that rises with the fourth power of the place, as BT.2390 describes."""
    light = numpy.linspace(0, 1, _FINE) ** 4 * brightest * WHITE
    signal_peak = float(_pq_of_light(brightest * WHITE))
    signal, white = _pq_of_light(light) / signal_peak, float(_pq_of_light(WHITE)) / signal_peak
    knee = 1.5 * white - 0.5
    place = ((signal - knee) / max(1 - knee, 1e-9)).clip(0, 1)
    spline = (
        (2 * place**3 - 3 * place**2 + 1) * knee
        + (place**3 - 2 * place**2 + place) * (1 - knee)
        + (3 * place**2 - 2 * place**3) * white
    )
    dimmed = _light_of_pq(numpy.where(signal < knee, signal, spline) * signal_peak)
    factors: numpy.typing.NDArray[numpy.float32] = (dimmed / light.clip(1e-6)).astype(numpy.float32)
    factors[0] = 1
    return factors


@lru_cache(maxsize=1)
def _srgb() -> numpy.typing.NDArray[numpy.uint8]:
    """Return the values of sRGB for light that rises with the square of the place."""
    light = numpy.linspace(0, 1, _FINE) ** 2
    value = numpy.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return (value * 255 + 0.5).astype(numpy.uint8)


_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def _light_of_pq(signal: numpy.typing.NDArray[numpy.float64]) -> numpy.typing.NDArray[numpy.float64]:
    power = signal ** (1 / _M2)
    light: numpy.typing.NDArray[numpy.float64] = 10_000 * ((power - _C1).clip(0) / (_C2 - _C3 * power)) ** (1 / _M1)
    return light


def _pq_of_light(light: numpy.typing.NDArray[numpy.float64] | float) -> numpy.typing.NDArray[numpy.float64]:
    power = (numpy.asarray(light) / 10_000) ** _M1
    signal: numpy.typing.NDArray[numpy.float64] = ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
    return signal
