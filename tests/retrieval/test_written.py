"""Pictures and moments of films that are found by what is written there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from time import process_time

import pytest
from PIL import Image, ImageOps

from sensorium.media.video_writer import write_video
from sensorium.retrieval.index import SearchIndex
from sensorium.retrieval.lance_storage import load_lance
from sensorium.retrieval.written import lines_with, words_of
from sensorium.vision_language.text_reader import TextReader
from sensorium.vision_language.writing import Writing
from tests import real_media
from tests.retrieval.album import save_photo
from tests.retrieval.test_portions import Alone

RECEIPT = "ACME Stores\nInvoice No. 7\nTotal: 30.00\nTotal due today\n合计 三十元"


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("invoice", "Invoice No. 7"),
        ("the total", "Total: 30.00"),
        ("total due", "Total due today"),
        ("an invoice with a total", "Invoice No. 7 … Total: 30.00 … Total due today"),
        ("store", "ACME Stores"),
        ("合计三十", "合计 三十元"),
        ("tot", ""),
        ("voice", ""),
        ("invoice from Berlin", ""),
    ],
)
def test_all_words_must_stand_there(query: str, lines: str) -> None:
    assert lines_with(words_of(query), RECEIPT) == lines


def test_words_without_meaning_find_nothing() -> None:
    assert words_of("This is the") == ()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a printed page, a cat and coffee."""
    made = tmp_path_factory.mktemp("read") / "album"
    made.mkdir()
    shutil.copy(real_media.writing("page")[0], made / "page.png")
    for name in ("chelsea", "coffee"):
        save_photo(name, made / f"{name}.jpg")
    return made


def found(index: SearchIndex, text: str, **options: object) -> dict[str, str | None]:
    return {match.path.name: match.writing for match in index.search(text, **options)}  # type: ignore[arg-type]


def test_an_index_of_an_earlier_version_is_read_when_asked_and_goes_on_reading(
    folder: Path, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    place = tmp_path / "index"
    with_columns = SearchIndex(place)
    with_columns.add(real_media.photo("rocket"), reads=True)  # loads both checkpoints
    before = process_time()
    with_columns.add(folder, reads=False)
    alone = (process_time() - before) / 3
    with_columns.remove(real_media.photo("rocket"))
    table = load_lance().dataset(str(place / "media.lance"))
    table.drop_columns(["reader", "writing"])
    index = SearchIndex(place)
    assert found(index, "grey values") == dict.fromkeys(("page.png", "chelsea.jpg", "coffee.jpg"))
    assert index.add(folder).unchanged == 3
    before = process_time()
    read = index.add(folder, reads=True)
    seconds = (process_time() - before) / 3
    measured(f"Indexing with reading: {seconds:.1f} seconds of a core for a picture, encoding alone {alone:.2f}")
    assert (read.updated, read.unchanged) == (3, 0)
    assert found(index, "grey values", limit=1) == {"page.png": "histogram of grey values:"}
    # What shows something and what has it written take turns; a picture is told once.
    assert list(found(index, "the background")) == ["page.png", *list(found(index, "background"))[1:]]
    assert found(index, "cat", limit=1) == {"chelsea.jpg": None}
    assert found(index, "grey values", kind="moment") == {}
    again = index.add(folder)
    assert (again.unchanged, again.updated) == (3, 0)
    (folder / "more").mkdir()
    try:
        shutil.copy(folder / "page.png", folder / "more" / "copy.png")
        copied = index.add(folder)
        assert (copied.added, copied.reused) == (1, 1)
        assert set(found(index, "grey values", limit=2)) >= {"page.png"}
        assert found(index, "grey values", under=folder / "more") == {"copy.png": "histogram of grey values:"}
    finally:
        shutil.rmtree(folder / "more")


def test_full_width_letters_and_spaced_characters_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = Writing(text="ＡＣＭＥ\n合 计 三 十 元", lines=(), model="made up", width=9, height=9)
    monkeypatch.setattr(TextReader, "read", lambda *_, **__: writing)
    (tmp_path / "album").mkdir()
    save_photo("chelsea", tmp_path / "album" / "cat.jpg")
    index = SearchIndex(tmp_path / "index")
    index.add([tmp_path / "album"], reads=True)
    assert found(index, "acme", limit=1) == {"cat.jpg": "ACME"}
    assert found(index, "合计三十", limit=1) == {"cat.jpg": "合 计 三 十 元"}


def test_a_film_is_found_by_what_is_written_in_a_moment(tmp_path: Path) -> None:
    page, cat = (
        ImageOps.pad(Image.open(path).convert("RGB"), (768, 480), color="white")
        for path in (real_media.writing("page")[0], real_media.photo("chelsea"))
    )
    write_video(tmp_path / "film.mp4", [cat] * 20 + [page] * 20, 5)
    index = SearchIndex(tmp_path / "index")
    index.add(tmp_path / "film.mp4", every=4.0, reads=True)
    (match,) = index.search("region based segmentation")
    assert match.kind == "moment"
    assert match.time == pytest.approx(4, abs=0.3)
    assert "segmentation" in str(match.writing)
    assert [(other.time, other.writing) for other in index.search("cat")] == [(0, None)]


def test_processes_that_build_an_index_read_too(folder: Path, tmp_path: Path) -> None:
    index = SearchIndex(tmp_path / "index")
    assert index.add(folder, reads=True, crew=Alone()).added == 3
    assert found(index, "grey values", limit=1) == {"page.png": "histogram of grey values:"}
    assert index.add(folder).unchanged == 3
