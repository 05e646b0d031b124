"""Files that appear complete or not at all, and look like any other file that the user makes."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from sensorium.errors import InputError
from sensorium.media.atomic_file import atomic_file, require_place


def test_the_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    with atomic_file(target) as temporary:
        temporary.write_bytes(b"new")
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".png"
        assert temporary.name.startswith(".")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_a_failure_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "out.png"
    target.write_bytes(b"old")

    def fail() -> None:
        with atomic_file(target) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_file(tmp_path / "out.png") as temporary:
            temporary.write_bytes(b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.png").stat().st_mode) == 0o640


def test_where_nothing_can_be_written() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            with (
                pytest.raises(InputError, match=r"out\.png can't be written: permission denied"),
                atomic_file(Path(folder) / "out.png") as temporary,
            ):
                temporary.write_bytes(b"new")
        finally:
            os.seteuid(user)


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_file(tmp_path / "out.png") as temporary:
            temporary.symlink_to("/dev/full")
            with temporary.open("wb") as file:
                file.write(b"new")

    with pytest.raises(InputError, match="no space left on device"):
        write()
    assert not list(tmp_path.iterdir())


def test_folders_in_the_way_and_folders_that_are_not_there(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "is a folder"), (tmp_path / "no" / "out.png", "doesn't exist")):
        with pytest.raises(InputError, match=said), atomic_file(path):
            raise AssertionError("nothing may be written")


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be the name of a file: it holds a null byte"):
        require_place(tmp_path / "out\0.png")
    with pytest.raises(InputError, match="null byte"), atomic_file(f"{tmp_path}/out\0.png"):
        pass
    for name in ("long" * 100 + ".png", "half \ud800.png"):
        with pytest.raises(InputError) as refusal:
            require_place(tmp_path / name)
        assert refusal.value.remedy
