"""Normals from depth: directions, colours, and the arithmetic of the model card that they follow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from sensorium.errors import InputError
from sensorium.image_generation.annotators.depth_estimation import DepthEstimator
from sensorium.image_generation.annotators.normals import normal_map, surface_normals


def plane(right: float, down: float) -> np.ndarray:
    """Return the nearness of a plane that comes nearer to the right and downwards."""
    y, x = np.mgrid[0:384, 0:400].astype(np.float32) / 400
    nearness = 0.5 + right * (x - 0.5) + down * (y - 0.5)
    return nearness.astype(np.float32)


@pytest.mark.parametrize(
    ("right", "down", "direction"),
    [(0, 0, (0, 0, 1)), (0.5, 0, (1, 0, 1)), (-0.5, 0, (-1, 0, 1)), (0, 0.5, (0, 1, 1)), (0, -0.5, (0, -1, 1))],
)
def test_red_is_left_and_green_is_up(right: float, down: float, direction: tuple[int, int, int]) -> None:
    # What is nearer on its right side faces left; what is nearer at its lower end, as a floor is, faces up.
    vectors = surface_normals(plane(right, down), background=0, relief=1000)
    middle = vectors[192, 200]
    assert [np.sign(round(float(part), 3)) for part in middle] == list(direction)
    assert np.allclose(np.linalg.norm(vectors, axis=2), 1, atol=1e-5)
    assert np.allclose(vectors[5:-5, 5:-5], middle, atol=1e-3)  # a plane faces one way everywhere


def test_size_does_not_change_the_direction() -> None:
    import cv2

    small = plane(0.4, 0.3)
    large = cv2.resize(small, (1200, 1152), interpolation=cv2.INTER_LINEAR)
    one = surface_normals(small, background=0, relief=800)[192, 200]
    other = surface_normals(large, background=0, relief=800)[576, 600]
    assert np.allclose(one, other, atol=0.02)


def test_a_ball_looks_like_a_ball() -> None:
    y, x = np.mgrid[0:384, 0:512].astype(np.float32)
    x, y = (x - 256) / 150, (y - 192) / 150
    height = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
    # In front of a wall as far behind it as the picture is high.
    nearness = (height * 150 / 384 + 1 - 150 / 384).astype(np.float32)
    vectors = surface_normals(nearness, background=0, relief=300)
    inside = x**2 + y**2 < 0.8
    truth = np.stack([-x, -y, height], axis=2)  # left, up, towards the viewer
    assert np.abs(vectors - truth)[inside].max() < 0.03


def test_the_background_faces_the_viewer() -> None:
    vectors = surface_normals(plane(1, 0), background=0.4, relief=1000)
    far = plane(1, 0) < 0.4
    assert far.any()
    assert (vectors[far] == (0, 0, 1)).all()
    near = vectors[1:-1, 1:-1][~far[1:-1, 1:-1]]  # at the border slopes are 0, as in the annotator
    assert (near[:, 0] > 0.1).all()


def test_equals_the_model_cards_arithmetic(hub: Path, pictures: list[PIL.Image.Image]) -> None:
    import cv2

    picture = pictures[0].resize((500, 384))
    with DepthEstimator(hub / "dpt") as estimator:
        image = estimator.estimate(picture).depth
        image = image * (300 / np.ptp(image))  # trained networks have such ranges
        ours = np.asarray(normal_map(picture, estimator, background=0.2, relief=300))
    # sd-controlnet-normal's card: slopes of the depth itself, background by its share of the range.
    share = (image - image.min()) / np.ptp(image)
    x = cv2.Sobel(image, cv2.CV_32F, 1, 0, ksize=3)
    x[share < 0.2] = 0
    y = cv2.Sobel(image, cv2.CV_32F, 0, 1, ksize=3)
    y[share < 0.2] = 0
    card = np.stack([x, y, np.ones_like(x) * np.pi * 2.0], axis=2)
    card /= np.sum(card**2.0, axis=2, keepdims=True) ** 0.5
    theirs = (card * 127.5 + 127.5).clip(0, 255).astype(np.uint8)
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert len(np.unique(theirs)) > 20


def test_axes_may_be_swapped(hub: Path, pictures: list[PIL.Image.Image]) -> None:
    with DepthEstimator(hub / "depth_anything") as estimator:
        usual = np.asarray(normal_map(pictures[0], estimator))
        swapped = np.asarray(normal_map(pictures[0], estimator, axes="zyx"))
    assert usual.shape == (pictures[0].height, pictures[0].width, 3)
    assert (swapped == usual[..., ::-1]).all()
    assert usual[..., 2].min() >= 127  # nothing faces away


def test_numbers_that_make_no_sense(hub: Path, pictures: list[PIL.Image.Image]) -> None:
    with DepthEstimator(hub / "depth_anything") as estimator:
        for options in ({"background": 1.5}, {"background": -0.1}, {"relief": 0}, {"relief": float("nan")}):
            with pytest.raises(InputError):
                normal_map(pictures[0], estimator, **options)
        with pytest.raises(InputError, match="no order of axes 'xzy'"):
            normal_map(pictures[0], estimator, axes="xzy")
