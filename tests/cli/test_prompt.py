"""``sensorium prompt``: the chapter's example, styles, variations, tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkpoints import diffusion
from tests.cli.conftest import Run, documents

CHAPTER = [
    "prompt",
    "a cat sitting on a window sill",
    *("--style", "realistic", "--detail", "fluffy fur", "--detail", "green eyes"),
    *("--lighting", "golden hour lighting, warm tones", "--camera", "shot on Canon EOS, shallow depth of field"),
    *("--negative", "cartoon", "--negative", "text"),
]
POSITIVE = (
    "a cat sitting on a window sill, photorealistic, highly detailed, 8k uhd, dslr, fluffy fur, green eyes, "
    "golden hour lighting, warm tones, shot on Canon EOS, shallow depth of field, masterpiece, best quality"
)
NEGATIVE = (
    "ugly, blurry, low quality, distorted, bad anatomy, extra limbs, disfigured, cartoon, painting, illustration, "
    "3d render, plastic skin, oversaturated, text"
)
END = "photorealistic, highly detailed, 8k uhd, dslr, masterpiece, best quality"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return diffusion.tiny_stable_diffusion(tmp_path_factory.mktemp("hub") / "tiny-sd")


def test_the_chapters_prompt(run: Run) -> None:
    assert run(*CHAPTER).stdout == f"Prompt: {POSITIVE}\nNegative: {NEGATIVE}\n"


def test_as_json(run: Run) -> None:
    assert documents(run(*CHAPTER, "--json").stdout) == [{"prompt": POSITIVE, "negative_prompt": NEGATIVE}]


def test_styles_of_your_own(run: Run, tmp_path: Path) -> None:
    (tmp_path / "styles.toml").write_text('[styles]\n"rough" = "16-bit"\n[negative]\n"rough" = "smooth"\n')
    result = run("prompt", "a cat", "--style", "rough", "--styles", tmp_path / "styles.toml")
    assert result.stdout.startswith("Prompt: a cat, 16-bit, ")
    assert result.stdout.endswith("disfigured, smooth\n")
    listed = documents(run("prompt", "--list-styles", "--json", "--styles", tmp_path / "styles.toml").stdout)
    assert listed[-1] == {"style": "rough", "prompt": "16-bit", "negative_prompt": "smooth"}


def test_the_list_of_styles(run: Run) -> None:
    lines = run("prompt", "--list-styles").stdout.splitlines()
    assert lines[:3] == [
        "realistic",
        "  photorealistic, highly detailed, 8k uhd, dslr",
        "  Negative: cartoon, painting, illustration, 3d render, plastic skin, oversaturated",
    ]
    assert len(lines) >= 3 * 35


def test_variations(run: Run, tmp_path: Path) -> None:
    (tmp_path / "colour.txt").write_text("red\nblue\n")
    choices = ["prompt", "a {small|large} __colour__ car", "--wildcards", tmp_path]
    everything = run(*choices, "--all-variations").stdout.splitlines()
    assert everything[:2] == [f"Prompt: a small red car, {END}", f"Prompt: a small blue car, {END}"]
    assert [line.partition(":")[0] for line in everything] == ["Prompt"] * 4 + ["Negative"]
    drawn = run(*choices, "--variations", 3, "--seed", 5).stdout.splitlines()
    assert len(drawn) == 5
    assert set(drawn[:3]) < set(everything)
    assert drawn[4] == "Seed: 5"
    assert run(*choices, "--seed", 5).stdout.splitlines()[0] == drawn[0]
    found = documents(run(*choices, "--variations", 3, "--seed", 5, "--json").stdout)
    assert [f"Prompt: {document['prompt']}" for document in found] == drawn[:3]
    assert {document["seed"] for document in found} == {5}
    unchosen = run("prompt", "a {small|large} car").stdout
    assert unchosen.startswith("Prompt: a {small|large} car, ")


def test_tokens(run: Run, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("prompt", "a (cat:1.3)", "--tokens", "--model", checkpoint)
    assert "Tokens: " in result.stdout
    assert "(tiny-sd, tokenizer, reads 75 at once" in result.stdout
    long = "cat " * 75 + "Bird"
    (document,) = documents(run("prompt", long, "--model", checkpoint, "--json").stdout)
    assert document["tokens"]["counts"][0]["beyond"].startswith("Bird, photorealistic, ")
    assert document["tokens"]["chunks"] > 1
    assert "beyond it: Bird, photorealistic, " in run("prompt", long, "--model", checkpoint).stdout
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", f"stable-diffusion-2-1={checkpoint}")
    assert "(tiny-sd, tokenizer" in run("prompt", "a cat", "--tokens", "--profile", "standard").stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "has no subject"),
        (["  "], "has no subject"),
        (["a cat", "--variations", "0"], "There can't be 0 variations"),
        (["a cat", "--variations", "10001"], "There can't be 10,001 variations"),
        (["a cat", "--variations", "2", "--all-variations"], "exclude each other"),
        (["a {red|green cat", "--variations", "2"], "opens a brace that is never closed"),
        (["a __colour__ cat", "--all-variations"], "no folder of wildcards is named"),
        (["a __colour__ cat", "--seed", "1", "--wildcards", "absent"], "There is no such folder"),
        (["{a|b}" * 10, "--all-variations"], "more than 1,000 variations"),
        (["a cat", "--style", "watercolour"], "did you mean 'watercolor'"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(run: Run, arguments: list[str], reason: str) -> None:
    result = run("prompt", *arguments)
    assert result.exit_code == 2
    assert reason in result.stderr.replace("\n", " ")
    assert result.stdout == ""
