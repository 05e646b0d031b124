"""Tiny detectors of things in the hub's on-disk layout, beside RT-DETR: real configurations, random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.checkpoints.annotators import COCO_BEGINNING, save_widened, write_processor

_NAMES = {"id2label": dict(COCO_BEGINNING), "label2id": {name: number for number, name in COCO_BEGINNING.items()}}
_ENCODER_AND_DECODER = {
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "num_queries": 10,
}


def tiny_d_fine(folder: Path, *, seed: int = 0) -> Path:
    """Build a D-FINE like ``ustc-community/dfine-xlarge-obj2coco``."""
    return _of_the_rt_detr_kind(folder, "DFine", seed)


def tiny_deimv2(folder: Path, *, seed: int = 0) -> Path:
    """Build a DEIMv2 like ``Intellindust/DEIMv2_HGNetv2_N_COCO``."""
    return _of_the_rt_detr_kind(folder, "Deimv2", seed)


def tiny_detr(folder: Path, *, head: str = "ObjectDetection", seed: int = 0) -> Path:
    """Build a DETR like ``facebook/detr-resnet-50``, revision ``no_timm``; "Segmentation" as head gives masks too."""
    backbone = _resnet(["stage1", "stage2", "stage3", "stage4"])  # the head that makes masks looks at all of them
    return _of_the_detr_kind(folder, "Detr", seed, head=head, backbone_config=backbone)


def tiny_conditional_detr(folder: Path, *, seed: int = 0) -> Path:
    """Build a Conditional DETR like ``microsoft/conditional-detr-resnet-50``."""
    return _of_the_detr_kind(folder, "ConditionalDetr", seed)


def tiny_deformable_detr(folder: Path, *, seed: int = 0) -> Path:
    """Build a Deformable DETR like ``SenseTime/deformable-detr``."""
    several = {"backbone_config": _resnet(["stage2", "stage3", "stage4"]), "num_feature_levels": 3}
    return _of_the_detr_kind(folder, "DeformableDetr", seed, **several)


def tiny_yolos(folder: Path, *, seed: int = 0) -> Path:
    """Build a YOLOS like ``hustvl/yolos-tiny``."""
    from transformers import YolosConfig, YolosForObjectDetection

    config = YolosConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=37,
        image_size=[64, 64],
        patch_size=16,
        num_detection_tokens=10,
        **_NAMES,
    )
    save_widened(folder, seed, lambda: YolosForObjectDetection(config), widen=3)
    return write_processor(folder, image_processor_type="YolosImageProcessor", size=_EDGES, format="coco_detection")


_EDGES = {"shortest_edge": 64, "longest_edge": 96}


def _resnet(features: list[str]) -> Any:
    from transformers import ResNetConfig

    return ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 24, 32],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=features,
    )


def _of_the_detr_kind(folder: Path, name: str, seed: int, *, head: str = "ObjectDetection", **settings: Any) -> Path:
    """Build a DETR or one of its kin: a picture of any shape, padded to its batch, with a mask of the padding."""
    import transformers

    sharp = 5 if head == "Segmentation" else 1
    # The head that makes masks wants widths that 8 divides.
    heads = {"encoder_attention_heads": 8, "decoder_attention_heads": 8}
    all_settings = {"backbone_config": _resnet(["stage4"]), **_ENCODER_AND_DECODER, **heads, **_NAMES, **settings}
    # Without this, transformers asks for the package timm.
    config = getattr(transformers, f"{name}Config")(
        use_timm_backbone=False, use_pretrained_backbone=False, **all_settings
    )
    save_widened(
        folder, seed, lambda: getattr(transformers, f"{name}For{head}")(config), widen=2 * sharp, sharpen=sharp
    )
    return write_processor(folder, image_processor_type=f"{name}ImageProcessor", size=_EDGES, format="coco_detection")


def _of_the_rt_detr_kind(folder: Path, name: str, seed: int) -> Path:
    """Build a D-FINE or a DEIMv2: RT-DETR's processor, a square picture."""
    import transformers

    backbone = transformers.HGNetV2Config(
        stage_in_channels=[16, 16, 32, 64],
        stage_mid_channels=[16, 16, 16, 16],
        stage_out_channels=[16, 32, 64, 64],
        stage_num_blocks=[1, 1, 1, 1],
        stage_downsample=[False, True, True, True],
        stage_light_block=[False, False, True, True],
        stage_kernel_size=[3, 3, 5, 5],
        stage_numb_of_layers=[1, 1, 1, 1],
        embedding_size=16,
        stem_channels=[3, 16, 16],
        depths=[1, 1, 1, 1],
        hidden_sizes=[16, 32, 64, 64],
        out_features=["stage2", "stage3", "stage4"],
    )
    config = getattr(transformers, f"{name}Config")(
        backbone_config=backbone,
        encoder_hidden_dim=32,
        encoder_in_channels=[32, 64, 64],
        decoder_in_channels=[32, 32, 32],
        decoder_n_points=2,
        depth_mult=0.34,
        hidden_expansion=0.5,
        **{**_ENCODER_AND_DECODER, **_NAMES},
    )
    build: Callable[[], Any] = lambda: getattr(transformers, f"{name}ForObjectDetection")(config)  # noqa: E731
    save_widened(folder, seed, build, widen=2)
    return write_processor(
        folder,
        image_processor_type="RTDetrImageProcessor",
        do_resize=True,
        size={"height": 64, "width": 64},
        do_normalize=False,
        do_pad=False,
        resample=2,
    )
