from __future__ import annotations

import ast
import inspect
import io
import re
import threading
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any, Literal, Optional, Protocol, TypedDict, Unpack
from unittest.mock import Mock

import numpy as np
import PIL.Image
import pytest

import sensorium
from sensorium.arguments import annotations_of, checked
from sensorium.errors import InputError
from sensorium.models import store

NO_DEFAULT = {"ControlNetGenerator": "stable-diffusion-v1-5", "TextToImage": "stable-diffusion-2-1"} | {
    "SpeakerDiarization": "nemotron-3-diarization"
}
"""Systems that the starter profile may have no checkpoint for, and a catalog name for each."""


def public_callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Give every public function, constructor and method that takes arguments, with its full name."""
    for name in sensorium.__all__:
        item = getattr(sensorium, name)
        if inspect.isfunction(item):
            yield name, item
        if not inspect.isclass(item) or issubclass(item, Exception):
            continue
        for method, function in inspect.getmembers(item, inspect.isroutine):
            if method == "__init__" or not method.startswith("_"):
                yield f"{name}.{method}", inspect.unwrap(getattr(function, "__func__", function))


ARGUMENTS = [
    pytest.param(name, argument, annotation, id=f"{name}({argument})")
    for name, function in public_callables()
    for argument, annotation in annotations_of(function).items()
    if annotation
]

WRONG = {
    "str": [5, b"bytes", ["a", "list"]],
    "int": ["x", 2.5, True],
    "int | str": [2.5, True, [1]],
    "float": ["hot", True],
    "bool": ["yes", 1],
    "str | Sequence[str]": [5, ["cat", 5], {"cat": 1}],
    "Sequence[str]": ["cat", 5, ["cat", None]],
    "Iterable[str] | str": [5, {"cat": 1}],
    "float | Sequence[float]": ["1", [1.0, "1"]],
    "Sequence[Message]": [
        "Hello",
        [5],
        [{"role": 5}],
        [{"role": "user", "content": 7}],
        {"role": "user", "content": "Hello"},
    ],
    "ImageSource": [5, ["cat.png"]],
    "ImageSource | Sequence[ImageSource]": [5, ["cat.png", 5]],
    "MediaSource": [5, ["film.mp4"]],
    "AudioSource": [5, ["speech.wav"]],
    "Mapping[str, MediaSource]": ["anna.wav", {"Anna": 5}],
    "Literal['query', 'document']": [5, "words"],
    "str | os.PathLike[str]": [5, b"bytes"],
    "Mapping[str, str | os.PathLike[str]]": ["canny", {"canny": 5}, {5: "canny"}],
    "LoraFiles": [5],
    "EmbeddingFiles": [5],
    "IPAdapter | Sequence[IPAdapter]": [5, "style.jpg", ["style.jpg"]],
    "ProgressCallback": [5, "print"],
    "WarningCallback": [5, "print"],
    "Cancellation": [True, 5],
    "Limits": [{"max_bytes": 5}],
}
"""For annotations, and for each of them with ``| None``, values of other types."""


@pytest.fixture(autouse=True)
def _nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> Path:
        raise AssertionError("a checkpoint was looked for")

    monkeypatch.setattr(store, "locate", refuse)


def bound(name: str, folder: Path) -> Callable[..., Any]:
    """Return a public function, constructor, or method of a new object."""
    owner, _, method = name.partition(".")
    item = getattr(sensorium, owner)
    if method in ("", "__init__"):
        return item  # type: ignore[no-any-return]
    if owner == "SearchIndex":
        return getattr(item(folder), method)  # type: ignore[no-any-return]
    if owner == "Conversation":
        return getattr(item(PIL.Image.new("RGB", (8, 8))), method)  # type: ignore[no-any-return]
    model = [NO_DEFAULT[owner]] if owner in NO_DEFAULT else []
    return getattr(item(*model), method)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("name", "argument", "annotation"), ARGUMENTS)
def test_arguments_of_a_wrong_type_are_named_before_anything_is_loaded(
    name: str, argument: str, annotation: str, tmp_path: Path
) -> None:
    allowed = annotation.removesuffix(" | None")
    wrong = [object(), *WRONG.get(allowed, ())]
    if allowed == annotation:
        wrong.append(None)
    call = bound(name, tmp_path)
    for value in wrong:
        with pytest.raises(InputError, match=rf"The argument {argument} can't be .* Give ") as refusal:
            call(**{argument: value})
        assert f"of type {type(value).__name__}" in refusal.value.message


def test_all_public_arguments_have_annotations() -> None:
    for name, function in public_callables():
        assert {argument for argument, text in annotations_of(function).items() if text is None} <= {"self", "cls"}, (
            name
        )


def test_nearly_all_annotations_have_wrong_values_of_their_own() -> None:
    known = [parameters.values[2].removesuffix(" | None") in WRONG for parameters in ARGUMENTS]
    assert len(known) > 200
    assert sum(known) > 0.9 * len(known)


def resolve(name: str, module: str) -> Any:
    """Return what a name means in a module, also one that it imports or makes for the type checker alone."""
    for node in ast.parse(inspect.getsource(import_module(module))).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for each in node.body:
                if isinstance(each, ast.ImportFrom) and name in {alias.name for alias in each.names}:
                    return resolve(name, str(each.module))
    return getattr(import_module(module), name, None)


def test_what_is_taken_for_a_class_is_one() -> None:
    looked_at = set()
    for _, function in public_callables():
        names = {name for text in annotations_of(function).values() for name in re.findall(r"[A-Z]\w+", text or "")}
        known = {name: item for name in names if (item := resolve(name, function.__module__)) is not None}
        looked_at |= known.keys()
        namespace = {**function.__globals__, **known}
        resolved = FunctionType(function.__code__, namespace, function.__name__, None, function.__closure__)
        resolved.__annotations__ = function.__annotations__
        resolved.__kwdefaults__ = function.__kwdefaults__
        checked(resolved)  # would refuse an alias or a protocol that it doesn't know
    assert looked_at > {"ImageSource", "LoraFiles", "Limits", "LLaVA"}


@checked
def everything(
    text: str = "",
    whole: int = 1,
    number: float = 1.0,
    truth: bool = False,
    several: float | list[float] | None = None,
    labels: str | list[str] | None = None,
    picture: ImageSource | None = None,  # noqa: F821 - a name is all that is needed
    sound: AudioSource | None = None,  # noqa: F821
    path: str | os.PathLike[str] | None = None,  # noqa: F821
    progress: ProgressCallback | None = None,  # noqa: F821
    cancel: Cancellation | None = None,  # noqa: F821
    lora: LoraFiles = (),  # noqa: F821
    embeddings: EmbeddingFiles = (),  # noqa: F821
) -> str:
    """Say that it was called."""
    return "called"


@pytest.mark.parametrize(
    "arguments",
    [
        {"text": np.str_("cat")},
        {"whole": np.int64(3), "number": np.float32(0.5), "truth": np.bool_(True)},
        {"number": 2, "several": [1, 0.5]},
        {"several": np.array([0.5, 1.0])},
        {"labels": ("cat", "dog")},
        {"labels": np.array(["cat", "dog"])},
        {"labels": {"cat", "dog"}},
        {"labels": {"cat": 1}.keys()},
        {"picture": PIL.Image.new("L", (8, 8))},
        {"picture": np.zeros((8, 8, 3), np.uint8)},
        {"picture": b"bytes", "sound": bytearray(b"bytes")},
        {"picture": io.BytesIO(b"bytes"), "sound": np.zeros(5, np.float32)},
        {"picture": Path("cat.png"), "path": Path("cat.png"), "sound": "cat.wav"},
        {"progress": print, "cancel": threading.Event()},
        {"lora": "style.safetensors"},
        {"lora": [(Path("style.safetensors"), 1)]},
        {"lora": iter([("style.safetensors", 0.5)])},
        {"embeddings": ["bad.safetensors", (Path("hands.safetensors"), "hands")]},
        {"labels": None},
    ],
)
def test_what_stands_for_the_named_type_passes(arguments: dict[str, Any]) -> None:
    assert everything(**arguments) == "called"


def test_a_checked_function_keeps_its_signature_and_its_words() -> None:
    assert everything.__doc__ == "Say that it was called."
    assert list(inspect.signature(everything).parameters)[:3] == ["text", "whole", "number"]


def test_positional_arguments_are_looked_at_too() -> None:
    with pytest.raises(InputError, match=r"whole can't be 'one', which is of type str\. Give a whole number"):
        everything("text", "one")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [np.array(5), np.array("cat")])
def test_an_array_without_a_length_is_no_list(value: Any) -> None:
    with pytest.raises(InputError, match="The argument labels can't be"):
        everything(labels=value)


def test_a_value_is_shown_in_a_few_words() -> None:
    with pytest.raises(InputError) as refusal:
        everything(text=["a very long list"] * 1000)  # type: ignore[arg-type]
    assert len(str(refusal.value)) < 200


def test_a_value_that_cannot_be_shown_is_refused_all_the_same() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(InputError, match="The argument text can't be this object, which is of type Shy"):
        everything(text=Shy())  # type: ignore[arg-type]


@checked
def several(
    labels: str | Sequence[str],  # noqa: F821
    pictures: ImageSource | Sequence[ImageSource] = "cat.png",  # noqa: F821
    weights: float | Sequence[float] = 1.0,  # noqa: F821
    turns: Sequence[Message] = (),  # noqa: F821
    model: LanguageModel | str | None = None,  # noqa: F821
) -> tuple[Any, ...]:
    """Return what came."""
    return labels, pictures, weights, turns, model


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["cat", "dog"]),
        {"cat": 1, "dog": 2}.keys(),
        {1: "cat", 2: "dog"}.values(),
        (label for label in ("cat", "dog")),
        map(str.lower, ("CAT", "DOG")),
        deque(["cat", "dog"]),
    ],
    ids=lambda labels: type(labels).__name__,
)
def test_a_collection_or_an_iterator_comes_as_a_list(labels: Any) -> None:
    assert several(labels)[0] == ["cat", "dog"]
    assert type(several(labels=["cat"])[0]) is list


def test_what_an_iterator_yields_is_looked_at() -> None:
    with pytest.raises(InputError, match=r"labels can't be <generator .* of type generator and holds 5 of type int"):
        several(label for label in ("cat", 5))  # type: ignore[arg-type]


def test_what_is_one_thing_is_not_made_a_list() -> None:
    array, file = np.zeros((2, 2, 3)), io.BytesIO(b"bytes")
    assert several("cat", array)[1] is array
    assert several("cat", file)[1] is file
    assert several("cat", {"front": array}.values())[1] == [array]
    assert several("cat", weights=np.array([0.5, 1.0]))[2] == [0.5, 1.0]


def test_other_fields_of_a_turn_may_be_anything() -> None:
    turns = [{"role": "user", "content": "Hello", "refusal": None, "tool_calls": []}]
    assert several("cat", turns=turns)[3] is turns  # type: ignore[arg-type]


def test_an_object_that_stands_in_for_another_passes() -> None:
    model = Mock(spec=sensorium.LanguageModel)
    assert several("cat", model=model)[4] is model


def test_of_a_list_the_first_wrong_item_is_named() -> None:
    with pytest.raises(
        InputError, match=r"of type list and holds None of type NoneType\. Give text or a list of texts"
    ):
        several(["cat", None, 5])  # type: ignore[list-item]


def test_a_whole_float_is_shown_as_a_whole_number() -> None:
    with pytest.raises(InputError, match=r"whole can't be 512\.0, which is of type float\. Give .*, such as 512"):
        everything(whole=512.0)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"Give a whole number\.$"):
        everything(whole=float("nan"))  # type: ignore[arg-type]


def test_only_the_beginning_of_a_value_is_put_into_words() -> None:
    shown = []

    class Counted:
        def __repr__(self) -> str:
            shown.append(self)
            return "counted"

    with pytest.raises(InputError):
        several([Counted() for _ in range(1000)])  # type: ignore[list-item]
    assert len(shown) < 20
    many = [b"x" * 10_000_000, None]
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="holds None"):
            several("cat", pictures=many)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_wrong_items_of_iterables_are_refused_where_they_are_read(tmp_path: Path) -> None:
    for call in (sensorium.SearchIndex(tmp_path).add, sensorium.SearchIndex(tmp_path).remove):
        with pytest.raises(InputError, match="type int"):
            call([5])  # type: ignore[list-item]
    prompts = sensorium.PromptEngineer()
    with pytest.raises(InputError, match="type int"):
        prompts.build_prompt("a cat", details=[5])  # type: ignore[list-item]
    with pytest.raises(InputError, match="type int"):
        prompts.get_negative_prompt([5])  # type: ignore[list-item]


def test_numbers_of_numpy_come_as_python_s() -> None:
    def types(*, whole: int, number: float, truth: bool, weights: float | list[float]) -> list[type]:
        return [type(each) for each in (whole, number, truth, *weights)]  # type: ignore[misc]

    given = {"whole": np.int64(3), "number": np.float32(0.5), "truth": np.bool_(True)}
    for weights in (np.array([0.5]), [np.float32(0.5)]):
        assert checked(types)(**given, weights=weights) == [int, float, bool, float]


def test_what_goes_by_name_only_is_not_taken_for_what_came_without() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        sensorium.CLIP().encode_text("a cat", "a dog")  # type: ignore[misc]


class Options(TypedDict, total=False):
    steps: int
    strength: float | None
    labels: str | Sequence[str]  # noqa: F821


class MoreOptions(Options, total=False):
    safety: Literal["flag", "off"]
    counts: dict[str, int]


@checked
def with_options(prompt: str, **options: Unpack[MoreOptions]) -> dict[str, Any]:
    """Return what came."""
    return dict(options)


def test_options_are_looked_at_like_arguments() -> None:
    given = {"steps": np.int64(3), "strength": None, "labels": ("cat",), "safety": "off", "counts": {"cat": 1}}
    assert with_options("a cat", **given) == {**given, "labels": ("cat",)}  # type: ignore[arg-type]
    assert type(with_options("a cat", steps=np.int64(3))["steps"]) is int  # type: ignore[typeddict-item]
    assert with_options("a cat", labels=map(str, [1]))["labels"] == ["1"]  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("steps", 2.0, "a whole number, such as 2"),
        ("strength", "half", "a number or None"),
        ("labels", ["cat", 5], "text or a list of texts"),
        ("safety", "of", "'flag' or 'off'"),
        ("counts", {"cat": "one"}, "a dict of whole numbers by name"),
        ("counts", {1: 1}, "a dict of whole numbers by name"),
    ],
)
def test_a_wrong_option_is_named_like_an_argument(option: str, value: Any, expected: str) -> None:
    with pytest.raises(InputError, match=f"The argument {option} can't be") as refusal:
        with_options("a cat", **{option: value})
    assert refusal.value.remedy == f"Give {expected}"


def test_an_option_that_there_is_not_is_refused_as_python_does() -> None:
    with pytest.raises(TypeError, match=r"with_options\(\) got an unexpected keyword argument 'steeps'"):
        with_options("a cat", steeps=5)  # type: ignore[call-arg]


class Reader(Protocol):
    """No class that a value is an object of."""


Alias = str | None


def takes_a_set(labels: set[str]) -> None: ...
def takes_an_optional(labels: Optional[str]) -> None: ...  # noqa: UP045
def takes_a_protocol(reader: Reader) -> None: ...
def takes_an_alias(name: Alias) -> None: ...
def takes_any_options(**options: int) -> None: ...
def takes_unknown_options(**options: Unpack[Elsewhere]) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def takes_any_number(*labels: str) -> None: ...


@pytest.mark.parametrize(
    "function",
    [
        takes_a_set,
        takes_an_optional,
        takes_a_protocol,
        takes_an_alias,
        takes_any_options,
        takes_unknown_options,
        takes_any_number,
    ],
    ids=lambda function: function.__name__,
)
def test_an_annotation_that_nobody_knows_fails_when_the_function_is_decorated(function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="@checked"):
        checked(function)


def test_objects_are_known_by_the_last_part_of_a_dotted_name() -> None:
    def show(picture: PIL.Image.Image, samples: np.ndarray) -> None: ...

    checked(show)(PIL.Image.new("L", (8, 8)), np.zeros(1))
    with pytest.raises(InputError, match="an object of ndarray"):
        checked(show)(PIL.Image.new("L", (8, 8)), [0.0])  # type: ignore[arg-type]


def test_whole_numbers_of_numpy_in_a_list_come_as_python_s() -> None:
    def types(sizes: Sequence[int]) -> list[type]:  # noqa: F821
        return [type(size) for size in sizes]

    assert checked(types)(np.array([1, 2])) == [int, int]  # type: ignore[arg-type]
