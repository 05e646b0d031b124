"""Tiny networks that divide pictures by masks, in the hub's on-disk layout: real configurations, random weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.checkpoints.annotators import save_widened, write_processor
from tests.checkpoints.clip import write_clip_tokenizer

_SWIN = {
    "image_size": 64,
    "embed_dim": 16,
    "depths": [1, 1, 1, 1],
    "num_heads": [1, 1, 2, 2],
    "window_size": 4,
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
}
_DECODER = {
    "hidden_dim": 32,
    "encoder_feedforward_dim": 32,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "num_attention_heads": 2,
    "dim_feedforward": 32,
    "num_queries": 12,
}
_VIT = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 64,
    "patch_size": 16,
    "num_blocks": 1,
    "num_queries": 12,
    "num_upscale_blocks": 2,
}


def tiny_eomt(
    folder: Path, *, classes: Mapping[int, str], version: str = "", panoptic: bool = False, seed: int = 0
) -> Path:
    """Build an EoMT like ``tue-mps/ade20k_semantic_eomt_large_512``.

    Args:
        folder: Created; filled with what the hub's repository holds.
        classes: The names of its classes.
        version: "Dinov3" for one like ``tue-mps/eomt-dinov3-ade-semantic-large-512``.
        panoptic: Whether it sees the whole picture, padded, like ``tue-mps/ade20k_panoptic_eomt_large_640``, and not
            squares of it.
        seed: Of its weights.
    """
    import transformers

    settings = {**_VIT, "intermediate_size": 64} if version else {**_VIT, "mlp_ratio": 2}
    config = getattr(transformers, f"Eomt{version}Config")(**settings, **_names(classes))
    save_widened(
        folder,
        seed,
        lambda: getattr(transformers, f"Eomt{version}ForUniversalSegmentation")(config),
        widen=3,
        sharpen=12,
    )
    return write_processor(
        folder,
        image_processor_type="EomtImageProcessor",
        size={"shortest_edge": 64, "longest_edge": 64 if panoptic else None},
        do_split_image=not panoptic,
        do_pad=panoptic,
        resample=2,
    )


def tiny_mask2former(folder: Path, *, classes: Mapping[int, str], seed: int = 0) -> Path:
    """Build a Mask2Former like ``facebook/mask2former-swin-tiny-ade-semantic``; arguments as for `tiny_eomt`."""
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig

    config = Mask2FormerConfig(
        backbone_config=SwinConfig(**_SWIN), feature_size=32, mask_feature_size=32, **_DECODER, **_names(classes)
    )
    save_widened(folder, seed, lambda: Mask2FormerForUniversalSegmentation(config), widen=3, sharpen=12)
    return _write_mask_processor(folder, "Mask2Former", size={"height": 64, "width": 64}, do_pad=True)


def tiny_maskformer(folder: Path, *, classes: Mapping[int, str], seed: int = 0) -> Path:
    """Build a MaskFormer like ``facebook/maskformer-swin-base-ade``; arguments as for `tiny_eomt`."""
    from transformers import DetrConfig, MaskFormerConfig, MaskFormerForInstanceSegmentation, SwinConfig

    decoder = DetrConfig(
        use_timm_backbone=False,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=12,
    )
    config = MaskFormerConfig(
        backbone_config=SwinConfig(**_SWIN),
        decoder_config=decoder,
        fpn_feature_size=32,
        mask_feature_size=32,
        **_names(classes),
    )
    save_widened(folder, seed, lambda: MaskFormerForInstanceSegmentation(config), widen=3, sharpen=12)
    return _write_mask_processor(folder, "MaskFormer", size={"shortest_edge": 64, "longest_edge": 256})


def tiny_oneformer(folder: Path, *, classes: Mapping[int, str], seed: int = 0) -> Path:
    """Build a OneFormer like ``shi-labs/oneformer_ade20k_swin_tiny``; arguments as for `tiny_eomt`."""
    from transformers import OneFormerConfig, OneFormerForUniversalSegmentation, SwinConfig

    vocabulary = write_clip_tokenizer(folder)
    config = OneFormerConfig(
        backbone_config=SwinConfig(**_SWIN),
        conv_dim=32,
        mask_dim=32,
        text_encoder_width=32,
        text_encoder_num_layers=1,
        text_encoder_vocab_size=len(vocabulary),
        query_dec_layers=1,
        **_DECODER,
        **_names(classes),
    )
    save_widened(folder, seed, lambda: OneFormerForUniversalSegmentation(config), widen=3, sharpen=12)
    return write_processor(
        folder,
        image_processor_type="OneFormerImageProcessor",
        processor_class="OneFormerProcessor",
        size={"shortest_edge": 64, "longest_edge": 256},
        # As on the hub, from where transformers would fetch it.
        repo_path="shi-labs/oneformer_demo",
        class_info_file="ade20k_panoptic.json",
        do_reduce_labels=True,
    )


def _names(classes: Mapping[int, str]) -> dict[str, Any]:
    return {"id2label": dict(classes), "label2id": {name: number for number, name in classes.items()}}


def _write_mask_processor(folder: Path, name: str, **settings: Any) -> Path:
    return write_processor(
        folder,
        image_processor_type=f"{name}ImageProcessor",
        size_divisor=32,
        do_reduce_labels=True,
        ignore_index=255,
        resample=2,
        **settings,
    )
