"""Where Lance keeps tables: what it must be told of an object store, and what its errors mean."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sensorium import settings
from sensorium.errors import InputError, SensoriumError, StorageError
from sensorium.retrieval.location import is_remote

logger = logging.getLogger("sensorium.retrieval")

_RESUME = "then run it again: what is finished is kept"
_OF_OBJECT_STORES: tuple[tuple[tuple[str, ...], type[SensoriumError], str, str], ...] = (
    (
        ("NoSuchBucket",),
        InputError,
        "The bucket of the index {name} does not exist",
        "Check the address, or make the bucket first",
    ),
    (
        ("Failed to get AWS credentials", "CredentialsNotLoaded"),
        StorageError,
        "There are no credentials for the object store of the index {name}",
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or make a profile in ~/.aws/credentials",
    ),
    (
        ("403 Forbidden", "401 Unauthorized", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
        StorageError,
        "The object store of the index {name} refuses these credentials",
        "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what they are allowed to do in the bucket",
    ),
    (
        ("error sending request", "error trying to connect", "dns error", "HTTP error", "operation timed out"),
        StorageError,
        "The object store of the index {name} doesn't answer",
        f"Check the network and AWS_ENDPOINT_URL, {_RESUME}",
    ),
)
"""What stands in Lance's message, and the error, its sentence and its remedy."""


def load_lance() -> Any:
    """Import Lance, which then reports errors only, and return it."""
    settings.quiet_lance()
    import lance

    return lance


def storage_options(location: str) -> dict[str, str] | None:
    """Return what Lance must be told of the place of an index; None for nothing.

    Lance reads the variables that boto reads (``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``, …) by itself; but it
    refuses to speak HTTP without TLS unless that is allowed once more.

    Args:
        location: From `check_location`.
    """
    plain = is_remote(location) and settings.object_store_endpoint().lower().startswith("http://")
    return {"allow_http": "true"} if plain else None


@contextmanager
def plain_errors(done: str, name: str, location: str) -> Iterator[None]:
    """Lance's messages are long and speak of its inside; they go to the log.

    Args:
        done: What was tried: ``"read"`` or ``"written"``.
        name: How messages call the index.
        location: Where it lies.

    Raises:
        InputError: Something that Lance did inside the block failed.
        StorageError: The object store refuses, or doesn't answer.
    """
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        logger.info("Lance at %s: %s", name, error)
        raise _explained(str(error), done, name, location) from None


def _explained(text: str, done: str, name: str, location: str) -> SensoriumError:
    if is_remote(location):
        for signs, kind, sentence, remedy in _OF_OBJECT_STORES:
            if any(sign in text for sign in signs):
                return kind(sentence.format(name=name), remedy)
    return InputError(
        f"The index {name} can't be {done}",
        "Check that it is there, free space and permissions; the log (sensorium.retrieval, level INFO) has details",
    )
