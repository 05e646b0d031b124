"""``sensorium imagine`` and ``edit`` on a tiny checkpoint."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import PIL.Image
import pytest
import torch
from safetensors.torch import save_file

from sensorium.image_generation.text_to_image import TextToImage, read_settings
from sensorium.media.image import write_image
from sensorium.models import store
from tests import real_media
from tests.checkpoints.diffusion import tiny_lora, tiny_stable_diffusion
from tests.checkpoints.ip_adapter import tiny_image_encoder, tiny_ip_adapter
from tests.checkpoints.unclip import tiny_kandinsky
from tests.cli.conftest import Run, documents
from tests.processes import running, telling, wait_for


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_stable_diffusion(tmp_path_factory.mktemp("diffusion") / "tiny-stable-diffusion")


@pytest.fixture(scope="module", autouse=True)
def _loaded(checkpoint: Path) -> object:
    with TextToImage(checkpoint) as loaded:
        yield loaded


@pytest.fixture(autouse=True)
def easel(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a photograph, a mask, and a tiny checkpoint in the place of the standard one."""
    photo = PIL.Image.open(real_media.photo("chelsea")).convert("RGB")
    photo.save(tmp_path / "photo.png")
    mask = PIL.Image.new("L", photo.size, 0)
    mask.paste(255, (0, 0, 200, 300))
    mask.save(tmp_path / "mask.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENSORIUM_PROFILE", "standard")
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", f"stable-diffusion-2-1={checkpoint}")
    return tmp_path


def test_imagine_paints_numbered_pictures(run: Run, easel: Path) -> None:
    result = run("imagine", "a cat", "--num-images", "2", "--steps", "2", "--seed", "42", "-o", "cat.png")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == ["cat-1.png: 64×64, seed 42", "cat-2.png: 64×64, seed 43"]
    assert read_settings(easel / "cat-2.png").seed == 43


def test_every_option_reaches_the_picture(run: Run, easel: Path, checkpoint: Path) -> None:
    tiny_lora(easel / "ink.safetensors", checkpoint)
    options = ["--negative-prompt", "blur", "--steps", "3", "--guidance-scale", "5", "--width", "72", "--height", "64"]
    options += ["--seed", "9", "--scheduler", "euler", "--lora", "ink.safetensors=0.5", "--style", "watercolor"]
    result = run("imagine", "a cat", *options, "-o", "cat.webp", "--json")
    assert result.exit_code == 0, result.output
    (document,) = documents(result.stdout)
    settings = read_settings(easel / "cat.webp")
    assert document == {"file": "cat.webp", **settings.to_dict()}
    assert settings.prompt.startswith("a cat, watercolor painting")
    assert (settings.negative_prompt, settings.steps, settings.guidance_scale) == ("blur", 3, 5.0)
    assert (settings.width, settings.height, settings.seed, settings.scheduler) == (72, 64, 9, "euler")
    assert settings.loras[0]["weight"] == 0.5


def test_loras_by_name(run: Run, easel: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_lora(easel / "loras" / "ink.safetensors", checkpoint)
    monkeypatch.setenv("SENSORIUM_LORAS", str(easel / "loras"))
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    few = ["--steps", "2", "--seed", "1"]
    for output, prompt, *given in (
        ("path.png", "a cat", "--lora", "loras/ink.safetensors=0.5"),
        ("name.png", "a cat", "--lora", "ink=0.25", "--lora", "ink:0.25"),
        ("tag.png", "a cat <lora:ink:0.5>"),
    ):
        result = run("imagine", prompt, *few, *given, "-o", output)
        assert result.exit_code == 0, result.output
    assert len({PIL.Image.open(easel / name).tobytes() for name in ("path.png", "name.png", "tag.png")}) == 1
    refusal = run("imagine", "a cat", "--lora", "inc")
    assert (refusal.exit_code, "Did you mean 'ink'?" in refusal.stderr) == (2, True)
    refusal = run("imagine", "a cat", "--lora", "org/ink=0.5")
    assert "sensorium models pull lora:org/ink" in refusal.stderr
    assert run("models", "pull", "lora:org/ink").exit_code != 0


def test_embeddings_by_name_and_by_word(run: Run, easel: Path, checkpoint: Path) -> None:
    vectors = torch.randn(2, 32, generator=torch.Generator().manual_seed(1))
    save_file({"emb_params": vectors}, easel / "bad-hands.v1.safetensors")
    few = ["--steps", "2", "--seed", "1"]
    file = "bad-hands.v1.safetensors"
    for output, word, given in (("name.png", "bad-hands.v1", file), ("word.png", "hands", f"hands={file}")):
        result = run("imagine", "a cat", "-n", f"fog, {word}", *few, "--embedding", given, "-o", output)
        assert result.exit_code == 0, result.output
        assert read_settings(easel / output).embeddings[0]["word"] == word
    assert run("imagine", "a cat", "-n", "fog", *few, "-o", "none.png").exit_code == 0
    pictures = [PIL.Image.open(easel / name).tobytes() for name in ("name.png", "word.png", "none.png")]
    assert pictures[0] == pictures[1] != pictures[2]
    again = run("imagine", "--again", "word.png", "--embedding", file, "-o", "same.png", "-m", checkpoint)
    assert "the same picture" in again.stdout, again.output
    told = run("imagine", "a cat", *few, "--embedding", file, "-o", "told.png")
    assert "'bad-hands.v1'" in told.stderr
    refusal = run("imagine", "a cat", "--embedding", "absent.safetensors")
    assert (refusal.exit_code, "absent.safetensors" in refusal.stderr) == (2, True)


def test_a_picture_that_looks_like_others_is_made_again(run: Run, easel: Path, checkpoint: Path) -> None:
    tiny_image_encoder(easel / "image_encoder")
    tiny_ip_adapter(easel / "like.safetensors", checkpoint)
    like = ["--ip-adapter-image", "photo.png", "--ip-adapter-image", "mask.png", "--ip-adapter", "like.safetensors"]
    result = run("imagine", "a cat", *like, "--ip-adapter-scale", "0.4", "--steps", "2", "-o", "cat.png")
    assert result.exit_code == 0, result.output
    (table,) = read_settings(easel / "cat.png").ip_adapters
    assert (table["scale"], len(table["images"])) == (0.4, 2)
    result = run("imagine", "--again", "cat.png", *like, "-o", "same.png", "-m", checkpoint)
    assert result.stdout == "same.png: the same picture, pixel for pixel\n", result.output
    refused = run("imagine", "--again", "cat.png", "-o", "same.png", "-m", checkpoint)
    assert (refused.exit_code, "IPAdapter" in refused.stderr) == (2, True)
    for alone in (like[-2:], ["--ip-adapter-scale", "0.4"]):
        refused = run("imagine", "a cat", *alone)
        assert (refused.exit_code, "--ip-adapter-image" in refused.stderr) == (2, True)


def test_a_picture_is_made_again_pixel_for_pixel(run: Run, easel: Path, checkpoint: Path) -> None:
    settings = ["--steps", "3", "--scheduler", "euler-ancestral"]
    assert run("imagine", "a cat", "--num-images", "3", *settings, "-o", "cat.png").exit_code == 0
    result = run("imagine", "--again", "cat-3.png", "-o", "same.png", "-m", checkpoint)
    assert result.stdout == "same.png: the same picture, pixel for pixel\n", result.output
    pictures = [PIL.Image.open(easel / name).tobytes() for name in ("cat-3.png", "same.png", "cat-2.png")]
    assert pictures[0] == pictures[1] != pictures[2]


def test_an_edited_picture_is_made_again_from_its_original(run: Run, easel: Path, checkpoint: Path) -> None:
    assert run("edit", "photo.png", "a dog", "--strength", "0.5", "--steps", "4", "-o", "dog.png").exit_code == 0
    missing = run("imagine", "--again", "dog.png", "-m", checkpoint)
    assert missing.exit_code == 2
    assert "made from another picture, which its file doesn't hold. Give that picture." in missing.stderr
    made = run("imagine", "--again", "dog.png", "--image", "photo.png", "-m", checkpoint, "--json")
    assert documents(made.stdout)[0]["identical"] is True, made.output


def test_a_masked_edit_changes_only_the_mask(run: Run, easel: Path) -> None:
    arguments = ["photo.png", "a dog", "--mask", "mask.png", "--steps", "2", "--width", "96", "--height", "64"]
    result = run("edit", *arguments, "-o", "part.png", "--json")
    assert result.exit_code == 0, result.output
    (document,) = documents(result.stdout)
    assert (document["kind"], document["strength"]) == ("inpainting", 1.0)


def test_variations_of_a_picture(run: Run, easel: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("kandinsky")
    _, decoder = tiny_kandinsky(folder, prior=str(folder / "prior"))
    size = ["--width", "64", "--height", "64", "--steps", "2"]
    varying = ["imagine", "--like", "photo.png", "--model", decoder, *size]
    result = run(*varying, "--num-images", "2", "--seed", "5", "-o", "cat.png")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == ["cat-1.png: 64×64, seed 5", "cat-2.png: 64×64, seed 6"]
    assert read_settings("cat-1.png").kind == "variation"
    mixed = run(*varying, "a dog", "--prompt-weight", "0.9", "--seed", "5", "-o", "dog.png", "--json")
    (document,) = documents(mixed.stdout)
    assert (document["prompt"], document["options"]["prompt_weight"]) == ("a dog", 0.9)
    assert Path("dog.png").read_bytes() != Path("cat-1.png").read_bytes()
    again = run("imagine", "--again", "dog.png", "--image", "photo.png", "-m", decoder, "-o", "same.png")
    assert again.stdout == "same.png: the same picture, pixel for pixel\n", again.output


@pytest.mark.parametrize("command", [["imagine"], ["control", "photo.png"]])
@pytest.mark.parametrize(
    ("model", "where"),
    [
        ("stranger/painter", "neither in the catalog nor on this machine"),
        ("openai:painter@http://stranger.example/v1", "a model behind a server"),
    ],
)
def test_a_stranger_s_picture_does_not_decide_what_is_fetched(
    run: Run, easel: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], model: str, where: str
) -> None:
    assert run("imagine", "a cat", "--steps", "1", "--seed", "1", "-o", "cat.png").exit_code == 0
    picture = PIL.Image.open("cat.png")
    told = {name: text.replace("tiny-stable-diffusion", model) for name, text in picture.text.items()}
    assert told != picture.text
    write_image(picture.convert("RGB"), "strange.png", metadata=told)
    assert read_settings("strange.png").model == model
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    asked: list[object] = []
    monkeypatch.setattr(store, "locate", lambda checkpoint, **options: asked.append(checkpoint))
    result = run(*command, "--again", "strange.png", "-o", "same.png")
    assert (result.exit_code, asked) == (2, [])
    stderr = " ".join(result.stderr.split())
    assert f"The picture's file says that it was painted by '{model}', which is {where}" in stderr
    assert f"--model '{model}'" in stderr
    assert not Path("same.png").exists()


def test_a_checkpoint_on_this_machine_may_be_named_by_a_picture(run: Run, easel: Path, checkpoint: Path) -> None:
    assert run("imagine", "a cat", "--steps", "1", "--seed", "1", "-o", "cat.png").exit_code == 0
    (easel / checkpoint.name).symlink_to(checkpoint)
    assert run("imagine", "--again", "cat.png", "-o", "same.png").stdout.endswith("pixel for pixel\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["imagine"], "There is no prompt"),
        (["imagine", ""], "The prompt is empty"),
        (["imagine", "a cat", "--steps", "0"], "The number of steps can't be 0. Use 1 to 1000."),
        (["imagine", "a cat", "--width", "500"], "The width 500 is not divisible by 8. Use 496 or 504."),
        (["imagine", "a cat", "-o", "cat.tiff"], "'cat.tiff' has no suffix"),
        (["imagine", "a cat", "-o", "absent/cat.png"], "The folder of absent/cat.png doesn't exist"),
        (["imagine", "a cat", "--scheduler", "dpm"], "There is no scheduler 'dpm'"),
        (["imagine", "a cat", "--style", "nowhere"], "There is no style 'nowhere'"),
        (["imagine", "a cat", "--image", "photo.png"], "go with --again only"),
        (["imagine", "a cat", "--again", "photo.png"], "has its prompt already"),
        (["imagine", "--like", "photo.png"], "--like needs a checkpoint that makes variations. Name one: --model"),
        (["imagine", "--like", "absent.png", "-m", "kandinsky-2-2"], "absent.png"),
        (["imagine", "--like", "photo.png", "--lora", "x"], "With --like the option --lora has no use"),
        (["imagine", "--like", "photo.png", "--prompt-weight", "0.5"], "about a prompt, and there is none"),
        (["imagine", "a cat", "--prompt-weight", "0.5"], "--prompt-weight goes with --like only"),
        (["imagine", "a cat", "--like", "photo.png", "--prompt-weight", "2", "-m", "kandinsky-2-2"], "can't be 2.0"),
        (["imagine", "--again", "photo.png"], "photo.png doesn't say how it was made"),
        (["imagine", "--again", "absent.png"], "absent.png"),
        (["edit", "absent.png", "a dog"], "absent.png"),
        (["edit", "photo.png", "a dog", "--strength", "2"], "The strength can't be 2.0"),
    ],
)
def test_wrong_input_is_one_sentence(run: Run, easel: Path, arguments: list[str], sentence: str) -> None:
    before = set(easel.iterdir())
    result = run(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr.replace("\n", " ")
    assert set(easel.iterdir()) == before


def test_ctrl_c_leaves_no_file(easel: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    at_work = tmp_path_factory.mktemp("signs") / "at-work"
    command = ["imagine", "a cat", "--steps", "999", "-o", "cat.png", "--num-images", "100"]
    with running([*telling("painting", at_work), *command], stderr=subprocess.PIPE, text=True) as painting:
        wait_for(at_work, painting)
        painting.send_signal(signal.SIGINT)
        _, complaint = painting.communicate(timeout=60)
    assert (complaint.strip(), painting.returncode) == ("Cancelled.", 130)
    assert {path.name for path in easel.iterdir()} == {"photo.png", "mask.png"}


def test_options_that_would_be_ignored_are_refused(run: Run, easel: Path) -> None:
    assert run("imagine", "a cat", "--steps", "1", "-o", "cat.png").exit_code == 0
    for option, value in (("--steps", "9"), ("--seed", "3"), ("--style", "anime"), ("--num-images", "1")):
        result = run("imagine", "--again", "cat.png", option, value)
        assert (result.exit_code, f"With --again the option {option} has no use" in result.stderr) == (2, True)


def test_where_no_picture_can_be_written(run: Run, easel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (easel / "folder.png").mkdir()
    assert "is a folder" in run("imagine", "a cat", "-o", "folder.png").stderr
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "can't be written to" in run("imagine", "a cat", "-o", "cat.png").stderr
