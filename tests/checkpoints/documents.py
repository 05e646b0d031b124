"""Tiny checkpoints that were made to read pages, in the hub's on-disk layout, with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.checkpoints.vision_language import (
    _CLIP_MEAN,
    _CLIP_STD,
    _HALF,
    _IMAGENET_MEAN,
    _IMAGENET_STD,
    _ends,
    _image_settings,
    _save,
    _small_decoder,
    _write_byte_tokenizer,
    _write_json,
)

_END, _PADDING = "<|im_end|>", "<|endoftext|>"


def _template(
    picture: str, *, before: str = "<|im_start|>user\n", after: str = "<|im_end|>\n<|im_start|>assistant\n"
) -> str:
    return (
        f"{{% for message in messages %}}{{{{ {before!r} }}}}{{% for content in message['content'] %}}"
        f"{{% if content['type'] == 'image' %}}{{{{ {picture!r} }}}}{{% else %}}{{{{ content['text'] }}}}{{% endif %}}"
        f"{{% endfor %}}{{% endfor %}}{{% if add_generation_prompt %}}{{{{ {after!r} }}}}{{% endif %}}"
    )


def _tokenizer(folder: Path, **own: str) -> dict[str, int]:
    return _write_byte_tokenizer(
        folder,
        "Qwen2Tokenizer",
        [_PADDING, "<|im_start|>", _END, *own.values()],
        {"eos_token": _END, "pad_token": _PADDING},
        extra_special_tokens=own,
    )


def _finish(model: Any, folder: Path, vocabulary: dict[str, int], template: str) -> Path:
    _save(model, folder, **_ends(vocabulary, _END, _PADDING))
    (folder / "chat_template.jinja").write_text(template)
    return folder


def tiny_paddleocr_vl(folder: Path, *, seed: int = 0) -> Path:
    """Build a PaddleOCR-VL like ``PaddlePaddle/PaddleOCR-VL-1.5``."""
    import torch
    from transformers import PaddleOCRVLConfig, PaddleOCRVLForConditionalGeneration

    own = {"image_token": "<|IMAGE_PLACEHOLDER|>", "start": "<|IMAGE_START|>", "stop": "<|IMAGE_END|>"}
    vocabulary = _tokenizer(folder, **own, video_token="<|video_pad|>")
    torch.manual_seed(seed)
    config = PaddleOCRVLConfig(
        vision_config={
            **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
            **{"image_size": 32, "patch_size": 8, "spatial_merge_size": 2},
        },
        text_config={
            **_small_decoder("paddleocr_vl_text", vocabulary),
            **{"head_dim": 8, "max_position_embeddings": 2048},
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 500000.0},
        },
        image_token_id=vocabulary["<|IMAGE_PLACEHOLDER|>"],
        video_token_id=vocabulary["<|video_pad|>"],
        vision_start_token_id=vocabulary["<|IMAGE_START|>"],
        vision_end_token_id=vocabulary["<|IMAGE_END|>"],
        tie_word_embeddings=False,
    )
    settings = {
        **{"image_processor_type": "PaddleOCRVLImageProcessor", "processor_class": "PaddleOCRVLProcessor"},
        **{"patch_size": 8, "temporal_patch_size": 1, "merge_size": 2, "image_mean": _HALF, "image_std": _HALF},
        "size": {"shortest_edge": 32 * 32, "longest_edge": 96 * 96},
    }
    _write_json(folder / "preprocessor_config.json", settings)
    picture = "<|IMAGE_START|><|IMAGE_PLACEHOLDER|><|IMAGE_END|>"
    template = _template(picture, before="User: ", after="\nAssistant:\n")
    return _finish(PaddleOCRVLForConditionalGeneration(config), folder, vocabulary, template)


def tiny_lighton_ocr(folder: Path, *, seed: int = 0) -> Path:
    """Build a LightOnOCR like ``lightonai/LightOnOCR-2-1B``, which is asked nothing."""
    import torch
    from transformers import LightOnOcrConfig, LightOnOcrForConditionalGeneration

    own = {
        "image_token": "<|image_pad|>",
        "image_break_token": "<|vision_pad|>",
        "image_end_token": "<|vision_end|>",
    }
    vocabulary = _tokenizer(folder, **own)
    torch.manual_seed(seed)
    config = LightOnOcrConfig(
        vision_config={
            **{"model_type": "pixtral", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2},
            **{"num_attention_heads": 4, "image_size": 96, "patch_size": 8, "head_dim": 8},
        },
        text_config={**_small_decoder("qwen3", vocabulary), "head_dim": 8, "max_position_embeddings": 2048},
        image_token_id=vocabulary["<|image_pad|>"],
        spatial_merge_size=2,
        tie_word_embeddings=False,
    )
    settings = _image_settings("PixtralImageProcessor", _CLIP_MEAN, _CLIP_STD, {"longest_edge": 96})
    settings |= {"patch_size": {"height": 16, "width": 16}, "processor_class": "LightOnOcrProcessor"}
    _write_json(folder / "preprocessor_config.json", settings)
    _write_json(
        folder / "processor_config.json",
        {"patch_size": 8, "spatial_merge_size": 2, "processor_class": "LightOnOcrProcessor"},
    )
    return _finish(LightOnOcrForConditionalGeneration(config), folder, vocabulary, _template("<|image_pad|>"))


def tiny_glm_ocr(folder: Path, *, seed: int = 0) -> Path:
    """Build a GLM-OCR like ``zai-org/GLM-OCR``."""
    import torch
    from transformers import GlmOcrConfig, GlmOcrForConditionalGeneration

    own = {"image_token": "<|image|>", "video_token": "<|video|>"}
    more = {"begin": "<|begin_of_image|>", "stop": "<|end_of_image|>"}
    films = {"begin_film": "<|begin_of_video|>", "stop_film": "<|end_of_video|>"}
    vocabulary = _tokenizer(folder, **own, **more, **films)
    torch.manual_seed(seed)
    config = GlmOcrConfig(
        vision_config={
            **{"depth": 2, "hidden_size": 32, "num_heads": 4, "image_size": 96, "patch_size": 8},
            **{"out_hidden_size": 32, "intermediate_size": 64, "spatial_merge_size": 2, "temporal_patch_size": 2},
        },
        text_config={
            **_small_decoder("glm_ocr_text", vocabulary),
            **{"head_dim": 8, "max_position_embeddings": 2048},
            "rope_parameters": {
                **{"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0},
                "partial_rotary_factor": 1.0,
            },
        },
        image_token_id=vocabulary["<|image|>"],
        video_token_id=vocabulary["<|video|>"],
        image_start_token_id=vocabulary["<|begin_of_image|>"],
        image_end_token_id=vocabulary["<|end_of_image|>"],
        video_start_token_id=vocabulary["<|begin_of_video|>"],
        video_end_token_id=vocabulary["<|end_of_video|>"],
    )
    settings = {
        **{"image_processor_type": "Glm46VImageProcessor", "processor_class": "Glm46VProcessor"},
        **{"patch_size": 8, "temporal_patch_size": 2, "merge_size": 2, "image_mean": _CLIP_MEAN},
        **{"image_std": _CLIP_STD, "size": {"shortest_edge": 32 * 32, "longest_edge": 96 * 96 * 2}},
    }
    _write_json(folder / "preprocessor_config.json", settings)
    picture = "<|begin_of_image|><|image|><|end_of_image|>"
    return _finish(GlmOcrForConditionalGeneration(config), folder, vocabulary, _template(picture))


def tiny_qianfan_ocr(folder: Path, *, seed: int = 0) -> Path:
    """Build a Qianfan-OCR like ``baidu/Qianfan-OCR``, whose template writes another word than its processor's token."""
    import torch
    from transformers import QianfanOCRConfig, QianfanOCRForConditionalGeneration

    own = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
    vocabulary = _tokenizer(folder, **own)
    torch.manual_seed(seed)
    config = QianfanOCRConfig(
        vision_config={
            **{"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96},
            **{"image_size": [32, 32], "patch_size": [8, 8]},
        },
        text_config={**_small_decoder("qwen3", vocabulary), "head_dim": 8, "max_position_embeddings": 2048},
        image_token_id=vocabulary["<IMG_CONTEXT>"],
        image_seq_length=4,
    )
    settings = _image_settings("GotOcr2ImageProcessor", _IMAGENET_MEAN, _IMAGENET_STD, {"height": 32, "width": 32})
    settings |= {"crop_to_patches": True, "min_patches": 1, "max_patches": 4, "processor_class": "QianfanOCRProcessor"}
    _write_json(folder / "preprocessor_config.json", settings)
    _write_json(folder / "processor_config.json", {"image_seq_length": 4, "processor_class": "QianfanOCRProcessor"})
    return _finish(QianfanOCRForConditionalGeneration(config), folder, vocabulary, _template("<image>\n"))


def tiny_deepseek_ocr2(folder: Path, *, seed: int = 0) -> Path:
    """Build a DeepSeek-OCR 2 like ``deepseek-community/DeepSeek-OCR-2``: 256 tokens for a page, 144 for a part."""
    import torch
    from transformers import DeepseekOcr2Config, DeepseekOcr2ForConditionalGeneration

    vocabulary = _tokenizer(folder, image_token="<image>")
    torch.manual_seed(seed)
    decoder = _small_decoder("deepseek_ocr2_text", vocabulary)
    config = DeepseekOcr2Config(
        vision_config={
            "sam_config": {
                **{"hidden_size": 32, "output_channels": 16, "num_hidden_layers": 2, "num_attention_heads": 2},
                **{"image_size": 64, "patch_size": 1, "window_size": 4, "global_attn_indexes": []},
                **{"downsample_channels": [24, 32], "mlp_dim": 64},
            },
            "encoder_config": {
                **{"vocab_size": 8, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2},
                **{"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 2048},
            },
        },
        text_config={
            **{**decoder, "num_key_value_heads": 4, "max_position_embeddings": 2048, "moe_intermediate_size": 16},
            **{"n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1},
            **{"mlp_layer_types": ["dense", "sparse"], "n_group": 1, "topk_group": 1},
        },
        image_token_id=vocabulary["<image>"],
    )
    settings = _image_settings("DeepseekOcr2ImageProcessor", _HALF, _HALF, {"height": 64, "width": 64})
    settings |= {"tile_size": 48, "processor_class": "DeepseekOcr2Processor"}
    _write_json(folder / "preprocessor_config.json", settings)
    _write_json(
        folder / "processor_config.json",
        {"patch_size": 1, "downsample_ratio": 4, "processor_class": "DeepseekOcr2Processor"},
    )
    return _finish(
        DeepseekOcr2ForConditionalGeneration(config), folder, vocabulary, _template("<image>\n", before="", after="\n")
    )
