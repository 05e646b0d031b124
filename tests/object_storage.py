"""An object store for tests: moto's S3 server over HTTP, as a process of its own."""

from __future__ import annotations

import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.processes import running

_SERVER = """
import time
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
while True:
    time.sleep(3600)
"""


@dataclass(frozen=True)
class ObjectStorage:
    """A running server.

    Attributes:
        endpoint: Its address, ``http://127.0.0.1:…``.
        bucket: The address of an empty bucket: ``s3://…``.
        environment: The variables by which boto, s3fs and Lance find it.
    """

    endpoint: str
    bucket: str
    environment: dict[str, str]

    def new_bucket(self) -> str:
        """Make another empty bucket; return its address."""
        name = f"bucket-{secrets.token_hex(6)}"
        request = urllib.request.Request(f"{self.endpoint}/{name}", method="PUT")
        with urllib.request.urlopen(request, timeout=60):
            return f"s3://{name}"

    def require_known_credentials(self) -> None:
        """From now on let the server refuse all credentials: it knows none."""
        request = urllib.request.Request(f"{self.endpoint}/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"})
        with urllib.request.urlopen(request, timeout=60):
            pass


@contextmanager
def object_storage() -> Iterator[ObjectStorage]:
    """Run a server; its variables are set in this process, and so in what it starts, during the block."""
    import s3fs

    command = [sys.executable, "-c", _SERVER]
    with (
        running(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        assert server.stdout is not None
        endpoint = f"http://127.0.0.1:{int(server.stdout.readline())}"
        environment = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ALLOW_HTTP": "true",
        }
        for name, value in environment.items():
            patch.setenv(name, value)
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        storage = ObjectStorage(endpoint, "", environment)
        s3fs.S3FileSystem.clear_instance_cache()  # they hold connections to another test's server
        try:
            yield ObjectStorage(endpoint, storage.new_bucket(), environment)
        finally:
            s3fs.S3FileSystem.clear_instance_cache()
