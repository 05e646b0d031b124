"""One item of each operation, as it is measured: what is asked, of which medium."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scaling import media
from sensorium.image_generation.text_to_image import TextToImage
from sensorium.operations.operation import Operation
from sensorium.operations.registry import all_operations, operation_named

LARGE, SMALL = "a photo of 12 megapixels", "a photo of 640×480"
SPEECH = "a minute of speech"
FILM = "a film of 19 seconds"
PICTURE = "a picture of 64×64"
SENTENCE = "two short sentences"
TEXT = "a short text"

LABELS = ("a cat", "a dog", "a cup of coffee", "a street", "a rocket")
_PAINTED = "a red apple on a table"
_SPOKEN = "Good morning. The train to the airport leaves at ten past eight."

WITHOUT_STARTER = ("clone", "diarize", "vary")
"""Operations that the starter has no checkpoint for: they can't be measured offline."""


@dataclass(frozen=True)
class Item:
    """What is measured.

    Attributes:
        operation: Its name.
        item: What one of its items is.
        ask: Returns the operations of one pass; told the number of the pass and a folder that is empty in each.
        each: How many items one operation has.
        seconds: How long one item lasts; 0 for what has no length.
        before: Done before each pass, uncounted; told the folder.
    """

    operation: str
    item: str
    ask: Callable[[int, Path], Sequence[Operation]]
    each: int = 1
    seconds: float = 0.0
    before: Callable[[Path], object] | None = None


def items() -> list[Item]:
    """Return what is measured, by the names of the operations."""
    found = [*_of_photos(), *_of_sound(), *_of_films(), *_that_paint(), *_of_texts(), *_of_indexes()]
    unmeasured = set(all_operations()) - {each.operation for each in found} - set(WITHOUT_STARTER)
    assert not unmeasured, f"nobody measures {', '.join(sorted(unmeasured))}"
    return sorted(found, key=lambda each: (each.operation, each.item))


def _each_photo(operation: str, field: str = "image", **more: Any) -> list[Item]:
    def ask(photos: Sequence[Path]) -> list[Operation]:
        named = operation_named(operation)
        return [named(**{field: (str(path),) if field == "images" else str(path)}, **more) for path in photos]

    return [
        Item(operation, LARGE, lambda number, folder: ask(media.large_photos(number))),
        Item(operation, SMALL, lambda number, folder: ask(media.small_photos(number))),
    ]


def _of_photos() -> list[Item]:
    return [
        *_each_photo("caption"),
        *_each_photo("classify", labels=LABELS),
        *_each_photo("embed", "images"),
        *_each_photo("moderate", "source"),
        *_each_photo("read"),
        *_each_photo("ask", question="What is in the picture?")[:1],
        Item("control-map", LARGE, lambda number, folder: _poses(number)),
    ]


def _poses(number: int) -> list[Operation]:
    return [operation_named("control-map")(image=str(media.somebody(number)), control="openpose")] * 3


def _repeated(operation: str, item: str, times: int, seconds: float, fields: Callable[[int], dict[str, Any]]) -> Item:
    """Return an item that is asked a few times in a pass; each time, in each pass, has a number of its own."""

    def ask(number: int, folder: Path) -> list[Operation]:
        named = operation_named(operation)
        return [named(**fields(times * number + each)) for each in range(times)]

    return Item(operation, item, ask, seconds=seconds)


def _of_sound() -> list[Item]:
    def heard(operation: str) -> Item:
        seconds = media.SPEECH_SECONDS
        return _repeated(operation, SPEECH, 1, seconds, lambda number: {"audio": str(media.speech())})

    return [
        *(heard(operation) for operation in ("detect-language", "subtitle", "transcribe", "translate")),
        _repeated("speak", SENTENCE, 3, 0.0, lambda number: {"text": _SPOKEN, "seed": number}),
    ]


def _of_films() -> list[Item]:
    fields: dict[str, dict[str, Any]] = {
        "ask-film": {"question": "What is in the picture?"},
        "classify-film": {"labels": LABELS},
        "describe-film": {},
        "find-moment": {"text": "a cat"},
        "read-film": {},
    }

    def watched(operation: str, more: dict[str, Any]) -> Item:
        return _repeated(
            operation, FILM, 1, media.FILM_SECONDS, lambda number: {"film": str(media.film(number)), **more}
        )

    return [watched(operation, more) for operation, more in fields.items()]


def _that_paint() -> list[Item]:
    def painted(operation: str, **more: Any) -> Item:
        def fields(number: int) -> dict[str, Any]:
            return {"prompt": _PAINTED, "seed": number, **more}

        return _repeated(operation, PICTURE, 2, 0.0, fields)

    def paint(folder: Path) -> None:
        with TextToImage() as painter:
            painter.generate(_PAINTED, seed=1)[0].save(folder / "painted.png")

    def again(number: int, folder: Path) -> list[Operation]:
        return [operation_named("paint-again")(picture=str(folder / "painted.png"), model="painter-starter")]

    small = str(media.small_photos()[0])
    return [
        painted("imagine"),
        painted("edit", image=small),
        painted("control", reference=small, controls=("canny",)),
        Item("paint-again", PICTURE, again, before=paint),
    ]


def _of_texts() -> list[Item]:
    def talk(number: int) -> dict[str, Any]:
        photo = media.small_photos(number // 2)[number % 2]
        parts = [{"type": "image", "image": str(photo)}, {"type": "text", "text": "What is it?"}]
        return {"messages": [{"role": "user", "content": parts}]}

    return [
        _repeated("chat", "a question about a photo", 2, 0.0, talk),
        _repeated("build-prompt", TEXT, 16, 0.0, lambda number: {"subject": f"a cat on sofa {number}"}),
        _repeated("count-tokens", TEXT, 16, 0.0, lambda number: {"prompt": f"a cat on sofa {number}"}),
        _repeated("embed", TEXT, 32, 0.0, lambda number: {"texts": (f"a photo of cat number {number}",)}),
    ]


def _of_indexes() -> list[Item]:
    def index(photos: Sequence[Path], folder: Path) -> list[Operation]:
        return [operation_named("index")(files=[str(path) for path in photos], index=str(folder / "index"))]

    def fill(folder: Path) -> None:
        from sensorium.retrieval.index import SearchIndex

        SearchIndex(folder / "index").add(media.small_photos())

    def search(number: int, folder: Path) -> list[Operation]:
        named = operation_named("search")
        return [named(text=f"cat number {16 * number + each}", index=str(folder / "index")) for each in range(16)]

    def remove(number: int, folder: Path) -> list[Operation]:
        photos = media.small_photos()
        return [operation_named("remove-from-index")(files=list(map(str, photos)), index=str(folder / "index"))]

    large, small = media.PHOTOS, media.SMALL_PHOTOS
    return [
        Item("index", LARGE, lambda number, folder: index(media.large_photos(), folder), each=large),
        Item("index", SMALL, lambda number, folder: index(media.small_photos(), folder), each=small),
        Item("search", TEXT, search, before=fill),
        Item("remove-from-index", SMALL, remove, each=small, before=fill),
    ]
