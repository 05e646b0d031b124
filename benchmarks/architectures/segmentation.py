"""What each pixel of a picture is: the time of a picture, against transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.architectures.comparison import Way, compare, edit_json, enlarge, half_precision

_EOMT_LARGE = {
    **{"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "mlp_ratio": 4},
    **{"image_size": 512, "patch_size": 16, "num_blocks": 4, "num_queries": 100},
}


def eomt(size: str, device: str, folder: Path) -> dict[str, Any]:
    """Measure EoMT large (316 M; its paper counts 319), which sees squares of 512 pixels."""
    import PIL.Image
    import torch
    from transformers import AutoModelForUniversalSegmentation, EomtImageProcessorPil

    from sensorium.image_generation.annotators.segmentation import Segmenter, ade20k_palette
    from tests.checkpoints.segmenters import tiny_eomt

    tiny_eomt(folder, classes={number: entry.name for number, entry in enumerate(ade20k_palette())})
    if size == "real":
        enlarge(folder, device, **{"": _EOMT_LARGE})
        edit_json(folder / "preprocessor_config.json", size={"shortest_edge": 512, "longest_edge": None})
    image = PIL.Image.radial_gradient("L").convert("RGB").resize((1024, 768) if size == "real" else (160, 120))

    def ours() -> Way:
        task = Segmenter(folder, device=device).load()
        return Way(lambda count: [task.segment(image) for _ in range(count)], task.close)

    def plain() -> Way:
        processor = EomtImageProcessorPil.from_pretrained(folder)
        model = (
            AutoModelForUniversalSegmentation.from_pretrained(folder, dtype=half_precision(device)).to(device).eval()
        )

        def segment() -> Any:
            inputs = processor(images=image, return_tensors="pt")
            pixels = inputs["pixel_values"].to(device, half_precision(device))
            with torch.inference_mode():
                outputs = model(pixel_values=pixels, patch_offsets=inputs["patch_offsets"])
                found = processor.post_process_semantic_segmentation(outputs, target_sizes=[image.size[::-1]])
            return found[0].cpu()

        return Way(lambda count: [segment() for _ in range(count)], lambda: None)

    return compare(
        f"EoMT large ({size}), a picture of {image.width} × {image.height}", ours, "transformers", plain, device
    )
