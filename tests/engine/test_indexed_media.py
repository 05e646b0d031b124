"""What is sent to a search index again, and what that replaces."""

from __future__ import annotations

from pathlib import Path

from sensorium.engine.indexed_media import earlier_places, note_origin, replace_earlier


def put(folder: Path, reference: str, name: str, content: str, origin: str = "") -> Path:
    file = folder / reference / name
    file.parent.mkdir()
    file.write_text(content)
    if origin:
        note_origin(file, origin)
    return file


def test_the_same_name_and_content_or_the_same_origin_replaces(tmp_path: Path) -> None:
    put(tmp_path, "1", "cat.jpg", "cat")
    put(tmp_path, "2", "dog.jpg", "dog", "at home")
    kept = [
        put(tmp_path, "3", "cat.jpg", "another cat"),
        put(tmp_path, "4", "dog.jpg", "an older dog", "elsewhere"),
        put(tmp_path, "5", "lion.jpg", "cat"),
    ]
    sent = [
        put(tmp_path, "6", "cat.jpg", "cat", "at home too"),
        put(tmp_path, "7", "my dog.jpg", "a newer dog", "at home"),
    ]
    assert replace_earlier(tmp_path, sent) == 2
    assert sorted(tmp_path.iterdir()) == sorted(file.parent for file in [*kept, *sent])


def test_what_is_to_be_taken_out_is_found_by_origin_or_by_name_and_content(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "sent").mkdir()
    cat = put(tmp_path / "index", "1", "cat.jpg", "cat")
    dog = put(tmp_path / "index", "2", "dog.jpg", "an older dog", "at home")
    sent = {
        put(tmp_path / "sent", "3", "cat.jpg", "cat"): "elsewhere",
        put(tmp_path / "sent", "4", "my dog.jpg", "a newer dog"): "at home",
        put(tmp_path / "sent", "5", ".origin", "at home"): "",
    }
    assert list(earlier_places(tmp_path / "index", sent).values()) == [cat, dog]
