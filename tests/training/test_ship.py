"""The command that puts trained weights into the package."""

from __future__ import annotations

import hashlib
import shutil
from importlib.resources import files as package_files
from pathlib import Path

import pytest

from sensorium.models.catalog import parse_files, tomllib
from training.starter_diffusion import ship


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with the two catalog entries as they are."""
    folder = tmp_path / "sensorium" / "models" / "cards"
    folder.mkdir(parents=True)
    for name in ship.PARTS:
        shutil.copy(str(package_files("sensorium.models").joinpath("cards", f"{name}.toml")), folder)
    return tmp_path / "sensorium"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A folder with every file that an export has, each with its own content."""
    for name, parts in ship.PARTS.items():
        for part in parts:
            path = tmp_path / "checkpoint" / (ship.CONTROL if name == ship.NETWORK else "") / part
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} {part}")
    return tmp_path / "checkpoint"


def test_weights_and_catalog_say_the_same(package: Path, checkpoint: Path) -> None:
    sizes = ship.ship(checkpoint, package)
    carried = {}
    for name, parts in ship.PARTS.items():
        card = (package / "models" / "cards" / f"{name}.toml").read_text(encoding="utf-8")
        files = {file.path: file for file in parse_files(tomllib.loads(card)["files"])}
        assert set(files) == {*parts, *(ship.SHARED if name == ship.PAINTER else ())}
        for file in files.values():
            assert bool(file.carried) != bool(file.parts)
            if file.carried:
                content = (package / file.carried).read_bytes()
                assert content == f"{name} {file.path}".encode()
                assert (file.size_bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
                carried[file.carried] = file.size_bytes
    assert carried == sizes


def test_shipping_again_replaces_and_keeps_the_cards(package: Path, checkpoint: Path) -> None:
    cards = package / "models" / "cards"
    before = {path.name: path.read_text(encoding="utf-8").partition("[[files]]")[0] for path in cards.iterdir()}
    ship.ship(checkpoint, package)
    first = {path.name: path.read_text(encoding="utf-8") for path in cards.iterdir()}
    old = package / "image_generation" / "data" / "painter_starter" / "unet" / "of an earlier one.safetensors"
    old.write_text("old")
    ship.ship(checkpoint, package)
    assert first == {path.name: path.read_text(encoding="utf-8") for path in cards.iterdir()}
    assert {name: text.partition("[[files]]")[0] for name, text in first.items()} == before
    assert not old.exists()


def test_half_an_export_is_refused_and_nothing_is_changed(package: Path, checkpoint: Path) -> None:
    (checkpoint / ship.CONTROL / "config.json").unlink()
    before = {path: path.read_bytes() for path in package.rglob("*") if path.is_file()}
    with pytest.raises(SystemExit, match=r"not complete: .*controlnet-canny/config\.json$"):
        ship.ship(checkpoint, package)
    assert {path: path.read_bytes() for path in package.rglob("*") if path.is_file()} == before
