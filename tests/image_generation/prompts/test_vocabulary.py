"""What a small painter never saw is told, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sensorium.errors import ModelUnavailableError
from sensorium.image_generation.prompts.vocabulary import Vocabulary, read_vocabulary, words_of
from sensorium.models.catalog import Checkpoint

CHECKPOINT = Checkpoint(name="little", task="text-to-image")
TABLE = {
    "things": {
        "cat": ["cats"],
        "mouse": ["mice"],
        "orange": ["oranges"],
        "t-shirt": ["t-shirts"],
        "Christmas tree": ["Christmas trees"],
        "cup of coffee": ["cups of coffee"],
        "cherries": [],
    },
    "synonyms": {"kitten": "cat", "kittens": "cat", "coffee": "cup of coffee", "cherry": "cherries"},
    "words": [
        *(
            "a",
            "an",
            "flat",
            "drawing",
            "of",
            "3d",
            "render",
            "clip",
            "art",
            "style",
            "on",
            "background",
            "red",
            "small",
        ),
        *("two", "in", "the", "top", "left", "corner", "cat", "cats", "coffee", "tree", "orange", "and"),
    ],
}


@pytest.fixture
def vocabulary(tmp_path: Path) -> Vocabulary:
    (tmp_path / "vocabulary.json").write_text(json.dumps(TABLE))
    read = read_vocabulary(tmp_path, CHECKPOINT)
    assert read is not None
    return read


@pytest.mark.parametrize(
    "prompt",
    [
        "cat",
        "A flat drawing of a small RED cat, on a red background.",
        "two mice in the top left corner",
        "clip art of an orange and a t-shirt",
        "the CATS",
        "the cat’s photo, highly detailed, best quality",
        "a photograph of a christmas tree, 3d style",
        "(cat:1.3), ((two)) [cups of coffee]",
        "an orange cat next to the Christmas trees",
        "cherries",
    ],
)
def test_what_it_knows_needs_no_note(vocabulary: Vocabulary, prompt: str) -> None:
    assert vocabulary.notes(prompt, CHECKPOINT) == ()


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        (
            "a photo of a cathedral",
            "knows 7 everyday things; 'cathedral' is not among them. Pull a larger checkpoint: ",
        ),
        ("(Cathedrals:1.3), 3d style", "knows 7 everyday things; 'cathedrals' is not among them. "),
        ("a cathedral by a river", "knows 7 everyday things; 'cathedral' and 'river' are not among them. "),
        ("a red background", "knows 7 everyday things, and the prompt names none of them. "),
        ("a tree", "knows 7 everyday things, and the prompt names none of them. "),
        ("a fluffy cat", "never saw the word 'fluffy'. "),
        ("a fluffy cat, fluffy, sleeping on the moon", "never saw the words 'fluffy', 'sleeping' and 'moon'. "),
        ("cat one1 one2 one3 one4 one5 one6", "never saw the words 'one1', 'one2', 'one3', 'one4' and 2 more. "),
        ("a cat " + "x" * 500, f"never saw the word '{'x' * 30}…'. "),
        ("一只猫", "knows 7 everyday things; '一只猫' is not among them. "),
    ],
)
def test_what_it_never_saw_is_told(vocabulary: Vocabulary, prompt: str, sentence: str) -> None:
    (note,) = vocabulary.notes(prompt, CHECKPOINT)
    assert note.startswith(f"The checkpoint 'little' {sentence}")
    assert note.endswith("'sensorium models pull stable-diffusion-2-1', then use --profile standard")


def test_what_reads_english_only_says_so(vocabulary: Vocabulary) -> None:
    (note,) = vocabulary.notes("eine Kathedrale", replace(CHECKPOINT, languages=("en",)))
    assert "knows 7 everyday things by their English names; 'eine' and 'kathedrale' are not among them" in note


@pytest.mark.parametrize(
    ("prompt", "said", "known"),
    [
        ("a kitten", "kitten", "cat"),
        ("two kittens", "kittens", "cat"),
        ("coffee on a red tree", "coffee", "cup of coffee"),
    ],
)
def test_another_name_gets_the_one_that_it_learned(vocabulary: Vocabulary, prompt: str, said: str, known: str) -> None:
    assert vocabulary.notes(prompt, CHECKPOINT) == (
        f"The checkpoint 'little' learned '{known}', not '{said}': write that",
    )


def test_another_name_and_a_word_never_seen_are_two_notes(vocabulary: Vocabulary) -> None:
    learned, unseen = vocabulary.notes("a kitten in a cathedral", CHECKPOINT)
    assert "learned 'cat'" in learned
    assert "never saw the word 'cathedral'" in unseen


def test_hyphens_hide_nothing_that_it_knows(vocabulary: Vocabulary) -> None:
    assert vocabulary.notes("a red-cat", CHECKPOINT) == ()
    assert vocabulary.notes("a red T-shirt and a christmas-tree", CHECKPOINT) == ()
    (note,) = vocabulary.notes("a fire-cat", CHECKPOINT)
    assert "never saw the word 'fire'" in note


def test_sizes_that_it_never_saw_are_told(vocabulary: Vocabulary) -> None:
    for size in ((64, 64), (96, 72), (112, 40)):
        assert vocabulary.size_notes(size, 64, CHECKPOINT) == ()
    for size in ((512, 512), (128, 64), (64, 1024), (8, 8)):
        (note,) = vocabulary.size_notes(size, 64, CHECKPOINT)
        assert "learned to paint 64×64 pixels" in note
        assert f"{size[0]}×{size[1]}" in note


def test_words() -> None:
    assert words_of("The Cat's T-shirt, (3D) — ice_cream’s") == ["the", "cat", "t-shirt", "3d", "ice", "cream"]
    assert words_of("—, (:) 1.3") == ["1", "3"]


def test_most_checkpoints_have_none(tmp_path: Path) -> None:
    assert read_vocabulary(tmp_path, CHECKPOINT) is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"things": [], "synonyms": {}, "words": []}', '{"things": {"cat": 1}}']
)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "vocabulary.json").write_text(text)
    with pytest.raises(ModelUnavailableError, match=r"its vocabulary\.json is damaged") as caught:
        read_vocabulary(tmp_path, CHECKPOINT)
    assert "sensorium models pull little" not in caught.value.message
