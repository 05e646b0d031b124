"""A worker: the process that has models in memory and runs calls on them. It ends when its engine does."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from sensorium import settings
from sensorium.engine.wire import Cancel, Load, Message, Ping, Pong, Run, Stop, WorkerSetup, message_of

if TYPE_CHECKING:
    from sensorium.engine.calls import Calls
    from sensorium.engine.outbox import Outbox

_KILLED_FIRST = "500"
_LAST_WORDS_SECONDS = 2.0


def main() -> NoReturn:
    """Be a worker in an interpreter of its own; the engine speaks through standard input and output."""
    reading, writing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    detach_standard_streams()
    work(reading, writing)


def detach_standard_streams() -> None:
    """Let this process read nothing from standard input, and write to standard error what it prints."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)


def leave_deleted_folder() -> None:
    """Go elsewhere if the current folder, the server's, has been deleted: without one, Intel's MKL ends the process."""
    try:
        Path.cwd()
    except FileNotFoundError:
        os.chdir(os.sep)


def work(reading: BinaryIO, writing: BinaryIO) -> NoReturn:
    """Do what the engine says until it says to stop, or is gone.

    Args:
        reading: Where its messages come from.
        writing: Where the answers go.
    """
    first = reading.readline()
    if not first:
        os._exit(0)
    setup = message_of(first)
    assert isinstance(setup, WorkerSetup)
    _prepare(setup)
    # Only now: what these import reads the settings.
    from sensorium.engine.calls import Calls
    from sensorium.engine.outbox import Outbox

    outbox = Outbox(writing)
    calls = Calls(setup, outbox)
    with suppress(OSError):
        for line in reading:
            _obey(message_of(line), calls, outbox)
    end_with_all_that_was_started()


def _prepare(setup: WorkerSetup) -> None:
    # Ctrl-C and what ends a whole service go to every process of it: the engine alone decides what ends.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    for file, text in (("comm", "sensorium-work"), ("oom_score_adj", _KILLED_FIRST)):
        with suppress(OSError):  # only Linux has them: the name in `ps`, and who is killed when memory runs out
            Path("/proc/self", file).write_text(text)
    leave_deleted_folder()
    take_settings(setup)
    logging.basicConfig(level=logging.WARNING, format="sensorium worker %(process)d: %(message)s", force=True)
    faulthandler.enable()


def take_settings(setup: WorkerSetup) -> None:
    """Let this process compute as its engine says, and its libraries be quiet. Call it before they are imported."""
    settings.be_a_worker(setup.threads, setup.profile)
    settings.keep_numpy_on_one_thread()
    settings.send_no_telemetry()
    settings.quiet_libraries()
    warnings.simplefilter("ignore")


def _obey(message: Message, calls: Calls, outbox: Outbox) -> None:
    match message:
        case Ping(number):
            outbox.send(Pong(number, gpu_memory()))
        case Run(several):
            calls.run(several)
        case Load(call):
            calls.load(call)
        case Cancel(call):
            calls.cancel(call)
        case Stop(grace):
            # In another thread: this one goes on listening, so that it notices if the engine dies meanwhile.
            threading.Thread(target=_end, args=(calls, outbox, grace), daemon=True).start()


def gpu_memory() -> int:
    """Return the bytes of GPU memory that torch has reserved in this process."""
    torch: Any = sys.modules.get("torch")
    try:
        if torch is None or not torch.cuda.is_initialized():
            return 0
    except AttributeError:  # another thread is in the middle of importing it
        return 0
    return sum(int(torch.cuda.memory_reserved(number)) for number in range(torch.cuda.device_count()))


def _end(calls: Calls, outbox: Outbox, grace: float) -> NoReturn:
    ended = calls.end(grace)
    outbox.close(_LAST_WORDS_SECONDS)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(0 if ended else 1)  # what libraries do at a normal exit takes long, or crashes


def end_with_all_that_was_started() -> NoReturn:
    """End at once, whatever is computed, and with it the downloads that were started."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    import psutil

    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()
    os._exit(1)
