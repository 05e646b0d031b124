"""What is said when the server of a model can't be used: plain sentences for whatever its client raises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sensorium.errors import InputError, ModelServerError, ModelUnavailableError, UnsupportedError
from sensorium.models.checkpoint import Checkpoint
from sensorium.models.unlisted_checkpoints import ENDPOINT

if TYPE_CHECKING:
    import openai

USUAL_PATIENCE = 600.0
"""Seconds that a server may be silent."""
_TOO_LARGE = 413
_SERVERS_FAULT = 500


def model_name(checkpoint: Checkpoint) -> str:
    """Return the name by which the server knows the model."""
    return checkpoint.name.removeprefix(ENDPOINT) if checkpoint.server is None else checkpoint.server.model


def server_of(checkpoint: Checkpoint) -> str:
    """Return how messages call the server: one that the configuration names isn't told to strangers by its address."""
    return f"server at {checkpoint.endpoint}" if checkpoint.server is None else f"server of {checkpoint.name!r}"


@contextmanager
def plain_endpoint_errors(checkpoint: Checkpoint) -> Iterator[None]:
    """Turn what the client raises inside into one sentence.

    Raises:
        ModelUnavailableError: The server can't be reached, refuses the key, is too busy, fails, answers with
            something else than it should, or has no such model.
        InputError: The server refuses the request itself.
        UnsupportedError: The server doesn't offer what was asked for.
    """
    import openai

    name, server = checkpoint.name, server_of(checkpoint)
    try:
        yield
    except openai.APITimeoutError as error:
        raise ModelServerError(
            f"The {server} gave no answer within {_patience(checkpoint):g} s for {name!r}", "Try again later"
        ) from error
    except openai.APIConnectionError as error:
        raise ModelServerError(
            f"The {server}, which runs {name!r}, can't be reached", "Check the address and that it runs"
        ) from error
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise ModelServerError(
            f"The {server} refuses the key for {name!r}", f"Set {_key_variable(checkpoint)} to a key that may use it"
        ) from error
    except openai.NotFoundError as error:
        raise ModelUnavailableError(
            f"The {server} has no model {model_name(checkpoint)!r}, or doesn't offer this kind of request",
            "Ask it for its models"
            if checkpoint.server
            else f"Ask it for its models: curl {checkpoint.endpoint}/models",
        ) from error
    except openai.RateLimitError as error:
        raise ModelServerError(
            f"The {server} takes no more requests for {name!r} now", "Wait a minute, or check your quota"
        ) from error
    except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
        raise InputError(
            f"The {server} refuses the request: {one_line(error)}", "Change the input accordingly"
        ) from error
    except openai.APIStatusError as error:
        if error.status_code == _TOO_LARGE:
            raise InputError(
                f"The request is larger than the {server} takes", "Give fewer or smaller pictures"
            ) from error
        kind = ModelServerError if error.status_code >= _SERVERS_FAULT else UnsupportedError
        raise kind(f"The {server} failed with status {error.status_code} for {name!r}", "Try again later") from error
    except openai.APIError as error:  # sent in the middle of an answer
        raise ModelServerError(
            f"The {server} broke off with an error: {one_line(error)}", "Look at its log, then ask again"
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelServerError(
            f"The {server} sent something that is not JSON", "Check the address, and that nothing is between"
        ) from error


def _patience(checkpoint: Checkpoint) -> float:
    return USUAL_PATIENCE if checkpoint.server is None else checkpoint.server.patience


def _key_variable(checkpoint: Checkpoint) -> str:
    return "OPENAI_API_KEY" if checkpoint.server is None else checkpoint.server.key_variable or "its key_variable"


def one_line(error: openai.APIError) -> str:
    """Return what a server says of an error, in one line."""
    body = error.body if isinstance(error.body, dict) else {}
    text = str(body.get("message") or error.message)
    return " ".join(text.split())[:200]
