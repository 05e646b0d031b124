"""Why a request to the hub failed, in half a sentence, and what helps."""

from __future__ import annotations

import errno
from typing import Any
from urllib.parse import urlsplit

from sensorium.models.weight_files import RefusedError

UNREACHABLE = "the hub can't be reached"
AGAIN = "Run the same command again: it goes on where it stopped"

_LATER = "Wait a while, then run the same command again"
_REFUSALS = {
    "GatedRepoError": (
        "its owner must grant you access on the hub first",
        "Accept the terms on the repository's page while logged in, then set HF_TOKEN to a token of that account",
    ),
    "RevisionNotFoundError": (
        "the hub's repository has no such revision",
        "See on the repository's page what became of it",
    ),
    "RepositoryNotFoundError": (
        "the hub has no such repository, or it is private and HF_TOKEN is not set",
        "Check the name, or set HF_TOKEN to a token that may read it",
    ),
    "DisabledRepoError": ("the hub has closed this repository", "Choose another checkpoint"),
    "HFValidationError": ("this is no valid name of a hub repository", "Write it like 'owner/name'"),
}
"""From the client's error to half a sentence and the remedy."""
_STATUSES = {
    401: (
        "the hub lets nobody read this without a token that it knows",
        "Check the name of the repository, and set HF_TOKEN to a valid token",
    ),
    403: ("the token in HF_TOKEN may not read this repository", "Give the token the right to read it on the hub"),
    404: ("the hub no longer has a file that its listing names", _LATER),
}
_BROKEN = ("RemoteProtocolError", "ReadError", "WriteError", "ReadTimeout", "WriteTimeout")


def explain(error: BaseException) -> RefusedError:
    """Return an error for the user. The client wraps the error that tells most inside other errors."""
    chain = _chain(error)
    for each in chain:
        if isinstance(each, RefusedError):
            return each
        if isinstance(each, OSError) and each.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "Make room in the hub's cache (HF_HOME), or set HF_HOME elsewhere"
            return RefusedError("the disk is full", remedy, everywhere=True)
        if isinstance(each, OSError) and each.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            remedy = "Set HF_HOME to a folder that you can write to"
            return RefusedError("the hub's cache can't be written to", remedy, everywhere=True)
        if found := next((_REFUSALS[kind] for kind in _kinds(each) if kind in _REFUSALS), None):
            return RefusedError(*found)
        if (status := getattr(getattr(each, "response", None), "status_code", None)) is not None:
            return _of_status(int(status), each)
    if any(kind in _BROKEN for each in chain for kind in _kinds(each)) or "Consistency check failed" in str(error):
        return RefusedError("the connection broke off", AGAIN, everywhere=True)
    return RefusedError(UNREACHABLE, everywhere=True)


def _of_status(status: int, error: Any) -> RefusedError:
    if status in (401, 403) and _is_elsewhere(error):
        return RefusedError("the address that the hub gave for a file is no longer good", AGAIN, everywhere=True)
    if status in _STATUSES:
        return RefusedError(*_STATUSES[status])
    if status == 429:
        return RefusedError(
            "the hub takes no more requests from this address for now (429)",
            f"{_wait(error)}, then run the same command again; with HF_TOKEN set it takes more",
            everywhere=True,
        )
    if status >= 500:
        return RefusedError(f"the hub has a failure of its own ({status})", _LATER, everywhere=True)
    return RefusedError(f"the hub refuses the request ({status})", _LATER)


def _is_elsewhere(error: Any) -> bool:
    """Return whether it wasn't the hub itself that answered: weights lie on other hosts, at addresses that get old."""
    from huggingface_hub import constants

    return bool(error.response.url.netloc != urlsplit(constants.ENDPOINT).netloc.encode())


def _wait(error: Any) -> str:
    from huggingface_hub.utils._http import parse_ratelimit_headers

    headers = error.response.headers
    limits = parse_ratelimit_headers(headers)
    seconds = str(limits.reset_in_seconds) if limits is not None else headers.get("Retry-After", "")
    return f"Wait {seconds} seconds" if seconds.isdigit() else "Wait a while"


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and those behind it, the outermost first."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        following = following.__cause__
    return chain


def _kinds(error: BaseException) -> list[str]:
    return [kind.__name__ for kind in type(error).__mro__]
