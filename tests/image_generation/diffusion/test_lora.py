"""LoRA files that don't fit, and that shared weights are as before whatever happens."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file, save_file

from sensorium import TextToImage
from sensorium.errors import CancelledError, InputError
from sensorium.media.limits import Limits
from sensorium.media.source import resolve
from tests.checkpoints.diffusion import tiny_lora
from tests.refusals import refused


@pytest.fixture(scope="module")
def lora(stable_diffusion: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_lora(tmp_path_factory.mktemp("lora") / "ink.safetensors", stable_diffusion)


def test_several_files_with_weights(painter: TextToImage, stable_diffusion: Path, lora: Path, tmp_path: Path) -> None:
    other = tiny_lora(tmp_path / "other.safetensors", stable_diffusion, seed=1)
    before = painter.generate("a cat", steps=2, seed=1)[0].tobytes()
    combinations = [[(lora, 1.0)], [(lora, 0.5)], [(other, 1.0)], [(lora, 1.0), (other, 1.0)]]
    pictures = [painter.generate("a cat", steps=2, seed=1, lora=pairs)[0].tobytes() for pairs in combinations]
    assert len({before, *pictures}) == 5
    assert painter.generate("a cat", steps=2, seed=1, lora=[(lora, 0.0)])[0].tobytes() == before
    assert painter.generate("a cat", steps=2, seed=1)[0].tobytes() == before


def test_files_that_were_sent(painter: TextToImage, stable_diffusion: Path, lora: Path, tmp_path: Path) -> None:
    """They have no suffix, and are opened where paths are refused."""
    kept = tmp_path / "kept"
    kept.write_bytes(lora.read_bytes())
    inked = painter.generate("a cat", steps=2, seed=1, lora=lora)[0].tobytes()
    careful = TextToImage(stable_diffusion, limits=Limits(allow_files=False))
    for sent in (resolve(kept), replace(resolve(kept), name="ink.safetensors"), lora.read_bytes()):
        picture = careful.generate("a cat", steps=2, seed=1, lora=[(sent, 1.0)])[0]
        assert picture.tobytes() == inked
    again = careful.paint_again(picture.settings, lora=replace(resolve(kept), name="ink.safetensors"))
    assert again.tobytes() == inked
    assert again.settings.loras[0]["name"] == "ink.safetensors"


def test_a_call_that_is_cancelled_takes_them_off_again(painter: TextToImage, lora: Path) -> None:
    before = painter.generate("a cat", steps=2, seed=1)[0].tobytes()
    cancel = threading.Event()
    with pytest.raises(CancelledError):
        painter.generate("a cat", steps=2, lora=lora, progress=lambda _: cancel.set(), cancel=cancel)
    assert painter.generate("a cat", steps=2, seed=1)[0].tobytes() == before


@pytest.mark.parametrize("kind", ["text", "pickle", "empty"])
def test_files_that_are_no_safetensors(painter: TextToImage, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "style.safetensors"
    if kind == "pickle":
        torch.save({"weight": torch.zeros(1)}, file)
    else:
        file.write_text("hello, this is no LoRA" if kind == "text" else "")
    with refused(InputError, "style.safetensors", "never opened"):
        painter.generate("a cat", steps=1, lora=file)
    with refused(InputError, "11"):
        painter.generate("a cat", steps=1, lora=[(file, 11)])


def test_files_of_another_family(painter: TextToImage, lora: Path, tmp_path: Path) -> None:
    before = painter.generate("a cat", steps=2, seed=1)[0].tobytes()
    wider = {name: torch.cat([tensor, tensor], -1) for name, tensor in load_file(lora).items()}
    save_file(wider, tmp_path / "wider.safetensors")
    save_file({"transformer.layer.lora_A.weight": torch.zeros(4, 8)}, tmp_path / "flux.safetensors")
    for name in ("wider.safetensors", "flux.safetensors"):
        with refused(InputError, name, "StableDiffusionPipeline"):
            painter.generate("a cat", steps=1, lora=tmp_path / name)
    assert painter.generate("a cat", steps=2, seed=1)[0].tobytes() == before


def test_nothing_is_written_to_the_terminal(
    painter: TextToImage, lora: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    painter.generate("a cat, " * 100, steps=1, lora=lora)
    assert capfd.readouterr() == ("", "")


def test_what_is_no_file_and_weight(painter: TextToImage, lora: Path) -> None:
    wrong: list[Any] = [[lora], [(lora, "much")], [(lora,)]]
    for given in wrong:
        with refused(InputError, "LoRA"):
            painter.generate("a cat", steps=1, lora=given)
    with refused(InputError, "lora", "5"):
        painter.generate("a cat", steps=1, lora=cast("Any", 5))
