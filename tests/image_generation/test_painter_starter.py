"""The starter that paints, through the code path of a hub checkpoint. No pixel is expected here: weights may change."""

from __future__ import annotations

import json
import runpy
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from sensorium import ControlNetGenerator, TextToImage
from sensorium.errors import InputError, ModelUnavailableError, UnsupportedError
from sensorium.image_generation.diffusion.schedulers import schedulers_for
from sensorium.image_generation.prompts.tokens import count_tokens
from sensorium.image_generation.prompts.vocabulary import Vocabulary, read_vocabulary
from sensorium.image_generation.text_to_image import read_settings
from sensorium.models import catalog, store
from sensorium.progress import Event, Preview

PAINTER, NETWORK = "painter-starter", "painter-starter-canny"
EXAMPLES = Path(__file__).parents[2] / "examples"
SEED = 11
WINDOW = 18


@pytest.fixture(scope="module")
def folder() -> Path:
    return store.locate(catalog.named(PAINTER))


@pytest.fixture(scope="module")
def painter(folder: Path) -> Iterator[TextToImage]:
    with TextToImage() as loaded:
        yield loaded


@pytest.fixture(scope="module")
def generator(painter: TextToImage) -> Iterator[ControlNetGenerator]:
    with ControlNetGenerator() as loaded:
        yield loaded


@pytest.fixture(scope="module")
def plain(folder: Path) -> Any:
    """What diffusers makes of the folder, opened as its documentation says."""
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def vocabulary(folder: Path) -> Vocabulary:
    read = read_vocabulary(folder, catalog.named(PAINTER))
    assert read is not None
    return read


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **_: Any) -> None:
        raise AssertionError(f"something was requested: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")


def difference(one: PIL.Image.Image, other: PIL.Image.Image) -> int:
    """Largest difference of two pictures, of 255."""
    return int(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max())


def test_it_is_the_starters_default_and_has_defaults_of_its_own(painter: TextToImage, offline: None) -> None:
    (image,) = painter.generate("a cartoon of a cat", seed=SEED)
    settings = image.settings
    entry = catalog.named(PAINTER)
    assert settings.model == PAINTER
    assert (settings.steps, settings.guidance_scale) == (entry.steps, entry.guidance_scale) == (20, 3.5)
    assert (settings.width, settings.height) == image.size == (64, 64)
    assert len(image.getcolors(64 * 64) or ()) > 50, "it is no even field"


def test_diffusers_opens_the_folder_and_paints_the_same(
    painter: TextToImage, plain: Any, parity: Callable[[str, str, str], None]
) -> None:
    import torch

    prompt = "a flat drawing of a red car on a blue background"
    for seed, steps in ((SEED, 20), (SEED + 1, 4)):
        ours = painter.generate(prompt, seed=seed, steps=steps)[0]
        noise = torch.Generator().manual_seed(seed)
        theirs = plain(prompt, num_inference_steps=steps, guidance_scale=3.5, generator=noise).images[0]
        assert difference(ours, theirs) == 0
    parity("Stable Diffusion, the starter that paints", "StableDiffusionPipeline.from_pretrained", "0 of 255")


def test_one_precision_for_all_parts(plain: Any) -> None:
    precisions = {str(next(plain.components[name].parameters()).dtype) for name in ("unet", "vae", "text_encoder")}
    assert precisions == {"torch.float32"}


def test_tokens_are_those_of_the_training(plain: Any, vocabulary: Vocabulary) -> None:
    from training.starter_diffusion.text_states import TOKENS, TextEncoder, starter_folder

    trained_with = TextEncoder(starter_folder())
    texts = [
        "",
        "A Cat's hat, (red:1.3)",
        "a " * 40,
        *(f"a 3d render of two {name}" for name in vocabulary.things.values()),
    ]
    texts += sorted(vocabulary.words)
    options = {"padding": "max_length", "max_length": plain.tokenizer.model_max_length, "truncation": True}
    ours, theirs = (tokenizer(texts, **options) for tokenizer in (plain.tokenizer, trained_with.tokenizer))
    assert plain.tokenizer.model_max_length == TOKENS
    assert ours.input_ids == theirs.input_ids
    assert ours.attention_mask == theirs.attention_mask


def test_the_text_encoder_is_that_of_the_training(plain: Any) -> None:
    from training.starter_diffusion.text_states import TextEncoder, starter_folder

    texts = ["a flat drawing of a red car", ""]
    expected = TextEncoder(starter_folder()).encode(texts)
    for text, states in zip(texts, expected, strict=True):
        found, _ = plain.encode_prompt(text, "cpu", 1, do_classifier_free_guidance=False)
        assert float((found[0].detach() - states).abs().max()) < 1e-5


def test_the_same_seed_is_the_same_picture(painter: TextToImage, tmp_path: Path) -> None:
    first, second = painter.generate("a red car, cartoon style", num_images=2, seed=SEED, steps=4)
    (alone,) = painter.generate("a red car, cartoon style", seed=SEED + 1, steps=4)
    assert difference(second, alone) == 0
    assert difference(first, second) > 0
    second.save(tmp_path / "car.png")
    settings = read_settings(tmp_path / "car.png")
    assert difference(painter.paint_again(settings), PIL.Image.open(tmp_path / "car.png")) == 0


def test_the_prompt_matters(painter: TextToImage) -> None:
    (cat,), (car,) = (painter.generate(f"a {name}", seed=SEED, steps=8) for name in ("cat", "car"))
    assert difference(cat, car) > 20


def test_repainting_and_inpainting(painter: TextToImage, cat: PIL.Image.Image, mask: PIL.Image.Image) -> None:
    (edited,) = painter.img2img(cat, "a cartoon of a cat", strength=0.6, seed=SEED, steps=5)
    assert edited.width * edited.height == pytest.approx(64 * 64, rel=0.15)
    assert edited.width > edited.height, "the picture's own shape"
    (part,) = painter.inpaint(cat, mask, "a cartoon of a cat", seed=SEED, steps=3)
    assert part.settings.kind == "inpainting"


def test_other_sizes(painter: TextToImage) -> None:
    slightly_larger = painter.generate("a cat", width=96, height=72, steps=2)
    assert slightly_larger[0].size == (96, 72)
    assert slightly_larger.notes == ()
    (note,) = painter.generate("a cat", width=192, height=64, steps=2).notes
    assert "learned to paint 64×64 pixels: in 192×64 things repeat" in note
    with pytest.raises(InputError, match="The width 100 is not divisible by 8"):
        painter.generate("a cat", width=100)


def test_every_scheduler_that_it_offers_paints(painter: TextToImage) -> None:
    backend: Any = painter.backend
    offered = schedulers_for(backend.pipeline().scheduler)
    assert {"ddim", "euler", "dpm++-2m", "unipc"} < set(offered)
    for name in offered:
        (image,) = painter.generate("a red car", steps=3, seed=SEED, scheduler=name)
        assert image.settings.scheduler == name
    with pytest.raises(UnsupportedError, match=r"'dpm\+\+-2m-karras' doesn't suit this checkpoint"):
        painter.generate("a red car", scheduler="dpm++-2m-karras")


def test_previews_are_pictures(painter: TextToImage) -> None:
    heard: list[Event] = []
    painter.generate("a cat", seed=SEED, steps=10, report=heard.append, previews=True)
    shown = [event.image for event in heard if isinstance(event, Preview)]
    assert len(shown) >= 10
    assert len(shown[-1].getcolors(64 * 64) or ()) > 10


def test_edges_are_followed(generator: ControlNetGenerator, painter: TextToImage, tmp_path: Path) -> None:
    drawing = PIL.Image.new("RGB", (128, 128), "white")
    drawing.paste("black", (32, 32, 96, 96))
    pictures = generator.generate(drawing, "a flat drawing of a house", "canny", seed=SEED, steps=5)
    (edges,) = pictures.control_images
    assert (generator.model, edges.size, pictures[0].size) == (PAINTER, (64, 64), (64, 64))
    (control,) = (pictures[0].settings.options or {})["controls"]
    assert (control["control"], control["model"]) == ("canny", NETWORK)
    (without,) = painter.generate("a flat drawing of a house", seed=SEED, steps=5)
    assert difference(pictures[0], without) > 0
    pictures[0].save(tmp_path / "house.png")
    settings = read_settings(tmp_path / "house.png")
    again = generator.paint_again(settings, reference_image=drawing)
    assert difference(again, PIL.Image.open(tmp_path / "house.png")) == 0


def test_controls_that_it_has_no_network_for(generator: ControlNetGenerator, cat: PIL.Image.Image) -> None:
    with pytest.raises(ModelUnavailableError, match="no ControlNet for 'openpose' that was made for 'painter-starter'"):
        generator.generate_with_pose(cat, "a cat")
    with pytest.raises(InputError, match="There is no control 'edges'"):
        generator.generate(cat, "a cat", "edges")


def test_a_controlnet_of_another_base_is_refused(
    painter: TextToImage, cat: PIL.Image.Image, stable_diffusion: Path
) -> None:
    with (
        ControlNetGenerator(stable_diffusion, controlnets={"canny": NETWORK}) as generator,
        pytest.raises(UnsupportedError, match="was made for text features of width 384"),
    ):
        generator.generate(cat, "a cat", "canny", steps=1)


def test_what_it_knows_gets_no_note_and_what_not_does(painter: TextToImage, vocabulary: Vocabulary) -> None:
    for form in vocabulary.things:
        words = " ".join(form)
        for prompt in (f"A Cartoon of two {words}, (red:1.2)", f"a small {words} on a blue background, 3d style"):
            assert vocabulary.notes(prompt, painter.checkpoint) == ()
    assert painter.generate("a cartoon of a cat", steps=1).notes == ()
    (note,) = painter.generate("a photo of a cathedral", steps=1).notes
    assert "'cathedral' is not among them" in note
    assert "sensorium models pull stable-diffusion-2-1" in note


def test_the_note_comes_with_every_kind_of_painting(
    painter: TextToImage, generator: ControlNetGenerator, cat: PIL.Image.Image, mask: PIL.Image.Image
) -> None:
    prompt = "a cathedral"
    for pictures in (
        painter.img2img(cat, prompt, steps=2),
        painter.inpaint(cat, mask, prompt, steps=2),
        generator.generate(cat, prompt, "canny", steps=2),
    ):
        assert len(pictures) == 1, "it never keeps anything from being painted"
        assert "'cathedral' is not among them" in " ".join(pictures.notes)


def test_the_vocabulary_is_whole(vocabulary: Vocabulary, folder: Path) -> None:
    table = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
    assert len(table["things"]) > 100
    assert set(table["synonyms"].values()) <= set(table["things"])
    assert not set(table["synonyms"]) & set(table["things"])
    for names in vocabulary.things:
        assert vocabulary.words.issuperset(names) or names[-1].endswith("s")


def test_prompts_beyond_its_window_are_refused_in_a_sentence(painter: TextToImage) -> None:
    assert count_tokens("a red car", PAINTER).counts[0].window == WINDOW
    with pytest.raises(InputError, match="The prompt is too long for this checkpoint, which would not read 'cat'"):
        painter.generate("cat " * WINDOW + "cat", steps=1)


def test_half_a_character_is_refused_in_a_sentence(painter: TextToImage) -> None:
    half = "a cat \ud83d"
    for paint in (
        lambda: painter.generate(half, steps=1),
        lambda: painter.generate("a cat", negative_prompt=half, steps=1),
        lambda: count_tokens(half, PAINTER),
    ):
        with pytest.raises(InputError, match="prompt holds a character"):
            paint()


def test_half_removed_files_are_put_back_without_network(
    folder: Path, offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = ("image", "text", "people")
    conse = store.locate(catalog.named("conse-starter"))
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    for part in parts:
        shutil.copytree(conse / part, tmp_path / "checkpoints" / "conse-starter" / part)
    made = store.locate(catalog.named(PAINTER))
    assert made.is_relative_to(tmp_path)
    (made / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    (made / "tokenizer" / "tokenizer.json").unlink()
    again = store.locate(catalog.named(PAINTER))
    assert {path.relative_to(again): path.stat().st_size for path in again.rglob("*") if path.is_file()} == {
        path.relative_to(folder): path.stat().st_size for path in folder.rglob("*") if path.is_file()
    }


def test_without_the_text_encoder_and_without_network(
    offline: None, sensorium_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelUnavailableError, match=r"'painter-starter'.*offline mode is set") as caught:
        TextToImage().load()
    assert "sensorium models pull painter-starter" in caught.value.remedy
    assert store.is_present(catalog.named(NETWORK)), "all of it comes with the package"


def test_a_damaged_part_is_named(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"half of it")
    with pytest.raises(ModelUnavailableError, match="'copy/unet' can't be opened"):
        TextToImage(copy).load()


def test_the_chapters_example_runs_on_it(
    painter: TextToImage, cat: PIL.Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: None
) -> None:
    cat.save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "text_to_image.py"))
    settings = [read_settings(tmp_path / f"output_{number}.png") for number in range(4)]
    assert {each.model for each in settings} == {PAINTER}
    assert [each.seed for each in settings] == [42, 43, 44, 45]
    assert read_settings(tmp_path / "edited.png").kind == "image-to-image"
