"""Control networks of every class, on tiny painters of each family, held against diffusers' own pipelines."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import PIL.Image
import pytest
import torch

from sensorium import ControlNetGenerator
from sensorium.errors import InputError, UnsupportedError
from sensorium.image_generation.diffusion.control.control_kinds import CONTROL_KINDS, OTHER_KINDS
from sensorium.image_generation.generated_image import read_settings
from tests.checkpoints.control_networks import (
    tiny_adapter,
    tiny_flux_controlnet,
    tiny_qwen_image_controlnet,
    tiny_stable_diffusion_3_controlnet,
    tiny_union_controlnet,
    tiny_z_image_controlnet,
)
from tests.checkpoints.controlnet import tiny_controlnet
from tests.checkpoints.diffusion import (
    tiny_flux,
    tiny_lora,
    tiny_pixart,
    tiny_stable_diffusion,
    tiny_stable_diffusion_3,
    tiny_stable_diffusion_xl,
    tiny_z_image,
)
from tests.checkpoints.painters import tiny_painter
from tests.cli.conftest import Run, documents, run  # noqa: F401 - a fixture
from tests.refusals import refused

PROMPT = "a superhero, high quality"
SIZE = (80, 64)
GUIDANCE = {
    **{"flux": {"guidance_scale": 3.5}, "xl": {"guidance_scale": 5.0}, "z-image": {"guidance_scale": 5.0}},
    "qwen": {"true_cfg_scale": 4.0, "negative_prompt": " "},
}
"""The families' own pipelines take it; those under control have other defaults."""
XL_ADAPTER: dict[str, Any] = {"adapter_type": "full_adapter_xl", "channels": [16, 32, 32, 32], "downscale_factor": 16}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    sd, xl = tiny_stable_diffusion(folder / "sd"), tiny_stable_diffusion_xl(folder / "xl")
    sd3, flux = tiny_stable_diffusion_3(folder / "sd3"), tiny_flux(folder / "flux")
    z_image, qwen = tiny_z_image(folder / "z-image"), tiny_painter(folder / "qwen", "QwenImagePipeline")
    tiny_z_image_controlnet(folder / "z-image-net", z_image)
    tiny_z_image_controlnet(folder / "z-image-other", z_image, seed=1)
    tiny_qwen_image_controlnet(folder / "qwen-net", qwen)
    tiny_qwen_image_controlnet(folder / "qwen-other", qwen, seed=1)
    tiny_controlnet(folder / "sd-net", sd)
    tiny_controlnet(folder / "xl-net", xl)
    tiny_union_controlnet(folder / "xl-union", xl)
    tiny_union_controlnet(folder / "xl-other-union", xl, seed=1, num_control_type=8)
    tiny_stable_diffusion_3_controlnet(folder / "sd3-net", sd3)
    tiny_stable_diffusion_3_controlnet(folder / "sd3-other", sd3, seed=1)
    tiny_flux_controlnet(folder / "flux-net", flux)
    tiny_flux_controlnet(folder / "flux-other", flux, seed=1)
    tiny_flux_controlnet(folder / "flux-union", flux, num_mode=5)
    tiny_adapter(folder / "adapter")
    tiny_adapter(folder / "grey-adapter", seed=1, in_channels=1)
    tiny_adapter(folder / "light-adapter", adapter_type="light_adapter")
    tiny_adapter(folder / "xl-adapter", **XL_ADAPTER)
    tiny_adapter(folder / "xl-other-adapter", seed=1, **XL_ADAPTER)
    return folder


@pytest.fixture(scope="module")
def ramp() -> PIL.Image.Image:
    row = np.linspace(0, 255, SIZE[0]).astype(np.uint8)
    return PIL.Image.fromarray(np.stack([np.tile(row, (SIZE[1], 1))] * 3, axis=-1))


@pytest.fixture(scope="module")
def stripes() -> PIL.Image.Image:
    rows = (np.arange(SIZE[1]) // 8 % 2 * 255).astype(np.uint8)
    return PIL.Image.fromarray(np.stack([np.tile(rows[:, None], (1, SIZE[0]))] * 3, axis=-1))


FOR_TWO_MAPS = {
    "controlnet_conditioning_scale": [1.0, 1.0],
    "control_guidance_start": [0.0, 0.0],
    "control_guidance_end": [1.0, 1.0],
}
"""Without the last two, FLUX's pipelines drop the second map of one network."""


@dataclass(frozen=True)
class Case:
    """What is asked of Sensorium, and how diffusers is called for the same."""

    base: str
    networks: Mapping[str, str]
    pipeline: str
    call: Mapping[str, Any] = field(default_factory=dict)
    ours: Mapping[str, Any] = field(default_factory=dict)
    repaints: bool = False
    fills: bool = False
    one_for_all: bool = False


CASES = {
    "union ControlNet on XL": Case(
        "xl", {"canny": "xl-union"}, "StableDiffusionXLControlNetUnionPipeline", {"control_mode": 3}
    ),
    "union ControlNet on XL, two modes": Case(
        "xl",
        {"canny": "xl-union", "depth": "xl-union"},
        "StableDiffusionXLControlNetUnionPipeline",
        {
            "control_mode": [3, 1],
            "controlnet_conditioning_scale": [0.9, 0.5],
            "control_guidance_start": [0.0, 0.3],
            "control_guidance_end": [0.7, 1.0],
        },
        {"control_weights": [0.9, 0.5], "control_start": [0, 0.3], "control_end": [0.7, 1]},
        one_for_all=True,
    ),
    "union ControlNets on XL, two": Case(
        "xl",
        {"seg": "xl-union", "tile": "xl-other-union"},
        "StableDiffusionXLControlNetUnionPipeline",
        {"control_mode": [5, 6], "controlnet_conditioning_scale": [1.0, 1.0]},
    ),
    "union ControlNet on XL, image-to-image": Case(
        "xl",
        {"openpose": "xl-union"},
        "StableDiffusionXLControlNetUnionImg2ImgPipeline",
        {"control_mode": 0, "controlnet_conditioning_scale": 1.0},
        repaints=True,
    ),
    "ControlNet on SD 3": Case(
        "sd3",
        {"canny": "sd3-net"},
        "StableDiffusion3ControlNetPipeline",
        {"controlnet_conditioning_scale": 0.8, "control_guidance_end": 0.6},
        {"control_weights": 0.8, "control_end": 0.6},
    ),
    "ControlNets on SD 3, two": Case(
        "sd3",
        {"canny": "sd3-net", "depth": "sd3-other"},
        "StableDiffusion3ControlNetPipeline",
        {"controlnet_conditioning_scale": [1.0, 0.5]},
        {"control_weights": [1, 0.5]},
    ),
    "ControlNet on FLUX": Case(
        "flux",
        {"canny": "flux-net"},
        "FluxControlNetPipeline",
        {"controlnet_conditioning_scale": 0.8, "control_guidance_start": 0.3},
        {"control_weights": 0.8, "control_start": 0.3},
    ),
    "ControlNets on FLUX, two": Case(
        "flux",
        {"canny": "flux-net", "depth": "flux-other"},
        "FluxControlNetPipeline",
        {"controlnet_conditioning_scale": [1.0, 0.5]},
        {"control_weights": [1, 0.5]},
    ),
    "union ControlNet on FLUX": Case("flux", {"depth": "flux-union"}, "FluxControlNetPipeline", {"control_mode": 2}),
    "union ControlNet on FLUX, two modes": Case(
        "flux",
        {"openpose": "flux-union", "canny": "flux-union"},
        "FluxControlNetPipeline",
        {"control_mode": [4, 0], **FOR_TWO_MAPS},
        one_for_all=True,
    ),
    "ControlNet on FLUX, image-to-image": Case(
        "flux",
        {"canny": "flux-net"},
        "FluxControlNetImg2ImgPipeline",
        {"controlnet_conditioning_scale": 1.0},
        repaints=True,
    ),
    "union ControlNet on FLUX, image-to-image, two modes": Case(
        "flux",
        {"tile": "flux-union", "canny": "flux-union"},
        "FluxControlNetImg2ImgPipeline",
        {"control_mode": [1, 0], **FOR_TWO_MAPS},
        repaints=True,
        one_for_all=True,
    ),
    "ControlNet on XL, image-to-image": Case(
        "xl",
        {"canny": "xl-net"},
        "StableDiffusionXLControlNetImg2ImgPipeline",
        {"controlnet_conditioning_scale": 1.0},
        repaints=True,
    ),
    "ControlNet on SD, inpainting": Case(
        "sd",
        {"canny": "sd-net"},
        "StableDiffusionControlNetInpaintPipeline",
        {"controlnet_conditioning_scale": 1.0},
        repaints=True,
        fills=True,
    ),
    "ControlNet on XL, inpainting": Case(
        "xl",
        {"canny": "xl-net"},
        "StableDiffusionXLControlNetInpaintPipeline",
        {"controlnet_conditioning_scale": 1.0},
        repaints=True,
        fills=True,
    ),
    "union ControlNet on XL, inpainting": Case(
        "xl",
        {"canny": "xl-union"},
        "StableDiffusionXLControlNetUnionInpaintPipeline",
        {"control_mode": 3, "controlnet_conditioning_scale": 1.0},
        repaints=True,
        fills=True,
    ),
    "union ControlNet on FLUX, inpainting, two modes": Case(
        "flux",
        {"canny": "flux-union", "depth": "flux-union"},
        "FluxControlNetInpaintPipeline",
        {"control_mode": [0, 2], **FOR_TWO_MAPS},
        repaints=True,
        fills=True,
        one_for_all=True,
    ),
    "ControlNet on Z-Image": Case(
        "z-image",
        {"canny": "z-image-net"},
        "ZImageControlNetPipeline",
        {"controlnet_conditioning_scale": 0.8},
        {"control_weights": 0.8},
    ),
    "ControlNet on Qwen-Image": Case(
        "qwen",
        {"depth": "qwen-net"},
        "QwenImageControlNetPipeline",
        {"controlnet_conditioning_scale": 0.8, "control_guidance_end": 0.6},
        {"control_weights": 0.8, "control_end": 0.6},
    ),
    "ControlNet on Qwen-Image, two maps": Case(
        "qwen",
        {"depth": "qwen-net", "canny": "qwen-net"},
        "QwenImageControlNetPipeline",
        {"controlnet_conditioning_scale": [1.0, 0.5]},
        {"control_weights": [1, 0.5]},
        one_for_all=True,
    ),
    "T2I-Adapter on SD": Case(
        "sd",
        {"canny": "adapter"},
        "StableDiffusionAdapterPipeline",
        {"adapter_conditioning_scale": 0.7},
        {"control_weights": 0.7},
    ),
    "T2I-Adapter on SD, light": Case("sd", {"canny": "light-adapter"}, "StableDiffusionAdapterPipeline"),
    "T2I-Adapters on SD, two, one grey": Case(
        "sd",
        {"canny": "adapter", "sketch": "grey-adapter"},
        "StableDiffusionAdapterPipeline",
        {"adapter_conditioning_scale": [1.0, 0.6]},
        {"control_weights": [1, 0.6]},
    ),
    "T2I-Adapter on XL": Case(
        "xl",
        {"canny": "xl-adapter"},
        "StableDiffusionXLAdapterPipeline",
        {"adapter_conditioning_factor": 0.5},
        {"control_end": 0.5},
    ),
    "T2I-Adapters on XL, two": Case(
        "xl",
        {"canny": "xl-adapter", "depth": "xl-other-adapter"},
        "StableDiffusionXLAdapterPipeline",
        {"adapter_conditioning_scale": [0.9, 0.4]},
        {"control_weights": [0.9, 0.4]},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_kind_equals_diffusers(
    name: str,
    hub: Path,
    ramp: PIL.Image.Image,
    stripes: PIL.Image.Image,
    tmp_path: Path,
    parity: Callable[[str, str, str], None],
) -> None:
    case = CASES[name]
    maps = [ramp, stripes][: len(case.networks)]
    call: dict[str, Any] = {"control_image": maps, "width": SIZE[0], "height": SIZE[1], "steps": 4, "seed": 3}
    start: dict[str, Any] = {"init_image": stripes, "strength": 0.6} if case.repaints else {}
    if case.fills:
        start["mask_image"] = right_half()
    networks = {kind: hub / folder for kind, folder in case.networks.items()}
    with ControlNetGenerator(hub / case.base, controlnets=networks) as generator:
        ours = generator.generate(None, PROMPT, list(networks), **call, **start, **case.ours)
        ours[0].save(tmp_path / "painted.png")
        again = generator.paint_again(
            read_settings(tmp_path / "painted.png"),
            control_image=maps,
            init_image=start.get("init_image"),
            mask_image=start.get("mask_image"),
        )
        assert len({id(network.backend.model) for network in generator._networks.values()}) == len(
            set(case.networks.values())
        )
    theirs = paint_plainly(hub, case, maps, stripes if case.repaints else None)
    largest = difference(ours[0], theirs)
    parity(name, case.pipeline, f"largest difference {largest} of 255")
    assert largest == 0
    assert again.tobytes() == ours[0].tobytes()


def right_half() -> PIL.Image.Image:
    mask = PIL.Image.new("L", SIZE)
    mask.paste(255, (SIZE[0] // 2, 0, *SIZE))
    return mask


def difference(ours: PIL.Image.Image, theirs: PIL.Image.Image) -> int:
    assert ours.size == theirs.size
    assert np.asarray(theirs).std() > 5, "an even picture would prove nothing"
    return int(np.abs(np.asarray(ours, int) - np.asarray(theirs, int)).max())


def paint_plainly(hub: Path, case: Case, maps: list[PIL.Image.Image], start: PIL.Image.Image | None) -> PIL.Image.Image:
    """Call diffusers directly; grey adapters read grey maps."""
    opened = []
    for folder in case.networks.values():
        network_class = getattr(diffusers, json.loads((hub / folder / "config.json").read_text())["_class_name"])
        opened.append(network_class.from_pretrained(hub / folder))
    if isinstance(opened[0], diffusers.T2IAdapter):
        read = [
            drawn.convert("L") if each.config.in_channels == 1 else drawn
            for drawn, each in zip(maps, opened, strict=True)
        ]
        component = {"adapter": diffusers.MultiAdapter(opened) if len(opened) > 1 else opened[0]}
        inputs: dict[str, Any] = {"image": read if len(read) > 1 else read[0]}
    else:
        several = opened if not case.one_for_all else opened[:1] if case.base != "xl" else opened[0]
        if case.base == "qwen":
            several = diffusers.QwenImageMultiControlNetModel(several)
        component = {"controlnet": several if len(opened) > 1 else opened[0]}
        inputs = {"control_image": maps if len(maps) > 1 else maps[0]}
    pipeline = getattr(diffusers, case.pipeline).from_pretrained(hub / case.base, **component)
    pipeline.set_progress_bar_config(disable=True)
    if start is not None:
        inputs |= {"image": start, "strength": 0.6, **({"mask_image": right_half()} if case.fills else {})}
    torch.manual_seed(3)  # what Stable Diffusion 3 draws while it encodes the map
    picture: PIL.Image.Image = pipeline(
        PROMPT,
        **inputs,
        width=SIZE[0],
        height=SIZE[1],
        num_inference_steps=4,
        generator=torch.Generator().manual_seed(3),
        **GUIDANCE.get(case.base, {}),
        **case.call,
    ).images[0]
    # The autoencoder changes what wasn't to be repainted; Sensorium puts that back.
    return PIL.Image.composite(picture, start, right_half()) if case.fills and start is not None else picture


def refusal(base: Path, networks: Mapping[str, Path], ramp: PIL.Image.Image, **options: Any) -> UnsupportedError:
    with ControlNetGenerator(base, controlnets=networks) as generator, pytest.raises(UnsupportedError) as caught:
        generator.generate(None, PROMPT, list(networks), control_image=[ramp] * len(networks), steps=4, **options)
    return caught.value


@pytest.mark.parametrize(
    ("base", "networks", "options", "names"),
    [
        ("sd3", {"canny": "flux-net"}, {}, ("flux-net", "FLUX", "sd3", "Stable Diffusion 3")),
        ("flux", {"canny": "sd3-net"}, {}, ("sd3-net", "Stable Diffusion 3", "flux")),
        ("sd", {"canny": "xl-net"}, {}, ("xl-net", "sd", "64", "32")),
        ("sd", {"canny": "xl-union"}, {}, ("xl-union", "Stable Diffusion XL", "sd")),
        ("xl", {"canny": "sd-net"}, {}, ("sd-net", "xl", "64", "32")),
        ("xl", {"canny": "adapter"}, {}, ("adapter", "Stable Diffusion 1 or 2", "xl")),
        ("sd", {"canny": "xl-adapter"}, {}, ("xl-adapter", "Stable Diffusion XL", "sd")),
        ("xl", {"normal": "flux-union"}, {}, ("flux-union", "FLUX")),
        ("flux", {"normal": "flux-union"}, {}, ("flux-union", "'normal'", "canny, tile, depth, blur, openpose")),
        ("xl", {"tile": "xl-union"}, {}, ("xl-union", "'tile'", "canny")),
        ("z-image", {"canny": "flux-net"}, {}, ("flux-net", "FLUX", "z-image", "Z-Image")),
        ("z-image", {"canny": "z-image-net", "depth": "z-image-other"}, {}, ("z-image-net", "one map")),
        ("qwen", {"canny": "qwen-net", "depth": "qwen-other"}, {}, ("qwen-net", "one network")),
        ("z-image", {"canny": "z-image-net"}, {"control_end": 0.5}, ("z-image-net", "end")),
        ("qwen", {"canny": "qwen-net"}, {"init_image": True}, ("qwen", "image-to-image", "text-to-image")),
        ("sd", {"canny": "sd-net", "depth": "adapter"}, {}, ("sd-net", "adapter", "ControlNetModel", "T2IAdapter")),
        ("xl", {"canny": "xl-net", "depth": "xl-union"}, {}, ("xl-net", "xl-union", "ControlNetUnionModel")),
        ("sd", {"canny": "adapter", "depth": "light-adapter"}, {}, ("adapter_type",)),
        ("sd", {"canny": "adapter"}, {"control_start": 0.3}, ("adapter", "start")),
        ("sd", {"canny": "adapter"}, {"control_end": 0.7}, ("adapter", "end")),
        ("xl", {"canny": "xl-adapter"}, {"control_start": 0.3}, ("xl-adapter", "start")),
        ("xl", {"canny": "xl-adapter", "depth": "xl-other-adapter"}, {"control_end": [0.5, 1]}, ("0.5, 1.0",)),
        ("sd", {"canny": "adapter"}, {"init_image": True}, ("sd", "image-to-image", "T2I-Adapter", "text-to-image")),
        ("sd3", {"canny": "sd3-net"}, {"init_image": True}, ("sd3", "image-to-image", "text-to-image")),
        ("sd3", {"canny": "sd3-net"}, {"mask_image": True}, ("sd3", "inpainting", "text-to-image")),
        ("xl", {"canny": "xl-adapter"}, {"mask_image": True}, ("xl", "inpainting", "T2I-Adapter")),
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_loaded(
    hub: Path,
    ramp: PIL.Image.Image,
    tmp_path: Path,
    base: str,
    networks: Mapping[str, str],
    options: dict[str, Any],
    names: tuple[str, ...],
) -> None:
    without_weights = {}
    for kind, name in networks.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_bytes((hub / name / "config.json").read_bytes())
        without_weights[kind] = tmp_path / name
    if "init_image" in options:
        options = {"init_image": ramp}
    elif "mask_image" in options:
        options = {"init_image": ramp, "mask_image": right_half()}
    error = refusal(hub / base, without_weights, ramp, **options)
    for name in names:
        assert name in str(error)


def test_networks_of_the_catalog_for_another_family_are_not_fetched(
    hub: Path, ramp: PIL.Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    message = str(refusal(hub / "flux", {"canny": Path("sd-controlnet-canny")}, ramp))
    assert "Stable Diffusion 1 or 2 or Stable Diffusion XL" in message


def test_masks_that_mark_nothing(hub: Path, ramp: PIL.Image.Image) -> None:
    with ControlNetGenerator(hub / "sd", controlnets={"canny": hub / "sd-net"}) as generator:
        call: dict[str, Any] = {"control_image": ramp, "steps": 3, "width": SIZE[0], "height": SIZE[1]}
        with refused(InputError, "mask", "init_image"):
            generator.generate(None, PROMPT, "canny", mask_image=right_half(), **call)
        with refused(InputError, "mask", "white"):
            generator.generate(None, PROMPT, "canny", mask_image=PIL.Image.new("L", SIZE), init_image=ramp, **call)
        [filled] = generator.generate(None, PROMPT, "canny", mask_image=right_half(), init_image=ramp, **call)
        with refused(InputError, "mask"):
            generator.paint_again(filled.settings, control_image=ramp, init_image=ramp)
    assert filled.crop((0, 0, 40, 64)).tobytes() == ramp.crop((0, 0, 40, 64)).tobytes()


def test_networks_for_inpainting_only(hub: Path, ramp: PIL.Image.Image, tmp_path: Path) -> None:
    network = tiny_stable_diffusion_3_controlnet(tmp_path / "fill", hub / "sd3", extra_conditioning_channels=1)
    assert "mask" in str(refusal(hub / "sd3", {"canny": network}, ramp))


@pytest.mark.parametrize("family", OTHER_KINDS)
def test_classes_that_are_known_and_not_opened(hub: Path, ramp: PIL.Image.Image, tmp_path: Path, family: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": family}))
    assert hasattr(diffusers, family)
    message = str(refusal(hub / "sd", {"canny": tmp_path}, ramp))
    assert OTHER_KINDS[family] in message
    assert family in message


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("xl-union", ("union ControlNet", "Stable Diffusion XL")),
        ("flux-union", ("union ControlNet", "FLUX")),
        ("flux-net", ("A ControlNet", "FLUX")),
        ("sd3-net", ("ControlNet", "Stable Diffusion 3")),
        ("light-adapter", ("T2I-Adapter", "Stable Diffusion 1 or 2")),
        ("xl-adapter", ("T2I-Adapter", "Stable Diffusion XL")),
    ],
)
def test_the_card_of_a_control_network(run: Run, hub: Path, folder: str, told: tuple[str, ...]) -> None:  # noqa: F811
    (document,) = documents(run("models", "info", str(hub / folder), "--json").stdout)
    assert document["task"] == "image-control"
    assert not [words for words in (*told, "--controlnet") if words not in document["description"]]


def test_the_table_speaks_of_diffusers_own_classes() -> None:
    for kind in CONTROL_KINDS.values():
        settings = inspect.signature(getattr(diffusers, kind.family).__init__).parameters
        named = {*kind.sizes, *kind.together, *filter(None, (kind.text_width, kind.mode_count))}
        assert named <= set(settings)


def test_painters_that_nothing_controls(hub: Path, ramp: PIL.Image.Image, tmp_path: Path) -> None:
    message = str(refusal(tiny_pixart(tmp_path / "pixart"), {"canny": hub / "sd-net"}, ramp))
    assert "'pixart' can't be controlled" in message


def test_sides_that_an_adapter_can_read(hub: Path, ramp: PIL.Image.Image) -> None:
    with ControlNetGenerator(hub / "xl", controlnets={"canny": hub / "xl-adapter"}) as generator:
        with refused(InputError, "72", "16"):
            generator.generate(None, PROMPT, "canny", control_image=ramp, width=72, height=64, steps=1)
        [image] = generator.generate(None, PROMPT, "canny", control_image=ramp.crop((0, 0, 80, 56)), steps=1)
    assert image.width % 16 == image.height % 16 == 0


def test_lora_files_under_an_adapter(hub: Path, ramp: PIL.Image.Image, tmp_path: Path) -> None:
    ink = tiny_lora(tmp_path / "ink.safetensors", hub / "sd")
    call: dict[str, Any] = {"control_image": ramp, "width": SIZE[0], "height": SIZE[1], "steps": 2, "seed": 1}
    with ControlNetGenerator(hub / "sd", controlnets={"canny": hub / "adapter"}) as generator:
        plain, inked = (generator.generate(None, PROMPT, "canny", lora=lora, **call)[0] for lora in ((), [(ink, 0.5)]))
        assert generator.generate(None, PROMPT, "canny", **call)[0].tobytes() == plain.tobytes()
    base = diffusers.StableDiffusionPipeline.from_pretrained(hub / "sd")
    base.load_lora_weights(tmp_path, weight_name=ink.name, adapter_name="ink")
    base.set_adapters(["ink"], [0.5])
    adapter = diffusers.T2IAdapter.from_pretrained(hub / "adapter")
    parts = {name: part for name, part in base.components.items() if name != "image_encoder"}
    pipeline = diffusers.StableDiffusionAdapterPipeline(**parts, adapter=adapter, requires_safety_checker=False)
    theirs = pipeline(PROMPT, image=ramp, num_inference_steps=2, generator=torch.Generator().manual_seed(1)).images[0]
    assert difference(inked, theirs) == 0 < difference(inked, plain)
