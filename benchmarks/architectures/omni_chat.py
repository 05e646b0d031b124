"""Chat about a picture and a recording: the time of a generated token, against transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.architectures.comparison import Way, compare, edit_json, enlarge, half_precision

QUESTION = "What is in this picture, and what is said?"
SECONDS = 10

_FULL = [number % 5 == 4 for number in range(35)]
_GEMMA_4_E2B = {
    "text_config": {
        **{"hidden_size": 1536, "intermediate_size": 6144, "num_hidden_layers": 35, "num_attention_heads": 8},
        **{"num_key_value_heads": 1, "head_dim": 256, "hidden_size_per_layer_input": 256, "sliding_window": 512},
        **{"vocab_size": 262144, "vocab_size_per_layer_input": 262144, "max_position_embeddings": 131072},
        **{"num_kv_shared_layers": 20, "use_double_wide_mlp": True},
        "layer_types": ["full_attention" if full else "sliding_attention" for full in _FULL],
        "per_layer_config": {str(number): {"head_dim": 512} for number, full in enumerate(_FULL) if full},
    },
    "vision_config": {
        **{"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 16, "num_attention_heads": 12},
        **{"num_key_value_heads": 12, "head_dim": 64, "patch_size": 16, "position_embedding_size": 10240},
    },
    "audio_config": {
        **{"hidden_size": 1024, "num_hidden_layers": 12, "num_attention_heads": 8, "output_proj_dims": 1536},
        "subsampling_conv_channels": [128, 32],
    },
}


def gemma_4(size: str, device: str, folder: Path) -> dict[str, Any]:
    """Measure Gemma 4 E2B (5.10 B)."""
    import numpy as np
    import PIL.Image
    import torch
    from transformers import AutoModelForMultimodalLM, AutoTokenizer

    from sensorium import LLaVA
    from sensorium.media.audio import read_audio
    from sensorium.media.audio_writer import write_audio
    from tests.checkpoints.omni import tiny_gemma_4
    from tests.omni_reference import library_inputs

    tiny_gemma_4(folder)
    if size == "real":
        enlarge(folder, device, **{"": _GEMMA_4_E2B})
        seen = {"image_processor_type": "Gemma4ImageProcessor", "patch_size": 16}
        edit_json(folder / "processor_config.json", image_processor=seen)
    image = PIL.Image.radial_gradient("L").convert("RGB").resize((640, 480))
    noise = np.random.default_rng(0).normal(0.0, 0.1, SECONDS * 16_000).astype(np.float32)
    recording = write_audio(noise, folder / "noise.wav", 16_000)

    def asked(sound: Any) -> list[dict[str, Any]]:
        parts = [{"type": "image", "image": image}, {"type": "audio", "audio": sound}]
        return [{"role": "user", "content": [*parts, {"type": "text", "text": QUESTION}]}]

    def ours() -> Way:
        task = LLaVA(folder, device=device).load()
        return Way(lambda count: task.chat(None, asked(recording), max_new_tokens=count), task.close)

    def plain() -> Way:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForMultimodalLM.from_pretrained(folder, dtype=half_precision(device)).to(device)

        def generate(count: int) -> Any:
            inputs = library_inputs(folder, asked(read_audio(recording)))
            placed = {name: torch.as_tensor(value).to(device) for name, value in inputs.items()}
            for name in ("pixel_values", "input_features"):
                placed[name] = placed[name].to(half_precision(device))
            with torch.inference_mode():
                tokens = model.generate(**placed, max_new_tokens=count, do_sample=False)
            return tokenizer.decode(tokens[0], skip_special_tokens=True)

        return Way(generate, lambda: None)

    question = f"Gemma 4 E2B ({size}), a generated token after a picture and {SECONDS} s of sound"
    return compare(question, ours, "transformers", plain, device)
