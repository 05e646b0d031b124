"""What can't be imported is named, with the command that installs it; torchvision in the version that fits torch."""

from __future__ import annotations

import importlib
import importlib.metadata
from pathlib import Path

import pytest

from sensorium.errors import MissingDependencyError
from sensorium.models.extras import missing_packages_explained
from sensorium.models.torchvision import require_sound_torchvision, torchvision_remedy
from tests.refusals import refused


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (ModuleNotFoundError("No module named 'peft'", name="peft"), ("peft", "sensorium[torch]")),
        (ModuleNotFoundError("No module named 'kenlm.x'", name="kenlm.x"), ("kenlm", "not installed", "pip install")),
        (ImportError("X requires the GreatTokens library but it was not found"), ("greattokens", "pip install")),
        (ImportError("Loading it needs `pip install 'auto-round>=0.5'`"), ("auto-round", "pip install")),
        (ImportError("X requires the Torchvision library but it was not found"), ("pip install torchvision",)),
        (importlib.metadata.PackageNotFoundError("kenlm"), ("kenlm", "not installed")),
        (ImportError("libstrange.so.7: cannot open shared object file"), ("libstrange.so.7",)),
    ],
)
def test_any_import_error_is_told(error: ImportError, names: tuple[str, ...]) -> None:
    with refused(MissingDependencyError, "Reading it", *names), missing_packages_explained("Reading it"):
        raise error


def test_the_cause_is_told_not_what_came_of_it() -> None:
    with refused(MissingDependencyError, "kenlm"), missing_packages_explained("Reading it"):
        try:
            importlib.import_module("kenlm")
        except ImportError as error:
            raise ModuleNotFoundError("Could not import module 'LlamaConfig'") from error


@pytest.mark.parametrize(
    ("torch", "wanted"),
    [
        ("2.6.0", "pip install torchvision==0.21.0"),
        ("2.13.0+cpu", "torchvision==0.28.0 --index-url https://download.pytorch.org/whl/cpu"),
        ("2.9.1+cu128", "torchvision==0.24.1 --index-url https://download.pytorch.org/whl/cu128"),
        ("2.14.0a0+git1234", "built for torch 2.14.0a0+git1234"),
    ],
)
def test_the_torchvision_that_fits(torch: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: torch)
    assert wanted in torchvision_remedy()


def test_a_torchvision_that_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_sound_torchvision()
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms is missing')")
    (tmp_path / "torchvision-0.1.0.dist-info").mkdir()
    (tmp_path / "torchvision-0.1.0.dist-info" / "METADATA").write_text("Name: torchvision\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with refused(MissingDependencyError, "torchvision 0.1.0", importlib.metadata.version("torch"), "pip uninstall"):
        require_sound_torchvision()
