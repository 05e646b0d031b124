"""What object stores answer when something is wrong, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sensorium.errors import InputError, SensoriumError, StorageError
from sensorium.media.naming import display_name
from sensorium.models.extras import missing_packages_explained

_NO_ANSWER = ("Connect", "Timeout", "HTTPClientError", "ServerDisconnected", "ClientPayload")
"""Parts of the names of errors of botocore, aiohttp and fsspec that say that nobody answers."""
_NO_CREDENTIALS = ("NoCredentials", "PartialCredentials", "ProfileNotFound", "CredentialRetrieval")


@contextmanager
def failures_explained(address: str) -> Iterator[None]:
    """If a store fails inside the block, say why in one sentence.

    Args:
        address: What was to be read or written.

    Raises:
        InputError: It isn't there.
        StorageError: The store refuses, or doesn't answer.
        MissingDependencyError: The package for this kind of store isn't installed.
    """
    name = display_name(address)
    with missing_packages_explained(f"Access to {name}"):
        try:
            yield
        except (SensoriumError, ImportError):
            raise
        except Exception as error:
            known = _explained(error, address, name)
            if known is None:
                raise
            raise known from error


def _explained(error: Exception, address: str, name: str) -> SensoriumError | None:
    kinds = {kind.__name__ for each in _chain(error) for kind in type(each).__mro__}
    bucket = address.partition("://")[2].partition("/")[0]
    if any(part in kind for kind in kinds for part in _NO_CREDENTIALS):
        return StorageError(
            f"There are no credentials for {name}", "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        )
    if "NoSuchBucket" in kinds or _code(error) == "NoSuchBucket":
        return InputError(f"There is no bucket {bucket!r}", "Check its name, or create it first")
    if isinstance(error, FileNotFoundError):
        return InputError(f"{name} doesn't exist", "Check the address")
    if isinstance(error, PermissionError):
        return StorageError(
            f"The object store refuses access to {name}", "Check the credentials and what they are allowed to do"
        )
    if isinstance(error, (ConnectionError, TimeoutError)) or any(part in kind for kind in kinds for part in _NO_ANSWER):
        return StorageError(f"No object store answers for {name}", "Check the network and AWS_ENDPOINT_URL")
    if isinstance(error, ValueError) and "endpoint" in str(error).lower():
        return StorageError(
            f"The address of the store of {name} is none", "Write AWS_ENDPOINT_URL like https://host:port"
        )
    if isinstance(error, OSError) or "BotoCoreError" in kinds or "ClientError" in kinds:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        return StorageError(f"{name} can't be read or written: {said}", "Check the address and the store")
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    yield error
    if error.__cause__ is not None:
        yield from _chain(error.__cause__)


def _code(error: BaseException) -> str:
    for each in _chain(error):
        response = getattr(each, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
    return ""
