"""PromptEngineer writes, to the letter, what the chapter's own code writes."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from sensorium.errors import InputError
from sensorium.image_generation.prompt_engineer import PromptEngineer

EXAMPLES = Path(__file__).parents[2] / "examples"


class ChapterPromptEngineer:
    """The chapter's code, copied: the reference that ours is compared with."""

    def __init__(self):
        self.style_keywords = {
            "realistic": "photorealistic, highly detailed, 8k uhd, dslr",
            "anime": "anime style, manga, Studio Ghibli",
            "oil painting": "oil painting, impressionist, brushstrokes",
            "3d_render": "3d render, octane render, unreal engine",
            "watercolor": "watercolor painting, soft colors",
        }
        self.quality_boosters = [
            "masterpiece",
            "best quality",
            "highly detailed",
            "professional",
        ]
        self.negative_common = [
            "ugly", "blurry", "low quality", "distorted",
            "bad anatomy", "extra limbs", "disfigured"
        ]  # fmt: skip

    def build_prompt(self, subject, style="realistic", details=None, lighting=None, camera=None):
        parts = [subject]
        if style in self.style_keywords:
            parts.append(self.style_keywords[style])
        if details:
            parts.extend(details)
        if lighting:
            parts.append(lighting)
        if camera:
            parts.append(camera)
        parts.extend(self.quality_boosters[:2])
        prompt = ", ".join(parts)
        return prompt

    def get_negative_prompt(self, additional=None):
        negatives = self.negative_common.copy()
        if additional:
            negatives.extend(additional)
        return ", ".join(negatives)


def test_attributes_are_the_chapters() -> None:
    ours, chapter = PromptEngineer(), ChapterPromptEngineer()
    assert list(ours.style_keywords.items())[:5] == list(chapter.style_keywords.items())
    assert ours.quality_boosters == chapter.quality_boosters
    assert ours.negative_common == chapter.negative_common


def test_every_prompt_equals_the_chapters() -> None:
    ours, chapter = PromptEngineer(), ChapterPromptEngineer()
    subjects = ["a cat sitting on a window sill", "一只猫", "two dogs, one ball"]
    details = [None, [], ["fluffy fur", "green eyes"], ("snow",)]
    lightings = [None, "", "golden hour lighting, warm tones"]
    cameras = [None, "shot on Canon EOS, shallow depth of field"]
    for subject, style, detail, lighting, camera in itertools.product(
        subjects, chapter.style_keywords, details, lightings, cameras
    ):
        expected = chapter.build_prompt(subject, style, detail, lighting, camera)
        assert ours.build_prompt(subject, style, detail, lighting, camera) == expected
    assert ours.build_prompt("a cat") == chapter.build_prompt("a cat")
    assert ours.build_prompt("a cat", style=None) == chapter.build_prompt("a cat", style=None)


def test_negative_prompts_equal_the_chapters() -> None:
    ours, chapter = PromptEngineer(), ChapterPromptEngineer()
    for additional in (None, [], ["cartoon", "painting"]):
        assert ours.get_negative_prompt(additional) == chapter.get_negative_prompt(additional)


def test_the_library_has_many_styles_each_with_negative_words() -> None:
    engineer = PromptEngineer()
    assert len(engineer.style_keywords) >= 35
    assert list(engineer.style_keywords) == list(engineer.style_negatives)
    for name in engineer.style_keywords:
        words, negative = (text.split(", ") for text in (engineer.style_keywords[name], engineer.style_negatives[name]))
        assert len(set(words)) == len(words) > 1, name
        assert len(set(negative)) == len(negative) > 2, name
        assert not set(words) & set(negative), name


def test_negative_words_by_style() -> None:
    engineer = PromptEngineer()
    common = engineer.get_negative_prompt()
    assert engineer.get_negative_prompt(style="black and white").startswith(f"{common}, color, sepia, ")
    assert engineer.get_negative_prompt("text", style="Black_and-White").endswith(", painting, text")
    # Nothing is said twice.
    said = engineer.get_negative_prompt(["cartoon", "painting"], style="realistic").split(", ")
    assert said.count("cartoon") == said.count("painting") == 1
    engineer.style_keywords["mine"] = "my style"
    assert engineer.get_negative_prompt(style="mine") == common
    with pytest.raises(InputError, match="There is no style 'nonesuch'"):
        engineer.get_negative_prompt(style="nonesuch")


def test_one_string_is_one_phrase_not_its_letters() -> None:
    assert PromptEngineer().build_prompt("a cat", details="green eyes").split(", ").count("green eyes") == 1
    assert PromptEngineer().get_negative_prompt("cartoon").endswith("disfigured, cartoon")


def test_a_style_is_found_whatever_its_spelling() -> None:
    engineer = PromptEngineer()
    for spelling in ("oil painting", "oil_painting", "Oil-Painting"):
        assert "impressionist" in engineer.build_prompt("a ship", style=spelling)
    assert "octane" in engineer.build_prompt("a ship", style="3D render")


def test_an_unknown_style_is_an_error_that_names_the_styles() -> None:
    with pytest.raises(InputError) as raised:
        PromptEngineer().build_prompt("a ship", style="watercolour")
    assert "did you mean 'watercolor'" in str(raised.value)
    assert "'sensorium prompt --list-styles' shows" in str(raised.value)


@pytest.mark.parametrize("subject", ["", "  \n"])
def test_an_empty_subject_is_an_error(subject: str) -> None:
    with pytest.raises(InputError, match="no subject"):
        PromptEngineer().build_prompt(subject)


def test_users_add_styles_by_attribute_and_by_file(tmp_path: Path) -> None:
    engineer = PromptEngineer()
    engineer.style_keywords["woodcut"] = "woodcut, coarse lines"
    assert engineer.build_prompt("a ship", style="woodcut").startswith("a ship, woodcut, coarse lines, ")
    assert "woodcut" not in PromptEngineer().style_keywords

    own = tmp_path / "own.toml"
    own.write_text(
        'quality_boosters = ["sharp", "clean", "new"]\n[styles]\nink = "ink drawing"\nanime = "flat colours"\n'
        '[negative]\nink = "color, paint"\n'
    )
    engineer = PromptEngineer(own)
    assert engineer.build_prompt("a ship", style="ink") == "a ship, ink drawing, sharp, clean"
    assert engineer.build_prompt("a ship", style="anime") == "a ship, flat colours, sharp, clean"
    assert engineer.get_negative_prompt(style="ink").endswith(", disfigured, color, paint")
    assert "watercolor" in engineer.style_keywords
    assert engineer.negative_common == PromptEngineer().negative_common
    own.write_bytes(b'\xef\xbb\xbf[styles]\r\nink = "ink drawing"\r\n')  # as editors on Windows write it
    assert PromptEngineer(own).style_keywords["ink"] == "ink drawing"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[styles\n", "not valid TOML"),
        ("[styles]\nink = 3\n", r"no table \[styles\] from name to words"),
        ("[negative]\nanime = 3\n", r"no table \[negative\] from name to words"),
        ('[negative]\nink = "paint"\n', "'ink', which is no style"),
        ('quality_boosters = "sharp"\n', "not a list of strings"),
        ("[style]\n", "unknown part 'style'"),
    ],
)
def test_a_wrong_styles_file_is_an_error(tmp_path: Path, text: str, reason: str) -> None:
    own = tmp_path / "own.toml"
    own.write_text(text)
    with pytest.raises(InputError, match=reason):
        PromptEngineer(own)
    with pytest.raises(InputError, match="can't be read"):
        PromptEngineer(tmp_path / "absent.toml")


def test_the_chapters_example_runs() -> None:
    example = [sys.executable, EXAMPLES / "prompt_engineer.py"]
    result = subprocess.run(example, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "Prompt: a cat sitting on a window sill, photorealistic, highly detailed, 8k uhd, dslr, fluffy fur, "
        "green eyes, golden hour lighting, warm tones, shot on Canon EOS, shallow depth of field, masterpiece, "
        "best quality",
        "Negative: ugly, blurry, low quality, distorted, bad anatomy, extra limbs, disfigured, cartoon, painting",
    ]
