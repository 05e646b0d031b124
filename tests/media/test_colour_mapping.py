"""Light of a high dynamic range and colours of a wide gamut, as an ordinary screen shows them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sensorium.media.colour_mapping import ColourCode, to_ordinary
from tests.media.bright_light import BT_709, BT_2020, DISPLAY_P3, HLG, PQ, SIGNALS, WHITE, coffee, encoded


@pytest.fixture(scope="module")
def photo() -> NDArray[np.uint8]:
    return coffee()


@pytest.mark.parametrize(
    ("primaries", "transfer"), [(BT_709, PQ), (BT_2020, PQ), (DISPLAY_P3, PQ), (BT_2020, HLG), (BT_2020, 1), (12, 13)]
)
def test_what_is_darker_than_half_of_white_stays_as_it_is(
    photo: NDArray[np.uint8], primaries: int, transfer: int
) -> None:
    dark = photo // 2
    shown = to_ordinary(encoded(dark, transfer, primaries), ColourCode(primaries, transfer))
    assert np.abs(shown.astype(int) - dark).max() <= 2


@pytest.mark.parametrize("transfer", SIGNALS)
def test_brighter_light_is_compressed_and_stays_in_order(transfer: int) -> None:
    nits = np.geomspace(1, 1000, 200)
    signal = SIGNALS[transfer](np.repeat(nits[:, None], 3, axis=1))
    shown = to_ordinary((signal[None] * 65535).astype(np.uint16), ColourCode(BT_2020, transfer))[0].astype(int)
    assert np.ptp(shown, axis=-1).max() <= 1, "grey stays grey"
    levels = shown[:, 0]
    assert (np.diff(levels) >= 0).all()
    assert levels[-1] == 255
    white = levels[np.searchsorted(nits, WHITE)]
    assert 220 <= white < 250, "paper is white, and there is something left for the sun"


def test_a_film_that_says_how_bright_it_gets_is_compressed_no_more_than_that() -> None:
    paper = np.full((1, 1, 3), SIGNALS[PQ](np.array(WHITE)) * 65535).astype(np.uint16)
    levels = [int(to_ordinary(paper, ColourCode(BT_2020, PQ, peak)).max()) for peak in (WHITE, 400, 1000, 4000)]
    assert levels[0] >= 254
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] > 180
    for peak in (0.0, -5.0, 1e30):
        assert 0 < to_ordinary(paper, ColourCode(BT_2020, PQ, peak)).max() <= 255, "a false note does no harm"


def test_an_ordinary_picture_is_known_as_one() -> None:
    assert all(ColourCode(primaries, transfer).is_ordinary for primaries in (1, 2, 5, 6) for transfer in (1, 2, 6, 13))
    assert not ColourCode(BT_2020, 14).is_ordinary
