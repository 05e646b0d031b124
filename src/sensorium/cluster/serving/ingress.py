"""The ingress: the server's application in each replica of a Serve deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.types import ASGIApp

from sensorium.cluster.serving.keeper_line import KeeperLine
from sensorium.cluster.serving.open_doors import refuse_open_ports, require_token
from sensorium.cluster.serving.proxied import Proxied
from sensorium.cluster.serving.remote_background import RemoteBackground
from sensorium.cluster.serving.remote_engine import RemoteEngine
from sensorium.server.app import create_app
from sensorium.server.keys import Key, KeyRing
from sensorium.server.options import ServerOptions
from sensorium.server.program import refuse_strangers


class Ingress:
    """One replica of the ingress; any of them answers for any job.

    Args:
        options: The server's, as plain data.
        keys: Those that it knows, as plain data: names and digests.
        keeper: The handle of the keeper's deployment.

    Raises:
        InputError: Serve listens where strangers could use it, or Ray has open doors.
    """

    def __init__(self, options: Mapping[str, Any], keys: Sequence[Mapping[str, Any]], keeper: Any) -> None:
        from ray.serve.context import _get_global_client

        client = _get_global_client()
        assert client is not None
        listening = client.http_config
        self._options = ServerOptions(**{**options, "host": listening.host, "port": listening.port})
        self._keys = KeyRing(Key(**each) for each in keys)
        self._line = KeeperLine(keeper)
        refuse_strangers(self._options, self._keys)
        refuse_open_ports()
        require_token()

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Return the application; Serve asks for it in the replica."""
        engine = RemoteEngine(self._line, self._options)
        return Proxied(create_app(engine, self._options, self._keys, RemoteBackground(self._line)))
