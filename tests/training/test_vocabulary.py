"""What an export says that its checkpoint knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorium.image_generation.prompts.vocabulary import read_vocabulary, words_of
from sensorium.models.catalog import Checkpoint
from tests.training.shapes import STYLES, shape_settings, write_shapes
from training.starter_diffusion import phrases, vocabulary
from training.starter_diffusion.configuration import tomllib
from training.starter_diffusion.pictures import Pictures
from training.starter_diffusion.text_states import captions_of

CONCEPTS = Path(vocabulary.__file__).with_name("concepts.toml")
CHECKPOINT = Checkpoint(name="shapes", task="text-to-image")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    return Pictures(write_shapes(tmp_path_factory.mktemp("data") / "shapes.zip", shape_settings()))


def test_every_caption_of_training_is_known_and_what_was_hidden_is_not(shapes: Pictures, tmp_path: Path) -> None:
    settings = shape_settings()
    vocabulary.write(tmp_path, shapes.manifest, settings)
    read = read_vocabulary(tmp_path, CHECKPOINT)
    assert read is not None
    assert set(read.things.values()) == set(shapes.manifest.vocabulary)
    for caption in captions_of(shapes.manifest, settings):
        assert read.notes(caption, CHECKPOINT) == ()
    for hidden in shapes.manifest.hidden_concepts:
        (note,) = read.notes(f"a {hidden}", CHECKPOINT)
        assert f"'{words_of(hidden)[-1]}'" in note
    assert {word for style in STYLES for word in words_of(style)} <= read.words


def test_other_names_lead_to_things_and_are_none_themselves() -> None:
    table = tomllib.loads(CONCEPTS.read_text(encoding="utf-8"))
    assert set(table["synonyms"].values()) <= set(table["things"])
    assert not set(table["synonyms"]) & set(table["things"])
    plurals = {phrases.plural(name) for name in table["things"]}
    assert not set(table["synonyms"]) & plurals
