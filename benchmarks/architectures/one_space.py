"""Pictures and texts as vectors of one space: the time of a picture, against transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.architectures.comparison import Way, compare, edit_json, enlarge

_EMBEDDING_GEMMA_2 = {
    "text_config": {
        **{"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 4},
        **{"num_key_value_heads": 2, "head_dim": 256, "vocab_size": 262_144, "hidden_size_per_layer_input": 512},
        **{"embedding_dim": 768, "layer_types": [*(["sliding_attention"] * 5), "full_attention"] * 4},
        "per_layer_config": {str(layer): {"head_dim": 512, "num_key_value_heads": 1} for layer in range(5, 24, 6)},
    },
    "vision_config": {
        **{"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 16, "num_attention_heads": 12},
        **{"num_key_value_heads": 12, "head_dim": 64, "patch_size": 16, "position_embedding_size": 10_240},
    },
    "audio_config": {
        **{"hidden_size": 1024, "num_hidden_layers": 12, "num_attention_heads": 8, "output_proj_dims": 1536},
        "subsampling_conv_channels": [128, 32],
    },
}


def embedding_gemma_2(size: str, device: str, folder: Path) -> dict[str, Any]:
    """Measure EmbeddingGemma 2: a picture with the sentence that describes it."""
    import numpy as np
    import PIL.Image
    import torch
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    from sensorium import CLIP
    from tests.checkpoints.one_space import tiny_embedding_gemma_2

    tiny_embedding_gemma_2(folder)
    if size == "real":
        _set_real_size(folder, device)
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    picture = PIL.Image.fromarray(noise)
    # A text that was encoded before comes from memory, so each is another one.
    texts = (f"a photo of a street with {number} cars and two dogs in front of a shop" for number in range(10**9))

    def ours() -> Way:
        clip = CLIP(folder, device=device).load()

        def embed(count: int) -> None:
            clip.image_rows([picture] * count)
            clip.text_rows([next(texts) for _ in range(count)])

        return Way(embed, clip.close)

    def plain() -> Way:
        precision = torch.float32 if device == "cpu" else torch.bfloat16
        model = AutoModel.from_pretrained(folder, dtype=precision).to(device).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)
        look = AutoImageProcessor.from_pretrained(folder, backend="pil")

        def vectors(words: list[str], **seen: Any) -> Any:
            tokens = tokenizer(words, padding=True, return_tensors="pt").to(device)
            with torch.inference_mode():
                states = model(**tokens, **seen).last_hidden_state.float()
            real = tokens["attention_mask"].unsqueeze(-1)
            return torch.nn.functional.normalize((states * real).sum(1) / real.sum(1), dim=-1).cpu()

        def embed(count: int) -> None:
            seen = look(images=[picture] * count, return_tensors="pt")
            marks = [f"<|image>{'<|image|>' * int(n)}<image|>" for n in seen.pop("num_soft_tokens_per_image")]
            pixels = seen.pop("pixel_values").to(device, precision)
            vectors(marks, pixel_values=pixels, **seen.to(device))
            vectors([next(texts) for _ in range(count)])

        return Way(embed, lambda: None)

    return compare(f"EmbeddingGemma 2 ({size}), a picture and a sentence", ours, "transformers", plain, device)


def _set_real_size(folder: Path, device: str) -> None:
    enlarge(folder, device, **{"": _EMBEDDING_GEMMA_2})
    settings = json.loads((folder / "processor_config.json").read_text(encoding="utf-8"))
    pictures = {**settings["image_processor"], "patch_size": 16, "max_soft_tokens": 280}
    edit_json(folder / "processor_config.json", image_processor=pictures, audio_seq_length=280)
