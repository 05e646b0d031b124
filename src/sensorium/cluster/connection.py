"""Being connected to a Ray cluster: one that runs, or a small one of our own that ends with this process."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sensorium import settings
from sensorium.errors import InputError, SensoriumError, StorageError, UnreachableError
from sensorium.models.extras import missing_packages_explained

OBJECT_STORE_BYTES = 200 << 20
"""Of shared memory that a cluster of our own has: what actors are told goes through it, media don't."""
_CONNECT_SECONDS = 5.0
_LONGEST_FOLDER = 20
"""Letters of the path of Ray's folder: its sockets lie deep in it, and their paths may have about a hundred."""
_FOLDER = "ray-"


@contextmanager
def connected(address: str | None, *, processors: int, purpose: str, logs: bool = False) -> Iterator[None]:
    """Be connected to a Ray cluster during the block; where this process is connected already, to that one.

    Args:
        address: Of a running cluster, such as ``"head:6379"``, or ``"auto"`` for the one that this machine belongs to;
            None for one of our own on this machine: it listens on loopback alone, asks for a token, and is gone at the
            end of the block, or when this process is killed.
        processors: How many a cluster of our own counts; they are counted, not bound.
        purpose: What needs Ray, as the subject of a sentence.
        logs: Whether what processes of the cluster write to stderr comes to this one, for who listens to it.

    Raises:
        MissingDependencyError: Ray isn't installed.
        InputError: The address is none of a cluster.
        UnreachableError: No cluster answers there, or it refuses.
        StorageError: A cluster can't be started on this machine.
    """
    settings.prepare_ray(own=address is None)
    with missing_packages_explained(purpose):
        import ray
    if ray.is_initialized():
        yield
        return
    with _own_cluster(processors, logs) if address is None else _running_cluster(address, logs):
        _be_quiet()
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _own_cluster(processors: int, logs: bool) -> Iterator[None]:
    import ray

    folder = _short_folder()
    try:
        try:
            with _unheard():
                ray.init(
                    address="local",
                    num_cpus=processors,
                    include_dashboard=False,
                    object_store_memory=OBJECT_STORE_BYTES,
                    _temp_dir=str(folder),
                    log_to_driver=logs,
                    logging_level=logging.ERROR,
                )
        except SensoriumError:
            raise
        except Exception as error:
            ray.shutdown()
            raise StorageError(
                f"Ray can't be started on this machine: {_first_line(error)}",
                "See that the disk and /dev/shm have room and the home folder can be written to",
            ) from error
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running_cluster(address: str, logs: bool) -> Iterator[None]:
    import ray

    if address != "auto":
        _require_address(address)
    try:
        with _unheard():
            head = _head_of(address)
            if head is not None:
                _require_an_answer(head)
                _require_its_token(head)
            ray.init(address=address, log_to_driver=logs, logging_level=logging.ERROR)
    except SensoriumError:
        raise
    except Exception as error:
        ray.shutdown()
        raise UnreachableError(
            f"The Ray cluster at {address} can't be joined: {_first_line(error)}",
            "See that it runs the same versions of Ray and Python, and that RAY_AUTH_TOKEN holds its token",
        ) from error
    yield


def _require_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdigit():
        raise InputError(
            f"{address!r} is no address of a Ray cluster that can be joined",
            "Give host:port of its head, such as head:6379, from a machine of the cluster",
        )


def _head_of(address: str) -> str | None:
    """Return host and port of a cluster's head; None where this machine belongs to none."""
    from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
    from ray._private.services import canonicalize_bootstrap_address

    if address != "auto":
        return address
    maybe_enable_token_auth_if_token_available(warn_if_disabled=False)  # as ray.init does, for this address alone
    head = canonicalize_bootstrap_address(address)
    return None if head is None or "://" in head else head


def _require_an_answer(address: str) -> None:
    """See that something listens: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError):
        raise UnreachableError(
            f"No Ray cluster answers at {address}",
            "Start one with: ray start --head, and give the address that it prints",
        ) from None


def _require_its_token(address: str) -> None:
    """Ask once with the token that this process has, if any: Ray itself would ask for a minute before it says so."""
    import grpc
    from ray._private.grpc_utils import init_grpc_channel
    from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

    channel = init_grpc_channel(address)
    messages: Any = gcs_service_pb2
    services: Any = gcs_service_pb2_grpc
    try:
        question = messages.CheckAliveRequest()
        services.NodeInfoGcsServiceStub(channel).CheckAlive(question, timeout=_CONNECT_SECONDS)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAUTHENTICATED:
            raise UnreachableError(
                f"The Ray cluster at {address} asks for a token, and this program has none, or another one",
                "Set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN to the token that 'ray get-auth-token' prints on its head",
            ) from None
        # Whatever else there is, Ray says better than one question can.
    finally:
        channel.close()


def _short_folder() -> Path:
    """Make a folder that is named after this process; remove those of processes that were killed."""
    import psutil

    usual = Path(tempfile.gettempdir())
    parent = usual if len(str(usual)) <= _LONGEST_FOLDER else Path("/tmp")
    for folder in parent.glob(f"{_FOLDER}*-*"):
        process = folder.name.removeprefix(_FOLDER).partition("-")[0]
        if process.isdigit() and not psutil.pid_exists(int(process)):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-", dir=parent))


def _be_quiet() -> None:
    """Keep Ray off the terminal: it writes to stdout too, where results go. Its files of logs say it all."""
    import ray._private.worker

    ray._private.worker._worker_logs_enabled = False
    try:
        import ray.data  # sets up its log
    except ImportError:
        return
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.CRITICAL + 1)


@contextmanager
def _unheard() -> Iterator[None]:
    """Drop what is written to the terminal: Ray's own code writes there how loud its log is, even if it is silent."""
    heard = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(heard, 2)
        os.close(nothing)
        os.close(heard)


def _first_line(error: Exception) -> str:
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return said.rstrip(".")
