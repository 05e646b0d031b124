"""How fast are photos turned into CLIP embeddings, from JPEG files on disk to rows, and how near the machine's limit?

The checkpoint has the size of CLIP ViT-B/32 and random weights, which cost the same as trained ones (its text encoder,
which does nothing here, has one layer). All ways get the same weights, photos and number of threads, and their rows
are compared. ONNX Runtime and open_clip need packages that must not enter the project's environment: those go to a
folder of the benchmark's own, seen by one process only.

    python -m benchmarks.image_encoding [--count 128]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.__main__ import table as as_table
from benchmarks.clip_weights import make_checkpoint
from benchmarks.folder_indexing import make_photos
from benchmarks.measure import cache_folder, matrix_rate, row, seconds

BATCH = 32
ROUNDS = 2
PACKAGES = {
    "ONNX Runtime": ["onnx==1.23.2", "onnxscript==0.7.2", "onnx-ir==1.1.0", "ml-dtypes==0.6.0"],
    "open_clip": ["open-clip-torch==3.3.0", "torchvision==0.28.0", "timm==1.0.31", "ftfy==6.3.1", "wcwidth==0.9.4"],
}
Encode = Callable[[Sequence[Path]], np.ndarray]


def checkpoint_folder() -> Path:
    """Return the folder of the checkpoint."""
    return make_checkpoint(cache_folder("clip-vit-b32-random"), text_layers=1)


def operations_per_image() -> float:
    """Return the multiplications and additions of matrix products for one image of ViT-B/32."""
    width, layers, tokens, patches = 768, 12, 50, 49
    weights = layers * (4 * width**2 + 2 * width * 4 * width)
    attention = layers * 2 * tokens * width
    return 2.0 * (tokens * (weights + attention) + patches * 3 * 32**2 * width + width * 512)


def batches(files: Sequence[Path]) -> Iterator[list[Image.Image]]:
    """Read files as a user would, a batch at a time."""
    for start in range(0, len(files), BATCH):
        yield [Image.open(path).convert("RGB") for path in files[start : start + BATCH]]


def sensorium(checkpoint: Path) -> Encode:
    """Ours."""
    from sensorium import CLIP

    clip = CLIP(checkpoint).load()
    return lambda files: np.stack([row for _, row in clip.encode_images(files)])


def chapter(checkpoint: Path) -> Encode:
    """The chapter's code, one image at a time; ``pooler_output`` is what its library has changed since."""
    from transformers import CLIPModel, CLIPProcessor

    model, processor = CLIPModel.from_pretrained(checkpoint), CLIPProcessor.from_pretrained(checkpoint)

    def encode_image(image: Image.Image) -> Any:
        inputs = processor(images=image, return_tensors="pt")
        image_features = model.get_image_features(**inputs).pooler_output
        return image_features / image_features.norm(dim=-1, keepdim=True)

    return lambda files: np.concatenate([encode_image(Image.open(path)).detach().numpy() for path in files])


def transformers_in_batches(checkpoint: Path) -> Encode:
    """transformers as its documentation has it for many images."""
    import torch
    from transformers import CLIPModel, CLIPProcessor

    model, processor = CLIPModel.from_pretrained(checkpoint).eval(), CLIPProcessor.from_pretrained(checkpoint)

    def encode(files: Sequence[Path]) -> np.ndarray:
        with torch.inference_mode():
            rows = [
                model.get_image_features(**processor(images=images, return_tensors="pt")).pooler_output
                for images in batches(files)
            ]
        return unit(torch.cat(rows).numpy())

    return encode


def onnx_runtime(checkpoint: Path) -> Encode:
    """ONNX Runtime on an exported graph, with transformers' processor."""
    import onnxruntime
    import torch
    from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

    from sensorium.threads import thread_count

    class Vision(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = CLIPVisionModelWithProjection.from_pretrained(checkpoint).eval()

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            rows: torch.Tensor = self.model(pixel_values=pixels).image_embeds
            return rows

    path = checkpoint / "vision.onnx"
    if not path.is_file():
        shape = {"pixels": {0: torch.export.Dim("batch", min=1, max=256)}}
        program = torch.onnx.export(Vision(), (torch.rand(2, 3, 224, 224),), dynamo=True, dynamic_shapes=shape)
        assert program is not None
        program.save(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = thread_count()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    processor = CLIPImageProcessorPil.from_pretrained(checkpoint)

    def encode(files: Sequence[Path]) -> np.ndarray:
        return unit(
            np.concatenate(
                [
                    session.run(None, {name: processor(images=images, return_tensors="np").pixel_values})[0]
                    for images in batches(files)
                ]
            )
        )

    return encode


def open_clip(checkpoint: Path) -> Encode:
    """open_clip with the same weights and its own preprocessing."""
    import torch
    from safetensors.torch import load_file

    # torchvision's compiled part is built for another torch; open_clip needs only its transforms. With torchvision
    # about, transformers can't be imported at all.
    sys.modules["torchvision._meta_registrations"] = types.ModuleType("torchvision._meta_registrations")
    import open_clip as library

    weights = load_file(checkpoint / "model.safetensors")
    model, _, preprocess = library.create_model_and_transforms("ViT-B-32-quickgelu", force_quick_gelu=True)
    model.visual.load_state_dict(as_open_clip(weights))
    model.eval()

    def encode(files: Sequence[Path]) -> np.ndarray:
        with torch.inference_mode():
            rows = [
                model.encode_image(torch.stack([preprocess(image) for image in images])) for images in batches(files)
            ]
        return unit(torch.cat(rows).numpy())

    return encode


def as_open_clip(weights: dict[str, Any]) -> dict[str, Any]:
    """Rename transformers' vision weights as open_clip calls them."""
    import torch

    vision = {name.removeprefix("vision_model."): value for name, value in weights.items()}
    renamed = {
        "class_embedding": vision["embeddings.class_embedding"],
        "positional_embedding": vision["embeddings.position_embedding.weight"],
        "conv1.weight": vision["embeddings.patch_embedding.weight"],
        "proj": vision["visual_projection.weight"].T,
    }
    for part in ("weight", "bias"):
        renamed[f"ln_pre.{part}"] = vision[f"pre_layrnorm.{part}"]
        renamed[f"ln_post.{part}"] = vision[f"post_layernorm.{part}"]
        for layer in range(12):
            ours, theirs = f"encoder.layers.{layer}", f"transformer.resblocks.{layer}"
            names = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
            renamed[f"{theirs}.attn.in_proj_{part}"] = torch.cat([vision[f"{ours}.{name}.{part}"] for name in names])
            renamed[f"{theirs}.attn.out_proj.{part}"] = vision[f"{ours}.self_attn.out_proj.{part}"]
            renamed[f"{theirs}.ln_1.{part}"] = vision[f"{ours}.layer_norm1.{part}"]
            renamed[f"{theirs}.ln_2.{part}"] = vision[f"{ours}.layer_norm2.{part}"]
            renamed[f"{theirs}.mlp.c_fc.{part}"] = vision[f"{ours}.mlp.fc1.{part}"]
            renamed[f"{theirs}.mlp.c_proj.{part}"] = vision[f"{ours}.mlp.fc2.{part}"]
    return renamed


WAYS: dict[str, Callable[[Path], Encode]] = {
    "sensorium": sensorium,
    "the chapter's code": chapter,
    "transformers, batches of 32": transformers_in_batches,
    "ONNX Runtime": onnx_runtime,
    "open_clip": open_clip,
}


def unit(rows: np.ndarray) -> np.ndarray:
    """Scale rows to length 1."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def measure_here(way: str, count: int, result: Path) -> None:
    """Run one way in this process: a warm-up, then the photos ``ROUNDS`` times; write seconds and rows."""
    from sensorium.models.device import prepare_torch

    prepare_torch()
    files = sorted(make_photos(count).glob("*.jpg"))
    encode = WAYS[way](checkpoint_folder())
    rows = encode(files[:BATCH])
    took = [seconds(lambda: encode(files)) for _ in range(ROUNDS)]
    result.write_text(json.dumps({"seconds": min(took), "rows": rows.tolist(), "rate": matrix_rate()}))


def measure(way: str, count: int) -> dict[str, Any]:
    """Run one way in a process of its own; return its seconds and rows, or why it could not run."""
    environment = dict(os.environ)
    if way in PACKAGES:
        folder = cache_folder("packages-" + way.replace(" ", "-").lower())
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        if not any(folder.iterdir()):
            done = subprocess.run([*pip, *PACKAGES[way]], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                return {"failed": f"pip could not install {', '.join(PACKAGES[way])}"}
        environment["PYTHONPATH"] = os.pathsep.join([str(folder), environment.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory() as place:
        result = Path(place) / "result.json"
        command = [sys.executable, "-m", "benchmarks.image_encoding", "--count", str(count), "--way", way]
        done = subprocess.run(
            [*command, "--result", str(result)], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            print(done.stderr, file=sys.stderr)
            return {"failed": done.stderr.strip().splitlines()[-1]}
        found: dict[str, Any] = json.loads(result.read_text())
        return found


def run(count: int = 128) -> list[dict[str, Any]]:
    """Measure."""
    make_photos(count)
    checkpoint_folder()
    found = {way: measure(way, count) for way in WAYS}
    ours = found.pop("sensorium")
    rate = max(item["rate"] for item in [ours, *found.values()] if "rate" in item)
    speed = count / ours["seconds"]
    reached = speed * operations_per_image() / rate
    question = f"CLIP ViT-B/32 (random weights), {count} JPEG photos 640×480 from disk to embeddings"
    rows = [
        row(
            "the same, as a share of this machine's float32 matrix rate",
            f"{reached:.0%}",
            note=f"{operations_per_image() / 1e9:.2f} GFLOP an image at {rate / 1e9:.0f} GFLOP/s "
            f"would be {rate / operations_per_image():.1f} photos/s; decoding and resizing are on top of that",
        )
    ]
    for way, theirs in found.items():
        if "failed" in theirs:
            rows.append(row(question, f"{speed:.1f} photos/s", way, note=f"did not run: {theirs['failed']}"))
            continue
        rows_of_ours = np.array(ours["rows"])
        difference = np.abs(rows_of_ours - np.array(theirs["rows"])).max()
        apart = np.abs(rows_of_ours[0] - rows_of_ours[1]).max()
        note = f"rows differ by at most {difference:.0e} (those of two photos by {apart:.0e})"
        peer = f"{way}: {count / theirs['seconds']:.1f} photos/s"
        rows.append(row(question, f"{speed:.1f} photos/s", peer, theirs["seconds"] / ours["seconds"], note))
    return [*rows[1:], rows[0]]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.image_encoding")
    parser.add_argument("--count", type=int, default=128)
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        measure_here(asked.way, asked.count, asked.result)
    else:
        print(as_table(run(asked.count)))
