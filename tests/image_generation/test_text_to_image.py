"""TextToImage beyond parity: seeds, pictures made again, wrong input, cancelling, shared weights, safety."""

from __future__ import annotations

import gc
import json
import runpy
import shutil
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

from sensorium import TextToImage
from sensorium.errors import (
    CancelledError,
    InputError,
    InsufficientMemoryError,
    SensoriumError,
    UnsupportedError,
)
from sensorium.image_generation.diffusion import pipeline as diffusion_pipeline
from sensorium.image_generation.diffusion.control.control_kinds import CONTROL_KINDS
from sensorium.image_generation.diffusion.control.pipeline_control import PipelineControl
from sensorium.image_generation.text_to_image import GeneratedImage, read_settings
from sensorium.models.catalog import family_of
from sensorium.progress import Event, Finished, Preview, Progress
from tests.checkpoints import diffusion as tiny
from tests.checkpoints.controlnet import tiny_controlnet
from tests.refusals import refused

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_pictures_are_a_list_of_pil_images_with_settings(painter: TextToImage) -> None:
    pictures = painter.generate("a cat", "a dog", 2, 3, 6.5, 64, 72, 11)
    assert isinstance(pictures, list)
    assert len(pictures) == 2
    assert all(isinstance(picture, PIL.Image.Image) and picture.mode == "RGB" for picture in pictures)
    assert [picture.size for picture in pictures] == [(64, 72)] * 2
    settings = pictures[1].settings
    assert (settings.prompt, settings.negative_prompt, settings.seed, settings.steps) == ("a cat", "a dog", 12, 3)
    assert (settings.guidance_scale, settings.width, settings.height) == (6.5, 64, 72)
    assert (settings.kind, settings.model, settings.scheduler) == (
        "text-to-image",
        "tiny-stable-diffusion",
        "PNDMScheduler",
    )
    assert json.loads(json.dumps(pictures.to_dict(pixels=False)))["pictures"][1]["settings"]["seed"] == 12


def test_the_same_seed_is_the_same_picture_and_no_seed_a_new_one(painter: TextToImage) -> None:
    first, second = (painter.generate("a cat", steps=2, seed=3)[0].tobytes() for _ in range(2))
    assert first == second
    unseeded = [painter.generate("a cat", steps=2)[0] for _ in range(2)]
    assert unseeded[0].settings.seed != unseeded[1].settings.seed
    assert unseeded[0].tobytes() != unseeded[1].tobytes()


def test_defaults_are_the_checkpoints_own(painter: TextToImage) -> None:
    heard: list[Progress] = []
    cancel = threading.Event()

    def stop(report: Progress) -> None:
        heard.append(report)
        cancel.set()

    with pytest.raises(CancelledError):
        painter.generate("a cat", progress=stop, cancel=cancel)
    assert heard[0].stage == "painting"
    assert heard[0].total == 51  # PNDM asks once more than the 50 steps of the chapter
    assert painter.generate("a cat", steps=1)[0].settings.guidance_scale == 7.5


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_picture_of_a_batch_is_made_again_from_its_file(painter: TextToImage, tmp_path: Path, suffix: str) -> None:
    prompt = "a cat, (oil painting:1.3), 猫"
    picture = painter.generate(prompt, "blur", num_images=3, steps=3, seed=5, scheduler="euler-ancestral")[2]
    picture.save(tmp_path / f"picture{suffix}")
    settings = read_settings(tmp_path / f"picture{suffix}")
    assert settings == picture.settings
    assert settings.prompt == prompt
    again = painter.paint_again(settings)
    assert again.tobytes() == picture.tobytes()
    assert again.settings == settings


def test_edited_pictures_are_made_again_from_the_same_picture_only(
    painter: TextToImage, cat: PIL.Image.Image, mask: PIL.Image.Image, tmp_path: Path
) -> None:
    picture = painter.inpaint(cat, mask, "a dog", 0.8, steps=4, seed=1)[0]
    assert painter.paint_again(picture.settings, init_image=cat, mask_image=mask).tobytes() == picture.tobytes()
    cat.save(tmp_path / "cat.png")
    edited = painter.img2img(tmp_path / "cat.png", "a dog", 0.5, steps=4, seed=1)[0]
    assert edited.settings.strength == 0.5
    assert painter.paint_again(edited.settings, init_image=cat).tobytes() == edited.tobytes()
    with pytest.raises(InputError, match="made from another picture"):
        painter.paint_again(edited.settings)
    with pytest.raises(InputError, match="not the one"):
        painter.paint_again(edited.settings, init_image=cat.rotate(90))
    with pytest.raises(InputError, match="No mask is needed"):
        painter.paint_again(edited.settings, init_image=cat, mask_image=mask)


def test_a_picture_with_a_lora_is_made_again_with_the_same_file_only(
    painter: TextToImage, stable_diffusion: Path, tmp_path: Path
) -> None:
    file = tiny.tiny_lora(tmp_path / "ink.safetensors", stable_diffusion)
    other = tiny.tiny_lora(tmp_path / "other" / "ink.safetensors", stable_diffusion, seed=1)
    picture = painter.generate("a cat", steps=2, seed=1, lora=[(file, 0.6)])[0]
    assert picture.settings.loras[0]["name"] == "ink.safetensors"
    assert painter.paint_again(picture.settings, lora=file).tobytes() == picture.tobytes()
    for given in ((), other):
        with pytest.raises(InputError, match=r"'ink.safetensors', which is not among"):
            painter.paint_again(picture.settings, lora=given)


def test_another_checkpoint_or_control_maps_cannot_be_made_again(painter: TextToImage) -> None:
    settings = painter.generate("a cat", steps=1, seed=1)[0].settings
    with pytest.raises(UnsupportedError, match=r"painted by 'another'"):
        painter.paint_again(replace(settings, model="another"))
    with pytest.raises(UnsupportedError, match="control maps"):
        painter.paint_again(replace(settings, options={"controls": [{"control": "canny"}]}))


@pytest.mark.parametrize(
    ("arguments", "message", "remedy"),
    [
        ({"prompt": " "}, "The prompt is empty", "Say what to paint"),
        ({"steps": 0}, "The number of steps can't be 0", "Use 1 to 1000"),
        ({"steps": 1_000_000}, "The number of steps can't be 1000000", "Use 1 to 1000"),
        ({"steps": 2.5}, "The argument steps can't be 2.5", "Give a whole number or None"),
        ({"width": 500}, "The width 500 is not divisible by 8", "Use 496 or 504"),
        ({"height": 100_000}, "The height can't be 100000", "Use 8 to 4096"),
        ({"num_images": 0}, "The number of images can't be 0", "Use 1 to 100"),
        ({"seed": -1}, "The seed can't be -1", "Use 0 to"),
        ({"guidance_scale": float("nan")}, "The guidance scale can't be nan", "Use 0 to 100"),
        ({"scheduler": "eulr"}, "There is no scheduler 'eulr'", "Did you mean 'euler'?"),
        ({"scheduler": 5}, "The argument scheduler can't be 5", "Give text or None"),
        ({"negative_prompt": 5}, "The argument negative_prompt can't be 5", "Give text"),
        ({"safety": "on"}, "There is no safety setting 'on'", "Choose flag, block, off"),
        ({"lora": "absent.safetensors"}, "There is no LoRA file", "Name the .safetensors file"),
        ({"lora": "long" * 100}, "There is no LoRA file", "Name the .safetensors file"),
    ],
)
def test_wrong_input_is_told_before_anything_is_loaded(
    stable_diffusion: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], message: str, remedy: str
) -> None:
    monkeypatch.setattr(TextToImage, "load", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(InputError) as caught:
        TextToImage(stable_diffusion).generate(**{"prompt": "a cat", **arguments})
    assert message in caught.value.message
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("level", [0, 127])
def test_a_mask_that_marks_nothing_is_refused_before_anything_is_loaded(
    stable_diffusion: Path, cat: PIL.Image.Image, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, level: int
) -> None:
    monkeypatch.setattr(TextToImage, "load", lambda *_, **__: pytest.fail("it was loaded"))
    PIL.Image.new("L", (64, 64), level).save(tmp_path / "mask.png")
    with refused(InputError, "mask.png"):
        TextToImage(stable_diffusion).inpaint(cat, tmp_path / "mask.png", "a hat")


def test_wrong_pictures_and_strengths(
    painter: TextToImage, cat: PIL.Image.Image, mask: PIL.Image.Image, tmp_path: Path
) -> None:
    (tmp_path / "notes.jpg").write_text("Not a picture")
    with pytest.raises(InputError, match=r"notes\.jpg is not a picture"):
        painter.img2img(tmp_path / "notes.jpg", "a cat")
    with pytest.raises(InputError, match=r"The strength can't be 1\.5"):
        painter.img2img(cat, "a cat", 1.5)
    with pytest.raises(InputError, match="With a strength of 0 the"):
        painter.inpaint(cat, mask, "a cat", 0)
    with pytest.raises(InputError, match="none of the 4 steps") as caught:
        painter.img2img(cat, "a cat", 0.1, steps=4)
    assert "at least 0.25" in caught.value.remedy


def test_repainting_keeps_the_aspect_ratio_and_what_the_mask_leaves_out(
    painter: TextToImage, cat: PIL.Image.Image, mask: PIL.Image.Image
) -> None:
    weak, strong = (painter.img2img(cat, "a dog", strength, steps=4, seed=1)[0] for strength in (0.25, 1.0))
    assert weak.size == strong.size == (80, 56)
    assert weak.tobytes() != strong.tobytes()
    wide = painter.img2img(cat, "a dog", 0.5, steps=2, width=96)[0]
    assert wide.size == (96, 64)
    made = painter.inpaint(cat, mask, "a dog", steps=2, width=96, height=64)[0]
    untouched = (52, 0, 96, 64)
    assert made.crop(untouched).tobytes() == wide_copy(cat).crop(untouched).tobytes()


def wide_copy(cat: PIL.Image.Image) -> PIL.Image.Image:
    from sensorium.image_generation.picture_size import fit_picture

    return fit_picture(cat, (96, 64))


def test_every_kind_of_painting_shares_one_set_of_weights(
    painter: TextToImage, stable_diffusion: Path, tmp_path: Path
) -> None:
    from diffusers import ControlNetModel

    backend: Any = painter.backend
    controlnet = ControlNetModel.from_pretrained(tiny_controlnet(tmp_path / "canny", stable_diffusion))
    under_control = PipelineControl(CONTROL_KINDS["ControlNetModel"], [controlnet])
    pipelines = [backend.pipeline(kind) for kind in backend.kinds]
    pipelines += [backend.pipeline(kind, under_control) for kind in backend.kinds]
    assert len({type(pipeline).__name__ for pipeline in pipelines}) == 6
    for part in ("unet", "vae", "text_encoder"):
        addresses = {
            tuple(parameter.data_ptr() for parameter in getattr(pipeline, part).parameters()) for pipeline in pipelines
        }
        assert len(addresses) == 1
    assert len({id(pipeline.scheduler) for pipeline in pipelines}) == 6


def test_two_objects_are_one_set_of_weights(painter: TextToImage, stable_diffusion: Path) -> None:
    with TextToImage(model_id=stable_diffusion) as other:
        assert other.backend is painter.backend


def test_closing_frees_the_weights_at_once(stable_diffusion: Path, cat: PIL.Image.Image, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(stable_diffusion, tmp_path / "alone"))
    gc.collect()
    gc.disable()
    try:
        text_to_image = TextToImage(folder)
        text_to_image.generate("a cat", steps=1, report=lambda event: None, previews=True)
        text_to_image.img2img(cat, "a cat", steps=2)
        backend: Any = text_to_image.backend
        unet = weakref.ref(backend.components["unet"])
        del backend
        text_to_image.close()
        assert unet() is None
    finally:
        gc.enable()


def test_half_precision_stays_half(stable_diffusion: Path) -> None:
    with TextToImage(stable_diffusion, dtype="bfloat16") as half:
        backend: Any = half.backend
        pipeline = backend.pipeline("image-to-image")
        assert {parameter.dtype for parameter in pipeline.unet.parameters()} == {torch.bfloat16}
        picture = half.generate("a cat", steps=2, seed=1)[0]
        assert "bfloat16" in picture.settings.device


def test_offloading_gives_the_same_pixels_and_leaves_no_hooks(
    painter: TextToImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend: Any = painter.backend
    before = painter.generate("a cat", steps=2, seed=1)[0]
    monkeypatch.setattr(backend, "_placement", replace(backend._placement, offload="model"))
    offloaded = painter.generate("a cat", steps=2, seed=1, report=lambda event: None, previews=True)[0]
    assert offloaded.tobytes() == before.tobytes()
    assert not hasattr(backend.components["unet"], "_hf_hook")


def test_large_pictures_are_decoded_in_tiles(painter: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    backend: Any = painter.backend
    vae = backend.components["vae"]
    tiled = []
    plain_decode = vae.decode
    monkeypatch.setattr(vae, "decode", lambda *args, **kw: (tiled.append(vae.use_tiling), plain_decode(*args, **kw))[1])
    monkeypatch.setattr(diffusion_pipeline, "_TILED_FROM", 64 * 96)
    painter.generate("a cat", steps=1)
    assert painter.generate("a cat", steps=1, height=96)[0].size == (64, 96)
    assert tiled == [False, True]
    assert not vae.use_tiling


def test_cancelling_stops_between_steps_and_leaves_nothing_behind(painter: TextToImage) -> None:
    before = painter.generate("a cat", steps=4, seed=2)[0]
    cancel, heard = threading.Event(), []

    def stop_at_two(report: Progress) -> None:
        heard.append(report.done)
        if report.done == 2:
            cancel.set()

    with pytest.raises(CancelledError):
        painter.generate("a cat", steps=4, seed=2, num_images=2, progress=stop_at_two, cancel=cancel)
    assert heard == [1, 2]
    assert painter.generate("a cat", steps=4, seed=2)[0].tobytes() == before.tobytes()


def test_pictures_that_are_finished_are_not_lost_when_a_later_one_is_cancelled(painter: TextToImage) -> None:
    cancel = threading.Event()
    finished: list[GeneratedImage] = []

    def keep(event: Event) -> None:
        if isinstance(event, Finished):
            finished.append(event.result)
            if len(finished) == 2:
                cancel.set()

    with pytest.raises(CancelledError):
        painter.generate("a cat", steps=2, seed=5, num_images=3, report=keep, cancel=cancel)
    assert [picture.settings.seed for picture in finished] == [5, 6]
    whole = painter.generate("a cat", steps=2, seed=5, num_images=2, report=keep)
    assert [picture.tobytes() for picture in whole] == [picture.tobytes() for picture in finished[:2]]
    assert finished[2:] == list(whole)


def test_progress_and_previews(painter: TextToImage) -> None:
    reports: list[Progress] = []
    events: list[Event] = []
    painter.generate(
        "a cat",
        steps=3,
        num_images=2,
        width=96,
        scheduler="euler",
        progress=reports.append,
        report=events.append,
        previews=True,
    )
    assert [(report.done, report.total) for report in reports] == [(step, 6) for step in range(1, 7)]
    assert [event for event in events if isinstance(event, Progress)] == reports
    previews = [event for event in events if isinstance(event, Preview)]
    assert [(preview.image.size, preview.step) for preview in previews] == [((12, 8), step) for step in range(1, 7)]
    kinds = [type(event).__name__ for event in events]
    assert kinds == [*["Progress", "Preview"] * 3, "Finished"] * 2


def test_calls_from_several_threads_wait_for_each_other(painter: TextToImage) -> None:
    alone = [painter.generate("a cat", steps=3, seed=seed)[0].tobytes() for seed in (1, 2)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda seed: painter.generate("a cat", steps=3, seed=seed)[0].tobytes(), (1, 2)))
    assert together == alone


def test_out_of_memory_is_one_sentence(painter: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    backend: Any = painter.backend

    def exhausted(*_: Any, **__: Any) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(backend.components["vae"], "decode", exhausted)
    with pytest.raises(InsufficientMemoryError, match="A picture of 128 × 64 pixels needs more memory") as caught:
        painter.generate("a cat", steps=1, width=128)
    assert caught.value.remedy == "Choose a smaller width and height"


def test_long_and_weighted_prompts_are_read_to_the_end(painter: TextToImage) -> None:
    long = "a photo of a cat, " * 30
    plain, other, weighted = (
        painter.generate(prompt, steps=1, seed=1)[0].tobytes()
        for prompt in (f"{long}dog", f"{long}bus", f"{long}(dog:1.6)")
    )
    assert len({plain, other, weighted}) == 3


def test_safety_is_flagged_blocked_or_off(stable_diffusion: Path, painter: TextToImage, tmp_path: Path) -> None:
    assert painter.generate("a cat", steps=1, seed=1).flagged == [False]
    assert painter.generate("a cat", steps=1, seed=1)[0].settings.safety == "ok"
    folder = Path(shutil.copytree(stable_diffusion, tmp_path / "strict"))
    tiny.set_safety_thresholds(folder, -1.0)
    with TextToImage(folder) as strict:
        flagged = strict.generate("a cat", steps=1, seed=1)
        assert flagged.flagged == [True]
        assert flagged[0].getextrema() != ((0, 0),) * 3
        blocked = strict.generate("a cat", steps=1, seed=1, num_images=2, safety="block")
        assert (list(blocked), blocked.withheld) == ([], 2)
        assert "kept back 2 of 2" in blocked.notes[0]
        assert strict.generate("a cat", steps=1, safety="off")[0].settings.safety == "not checked"


def test_a_checkpoint_without_safety_checker_says_so(tmp_path: Path) -> None:
    with TextToImage(tiny.tiny_stable_diffusion(tmp_path / "plain")) as plain:
        assert plain.generate("a cat", steps=1)[0].settings.safety == "not checked"
        with pytest.raises(UnsupportedError, match="has no safety checker"):
            plain.generate("a cat", steps=1, safety="block")


def test_a_checkpoint_for_inpainting_only(tmp_path: Path, cat: PIL.Image.Image, mask: PIL.Image.Image) -> None:
    folder = tiny.tiny_stable_diffusion(
        tmp_path / "inpainting", unet_channels=9, class_name="StableDiffusionInpaintPipeline"
    )
    with TextToImage(folder) as inpainting:
        with pytest.raises(UnsupportedError, match="can't do text-to-image") as caught:
            inpainting.generate("a cat", steps=1)
        assert caught.value.remedy.startswith("It can do inpainting;")
        assert inpainting.inpaint(cat, mask, "a dog", steps=2)[0].size == (80, 56)


def test_flux_refuses_prompts_beyond_its_window_and_sizes_between_its_patches(tmp_path: Path) -> None:
    with TextToImage(tiny.tiny_flux(tmp_path / "flux", guidance_embedded=False)) as flux:
        picture = flux.generate("a cat", width=64, height=64, seed=1)
        assert (picture[0].settings.steps, picture[0].settings.guidance_scale) == (4, 0.0)
        noted = flux.generate("a cat " * 40 + "the end", "a dog", width=64, height=64, steps=1)
        assert any("negative prompt has no effect" in note for note in noted.notes)
        assert any("reads the prompt only up to" in note for note in noted.notes)
        with pytest.raises(InputError, match="would not read 'cat a cat"):
            flux.generate("a cat " * 300 + "the end", width=64, height=64, steps=1)
        with pytest.raises(InputError, match="The width 72 is not divisible by 16"):
            flux.generate("a cat", width=72)


def test_a_hub_id_opens_from_the_hubs_cache(
    stable_diffusion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    commit = "451f4fe16113bff5a5d2269ed5ad43b0592e9a14"
    kept = tmp_path / "models--someone--tiny-diffusion"
    shutil.copytree(stable_diffusion, kept / "snapshots" / commit)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    with TextToImage("someone/tiny-diffusion") as text_to_image:
        settings = text_to_image.generate("a cat", steps=1)[0].settings
    assert (settings.model, settings.revision) == ("someone/tiny-diffusion", commit)


def test_checkpoints_that_cannot_paint(tmp_path: Path) -> None:
    from tests.checkpoints.clip import tiny_clip

    with pytest.raises(UnsupportedError) as refusal:
        TextToImage(tiny_clip(tmp_path / "clip")).load()
    assert refusal.value.message == (
        "TextToImage can't use 'clip': its family is 'clip', which is for image-text-similarity and not for "
        "text-to-image"
    )
    assert refusal.value.remedy == "'sensorium models list --task text-to-image' shows checkpoints for it"
    (tmp_path / "sound").mkdir()
    (tmp_path / "sound" / "model_index.json").write_text(json.dumps({"_class_name": "AudioLDMPipeline"}))
    assert family_of(tmp_path / "sound") == "AudioLDMPipeline"
    with refused(UnsupportedError, "sound", "AudioLDMPipeline"):
        TextToImage(tmp_path / "sound").load()


@pytest.fixture
def desk(stable_diffusion: Path, cat: PIL.Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the pictures that the examples name, where the standard checkpoint is a tiny one."""
    cat.save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENSORIUM_PROFILE", "standard")
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", f"stable-diffusion-2-1={stable_diffusion}")
    return tmp_path


def test_the_chapters_example_paints_and_edits(desk: Path) -> None:
    runpy.run_path(str(EXAMPLES / "text_to_image.py"))
    painted = [read_settings(desk / f"output_{number}.png") for number in range(4)]
    assert [settings.seed for settings in painted] == [42, 43, 44, 45]
    assert {(settings.steps, settings.guidance_scale) for settings in painted} == {(50, 7.5)}
    assert read_settings(desk / "edited.png").strength == 0.6


def test_the_chapters_prompt_engineer_paints(desk: Path) -> None:
    result = runpy.run_path(str(EXAMPLES / "prompt_to_image.py"))
    (image,) = result["images"]
    assert isinstance(image, GeneratedImage)
    assert image.settings.prompt == result["prompt"]
    assert image.settings.negative_prompt.endswith("cartoon, painting")


def test_every_error_is_ours(painter: TextToImage) -> None:
    with pytest.raises(SensoriumError):
        painter.generate("a cat", steps=1, scheduler="flow-euler")
