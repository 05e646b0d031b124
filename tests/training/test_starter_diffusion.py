"""The recipe of the starter that paints, at the scale of shapes of 16 pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from tests.training.shapes import SHAPES, shape_settings, with_steps, write_shapes
from training.starter_diffusion import autoencoder, control, denoiser, measures, phrases, pieces, pipeline
from training.starter_diffusion.configuration import Settings, read_settings
from training.starter_diffusion.devices import Device
from training.starter_diffusion.latents import CachedLatents, canny, unpack_edges
from training.starter_diffusion.packages import hexcode_of
from training.starter_diffusion.pictures import Pictures
from training.starter_diffusion.run_state import STOP, Limit, Run, shuffled, warmed
from training.starter_diffusion.scenes import Drawing, Placed, Scene, render, training_scenes
from training.starter_diffusion.text_states import CachedStates, TextEncoder, captions_of
from training.starter_diffusion.train import STAGES, train_all

RECIPE = Path(denoiser.__file__).parent
FOREVER = float("inf")


@pytest.fixture(scope="module")
def settings() -> Settings:
    return shape_settings()


@pytest.fixture(scope="module")
def shapes(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    return Pictures(write_shapes(tmp_path_factory.mktemp("data") / "shapes.zip", settings))


@pytest.fixture(scope="module")
def trained(settings: Settings, shapes: Pictures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all stages done."""
    folder = tmp_path_factory.mktemp("run")
    train_all(settings, shapes, folder, Device("cpu"), FOREVER)
    return folder


# --- devices ---


@pytest.mark.parametrize(("asked", "found"), [(False, torch.float32), (True, torch.bfloat16)])
def test_precision_of_a_processor(asked: bool, found: torch.dtype) -> None:
    row = torch.ones(1, 2)
    with Device("cpu", bfloat16=asked).precision():
        assert (row @ row.T).dtype is found


# --- captions and scenes ---


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("apple", "an apple"),
        ("green apple", "a green apple"),
        ("unicorn", "a unicorn"),
        ("red cherries", "red cherries"),
        ("bread", "bread"),
        ("yellow cheese", "yellow cheese"),
    ],
)
def test_articles(words: str, said: str) -> None:
    assert phrases.with_article(words) == said


@pytest.mark.parametrize(
    ("name", "many"),
    [
        ("cat", "cats"),
        ("mouse", "mice"),
        ("bus", "buses"),
        ("strawberry", "strawberries"),
        ("key", "keys"),
        ("cup of coffee", "cups of coffee"),
        ("hot dog", "hot dogs"),
    ],
)
def test_plurals(name: str, many: str) -> None:
    assert phrases.plural(name) == many


def test_scenes_show_nothing_hidden_and_say_what_they_show(settings: Settings, shapes: Pictures) -> None:
    manifest = shapes.manifest
    assert manifest.hidden_concepts
    assert manifest.hidden_style_pairs
    assert manifest.hidden_colour_pairs
    scenes = training_scenes(manifest, settings.data, 1)
    assert {scene.kind for scene in scenes} == set(settings.data.kinds)
    for scene in scenes:
        for thing in scene.objects:
            picture = manifest.pictures[thing.picture]
            assert not manifest.is_hidden(thing.picture)
            assert (picture.name, thing.colour) not in manifest.hidden_colour_pairs
            name = phrases.plural(picture.name) if scene.kind == "count" else picture.name
            assert all(name in caption for caption in scene.captions)
            assert all(thing.colour in caption for caption in scene.captions)
            assert picture.style in scene.captions[0]
        assert all((scene.background != "white") == ("background" in caption) for caption in scene.captions)
    assert scenes == training_scenes(manifest, settings.data, 1)
    assert scenes != training_scenes(manifest, settings.data, 2)
    assert set(manifest.vocabulary) | set(manifest.hidden_concepts) == set(SHAPES)


def test_render_puts_things_where_and_as_the_caption_says(shapes: Pictures) -> None:
    def shown(*things: Placed, background: str = "white") -> np.ndarray:
        return render(Scene("", things, background, ()), shapes, 64)

    left = shown(Placed(0, 0.25, 0.5, 0.4, "", False))
    assert (left[:, :32] < 250).any()
    assert (left[:, 40:] == 255).all()
    blue = shown(Placed(0, 0.5, 0.5, 0.8, "blue", False))
    assert measures.main_colour(PIL.Image.fromarray(blue)) == "blue"
    assert measures.main_colour(PIL.Image.fromarray(left)) == "red"
    assert tuple(shown(background="pink")[0, 0]) == phrases.BACKGROUNDS["pink"]


def test_counts(settings: Settings, shapes: Pictures) -> None:
    import random

    import cv2

    visible = [index for index in range(len(shapes.manifest.pictures)) if not shapes.manifest.is_hidden(index)]
    drawing = Drawing(shapes.manifest, settings.data, visible, random.Random(0))
    for count, word in phrases.COUNTS.items():
        scene = drawing.several(visible[0], count)
        solid = (render(scene, shapes, 96).min(-1) < 120).astype(np.uint8)
        assert cv2.connectedComponents(solid)[0] - 1 == count
        assert scene.captions[0].split(" of ")[1].startswith(word)


def test_data_set_is_the_same_each_time(settings: Settings, tmp_path: Path) -> None:
    first, second = (
        write_shapes(tmp_path / name / "shapes.zip", settings)
        for name in ("a", "b")
        if (tmp_path / name).mkdir() is None
    )
    assert Pictures(first).manifest == Pictures(second).manifest
    assert all(picture.licence and picture.package for picture in Pictures(first).manifest.pictures)


@pytest.mark.parametrize("name", ["narrow", "wide"])
def test_settings_files_are_complete(name: str) -> None:
    settings = read_settings(RECIPE / f"{name}.toml")
    assert len(settings.denoiser.channels) == len(settings.denoiser.cross_attention)
    assert denoiser.latent_side(settings) == 16
    assert len(settings.control.hint_channels) == len(settings.autoencoder.channels)


def test_code_points() -> None:
    assert hexcode_of("☀️") == "2600-fe0f"


# --- training ---


def test_every_stage_learns_and_leaves_a_state(trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    for stage in STAGES:
        assert (trained / f"{stage}.pt").is_file()
        assert any(line["stage"] == stage and "loss" in line for line in lines)
    assert not list(trained.glob("*.partial"))


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(
    settings: Settings, shapes: Pictures, trained: Path, tmp_path: Path
) -> None:
    def stop_at_three(each: Any) -> Any:
        def step(number: int) -> torch.Tensor:
            if number == 2:
                STOP.set()
            return each(number)

        return step

    whole = Run.steps
    for name, train in ((autoencoder.NAME, autoencoder.train), (denoiser.NAME, denoiser.train)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Run, "steps", lambda self, t, b, d, each: whole(self, t, b, d, stop_at_three(each)))
            assert not train(settings, shapes, tmp_path, Device("cpu"), Limit())
            train_all(settings, shapes, tmp_path, Device("cpu"), FOREVER)  # stopped is stopped: no stage begins
        STOP.clear()
        assert not (tmp_path / f"{control.NAME}.pt").exists()
        assert torch.load(tmp_path / f"{name}.pt", weights_only=True)["step"] == 3
        assert train(settings, shapes, tmp_path, Device("cpu"), Limit())
        again, straight = (torch.load(folder / f"{name}.pt", weights_only=True) for folder in (tmp_path, trained))
        assert again["step"] == straight["step"] == 6
        for weights in ("averaged",):
            for key, value in straight[weights].items():
                torch.testing.assert_close(again[weights][key], value, rtol=0, atol=0)


def test_a_state_of_other_settings_is_refused(settings: Settings, shapes: Pictures, trained: Path) -> None:
    other = shape_settings(autoencoder={"channels": [16, 32]})
    with pytest.raises(SystemExit, match="made with other settings"):
        autoencoder.train(other, shapes, trained, Device("cpu"), Limit())
    assert autoencoder.train(with_steps(settings, "autoencoder", 6), shapes, trained, Device("cpu"), Limit())


def test_autoencoder_learns_colours(shapes: Pictures, tmp_path: Path) -> None:
    longer = shape_settings(autoencoder={"steps": 250, "batch": 8, "learning_rate": 4e-3})
    autoencoder.train(longer, shapes, tmp_path, Device("cpu"), Limit())
    losses = [json.loads(line).get("loss") for line in (tmp_path / "log.jsonl").read_text("utf-8").splitlines()]
    network = autoencoder.load(longer, shapes, tmp_path)
    scenes = training_scenes(shapes.manifest, longer.data, 1)
    batch = autoencoder.render_batch(scenes, range(24), shapes, 16)
    latents = network.encode(batch).latent_dist.mean
    # Normalised by folding: mean 0 and deviation 1 by channel, and the picture is still the same.
    assert latents.mean((0, 2, 3)).abs().max() < 0.4
    assert 0.5 < latents.std((0, 2, 3)).min() <= latents.std((0, 2, 3)).max() < 1.6
    assert (network.decode(latents).sample - batch).abs().mean() < 0.25
    assert losses


def test_a_better_decoder_leaves_the_latents_as_they_are(
    settings: Settings, shapes: Pictures, trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "autoencoder.pt").write_bytes((trained / "autoencoder.pt").read_bytes())
    before, after = (autoencoder.load(settings, shapes, folder) for folder in (tmp_path, trained))
    batch = autoencoder.render_batch(training_scenes(shapes.manifest, settings.data, 1), range(4), shapes, 16)
    latents = before.encode(batch).latent_dist.mean
    torch.testing.assert_close(after.encode(batch).latent_dist.mean, latents, rtol=0, atol=0)
    assert not torch.equal(after.decode(latents).sample, before.decode(latents).sample)


def test_normalising_changes_the_latents_and_not_the_picture(settings: Settings) -> None:
    torch.manual_seed(0)
    network = autoencoder.build(settings.autoencoder, 16).requires_grad_(False).train(False)
    batch = torch.rand(8, 3, 16, 16) * 2 - 1
    before = network.encode(batch).latent_dist
    picture = network.decode(before.mean).sample
    autoencoder.normalise(network, before.mean)
    after = network.encode(batch).latent_dist
    torch.testing.assert_close(after.mean.mean((0, 2, 3)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(after.mean.std((0, 2, 3)), torch.ones(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(after.std * before.mean.std((0, 2, 3)).view(4, 1, 1), before.std, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(network.decode(after.mean).sample, picture, atol=1e-4, rtol=1e-4)


def test_a_final_run_slows_down_towards_its_deadline(tmp_path: Path) -> None:
    import time

    rates: list[float] = []
    run = Run("stage", tmp_path, "digest", {})

    def step(number: int) -> torch.Tensor:
        time.sleep(0.01)
        rates.append(warmed(1.0, number, run.progress, 2))
        return torch.zeros(())

    assert not run.steps(10**6, 1, Limit(time.monotonic() + 0.3, final=True), step)
    assert rates[0] == 0.5
    assert max(rates) == 1.0
    assert rates[-1] < 0.4


def test_every_sample_once_a_pass() -> None:
    first = torch.cat([shuffled(10, 4, 1, step) for step in range(5)])
    assert sorted(first[:10].tolist()) == sorted(first[10:].tolist()) == list(range(10))
    assert first[:10].tolist() != first[10:].tolist()


def test_caches_hold_what_the_scenes_say(settings: Settings, shapes: Pictures, trained: Path) -> None:
    scenes = training_scenes(shapes.manifest, settings.data, settings.seed)
    cache = CachedLatents(trained, settings, shapes, Device("cpu"))
    assert cache.latents.shape == (len(scenes), 4, 8, 8)
    edges = unpack_edges(np.array(cache.edges[5:6]))
    assert np.array_equal(edges[0, 0].numpy() * 255, canny(render(scenes[5], shapes, 16)))
    states = CachedStates(trained, settings, shapes, Device("cpu"))
    captions = captions_of(shapes.manifest, settings)
    rows = states.rows(torch.tensor(states.numbers(captions[:3])))
    expected = TextEncoder(trained / "text").encode(captions[:3])
    torch.testing.assert_close(rows, expected, atol=2e-3, rtol=0)


# --- what comes out ---


@pytest.fixture(scope="module")
def checkpoint(settings: Settings, shapes: Pictures, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported folder, made from the files that are carried between machines."""
    carried = tmp_path_factory.mktemp("results")
    files = pieces.write(carried, settings, shapes, trained)
    assert all(file.stat().st_size <= pieces.PIECE_BYTES for file in files)
    vae, unet, network = pieces.read(carried, settings)
    folder = carried / "checkpoint"
    pipeline.export(folder, pipeline.assemble(vae, unet, TextEncoder(trained / "text")), network)
    return folder


def test_diffusers_and_sensorium_paint_the_same(checkpoint: Path) -> None:
    from diffusers import StableDiffusionPipeline

    from sensorium import TextToImage

    assert set(pipeline.sizes(checkpoint)) == {"controlnet-canny", "text_encoder", "unet", "vae"}
    plain = StableDiffusionPipeline.from_pretrained(checkpoint, safety_checker=None)
    plain.set_progress_bar_config(disable=True)
    assert plain.tokenizer.model_max_length == 20
    assert plain.scheduler.config.prediction_type == "v_prediction"
    settings: dict[str, Any] = {"num_inference_steps": 3, "guidance_scale": 3.0}
    expected = plain("a flat drawing of a ball", generator=torch.Generator().manual_seed(5), **settings).images[0]
    found = TextToImage(checkpoint).generate("a flat drawing of a ball", steps=3, guidance_scale=3.0, seed=5)[0]
    assert found.size == expected.size == (16, 16)
    assert np.abs(np.asarray(found, int) - np.asarray(expected, int)).max() <= 1


def test_control_net_works_in_sensorium(checkpoint: Path, shapes: Pictures) -> None:
    from sensorium import ControlNetGenerator

    painter = ControlNetGenerator(checkpoint, controlnets={"canny": checkpoint / pipeline.CONTROL})
    reference = PIL.Image.fromarray(render(Scene("", (Placed(0, 0.5, 0.5, 0.9, "", False),), "white", ()), shapes, 16))
    painted = painter.generate(reference, "a ball", "canny", steps=2, seed=0)
    assert painted[0].size == (16, 16)


def test_followed_edges_are_found(shapes: Pictures) -> None:
    ball, cross = (
        canny(render(Scene("", (Placed(index, 0.5, 0.5, 0.9, "", False),), "white", ()), shapes, 32))
        for index in (0, 4)
    )
    assert measures.covered(ball, ball) == 1.0
    assert measures.covered(ball, cross) < 0.6
    assert measures.covered(ball, np.zeros_like(ball)) == 0.0
