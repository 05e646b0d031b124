"""The process that workers are forked from: it has imported what they need, and has computed nothing.

It has a single thread and never computes: a child of a process that has computed one parallel product hangs at its own
first one. It knows nothing of what workers do. It ends when the engine's end of its socket closes.
"""

from __future__ import annotations

import gc
import importlib
import json
import logging
import os
import pkgutil
import selectors
import signal
import socket
import warnings
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from importlib.util import find_spec
from typing import Any, NoReturn

from sensorium import settings
from sensorium.engine.worker import detach_standard_streams, leave_deleted_folder, work
from sensorium.quiet import quiet_transformers

_WITH_THREADS = ("numpy", "scipy.linalg")
_HEAVY = (
    "PIL.Image",
    "tokenizers",
    "av",
    "onnxruntime",
    "ctranslate2",
    "faster_whisper",
    "ai_edge_litert.interpreter",
    "torch",
    "transformers",
    "transformers.models.clip.modeling_clip",
    "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion",
)
"""What is imported where it is installed. Not Lance: it has threads, and says that it mustn't be forked."""
_ROOMS = ("language", "vision_language", "image_generation", "speech", "video", "operations")
"""What of ours is imported with all its files."""

logger = logging.getLogger(__name__)


def main() -> NoReturn:
    """Be the clean parent of the engine at the other end of standard input, a socket.

    The engine sends a byte with a socket for each worker that it wants. Answers are lines of JSON: ``{"forked": pid}``
    or ``{"refused": why}``, and ``{"ended": pid, "code": code}`` whenever a worker has ended; a negative code is the
    number of the signal that killed it.
    """
    engine = socket.socket(fileno=os.dup(0))
    detach_standard_streams()
    leave_deleted_folder()
    logging.basicConfig(level=logging.WARNING, format="sensorium clean parent: %(message)s")
    import_heavy()
    _CleanParent(engine).serve()
    os._exit(0)


def import_heavy() -> None:
    """Import whatever of the heavy libraries is installed, and what of ours uses them; start no thread."""
    settings.send_no_telemetry()
    settings.quiet_libraries()
    settings.let_torch_threads_sleep()
    settings.leave_cuda_closed()
    warnings.simplefilter("ignore")
    with settings.numpy_without_threads():
        for name in _WITH_THREADS:
            _import(name)
    for name in _HEAVY[: _HEAVY.index("transformers")]:
        _import(name)
    with quiet_transformers() if find_spec("transformers") is not None else nullcontext():
        for name in (*_HEAVY[_HEAVY.index("transformers") :], *_ours()):
            _import(name)


def _ours() -> Iterator[str]:
    for room in _ROOMS:
        package = importlib.import_module(f"sensorium.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield module.name
    yield "sensorium.engine.calls"


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return  # it isn't installed, or a package that it needs
    except Exception:  # the worker that needs it will fail with this error, and say so to whoever asked
        logger.exception("%s can't be imported", name)


class _CleanParent:
    """Forks workers, and tells of their ends.

    Args:
        engine: Where requests come from and answers go to.
    """

    def __init__(self, engine: socket.socket) -> None:
        self._engine = engine
        self._woken, self._waker = os.pipe()
        for end in (self._woken, self._waker):
            os.set_blocking(end, False)

    def serve(self) -> None:
        """Work until the engine is gone."""
        # Ctrl-C and what ends a whole service go to every process of it: the engine alone decides what ends.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker)
        gc.collect()
        gc.freeze()  # what is never looked at by the collector stays shared with the children
        with selectors.DefaultSelector() as selector:
            selector.register(self._engine, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._woken in ready:
                    os.read(self._woken, 4096)
                    self._reap()
                if self._engine in ready:
                    request, descriptors, _, _ = socket.recv_fds(self._engine, 1, 1)
                    if not request:
                        return
                    self._fork(descriptors[0], selector)

    def _fork(self, connection: int, selector: selectors.BaseSelector) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            os.close(connection)
            self._tell(refused=error.strerror)
            return
        if pid == 0:
            self._become_a_worker(connection, selector)
        os.close(connection)
        with suppress(OSError):
            os.setpgid(pid, pid)  # here and there, so that it is done whoever comes first
        self._tell(forked=pid)

    def _become_a_worker(self, connection: int, selector: selectors.BaseSelector) -> NoReturn:
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            selector.close()
            self._engine.close()
            os.close(self._woken)
            os.close(self._waker)
            with socket.socket(fileno=connection) as ours:
                ours.set_inheritable(False)
                work(ours.makefile("rb"), ours.makefile("wb"))
        except BaseException:
            logger.exception("A worker failed")
        os._exit(1)

    def _reap(self) -> None:
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            with suppress(OSError):
                os.killpg(ended.si_pid, signal.SIGKILL)  # what it started itself, while nobody else can have its number
            _, status = os.waitpid(ended.si_pid, 0)
            self._tell(ended=ended.si_pid, code=os.waitstatus_to_exitcode(status))

    def _tell(self, **answer: Any) -> None:
        with suppress(OSError):  # if the engine is gone, the next request is its end
            self._engine.sendall(json.dumps(answer).encode() + b"\n")
