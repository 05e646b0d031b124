"""Tiny annotator checkpoints, built once, and a photograph with a person."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest

from sensorium.image_generation.annotators.segmentation import ade20k_palette
from sensorium.media.image import read_image
from tests import real_media
from tests.checkpoints import annotators, detectors, segmenters

ADE20K = {number: entry.name for number, entry in enumerate(ade20k_palette())}


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one checkpoint per family, each under the name of its family."""
    folder = tmp_path_factory.mktemp("annotators")
    annotators.tiny_depth_anything(folder / "depth_anything")
    annotators.tiny_depth_anything(folder / "depth_anything-metric", metric=True)
    annotators.tiny_dpt(folder / "dpt")
    annotators.tiny_dpt(folder / "dpt-hybrid", hybrid=True)
    annotators.tiny_segformer(folder / "segformer", classes=ADE20K)
    annotators.tiny_upernet(folder / "upernet", classes=ADE20K)
    annotators.tiny_vitpose(folder / "vitpose")
    annotators.tiny_vitpose(folder / "vitpose-experts", experts=2)
    annotators.tiny_mobilevit(folder / "mobilevit", classes=ADE20K)
    annotators.tiny_zoedepth(folder / "zoedepth")
    annotators.tiny_glpn(folder / "glpn")
    segmenters.tiny_eomt(folder / "eomt", classes=ADE20K)
    segmenters.tiny_eomt(folder / "eomt_dinov3", version="Dinov3", classes=ADE20K)
    segmenters.tiny_eomt(folder / "eomt-panoptic", panoptic=True, classes=ADE20K)
    segmenters.tiny_mask2former(folder / "mask2former", classes=ADE20K)
    segmenters.tiny_maskformer(folder / "maskformer", classes=ADE20K)
    segmenters.tiny_oneformer(folder / "oneformer", classes=ADE20K)
    detectors.tiny_detr(folder / "detr-masks", head="Segmentation")
    detectors.tiny_d_fine(folder / "d_fine")
    detectors.tiny_deimv2(folder / "deimv2")
    detectors.tiny_detr(folder / "detr")
    detectors.tiny_conditional_detr(folder / "conditional_detr")
    detectors.tiny_deformable_detr(folder / "deformable_detr")
    detectors.tiny_yolos(folder / "yolos")
    annotators.tiny_rt_detr(folder / "rt_detr")
    annotators.tiny_rt_detr(folder / "rt_detr_v2", version=2)
    return folder


@pytest.fixture(scope="session")
def pictures() -> list[PIL.Image.Image]:
    """Real photographs: landscape, portrait, square, and one with odd sides."""
    photos = [read_image(real_media.photo(name)) for name in ("messi", "astronaut", "chelsea")]
    return [*photos, photos[1].crop((30, 0, 331, 477)), photos[0].resize((97, 61))]
