"""Tools for an agent that starts them as a program: it speaks over standard input and output."""

from __future__ import annotations

import tempfile
from pathlib import Path

import anyio

from sensorium import settings
from sensorium.engine.engine import LocalEngine
from sensorium.engine.options import EngineOptions
from sensorium.errors import StorageError
from sensorium.mcp.known_paths import KnownPaths
from sensorium.mcp.local_media import LocalMediaRunner
from sensorium.mcp.operation_runner import EngineRunner
from sensorium.mcp.remote_runner import RemoteRunner
from sensorium.mcp.tool_server import Call, ToolServer

_MOST_AT_ONCE = 32
"""Agents on one machine that each have an engine of their own."""
_KNOWN = "paths.json"


def serve_with_engine(options: EngineOptions) -> None:
    """Serve one agent with an engine in this process, until the agent closes the connection.

    Args:
        options: Of the engine. Without a folder, it gets one that lasts; agents that run at the same time get
            different ones.

    Raises:
        SensoriumError: The engine can't start.
    """
    anyio.run(_serve_with_engine, options)


async def _serve_with_engine(options: EngineOptions) -> None:
    engine = await _started(options)
    runner = EngineRunner(engine)
    local = LocalMediaRunner(runner, KnownPaths(engine.folder_of("agents") / _KNOWN))
    try:
        await ToolServer(runner, local, owner_of=_nobody, where=_path).run_stdio_async()
    finally:
        with anyio.CancelScope(shield=True):
            await engine.close()


async def _started(options: EngineOptions) -> LocalEngine:
    """Return an engine in the first folder that no other agent's engine has taken."""
    if options.data is not None:
        engine = LocalEngine(options)
        await engine.start()
        return engine
    for number in range(1, _MOST_AT_ONCE + 1):
        folder = settings.data_home() / ("agents" if number == 1 else f"agents-{number}")
        engine = LocalEngine(options.model_copy(update={"data": folder}))
        try:
            await engine.start()
        except StorageError:
            if number == _MOST_AT_ONCE:
                raise
            continue
        return engine
    raise AssertionError("unreachable")


def serve_with_server(address: str) -> None:
    """Serve one agent with a Sensorium server that runs already, until the agent closes the connection.

    Args:
        address: Of the server.
    """
    with tempfile.TemporaryDirectory(prefix="sensorium-agent-") as folder:
        runner = RemoteRunner(address, Path(folder))

        def address_of(call: Call, job: str, name: str, file: Path) -> str:
            return f"{address.rstrip('/')}/v1/sensorium/jobs/{job}/artifacts/{name}"

        local = LocalMediaRunner(runner, KnownPaths(settings.data_home() / "agents" / f"on-servers-{_KNOWN}"))
        server = ToolServer(runner, local, owner_of=_nobody, where=address_of)
        anyio.run(server.run_stdio_async)


def _nobody(call: Call) -> str:
    return ""


def _path(call: Call, job: str, name: str, file: Path) -> str:
    return str(file)
