"""LoRA files and embeddings give the same with ``--server`` as without: sent, or by their names in folders."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import PIL.Image
import pytest
import torch
from safetensors.torch import save_file

from tests.checkpoints.diffusion import tiny_lora, tiny_stable_diffusion
from tests.cli.conftest import Run
from tests.server.conftest import served

MODEL = "org/tiny"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A server that has a tiny checkpoint of the hub and both folders; the checkpoint is here, too."""
    from huggingface_hub import constants

    folder = tmp_path_factory.mktemp("painting")
    place = folder / "hub" / "models--org--tiny"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("abc")
    checkpoint = tiny_stable_diffusion(place / "snapshots" / "abc")
    tiny_lora(folder / "loras" / "ink.safetensors", checkpoint)
    (folder / "embeddings").mkdir()
    save_file({"emb_params": torch.randn(2, 32)}, folder / "embeddings" / "bad-hands-5.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
        for name, value in (
            ("HF_HUB_CACHE", "hub"),
            ("SENSORIUM_LORAS", "loras"),
            ("SENSORIUM_EMBEDDINGS", "embeddings"),
        ):
            patch.setenv(name, str(folder / value))
        patch.setenv("SENSORIUM_OFFLINE", "1")
        with served(folder / "data", "--no-preload") as (address, _):
            yield SimpleNamespace(address=address, folder=folder)


def test_files_and_names(run: Run, there: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(there.folder / "loras", tmp_path / "mine")
    shutil.copy(there.folder / "embeddings" / "bad-hands-5.safetensors", tmp_path / "mine" / "hands.safetensors")
    server = ["--server", there.address]
    files = ["--lora", "mine/ink.safetensors=0.5", "--embedding", "mine/hands.safetensors"]
    pictures = []
    for number, (prompt, negative, *options) in enumerate(
        (
            ("a cat", "hands", *files),
            ("a cat", "hands", *files, *server),
            ("a cat <lora:ink:0.5>", "bad-hands-5", *server),
            ("a cat <lora:ink:0.5>", "bad-hands-5", "--lora", "mine/ink.safetensors", *server),
            ("a cat", "bad-hands-5", "--lora", "ink=0.5", *server),
        )
    ):
        few = ["-n", negative, "--steps", "2", "--seed", "1", "-m", MODEL, "-o", f"{number}.png"]
        result = run("imagine", prompt, *few, *options)
        assert result.exit_code == 0, result.output
        pictures.append(PIL.Image.open(f"{number}.png").tobytes())
    assert len(set(pictures)) == 1
    again = run("imagine", "--again", "2.png", "-m", MODEL, "-o", "same.png", *server)
    assert "the same picture" in again.stdout, again.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a cat <lora:inc:0.5>"], ("<lora:inc:0.5>", "'ink'")),
        (["a cat <lora:../loras/ink:0.5>"], ("<lora:../loras/ink:0.5>",)),
        (["a cat", "--lora", "inc"], ("'inc'", "'ink'")),
        (["a cat", "--lora", "org/ink"], ("lora:org/ink", "models pull", "where the server runs")),
    ],
)
def test_what_is_not_there(run: Run, there: SimpleNamespace, arguments: list[str], told: tuple[str, ...]) -> None:
    result = run("imagine", *arguments, "-m", MODEL, "--server", there.address)
    assert result.exit_code != 0
    assert all(word in result.stderr for word in told), result.stderr
    assert str(there.folder) not in result.stderr
