"""What can be set of ``sensorium serve``: the same names as its options and in its TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from sensorium.engine.options import EngineOptions

DEFAULT_PORT = 8756


class ServerOptions(EngineOptions):
    """What can be set of the server and of the engine behind it."""

    host: str = "127.0.0.1"
    """Address to listen on; another than this machine's own needs keys."""
    port: Annotated[int, Field(ge=0, le=65535)] = DEFAULT_PORT
    """Port to listen on; 0 for any free one."""
    keys: Path | None = None
    """A TOML file with the keys of those who may ask, as 'sensorium keys new' makes it; SENSORIUM_API_KEY adds one."""
    allow_anyone: bool = False
    """Listen elsewhere than on this machine without keys: whoever reaches the port may use it."""
    hosts: tuple[str, ...] = ()
    """Further names by which the server may be asked, such as "media.example.org" or "*.example.org"."""
    origins: tuple[Annotated[str, Field(pattern=r"^(\*|[a-z][a-z0-9+.-]*://[^/\s]+)$")], ...] = ()
    """Pages that may use the server from a browser, such as "app://obsidian.md"; "*" lets all."""
    public: tuple[Literal["voices", "models"], ...] = ()
    """Lists that need no key: voices, models."""
    requests_per_key: Annotated[int | None, Field(ge=1)] = None
    """How many requests with one key may be open at the same time; by default as many as all."""
    telemetry: bool = False
    """Send spans and figures of requests to where OTEL_EXPORTER_OTLP_ENDPOINT says."""
    requests: Annotated[int, Field(ge=1)] = 512
    """How many requests may be open at the same time."""
    largest_body: Annotated[int, Field(gt=0)] = 64_000_000
    """Bytes that a request may have; uploads have a limit of their own."""
    largest_recording: Annotated[int, Field(gt=0)] = 2_000_000_000
    """Bytes that a recording for /asr and /detect-language may have: a film of two hours has 230 million."""
    slowest_upload: Annotated[int, Field(ge=1)] = 1024
    """Bytes a second that a request must come with on average, after the first seconds."""
    patience: Annotated[float, Field(gt=0)] = 10.0
    """Seconds that a client has for the head of a request, and in which its body may stand still."""
    grace: Annotated[int, Field(ge=1)] = 5
    """Seconds that open requests have to end when the server is stopped."""
    cluster: bool = False
    """Run on Ray Serve: on this machine alone, or on the cluster of --address; needs Ray."""
    address: str | None = None
    """Address of a Ray cluster to run on, such as 10.0.0.5:6379; this machine must be one of its nodes."""
    ingress_replicas: Annotated[int, Field(ge=1)] = 1
    """How many processes of a cluster answer requests; with more than one there is no studio."""
    model_replicas: Annotated[int, Field(ge=1)] = 4
    """How many processes of one model a cluster may have; there is none while nobody asks for the model."""
    model_cpus: Annotated[float, Field(gt=0)] = 1.0
    """How many of the cluster's CPUs each process of a model takes; on this machine alone by default all."""
    model_replicas_of: Annotated[dict[str, Annotated[int, Field(ge=1)]], Field(default_factory=dict)]
    """How many processes of single models a cluster may have, by name."""
    aliases: Annotated[dict[str, dict[str, str]], Field(default_factory=dict)]
    """What further names stand for, by what the models do; it changes the shipped table of OpenAI's names."""
