"""Files that are here already: carried by the package, or part of another checkpoint."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

import sensorium
from sensorium.errors import MissingDependencyError, ModelUnavailableError
from sensorium.models import catalog, local_files, store
from sensorium.models.catalog import Checkpoint, CheckpointFile, Part

CARRIED = "models/cards/blazepose.toml"
CONTENT = b"weights" * 1000


@pytest.fixture(autouse=True)
def empty_home(sensorium_home: Path) -> Path:
    return sensorium_home


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **_: Any) -> None:
        raise AssertionError(f"something was requested: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")


@pytest.fixture
def donor(monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    """A checkpoint of the catalog with one file."""
    checkpoint = Checkpoint("donor", "testing", files=(described("deep/weights.bin", CONTENT),))
    monkeypatch.setattr(local_files, "entries", lambda: [checkpoint, taker()])
    return checkpoint


def described(path: str, content: bytes, carried: str = "") -> CheckpointFile:
    parts = () if carried else (Part("little-parcel==1.0", "weights.bin"),)
    return CheckpointFile(path, len(content), hashlib.sha256(content).hexdigest(), parts, carried)


def taker() -> Checkpoint:
    """A checkpoint with a file of the package and the donor's."""
    own = (Path(sensorium.__file__).parent / CARRIED).read_bytes()
    files = (described("card.toml", own, CARRIED), described("part/model.bin", CONTENT))
    return Checkpoint("taker", "testing", files=files)


def give(root: Path, content: bytes = CONTENT) -> Path:
    path = root / "donor" / "deep" / "weights.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_files_that_are_here_are_put_together_without_network(donor: Checkpoint, empty_home: Path) -> None:
    assert not store.is_present(taker())
    given = give(empty_home / "checkpoints")
    assert store.is_present(taker())
    folder = store.locate(taker())
    assert (folder / "card.toml").read_bytes() == (Path(sensorium.__file__).parent / CARRIED).read_bytes()
    assert (folder / "part" / "model.bin").samefile(given)
    assert store.remove(taker()) == (Path(sensorium.__file__).parent / CARRIED).stat().st_size + len(
        store._sums(taker())
    )
    assert given.read_bytes() == CONTENT
    store.locate(taker())
    store.remove(donor)
    assert (folder / "part" / "model.bin").read_bytes() == CONTENT, "the one doesn't need the other to stay"


def test_a_file_system_without_links_gets_a_copy(
    donor: Checkpoint, empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EXDEV, "cross-device")

    monkeypatch.setattr(os, "link", refuse)
    given = give(empty_home / "checkpoints")
    made = store.locate(taker()) / "part" / "model.bin"
    assert made.read_bytes() == CONTENT
    assert not made.samefile(given)


def test_a_mirror_that_has_it_under_another_name(
    donor: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = give(tmp_path / "mirror")
    monkeypatch.setenv("SENSORIUM_MIRROR", str(tmp_path / "mirror"))
    assert not store.is_present(taker()), "it still has to be copied"
    made = store.locate(taker()) / "part" / "model.bin"
    assert made.read_bytes() == CONTENT
    assert not made.samefile(given), "a mirror may change"


def test_a_damaged_file_is_not_taken(donor: Checkpoint, empty_home: Path) -> None:
    give(empty_home / "checkpoints", CONTENT[:-1] + b"!")
    with pytest.raises(ModelUnavailableError, match=r"part/model\.bin does not have the expected sha256 sum"):
        store.locate(taker())
    assert not (empty_home / "checkpoints" / "taker").exists()


def test_what_is_nowhere_here_is_missed(donor: Checkpoint, empty_home: Path) -> None:
    with pytest.raises(
        ModelUnavailableError, match=r"'taker'.*offline mode is set, so nothing was requested"
    ) as caught:
        store.locate(taker())
    assert "sensorium models pull taker" in caught.value.remedy
    assert str(empty_home) in caught.value.remedy


def test_weights_of_the_same_size_from_another_version_are_replaced(donor: Checkpoint, empty_home: Path) -> None:
    give(empty_home / "checkpoints")
    folder = store.locate(taker())
    (folder / "card.toml").write_bytes(bytes((folder / "card.toml").stat().st_size))
    (folder / ".sums").write_text((folder / ".sums").read_text().replace("card.toml", "card.json"))
    shutil.rmtree(empty_home / "checkpoints" / "donor")
    assert store.is_present(taker()), "its own old folder has the other file"
    assert store.locate(taker()) == folder
    assert (folder / "card.toml").read_bytes().startswith(b"name")


@pytest.mark.parametrize("carried", ["models/cards/absent.toml", "models/cards/conse-starter.toml"])
def test_an_installation_that_lost_a_file_says_how_to_mend_it(carried: str, empty_home: Path) -> None:
    broken = Checkpoint("broken", "testing", files=(described("card.toml", b"something else", carried),))
    with pytest.raises(MissingDependencyError, match=f"whose file '{carried}' is missing or damaged") as caught:
        store.locate(broken)
    assert caught.value.remedy == "Install sensorium again: pip install --force-reinstall sensorium"
    assert not (empty_home / "checkpoints" / "broken").exists()


def test_the_package_carries_what_the_catalog_says() -> None:
    """The two belong together: ``training.starter_diffusion.ship`` writes both."""
    carried = [file for entry in catalog.entries() for file in entry.files if file.carried]
    assert carried
    for file in carried:
        content = (Path(sensorium.__file__).parent / file.carried).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size_bytes, file.sha256), file.carried
    assert sum(file.size_bytes for file in carried) < 60_000_000
