"""Edges where they are, one pixel wide, as OpenCV finds them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest

from sensorium.errors import InputError
from sensorium.image_generation.annotators.canny import canny_map


def test_equals_opencv(pictures: list[PIL.Image.Image], parity: Callable[[str, str, str], None]) -> None:
    import cv2

    for picture in pictures:
        for low, high in ((100, 200), (30, 60)):
            edges = np.asarray(canny_map(picture, low_threshold=low, high_threshold=high))
            assert edges.shape == (picture.height, picture.width, 3)
            expected = cv2.Canny(np.asarray(picture), low, high)
            assert (edges == expected[..., None]).all()
            assert set(np.unique(edges)) == {0, 255}
    assert (np.asarray(canny_map(pictures[0])) == cv2.Canny(np.asarray(pictures[0]), 100, 200)[..., None]).all()
    parity("edges: canny", "cv2.Canny", "equal at every pixel")


@pytest.mark.parametrize("size", [(200, 120), (121, 203)])
def test_the_edge_of_a_rectangle_is_its_edge(size: tuple[int, int]) -> None:
    picture = PIL.Image.new("RGB", size, "black")
    picture.paste("white", (30, 40, 90, 100))
    rows, columns = np.nonzero(np.asarray(canny_map(picture))[..., 0])
    # An edge between two pixels is drawn on one of them.
    assert columns.min() in (29, 30)
    assert columns.max() in (89, 90)
    assert rows.min() in (39, 40)
    assert rows.max() in (99, 100)
    inside = (columns > 31) & (columns < 88) & (rows > 41) & (rows < 98)
    assert not inside.any()
    assert len(rows) == pytest.approx(4 * 60, abs=8)


def test_thresholds_decide_what_is_an_edge() -> None:
    picture = PIL.Image.new("RGB", (64, 64), (100, 100, 100))
    picture.paste((120, 120, 120), (32, 0, 64, 64))  # a step of 20 has a gradient of 80
    assert not np.asarray(canny_map(picture)).any()
    assert np.asarray(canny_map(picture, low_threshold=30, high_threshold=70)).any()


def test_thresholds_that_make_no_sense() -> None:
    picture = PIL.Image.new("RGB", (8, 8))
    with pytest.raises(InputError, match="low threshold 200 is over the high threshold 100") as caught:
        canny_map(picture, low_threshold=200, high_threshold=100)
    assert caught.value.remedy == "Use low_threshold=100 and high_threshold=200"
    for options in ({"low_threshold": -1}, {"high_threshold": 1e9}, {"low_threshold": float("nan")}):
        with pytest.raises(InputError, match="is not a threshold for edges"):
            canny_map(picture, **options)


def test_any_size_has_edges_or_none() -> None:
    for size in ((1, 1), (1, 300), (300, 1), (2, 2)):
        assert canny_map(PIL.Image.new("RGB", size)).size == size
