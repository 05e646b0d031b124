"""Spans and figures of requests for those who collect them (OpenTelemetry): off unless it is switched on."""

from __future__ import annotations

from importlib.util import find_spec

from fastapi.telemetry import TelemetryConfig

from sensorium.errors import MissingDependencyError
from sensorium.server.options import ServerOptions

_SENDING = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def telemetry_for(options: ServerOptions) -> TelemetryConfig:
    """Return what FastAPI shall tell; where to, the variables ``OTEL_EXPORTER_OTLP_…`` say.

    What clients sent is never part of it: FastAPI's logs of refused requests stay off.

    Raises:
        MissingDependencyError: Telemetry is wanted, and what sends it isn't installed.
    """
    wanted = options.telemetry
    if wanted and not all(map(_is_installed, _SENDING)):
        raise MissingDependencyError(
            "Telemetry needs OpenTelemetry's exporter, which isn't installed",
            "Run: pip install 'fastapi[opentelemetry]'",
        )
    return TelemetryConfig(tracing=wanted, metrics=wanted, operation_spans=wanted, logs=False, auto_configure=wanted)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
