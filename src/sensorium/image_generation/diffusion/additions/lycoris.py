"""LoHa and LoKr files, as LyCORIS writes them, put on with PEFT's layers.

Sources: Hyeon-Woo et al. 2021, "FedPara" (LoHa); Yeh et al. 2023, "Navigating Text-To-Image Customization" (LoKr).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sensorium.errors import UnsupportedError
from sensorium.image_generation.diffusion.additions.lora_kinds import LOHA, LOKR

_PARTS = {
    "lora_unet_": ("unet", "transformer"),
    "lycoris_": ("unet", "transformer"),
    "lora_te_": ("text_encoder",),
    "lora_te1_": ("text_encoder",),
    "lora_te2_": ("text_encoder_2",),
    "lora_te3_": ("text_encoder_3",),
}
"""From the beginning of a tensor's name to the components of a pipeline that it may belong to."""
_FORMER_MODULE = "text_model_"
_LAYERS_OF_OTHERS = {
    "in_layers_2": "conv1",
    "out_layers_3": "conv2",
    "emb_layers_1": "time_emb_proj",
    "skip_connection": "conv_shortcut",
    "op": "conv",
}
"""From the layers of residual blocks, as the authors of Stable Diffusion XL call them, to diffusers' names."""
_BLOCKS_OF_OTHERS = ("input_blocks", "middle_block", "output_blocks")


def load_lycoris(pipeline: Any, file: Path, name: str) -> None:
    """Put a LoHa or a LoKr on a pipeline's components, with weight 1.

    Args:
        pipeline: Of diffusers.
        file: A safetensors file.
        name: The adapter's, by which diffusers sets its weight and takes it off.

    Raises:
        ValueError: The file doesn't fit the pipeline.
        UnsupportedError: It holds something beside that PEFT's layers don't know.
    """
    from safetensors.torch import load_file

    tensors = load_file(file)
    _require_known(tensors)
    if any(block in tensor for tensor in tensors for block in _BLOCKS_OF_OTHERS):
        tensors = _with_names_of_diffusers(tensors, pipeline)
    for component, layers in _by_component(pipeline, tensors).items():
        _put_on(getattr(pipeline, component), layers, name)


def _with_names_of_diffusers(tensors: dict[str, Any], pipeline: Any) -> dict[str, Any]:
    """Name the denoiser's blocks as diffusers does; files for Stable Diffusion XL have the names of its authors."""
    from diffusers.loaders import lora_conversion_utils

    convert: Any = lora_conversion_utils._maybe_map_sgm_blocks_to_diffusers
    of_unet = {name: tensor for name, tensor in tensors.items() if any(block in name for block in _BLOCKS_OF_OTHERS)}
    others = {name: tensor for name, tensor in tensors.items() if name not in of_unet}
    converted: dict[str, Any] = convert(of_unet, pipeline.unet.config)
    for theirs, ours in _LAYERS_OF_OTHERS.items():
        converted = {name.replace(f"_{theirs}.", f"_{ours}."): tensor for name, tensor in converted.items()}
    return {**converted, **others}


def _require_known(tensors: Iterable[str]) -> None:
    for name in tensors:
        if not (LOHA.search(name) or LOKR.search(name) or name.endswith(".alpha")):
            raise UnsupportedError(
                f"The file holds {name!r} beside LoHa and LoKr, which can't be put on a checkpoint here",
                "Use one that was trained without normalisation layers, DoRA and scalars",
            )


def _by_component(pipeline: Any, tensors: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Sort a file's tensors by component, layer and parameter."""
    known = {component: _layer_names(module) for component, module in _components(pipeline)}
    sorted_out: dict[str, dict[str, dict[str, Any]]] = {}
    for tensor_name, tensor in tensors.items():
        layer, _, parameter = tensor_name.rpartition(".")
        prefix = next((prefix for prefix in _PARTS if layer.startswith(prefix)), "")
        written = layer.removeprefix(prefix).replace(".", "_")
        component = next((part for part in _PARTS.get(prefix, ()) if written in known.get(part, {})), "")
        if not component:
            raise ValueError(f"no layer of {type(pipeline).__name__} is called {layer}")
        sorted_out.setdefault(component, {}).setdefault(known[component][written], {})[parameter] = tensor
    return sorted_out


def _components(pipeline: Any) -> Iterator[tuple[str, Any]]:
    for component in pipeline._lora_loadable_modules:  # diffusers takes adapters off these only
        module = getattr(pipeline, component, None)
        if module is not None:
            yield component, module


def _layer_names(module: Any) -> dict[str, str]:
    """Return a component's layers by the names that files give them, with underscores for dots."""
    import torch

    kinds = (torch.nn.Linear, torch.nn.Conv2d)
    layers = [name for name, layer in module.named_modules() if isinstance(layer, kinds)]
    # Each adapter that is on a layer already has put a wrapper around it.
    plain = [re.sub(r"(\.base_layer)+$", "", name) for name in layers if "lora_" not in name]
    written = {name.replace(".", "_"): name for name in plain}
    # CLIP's text encoders had this module until transformers 5, and files keep its name.
    return {f"{_FORMER_MODULE}{name}": layer for name, layer in written.items()} | written


def _put_on(module: Any, layers: Mapping[str, Mapping[str, Any]], name: str) -> None:
    """Wrap the layers of a component, and give the wrappers the file's tensors."""
    from peft import LoHaConfig, LoKrConfig, inject_adapter_in_model

    first = next(iter(layers.values()))
    is_kronecker = any(LOKR.search(f".{parameter}") for parameter in first)
    config = (LoKrConfig if is_kronecker else LoHaConfig)(
        r=1, alpha=1, target_modules=list(layers), inference_mode=True
    )
    inject_adapter_in_model(config, module, name)
    for path, parameters in layers.items():
        _fill(module.get_submodule(path), parameters, name)
    module._hf_peft_config_loaded = True  # else diffusers and transformers would set no weight


def _fill(layer: Any, parameters: Mapping[str, Any], name: str) -> None:
    """Replace the parameters that PEFT made up: the file's have shapes of their own."""
    import torch

    weight = layer.get_base_layer().weight
    rank, alpha = _rank(parameters), parameters.get("alpha")
    for kind in layer.adapter_layer_names:
        held = getattr(layer, kind)
        if name in held:
            del held[name]
        if kind in parameters:
            held[name] = torch.nn.Parameter(parameters[kind].to(weight.device, weight.dtype), requires_grad=False)
    layer.r[name] = rank
    layer.alpha[name] = rank if alpha is None or _is_full(parameters) else float(alpha)
    layer.scaling[name] = layer.alpha[name] / rank
    if layer.get_delta_weight(name).shape != weight.shape:
        raise ValueError(f"{name}: the layer has another shape")


def _rank(parameters: Mapping[str, Any]) -> int:
    """Return the rank, by which alpha is divided: of the matrices whose product is taken."""
    for kind in ("hada_w1_b", "lokr_w1_b", "lokr_w2_b"):
        if kind in parameters:
            return int(parameters[kind].shape[0])
    return 1


def _is_full(parameters: Mapping[str, Any]) -> bool:
    """Return whether both factors of a LoKr are whole matrices; LyCORIS then takes no heed of alpha."""
    return "lokr_w1" in parameters and "lokr_w2" in parameters
