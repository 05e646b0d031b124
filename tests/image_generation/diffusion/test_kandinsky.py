"""Kandinsky 2.2 on tiny checkpoints in the hub's layout, held against diffusers' own pipelines on the same files."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from sensorium import TextToImage
from sensorium.errors import (
    CancelledError,
    InputError,
    InsufficientMemoryError,
    ModelUnavailableError,
    SensoriumError,
    UnsupportedError,
)
from sensorium.image_generation.generated_image import pixel_sum, read_settings
from sensorium.models import catalog
from sensorium.progress import Event, Finished
from tests.checkpoints.diffusion import tiny_stable_diffusion
from tests.checkpoints.unclip import tiny_decoder, tiny_kandinsky, tiny_prior

PROMPT = "a photo of a cat"
SIDE = 64


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("hub")
    return tiny_kandinsky(folder, prior=str(folder / "prior"))


@pytest.fixture(scope="module")
def painter(halves: tuple[Path, Path]) -> Iterator[TextToImage]:
    with TextToImage(halves[1]) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def reference(halves: tuple[Path, Path]) -> dict[str, Any]:
    """The components, opened by diffusers itself."""
    from diffusers import KandinskyV22Pipeline, KandinskyV22PriorPipeline

    prior, decoder = halves
    opened = KandinskyV22PriorPipeline.from_pretrained(prior).components
    return {
        **KandinskyV22Pipeline.from_pretrained(decoder).components,
        **{f"prior_{name}": component for name, component in opened.items()},
    }


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def difference(ours: PIL.Image.Image, theirs: PIL.Image.Image) -> int:
    assert ours.size == theirs.size
    assert np.asarray(theirs).std() > 5, "an even picture would prove nothing"
    return int(np.abs(np.asarray(ours, int) - np.asarray(theirs, int)).max())


def test_text_to_image_equals_diffusers(
    painter: TextToImage, reference: dict[str, Any], parity: Callable[[str, str, str], None]
) -> None:
    from diffusers import KandinskyV22CombinedPipeline

    ours = painter.generate(PROMPT, "a dog", num_images=2, steps=4, width=96, height=SIDE, seed=6)
    theirs = [
        KandinskyV22CombinedPipeline(**reference)(
            PROMPT, "a dog", num_inference_steps=4, width=96, height=SIDE, generator=seeded(seed)
        ).images[0]
        for seed in (6, 7)
    ]
    largest = max(difference(mine, other) for mine, other in zip(ours, theirs, strict=True))
    parity("Kandinsky 2.2", "KandinskyV22CombinedPipeline", f"largest difference {largest} of 255")
    assert largest == 0
    assert np.abs(np.asarray(ours[0], int) - np.asarray(ours[1], int)).mean() > 1


def test_image_to_image_equals_diffusers(
    painter: TextToImage, reference: dict[str, Any], cat: PIL.Image.Image, parity: Callable[[str, str, str], None]
) -> None:
    from diffusers import KandinskyV22Img2ImgCombinedPipeline

    start = cat.crop((0, 0, 300, 300)).resize((SIDE, SIDE))
    [ours] = painter.img2img(start, PROMPT, strength=0.6, steps=5, seed=6)
    theirs = KandinskyV22Img2ImgCombinedPipeline(**reference)(
        PROMPT,
        image=start,
        strength=0.6,
        num_inference_steps=5,
        width=SIDE,
        height=SIDE,
        generator=seeded(6),
    ).images[0]
    largest = difference(ours, theirs)
    parity(
        "Kandinsky 2.2, image-to-image", "KandinskyV22Img2ImgCombinedPipeline", f"largest difference {largest} of 255"
    )
    assert largest == 0


def test_variations_equal_diffusers(
    painter: TextToImage, reference: dict[str, Any], cat: PIL.Image.Image, parity: Callable[[str, str, str], None]
) -> None:
    from diffusers import KandinskyV22Pipeline, KandinskyV22PriorPipeline

    prior = KandinskyV22PriorPipeline(
        **{name.removeprefix("prior_"): part for name, part in reference.items() if name.startswith("prior_")}
    )
    decoder = KandinskyV22Pipeline(**{name: reference[name] for name in ("unet", "movq", "scheduler")})
    [plain] = painter.variations(cat, steps=4, seed=6)
    embeddings = prior.interpolate([cat], [1.0])
    theirs = decoder(**embeddings, num_inference_steps=4, width=SIDE, height=SIDE, generator=seeded(6)).images[0]
    largest = difference(plain, theirs)

    [mixed] = painter.variations(cat, prompt="a dog", prompt_weight=0.3, steps=4, seed=6)
    generator = seeded(6)
    said = prior("a dog", generator=generator)
    embeddings.image_embeds = 0.7 * embeddings.image_embeds + 0.3 * said.image_embeds
    theirs = decoder(**embeddings, num_inference_steps=4, width=SIDE, height=SIDE, generator=generator).images[0]
    largest = max(largest, difference(mixed, theirs))
    parity("Kandinsky 2.2, variations", "KandinskyV22PriorPipeline.interpolate", f"largest difference {largest} of 255")
    assert largest == 0
    assert np.abs(np.asarray(plain, int) - np.asarray(mixed, int)).mean() > 1
    assert plain.settings.kind == mixed.settings.kind == "variation"


def test_painted_again_from_its_file(painter: TextToImage, cat: PIL.Image.Image, tmp_path: Path) -> None:
    for number, (picture, start) in enumerate(
        [
            (painter.generate(PROMPT, "blurry", 2, 3)[1], None),
            (painter.img2img(cat, PROMPT, 0.7, steps=3)[0], cat),
            (painter.variations(cat, prompt="a dog", prompt_weight=0.2, steps=3)[0], cat),
        ]
    ):
        picture.save(tmp_path / f"{number}.png")
        again = painter.paint_again(read_settings(tmp_path / f"{number}.png"), init_image=start)
        assert again.tobytes() == picture.tobytes()
        assert picture.settings.image_sha256 == pixel_sum(start)


def test_shape(painter: TextToImage, cat: PIL.Image.Image) -> None:
    assert cat.size == (451, 300)
    [repainted] = painter.img2img(cat, PROMPT, steps=2)
    assert repainted.size == (80, 56), "as wide as it was, though diffusers itself would turn it"
    assert repainted.settings.width == 80
    assert painter.generate(PROMPT, steps=1, guidance_scale=1)[0].size == (SIDE, SIDE)


@pytest.mark.usefixtures("slow_tokenizers")
def test_two_threads_at_once(painter: TextToImage) -> None:
    def paint(seed: int) -> bytes:
        return painter.generate(PROMPT, steps=3, seed=seed)[0].tobytes()

    expected = [paint(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(paint, range(4))) == expected


def test_where_the_prior_comes_from(halves: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prior, decoder = halves
    expected = TextToImage(decoder).generate(PROMPT, steps=1, seed=1)[0].tobytes()

    without_card = Path(shutil.copytree(decoder, tmp_path / "decoder", ignore=shutil.ignore_patterns("README.md")))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailableError, match="'kandinsky-2-2-prior'"):
        TextToImage(without_card).load()
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", f"kandinsky-community/kandinsky-2-2-prior={prior}")
    assert TextToImage(without_card).generate(PROMPT, steps=1, seed=1)[0].tobytes() == expected
    monkeypatch.delenv("SENSORIUM_SUBSTITUTE")
    shutil.copytree(prior, without_card / "prior")
    assert TextToImage(without_card).generate(PROMPT, steps=1, seed=1)[0].tobytes() == expected


def test_the_catalogs_two_halves(halves: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = catalog.resolve("kandinsky-2-2", task="text-to-image")
    assert entry.components == ("kandinsky-2-2-prior", "kandinsky-2-2-decoder")
    for name, folder in zip(entry.components, halves, strict=True):
        shutil.copytree(folder, tmp_path / name)
    monkeypatch.setenv("SENSORIUM_MIRROR", str(tmp_path))
    painted = TextToImage("kandinsky-2-2").generate(PROMPT, steps=1, seed=1)[0]
    assert painted.tobytes() == TextToImage(halves[1]).generate(PROMPT, steps=1, seed=1)[0].tobytes()
    assert painted.settings.model == "kandinsky-2-2"
    assert painted.settings.options == {"prior": "kandinsky-2-2-prior"}


def test_halves_that_do_not_fit(halves: tuple[Path, Path], tmp_path: Path) -> None:
    prior, decoder = halves
    other = tiny_prior(tmp_path / "other", embedding=24)
    with pytest.raises(ModelUnavailableError, match=r"from embeddings of size 16.*makes them of size 24"):
        TextToImage(tiny_decoder(tmp_path / "decoder", prior=str(other))).load()
    with pytest.raises(UnsupportedError, match="is a KandinskyV22Pipeline, where a KandinskyV22PriorPipeline"):
        TextToImage(tiny_decoder(tmp_path / "decoder-2", prior=str(decoder))).load()
    with pytest.raises(SensoriumError, match="KandinskyV22PriorPipeline"):
        TextToImage(prior).load()
    half = Path(shutil.copytree(decoder, tmp_path / "half"))
    shutil.rmtree(half / "movq")
    with pytest.raises(ModelUnavailableError, match="its component 'movq' is missing"):
        TextToImage(half).load()


def test_long_prompts_are_not_cut_silently(painter: TextToImage, cat: PIL.Image.Image) -> None:
    long = "a cat and a dog in the street, " * 20
    for paint in (painter.generate, lambda prompt: painter.generate(PROMPT, prompt)):
        with pytest.raises(InputError, match="too long for this checkpoint, which would not read 'a dog"):
            paint(long)
    with pytest.raises(InputError, match="too long"):
        painter.variations(cat, prompt=long)


def test_progress_and_cancel(painter: TextToImage) -> None:
    seen: list[tuple[float, float | None]] = []
    painter.generate(PROMPT, num_images=2, steps=3, progress=lambda p: seen.append((p.done, p.total)))
    assert seen == [(done, 56) for done in range(1, 57)]
    cancel = threading.Event()

    def stop_soon(progress: Any) -> None:
        seen.append((progress.done, progress.total))
        if progress.done == 27:
            cancel.set()

    with pytest.raises(CancelledError):
        painter.generate(PROMPT, steps=500, progress=stop_soon, cancel=cancel)
    assert seen[-1][0] == 27


def test_a_function_that_fails_on_a_finished_picture_leaves_the_painter_free(painter: TextToImage) -> None:
    def fail(event: Event) -> None:
        if isinstance(event, Finished):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as kept:
        painter.generate(PROMPT, num_images=2, steps=2, report=fail)
    assert painter.generate(PROMPT, num_images=1, steps=2), kept


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prompt": ""}, "The prompt is empty"),
        ({"steps": 0}, "number of steps can't be 0"),
        ({"width": 70}, "width 70 is not divisible by 8"),
        ({"scheduler": "euler"}, "doesn't do other schedulers"),
        ({"safety": "block"}, "no safety checker"),
    ],
)
def test_bad_input(painter: TextToImage, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SensoriumError, match=message):
        painter.generate(**{"prompt": PROMPT, **settings})


def test_out_of_memory(painter: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(painter.backend._prior.prior, "forward", refuse)  # type: ignore[attr-defined]
    with pytest.raises(InsufficientMemoryError, match="A picture of 64×64 pixels needs more memory"):
        painter.generate(PROMPT, steps=1)


def test_what_it_does_not_do(painter: TextToImage, cat: PIL.Image.Image, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="doesn't do inpainting"):
        painter.inpaint(cat, cat, PROMPT)
    with pytest.raises(InputError, match=r"2 steps and a strength of 0\.1"):
        painter.img2img(cat, PROMPT, 0.1, steps=2)
    with pytest.raises(InputError, match="weight of the prompt can't be 2"):
        painter.variations(cat, prompt=PROMPT, prompt_weight=2)
    stable_diffusion = TextToImage(tiny_stable_diffusion(tmp_path / "sd"))
    with pytest.raises(UnsupportedError, match="'sd' makes no variations"):
        stable_diffusion.variations(cat)
