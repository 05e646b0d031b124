"""Chat about pictures: the time of a generated token, against transformers."""

from __future__ import annotations

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
