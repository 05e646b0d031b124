"""Tiny models that see, hear and watch films, in the hub's on-disk layout, with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.checkpoints.vision_language import _save, _write_byte_tokenizer

_QWEN_TEMPLATE = (
    "{%- for message in messages -%}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{%- if message['content'] is string -%}{{ message['content'] }}{%- else -%}"
    "{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'image' -%}VISION_START" "IMAGE" "VISION_END"
    "{%- elif part['type'] == 'video' -%}VISION_START" "VIDEO" "VISION_END"
    "{%- elif part['type'] == 'audio' -%}AUDIO_START" "SOUND" "AUDIO_END"
    "{%- elif 'text' in part -%}{{ part['text'] }}{%- endif -%}{%- endfor -%}{%- endif -%}<|im_end|>\n"
    "{% endfor -%}{%- if add_generation_prompt -%}<|im_start|>assistant\n{% endif -%}"
)  # fmt: skip
_GEMMA_TEMPLATE = (
    "{{ bos_token }}{%- for message in messages -%}"
    "{{ '<|turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n' }}"
    "{%- if message['content'] is string -%}{{ message['content'] | trim }}{%- else -%}"
    "{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'text' -%}{{ part['text'] | trim }}"
    "{%- elif part['type'] == 'image' -%}{{ '\n\n<|image|>\n\n' }}"
    "{%- elif part['type'] == 'audio' -%}{{ '<|audio|>' }}"
    "{%- elif part['type'] == 'video' -%}{{ '\n\n<|video|>\n\n' }}{%- endif -%}{%- endfor -%}{%- endif -%}<turn|>\n"
    "{% endfor -%}{%- if add_generation_prompt -%}<|turn>model\n{% endif -%}"
)
_QWEN_3 = {
    "image_token": "<|image_pad|>", "audio_token": "<|audio_pad|>", "video_token": "<|video_pad|>",
    "vision_bos_token": "<|vision_start|>", "vision_eos_token": "<|vision_end|>",
    "audio_bos_token": "<|audio_start|>", "audio_eos_token": "<|audio_end|>",
}  # fmt: skip
_QWEN_2_5 = {
    "image_token": "<|IMAGE|>", "audio_token": "<|AUDIO|>", "video_token": "<|VIDEO|>",
    "vision_bos_token": "<|vision_bos|>", "vision_eos_token": "<|vision_eos|>",
    "audio_bos_token": "<|audio_bos|>", "audio_eos_token": "<|audio_eos|>",
}  # fmt: skip
_GEMMA = {
    "image_token": "<|image|>", "boi_token": "<|image>", "eoi_token": "<image|>",
    "audio_token": "<|audio|>", "boa_token": "<|audio>", "eoa_token": "<audio|>",
}  # fmt: skip
_QWEN_IMAGES = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "temporal_patch_size": 2, "merge_size": 2}
_DECODER = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "initializer_range": 0.3,
}  # fmt: skip


def tiny_gemma_4(folder: Path, *, hears: bool = True, seed: int = 1) -> Path:
    """Build a Gemma 4 like ``google/gemma-4-E2B-it``.

    Args:
        folder: Created; filled with what the hub's repository holds.
        hears: Whether it has a part for sound; ``google/gemma-4-31B-it`` has none.
        seed: Of its weights.
    """
    import torch
    from transformers import Gemma4Config, Gemma4ForConditionalGeneration

    vocabulary = _write_byte_tokenizer(
        folder,
        "Qwen2Tokenizer",
        ["<pad>", "<eos>", "<bos>", "<|turn>", "<turn|>", *_GEMMA.values(), "<|video|>"],
        {"bos_token": "<bos>", "eos_token": "<turn|>", "pad_token": "<pad>"},
        extra_special_tokens={**_GEMMA, "sot_token": "<|turn>", "eot_token": "<turn|>", "end_token": "<eos>"},
    )
    config = Gemma4Config(
        text_config={
            **_DECODER, "vocab_size": len(vocabulary), "vocab_size_per_layer_input": len(vocabulary), "head_dim": 8,
            "global_head_dim": 8, "hidden_size_per_layer_input": 8, "max_position_embeddings": 32768,
            "layer_types": ["sliding_attention", "full_attention"], "sliding_window": 64,
            "eos_token_id": vocabulary["<turn|>"], "bos_token_id": vocabulary["<bos>"], "pad_token_id": 0,
        },
        vision_config={
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4,
            "num_key_value_heads": 4, "head_dim": 8, "patch_size": 4, "position_embedding_size": 2560,
        },
        audio_config={
            "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "subsampling_conv_channels": [128, 4],
            "output_proj_dims": 32,
        } if hears else None,
        image_token_id=vocabulary["<|image|>"], boi_token_id=vocabulary["<|image>"],
        eoi_token_id=vocabulary["<image|>"], video_token_id=vocabulary["<|video|>"],
        audio_token_id=vocabulary["<|audio|>"], boa_token_id=vocabulary["<|audio>"],
        eoa_token_index=vocabulary["<audio|>"],
    )  # fmt: skip
    torch.manual_seed(seed)
    model = Gemma4ForConditionalGeneration(config)
    with torch.no_grad():
        # The weights of the words also choose the next one: large ones write the same word again and again.
        model.get_input_embeddings().weight.mul_(0.1)
        for name, scale in model.named_buffers():
            if name.endswith("layer_scalar"):
                scale.fill_(4.0)
    odd = [number for token, number in vocabulary.items() if len(token) == 1 and not token.isascii()]
    _save(model, folder, eos_token_id=[1, vocabulary["<turn|>"]], pad_token_id=0, suppress_tokens=odd)
    seen = {"patch_size": 4, "pooling_kernel_size": 3}
    _write_json(
        folder / "processor_config.json",
        {
            "processor_class": "Gemma4Processor",
            "feature_extractor": {"feature_extractor_type": "Gemma4AudioFeatureExtractor", "fft_overdrive": False},
            "image_processor": {"image_processor_type": "Gemma4ImageProcessor", "max_soft_tokens": 280, **seen},
            "video_processor": {"video_processor_type": "Gemma4VideoProcessor", "max_soft_tokens": 70, **seen},
        },
    )
    (folder / "chat_template.jinja").write_text(_GEMMA_TEMPLATE)
    return folder


def tiny_qwen_omni(folder: Path, *, family: str = "qwen3_omni_moe", seed: int = 0) -> Path:
    """Build a ``Qwen/Qwen3-Omni-30B-A3B-Instruct`` with its talker, or a ``Qwen/Qwen2.5-Omni-7B`` without.

    Args:
        folder: Created; filled with what the hub's repository holds.
        family: ``"qwen3_omni_moe"`` or ``"qwen2_5_omni"``.
        seed: Of its weights.
    """
    import torch
    import transformers

    third = family == "qwen3_omni_moe"
    own, name = (_QWEN_3, "Qwen3OmniMoe") if third else (_QWEN_2_5, "Qwen2_5Omni")
    vocabulary = _write_byte_tokenizer(
        folder,
        "Qwen2Tokenizer",
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *own.values()],
        {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        extra_special_tokens={**own, "start_token": "<|im_start|>"},
    )
    config = getattr(transformers, f"{name}Config")(
        thinker_config=_thinker(family, vocabulary, own),
        **(_speaking(vocabulary) if third else {"enable_audio_output": False}),
    )
    torch.manual_seed(seed)
    model = getattr(transformers, f"{name}ForConditionalGeneration")(config)
    # The files of the published ones name no token that ends an answer: the class's generate() does.
    _save(model, folder)
    patch = 16 if third else 14
    settings = {
        **{"image_processor_type": "Qwen2VLImageProcessor", "processor_class": f"{name}Processor"},
        **{"feature_extractor_type": "WhisperFeatureExtractor", "feature_size": 16, "return_attention_mask": True},
        **{"chunk_length": 30 if third else 300, "patch_size": patch, **_QWEN_IMAGES},
        **{"min_pixels": 32 * 32, "max_pixels": 256 * 256},
    }
    _write_json(folder / "preprocessor_config.json", settings)
    template = _QWEN_TEMPLATE
    for place, token in zip(
        ("VISION_START", "VISION_END", "AUDIO_START", "AUDIO_END", "IMAGE", "VIDEO", "SOUND"),
        ("vision_bos_token", "vision_eos_token", "audio_bos_token", "audio_eos_token", "image_token", "video_token",
         "audio_token"),
        strict=True,
    ):  # fmt: skip
        template = template.replace(place, own[token])
    _write_json(folder / "chat_template.json", {"chat_template": template})
    return folder


def _thinker(family: str, vocabulary: dict[str, int], own: dict[str, str]) -> dict[str, Any]:
    tokens = {name: vocabulary[own[f"{name}_token"]] for name in ("image", "audio", "video")}
    shared = {
        "audio_start_token_id": vocabulary[own["audio_bos_token"]],
        "audio_end_token_id": vocabulary[own["audio_eos_token"]],
        "vision_start_token_id": vocabulary[own["vision_bos_token"]],
        "vision_end_token_id": vocabulary[own["vision_eos_token"]],
    }
    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 1000000.0}
    text = {**_DECODER, "vocab_size": len(vocabulary), "max_position_embeddings": 32768, "rope_parameters": rope}
    hearing = {"num_mel_bins": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 32}
    hearing |= {"d_model": 16, "output_dim": 32}
    seeing = {"depth": 2, "num_heads": 4, "hidden_size": 32, "out_hidden_size": 32, "intermediate_size": 64}
    if family == "qwen2_5_omni":
        return {
            **shared, **{f"{name}_token_index": number for name, number in tokens.items()},
            "text_config": {**text, "tie_word_embeddings": False}, "audio_config": hearing,
            "vision_config": {**seeing, "patch_size": 14, "window_size": 56, "fullatt_block_indexes": [1]},
        }  # fmt: skip
    rope["mrope_interleaved"] = True
    return {
        **shared, **{f"{name}_token_id": number for name, number in tokens.items()}, "position_id_per_seconds": 13,
        "text_config": {
            **text, "head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
        },
        "audio_config": {**hearing, "downsample_hidden_size": 8},
        "vision_config": {
            **seeing, "patch_size": 16, "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1],
        },
    }  # fmt: skip


def _speaking(vocabulary: dict[str, int]) -> dict[str, Any]:
    """Return the settings of a talker, which makes sound of what the thinker writes."""
    text = {**_DECODER, "head_dim": 8, "vocab_size": 64}
    return {
        "talker_config": {
            "text_config": {**text, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
                            "shared_expert_intermediate_size": 32},
            "code_predictor_config": {**text, "num_code_groups": 4},
            "num_code_groups": 4, "thinker_hidden_size": 32, "spatial_merge_size": 2, "speaker_id": {"ethan": 1},
            **{f"{name}_token_id": vocabulary[f"<|{name}_pad|>"] for name in ("image", "audio", "video")},
        },
        "code2wav_config": {
            "codebook_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4,
            "num_key_value_heads": 4, "num_hidden_layers": 1, "num_quantizers": 4, "decoder_dim": 32,
            "upsample_rates": [2, 2], "upsampling_ratios": [2],
        },
        "im_start_token_id": vocabulary["<|im_start|>"], "im_end_token_id": vocabulary["<|im_end|>"],
    }  # fmt: skip


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2))
