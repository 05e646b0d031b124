"""Files that appear complete or not at all, and look like any other file that the user makes."""

from __future__ import annotations

import os
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from sensorium.errors import InputError
from sensorium.media.atomic_file import atomic_file, require_place
from tests.refusals import refused


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


def write(path: str | Path, content: bytes = b"new") -> None:
    """Write a file as everything in Sensorium does."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_what_replaces_a_file_has_its_mode(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "out.txt"
    target.write_bytes(b"old")
    target.chmod(mode)
    with atomic_file(target) as temporary:
        temporary.write_bytes(b"new")
        assert stat.S_IMODE(temporary.stat().st_mode) & 0o077 == 0, "others could read it too early"
    assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (b"new", mode)


def test_what_replaces_a_file_has_its_owner(tmp_path: Path) -> None:
    administrator = os.geteuid() == 0  # others can't give files away
    owner, group = (1234, 1235) if administrator else (os.geteuid(), os.getegid())
    target = tmp_path / "out.txt"
    target.write_bytes(b"old")
    os.chown(target, owner, group)
    write(target)
    assert (target.stat().st_uid, target.stat().st_gid) == (owner, group)


def test_links_stay_links(tmp_path: Path) -> None:
    real, link, dangling = tmp_path / "kept" / "real.txt", tmp_path / "link.txt", tmp_path / "dangling.txt"
    real.parent.mkdir()
    real.write_bytes(b"old")
    link.symlink_to(real)
    dangling.symlink_to(Path("kept", "made.txt"))
    write(link)
    write(dangling, b"made")
    assert link.is_symlink()
    assert dangling.is_symlink()
    assert (real.read_bytes(), (tmp_path / "kept" / "made.txt").read_bytes()) == (b"new", b"made")
    assert {path.name for path in real.parent.iterdir()} == {"real.txt", "made.txt"}


def test_links_that_lead_nowhere_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    (tmp_path / "lost.txt").symlink_to(Path("absent", "file.txt"))
    for name in ("loop.txt", "lost.txt"):
        with refused(InputError, name):
            require_place(tmp_path / name)
        assert (tmp_path / name).is_symlink()


def test_a_named_pipe_gets_the_whole_content(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    came: list[bytes] = []
    reader = threading.Thread(target=lambda: came.append(pipe.read_bytes()))
    reader.start()
    write(pipe, b"new" * 100_000)
    reader.join(60)
    assert came == [b"new" * 100_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_pipe_whose_reader_has_gone(tmp_path: Path) -> None:
    read, written = os.pipe()
    os.close(read)
    try:
        with pytest.raises(BrokenPipeError):
            write(f"/dev/fd/{written}", b"new" * 100_000)
    finally:
        os.close(written)


def test_devices_stay_devices() -> None:
    # A terminal of the test's own: if something were wrong, /dev/null would be gone for the whole machine.
    master, slave = os.openpty()
    try:
        write(os.ttyname(slave), b"new")
        assert os.read(master, 3) == b"new"
        assert stat.S_ISCHR(Path(os.ttyname(slave)).stat().st_mode)
    finally:
        os.close(master)
        os.close(slave)
    with Path("/dev/full").open("wb") as full, refused(InputError, "no space left"):
        write(f"/dev/fd/{full.fileno()}")


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_an_open_file_is_written_where_it_stands(tmp_path: Path, name: str) -> None:
    with (tmp_path / "log.txt").open("ab") as file:
        file.write(b"before ")
        file.flush()
        write(name.format(file.fileno()))
        file.write(b" after")
    assert (tmp_path / "log.txt").read_bytes() == b"before new after"


def test_what_is_not_open_for_writing_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"old")
    with (tmp_path / "in.txt").open("rb") as file, refused(InputError, f"/dev/fd/{file.fileno()}"):
        require_place(f"/dev/fd/{file.fileno()}")
    with refused(InputError, "/dev/fd/987"):
        require_place("/dev/fd/987")


def test_a_failure_writes_nothing_to_what_is_no_plain_file(tmp_path: Path) -> None:
    def fail(path: str) -> None:
        with atomic_file(path) as temporary:
            temporary.write_bytes(b"half")
            raise ValueError

    with (tmp_path / "log.txt").open("wb") as file, pytest.raises(ValueError, match=r"^$"):
        fail(f"/dev/fd/{file.fileno()}")
    assert (tmp_path / "log.txt").read_bytes() == b""


def test_a_write_protected_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "original.png"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != target)  # an administrator may write anything
    with refused(InputError, "original.png"):
        write(target)
    assert target.read_bytes() == b"old"
