"""Tiny networks that make control maps, in the hub's on-disk layout: real configurations, random weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_IMAGENET_MEAN = [0.485, 0.456, 0.406]
_IMAGENET_DEVIATION = [0.229, 0.224, 0.225]
CONV_NET = {
    "hidden_sizes": [16, 24, 32, 40],
    "depths": [1, 1, 1, 1],
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
}
COCO_BEGINNING = {0: "person", 1: "bicycle", 2: "car"}


def tiny_depth_anything(folder: Path, *, metric: bool = False, seed: int = 0) -> Path:
    """Build a Depth Anything like ``depth-anything/Depth-Anything-V2-Small-hf``.

    Args:
        folder: Created; filled with what the hub's repository holds.
        metric: Whether it gives metres, like ``Depth-Anything-V2-Metric-Indoor-Small-hf``.
        seed: Of its weights.
    """
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    backbone = Dinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=32,
        neck_hidden_sizes=[8, 12, 16, 24],
        fusion_hidden_size=16,
        head_hidden_size=8,
        depth_estimation_type="metric" if metric else "relative",
        max_depth=20 if metric else None,
    )
    save_widened(folder, seed, lambda: DepthAnythingForDepthEstimation(config), widen=6 if metric else 3)
    return write_processor(
        folder,
        image_processor_type="DPTImageProcessor",
        do_resize=True,
        size={"height": 56, "width": 56},
        ensure_multiple_of=14,
        keep_aspect_ratio=True,
        resample=3,
        do_pad=False,
        size_divisor=None,
    )


def tiny_dpt(folder: Path, *, hybrid: bool = False, seed: int = 0) -> Path:
    """Build a DPT.

    Args:
        folder: Created; filled with what the hub's repository holds.
        hybrid: Whether a convolutional network comes first, as in ``Intel/dpt-hybrid-midas``; else it is like
            ``Intel/dpt-large``.
        seed: Of its weights.
    """
    from transformers import BitConfig, DPTConfig, DPTForDepthEstimation

    first = BitConfig(
        global_padding="same",
        layer_type="bottleneck",
        depths=[1, 1, 1],
        hidden_sizes=[16, 24, 32],
        num_groups=4,
        out_features=["stage1", "stage2", "stage3"],
        embedding_dynamic_padding=True,
    )
    settings: dict[str, Any] = (
        {"is_hybrid": True, "backbone_config": first, "backbone_featmap_shape": [1, 32, 3, 3], "image_size": 48}
        if hybrid
        else {"is_hybrid": False, "image_size": 48}
    )
    config = DPTConfig(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=64,
        patch_size=16 if hybrid else 8,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[16, 24, 16, 24] if hybrid else [8, 12, 16, 24],
        fusion_hidden_size=16,
        **settings,
    )
    save_widened(folder, seed, lambda: DPTForDepthEstimation(config), widen=3)
    return write_processor(
        folder,
        image_processor_type="DPTImageProcessor",
        do_resize=True,
        size={"height": 48, "width": 48},
        ensure_multiple_of=1,
        keep_aspect_ratio=False,
        resample=2,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )


def tiny_zoedepth(folder: Path, *, seed: int = 0) -> Path:
    """Build a ZoeDepth like ``Intel/zoedepth-nyu``; arguments as for `tiny_dpt`."""
    from transformers import BeitConfig, ZoeDepthConfig, ZoeDepthForDepthEstimation

    backbone = BeitConfig(
        image_size=64,
        patch_size=16,
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=64,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
        use_relative_position_bias=True,
    )
    config = ZoeDepthConfig(
        backbone_config=backbone,
        neck_hidden_sizes=[8, 12, 16, 24],
        fusion_hidden_size=16,
        bottleneck_features=16,
        num_relative_features=16,
        bin_embedding_dim=16,
        num_attractors=[4, 2, 2, 1],
        bin_configurations=[{"name": "nyu", "n_bins": 16, "min_depth": 0.001, "max_depth": 10.0}],
    )
    save_widened(folder, seed, lambda: ZoeDepthForDepthEstimation(config), widen=8)
    return write_processor(
        folder,
        image_processor_type="ZoeDepthImageProcessor",
        do_pad=True,
        size={"height": 64, "width": 96},
        keep_aspect_ratio=True,
        ensure_multiple_of=32,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )


def tiny_glpn(folder: Path, *, seed: int = 0) -> Path:
    """Build a GLPN like ``vinvino02/glpn-nyu``; arguments as for `tiny_dpt`."""
    from transformers import GLPNConfig, GLPNForDepthEstimation

    config = GLPNConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 16, 24, 32],
        num_attention_heads=[1, 2, 2, 2],
        decoder_hidden_size=16,
    )
    save_widened(folder, seed, lambda: GLPNForDepthEstimation(config), widen=8)
    return write_processor(folder, image_processor_type="GLPNImageProcessor", size_divisor=32, do_normalize=False)


def tiny_segformer(folder: Path, *, classes: Mapping[int, str], seed: int = 0) -> Path:
    """Build a SegFormer like ``nvidia/segformer-b0-finetuned-ade-512-512``.

    Args:
        folder: Created; filled with what the hub's repository holds.
        classes: The names of its classes.
        seed: Of its weights.
    """
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 16, 24, 32],
        num_attention_heads=[1, 2, 2, 2],
        decoder_hidden_size=32,
        id2label=dict(classes),
        label2id={name: number for number, name in classes.items()},
    )
    save_widened(folder, seed, lambda: SegformerForSemanticSegmentation(config), widen=4)
    return _write_segmentation_processor(folder)


def tiny_upernet(folder: Path, *, classes: Mapping[int, str], seed: int = 0) -> Path:
    """Build an UperNet like ``openmmlab/upernet-convnext-small``; arguments as for `tiny_segformer`."""
    from transformers import ConvNextConfig, UperNetConfig, UperNetForSemanticSegmentation

    config = UperNetConfig(
        backbone_config=ConvNextConfig(**CONV_NET),
        hidden_size=32,
        auxiliary_in_channels=32,
        auxiliary_channels=16,
        id2label=dict(classes),
        label2id={name: number for number, name in classes.items()},
    )
    save_widened(folder, seed, lambda: UperNetForSemanticSegmentation(config), widen=4)
    return _write_segmentation_processor(folder)


def tiny_mobilevit(folder: Path, *, classes: Mapping[int, str], seed: int = 0) -> Path:
    """Build a MobileViT like ``apple/deeplabv3-mobilevit-small``, which crops pictures; arguments as there."""
    from transformers import MobileViTConfig, MobileViTForSemanticSegmentation

    config = MobileViTConfig(
        image_size=64,
        hidden_sizes=[16, 24, 32],
        neck_hidden_sizes=[8, 8, 16, 16, 24, 32, 32],
        num_attention_heads=2,
        aspp_out_channels=16,
        id2label=dict(classes),
        label2id={name: number for number, name in classes.items()},
    )
    save_widened(folder, seed, lambda: MobileViTForSemanticSegmentation(config), widen=4)
    return write_processor(
        folder,
        image_processor_type="MobileViTImageProcessor",
        size={"shortest_edge": 72},
        crop_size={"height": 64, "width": 64},
        do_center_crop=True,
        do_flip_channel_order=True,
        do_normalize=False,
        resample=2,
    )


def tiny_vitpose(folder: Path, *, experts: int = 1, joints: int = 17, seed: int = 0) -> Path:
    """Build a ViTPose like ``usyd-community/vitpose-base-simple``.

    Args:
        folder: Created; filled with what the hub's repository holds.
        experts: Over 1 it is a ViTPose++, like ``usyd-community/vitpose-plus-base``.
        joints: How many it knows.
        seed: Of its weights.
    """
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

    backbone = VitPoseBackboneConfig(
        image_size=[64, 48],
        patch_size=[16, 16],
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_experts=experts,
        part_features=8 if experts > 1 else 256,
        out_indices=[2],
    )
    config = VitPoseConfig(backbone_config=backbone, num_labels=joints)
    save_widened(folder, seed, lambda: VitPoseForPoseEstimation(config), widen=3)
    return write_processor(
        folder,
        image_processor_type="VitPoseImageProcessor",
        size={"height": 64, "width": 48},
        do_affine_transform=True,
        normalize_factor=200.0,
    )


def tiny_rt_detr(folder: Path, *, classes: Mapping[int, str] = COCO_BEGINNING, version: int = 1, seed: int = 0) -> Path:
    """Build an RT-DETR like ``PekingU/rtdetr_r18vd``, or ``PekingU/rtdetr_v2_r18vd``.

    Args:
        folder: Created; filled with what the hub's repository holds.
        classes: The names of its classes.
        version: 1 or 2.
        seed: Of its weights.
    """
    import transformers

    backbone = transformers.RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 24, 32],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    name = "RTDetr" if version == 1 else "RTDetrV2"
    config = getattr(transformers, f"{name}Config")(
        backbone_config=backbone,
        encoder_hidden_dim=32,
        encoder_in_channels=[16, 24, 32],
        encoder_ffn_dim=32,
        encoder_attention_heads=2,
        d_model=32,
        num_queries=10,
        decoder_in_channels=[32, 32, 32],
        decoder_ffn_dim=32,
        decoder_layers=2,
        decoder_attention_heads=2,
        decoder_n_points=2,
        id2label=dict(classes),
        label2id={name: number for number, name in classes.items()},
    )
    save_widened(folder, seed, lambda: getattr(transformers, f"{name}ForObjectDetection")(config), widen=2)
    return write_processor(
        folder,
        image_processor_type="RTDetrImageProcessor",
        do_resize=True,
        size={"height": 64, "width": 64},
        do_normalize=False,
        do_pad=False,
        resample=2,
    )


def save_widened(folder: Path, seed: int, build: Callable[[], Any], *, widen: float, sharpen: float = 1) -> None:
    """Save a model with random weights.

    Args:
        folder: Where to.
        seed: Of the weights.
        build: Makes the model.
        widen: Factor for the matrices: fresh ones give nearly the same everywhere, trained ones tell places apart.
        sharpen: Further factor for those of queries, masks and classes, so that there is more than one answer.
    """
    import torch

    torch.manual_seed(seed)
    model = build()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.mul_(widen * (sharpen if any(part in name for part in ("quer", "class", "mask")) else 1))
    model.save_pretrained(folder)


def _write_segmentation_processor(folder: Path) -> Path:
    return write_processor(
        folder,
        image_processor_type="SegformerImageProcessor",
        do_resize=True,
        size={"height": 64, "width": 64},
        do_reduce_labels=True,
        resample=2,
    )


def write_processor(folder: Path, **settings: Any) -> Path:
    common = {
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": _IMAGENET_MEAN,
        "image_std": _IMAGENET_DEVIATION,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps({**common, **settings}))
    return folder
