"""A hub that refuses, fails or breaks off: the reason and what helps, and no byte of weights where none is of use."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from sensorium.errors import ModelUnavailableError
from sensorium.models import store
from sensorium.models.catalog import Checkpoint, CheckpointFile
from tests.models.model_hub import ModelHub

FROM_HUB = Checkpoint("org/model", "testing", repository="org/model")


def refusal() -> ModelUnavailableError:
    with pytest.raises(ModelUnavailableError) as refused:
        store.locate(FROM_HUB)
    assert not store.is_present(FROM_HUB)
    return refused.value


@pytest.mark.parametrize(
    ("status", "headers", "reason", "remedy"),
    [
        (401, {"X-Error-Message": "Invalid credentials in Authorization header"}, "a token that it knows", "HF_TOKEN"),
        (401, {"X-Error-Code": "RepoNotFound"}, "no such repository, or it is private", "HF_TOKEN"),
        (403, {}, "may not read this repository", "token"),
        (403, {"X-Error-Code": "GatedRepo"}, "must grant you access", "terms"),
        (404, {"X-Error-Code": "RepoNotFound"}, "no such repository", "name"),
        (404, {"X-Error-Code": "RevisionNotFound"}, "no such revision", "page"),
        (429, {"Retry-After": "1"}, "no more requests", "Wait 1 seconds"),
        (
            429,
            {"RateLimit": '"api";r=0;t=55', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'},
            "429",
            "Wait 55",
        ),
        (500, {}, "a failure of its own (500)", "Wait"),
    ],
)
def test_a_hub_that_refuses_says_why(
    hub: ModelHub, status: int, headers: dict[str, str], reason: str, remedy: str
) -> None:
    hub.refusal = (status, headers)
    refused = refusal()
    assert reason in refused.message
    assert remedy in refused.remedy


@pytest.mark.parametrize(
    ("stage", "status", "headers", "reason", "remedy"),
    [
        # Anybody may read the listing of a gated repository.
        ("resolve", 403, {"X-Error-Code": "GatedRepo"}, "must grant you access", "terms"),
        ("resolve", 404, {"X-Error-Code": "EntryNotFound"}, "no longer has a file", "Wait"),
        ("storage", 403, {}, "no longer good", "same command again"),
        ("storage", 500, {}, "a failure of its own (500)", "Wait"),
    ],
)
def test_a_file_that_the_hub_does_not_give(
    hub: ModelHub, stage: str, status: int, headers: dict[str, str], reason: str, remedy: str
) -> None:
    hub.files["model.safetensors"] = bytes(11_000_000)
    hub.refusals[stage] = (status, headers)
    refused = refusal()
    assert reason in refused.message
    assert remedy in refused.remedy
    assert "model.safetensors" not in hub.fetched() or stage == "storage"


def test_a_connection_that_drops_is_told_and_the_next_pull_goes_on(hub: ModelHub) -> None:
    weights = bytes(range(256)) * 80_000  # 20 MB
    hub.files["model.safetensors"] = weights
    hub.drops_at = len(weights) * 9 // 10
    refused = refusal()
    assert "connection broke off" in refused.message
    assert "goes on where it stopped" in refused.remedy
    hub.drops_at = 0
    hub.ranges.clear()
    assert (store.locate(FROM_HUB) / "model.safetensors").read_bytes() == weights
    assert len(hub.ranges) == 1


def test_of_a_partial_file_that_is_too_long_nothing_is_kept(hub: ModelHub, hub_cache: Path) -> None:
    weights = hub.files["model.safetensors"] = bytes(11_000_000)
    partial = hub_cache / "models--org--model" / "blobs" / f"{hashlib.sha256(weights).hexdigest()}.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(bytes(12_000_000))
    assert (store.locate(FROM_HUB) / "model.safetensors").read_bytes() == weights


def test_a_cache_that_can_not_be_written_to_is_told(hub: ModelHub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setenv("HF_HUB_CACHE", "/sys/hub")  # where not even root may write
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "/sys/hub")
    refused = refusal()
    assert "cache can't be written to" in refused.message
    assert "HF_HOME" in refused.remedy


def test_a_cache_that_is_complete_is_only_read(hub: ModelHub, hub_cache: Path, sensorium_home: Path) -> None:
    store.locate(FROM_HUB)
    hub.requests.clear()
    places = [place for folder in (hub_cache, sensorium_home) for place in (folder, *folder.rglob("*"))]
    before = {place: place.lstat().st_mtime_ns for place in places}
    assert store.locate(FROM_HUB).is_dir()
    assert {place: place.lstat().st_mtime_ns for place in before} == before
    assert hub.requests == []


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors"])
def test_a_small_file_that_arrives_damaged_is_fetched_again(hub: ModelHub, name: str) -> None:
    hub.files["tokenizer.json"] = b'{"words": 1}'
    hub.files["model.safetensors"] = bytes(range(256)) * 25_000  # 6 MB: with a sum of its own, below the large ones
    hub.damaged.add(name)
    refused = refusal_of_damage()
    assert f"{name} arrived damaged" in refused.message
    hub.damaged.clear()
    assert (store.locate(FROM_HUB) / name).read_bytes() == hub.files[name]


def refusal_of_damage() -> ModelUnavailableError:
    with pytest.raises(ModelUnavailableError) as refused:
        store.locate(FROM_HUB)
    return refused.value


def test_what_can_not_become_usable_is_refused_before_a_byte_is_fetched(hub: ModelHub) -> None:
    index = b'{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}'
    hub.files = {"config.json": b"{}", "model-00001-of-00002.safetensors": bytes(1000)}
    hub.files["model.safetensors.index.json"] = index
    refused = refusal()
    assert "model-00002-of-00002.safetensors" in refused.message
    assert "complete" in refused.remedy
    assert set(hub.fetched()) == {"config.json", "model.safetensors.index.json"}


def test_a_file_that_is_not_the_catalog_s_is_refused_before_it_is_fetched(hub: ModelHub) -> None:
    hub.files["model.safetensors"] = bytes(6_000_000)
    other = CheckpointFile("model.safetensors", 6_000_000, hashlib.sha256(b"other").hexdigest())
    with pytest.raises(ModelUnavailableError, match=r"model\.safetensors does not have the expected sha256 sum"):
        store.locate(replace(FROM_HUB, files=(other,)))
    assert hub.fetched() == []


def test_what_other_programs_left_out_because_it_is_needless_is_not_missed(hub: ModelHub) -> None:
    hub.files |= {"onnx/config.json": b"{}", "onnx/model.onnx": bytes(10), "README.md": b"# A model"}
    folder = store.locate(FROM_HUB)
    assert not (folder / "onnx").exists()
    (folder / "README.md").unlink()
    assert store.is_present(FROM_HUB)
    (folder / "tokenizer.json").unlink()
    assert not store.is_present(FROM_HUB)
