"""Tiny MiniCPM-V checkpoints in the hub's on-disk layout: real configuration, tokenizer, processor, random weights."""

from __future__ import annotations

import json
from pathlib import Path

from tests.checkpoints.vision_language import _save, _write_byte_tokenizer

_OWN = {
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "image_start_token": "<image>",
    "image_end_token": "</image>",
    "slice_start_token": "<slice>",
    "slice_end_token": "</slice>",
    "image_id_start_token": "<image_id>",
    "image_id_end_token": "</image_id>",
}
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|image_pad|>{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_minicpm_v(folder: Path, *, version: str = "4_7", seed: int = 0) -> Path:
    """Build a MiniCPM-V like ``openbmb/MiniCPM-V-4.7-1B``.

    Args:
        folder: Created; filled with what the hub's repository holds.
        version: ``"4_6"`` or ``"4_7"``.
        seed: Of its weights.
    """
    import torch
    import transformers

    vocabulary = _write_byte_tokenizer(
        folder,
        "Qwen2Tokenizer",
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *_OWN.values()],
        {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        extra_special_tokens=_OWN,
    )
    text = {
        **{"model_type": "qwen3_5_text", "vocab_size": len(vocabulary), "hidden_size": 32, "intermediate_size": 64},
        **{"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16},
        **{"linear_key_head_dim": 8, "linear_value_head_dim": 8, "linear_num_key_heads": 2},
        **{"linear_num_value_heads": 4, "layer_types": ["linear_attention", "full_attention"]},
        **{"eos_token_id": vocabulary["<|im_end|>"], "pad_token_id": vocabulary["<|endoftext|>"]},
        "rope_parameters": {
            **{"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 1.0},
            **{"mrope_section": [4, 2, 2], "mrope_interleaved": True},
        },
    }
    vision = {
        **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
        **{"image_size": 64, "patch_size": 4},
    }
    ids = {"image_token_id": vocabulary["<|image_pad|>"], "video_token_id": vocabulary["<|video_pad|>"]}
    if version == "4_7":
        words = ("image_start", "image_end", "slice_start", "slice_end")
        ids |= {f"{word}_id": vocabulary[_OWN[f"{word}_token"]] for word in words}
        ids["newline_id"] = vocabulary["Ċ"]
    config = getattr(transformers, f"MiniCPMV{version}Config")(
        text_config=text, vision_config=vision, insert_layer_id=0, image_size=64, **ids
    )
    torch.manual_seed(seed)
    model = getattr(transformers, f"MiniCPMV{version}ForConditionalGeneration")(config)
    _save(model, folder, width=0.3, eos_token_id=vocabulary["<|im_end|>"], pad_token_id=vocabulary["<|endoftext|>"])
    pictures = {
        **{"image_processor_type": "MiniCPMV4_6ImageProcessor", "processor_class": f"MiniCPMV{version}Processor"},
        **{"patch_size": 4, "scale_resolution": 64, "max_slice_nums": 4, "slice_mode": True},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures))
    (folder / "processor_config.json").write_text(json.dumps({"processor_class": f"MiniCPMV{version}Processor"}))
    (folder / "chat_template.jinja").write_text(_TEMPLATE)
    return folder
