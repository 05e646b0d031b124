"""Models behind an OpenAI-compatible server: one client, and plain sentences for whatever goes wrong there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from sensorium.errors import InputError, MissingDependencyError, ModelUnavailableError, UnsupportedError
from sensorium.models.catalog import ENDPOINT, Checkpoint
from sensorium.models.store import offline

if TYPE_CHECKING:
    import openai

_TIMEOUT_SECONDS = 600.0


def model_name(checkpoint: Checkpoint) -> str:
    """Return the name by which the server knows the model."""
    return checkpoint.name.removeprefix(ENDPOINT)


def open_client(checkpoint: Checkpoint) -> openai.OpenAI:
    """Return a client for the checkpoint's server; no request is made yet.

    The key is ``OPENAI_API_KEY``. A server on this machine may need none.

    Raises:
        MissingDependencyError: The ``openai`` package isn't installed.
        ModelUnavailableError: A key is needed and not set, or offline mode is set and the server is elsewhere.
    """
    try:
        import openai
    except ImportError:
        raise MissingDependencyError(
            f"The model {checkpoint.name!r} runs behind a server, and the package 'openai' that talks to it is missing",
            "Install it: pip install 'sensorium[remote]'",
        ) from None
    host = urlparse(checkpoint.endpoint).hostname or ""
    key = os.environ.get("OPENAI_API_KEY", "")
    if offline() and not _on_this_machine(host):
        raise ModelUnavailableError(
            f"The model {checkpoint.name!r} runs at {host}, and offline mode is set, so nothing was requested",
            "Unset SENSORIUM_OFFLINE and HF_HUB_OFFLINE, or choose a local checkpoint",
        )
    if not key and not _on_this_machine(host):
        raise ModelUnavailableError(
            f"The model {checkpoint.name!r} runs at {host}, which needs a key", "Set OPENAI_API_KEY to yours"
        )
    return openai.OpenAI(base_url=checkpoint.endpoint, api_key=key or "none", timeout=_TIMEOUT_SECONDS)


@contextmanager
def plain_endpoint_errors(checkpoint: Checkpoint) -> Iterator[None]:
    """Turn what the client raises inside into one sentence.

    Raises:
        ModelUnavailableError: The server can't be reached, refuses the key, is too busy, or has no such model.
        InputError: The server refuses the request itself.
        UnsupportedError: The server doesn't offer what was asked for.
    """
    import openai

    name, address = checkpoint.name, checkpoint.endpoint
    try:
        yield
    except openai.APITimeoutError as error:
        raise ModelUnavailableError(
            f"The server at {address} gave no answer within {_TIMEOUT_SECONDS:.0f} s for {name!r}", "Try again later"
        ) from error
    except openai.APIConnectionError as error:
        raise ModelUnavailableError(
            f"The server at {address}, which runs {name!r}, can't be reached", "Check the address and that it runs"
        ) from error
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise ModelUnavailableError(
            f"The server at {address} refuses the key for {name!r}", "Set OPENAI_API_KEY to a key that may use it"
        ) from error
    except openai.NotFoundError as error:
        raise ModelUnavailableError(
            f"The server at {address} has no model {model_name(checkpoint)!r}, or doesn't offer this kind of request",
            f"Ask it for its models: curl {address}/models",
        ) from error
    except openai.RateLimitError as error:
        raise ModelUnavailableError(
            f"The server at {address} takes no more requests for {name!r} now", "Wait a minute, or check your quota"
        ) from error
    except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
        raise InputError(
            f"The server at {address} refuses the request: {_one_line(error)}", "Change the input accordingly"
        ) from error
    except openai.APIStatusError as error:
        raise UnsupportedError(
            f"The server at {address} failed with status {error.status_code} for {name!r}", "Try again later"
        ) from error


def _on_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _one_line(error: openai.APIStatusError) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    text = str(body.get("message") or error.message)
    return " ".join(text.split())[:200]
