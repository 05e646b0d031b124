"""``imagine``, ``edit`` and ``control`` as they are after installation: with the starter, without network."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import PIL.Image
import pytest

from sensorium import TextToImage
from sensorium.image_generation.text_to_image import read_settings
from sensorium.models import catalog, store
from tests import real_media
from tests.cli.conftest import Program, Run, documents

UNKNOWN = "The checkpoint 'painter-starter' knows "
REMEDY = "'sensorium models pull stable-diffusion-2-1', then use --profile standard."


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> Iterator[None]:
    with TextToImage():
        yield


@pytest.fixture(autouse=True)
def easel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a photograph; no request may be made."""
    shutil.copy(real_media.photo("coffee"), tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    return tmp_path


def test_the_program_paints_and_paints_again(program: Program, easel: Path, measured: Callable[[str], None]) -> None:
    begun = time.perf_counter()
    result = program("imagine", "a cartoon of a red car", "--seed", "7", "-o", "car.png")
    measured(f"sensorium imagine, with its start: {time.perf_counter() - begun:.1f} s")
    assert (result.returncode, result.stdout) == (0, "car.png: 64×64, seed 7\n"), result.stderr
    assert "never saw" not in result.stderr
    again = program("imagine", "--again", "car.png", "-o", "same.png")
    assert again.stdout == "same.png: the same picture, pixel for pixel\n", again.stderr
    assert (easel / "car.png").read_bytes() == (easel / "same.png").read_bytes()
    with PIL.Image.open("car.png") as picture:
        assert picture.text["prompt"] == "a cartoon of a red car"  # type: ignore[attr-defined]
        assert picture.text["model"] == "painter-starter"  # type: ignore[attr-defined]


def test_time_for_a_picture(run: Run, measured: Callable[[str], None]) -> None:
    begun = time.perf_counter()
    assert run("imagine", "a tree", "--num-images", "3", "-o", "tree.png").exit_code == 0
    measured(f"painter-starter: {(time.perf_counter() - begun) / 3:.1f} s a picture")


def test_all_three_commands_say_what_the_starter_never_saw(run: Run, easel: Path) -> None:
    few = ["--steps", "2", "-o", "out.png"]
    for command in (
        ["imagine", "a (Cathedral:1.3)", *few],
        ["edit", "photo.png", "a cathedral", *few],
        ["control", "photo.png", "a cathedral", "-c", "canny", *few],
    ):
        result = run(*command, "--json")
        assert result.exit_code == 0, result.output
        note = " ".join(result.stderr.split())
        assert UNKNOWN in note
        assert f"'cathedral' is not among them. Pull a larger checkpoint: {REMEDY}" in note
        assert documents(result.stdout)[0]["model"] == "painter-starter"
        assert read_settings(easel / "out.png").model == "painter-starter"
        (easel / "out.png").unlink()


def test_what_it_knows_needs_no_note(run: Run) -> None:
    for command in (
        ["imagine", "Clip art of two cups of coffee on a blue background"],
        ["edit", "photo.png", "a photo of a cup of coffee"],
        ["control", "photo.png", "cups of coffee, flat style", "-c", "canny"],
    ):
        result = run(*command, "--steps", "2", "-o", "out.png")
        assert result.exit_code == 0, result.output
        assert "painter-starter" not in result.stderr


def test_edges_again(run: Run) -> None:
    painting = ["a flat drawing of a cup of coffee", "-c", "canny", "--seed", "5", "--steps", "4"]
    assert run("control", "photo.png", *painting, "-o", "cup.png", "--save-map", "edges.png").exit_code == 0
    for source in (["photo.png"], ["--map", "canny=edges.png"]):
        result = run("control", *source, "--again", "cup.png", "-o", "same.png")
        assert result.stdout == "same.png: the same picture, pixel for pixel\n", result.output


def test_right_after_installation(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a home where only the image-text encoder is, pulling the painter makes no request."""
    conse = catalog.named("conse-starter")
    source = store.locate(conse)
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path / "home"))
    shutil.copytree(source, tmp_path / "home" / "checkpoints" / conse.name)
    pulled = run("models", "pull", "painter-starter", "painter-starter-canny", "--json")
    assert [document["fetched"] for document in documents(pulled.stdout)] == [False, False], pulled.output
    assert run("imagine", "a cat", "--steps", "1", "-o", "cat.png").exit_code == 0
    freed = documents(run("models", "remove", "painter-starter", "--json").stdout)[0]["freed_bytes"]
    assert 20_000_000 < freed < 60_000_000, "what it shares with the encoder stays"
    assert run("models", "remove", "conse-starter").exit_code == 0
    missing = run("imagine", "a cat", "-o", "cat.png")
    assert missing.exit_code == 3
    assert "sensorium models pull painter-starter" in missing.stderr
