"""IP-Adapters against diffusers called directly, what doesn't fit, and that shared weights are as before."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy
import PIL.Image
import pytest
import torch
from safetensors.torch import load_file, save_file

from sensorium import ControlNetGenerator, TextToImage
from sensorium.errors import CancelledError, InputError, ModelUnavailableError, UnsupportedError
from sensorium.image_generation.ip_adapter import IPAdapter, find_adapter
from sensorium.image_generation.picture_size import fit_picture
from sensorium.media.limits import Limits
from sensorium.media.source import resolve
from sensorium.models import catalog
from tests.checkpoints.controlnet import tiny_controlnet
from tests.checkpoints.diffusion import tiny_lora, tiny_stable_diffusion_3, tiny_stable_diffusion_xl
from tests.checkpoints.ip_adapter import SIDE, Kind, tiny_image_encoder, tiny_ip_adapter
from tests.refusals import refused

Parity = Callable[[str, str, str], None]

CALL: dict[str, Any] = {"steps": 2, "seed": 1, "width": 64, "height": 64}
PLAIN, GUIDANCE = "StableDiffusion", {"StableDiffusion": 7.5, "StableDiffusionXL": 5.0}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the published repository: adapters, and their image encoder in a folder beside them."""
    folder = tmp_path_factory.mktemp("ip-adapter") / "models"
    tiny_image_encoder(folder / "image_encoder")
    return folder


@pytest.fixture(scope="module")
def adapter(models: Path, stable_diffusion: Path) -> Path:
    return tiny_ip_adapter(models / "ip-adapter_tiny.safetensors", stable_diffusion)


@pytest.fixture(scope="module")
def xl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_stable_diffusion_xl(tmp_path_factory.mktemp("xl") / "xl")


@pytest.fixture(scope="module")
def style(cat: PIL.Image.Image) -> PIL.Image.Image:
    """Another picture than the photograph of the cat."""
    return cat.rotate(90, expand=True).convert("L").convert("RGB")


def theirs(folder: Path, adapters: list[Path], scales: list[Any], kind: str = PLAIN, **given: Any) -> Any:
    """Return diffusers' pipeline with IP-Adapters."""
    import diffusers
    import transformers

    # Stable Diffusion's own checker sees pictures of the size that the encoder sees; those of tiny ones differ.
    processor = transformers.CLIPImageProcessor(size=SIDE, crop_size=SIDE)
    checker = {} if "XL" in kind else {"safety_checker": None}
    pipeline_class: Any = getattr(diffusers, f"{kind}Pipeline")
    pipeline = pipeline_class.from_pretrained(folder, feature_extractor=processor, **checker, **given)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_ip_adapter(str(adapters[0].parent), subfolder="", weight_name=[each.name for each in adapters])
    pipeline.set_ip_adapter_scale(scales)
    return pipeline


def painted(pipeline: Any, pictures: list[list[PIL.Image.Image]], **call: Any) -> PIL.Image.Image:
    generator = torch.Generator().manual_seed(1)
    usual = {"num_inference_steps": 2, "ip_adapter_image": pictures, "generator": generator}
    image: PIL.Image.Image = pipeline("a cat", **{**usual, **call}).images[0]
    return image


def difference(ours: PIL.Image.Image, other: PIL.Image.Image) -> int:
    assert ours.size == other.size
    return int(numpy.abs(numpy.asarray(ours).astype(int) - numpy.asarray(other)).max())


@pytest.mark.parametrize("kind", ["plain", "plus", "full-face"])
@pytest.mark.parametrize("family", ["StableDiffusion", "StableDiffusionXL"])
def test_equals_diffusers(
    family: str,
    kind: Kind,
    painter: TextToImage,
    stable_diffusion: Path,
    xl: Path,
    models: Path,
    cat: PIL.Image.Image,
    style: PIL.Image.Image,
    parity: Parity,
) -> None:
    folder = stable_diffusion if family == PLAIN else xl
    file = tiny_ip_adapter(models / f"{family}-{kind}.safetensors", folder, kind)
    text_to_image = painter if family == PLAIN else TextToImage(folder)
    before = text_to_image.generate("a cat", **CALL)[0]
    for pictures in ([style], [style, cat]):
        ours = text_to_image.generate("a cat", ip_adapter=IPAdapter(pictures, file, 0.7), **CALL)[0]
        pipeline = theirs(folder, [file], [0.7], family)
        reference = painted(pipeline, [pictures], width=64, height=64, guidance_scale=GUIDANCE[family])
        largest = difference(ours, reference)
        of = f"{len(pictures)} picture{'s' if len(pictures) > 1 else ''}"
        parity(f"IP-Adapter, {kind}, {of}", f"{family}Pipeline", f"largest difference of a pixel {largest} of 255")
        assert largest == 0 < difference(ours, before)
    assert text_to_image.generate("a cat", **CALL)[0].tobytes() == before.tobytes()
    if text_to_image is not painter:
        text_to_image.close()


def test_several_adapters_with_scales_of_their_own(
    painter: TextToImage, stable_diffusion: Path, models: Path, adapter: Path, cat: PIL.Image.Image, style: Any
) -> None:
    face = tiny_ip_adapter(models / "ip-adapter-plus-face_tiny.safetensors", stable_diffusion, "plus", seed=1)
    both = [IPAdapter([style, cat], adapter, 0.4), IPAdapter(cat, face, 0.9)]
    ours = painter.generate("a cat", ip_adapter=both, **CALL)[0]
    pipeline = theirs(stable_diffusion, [adapter, face], [0.4, 0.9])
    assert difference(ours, painted(pipeline, [[style, cat], [cat]], width=64, height=64)) == 0
    again = painter.paint_again(ours.settings, ip_adapter=[IPAdapter([style, cat], adapter), IPAdapter(cat, face)])
    assert again.tobytes() == ours.tobytes()


def test_the_style_or_the_layout_alone(
    painter: TextToImage, models: Path, adapter: Path, cat: Any, style: Any, tmp_path: Path
) -> None:
    folder = tiny_stable_diffusion_xl(tmp_path / "xl", all_blocks=True)
    file = tiny_ip_adapter(models / "xl-parts.safetensors", folder)
    both = [IPAdapter(style, file, 0.9, "style"), IPAdapter(cat, file, 0.5, "layout")]
    with TextToImage(folder) as text_to_image:
        ours, all_of_it = (
            text_to_image.generate("a cat", ip_adapter=like, **CALL)[0] for like in (both, IPAdapter(style, file, 0.9))
        )
        again = text_to_image.paint_again(ours.settings, ip_adapter=both)
    scales: list[Any] = [{"up": {"block_0": [0.0, 0.9, 0.0]}}, {"down": {"block_2": [0.0, 0.5]}}]
    pipeline = theirs(folder, [file, file], scales, "StableDiffusionXL")
    assert difference(ours, painted(pipeline, [[style], [cat]], width=64, height=64)) == 0
    assert again.tobytes() == ours.tobytes() != all_of_it.tobytes()
    with refused(UnsupportedError, painter.model, "style"):
        painter.generate("a cat", ip_adapter=IPAdapter(style, adapter, part="style"), **CALL)


def test_repainted_pictures_and_parts_of_them(
    painter: TextToImage, stable_diffusion: Path, adapter: Path, cat: Any, mask: Any, style: Any
) -> None:
    like = IPAdapter(style, adapter)
    size = {"width": 96, "height": 64}
    first = fit_picture(cat, (96, 64))
    ours = painter.img2img(cat, "a cat", 0.9, ip_adapter=like, steps=3, seed=1, **size)[0]
    pipeline = theirs(stable_diffusion, [adapter], [0.6], f"{PLAIN}Img2Img")
    assert difference(ours, painted(pipeline, [[style]], image=first, strength=0.9, num_inference_steps=3)) == 0
    ours = painter.inpaint(cat, mask, "a cat", ip_adapter=like, steps=2, seed=1, **size)[0]
    pipeline = theirs(stable_diffusion, [adapter], [0.6], f"{PLAIN}Inpaint")
    part = fit_picture(mask, (96, 64))
    reference = painted(pipeline, [[style]], image=first, mask_image=part, strength=1.0, **size)
    assert difference(ours, PIL.Image.composite(reference, first, part)) == 0


def test_with_a_lora_file(
    painter: TextToImage, stable_diffusion: Path, adapter: Path, style: Any, tmp_path: Path
) -> None:
    ink = tiny_lora(tmp_path / "ink.safetensors", stable_diffusion)
    plain, inked = (painter.generate("a cat", lora=lora, **CALL)[0] for lora in ((), [(ink, 0.5)]))
    both = painter.generate("a cat", lora=[(ink, 0.5)], ip_adapter=IPAdapter(style, adapter), **CALL)[0]
    pipeline = theirs(stable_diffusion, [adapter], [0.6])
    pipeline.load_lora_weights(tmp_path, weight_name=ink.name, adapter_name="ink")
    pipeline.set_adapters(["ink"], [0.5])
    assert difference(both, painted(pipeline, [[style]], width=64, height=64)) == 0
    assert len({each.tobytes() for each in (plain, inked, both)}) == 3
    assert painter.generate("a cat", **CALL)[0].tobytes() == plain.tobytes()
    assert painter.generate("a cat", lora=[(ink, 0.5)], **CALL)[0].tobytes() == inked.tobytes()


def test_under_control(stable_diffusion: Path, adapter: Path, cat: Any, style: Any, tmp_path: Path) -> None:
    from diffusers import ControlNetModel

    network = tiny_controlnet(tmp_path / "canny", stable_diffusion)
    edges = fit_picture(cat, (64, 64))
    like = IPAdapter(style, adapter, 0.8)
    with ControlNetGenerator(stable_diffusion, controlnets={"canny": network}) as generator:
        call: dict[str, Any] = {"control_image": edges, **CALL}
        plain = generator.generate(None, "a cat", "canny", **call)[0]
        ours = generator.generate(None, "a cat", "canny", ip_adapter=like, **call)[0]
        assert generator.generate(None, "a cat", "canny", **call)[0].tobytes() == plain.tobytes()
        again = generator.paint_again(ours.settings, control_image=edges, ip_adapter=like)
    assert again.tobytes() == ours.tobytes() != plain.tobytes()
    kind = f"{PLAIN}ControlNet"
    pipeline = theirs(stable_diffusion, [adapter], [0.8], kind, controlnet=ControlNetModel.from_pretrained(network))
    assert difference(ours, painted(pipeline, [[style]], image=edges)) == 0


def test_whatever_happens_the_denoiser_is_as_before(
    painter: TextToImage, adapter: Path, style: Any, tmp_path: Path
) -> None:
    before = painter.generate("a cat", **CALL)[0].tobytes()
    with painter.lease() as backend:
        unet: Any = vars(backend)["components"]["unet"]
        processors = dict(unet.attn_processors)
    cancel = threading.Event()
    like = IPAdapter(style, adapter)
    with pytest.raises(CancelledError):
        painter.generate("a cat", ip_adapter=like, progress=lambda _: cancel.set(), cancel=cancel, **CALL)
    shutil.copytree(adapter.parent / "image_encoder", tmp_path / "image_encoder")
    half = {name: tensor for name, tensor in load_file(adapter).items() if name != "image_proj.norm.bias"}
    save_file(half, tmp_path / "half.safetensors")
    with refused(InputError, "half"):
        painter.generate("a cat", ip_adapter=IPAdapter(style, tmp_path / "half.safetensors"), **CALL)
    assert all(unet.attn_processors[name] is processor for name, processor in processors.items())
    assert len(unet.attn_processors) == len(processors)
    assert (unet.encoder_hid_proj, unet.config.encoder_hid_dim_type) == (None, None)
    assert painter.generate("a cat", **CALL)[0].tobytes() == before


def test_threads_that_share_a_painter(painter: TextToImage, adapter: Path, cat: Any, style: Any) -> None:
    likes = [IPAdapter(style, adapter), (), IPAdapter(cat, adapter, 1.0), ()]

    def paint(like: Any) -> bytes:
        return painter.generate("a cat", ip_adapter=like, **CALL)[0].tobytes()

    alone = [paint(like) for like in likes]
    with ThreadPoolExecutor(len(likes)) as threads:
        assert [*threads.map(paint, likes * 3)] == alone * 3


def test_the_settings_say_what_it_was_like(painter: TextToImage, adapter: Path, cat: Any, style: Any) -> None:
    ours = painter.generate("a cat", ip_adapter=IPAdapter(style, adapter, 0.3), **CALL)[0]
    (table,) = ours.settings.ip_adapters
    assert (table["name"], table["scale"], len(table["images"]), len(table["sha256"])) == (adapter.stem, 0.3, 1, 64)
    assert painter.paint_again(ours.settings, ip_adapter=IPAdapter(style, adapter)).tobytes() == ours.tobytes()
    for wrong in ((), IPAdapter(cat, adapter), IPAdapter([style, style], adapter)):
        with refused(InputError, "IPAdapter"):
            painter.paint_again(ours.settings, ip_adapter=wrong)
    plain = painter.generate("a cat", **CALL)[0]
    with refused(InputError, "without an IP-Adapter"):
        painter.paint_again(plain.settings, ip_adapter=IPAdapter(style, adapter))


def test_another_adapter_than_that_of_the_picture(
    painter: TextToImage, stable_diffusion: Path, models: Path, adapter: Path, style: Any
) -> None:
    ours = painter.generate("a cat", ip_adapter=IPAdapter(style, adapter), **CALL)[0]
    other = tiny_ip_adapter(models / "other.safetensors", stable_diffusion, seed=9)
    with refused(InputError, adapter.stem, "other"):
        painter.paint_again(ours.settings, ip_adapter=IPAdapter(style, other))


def test_files_that_were_sent_read_an_encoder_of_the_catalog(
    painter: TextToImage, stable_diffusion: Path, style: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file alone, as most people keep it; the encoder comes from where checkpoints come from."""
    card = catalog.named("ip-adapter-image-encoder")
    tiny_image_encoder(tmp_path / "mirror" / card.name / "models" / "image_encoder", projected=1024)
    file = tiny_ip_adapter(tmp_path / "style.safetensors", stable_diffusion, projected=1024)
    with refused(ModelUnavailableError, card.name):
        painter.generate("a cat", ip_adapter=IPAdapter(style, file), **CALL)
    monkeypatch.setenv("SENSORIUM_MIRROR", str(tmp_path / "mirror"))
    ours = painter.generate("a cat", ip_adapter=IPAdapter(style, file), **CALL)[0]
    sent = painter.generate("a cat", ip_adapter=IPAdapter(style, file.read_bytes()), **CALL)[0]
    assert sent.tobytes() == ours.tobytes()
    on_the_hub = "someone/adapters/models/style.safetensors"
    published = tmp_path / "mirror" / on_the_hub / "models" / "style.safetensors"
    published.parent.mkdir(parents=True)
    shutil.copy(file, published)
    named = painter.generate("a cat", ip_adapter=IPAdapter(style, on_the_hub), **CALL)[0]
    assert named.tobytes() == ours.tobytes()
    assert named.settings.ip_adapters[0]["encoder"] == card.name
    strangers = TextToImage(stable_diffusion, limits=Limits(allow_files=False))
    like = IPAdapter(style, resolve(file))
    with refused(ModelUnavailableError, card.name, "models pull"):  # strangers don't decide what is fetched
        strangers.generate("a cat", ip_adapter=like, **CALL)
    with refused(InputError, str(file)):
        strangers.generate("a cat", ip_adapter=IPAdapter(style, file), **CALL)
    strangers.close()


def test_adapters_that_do_not_fit(
    painter: TextToImage, stable_diffusion: Path, xl: Path, models: Path, adapter: Path, style: Any, tmp_path: Path
) -> None:
    of_xl = tiny_ip_adapter(models / "of-xl.safetensors", xl)
    with refused(InputError, "of-xl", painter.model):
        painter.generate("a cat", ip_adapter=IPAdapter(style, of_xl), **CALL)
    with refused(InputError, "ip-adapter-sdxl", painter.model, "stable-diffusion-xl-base"):  # before it is fetched
        painter.generate("a cat", ip_adapter=IPAdapter(style, "ip-adapter-sdxl"), **CALL)
    face = tiny_ip_adapter(tmp_path / "faceid.safetensors", stable_diffusion, "face-id")
    with refused(UnsupportedError, "faceid", "InsightFace", "ip-adapter-plus-face-sd15"):
        painter.generate("a cat", ip_adapter=IPAdapter(style, face), **CALL)
    save_file({"double_blocks.0.processor.ip_adapter_double_stream_k_proj.weight": torch.zeros(2, 2)}, of_xl)
    with refused(UnsupportedError, "of-xl", "FLUX"):
        painter.generate("a cat", ip_adapter=IPAdapter(style, of_xl), **CALL)
    with refused(InputError, "ink", "LoRA"):
        ink = tiny_lora(tmp_path / "ink.safetensors", stable_diffusion)
        painter.generate("a cat", ip_adapter=IPAdapter(style, ink), **CALL)
    with refused(InputError, stable_diffusion.name):
        painter.generate("a cat", ip_adapter=IPAdapter(style, stable_diffusion), **CALL)
    odd = tiny_ip_adapter(tmp_path / "odd.safetensors", stable_diffusion, projected=7)
    with refused(ModelUnavailableError, "odd", "image_encoder"):
        painter.generate("a cat", ip_adapter=IPAdapter(style, odd), **CALL)
    wide = tiny_ip_adapter(tmp_path / "wide.safetensors", stable_diffusion, projected=12)
    tiny_image_encoder(tmp_path / "image_encoder", projected=12)
    with refused(InputError, adapter.stem, "wide"):
        painter.generate("a cat", ip_adapter=[IPAdapter(style, each) for each in (adapter, wide)], **CALL)


def test_pickles_are_not_opened(painter: TextToImage, style: Any, tmp_path: Path) -> None:
    torch.save({"image_proj": {}, "ip_adapter": {}}, tmp_path / "ip-adapter_sd15.bin")
    for name in (tmp_path / "ip-adapter_sd15.bin", "h94/IP-Adapter/models/ip-adapter_sd15.bin"):
        with refused(ModelUnavailableError, "ip-adapter_sd15.bin", ".safetensors"):
            painter.generate("a cat", ip_adapter=IPAdapter(style, name), **CALL)


def test_painters_without_one(painter: TextToImage, adapter: Path, style: Any, tmp_path: Path) -> None:
    with refused(UnsupportedError, painter.model, "stable-diffusion-v1-5", "ip-adapter-sd15"):
        painter.generate("a cat", ip_adapter=IPAdapter(style), **CALL)
    with TextToImage("painter-starter") as starter, refused(UnsupportedError, "painter-starter", "models pull"):
        starter.generate("a cat", ip_adapter=IPAdapter(style), steps=1)
    with TextToImage(tiny_stable_diffusion_3(tmp_path / "sd3")) as other, refused(UnsupportedError, "sd3"):
        other.generate("a cat", ip_adapter=IPAdapter(style, adapter), **CALL)


def test_what_can_not_be_asked(painter: TextToImage, adapter: Path, style: Any) -> None:
    for like, named in (
        (IPAdapter(style, adapter, 1.5), "1.5"),
        (IPAdapter(style, adapter, float("nan")), "nan"),
        (IPAdapter([], adapter), "no pictures"),
        (IPAdapter(style, adapter, part="colour"), "colour"),
        (IPAdapter([style] * 17, adapter), "17"),
        (IPAdapter("absent.png", adapter), "absent.png"),
    ):
        with refused(InputError, named):
            painter.generate("a cat", ip_adapter=like, **CALL)
    wrong: Any = "style.jpg"
    with refused(InputError, "ip_adapter", "style.jpg"):
        painter.generate("a cat", ip_adapter=wrong, **CALL)
    with refused(ModelUnavailableError, "no-such-adapter"):
        painter.generate("a cat", ip_adapter=IPAdapter(style, "no-such-adapter"), **CALL)


def test_how_adapters_are_named() -> None:
    found = find_adapter("h94/IP-Adapter/models/ip-adapter_sd15.safetensors")
    assert found == catalog.named("ip-adapter-sd15")
    light = find_adapter("h94/IP-Adapter/models/ip-adapter_sd15_light.safetensors")
    assert light is not None
    assert (light.repository, light.hub_files) == ("h94/IP-Adapter", ("models/ip-adapter_sd15_light.safetensors",))
    assert find_adapter("h94/IP-Adapter") is None  # the painter decides
    with refused(ModelUnavailableError, "someone/adapters", ".safetensors"):
        find_adapter("someone/adapters")
