"""Segments on tiny checkpoints in the hub's layout, held against transformers' own processing; ADE20K's colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import torch

from sensorium.errors import UnsupportedError
from sensorium.image_generation.annotators.segmentation import Segmenter, ade20k_palette, segmentation_map
from tests.checkpoints.annotators import tiny_segformer


@pytest.mark.parametrize("family", ["segformer", "upernet"])
def test_equals_transformers(
    hub: Path, family: str, pictures: list[PIL.Image.Image], parity: Callable[[str, str, str], None]
) -> None:
    from transformers import (
        SegformerForSemanticSegmentation,
        SegformerImageProcessorPil,
        UperNetForSemanticSegmentation,
    )

    network_class = {"segformer": SegformerForSemanticSegmentation, "upernet": UperNetForSemanticSegmentation}[family]
    reference = network_class.from_pretrained(hub / family).eval()
    processor = SegformerImageProcessorPil.from_pretrained(hub / family)
    pixels, different = 0, 0
    with Segmenter(hub / family) as segmenter:
        for picture in pictures:
            found = segmenter.segment(picture)
            assert found.labels.shape == (picture.height, picture.width)
            assert found.classes[12] == "person"
            with torch.no_grad():
                outputs = reference(**processor(images=picture, return_tensors="pt"))
            (expected,) = processor.post_process_semantic_segmentation(outputs, target_sizes=[picture.size[::-1]])
            pixels += expected.numel()
            different += int((found.labels != expected.numpy()).sum())
            assert len(expected.unique()) > 3
    parity(
        f"segmentation: {family}",
        f"{network_class.__name__} + post_process_semantic_segmentation",
        f"{different} of {pixels} pixels differ",
    )
    assert different <= pixels / 100_000  # ties between two classes


def test_segments_lie_over_the_pixels_that_they_are_of(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.full((1, 150, 12, 16), -9.0)
    logits[0, 2] = 0
    logits[0, 12, 3:6, 4:12] = 9
    with Segmenter(hub / "segformer") as segmenter:
        monkeypatch.setattr(segmenter.backend, "run", lambda *_: SimpleNamespace(logits=logits))
        for width, height in ((160, 120), (483, 361)):
            labels = segmenter.segment(PIL.Image.new("RGB", (width, height))).labels
            rows, columns = np.nonzero(labels == 12)
            # Class 12 covers a quarter to a half of the height, and a quarter to three quarters of the width.
            assert (rows.min(), rows.max() + 1) == (round(height / 4), round(height / 2))
            assert (columns.min(), columns.max() + 1) == (round(width / 4), round(width * 3 / 4))
            assert set(np.unique(labels)) == {2, 12}


def test_the_palette_is_ade20ks() -> None:
    palette = ade20k_palette()
    colours = {entry.name: entry.colour for entry in palette}
    assert len(palette) == 150
    assert [entry.name for entry in palette[:3]] == ["wall", "building", "sky"]
    assert palette[12].name == "person"
    assert palette[149].name == "flag"
    for name, colour in {
        "wall": (120, 120, 120),
        "building": (180, 120, 120),
        "sky": (6, 230, 230),
        "tree": (4, 200, 3),
        "person": (150, 5, 61),
        "car": (0, 102, 200),
        "sea": (9, 7, 230),
        "flag": (92, 0, 255),
    }.items():
        assert colours[name] == colour
    assert len({entry.colour for entry in palette}) == 149  # road and skyscraper share one, as in the original


def test_the_map_has_the_colours_of_the_classes(hub: Path, pictures: list[PIL.Image.Image]) -> None:
    with Segmenter(hub / "segformer") as segmenter:
        labels = segmenter.segment(pictures[0]).labels
        drawn = segmentation_map(pictures[0], segmenter)
    assert (drawn.mode, drawn.size) == ("RGB", pictures[0].size)
    colours = np.asarray(drawn)
    for number in np.unique(labels):
        assert (colours[labels == number] == ade20k_palette()[number].colour).all()


def test_other_classes_are_refused(tmp_path: Path, pictures: list[PIL.Image.Image]) -> None:
    streets = tiny_segformer(tmp_path / "streets", classes={0: "road", 1: "sidewalk", 2: "building"})
    with Segmenter(streets) as segmenter:
        assert segmenter.segment(pictures[0]).classes == ("road", "sidewalk", "building")
        with pytest.raises(UnsupportedError, match=r"'streets' knows 3 classes that are not ADE20K's 150"):
            segmentation_map(pictures[0], segmenter)
    others = tiny_segformer(tmp_path / "others", classes={number: f"thing {number}" for number in range(150)})
    with Segmenter(others) as segmenter, pytest.raises(UnsupportedError, match="150 classes that are not ADE20K's"):
        segmentation_map(pictures[0], segmenter)


def test_synonyms_and_nameless_classes_are_ade20ks(tmp_path: Path, pictures: list[PIL.Image.Image]) -> None:
    spelt = {number: f"{entry.name} , synonym" for number, entry in enumerate(ade20k_palette())}
    nameless = {number: f"LABEL_{number}" for number in range(150)}
    for name, classes in {"spelt": spelt, "nameless": nameless}.items():
        with Segmenter(tiny_segformer(tmp_path / name, classes=classes)) as segmenter:
            assert segmentation_map(pictures[4], segmenter).size == pictures[4].size


def test_a_large_photograph_takes_little_memory(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stretch, sizes = torch.lerp, []

    def watched(*arguments: torch.Tensor) -> torch.Tensor:
        strip = stretch(*arguments)
        sizes.append(strip.numel())
        return strip

    monkeypatch.setattr(torch, "lerp", watched)
    with Segmenter(hub / "segformer") as segmenter:
        labels = segmenter.segment(PIL.Image.new("RGB", (1200, 900))).labels
    assert labels.shape == (900, 1200)
    assert (
        sum(sizes) == 150 * 900 * 1200
    )  # every pixel once, but never all at once: 650 MB here, 7 GB for 12 megapixels
    assert max(sizes) <= 150 * 64 * 1200
