"""How two ways to run the same checkpoint are held against each other, and how a tiny one gets its real size."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import row, seconds

FEW, MANY = 5, 25


@dataclass(frozen=True)
class Way:
    """One way to run a checkpoint.

    Attributes:
        generate: Makes something of the given number of steps or tokens, or that many things.
        close: Lets the memory go.
    """

    generate: Callable[[int], Any]
    close: Callable[[], None]


def compare(
    question: str, ours: Callable[[], Way], library: str, plain: Callable[[], Way], device: str
) -> dict[str, Any]:
    """Return the line of the table for two ways to run a checkpoint.

    Args:
        question: What is run, and what is counted.
        ours: Opens our task.
        library: The peer's name.
        plain: Opens the same checkpoint with the library alone.
        device: ``"cuda"`` or ``"cpu"``.
    """
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


def enlarge(folder: Path, device: str, **components: dict[str, Any]) -> None:
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
            return getattr(diffusers, config["_class_name"]).from_config(config).to(half_precision(device))
        model_class = getattr(transformers, config["architectures"][0])
        return model_class._from_config(model_class.config_class.from_dict(config), dtype=half_precision(device))


def half_precision(device: str) -> Any:
    """Return the precision of the weights, as ours has it: bfloat16 on a GPU, float32 on a CPU."""
    import torch

    return torch.float32 if device == "cpu" else torch.bfloat16


def edit_json(file: Path, **values: Any) -> None:
    """Change values in a JSON file."""
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **values}), encoding="utf-8")
