"""The configuration of a painter that is a single file: what comes with this package, with the sizes of the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.image_generation.diffusion.checkpoints.single_file_sizes import (
    autoencoder_sizes,
    text_encoder_sizes,
    unet_sizes,
)
from sensorium.models.single_file import DENOISER, WeightsFile
from sensorium.unfinished import temporary_folder

if TYPE_CHECKING:
    import torch

_DATA = "sensorium.image_generation"
_ENCODERS = {
    "stable-diffusion-1": {"text_encoder": "cond_stage_model.transformer."},
    "stable-diffusion-2": {"text_encoder": "cond_stage_model.model."},
    "stable-diffusion-xl": {
        "text_encoder": "conditioner.embedders.0.transformer.",
        "text_encoder_2": "conditioner.embedders.1.model.",
    },
}
"""From each family to its text encoders, and to what the names of their tensors begin with."""
_HEADS_OF_THE_FIRST = 8
"""Stable Diffusion 1 has so many attention heads at any width."""
_LAST_NORM = f"{DENOISER}output_blocks.11.1.transformer_blocks.0.norm1.bias"
_VELOCITY_FROM = 0.09
"""Only the values of one layer tell the two kinds of Stable Diffusion 2 apart; ComfyUI draws the line here, too."""
_VELOCITY_SIDE = 96
"""Latents of the kind that was trained on 768 pixels."""


@contextmanager
def configuration_of(file: WeightsFile) -> Iterator[Path]:
    """Give a folder in diffusers' layout that holds all of a checkpoint but its weights.

    Args:
        file: A checkpoint of a family that `WeightsFile.content` names.
    """
    with temporary_folder("sensorium-") as folder:
        family = _family(file)
        for name, settings in _settings(file, family).items():
            write_settings(folder, name, settings)
        yield folder


def tokenizer_names(folder: Path) -> list[str]:
    """Return the names of the tokenizers in such a folder."""
    return sorted(path.name for path in folder.glob("tokenizer*"))


def _family(file: WeightsFile) -> str:
    if file.has("conditioner."):
        return "stable-diffusion-xl"
    return "stable-diffusion-2" if file.has("cond_stage_model.model.") else "stable-diffusion-1"


def _settings(file: WeightsFile, family: str) -> dict[str, dict[str, Any]]:
    """Return the settings of every component."""
    text = package_files(_DATA).joinpath("data", "single_files", f"{family}.json").read_text(encoding="utf-8")
    settings: dict[str, dict[str, Any]] = json.loads(text)
    settings["model_index"]["_class_name"] = file.content.family
    settings["vae"].update(autoencoder_sizes(file))
    for name, prefix in _ENCODERS[family].items():
        settings[name].update(text_encoder_sizes(file, prefix))
    settings["unet"].update(unet_sizes(file))
    settings["scheduler"].update(_noise(file, family))
    if family == "stable-diffusion-1":
        settings["unet"]["attention_head_dim"] = _HEADS_OF_THE_FIRST
    elif family == "stable-diffusion-2":
        settings["text_encoder"]["num_hidden_layers"] -= 1  # it reads the last layer but one
        if settings["scheduler"]["prediction_type"] == "v_prediction":
            settings["unet"]["sample_size"] = _VELOCITY_SIDE
    return settings


def _noise(file: WeightsFile, family: str) -> dict[str, Any]:
    """Return what differs in the noise schedule, as far as the file tells."""
    told = file.metadata.get("modelspec.prediction_type", "")
    velocity = told == "v" or "v_pred" in file.shapes
    if family == "stable-diffusion-2" and not told and file.width(f"{DENOISER}input_blocks.0.0.weight", 1) == 4:
        velocity = velocity or _spread(file, _LAST_NORM) > _VELOCITY_FROM
    if not velocity:
        return {}
    zero = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"} if "ztsnr" in file.shapes else {}
    return {"prediction_type": "v_prediction", **zero}


def _spread(file: WeightsFile, name: str) -> float:
    from safetensors import safe_open

    if name not in file.shapes:
        return 0.0
    with safe_open(file.path, framework="pt") as tensors:
        values: torch.Tensor = tensors.get_tensor(name)
    return float(values.float().std(unbiased=False))


def write_settings(folder: Path, name: str, settings: dict[str, Any]) -> None:
    """Write the settings of one component, or ``model_index``, where diffusers looks for them; CLIP's vocabulary too.

    Args:
        folder: The checkpoint's.
        name: Of the component.
        settings: What its configuration says.
    """
    if name == "model_index":
        target = folder / "model_index.json"
    else:
        kind = "tokenizer_config" if name.startswith("tokenizer") else "config"
        target = folder / name / f"{'scheduler_config' if name == 'scheduler' else kind}.json"
        target.parent.mkdir()
    target.write_text(json.dumps(settings, indent=2), encoding="utf-8")
    if name.startswith("tokenizer"):
        _write_vocabulary(target.parent)


def _write_vocabulary(folder: Path) -> None:
    """Write CLIP's vocabulary: 256 bytes, the same at the end of a word, what merging them gives, and two marks."""
    merges = package_files(_DATA).joinpath("data", "clip_tokenizer", "merges.txt")
    with merges.open("rb") as source, (folder / "merges.txt").open("wb") as copy:
        shutil.copyfileobj(source, copy)
    pairs = merges.read_text(encoding="utf-8").splitlines()[1:]
    letters = _letters()
    words = [*letters, *(f"{letter}</w>" for letter in letters), *(pair.replace(" ", "") for pair in pairs)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")


def _letters() -> list[str]:
    """Return a letter for each byte, in CLIP's order: printable ones stand for themselves, the rest follow."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = 256 - len(printable)
    return [chr(code) for code in printable] + [chr(256 + number) for number in range(others)]
