"""Segments on tiny checkpoints in the hub's layout, held against transformers' own processing; ADE20K's colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import torch
import transformers

from sensorium.errors import UnsupportedError
from sensorium.image_generation.annotators.mask_networks import MaskNetwork
from sensorium.image_generation.annotators.segmentation import Segmenter, ade20k_palette, segmentation_map
from tests.checkpoints.annotators import tiny_segformer


@pytest.mark.parametrize(
    ("family", "network_name", "processor_name"),
    [
        ("segformer", "SegformerForSemanticSegmentation", "SegformerImageProcessorPil"),
        ("upernet", "UperNetForSemanticSegmentation", "SegformerImageProcessorPil"),
        ("mobilevit", "MobileViTForSemanticSegmentation", "MobileViTImageProcessorPil"),
        ("eomt", "EomtForUniversalSegmentation", "EomtImageProcessorPil"),
        ("eomt_dinov3", "EomtDinov3ForUniversalSegmentation", "EomtImageProcessorPil"),
        ("mask2former", "Mask2FormerForUniversalSegmentation", "Mask2FormerImageProcessorPil"),
        ("maskformer", "MaskFormerForInstanceSegmentation", "MaskFormerImageProcessorPil"),
        ("detr-masks", "DetrForSegmentation", "DetrImageProcessorPil"),
    ],
)
def test_equals_transformers(
    hub: Path,
    family: str,
    network_name: str,
    processor_name: str,
    pictures: list[PIL.Image.Image],
    parity: Callable[[str, str, str], None],
) -> None:
    reference = getattr(transformers, network_name).from_pretrained(hub / family).eval()
    processor = getattr(transformers, processor_name).from_pretrained(hub / family)
    if family == "mobilevit":
        processor.do_center_crop = False  # the edges are asked about too
    pixels, different, classes = 0, 0, set()
    with Segmenter(hub / family) as segmenter:
        for picture in pictures[2:]:
            found = segmenter.segment(picture)
            assert found.labels.shape == (picture.height, picture.width)
            with torch.no_grad():
                outputs = reference(**processor(images=picture, return_tensors="pt"))
            (expected,) = processor.post_process_semantic_segmentation(outputs, target_sizes=[picture.size[::-1]])
            pixels += expected.numel()
            different += int((found.labels != expected.numpy()).sum())
            classes |= set(expected.unique().tolist())
    parity(
        f"segmentation: {family}",
        f"{network_name} + post_process_semantic_segmentation",
        f"{different} of {pixels} pixels differ",
    )
    assert different <= pixels / 100_000  # ties between two classes
    assert len(classes) > 1


def test_oneformer_equals_transformers_and_asks_nobody(
    hub: Path,
    pictures: list[PIL.Image.Image],
    monkeypatch: pytest.MonkeyPatch,
    parity: Callable[[str, str, str], None],
) -> None:
    """Its processor would fetch the names of classes from the hub, which are needed only for training."""
    from transformers.models.oneformer import image_processing_pil_oneformer as module

    asked: list[object] = []
    monkeypatch.setattr(module, "hf_hub_download", lambda *names, **_: asked.append(names))
    pixels, different, classes = 0, 0, set()
    with Segmenter(hub / "oneformer") as segmenter:
        found = [segmenter.segment(picture).labels for picture in pictures[2:]]
    assert not asked
    reference = transformers.OneFormerForUniversalSegmentation.from_pretrained(hub / "oneformer").eval()
    processor = transformers.OneFormerProcessor(
        transformers.OneFormerImageProcessorPil.from_pretrained(hub / "oneformer", class_info_file=None),
        transformers.AutoTokenizer.from_pretrained(hub / "oneformer"),
    )
    for picture, labels in zip(pictures[2:], found, strict=True):
        with torch.no_grad():
            outputs = reference(**processor(images=picture, task_inputs=["semantic"], return_tensors="pt"))
        (expected,) = processor.post_process_semantic_segmentation(outputs, target_sizes=[picture.size[::-1]])
        pixels += expected.numel()
        different += int((labels != expected.numpy()).sum())
        classes |= set(expected.unique().tolist())
    parity(
        "segmentation: oneformer",
        "OneFormerForUniversalSegmentation + post_process_semantic_segmentation",
        f"{different} of {pixels} pixels differ",
    )
    assert different <= pixels / 100_000
    assert len(classes) > 1


@pytest.mark.parametrize("family", ["eomt", "mask2former", "oneformer"])
def test_the_precision_of_gpus_gives_nearly_the_same_map(
    hub: Path, family: str, pictures: list[PIL.Image.Image]
) -> None:
    with Segmenter(hub / family) as exact, Segmenter(hub / family, dtype=MaskNetwork.half) as half:
        differ = exact.segment(pictures[4]).labels != half.segment(pictures[4]).labels
    assert differ.mean() < 0.3  # random weights sit on many edges; in float16 OneFormer differs everywhere


def test_padding_is_no_part_of_the_map(hub: Path, pictures: list[PIL.Image.Image]) -> None:
    """EoMT's processor pads pictures for panoptic checkpoints; its own map squeezes the padding into the picture."""
    reference = transformers.EomtForUniversalSegmentation.from_pretrained(hub / "eomt-panoptic").eval()
    processor = transformers.EomtImageProcessorPil.from_pretrained(hub / "eomt-panoptic")
    wide = pictures[0].resize((128, 64))
    with Segmenter(hub / "eomt-panoptic") as segmenter:
        found = segmenter.segment(wide).labels
    with torch.no_grad():
        outputs = reference(**processor(images=wide, return_tensors="pt"))
    (padded,) = processor.post_process_semantic_segmentation(outputs, target_sizes=[(128, 128)])
    assert (found != padded[:64].numpy()).mean() < 1e-3
    assert len(np.unique(found)) > 1


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
