"""ControlNets on tiny checkpoints in the hub's layout, held against diffusers' own pipelines on the same files."""

from __future__ import annotations

import gc
import json
import pickle
import runpy
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from sensorium import ControlNetGenerator, TextToImage
from sensorium.errors import (
    CancelledError,
    ClosedError,
    InputError,
    InsufficientMemoryError,
    ModelUnavailableError,
    UnsupportedError,
)
from sensorium.image_generation.control_maps import ControlMaps
from sensorium.image_generation.controlnet import ControlledImages
from sensorium.image_generation.diffusion.control.control_kinds import CONTROL_KINDS
from sensorium.image_generation.diffusion.control.pipeline_control import PipelineControl
from sensorium.image_generation.generated_image import pixel_sum, read_settings
from tests import real_media
from tests.checkpoints.controlnet import tiny_controlnet
from tests.checkpoints.diffusion import NATIVE_SIDE, tiny_lora, tiny_stable_diffusion, tiny_stable_diffusion_xl
from tests.checkpoints.unclip import tiny_kandinsky

PROMPT = "a superhero in the same pose, Marvel style, high quality"
SIZE = (80, 64)
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    base = tiny_stable_diffusion(folder / "sd")
    for seed, kind in enumerate(("openpose", "canny", "depth")):
        tiny_controlnet(folder / kind, base, seed=seed)
    return folder


@pytest.fixture(scope="module")
def generator(hub: Path) -> Iterator[ControlNetGenerator]:
    controlnets = {kind: hub / kind for kind in ("openpose", "canny", "depth", "scribble")}
    controlnets["scribble"] = hub / "canny"
    with ControlNetGenerator(hub / "sd", controlnets=controlnets) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def woman() -> PIL.Image.Image:
    return PIL.Image.open(real_media.photo("astronaut")).convert("RGB")


@pytest.fixture(scope="module")
def edges(woman: PIL.Image.Image) -> PIL.Image.Image:
    return ControlMaps().make("canny", woman.resize(SIZE))


@pytest.fixture(scope="module")
def ramp() -> PIL.Image.Image:
    row = np.linspace(0, 255, SIZE[0]).astype(np.uint8)
    return PIL.Image.fromarray(np.stack([np.tile(row, (SIZE[1], 1))] * 3, axis=-1))


def difference(ours: PIL.Image.Image, theirs: PIL.Image.Image) -> int:
    assert ours.size == theirs.size
    assert np.asarray(theirs).std() > 5, "an even picture would prove nothing"
    return int(np.abs(np.asarray(ours, int) - np.asarray(theirs, int)).max())


def open_plainly(pipeline_class: Any, base: Path, *controlnets: Path) -> Any:
    from diffusers import ControlNetModel

    opened = [ControlNetModel.from_pretrained(folder) for folder in controlnets]
    pipeline = pipeline_class.from_pretrained(base, controlnet=opened if len(opened) > 1 else opened[0])
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_one_control_equals_diffusers(
    generator: ControlNetGenerator, hub: Path, edges: PIL.Image.Image, parity: Callable[[str, str, str], None]
) -> None:
    from diffusers import StableDiffusionControlNetPipeline

    ours = generator.generate(
        None,
        PROMPT,
        "canny",
        control_image=edges,
        control_weights=0.9,
        negative_prompt="blurry",
        width=SIZE[0],
        height=SIZE[1],
        steps=4,
        seed=3,
    )
    theirs = open_plainly(StableDiffusionControlNetPipeline, hub / "sd", hub / "canny")(
        PROMPT,
        image=edges,
        negative_prompt="blurry",
        controlnet_conditioning_scale=0.9,
        num_inference_steps=4,
        generator=seeded(3),
    ).images[0]
    largest = difference(ours[0], theirs)
    parity("ControlNet, one", "StableDiffusionControlNetPipeline", f"largest difference {largest} of 255")
    assert largest == 0


def test_several_controls_equal_diffusers(
    generator: ControlNetGenerator,
    hub: Path,
    edges: PIL.Image.Image,
    ramp: PIL.Image.Image,
    parity: Callable[[str, str, str], None],
) -> None:
    from diffusers import StableDiffusionControlNetPipeline

    ours = generator.generate(
        None,
        PROMPT,
        ["canny", "depth"],
        control_image=[edges, ramp],
        control_weights=[0.8, 0.5],
        control_start=[0, 0.25],
        control_end=[1, 0.75],
        width=SIZE[0],
        height=SIZE[1],
        steps=4,
        seed=3,
    )
    theirs = open_plainly(StableDiffusionControlNetPipeline, hub / "sd", hub / "canny", hub / "depth")(
        PROMPT,
        image=[edges, ramp],
        controlnet_conditioning_scale=[0.8, 0.5],
        control_guidance_start=[0.0, 0.25],
        control_guidance_end=[1.0, 0.75],
        num_inference_steps=4,
        generator=seeded(3),
    ).images[0]
    largest = difference(ours[0], theirs)
    parity("ControlNet, several", "StableDiffusionControlNetPipeline", f"largest difference {largest} of 255")
    assert largest == 0
    assert [image.size for image in ours.control_images] == [SIZE, SIZE]


def test_image_to_image_under_control_equals_diffusers(
    generator: ControlNetGenerator,
    hub: Path,
    woman: PIL.Image.Image,
    edges: PIL.Image.Image,
    parity: Callable[[str, str, str], None],
) -> None:
    from diffusers import StableDiffusionControlNetImg2ImgPipeline

    start = woman.resize(SIZE)
    ours = generator.generate(
        start, PROMPT, "canny", init_image=start, strength=0.6, width=SIZE[0], height=SIZE[1], steps=5, seed=3
    )
    theirs = open_plainly(StableDiffusionControlNetImg2ImgPipeline, hub / "sd", hub / "canny")(
        PROMPT,
        image=start,
        control_image=edges,
        strength=0.6,
        controlnet_conditioning_scale=1.0,
        num_inference_steps=5,
        generator=seeded(3),
    ).images[0]
    largest = difference(ours[0], theirs)
    parity(
        "ControlNet, image-to-image", "StableDiffusionControlNetImg2ImgPipeline", f"largest difference {largest} of 255"
    )
    assert largest == 0
    assert ours[0].settings.kind == "image-to-image"
    assert ours[0].settings.strength == 0.6


def test_stable_diffusion_xl_under_control_equals_diffusers(
    tmp_path: Path, ramp: PIL.Image.Image, parity: Callable[[str, str, str], None]
) -> None:
    from diffusers import StableDiffusionXLControlNetPipeline

    base = tiny_stable_diffusion_xl(tmp_path / "xl")
    network = tiny_controlnet(tmp_path / "depth", base)
    with ControlNetGenerator(base, controlnets={"depth": network}) as generator:
        ours = generator.generate(
            None, PROMPT, "depth", control_image=ramp, width=SIZE[0], height=SIZE[1], steps=3, seed=3
        )
    theirs = open_plainly(StableDiffusionXLControlNetPipeline, base, network)(
        PROMPT, image=ramp, controlnet_conditioning_scale=1.0, num_inference_steps=3, generator=seeded(3)
    ).images[0]
    largest = difference(ours[0], theirs)
    parity("ControlNet on XL", "StableDiffusionXLControlNetPipeline", f"largest difference {largest} of 255")
    assert largest == 0


def test_the_chapters_pose(generator: ControlNetGenerator, woman: PIL.Image.Image) -> None:
    generated, pose = generator.generate_with_pose(woman, PROMPT, seed=1)
    assert generated.size == pose.size == (NATIVE_SIDE, NATIVE_SIDE)
    assert len(np.unique(np.asarray(pose).reshape(-1, 3), axis=0)) > 3, "a skeleton in several colours"
    assert generated.settings.steps == 20
    [control] = generated.settings.options["controls"]
    assert control["control"] == "openpose"
    assert control["image_sha256"] == pixel_sum(pose)


def test_the_control_decides(generator: ControlNetGenerator, hub: Path, edges: PIL.Image.Image) -> None:
    def paint(**settings: Any) -> np.ndarray[Any, Any]:
        return np.asarray(
            generator.generate(None, PROMPT, "canny", control_image=edges, steps=3, seed=1, **settings)[0], int
        )

    with_control = paint()
    width, height = with_control.shape[1], with_control.shape[0]
    with TextToImage(hub / "sd") as painter:
        plain = np.asarray(painter.backend.paint(request(steps=3, seed=1, width=width, height=height))[0], int)
    assert np.abs(with_control - plain).mean() > 5
    assert np.abs(paint(control_weights=0) - plain).max() == 0
    assert np.abs(paint(control_end=0.4) - with_control).mean() > 0
    other = generator.generate(None, PROMPT, "canny", control_image=edges.rotate(180), steps=3, seed=1)[0]
    assert np.abs(np.asarray(other, int) - with_control).mean() > 0.3


def under(network: Any) -> PipelineControl:
    return PipelineControl(CONTROL_KINDS["ControlNetModel"], [network])


def request(**settings: Any) -> Any:
    from sensorium.image_generation.painting import PaintingRequest
    from sensorium.image_generation.painting_options import PaintingOptions

    return PaintingRequest(PROMPT, PaintingOptions(**settings))


def test_seeds_and_metadata(generator: ControlNetGenerator, edges: PIL.Image.Image, tmp_path: Path) -> None:
    images = generator.generate(
        None, PROMPT, "canny", control_image=edges, control_weights=1.5, num_images=2, steps=2, seed=8
    )
    alone = generator.generate(None, PROMPT, "canny", control_image=edges, control_weights=1.5, steps=2, seed=9)
    assert difference(images[1], alone[0]) == 0
    images[0].save(tmp_path / "generated.png")
    settings = read_settings(tmp_path / "generated.png")
    assert (settings.prompt, settings.seed, settings.steps) == (PROMPT, 8, 2)
    assert settings.options["controls"] == [
        {
            "control": "canny",
            "model": "canny",
            "revision": "",
            "weight": 1.5,
            "start": 0.0,
            "end": 1.0,
            "image_sha256": pixel_sum(images.control_images[0]),
        }
    ]
    for twin in (
        pickle.loads(pickle.dumps(images)),
        ControlledImages.from_dict(json.loads(json.dumps(images.to_dict()))),
    ):
        assert twin.settings == images.settings
        assert [picture.tobytes() for picture in twin] == [picture.tobytes() for picture in images]
        assert twin.control_images[0].tobytes() == images.control_images[0].tobytes()
    assert set(images.to_dict(pixels=False)) == {"pictures", "withheld", "notes"}


def test_painted_again_from_its_file(
    generator: ControlNetGenerator, hub: Path, woman: PIL.Image.Image, ramp: PIL.Image.Image, tmp_path: Path
) -> None:
    images = generator.generate(
        woman, PROMPT, ["canny", "depth"], control_image=[None, ramp.resize((64, 64))], control_end=0.7, steps=3
    )
    images[0].save(tmp_path / "painted.png")
    for number, drawn in enumerate(images.control_images):
        drawn.save(tmp_path / f"map-{number}.png")
    maps = [tmp_path / "map-0.png", tmp_path / "map-1.png"]
    settings = read_settings(tmp_path / "painted.png")
    assert generator.paint_again(settings, control_image=maps).tobytes() == images[0].tobytes()
    again = generator.paint_again(settings, reference_image=woman, control_image=[None, maps[1]])
    assert again.tobytes() == images[0].tobytes()
    with pytest.raises(InputError, match="map for the control 'canny' is not the one"):
        generator.paint_again(settings, control_image=maps[::-1])
    with pytest.raises(InputError, match="was not made from another one"):
        generator.paint_again(settings, control_image=maps, init_image=woman)
    with pytest.raises(InputError, match="2 controls"):
        generator.paint_again(settings, control_image=maps[0])
    with TextToImage(hub / "sd") as painter:
        with pytest.raises(UnsupportedError, match="under control maps"):
            painter.paint_again(settings)
        with pytest.raises(UnsupportedError, match="without controls"):
            generator.paint_again(painter.generate(PROMPT, steps=1)[0].settings)

    [repainted] = generator.generate(woman, PROMPT, "canny", init_image=woman, strength=0.5, steps=4)
    again = generator.paint_again(repainted.settings, reference_image=woman, init_image=woman)
    assert again.tobytes() == repainted.tobytes()
    with pytest.raises(InputError, match="init_image is not the one"):
        generator.paint_again(repainted.settings, reference_image=woman, init_image=ramp)
    with pytest.raises(InputError, match="made from another one, which"):
        generator.paint_again(repainted.settings, reference_image=woman)


def test_weights_are_shared(generator: ControlNetGenerator, hub: Path, edges: PIL.Image.Image) -> None:
    generator.generate(None, PROMPT, "canny", control_image=edges, steps=1)
    with (
        TextToImage(hub / "sd") as painter,
        ControlNetGenerator(hub / "sd", controlnets={"canny": hub / "canny"}) as other,
    ):
        other.generate(None, PROMPT, "canny", control_image=edges, steps=1)
        assert painter.backend is generator._base.backend is other._base.backend
        assert other._networks["canny"].backend is generator._networks["canny"].backend
        unet = painter.backend.components["unet"]
        pipeline = painter.backend.pipeline(control=under(other._networks["canny"].backend.model))
        assert pipeline.unet is unet
        gc.collect()
        size = unet.conv_in.weight.shape
        copies = [
            tensor
            for tensor in gc.get_objects()
            if isinstance(tensor, torch.nn.Parameter)
            and tensor.shape == size
            and torch.equal(tensor, unet.conv_in.weight)
        ]
        # The ControlNets began as copies of the U-Net's encoder, in their own checkpoints.
        addresses = {copy.data_ptr() for copy in copies}
        assert len(addresses) == 1 + len(generator._networks), "the base is in memory once, and each ControlNet once"


def test_close_frees(hub: Path, edges: PIL.Image.Image, tmp_path: Path) -> None:
    shutil.copytree(hub / "canny", tmp_path / "canny")
    generator = ControlNetGenerator(hub / "sd", controlnets={"canny": tmp_path / "canny"})
    generator.generate(None, PROMPT, "canny", control_image=edges, steps=1)
    network = weakref.ref(generator._networks["canny"].backend.model)
    generator.close()
    gc.collect()
    assert network() is None
    with pytest.raises(ClosedError):
        generator.generate(None, PROMPT, "canny", control_image=edges, steps=1)
    assert len(generator.load().generate(None, PROMPT, "canny", control_image=edges, steps=1)) == 1
    generator.close()


def test_size_follows_the_reference(generator: ControlNetGenerator, woman: PIL.Image.Image) -> None:
    tall = woman.crop((0, 0, 256, 512))
    [image] = generated = generator.generate(tall, PROMPT, "canny", steps=1)
    assert image.size == generated.control_images[0].size == (48, 88)
    assert generator.generate(tall, PROMPT, "canny", steps=1, width=64)[0].size == (64, 128)
    square = generator.generate(tall, PROMPT, "canny", steps=1, width=64, height=64)
    middle = tall.resize((64, 64), PIL.Image.Resampling.LANCZOS, box=(0, 128, 256, 384))
    assert difference(square.control_images[0], ControlMaps().make("canny", middle)) == 0


def test_ready_made_maps(generator: ControlNetGenerator, edges: PIL.Image.Image, ramp: PIL.Image.Image) -> None:
    larger = ramp.resize((SIZE[0] * 4, SIZE[1] * 4), PIL.Image.Resampling.LANCZOS)
    scaled = generator.generate(None, PROMPT, "depth", control_image=larger, width=SIZE[0], height=SIZE[1], steps=1)
    assert scaled.control_images[0].size == SIZE
    with pytest.raises(InputError, match="measures 80×64 pixels, and the picture 64×64"):
        generator.generate(None, PROMPT, "depth", control_image=ramp, width=64, height=64, steps=1)
    own = generator.generate(None, PROMPT, "scribble", control_image=edges, steps=1)
    assert own[0].settings.options["controls"][0]["control"] == "scribble"
    mixed = generator.generate(ramp, PROMPT, ("canny", "depth"), control_image=[None, ramp], steps=1)
    assert len(mixed.control_images) == 2


def test_class_colours_are_never_blended(hub: Path, generator: ControlNetGenerator) -> None:
    colours = PIL.Image.new("RGB", (320, 256), (120, 120, 120))
    colours.paste((4, 200, 3), (0, 0, 161, 256))
    with ControlNetGenerator(hub / "sd", controlnets={"seg": hub / "depth"}) as other:
        [used] = other.generate(None, PROMPT, "seg", control_image=colours, steps=1).control_images
    assert used.size != colours.size
    assert {colour for _, colour in used.getcolors()} == {(120, 120, 120), (4, 200, 3)}


def test_progress_and_cancel(generator: ControlNetGenerator, edges: PIL.Image.Image) -> None:
    seen: list[tuple[float, float | None]] = []
    cancel = threading.Event()

    def watch(progress: Any) -> None:
        if progress.stage == "painting":
            seen.append((progress.done, progress.total))
            if progress.done == 2:
                cancel.set()

    with pytest.raises(CancelledError):
        generator.generate(None, PROMPT, "canny", control_image=edges, steps=30, progress=watch, cancel=cancel)
    assert seen[-1][0] <= 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prompt": "  "}, "The prompt is empty"),
        ({"control": "cany"}, "There is no control 'cany', did you mean 'canny'"),
        ({"control": []}, "No kind of control is named"),
        ({"control": ["canny", "depth"], "control_weights": [1.0]}, "1 control weight for 2 controls"),
        ({"control_weights": [1.0, 2.0]}, "2 control weights for 1 control "),
        ({"control": ["canny", "depth"], "control_image": "one.png"}, "1 control image for 2 controls"),
        ({"control_weights": 3}, "weight of canny can't be 3"),
        ({"control_weights": float("nan")}, "weight of canny can't be nan"),
        ({"control_start": 0.6, "control_end": 0.4}, "starts at 0.6 of the steps and ends at 0.4"),
        ({"scheduler": "eulerr"}, "There is no scheduler 'eulerr'"),
        ({"steps": 0}, "number of steps can't be 0"),
        ({"steps": 1_000_000}, "number of steps can't be 1000000"),
        ({"width": 500}, "width 500 is not divisible by 8"),
        ({"num_images": 0}, "number of images can't be 0"),
        ({"strength": 0.0, "init_image": PIL.Image.new("RGB", (64, 64))}, "strength of 0"),
        ({"reference_image": None}, "neither a reference picture nor a ready-made map"),
        ({"reference_image": b"not a picture at all"}, "picture"),
        ({"reference_image": __file__}, "test_controlnet.py is not a picture"),
        ({"control": "scribble"}, "can't make the map for the control 'scribble'"),
    ],
)
def test_bad_input(hub: Path, settings: dict[str, Any], message: str) -> None:
    # Nothing is loaded: the checkpoints are named, and not there.
    generator = ControlNetGenerator(hub / "sd", controlnets={"canny": "nobody/nothing", "scribble": hub / "canny"})
    arguments = {"reference_image": PIL.Image.new("RGB", (64, 64)), "prompt": PROMPT, "control": "canny", **settings}
    with pytest.raises(InputError, match=message):
        generator.generate(**arguments)
    assert generator._base._shared is None


def test_long_and_thin(generator: ControlNetGenerator) -> None:
    with pytest.raises(InputError, match="so long and thin"):
        generator.generate(PIL.Image.new("RGB", (2000, 20)), PROMPT, "canny", steps=1)


def test_networks_that_do_not_fit(hub: Path, tmp_path: Path, ramp: PIL.Image.Image) -> None:
    xl = tiny_stable_diffusion_xl(tmp_path / "xl")
    with (
        ControlNetGenerator(xl, controlnets={"depth": hub / "depth"}) as generator,
        pytest.raises(UnsupportedError, match=r"'depth' was made for text features of width 32, and 'xl' has 64"),
    ):
        generator.generate(None, PROMPT, "depth", control_image=ramp, steps=1)
    prior, decoder = tiny_kandinsky(tmp_path)
    shutil.move(prior, decoder / "prior")
    with (
        ControlNetGenerator(decoder, controlnets={"depth": hub / "depth"}) as generator,
        pytest.raises(UnsupportedError, match="'decoder' can't be controlled"),
    ):
        generator.generate(None, PROMPT, "depth", control_image=ramp, steps=1)
    with (
        ControlNetGenerator(hub / "sd", controlnets={"depth": hub / "sd" / "unet"}) as generator,
        pytest.raises(UnsupportedError, match="family is 'UNet2DConditionModel'"),
    ):
        generator.generate(None, PROMPT, "depth", control_image=ramp, steps=1)


def test_networks_that_do_not_fit_are_refused_by_their_config(
    hub: Path, tmp_path: Path, edges: PIL.Image.Image
) -> None:
    without_weights = tmp_path / "canny"
    without_weights.mkdir()
    config = json.loads((hub / "canny" / "config.json").read_text())
    for setting, value in (("cross_attention_dim", 768), ("block_out_channels", [32, 64]), ("layers_per_block", 2)):
        (without_weights / "config.json").write_text(json.dumps({**config, setting: value}))
        with (
            ControlNetGenerator(hub / "sd", controlnets={"canny": without_weights}) as generator,
            pytest.raises(UnsupportedError, match=r"text features of width 768|their .* differ"),
        ):
            generator.generate(None, PROMPT, "canny", control_image=edges, steps=1)


def test_a_config_without_what_came_later_fits(
    hub: Path, generator: ControlNetGenerator, tmp_path: Path, edges: PIL.Image.Image
) -> None:
    published = Path(shutil.copytree(hub / "canny", tmp_path / "published"))
    config = json.loads((published / "config.json").read_text())
    for later in ("addition_embed_type", "transformer_layers_per_block", "encoder_hid_dim", "num_attention_heads"):
        del config[later]
    (published / "config.json").write_text(json.dumps(config))
    with ControlNetGenerator(hub / "sd", controlnets={"canny": published}) as other:
        same = [g.generate(None, PROMPT, "canny", control_image=edges, steps=1, seed=1)[0] for g in (generator, other)]
    assert same[0].tobytes() == same[1].tobytes()


def test_lora_files(hub: Path, generator: ControlNetGenerator, tmp_path: Path, edges: PIL.Image.Image) -> None:
    from diffusers import StableDiffusionControlNetPipeline

    ink = tiny_lora(tmp_path / "ink.safetensors", hub / "sd")
    call: dict[str, Any] = {"control_image": edges, "width": SIZE[0], "height": SIZE[1], "steps": 2, "seed": 1}
    plain = generator.generate(None, PROMPT, "canny", **call)[0]
    inked = generator.generate(None, PROMPT, "canny", lora=[(ink, 0.5)], **call)[0]
    pipeline = open_plainly(StableDiffusionControlNetPipeline, hub / "sd", hub / "canny")
    pipeline.load_lora_weights(tmp_path, weight_name=ink.name, adapter_name="ink")
    pipeline.set_adapters(["ink"], [0.5])
    theirs = pipeline(PROMPT, image=edges, num_inference_steps=2, generator=seeded(1)).images[0]
    assert difference(inked, theirs) == 0 < difference(inked, plain)
    assert generator.generate(None, PROMPT, "canny", **call)[0].tobytes() == plain.tobytes()
    assert [table["name"] for table in inked.settings.loras] == ["ink.safetensors"]
    again = generator.paint_again(inked.settings, control_image=edges, lora=ink)
    assert again.tobytes() == inked.tobytes()
    with pytest.raises(InputError, match=r"'ink\.safetensors', which is not among the files given"):
        generator.paint_again(inked.settings, control_image=edges)
    with pytest.raises(InputError, match="There is no LoRA file"):
        generator.generate(None, PROMPT, "canny", lora="absent.safetensors", **call)


def test_half_precision_files_will_do(
    hub: Path, generator: ControlNetGenerator, ramp: PIL.Image.Image, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copy(hub / "depth" / "config.json", tmp_path)
    weights = load_file(hub / "depth" / "diffusion_pytorch_model.safetensors")
    half = {name: weight.half() for name, weight in weights.items()}
    save_file(half, tmp_path / "diffusion_pytorch_model.fp16.safetensors", metadata={"format": "pt"})
    with ControlNetGenerator(hub / "sd", controlnets={"depth": tmp_path}) as other:
        images = [g.generate(None, PROMPT, "depth", control_image=ramp, steps=2, seed=1)[0] for g in (other, generator)]
    assert difference(*images) <= 3


def test_nobody_to_follow(generator: ControlNetGenerator, cat: PIL.Image.Image) -> None:
    with pytest.raises(InputError, match="finds nobody in this picture"):
        generator.generate_with_pose(cat, PROMPT)


def test_out_of_memory(generator: ControlNetGenerator, edges: PIL.Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    generator.generate(None, PROMPT, "canny", control_image=edges, steps=1)
    monkeypatch.setattr(generator._networks["canny"].backend.model, "forward", refuse)
    with pytest.raises(InsufficientMemoryError, match="more memory than is left"):
        generator.generate(None, PROMPT, "canny", control_image=edges, steps=1)


def test_half_downloaded(hub: Path, tmp_path: Path, ramp: PIL.Image.Image) -> None:
    def refusal(folder: Path) -> str:
        with (
            ControlNetGenerator(hub / "sd", controlnets={"depth": folder}) as generator,
            pytest.raises(ModelUnavailableError) as caught,
        ):
            generator.generate(None, PROMPT, "depth", control_image=ramp, steps=1)
        return str(caught.value)

    half = Path(shutil.copytree(hub / "depth", tmp_path / "half"))
    weights = half / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    assert "damaged, or only half there" in refusal(half)
    weights.unlink()
    assert "missing" in refusal(half)
    (half / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    assert "only as a pickle" in refusal(half)
    (half / "config.json").unlink()
    assert "no config.json" in refusal(half)


def test_the_chapters_example(
    hub: Path, woman: PIL.Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    woman.save(tmp_path / "person_dancing.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENSORIUM_PROFILE", "standard")
    monkeypatch.setenv(
        "SENSORIUM_SUBSTITUTE",
        f"stable-diffusion-v1-5={hub / 'sd'},sd-controlnet-openpose={hub / 'openpose'},vitpose-base=blazepose-poses",
    )
    result = runpy.run_path(str(EXAMPLES / "controlnet.py"))
    settings = read_settings("generated.png")
    assert settings.prompt == result["prompt"]
    [control] = settings.options["controls"]
    assert control["image_sha256"] == pixel_sum(PIL.Image.open("pose_map.png"))


def test_the_chapters_own_names(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The withdrawn id of the base and the hub id of a ControlNet lead to the same catalog entries.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    generator = ControlNetGenerator(
        "runwayml/stable-diffusion-v1-5", controlnets={"canny": "lllyasviel/sd-controlnet-canny"}
    )
    assert generator.model == "stable-diffusion-v1-5"
    with pytest.raises(ModelUnavailableError, match=r"'stable-diffusion-v1-5'.*hub repository stable-diffusion-v1-5/"):
        generator.generate_with_pose(PIL.Image.new("RGB", (64, 64)), PROMPT)
    other = ControlNetGenerator(hub / "sd", controlnets={"canny": "lllyasviel/sd-controlnet-canny"})
    with pytest.raises(ModelUnavailableError, match=r"'sd-controlnet-canny' \(about 1,445 MB"):
        other.generate(PIL.Image.new("RGB", (64, 64)), PROMPT, "canny")


def test_hub_ids_open_from_the_hubs_cache(
    hub: Path, ramp: PIL.Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    commit = "35e42a3ea49845b3c76f202f145f257b9fb1b7d4"
    for repository, folder in (("someone--tiny-diffusion", "sd"), ("someone--tiny-depth", "depth")):
        kept = tmp_path / f"models--{repository}"
        shutil.copytree(hub / folder, kept / "snapshots" / commit)
        (kept / "refs").mkdir()
        (kept / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    with ControlNetGenerator("someone/tiny-diffusion", controlnets={"depth": "someone/tiny-depth"}) as generator:
        [image] = generator.generate(None, PROMPT, "depth", control_image=ramp, steps=1)
    [control] = image.settings.options["controls"]
    assert (control["model"], control["revision"]) == ("someone/tiny-depth", commit)
