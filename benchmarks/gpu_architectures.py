"""On a GPU: the time of a denoising step and of a generated token at real size, and the memory at most.

Our tasks against plain calls of diffusers and transformers as the chapter makes them, on the same checkpoints, in the
same run: architectures of real size with random weights, in the hub's layout, in half precision. Time is what further
steps or tokens add, so that loading, text encoders and the decoder of pictures don't count; memory is what torch took
at most, from loading to the end.

    python -m benchmarks.gpu_architectures                          # needs an NVIDIA GPU, 20 GB of disk for LLaVA
    python -m benchmarks.gpu_architectures --only stable-diffusion
    python -m benchmarks.gpu_architectures --size tiny --device cpu   # shows that it runs, measures nothing of interest

Whisper isn't here: it runs in CTranslate2, and with random weights it falls from one temperature into the next.
``transcription.py`` measures it with real ones.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.__main__ import table
from benchmarks.measure import machine, row, seconds

PROMPT = "a cat on the red house, oil painting"
QUESTION = "What is in this picture, and what colour is it?"
FEW, MANY = 5, 25

_CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
_CLIP_BIG_G = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20}
_AUTOENCODER = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
}
_UNET = {"layers_per_block": 2, "norm_num_groups": 32}
_UNET_15 = {
    **_UNET,
    "sample_size": 64,
    "block_out_channels": [320, 640, 1280, 1280],
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
_UNET_XL = {
    **_UNET,
    "sample_size": 128,
    "block_out_channels": [320, 640, 1280],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "cross_attention_dim": 2048,
    "attention_head_dim": [5, 10, 20],
    "transformer_layers_per_block": [1, 2, 10],
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
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


@dataclass(frozen=True)
class Way:
    """One way to run a checkpoint.

    Attributes:
        generate: Makes something of the given number of steps or tokens.
        close: Lets the memory go.
    """

    generate: Callable[[int], Any]
    close: Callable[[], None]


def stable_diffusion(size: str, device: str, folder: Path) -> dict[str, Any]:
    """Measure Stable Diffusion 1.5 at 512 pixels."""
    from diffusers import StableDiffusionPipeline

    from tests.checkpoints.diffusion import tiny_stable_diffusion

    tiny_stable_diffusion(folder)
    side = 64
    if size == "real":
        side = 512
        _enlarge(folder, device, unet=_UNET_15, vae=_AUTOENCODER, text_encoder=_CLIP_L)
    return _painting(f"Stable Diffusion 1.5 ({size}), {side} × {side}", StableDiffusionPipeline, folder, device, side)


def stable_diffusion_xl(size: str, device: str, folder: Path) -> dict[str, Any]:
    """Measure Stable Diffusion XL at 1024 pixels."""
    from diffusers import StableDiffusionXLPipeline

    from tests.checkpoints.diffusion import tiny_stable_diffusion_xl

    tiny_stable_diffusion_xl(folder)
    side = 64
    if size == "real":
        side = 1024
        second = {**_CLIP_BIG_G, "projection_dim": 1280}
        _enlarge(folder, device, unet=_UNET_XL, vae=_AUTOENCODER, text_encoder=_CLIP_L, text_encoder_2=second)
    return _painting(f"Stable Diffusion XL ({size}), {side} × {side}", StableDiffusionXLPipeline, folder, device, side)


def llava(size: str, device: str, folder: Path) -> dict[str, Any]:
    """Measure LLaVA 1.5 7B."""
    import PIL.Image
    import torch
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    from sensorium import LLaVA
    from tests.checkpoints.vision_language import tiny_llava

    tiny_llava(folder)
    if size == "real":
        _enlarge(folder, device, **{"": _LLAVA})
        _edit(folder / "preprocessor_config.json", size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})
        _edit(folder / "processor_config.json", patch_size=14)
    image = PIL.Image.radial_gradient("L").convert("RGB").resize((640, 480))

    def ours() -> Way:
        task = LLaVA(folder, device=device).load()
        history = [{"role": "user", "content": QUESTION}]
        return Way(lambda count: task.chat(image, history, max_new_tokens=count), task.close)

    def plain() -> Way:
        processor = AutoProcessor.from_pretrained(folder)
        model = LlavaForConditionalGeneration.from_pretrained(folder, dtype=_half(device)).to(device)
        content = [{"type": "image"}, {"type": "text", "text": QUESTION}]
        prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)

        def generate(count: int) -> Any:
            inputs = processor(images=image, text=prompt, return_tensors="pt").to(device, _half(device))
            with torch.inference_mode():
                tokens = model.generate(**inputs, max_new_tokens=count, do_sample=False)
            return processor.decode(tokens[0], skip_special_tokens=True)

        return Way(generate, lambda: None)

    return _compare(f"LLaVA 1.5 7B ({size}), a generated token", ours, "transformers", plain, device)


ARCHITECTURES = {"stable-diffusion": stable_diffusion, "stable-diffusion-xl": stable_diffusion_xl, "llava": llava}


def measure(size: str, device: str, only: str | None = None) -> list[dict[str, Any]]:
    """Return the rows of the table.

    Args:
        size: ``"real"`` or ``"tiny"``.
        device: ``"cuda"``, or ``"cpu"`` for ``"tiny"``.
        only: One of `ARCHITECTURES`; None for all.
    """
    rows = []
    for name in [only] if only else ARCHITECTURES:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(ARCHITECTURES[name](size, device, Path(folder) / name))
    return rows


def _painting(what: str, pipeline_class: Any, folder: Path, device: str, side: int) -> dict[str, Any]:
    import torch

    from sensorium import TextToImage

    def ours() -> Way:
        task = TextToImage(folder, device=device).load()
        return Way(lambda steps: task.generate(PROMPT, steps=steps, width=side, height=side, seed=0), task.close)

    def plain() -> Way:
        pipeline = pipeline_class.from_pretrained(folder, dtype=_half(device)).to(device)
        pipeline.set_progress_bar_config(disable=True)

        def generate(steps: int) -> Any:
            generator = torch.Generator(device).manual_seed(0)
            return pipeline(PROMPT, num_inference_steps=steps, width=side, height=side, generator=generator).images

        return Way(generate, lambda: None)

    return _compare(f"{what}, a denoising step", ours, "diffusers", plain, device)


def _compare(
    question: str, ours: Callable[[], Way], library: str, plain: Callable[[], Way], device: str
) -> dict[str, Any]:
    our_time, our_memory = _run(ours, device)
    plain_time, plain_memory = _run(plain, device)
    note = f"what {MANY - FEW} more of them take; random weights"
    return row(
        question, f"{our_time}, {our_memory}", f"{library}: {plain_time}, {plain_memory}", plain_time / our_time, note
    )


class Milliseconds(float):
    """A time that prints with its unit."""

    def __str__(self) -> str:
        return f"{float(self) * 1000:.1f} ms"


def _run(open_way: Callable[[], Way], device: str) -> tuple[Milliseconds, str]:
    import torch

    on_gpu = device.startswith("cuda")
    gc.collect()
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    way = open_way()
    way.generate(FEW)
    few, many = (min(seconds(partial(way.generate, count)) for _ in range(2)) for count in (FEW, MANY))
    memory = f"{torch.cuda.max_memory_allocated() / 1e9:.1f} GB at most" if on_gpu else "memory not measured"
    way.close()
    return Milliseconds(max(many - few, 1e-6) / (MANY - FEW)), memory


def _enlarge(folder: Path, device: str, **components: dict[str, Any]) -> None:
    """Give components of a tiny checkpoint their real size and new random weights; its tokenizer stays."""
    for name, sizes in components.items():
        part = folder / name
        model = new_model(part / "config.json", sizes, device)
        for file in part.glob("*.safetensors"):
            file.unlink()
        if getattr(model, "generation_config", None) is not None:
            model.generation_config.suppress_tokens = [model.config.get_text_config().eos_token_id]  # no early end
        model.save_pretrained(part)


def new_model(config_file: Path, sizes: dict[str, Any], device: str) -> Any:
    """Build a model with random weights in half precision.

    Args:
        config_file: The configuration of a tiny one.
        sizes: What is otherwise in the large one; a dict changes a part of the configuration.
        device: Where its weights are made.
    """
    import diffusers
    import torch
    import transformers

    config = json.loads(config_file.read_text(encoding="utf-8"))
    for key, value in sizes.items():
        config[key] = {**config[key], **value} if isinstance(value, dict) else value
    torch.manual_seed(0)
    with torch.device(device):
        if "_class_name" in config:
            return getattr(diffusers, config["_class_name"]).from_config(config).to(_half(device))
        model_class = getattr(transformers, config["architectures"][0])
        return model_class._from_config(model_class.config_class.from_dict(config), dtype=_half(device))


def _half(device: str) -> Any:
    import torch

    return torch.float32 if device == "cpu" else torch.float16


def _edit(file: Path, **values: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_architectures", description=__doc__.split("\n")[0])
    parser.add_argument("--size", choices=("real", "tiny"), default="real")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", choices=tuple(ARCHITECTURES))
    options = parser.parse_args(arguments)
    import torch

    if options.size == "real" and not torch.cuda.is_available():
        print("This benchmark needs an NVIDIA GPU that torch can use, and there is none.", file=sys.stderr)
        return 1
    print(torch.cuda.get_device_name() if torch.cuda.is_available() else machine(), flush=True)
    print(table(measure(options.size, options.device, options.only)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
