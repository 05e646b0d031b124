"""A LoRA by its hub id: fetched like a checkpoint, once, and on a server only used if it is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sensorium import TextToImage
from sensorium.engine.options import EngineOptions
from sensorium.engine.placement import place
from sensorium.errors import InputError, ModelUnavailableError
from sensorium.media.limits import Limits
from sensorium.models import catalog, store
from sensorium.models.adapter_repositories import choose_lora
from sensorium.models.weight_files import RefusedError
from sensorium.operations.image_generation import Imagine
from sensorium.server.pulling import known
from tests.checkpoints.diffusion import tiny_lora
from tests.models.local_index import serving
from tests.models.model_hub import ModelHub
from tests.refusals import refused

FEW: dict[str, Any] = {"steps": 2, "seed": 1}
USUAL = "pytorch_lora_weights.safetensors"


@pytest.fixture(scope="module")
def ink(stable_diffusion: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_lora(tmp_path_factory.mktemp("lora") / "ink.safetensors", stable_diffusion)


@pytest.fixture
def hub(ink: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    from huggingface_hub import constants

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    files = {
        "README.md": b"---\ntags: [lora]\nbase_model: org/base\n---\n",
        "ink.safetensors": ink.read_bytes(),
        "styles/oil.safetensors": b"another",
        "ink.bin": b"pickled",
    }
    with serving(ModelHub("org/ink-lora", files)) as site:
        assert isinstance(site, ModelHub)
        monkeypatch.setenv("HF_ENDPOINT", site.address)
        yield site


def test_it_is_fetched_once_and_painted_with(
    painter: TextToImage, stable_diffusion: Path, ink: Path, hub: ModelHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = painter.generate("a cat", lora=[(ink, 0.5)], **FEW)[0].tobytes()
    name = "org/ink-lora/ink.safetensors"
    assert painter.generate("a cat", lora=[(name, 0.5)], **FEW)[0].tobytes() == expected
    assert not [request for request in hub.requests if request.endswith((".bin", "oil.safetensors"))]
    asked = len(hub.requests)
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    careful = TextToImage(stable_diffusion, limits=Limits(allow_files=False))
    again = careful.generate("a cat <lora:ink:0.5>", lora=name, **FEW)[0]
    assert again.tobytes() == expected
    assert painter.paint_again(again.settings, lora=f"lora:{name}").tobytes() == expected
    assert len(hub.requests) == asked


def test_what_can_not_be_is_told_before_it_is_fetched(painter: TextToImage, hub: ModelHub) -> None:
    with refused(ModelUnavailableError, "org/ink-lora", "ink.safetensors", "styles/oil.safetensors"):
        painter.generate("a cat", lora="org/ink-lora", **FEW)
    with refused(ModelUnavailableError, "fog.safetensors", "ink.safetensors"):
        painter.generate("a cat", lora="org/ink-lora/fog.safetensors", **FEW)
    assert not [request for request in hub.requests if request.endswith("/ink.safetensors")]


def test_offline(painter: TextToImage, hub: ModelHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    with refused(ModelUnavailableError, "org/ink-lora", "offline", "sensorium models pull lora:org/ink-lora"):
        painter.generate("a cat", lora="org/ink-lora", **FEW)
    assert not hub.requests


def test_a_server_uses_what_it_has(hub: ModelHub) -> None:
    name = "org/ink-lora/ink.safetensors"
    operation = Imagine(prompt="a cat", lora=({"name": name},), model="painter-starter")
    alone = place(Imagine(prompt="a cat", model="painter-starter"), EngineOptions(), 0)
    with refused(ModelUnavailableError, name, f"sensorium models pull lora:{name}"):
        place(operation, EngineOptions(), 0)
    (checkpoint,) = known(f"lora:{name}")
    store.locate(checkpoint)
    assert place(operation, EngineOptions(), 0) == alone  # no second copy of the painter
    with refused(InputError, "lora:../ink"):
        known("lora:../ink")


def test_names_and_paths(painter: TextToImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    for path in ("ink.safetensors", "loras/ink.safetensors", "models/loras/ink.safetensors", "/tmp/no/ink", "../ink"):
        with refused(InputError, path, "Name the .safetensors file"):
            painter.generate("a cat", lora=path, **FEW)
    with refused(ModelUnavailableError, "lora:org/ink", "give this as its LoRA"):
        catalog.resolve("lora:org/ink", task="text-to-image")


@pytest.mark.parametrize(
    ("names", "wanted", "found"),
    [
        (["a.safetensors", "README.md"], [], "a.safetensors"),
        ([USUAL, "other.safetensors"], [], USUAL),
        (["a.safetensors", "x/b.safetensors"], ["x/b.safetensors"], "x/b.safetensors"),
        (["model_index.json", "a.safetensors"], ["a.safetensors"], "a.safetensors"),
    ],
)
def test_the_file_of_a_repository(names: list[str], wanted: list[str], found: str) -> None:
    assert choose_lora(names, wanted) == [found]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["model_index.json", "unet/a.safetensors"], "whole model"),
        (["learned_embeds.safetensors"], "textual inversion"),
        (["models/ip-adapter_sd15.safetensors"], "IP-Adapter"),
        (["pytorch_lora_weights.bin"], "pickled"),
        (["README.md"], "no safetensors"),
        (["a.safetensors", "b.safetensors"], "2 files"),
    ],
)
def test_repositories_without_the_file(names: list[str], told: str) -> None:
    with pytest.raises(RefusedError, match=told) as refusal:
        choose_lora(names)
    assert refusal.value.remedy
