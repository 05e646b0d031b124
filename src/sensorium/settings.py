"""Every environment variable that Sensorium reads or sets. They are defaults for arguments that callers leave out."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sensorium.errors import InputError

NAMES = (
    "SENSORIUM_PROFILE",
    "SENSORIUM_HARDWARE",
    "SENSORIUM_HOME",
    "SENSORIUM_DATA",
    "SENSORIUM_MIRROR",
    "SENSORIUM_LORAS",
    "SENSORIUM_EMBEDDINGS",
    "SENSORIUM_OFFLINE",
    "HF_HUB_OFFLINE",
    "SENSORIUM_SUBSTITUTE",
    "SENSORIUM_THREADS",
    "SENSORIUM_COMPILE",
    "SENSORIUM_SERVER",
)
"""The variables that a user may set; ``sensorium doctor`` shows those that are set."""

_YES = {"1", "true", "yes", "on"}
_LIBRARIES_ARE_QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
_FRAMED_COLUMNS = 80
"""How wide a terminal must be for help in frames with nothing cut off."""
_SPINS = "10000"
"""How many times a waiting thread of torch checks before it sleeps. With fewer checks small networks become slower on a
quiet machine: with none, a step of a small U-Net takes twice as long."""


def profile() -> str:
    """Return the profile that a task uses if its caller names none: ``SENSORIUM_PROFILE``, or ``starter``."""
    return os.environ.get("SENSORIUM_PROFILE", "") or "starter"


def hardware() -> str:
    """Return the class of machines that ``SENSORIUM_HARDWARE`` names, or "" for this machine's own class."""
    return os.environ.get("SENSORIUM_HARDWARE", "")


def home() -> Path:
    """Return the folder that holds fetched checkpoints: ``SENSORIUM_HOME``, or ``sensorium`` in the user's cache."""
    chosen = os.environ.get("SENSORIUM_HOME")
    return user_path(chosen) if chosen else _user_folder("XDG_CACHE_HOME", ".cache", "SENSORIUM_HOME") / "sensorium"


def _user_folder(variable: str, place: str, ours: str) -> Path:
    """Return a folder of the user's: what ``variable`` says, or a place in the home folder.

    Raises:
        InputError: The user has no home folder, as happens in containers; ``ours`` is the variable that helps.
    """
    chosen = os.environ.get(variable, "")
    if Path(chosen).is_absolute():  # others are to be ignored: https://specifications.freedesktop.org/basedir-spec
        return Path(chosen)
    home = Path() if os.environ.get("HOME") == "" else user_path("~")
    if not home.is_absolute():
        raise InputError("This user has no home folder", f"Set {ours} to a folder that Sensorium may use, or set HOME")
    return home / place


def default_index() -> Path:
    """Return where the search index lies that is meant when none is named."""
    return home() / "index"


def data_home() -> Path:
    """Return the folder that keeps jobs and their files: ``SENSORIUM_DATA``, or one in the user's data folder."""
    chosen = os.environ.get("SENSORIUM_DATA")
    if chosen:
        return user_path(chosen)
    return _user_folder("XDG_DATA_HOME", ".local/share", "SENSORIUM_DATA") / "sensorium"


def user_path(path: str | os.PathLike[str]) -> Path:
    """Return a path with ``~`` replaced by the home folder; as it is where that user, or the folder, isn't known.

    `Path.expanduser` raises an error there, though ``~name`` may well be the name of a file.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111


def mirror() -> Path | None:
    """Return the folder that checkpoints are copied from (``SENSORIUM_MIRROR``), or None."""
    chosen = os.environ.get("SENSORIUM_MIRROR")
    return user_path(chosen) if chosen else None


def loras() -> Path | None:
    """Return the folder of LoRA files that prompts name by their stems (``SENSORIUM_LORAS``), or None."""
    chosen = os.environ.get("SENSORIUM_LORAS")
    return user_path(chosen) if chosen else None


def embeddings() -> Path | None:
    """Return the folder of embeddings whose stems are words of prompts (``SENSORIUM_EMBEDDINGS``), or None."""
    chosen = os.environ.get("SENSORIUM_EMBEDDINGS")
    return user_path(chosen) if chosen else None


def offline() -> bool:
    """Return whether no request may be made at all (``SENSORIUM_OFFLINE`` or ``HF_HUB_OFFLINE``)."""
    return any(os.environ.get(name, "").lower() in _YES for name in ("SENSORIUM_OFFLINE", "HF_HUB_OFFLINE"))


def substitutes() -> dict[str, str]:
    """Return which checkpoint stands in for which: ``SENSORIUM_SUBSTITUTE="medium=base,…"``.

    Raises:
        InputError: The variable can't be read.
    """
    text = os.environ.get("SENSORIUM_SUBSTITUTE", "")
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    for asked, sign, used in pairs:
        if not (asked.strip() and sign and used.strip()):
            raise InputError(
                f"SENSORIUM_SUBSTITUTE={text!r} can't be read",
                "Write it like SENSORIUM_SUBSTITUTE='medium=base'",
            )
    return {asked.strip(): used.strip() for asked, _, used in pairs}


def threads() -> int | None:
    """Return the number of threads that ``SENSORIUM_THREADS`` asks for, or None.

    Raises:
        InputError: The variable is not a number of threads.
    """
    chosen = os.environ.get("SENSORIUM_THREADS", "")
    if not chosen:
        return None
    if not chosen.isdigit() or int(chosen) < 1:
        raise InputError(f"SENSORIUM_THREADS={chosen!r} is not a number of threads", "Set it to 1 or more")
    return int(chosen)


def server() -> str | None:
    """Return the address of the server that commands run on (``SENSORIUM_SERVER``), or None for the own process."""
    return os.environ.get("SENSORIUM_SERVER") or None


def api_key() -> str:
    """Return the key of ``SENSORIUM_API_KEY``, or "": commands show it to a server, a server asks for it."""
    return os.environ.get("SENSORIUM_API_KEY", "")


def api_keys() -> str:
    """Return further keys that a server asks for (``SENSORIUM_API_KEYS``, as ``name=key,name=key``), or ""."""
    return os.environ.get("SENSORIUM_API_KEYS", "")


def keep_page_files_in(folder: Path) -> None:
    """Let Gradio keep files that come and go with the page in a folder, and tell its makers nothing."""
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"


def compiles() -> bool:
    """Return whether networks on a GPU are compiled (``SENSORIUM_COMPILE=1``)."""
    return os.environ.get("SENSORIUM_COMPILE", "") == "1"


def debugging() -> bool:
    """Return whether errors are printed with their tracebacks (``SENSORIUM_DEBUG``)."""
    return bool(os.environ.get("SENSORIUM_DEBUG"))


def openai_key() -> str:
    """Return the key for OpenAI-compatible servers (``OPENAI_API_KEY``), or ""."""
    return os.environ.get("OPENAI_API_KEY", "")


def key_in(variable: str) -> str:
    """Return the key in the variable that a configuration names for a server, or ""."""
    return os.environ.get(variable, "")


def openai_address() -> str:
    """Return the address of OpenAI's API (``OPENAI_BASE_URL``), or ""."""
    return os.environ.get("OPENAI_BASE_URL", "")


def object_store_endpoint() -> str:
    """Return the address of the S3 server, by the variables that boto reads, or "" for Amazon's own."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")


def colours() -> bool:
    """Return whether the terminal may be coloured (https://no-color.org)."""
    return not (os.environ.get("NO_COLOR") or is_dumb_terminal() or os.name == "nt")


def is_dumb_terminal() -> bool:
    """Return whether the terminal can only print lines, as it is in editors and in logs of builds."""
    return os.environ.get("TERM") == "dumb"


def fit_help_to_terminal() -> None:
    """Let help fit into a narrow terminal, unless the user has said how it looks. Read when typer is imported.

    Between frames, names of options are cut off there. A width of nought, as terminals in containers have it, is no
    width: rich would print nothing at all.
    """
    if not os.environ.get("COLUMNS", "1").strip("0"):
        del os.environ["COLUMNS"]
    if shutil.get_terminal_size().columns < _FRAMED_COLUMNS:
        os.environ.setdefault("TYPER_USE_RICH", "0")


def shown() -> list[str]:
    """Return the variables of `NAMES` that are set, as ``NAME=value``."""
    return [f"{name}={os.environ[name]}" for name in NAMES if os.environ.get(name)]


def for_child(more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a child process: this process's variables, and ``more``."""
    return {**os.environ, **more}


def quiet_libraries() -> None:
    """Turn off progress bars and advice that libraries print for developers, unless the user has set it otherwise."""
    for name, value in _LIBRARIES_ARE_QUIET.items():
        os.environ.setdefault(name, value)


def send_no_telemetry() -> None:
    """Keep libraries from telling their makers about this machine, unless the user has set it otherwise.

    ONNX Runtime from 1.29 on does so from its import on, in a thread of its own, and keeps a number for the machine in
    the user's cache. It reads this when it is imported.
    """
    for name in ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY"):
        os.environ.setdefault(name, "1")


def prepare_ray(*, own: bool) -> None:
    """Let Ray tell its maker nothing, and nothing of its own accord; unless the user has set it otherwise.

    Args:
        own: Whether it is started for this process alone: it then listens on loopback only, by the switch that it has
            for systems whose firewalls ask. Ray reads it when it is imported.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if own:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")


def quiet_lance() -> None:
    """Let Lance report errors only, unless the user has set it otherwise. Lance reads this when it is imported."""
    os.environ.setdefault("LANCE_LOG", "error")


def keep_numpy_on_one_thread() -> None:
    """Let numpy multiply on one thread, unless the user said otherwise. Read when numpy is imported.

    The threads of its OpenBLAS spin before and after each product: a tenth of a second of a core in a command that
    takes one second, and no command waits for a product of numpy. On other processors than Intel's and AMD's torch
    multiplies with OpenBLAS too, and needs the threads.
    """
    if platform.machine().lower() in {"x86_64", "amd64"}:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@contextmanager
def numpy_without_threads() -> Iterator[None]:
    """Let numpy and scipy, imported inside the block, start no threads, whatever the user has set.

    A process that is to be forked must have none. The setting is put back, because torch may read it too.
    """
    before = os.environ.get("OPENBLAS_NUM_THREADS")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        del os.environ["OPENBLAS_NUM_THREADS"]
        if before is not None:
            os.environ["OPENBLAS_NUM_THREADS"] = before


def leave_cuda_closed() -> None:
    """Let torch look for GPUs without opening CUDA: in a child of a process that has opened it, it can't be used."""
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"


def be_a_worker(threads: int, profile: str | None) -> None:
    """Set what the engine says as this process's own defaults.

    Args:
        threads: What `threads` returns from now on.
        profile: What `profile` returns from now on; None leaves it.
    """
    os.environ["SENSORIUM_THREADS"] = str(threads)
    if profile is not None:
        os.environ["SENSORIUM_PROFILE"] = profile


def let_torch_threads_sleep() -> None:
    """Let torch's threads go to sleep soon when they wait for each other, unless the user has set it otherwise.

    By default, waiting threads check thirty times as long before they sleep. If another program uses a core, they take
    time from the thread that they wait for. torch reads this setting when it is imported; a later call does nothing.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
