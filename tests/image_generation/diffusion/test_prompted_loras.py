"""``<lora:name:weight>`` in a prompt puts on a file of the call or of the user's own folder, and is no text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sensorium import ControlNetGenerator, TextToImage
from sensorium.errors import InputError, UnsupportedError
from sensorium.image_generation.prompts.tokens import count_tokens
from sensorium.media.limits import Limits
from sensorium.media.source import resolve
from tests.checkpoints.diffusion import tiny_lora
from tests.refusals import refused

FEW: dict[str, Any] = {"steps": 2, "seed": 1}


@pytest.fixture(scope="module")
def folder(stable_diffusion: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("loras")
    tiny_lora(place / "ink.safetensors", stable_diffusion)
    tiny_lora(place / "styles" / "Oil v1.2.safetensors", stable_diffusion, seed=1)
    return place


@pytest.fixture
def own_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SENSORIUM_LORAS", str(folder))
    return folder


def test_names_of_the_folder(painter: TextToImage, own_folder: Path) -> None:
    oil = own_folder / "styles" / "Oil v1.2.safetensors"
    pairs = [(own_folder / "ink.safetensors", 0.8), (oil, -0.5)]
    expected = painter.generate("a cat, oil", lora=pairs, **FEW)[0]
    painted = painter.generate("a cat, oil <lora:ink:0.8><lyco:oil V1.2:-0.5>", **FEW)[0]
    assert painted.tobytes() == expected.tobytes()
    assert painted.settings.prompt == "a cat, oil"
    assert [(each["name"], each["weight"]) for each in painted.settings.loras] == [
        ("ink.safetensors", 0.8),
        ("Oil v1.2.safetensors", -0.5),
    ]
    assert painter.paint_again(painted.settings).tobytes() == expected.tobytes()
    plain = painter.generate("a cat, oil", **FEW)[0]
    assert plain.tobytes() != expected.tobytes()
    whole = painter.generate("a cat, oil", lora=own_folder / "ink.safetensors", **FEW)[0]
    for prompt in ("a cat, oil <lora:ink>", "a cat, oil<lora:ink:0.5><lora:ink:0.5>"):
        assert painter.generate(prompt, **FEW)[0].tobytes() == whole.tobytes()


def test_names_of_files_that_were_given(painter: TextToImage, folder: Path) -> None:
    """The weight of the tag counts; what no tag names is as it was given."""
    ink, oil = folder / "ink.safetensors", folder / "styles" / "Oil v1.2.safetensors"
    expected = painter.generate("a cat", lora=[(ink, 0.3), (oil, 0.7)], **FEW)[0].tobytes()
    given = [(replace(resolve(ink), name="mine/ink.safetensors"), 1.0), (oil, 0.7)]
    assert painter.generate("a cat <lora:ink:0.3>", lora=given, **FEW)[0].tobytes() == expected


def test_the_order_of_files_does_not_matter(painter: TextToImage, folder: Path) -> None:
    ink, oil = folder / "ink.safetensors", folder / "styles" / "Oil v1.2.safetensors"
    for one, other in (
        ([(ink, 0.3), (oil, 0.7)], [(oil, 0.7), (ink, 0.3)]),
        ([(ink, 0.25), (ink, 0.5)], [(ink, 0.75)]),
    ):
        assert len({painter.generate("a cat", lora=pairs, **FEW)[0].tobytes() for pairs in (one, other)}) == 1


def test_where_files_can_not_be_named(stable_diffusion: Path, painter: TextToImage, own_folder: Path) -> None:
    careful = TextToImage(stable_diffusion, limits=Limits(allow_files=False))
    inked = painter.generate("a cat", lora=own_folder / "ink.safetensors", **FEW)[0].tobytes()
    assert careful.generate("a cat <lora:ink:1>", **FEW)[0].tobytes() == inked
    for name in ("inc", "../loras/ink", str(own_folder / "ink"), "styles/Oil v1.2"):
        with refused(InputError, f"<lora:{name}:1>") as refusal:
            careful.generate(f"a cat <lora:{name}:1>", **FEW)
        assert str(own_folder) not in str(refusal.value).replace(f"<lora:{name}:1>", "")


@pytest.mark.parametrize(
    ("prompt", "negative", "kind", "names"),
    [
        ("a cat <lora:inc:0.8>", "", InputError, ("<lora:inc:0.8>", "'ink'", "loras")),
        ("a cat <lora:ink:much>", "", InputError, ("<lora:ink:much>", "0.8")),
        ("a cat <lora:ink:0.5:0.8>", "", InputError, ("<lora:ink:0.5:0.8>",)),
        ("a cat <lora:ink:20>", "", InputError, ("ink.safetensors", "20")),
        ("a cat", "fog <lora:ink:1>", InputError, ("<lora:ink:1>", "negative prompt")),
        ("a cat <hypernet:ink:1>", "", UnsupportedError, ("<hypernet:ink:1>", "hypernetwork")),
        ("<lora:ink:1>", "", InputError, ("The prompt is empty",)),
    ],
)
def test_tags_that_are_refused(
    painter: TextToImage, own_folder: Path, prompt: str, negative: str, kind: type[Any], names: tuple[str, ...]
) -> None:
    with refused(kind, *names):
        painter.generate(prompt, negative, **FEW)


def test_without_a_folder(painter: TextToImage, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with refused(InputError, "<lora:oil:1>", "SENSORIUM_LORAS"):
        painter.generate("a cat <lora:oil:1>", **FEW)
    with refused(InputError, "<lora:oil:1>", "ink", "SENSORIUM_LORAS"):
        painter.generate("a cat <lora:oil:1>", lora=folder / "ink.safetensors", **FEW)
    monkeypatch.setenv("SENSORIUM_LORAS", str(folder / "absent"))
    with refused(InputError, "SENSORIUM_LORAS", "absent"):
        painter.generate("a cat <lora:oil:1>", **FEW)


def test_two_files_of_one_name(
    painter: TextToImage, stable_diffusion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("a", "b"):
        tiny_lora(tmp_path / place / "ink.safetensors", stable_diffusion)
    monkeypatch.setenv("SENSORIUM_LORAS", str(tmp_path))
    with refused(InputError, "2 files", "'ink'"):
        painter.generate("a cat <lora:ink:1>", **FEW)


def test_tags_are_no_tokens(stable_diffusion: Path) -> None:
    counted = [count_tokens(prompt, stable_diffusion).counts[0].tokens for prompt in ("a cat", "a cat <lora:ink:0.8>")]
    assert counted[0] == counted[1]


def test_tags_under_control(stable_diffusion: Path) -> None:
    with ControlNetGenerator(stable_diffusion) as generator, refused(InputError, "<lora:ink:1>"):
        generator.generate(None, "a cat <lora:ink:1>", "canny")
