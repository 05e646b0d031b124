"""Quantized checkpoints: how one was quantized, and whether the installed libraries can run it on a device.

Quantizing while loading is `sensorium.models.quantizing`'s matter.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensorium.errors import MissingDependencyError, ModelUnavailableError, SensoriumError, UnsupportedError
from sensorium.models.bitsandbytes import import_bitsandbytes
from sensorium.models.catalog import Checkpoint
from sensorium.models.json_files import json_table

_CHOOSE_PLAIN = "choose the checkpoint in full or half precision"


@dataclass(frozen=True)
class _Method:
    """A way of quantizing.

    Attributes:
        title: What people call it.
        packages: What it needs beside the library, as pip takes it.
        devices: On which kinds of devices it runs; empty for any.
        unpacking: The library's class of settings by which it unpacks the weights while it loads them, so that they run
            anywhere; "" where they stay packed.
        code_from_hub: Whether the library fetches program code from the hub to run it.
    """

    title: str
    packages: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    unpacking: str = ""
    code_from_hub: bool = False


_GPU = ("cuda",)
_METHODS = {
    "transformers": {
        "aqlm": _Method("AQLM", ("aqlm[cpu,gpu]",)),
        "auto-round": _Method("AutoRound", ("auto-round>=0.5",)),
        "awq": _Method("AWQ", ("gptqmodel",)),
        "bitnet": _Method("BitNet"),
        "bitsandbytes": _Method("bitsandbytes", ("bitsandbytes>=0.46.1",)),
        "compressed-tensors": _Method(
            "compressed-tensors", ("compressed-tensors>=0.15",), unpacking="CompressedTensorsConfig"
        ),
        "eetq": _Method("EETQ", devices=_GPU, code_from_hub=True),
        "fbgemm_fp8": _Method("FBGEMM's FP8", ("fbgemm-gpu",), _GPU),
        # On a GPU, too: the library would fetch the code that computes in FP8 or FP4.
        "fp8": _Method("FP8", unpacking="FineGrainedFP8Config"),
        "mxfp8": _Method("MXFP8", unpacking="FineGrainedFP8Config"),
        "mxfp4": _Method("MXFP4", unpacking="Mxfp4Config"),
        "metal": _Method("Metal", unpacking="MetalConfig"),
        "fouroversix": _Method("Four Over Six", ("fouroversix",), _GPU),
        "fp_quant": _Method("FP-Quant", ("fp_quant", "qutlass"), _GPU),
        "gemma": _Method("Gemma's quantization"),
        "gptq": _Method("GPTQ", ("gptqmodel>=1.4.3", "optimum>=1.24")),
        "higgs": _Method("HIGGS", ("flute-kernel>=0.3.0", "fast_hadamard_transform"), _GPU),
        "hqq": _Method("HQQ", ("hqq>=0.2.1",), _GPU),
        "quanto": _Method("quanto", ("optimum-quanto",)),
        "quark": _Method("Quark", ("amd-quark>=0.12",)),
        "sinq": _Method("SINQ", ("sinq",)),
        "spqr": _Method("SpQR", ("spqr_quant[gpu]",), _GPU),
        "torchao": _Method("torchao", ("torchao>=0.15",)),
        "vptq": _Method("VPTQ", ("vptq>=0.0.4",), _GPU),
    },
    "diffusers": {
        "auto-round": _Method("AutoRound", ("auto-round>=0.5",)),
        "bfl": _Method("Black Forest Labs' FP8 or NVFP4"),
        "bitsandbytes": _Method("bitsandbytes", ("bitsandbytes>=0.43.3",), _GPU),
        "modelopt": _Method("NVIDIA ModelOpt", ("nvidia-modelopt",), _GPU),
        "nunchaku_lite": _Method("Nunchaku", devices=_GPU, code_from_hub=True),
        "quanto": _Method("quanto", ("optimum-quanto>=0.2.6",)),
        "sdnq": _Method("SDNQ", ("sdnq",)),
        "torchao": _Method("torchao", ("torchao>=0.15",)),
    },
}
"""What each library opens, by the name that ``quant_method`` gives it. What is missing here it can't open."""

_OTHER_TITLES = {
    "modelopt": "NVIDIA ModelOpt",
    "nvfp4": "NVFP4",
    "exl2": "ExLlamaV2",
    "exl3": "ExLlamaV3",
    "gguf": "GGUF",
    "mlx": "Apple's MLX",
    "quantize_config.json": "GPTQ in AutoGPTQ's old layout (quantize_config.json)",
    "quant_config.json": "AWQ in AutoAWQ's old layout (quant_config.json)",
    "hf_quant_config.json": "NVIDIA ModelOpt (hf_quant_config.json)",
}
"""Of what the libraries can't open. A file's name stands for checkpoints that say it there, and not in
``config.json``."""


def quantization_method(folder: Path) -> str:
    """Return how a checkpoint was quantized, as ``quant_method`` names it: ``"gptq"``; "" if it is not quantized.

    Args:
        folder: Holds ``config.json`` and the weights.

    Returns:
        The method; ``"unnamed"`` if ``config.json`` says that it is quantized and not how; ``"quantize_config.json"``
        and the like if only such a file says it.
    """
    return _method_in(json_table(folder / "config.json"), {path.name for path in folder.glob("*.json")})


def unopenable(config: Mapping[str, Any], names: Collection[str]) -> str:
    """Return how a checkpoint is quantized, if the libraries can open it on no machine: half a sentence, or "".

    Args:
        config: What its ``config.json`` holds.
        names: The names of the files beside it.
    """
    name = _method_in(config, names)
    return "" if not name or any(name in methods for methods in _METHODS.values()) else _how(name)


def _method_in(config: Mapping[str, Any], names: Collection[str]) -> str:
    for settings in _settings_of(config):
        method = settings.get("quant_method")
        if settings.get("load_in_4bit") or settings.get("load_in_8bit"):
            return "bitsandbytes"
        if method:
            return str(method).lower()
        # MLX writes the same table twice, under two names.
        return "mlx" if config.get("quantization") == settings else "unnamed"
    if isinstance(config.get("quantization"), dict) and "group_size" in config["quantization"]:
        return "mlx"  # before it wrote the second name
    return next((name for name in _OTHER_TITLES if name.endswith(".json") and name in names), "")


def stays_packed(folder: Path, library: str) -> bool:
    """Return whether a checkpoint's weights stay quantized when a library opens it."""
    method = quantization_method(folder)
    return bool(method) and not _METHODS[library].get(method, _Method("")).unpacking


def opening_options(folder: Path, checkpoint: Checkpoint, *, library: str, device: str) -> dict[str, Any]:
    """Return the further arguments of ``from_pretrained`` by which a quantized checkpoint opens on a device.

    Args:
        folder: Holds ``config.json`` and the weights.
        checkpoint: For the words of an error.
        library: ``"transformers"`` or ``"diffusers"``.
        device: Where the weights are to run.

    Returns:
        Empty for a checkpoint that is not quantized. Where ``device_map`` has a value, the weights are where they run
        once they are loaded, and can't always be moved.

    Raises:
        UnsupportedError: The installed libraries can't open such a checkpoint, or not on that device.
        MissingDependencyError: It needs a package that is not installed, or another version of it.
    """
    name = quantization_method(folder)
    if not name:
        return {}
    method = _METHODS[library].get(name)
    if method is None:
        raise _unknown(name, checkpoint, library)
    if method.code_from_hub:
        raise UnsupportedError(
            f"The checkpoint {checkpoint.name!r} is quantized with {method.title}, which runs only with program code "
            f"that {library} fetches from the hub, and such code is never run",
            _sentence(_CHOOSE_PLAIN),
        )
    kind = device.partition(":")[0]
    if method.devices and kind not in method.devices:
        raise _wrong_device(method, checkpoint, kind)
    _require_packages(method, checkpoint, device)
    if name == "bitsandbytes":
        import_bitsandbytes()
    if not method.unpacking:
        placed = library == "transformers" or name == "bitsandbytes"  # diffusers takes a CPU here for offloading
        return {"device_map": {"": device} if placed else None}
    import transformers

    return {"quantization_config": getattr(transformers, method.unpacking)(dequantize=True)}


def quantization_title(folder: Path) -> str:
    """Return what people call the way in which a checkpoint was quantized: ``"GPTQ"``; "" if it is not quantized."""
    name = quantization_method(folder)
    return _title(name) if name else ""


def require_bitsandbytes(what: str, device: str, remedy: str) -> None:
    """Make sure that the package is there with which weights are quantized while they are loaded.

    Args:
        what: What needs it, as the subject of the sentence.
        device: Where they are to run.
        remedy: What else helps: the end of a sentence.

    Raises:
        MissingDependencyError: It isn't installed, or is too old.
    """
    (package,) = _METHODS["transformers"]["bitsandbytes"].packages
    if lacking := _lacking((package,)):
        raise MissingDependencyError(
            f"{what} needs the package bitsandbytes, and {' and '.join(lacking)}; this machine could use it on "
            f"{device!r}",
            f"Install it with: pip install '{package}', or {remedy}",
        )


def cannot_open(checkpoint: Checkpoint, folder: Path, error: Exception) -> ModelUnavailableError:
    """Return the error for a quantized checkpoint that the libraries opened and couldn't read."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return ModelUnavailableError(
        f"The checkpoint {checkpoint.name!r}, which is quantized with {_title(quantization_method(folder))}, can't be "
        f"opened: its files are damaged, or the installed libraries don't read this kind of it ({said.rstrip('.')})",
        f"Copy its files again, or {_CHOOSE_PLAIN}",
    )


def _settings_of(config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the settings of quantization, the checkpoint's own first, then those of its parts."""
    tables = [config, *(value for value in config.values() if isinstance(value, dict))]
    for table in tables:
        for key in ("quantization_config", "compression_config"):
            settings = table.get(key)
            if isinstance(settings, dict) and settings:
                yield settings


def _lacking(packages: Iterable[str]) -> list[str]:
    """Return what is wrong with packages, each in a few words; nothing if all are there."""
    from packaging.requirements import Requirement

    lacking = []
    for package in packages:
        requirement = Requirement(package)
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            lacking.append(f"{requirement.name} is not installed")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            lacking.append(f"{requirement.name} {version} is too old")
    return lacking


def _require_packages(method: _Method, checkpoint: Checkpoint, device: str) -> None:
    if lacking := _lacking(method.packages):
        wanted = " ".join(f"'{package}'" if set(package) & set("<>=[") else package for package in method.packages)
        raise MissingDependencyError(
            f"The checkpoint {checkpoint.name!r} is quantized with {method.title}, and {' and '.join(lacking)}; "
            f"this machine could use it on {device!r}",
            f"Install what it needs with: pip install {wanted}, or {_CHOOSE_PLAIN}",
        )


def _wrong_device(method: _Method, checkpoint: Checkpoint, kind: str) -> SensoriumError:
    import torch

    packages = f" (package {' and '.join(method.packages)})" if method.packages else ""
    quantized = f"The checkpoint {checkpoint.name!r} is quantized with {method.title}{packages}, which runs only on a "
    if torch.cuda.is_available():
        return UnsupportedError(f"{quantized}CUDA GPU, not on {kind!r}", f"Use device='cuda', or {_CHOOSE_PLAIN}")
    return UnsupportedError(f"{quantized}CUDA GPU, and this machine has none", _sentence(_CHOOSE_PLAIN))


def _unknown(name: str, checkpoint: Checkpoint, library: str) -> SensoriumError:
    version = importlib.metadata.version(library)
    return UnsupportedError(
        f"The checkpoint {checkpoint.name!r} is quantized {_how(name)}, which the installed {library} {version} can't "
        "open, whatever the machine",
        _sentence(_CHOOSE_PLAIN),
    )


def _how(name: str) -> str:
    return "in a way that its config.json doesn't name" if name == "unnamed" else f"with {_title(name)}"


def _title(name: str) -> str:
    known = {**_METHODS["diffusers"], **_METHODS["transformers"]}.get(name)
    return known.title if known else _OTHER_TITLES.get(name, repr(name))


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]
