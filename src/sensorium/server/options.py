"""What can be set of ``sensorium serve``: the same names as its options and in its TOML file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sensorium.engine.options import EngineOptions

DEFAULT_PORT = 8756


class ServerOptions(EngineOptions):
    """What can be set of the server and of the engine behind it."""

    host: str = "127.0.0.1"
    """Address to listen on; only this machine's own, since there are no keys yet."""
    port: Annotated[int, Field(ge=0, le=65535)] = DEFAULT_PORT
    """Port to listen on; 0 for any free one."""
    requests: Annotated[int, Field(ge=1)] = 512
    """How many requests may be open at the same time."""
    largest_body: Annotated[int, Field(gt=0)] = 64_000_000
    """Bytes that a request may have; uploads have a limit of their own."""
    slowest_upload: Annotated[int, Field(ge=1)] = 1024
    """Bytes a second that a request must come with on average, after the first seconds."""
    patience: Annotated[float, Field(gt=0)] = 10.0
    """Seconds that a client has for the head of a request, and in which its body may stand still."""
    grace: Annotated[int, Field(ge=1)] = 5
    """Seconds that open requests have to end when the server is stopped."""
    aliases: Annotated[dict[str, dict[str, str]], Field(default_factory=dict)]
    """What further names stand for, by what the models do; it changes the shipped table of OpenAI's names."""
