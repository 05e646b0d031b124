"""Chat about pictures: the time of a generated token, against transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.architectures.comparison import Way, compare, edit_json, enlarge, half_precision

QUESTION = "What is in this picture, and what colour is it?"

_LLAVA = {
    "image_seq_length": 576,
    "text_config": {
        **{"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32},
        **{"num_key_value_heads": 32, "head_dim": 128, "vocab_size": 32064, "max_position_embeddings": 4096},
    },
    "vision_config": {
        **{"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16},
        **{"image_size": 336, "patch_size": 14},
    },
}

_QWEN_3_5 = {
    "text_config": {
        **{"hidden_size": 1024, "intermediate_size": 3584, "num_hidden_layers": 24, "num_attention_heads": 8},
        **{"num_key_value_heads": 2, "head_dim": 256, "vocab_size": 248320, "max_position_embeddings": 262144},
        **{"linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_num_key_heads": 16},
        **{"linear_num_value_heads": 16, "layer_types": [*["linear_attention"] * 3, "full_attention"] * 6},
        **{"tie_word_embeddings": True, "partial_rotary_factor": 0.25, "initializer_range": 0.02},
        "rope_parameters": {
            **{"rope_type": "default", "rope_theta": 10000000.0, "mrope_section": [11, 11, 10]},
            **{"mrope_interleaved": True, "partial_rotary_factor": 0.25},
        },
    },
    "vision_config": {
        **{"depth": 12, "hidden_size": 768, "intermediate_size": 3072, "num_heads": 12, "patch_size": 16},
        **{"num_position_embeddings": 2304, "out_hidden_size": 1024},
    },
    "tie_word_embeddings": True,
}
"""Qwen 3.5 0.8B; what sees is taken from what is known of its family."""


def qwen_3_5(size: str, device: str, folder: Path) -> dict[str, Any]:
    """Measure Qwen 3.5 0.8B, which answers without thinking."""
    import PIL.Image
    import torch
    from transformers import AutoImageProcessor, AutoTokenizer, Qwen3_5ForConditionalGeneration

    from sensorium import LLaVA
    from tests.checkpoints.thinking import tiny_qwen_with_switch

    tiny_qwen_with_switch(folder)
    if size == "real":
        enlarge(folder, device, **{"": _QWEN_3_5})
        pixels = {"shortest_edge": 256 * 256, "longest_edge": 4096 * 4096}
        edit_json(folder / "preprocessor_config.json", patch_size=16, size=pixels)
    image = PIL.Image.radial_gradient("L").convert("RGB").resize((640, 480))

    def ours() -> Way:
        task = LLaVA(folder, device=device).load()
        history = [{"role": "user", "content": QUESTION}]
        return Way(lambda count: task.chat(image, history, max_new_tokens=count), task.close)

    def plain() -> Way:
        # Its processor needs torchvision for films, so that its parts are called here.
        pictures = AutoImageProcessor.from_pretrained(folder, backend="pil")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        precision = half_precision(device)
        model = Qwen3_5ForConditionalGeneration.from_pretrained(folder, dtype=precision).to(device)
        template = json.loads((folder / "chat_template.json").read_text())["chat_template"]
        content = [{"type": "image"}, {"type": "text", "text": QUESTION}]
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": content}],
            chat_template=template,
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
        )

        def generate(count: int) -> Any:
            seen = pictures(image, return_tensors="pt").to(device)
            places = int(seen["image_grid_thw"].prod()) // 4
            ids = tokenizer(prompt.replace("<|image_pad|>", "<|image_pad|>" * places), return_tensors="pt").input_ids
            ids = ids.to(device)
            inputs = {
                "input_ids": ids,
                "attention_mask": torch.ones_like(ids),
                "pixel_values": seen["pixel_values"].to(precision),
                "image_grid_thw": seen["image_grid_thw"],
                "mm_token_type_ids": (ids == model.config.image_token_id).int(),
            }
            with torch.inference_mode():
                tokens = model.generate(**inputs, max_new_tokens=count, do_sample=False)
            return tokenizer.decode(tokens[0], skip_special_tokens=True)

        return Way(generate, lambda: None)

    return compare(f"Qwen 3.5 0.8B ({size}), a generated token", ours, "transformers", plain, device)


def llava(size: str, device: str, folder: Path) -> dict[str, Any]:
    """Measure LLaVA 1.5 7B."""
    import PIL.Image
    import torch
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    from sensorium import LLaVA
    from tests.checkpoints.vision_language import tiny_llava

    tiny_llava(folder)
    if size == "real":
        enlarge(folder, device, **{"": _LLAVA})
        edit_json(
            folder / "preprocessor_config.json", size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}
        )
        edit_json(folder / "processor_config.json", patch_size=14)
    image = PIL.Image.radial_gradient("L").convert("RGB").resize((640, 480))

    def ours() -> Way:
        task = LLaVA(folder, device=device).load()
        history = [{"role": "user", "content": QUESTION}]
        return Way(lambda count: task.chat(image, history, max_new_tokens=count), task.close)

    def plain() -> Way:
        processor = AutoProcessor.from_pretrained(folder)
        model = LlavaForConditionalGeneration.from_pretrained(folder, dtype=half_precision(device)).to(device)
        content = [{"type": "image"}, {"type": "text", "text": QUESTION}]
        prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)

        def generate(count: int) -> Any:
            inputs = processor(images=image, text=prompt, return_tensors="pt").to(device, half_precision(device))
            with torch.inference_mode():
                tokens = model.generate(**inputs, max_new_tokens=count, do_sample=False)
            return processor.decode(tokens[0], skip_special_tokens=True)

        return Way(generate, lambda: None)

    return compare(f"LLaVA 1.5 7B ({size}), a generated token", ours, "transformers", plain, device)
