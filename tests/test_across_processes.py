"""Whatever a call returns, tells or raises goes to another process: by pickle, and by JSON."""

from __future__ import annotations

import inspect
import json
import pickle
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import numpy as np
import PIL.Image
import pytest

import sensorium
from sensorium import record
from sensorium.answer import Answer, Evidence, Usage
from sensorium.errors import InputError, SensoriumError
from sensorium.image_generation.controlnet import ControlledImages
from sensorium.image_generation.generated_image import GeneratedImage, GeneratedImages, read_settings
from sensorium.image_generation.picture_settings import PictureSettings
from sensorium.image_generation.prompts.variations import PromptVariations
from sensorium.language.messages import MediaPart, TextPart, Turn
from sensorium.record import Record
from sensorium.retrieval.results import Match, Matches
from sensorium.vision_language.classification import Classification, LabelScore

NOT_AS_JSON = {
    "VideoFrame": "is a decoded picture, which nobody returns to a caller who asked for JSON",
    "Scene": "holds the network's raw output, by which the starter answers; its facts go as Evidence",
    "GeneratedImage": "goes as JSON, and has a test of its own, for pictures are not compared like other values",
    "GeneratedImages": "likewise",
    "ControlledImages": "likewise",
}


def classes() -> Iterator[type[Any]]:
    """Give every class of the package that makes documents of itself."""
    root = Path(*sensorium.__path__)
    for path in sorted(root.rglob("*.py")):
        if re.search(r"def to_dict|Record[,)]|Error\):", path.read_text(encoding="utf-8")):
            name = ".".join(("sensorium", *path.relative_to(root).with_suffix("").parts))
            for item in vars(import_module(name)).values():
                if inspect.isclass(item) and item.__module__ == name and hasattr(item, "to_dict"):
                    yield item


CLASSES = [each for each in classes() if each is not Record]
RECORDS = [each for each in CLASSES if issubclass(each, Record)]
AS_JSON = [each for each in RECORDS if each.__name__ not in NOT_AS_JSON]
OTHERS: dict[str, Any] = {
    "Classification": Classification(
        [LabelScore("cat", 0.75), LabelScore("dog", 0.25)], model="m", sure=True, scoring="softmax"
    ),
    "PromptVariations": PromptVariations(["a red car", "a green car"], seed=3),
    "Answer": Answer(
        "A cat.",
        model="m",
        evidence=(Evidence("tag", "cat", 0.5),),
        confidence=0.25,
        seed=3,
        finish_reason="length",
        usage=Usage(3, 4),
    ),
    "TextPart": TextPart("What is this?"),
    "MediaPart": MediaPart("image", "https://example.org/cat.png"),
    "Turn": Turn("user", (MediaPart("audio", "data:audio/wav;base64,UklGRg=="), TextPart("What is said?"))),
    "Matches": Matches([Match(Path("cat.png"), "image", None, 0.5)], model="m"),
}


def example(kind: Any) -> Any:
    """Return a value of a type, such as no default is."""
    origin, inside = get_origin(kind), get_args(kind)
    if isinstance(kind, TypeVar):
        return example(kind.__bound__)
    if origin in (Union, UnionType):
        return example(next(each for each in inside if each is not type(None)))
    if origin is Literal:
        return inside[-1]
    if origin is tuple:
        return tuple(example(each) for each in (inside if inside[-1:] != (Ellipsis,) else (inside[0],) * 2))
    if origin is list:
        return [example(inside[0])] * 2
    if origin in (dict, Mapping):
        return {"name": example(inside[1])}
    if origin is np.ndarray:
        return np.arange(6, dtype=get_args(inside[1])[0]).reshape(2, 3)
    if inspect.isclass(origin or kind) and issubclass(origin or kind, Record):
        return example_of(origin or kind)
    simple = {str: "a text", int: 3, float: 0.1, bool: True, Path: Path("a/file.png"), Any: {"deep": [1, None]}}
    return simple[kind]


def example_of(kind: type[Record]) -> Any:
    """Return a record with other values than its defaults."""
    return kind(**{name: example(each) for name, each in record._kinds(kind).items()})


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal, and of the same types all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other)) and vars_of(one) == vars_of(other)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return bool(one == other) and vars_of(one) == vars_of(other)


def vars_of(value: Any) -> dict[str, Any]:
    return getattr(value, "__dict__", {})


def test_all_results_are_here() -> None:
    assert len(RECORDS) > 35
    names = {each.__name__ for each in CLASSES if not issubclass(each, (Record, SensoriumError))}
    assert names - NOT_AS_JSON.keys() == OTHERS.keys()


@pytest.mark.parametrize("kind", AS_JSON, ids=lambda e: e.__name__)
def test_records_survive_pickle_and_json(kind: type[Record]) -> None:
    result = example_of(kind)
    assert same(pickle.loads(pickle.dumps(result)), result)
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert same(kind.from_dict(document), result)
    assert same(kind.from_dict({**document, "of_a_later_version": 1}), result)
    for wrong in ({name: object() for name in document}, {"text": 5}, [], None):
        with pytest.raises(InputError):
            kind.from_dict(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("result", OTHERS.values(), ids=OTHERS.keys())
def test_lists_with_an_origin_survive_pickle_and_json(result: Any) -> None:
    assert same(pickle.loads(pickle.dumps(result)), result)
    document = json.loads(json.dumps(result.to_dict()))
    assert same(type(result).from_dict(document), result)
    if isinstance(result, (list, Answer)):
        for wrong in ({name: object() for name in document}, dict.fromkeys(document, 5), {}, [], None):
            with pytest.raises(InputError):
                type(result).from_dict(wrong)  # type: ignore[arg-type]


ERRORS = [each for each in CLASSES if issubclass(each, SensoriumError)]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda each: each.__name__)
def test_errors_survive_pickle_and_json(kind: type[SensoriumError]) -> None:
    error = kind("It can't sing", "Let it speak")
    for twin in (
        pickle.loads(pickle.dumps(error)),
        SensoriumError.from_dict(json.loads(json.dumps(error.to_dict()))),
    ):
        assert type(twin) is kind
        assert (twin.message, twin.remedy, str(twin)) == (error.message, error.remedy, str(error))


@pytest.mark.parametrize("wrong", [{}, {"type": "InputError"}, {"type": [], "message": "a", "remedy": ""}, [], None])
def test_a_document_of_no_error_is_refused(wrong: Any) -> None:
    with pytest.raises(InputError) as refusal:
        SensoriumError.from_dict(wrong)
    assert refusal.value.remedy


def test_an_error_of_an_unknown_type_is_one_of_ours_all_the_same() -> None:
    error = SensoriumError.from_dict({"type": "LaterError", "message": "It can't sing", "remedy": "Let it speak"})
    assert type(error) is SensoriumError
    assert str(error) == "It can't sing. Let it speak."


LORA = {"name": "x", "sha256": "12", "weight": 0.5}
EMBEDDING = {"name": "y", "sha256": "34", "word": "z"}


def painted(seed: int) -> GeneratedImage:
    settings = PictureSettings("text-to-image", "a cat", "", seed, 8, 8, "m", loras=(LORA,), embeddings=(EMBEDDING,))
    return GeneratedImage.of(PIL.Image.new("RGB", (8, 8), (seed, 0, 0)), settings)


def test_painted_pictures_survive_pickle_json_and_files_with_their_settings(tmp_path: Path) -> None:
    maps = (PIL.Image.new("RGB", (8, 8), (7, 7, 7)),)
    for pictures in (
        GeneratedImages([painted(1), painted(2)], withheld=1, notes=("One word was not read",)),
        ControlledImages([painted(1)], notes=("A note",), control_images=maps),
    ):
        for twins in (
            pickle.loads(pickle.dumps(pictures)),
            type(pictures).from_dict(json.loads(json.dumps(pictures.to_dict()))),
        ):
            assert type(twins) is type(pictures)
            assert twins.to_dict() == pictures.to_dict()
            assert [twin.tobytes() for twin in twins] == [picture.tobytes() for picture in pictures]
            assert all(type(twin) is GeneratedImage for twin in twins)
            if isinstance(twins, ControlledImages):
                assert [twin.tobytes() for twin in twins.control_images] == [maps[0].tobytes()]
    painted(5).save(tmp_path / "picture.png")
    document = json.loads(json.dumps(painted(5).settings.to_dict()))
    assert same(PictureSettings.from_dict(document), read_settings(tmp_path / "picture.png"))
