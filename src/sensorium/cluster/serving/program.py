"""``sensorium serve --cluster``: from a cluster, or none, to a server that answers, and to its clean end."""

from __future__ import annotations

import logging
import math
import os
import re
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from sensorium import settings
from sensorium.cluster.connection import connected
from sensorium.cluster.serving.application import NAME, application_of
from sensorium.cluster.serving.applications import LOGGING, largest_processors
from sensorium.cluster.serving.open_doors import refuse_open_ports, require_token
from sensorium.engine.job_store import JobStore
from sensorium.engine.stored_job_files import files_of
from sensorium.errors import InputError, InternalError, SensoriumError
from sensorium.server.keys import KeyRing, known_keys
from sensorium.server.options import ServerOptions
from sensorium.server.program import ended_by_signals, listening, refuse_strangers
from sensorium.server.telemetry import telemetry_for

logger = logging.getLogger(__name__)

_ANSWERS_WITHIN_SECONDS = 60.0
_MODELS_AT_ONCE = 16
"""Processes of models that there may be on this machine alone: they share its processors, and memory is their limit."""
_REPLICAS = "ServeReplica:"
"""How the names of Serve's processes begin that run code of ours."""
_TOLD = re.compile(r"sensorium\.errors\.(\w+Error): ([^\n]+)")


def serve_on_cluster(options: ServerOptions, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C, then end what was started here: all of Ray, or the application on the cluster.

    Args:
        options: Where to listen, and limits.
        ready: Called with the server's address once it answers.

    Raises:
        InputError: The address isn't this machine's own and there are no keys, it is taken, or Ray has open doors.
        MissingDependencyError: Ray isn't installed.
        UnreachableError: There is no cluster at the address.
        SensoriumError: The server can't start.
    """
    keys = known_keys(options.keys)
    telemetry_for(options)
    chosen = _completed(options, keys)
    if options.address is None:
        _try_places(chosen)
    processors = _MODELS_AT_ONCE * math.ceil(chosen.model_cpus)
    with (
        connected(options.address, processors=processors, purpose="sensorium serve --cluster", logs=True),
        _replicas_heard(),
        _deaf_at_the_end(),
        ended_by_signals(),
        suppress(KeyboardInterrupt),
        _served(chosen, keys),
    ):
        host = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
        address = f"http://{host}:{chosen.port}"
        _wait_until_it_answers(address)
        ready(address)
        threading.Event().wait()


def _try_places(options: ServerOptions) -> None:
    """See that the folder and the database can be used, before a cluster starts that would find out slowly."""
    files = files_of(options)
    files.open()
    try:
        store = JobStore(options.database or files.database)
        store.open()
        store.close()
    finally:
        files.close()


def _completed(options: ServerOptions, keys: KeyRing) -> ServerOptions:
    """Return options with what they leave to the machine: the port, the folder, and the processors of models."""
    data = options.data and options.data.absolute()
    completed = options.model_copy(update={"port": _port(options, keys), "data": data})
    if options.address is None and "model_cpus" not in options.model_fields_set:
        return completed.model_copy(update={"model_cpus": float(settings.threads() or os.cpu_count() or 1)})
    return completed


def _port(options: ServerOptions, keys: KeyRing) -> int:
    """Return the port to listen on, a free one; what a cluster listens on already isn't free, but may be meant."""
    if options.address is not None and options.port:
        refuse_strangers(options, keys)
        return options.port
    with listening(options, keys) as place:
        return int(place.getsockname()[1])


@contextmanager
def _served(options: ServerOptions, keys: KeyRing) -> Iterator[None]:
    """Have the application on the cluster as long as the block lasts; Serve itself only if it wasn't there before."""
    from ray import serve
    from ray.serve.context import _get_global_client

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    warn_of_small_machines(options)
    refuse_open_ports()
    require_token()
    was_there = _get_global_client(raise_if_no_controller_running=False) is not None
    if was_there and NAME in serve.status().applications:
        raise InputError(
            f"An application called {NAME!r} runs on that cluster already",
            "Use that one, or end it with Ctrl-C where it was started, or all of Serve there with 'serve shutdown'",
        )
    try:
        serve.start(
            proxy_location="EveryNode" if options.address else "HeadOnly",
            http_options={
                "host": options.host,
                "port": options.port,
                "keep_alive_timeout_s": max(1, round(options.patience)),
            },
            logging_config=LOGGING,
        )
        _check_place(options)
        _deploy(application_of(options, keys))
        yield
    finally:
        _listen_to_no_signals()
        with suppress(Exception):  # whatever the cluster is worth by then
            if was_there:
                serve.delete(NAME)
            else:
                serve.shutdown()  # type: ignore[no-untyped-call]


def warn_of_small_machines(options: ServerOptions) -> None:
    """Say that models will wait, if no machine has the CPUs that each is to have; a larger machine may still come."""
    most = largest_processors()
    if options.model_cpus > most:
        logger.warning(
            "--model-cpus gives each model %g CPUs, and the largest machine of the cluster has %g: whoever asks for a "
            "model waits until a larger one joins",
            options.model_cpus,
            most,
        )


def _check_place(options: ServerOptions) -> None:
    """Refuse a cluster whose Serve listens elsewhere: that can't be changed while it runs."""
    from ray.serve.context import _get_global_client

    client = _get_global_client()
    assert client is not None
    place = client.http_config
    if (place.host, place.port) != (options.host, options.port):
        raise InputError(
            f"Ray Serve on that cluster listens at {place.host}, port {place.port} already",
            f"Add --host {place.host} --port {place.port}, or end Serve there with 'serve shutdown'",
        )


def _deploy(application: Any) -> None:
    from ray import serve

    try:
        serve.run(
            application,
            name=NAME,
            route_prefix="/",
            logging_config=LOGGING,
        )
    except RuntimeError as error:
        raise _reason_in(str(error)) from error


def _reason_in(text: str) -> SensoriumError:
    """Return the error of ours that Serve tells with all that it went through."""
    told = _TOLD.findall(text)
    if not told:
        return InternalError("The server doesn't start on the cluster", "'serve status' says why")
    kind, sentence = told[-1]  # its remedy is part of the sentence
    return SensoriumError.from_dict({"type": f"{kind}Error", "message": sentence, "remedy": ""})


def _wait_until_it_answers(address: str) -> None:
    """Wait until Serve's proxy knows the application; it hears of it a moment after it runs."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _ANSWERS_WITHIN_SECONDS
    host = address.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")
    while time.monotonic() < deadline:
        try:
            with opener.open(f"{host}/health", timeout=5) as answer:
                if answer.read() == b"OK":
                    return
        except urllib.error.HTTPError as error:
            if error.code == 503 and error.headers.get("cache-control") == "no-store":
                return  # the server itself says that something is wrong
        except OSError:
            pass
        time.sleep(0.1)
    raise InternalError("Ray Serve doesn't pass on requests to the server", "'serve status' says why")


@contextmanager
def _replicas_heard() -> Iterator[None]:
    """Write the warnings of replicas to stderr; what Ray itself says is in its own files."""
    from ray._private.ray_logging import global_worker_stdstream_dispatcher as streams

    def tell(batch: Mapping[str, Any]) -> None:
        if batch["is_err"] and str(batch.get("actor_name")).startswith(_REPLICAS):
            sys.stderr.writelines(f"{line}\n" for line in batch["lines"])

    streams.add_handler(NAME, tell)
    try:
        yield
    finally:
        streams.remove_handler(NAME)


@contextmanager
def _deaf_at_the_end() -> Iterator[None]:
    try:
        yield
    finally:
        _listen_to_no_signals()


def _listen_to_no_signals() -> None:
    """Let the end come to its end, however often Ctrl-C is pressed: processes would be left otherwise."""
    if threading.current_thread() is threading.main_thread():
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
