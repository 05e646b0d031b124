"""What the scan for changes makes of clocks, lost links and files that can't be looked at."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from sensorium.media.limits import DEFAULT_LIMITS
from sensorium.retrieval import scan
from sensorium.retrieval.rows import Encoder, FileRows, FileState
from sensorium.retrieval.scan import Changes, find_changes, settled_time
from sensorium.retrieval.table import MediaTable, create_table
from tests.retrieval.album import save_photo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("dog", "flower"):
        os.utime(save_photo(name, folder / f"{name}.jpg"), (1e9, 1e9))
    return folder


@pytest.fixture
def table(tmp_path: Path) -> MediaTable:
    return create_table(str(tmp_path / "index"), Encoder("tiny", "tiny", "", 2, ()))


def changes_in(folder: Path, table: MediaTable | None) -> Changes:
    return find_changes(
        [str(folder)],
        table,
        kinds=("image", "video"),
        every=2.0,
        reads=False,
        limits=DEFAULT_LIMITS,
        index="index",
        progress=None,
        cancel=None,
    )


def note(table: MediaTable, changes: Changes) -> None:
    """Write the files down as read."""
    row = np.array([[1, 0]], np.float32)
    for file in changes.to_read:
        found = Path(file.path).stat()
        state = FileState(found.st_size, settled_time(found), Path(file.path).name, None, "")
        table.write([FileRows(file.path, state, (None,), row, file.known)])


def names(changes: Changes) -> list[str]:
    return [Path(file.path).name for file in changes.to_read]


def test_size_and_time_tell_what_changed(folder: Path, table: MediaTable) -> None:
    first = changes_in(folder, table)
    assert names(first) == ["dog.jpg", "flower.jpg"]
    note(table, first)
    assert (names(changes_in(folder, table)), changes_in(folder, table).unchanged) == ([], 2)
    os.utime(folder / "dog.jpg", (1e9, 1e9 + 1))
    assert names(changes_in(folder, table)) == ["dog.jpg"]


def test_a_file_changed_a_moment_ago_is_looked_at_once_more(folder: Path, table: MediaTable) -> None:
    os.utime(folder / "dog.jpg")
    first = changes_in(folder, table)
    assert [settled_time(Path(file.path).stat()) == 0 for file in first.to_read] == [True, False]
    note(table, first)
    settled = time.time() - 10
    os.utime(folder / "dog.jpg", (settled, settled))
    second = changes_in(folder, table)
    assert names(second) == ["dog.jpg"]
    note(table, second)
    assert names(changes_in(folder, table)) == []


def test_only_what_is_certainly_gone_is_dropped(
    folder: Path, table: MediaTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    note(table, changes_in(folder, table))
    (folder / "dog.jpg").unlink()
    assert changes_in(folder, table).gone == [str(folder / "dog.jpg")]

    look = os.lstat

    def refuse(path: str) -> os.stat_result:
        if str(path).endswith("dog.jpg"):
            raise PermissionError(13, "Permission denied", path)
        return look(path)

    monkeypatch.setattr(os, "lstat", refuse)
    changes = changes_in(folder, table)
    assert changes.gone == []
    assert [(skipped.path.name, skipped.reason) for skipped in changes.skipped] == [
        ("dog.jpg", f"{folder / 'dog.jpg'} can't be read: permission denied")
    ]


@pytest.mark.parametrize(
    ("pattern", "fixed"),
    [("/absent/a*/b.jpg", "/absent"), ("/absent/a/[bc].jpg", "/absent/a"), ("/**/x", "/"), ("/absent/a", "/absent/a")],
)
def test_where_a_pattern_begins_to_vary(pattern: str, fixed: str) -> None:
    assert scan._fixed_part(pattern) == fixed
