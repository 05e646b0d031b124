"""The tools that agents see: one for each operation, and the files of their results as resources."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeAlias

from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError
from mcp_types import CallToolResult, ResourceTemplate, Tool
from pydantic import AnyUrl

from sensorium.errors import CancelledError, NotFoundError, SensoriumError
from sensorium.mcp.answers import answer, artifact_uri, named_by
from sensorium.mcp.local_media import LocalMediaRunner
from sensorium.mcp.operation_runner import OperationRunner
from sensorium.mcp.progress_notifications import ProgressNotifications
from sensorium.mcp.tool_descriptions import described
from sensorium.operations.registry import all_operations, operation_named
from sensorium.version import VERSION

Call: TypeAlias = Context[Any, Any]
Lifespan: TypeAlias = Callable[[MCPServer[Any]], AbstractAsyncContextManager[Any]]

_LARGEST_RESOURCE = 64_000_000
"""Bytes of a file that is read over the protocol, which writes it in base64 into one message."""
_TEXT = ("text/", "application/json", "application/x-subrip")
_OF_THIS_MACHINE = (
    "The path of a file on this machine, an http(s) address, a data: URI, or artifact:JOB/NAME for a file that an "
    "earlier tool made."
)
_OF_A_SERVER = (
    "A data: URI, upload:ID for a file sent to /v1/sensorium/uploads, or artifact:JOB/NAME for a file that an earlier "
    "tool made."
)


class ToolServer(MCPServer[Any]):
    """Sensorium's operations over the Model Context Protocol.

    Args:
        runner: Runs them.
        local: Runs those of agents on this machine, which name files by their paths; None where agents are elsewhere.
        owner_of: Says for whom a call is.
        where: Says what a user can open to see a file of a result, given the call, the job and the file's name.
        lifespan: Entered before the first call, left after the last one.
    """

    def __init__(
        self,
        runner: OperationRunner,
        local: LocalMediaRunner | None = None,
        *,
        owner_of: Callable[[Call], str],
        where: Callable[[Call, str, str, Path], str],
        lifespan: Lifespan | None = None,
    ) -> None:
        super().__init__(
            "sensorium",
            title="Sensorium",
            instructions=importlib.resources.files(__package__).joinpath("instructions.md").read_text("utf-8"),
            version=VERSION,
            log_level="WARNING",
            lifespan=lifespan,
            subscriptions=False,
        )
        self._runner = runner
        self._owner_of = owner_of
        self._local = local
        self._where = where
        media = _OF_A_SERVER if local is None else _OF_THIS_MACHINE
        self._tools = [described(operation, media) for operation in all_operations().values()]

    async def list_tools(self) -> list[Tool]:
        """Return one tool for each operation."""
        return self._tools

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Call | None = None) -> CallToolResult:
        """Run an operation; return its result, with its pictures to look at and its files as links.

        Raises:
            ToolError: It can't be done; the message says why, and what would help.
        """
        assert context is not None, "the server always says who calls"
        notifications = ProgressNotifications(context.report_progress)
        owner = self._owner_of(context)
        try:
            operation = operation_named(name).of(arguments)
            if self._local is None:
                job = await self._runner.run(operation, owner, notifications.hear)
            else:
                job = await self._local.run(operation, notifications.hear)
            return await self._answer(_ended_well(job), owner, context)
        except SensoriumError as error:
            raise ToolError(str(error)) from None

    async def _answer(self, job: Mapping[str, Any], owner: str, context: Call) -> CallToolResult:
        files, where = {}, {}
        for artifact in job["artifacts"]:
            file, _ = await self._runner.file(job["id"], artifact["name"], owner)
            files[artifact["name"]] = file
            where[artifact["name"]] = self._where(context, job["id"], artifact["name"], file)
        return answer(job, files, where)

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """Return how the files of results are addressed."""
        return [
            ResourceTemplate(
                uri_template=artifact_uri("{job}", "{name}").replace("%7B", "{").replace("%7D", "}"),
                name="result-file",
                title="File of a result",
                description="A picture, sound or subtitle file that a tool made, or result.json: all of its result.",
            )
        ]

    async def read_resource(self, uri: AnyUrl | str, context: Call | None = None) -> Iterable[ReadResourceContents]:
        """Return a file of a result, or the result itself.

        Raises:
            ResourceNotFoundError: There is none, or it was deleted by age.
            ResourceError: It is too large for this way, or can't be read.
        """
        assert context is not None, "the server always says who calls"
        named = named_by(str(uri))
        if named is None:
            raise ResourceNotFoundError(f"{uri} is no file of a result. Take an address that a tool's answer named.")
        job, name = named
        owner = self._owner_of(context)
        try:
            if name is None:
                result = (await self._runner.job(job, owner))["result"]
                return [ReadResourceContents(json.dumps(result, ensure_ascii=False), "application/json")]
            file, media_type = await self._runner.file(job, name, owner)
            return [ReadResourceContents(_content(file, name, media_type), media_type)]
        except NotFoundError as error:
            raise ResourceNotFoundError(str(error)) from None
        except SensoriumError as error:
            raise ResourceError(str(error)) from None


def _content(file: Path, name: str, media_type: str) -> str | bytes:
    size = file.stat().st_size
    if size > _LARGEST_RESOURCE:
        raise ResourceError(f"{name} has {size} bytes, too many to be read this way. Open it where its answer says.")
    data = file.read_bytes()
    return data.decode("utf-8") if media_type.startswith(_TEXT) else data


def _ended_well(job: Mapping[str, Any]) -> Mapping[str, Any]:
    if job["state"] == "done":
        return job
    if job.get("error"):
        raise SensoriumError.from_dict(job["error"])
    raise CancelledError("The job was cancelled", "Call the tool again if it is still wanted")
