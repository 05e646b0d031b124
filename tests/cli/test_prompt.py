"""``sensorium prompt``: the chapter's example."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run, documents

CHAPTER = [
    "prompt",
    "a cat sitting on a window sill",
    *("--style", "realistic", "--detail", "fluffy fur", "--detail", "green eyes"),
    *("--lighting", "golden hour lighting, warm tones", "--camera", "shot on Canon EOS, shallow depth of field"),
    *("--negative", "cartoon", "--negative", "painting"),
]
POSITIVE = (
    "a cat sitting on a window sill, photorealistic, highly detailed, 8k uhd, dslr, fluffy fur, green eyes, "
    "golden hour lighting, warm tones, shot on Canon EOS, shallow depth of field, masterpiece, best quality"
)
NEGATIVE = "ugly, blurry, low quality, distorted, bad anatomy, extra limbs, disfigured, cartoon, painting"


def test_the_chapters_prompt(run: Run) -> None:
    assert run(*CHAPTER).stdout == f"Prompt: {POSITIVE}\nNegative: {NEGATIVE}\n"


def test_as_json(run: Run) -> None:
    assert documents(run(*CHAPTER, "--json").stdout) == [{"prompt": POSITIVE, "negative_prompt": NEGATIVE}]


def test_styles_of_your_own(run: Run, tmp_path: Path) -> None:
    (tmp_path / "styles.toml").write_text('[styles]\n"pixel art" = "16-bit"\n')
    result = run("prompt", "a cat", "--style", "pixel art", "--styles", tmp_path / "styles.toml")
    assert result.stdout.startswith("Prompt: a cat, 16-bit, ")
