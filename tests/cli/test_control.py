"""``sensorium control``: maps from the starter, pictures from tiny checkpoints."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from tests import real_media
from tests.checkpoints.annotators import tiny_depth_anything
from tests.checkpoints.controlnet import tiny_controlnet
from tests.checkpoints.diffusion import tiny_lora, tiny_stable_diffusion
from tests.cli.conftest import Run, documents


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A photograph of a person in the current folder, offline."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    return Path(shutil.copy(real_media.photo("messi"), "player.jpg"))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    tiny_stable_diffusion(folder / "sd")
    tiny_controlnet(folder / "controlnet", folder / "sd")
    tiny_depth_anything(folder / "depth")
    return folder


@pytest.fixture
def standard(hub: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard profile, with tiny checkpoints in the place of its own."""
    monkeypatch.setenv("SENSORIUM_PROFILE", "standard")
    substitutes = {
        "stable-diffusion-v1-5": "sd",
        "sd-controlnet-canny": "controlnet",
        "sd-controlnet-depth": "controlnet",
        "depth-anything-v2-small": "depth",
    }
    pairs = ",".join(f"{name}={hub / folder}" for name, folder in substitutes.items())
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", pairs)


def test_maps_without_any_fetch(run: Run, photo: Path) -> None:
    edges = run("control", photo, "--map-only", "--control", "canny", "-o", "edges.png")
    assert (edges.exit_code, edges.stdout) == (0, "edges.png: canny map, 548×342, by opencv\n")
    pose = run("control", photo, "--map-only", "-o", "pose.png", "--json")
    (document,) = documents(pose.stdout)
    assert document == {
        "input": "player.jpg",
        "file": "pose.png",
        "control": "openpose",
        "model": "blazepose-poses",
        "width": 548,
        "height": 342,
    }
    for name in ("edges.png", "pose.png"):
        with PIL.Image.open(name) as drawn:
            assert drawn.size == (548, 342)
            assert np.asarray(drawn).any()


def test_settings_of_a_map(run: Run, photo: Path) -> None:
    few = ["--set", "low_threshold=300", "--set", "high_threshold=600"]
    for name, settings in (("some.png", []), ("few.png", few)):
        assert run("control", photo, "--map-only", "-c", "canny", "-o", name, *settings).exit_code == 0
    some, fewer = (np.count_nonzero(np.asarray(PIL.Image.open(name))) for name in ("some.png", "few.png"))
    assert 0 < fewer < some / 2


def test_a_map_of_a_picture_on_standard_input(run: Run, photo: Path) -> None:
    result = run("control", "-", "--map-only", "-c", "canny", "-o", "edges.png", input=photo.read_bytes())
    assert result.exit_code == 0
    assert Path("edges.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["player.jpg", "--map-only", "-c", "cany"], "There is no control map 'cany'. Did you mean 'canny'?"),
        (["player.jpg", "--map-only", "-c", "canny", "-c", "depth"], "makes one map at a time"),
        (["player.jpg", "a castle", "--map-only"], "so a prompt has no use"),
        (["player.jpg", "--map-only", "--map", "canny=player.jpg"], "so a ready-made map has no use"),
        (["--map-only"], "There is no picture to make a map of"),
        (["player.jpg", "--map-only", "-c", "canny", "-o", "map.txt"], "no suffix of a picture format"),
        (["player.jpg", "--map-only", "-c", "canny", "--set", "low_threshold=300"], "over the high threshold 200"),
        (["player.jpg", "--map-only", "-c", "canny", "--set", "low_threshold=x"], "low_threshold 'x' is not a number"),
        (["player.jpg", "--map-only", "-c", "canny", "--set", "low"], "--set 'low' can't be read"),
        (["player.jpg", "--map-only", "-c", "canny", "--annotator", "canny=x"], "A canny map needs no checkpoint"),
        (["notes.jpg", "--map-only", "-c", "canny"], "notes.jpg is not a picture that can be read"),
        (["cat.png", "--map-only"], "finds nobody in this picture"),
        (["player.jpg", "a castle", "--set", "low_threshold=50"], "--set is for --map-only"),
        (["player.jpg"], "There is no prompt"),
        ([], "There is no prompt"),
        (["a castle", "--map", "canny=edges.png", "-c", "depth"], "There is no prompt"),
        (["player.jpg", "a castle", "-o", "map.txt"], "no suffix of a picture format"),
        (["player.jpg", "a castle", "--weight", "depth=1"], "The weight 'depth=1' can't be read"),
        (["player.jpg", "a castle", "--weight", "much"], "The weight 'much' can't be read"),
        (["player.jpg", "a castle", "--map", "edges.png"], "--map 'edges.png' can't be read"),
    ],
)
def test_what_can_not_be(run: Run, photo: Path, arguments: list[str], message: str) -> None:
    Path("notes.jpg").write_text("not a picture")
    shutil.copy(real_media.photo("chelsea"), "cat.png")
    before = set(Path().iterdir())
    result = run("control", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert set(Path().iterdir()) == before


def test_the_starter_says_what_it_lacks(run: Run, photo: Path) -> None:
    result = run("control", photo, "-c", "depth", "--map-only")
    assert result.exit_code == 3
    assert "The profile 'starter' has no checkpoint for depth-estimation" in result.stderr
    for arguments in ([], ["-c", "openpose"], ["-c", "canny", "-c", "openpose"]):
        result = run("control", photo, "a castle", *arguments)
        assert result.exit_code == 3
        assert (
            "There is no ControlNet for 'openpose' that was made for 'painter-starter'. Choose canny" in result.stderr
        )
        assert "sensorium models pull sd-controlnet-openpose" in result.stderr


def test_painting_under_control(run: Run, standard: None, photo: Path) -> None:
    painting = ["--steps", "2", "--seed", "7", "--width", "64", "--height", "64"]
    both = ["-c", "depth", "-c", "canny", "--weight", "canny=0.5", "--save-map", "map.png"]
    result = run("control", photo, "a bronze statue", *both, *painting, "-o", "statue.png", "--json")
    assert result.exit_code == 0, result.stderr
    (document,) = documents(result.stdout)
    assert (document["file"], document["seed"], document["steps"]) == ("statue.png", 7, 2)
    found = [(item["control"], item["weight"], item["model"]) for item in document["options"]["controls"]]
    assert found == [("depth", 1.0, "controlnet"), ("canny", 0.5, "controlnet")]
    assert PIL.Image.open("statue.png").size == (64, 64)
    for kind in ("depth", "canny"):
        assert PIL.Image.open(f"map-{kind}.png").size == (64, 64)
        assert f"map-{kind}.png: the map" in result.stderr

    # The saved map, given back, makes the same picture without the reference.
    alone = run("control", photo, "a bronze statue", "-c", "canny", "--save-map", "map.png", *painting, "-o", "one.png")
    again = run("control", "a bronze statue", "--map", "canny=map.png", *painting, "-o", "two.png")
    assert (alone.exit_code, again.exit_code) == (0, 0), alone.stderr + again.stderr
    assert np.array_equal(np.asarray(PIL.Image.open("one.png")), np.asarray(PIL.Image.open("two.png")))
    assert not np.array_equal(np.asarray(PIL.Image.open("one.png")), np.asarray(PIL.Image.open("statue.png")))


def test_several_pictures_and_image_to_image(run: Run, standard: None, photo: Path) -> None:
    size = ["--width", "64", "--height", "64", "--steps", "2"]
    result = run(
        *("control", photo, "snow", "-c", "canny", "--init", photo, "--strength", "0.5", "--num-images", "2", *size)
    )
    assert result.exit_code == 0, result.stderr
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == ["output-1.png", "output-2.png"]
    assert Path("output-2.png").is_file()


def test_a_part_repainted_under_control(run: Run, standard: None, hub: Path, photo: Path) -> None:
    PIL.Image.new("L", (64, 64), 255).save("all.png")
    model = ["--model", str(hub / "sd")]
    filled = ["--init", photo, "--mask", "all.png"]
    assert run("control", photo, "snow", "-c", "canny", *filled, "--steps", "3", *model).exit_code == 0
    again = run("control", photo, "--again", "output.png", *filled, "-o", "again.png", *model)
    assert again.stdout == "again.png: the same picture, pixel for pixel\n", again.stderr
    assert run("control", photo, "--again", "output.png", "--init", photo, *model).exit_code == 2


def test_painted_again(run: Run, standard: None, hub: Path, photo: Path) -> None:
    model = ["--model", str(hub / "sd")]
    painting = ["-c", "canny", "--steps", "2", "--save-map", "map.png", "-o", "statue.png"]
    assert run("control", photo, "a bronze statue", *painting, *model).exit_code == 0
    for source in ([photo], ["--map", "canny=map.png"]):
        again = run("control", *source, "--again", "statue.png", "-o", "again.png", *model)
        assert again.exit_code == 0, again.stderr
        assert again.stdout == "again.png: the same picture, pixel for pixel\n"
    wrong = run("control", photo, "a castle", "--again", "statue.png", *model)
    assert wrong.exit_code == 2
    assert "has its prompt already" in wrong.stderr
    alone = run("control", "--again", "statue.png", *model)
    assert alone.exit_code == 2
    assert "neither a reference picture nor a ready-made map" in alone.stderr


def test_options_that_would_be_ignored_are_refused(run: Run, photo: Path, standard: None) -> None:
    refused = [
        ("--map-only", "--steps", [photo, "--map-only", "-c", "canny", "--steps", "5"]),
        ("--again", "--seed", ["--again", photo, "--seed", "5"]),
        ("a prompt but no --init", "--strength", [photo, "a cat", "-c", "canny", "--strength", "0.5"]),
        ("a prompt but no --init", "--mask", [photo, "a cat", "-c", "canny", "--mask", photo]),
    ]
    for mode, option, arguments in refused:
        result = run("control", *arguments)
        assert (result.exit_code, f"With {mode} the option {option} has no use" in result.stderr) == (2, True)


def test_a_lora_file_under_control(run: Run, hub: Path, photo: Path, standard: None) -> None:
    tiny_lora(Path("ink.safetensors"), hub / "sd")
    painting = [photo, "a cat", "-c", "canny", "--steps", "2", "--seed", "1"]
    assert run("control", *painting, "-o", "plain.png").exit_code == 0
    assert run("control", *painting, "--lora", "ink.safetensors:0.5", "-o", "inked.png").exit_code == 0
    assert Path("plain.png").read_bytes() != Path("inked.png").read_bytes()
    again = run(
        "control", "--again", "inked.png", photo, "--lora", "ink.safetensors", "-m", hub / "sd", "-o", "same.png"
    )
    assert again.exit_code != 0 or "the same picture" in again.stdout


def test_a_black_map_is_told(run: Run, tmp_path: Path) -> None:
    usual = run(
        "control", str(real_media.photo("coffee")), "--map-only", "-c", "canny", "-o", str(tmp_path / "map.png")
    )
    assert "black" not in usual.stderr
    PIL.Image.new("RGB", (64, 64), "grey").save(tmp_path / "plain.png")
    made = run("control", str(tmp_path / "plain.png"), "--map-only", "-c", "canny", "-o", str(tmp_path / "map.png"))
    assert made.exit_code == 0
    assert "The canny map is as good as black" in made.stderr
