"""Asking the server of a model whether it is there, without asking the model anything."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from sensorium import settings
from sensorium.models.model_servers import ServedModel

_SECONDS = 3.0
_MOST_BYTES = 1 << 20
_REFUSED = (401, 403)
_SERVERS_FAULT = 500


def trouble_of(served: ServedModel) -> str:
    """Return why a model can't be asked at its server, in one sentence without its address; "" if it can be."""
    server = f"The server of {served.name!r}"
    key = settings.key_in(served.key_variable) if served.key_variable else ""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(f"{served.address.rstrip('/')}/models", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            listed = _names(answer.read(_MOST_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            if error.code in _REFUSED:
                return f"{server} refuses the key"
            # Some don't list their models, and answer questions all the same.
            return f"{server} fails with status {error.code}" if error.code >= _SERVERS_FAULT else ""
    except TimeoutError:
        return f"{server} gives no answer within {_SECONDS:g} s"
    except (OSError, ValueError) as error:
        if isinstance(getattr(error, "reason", None), TimeoutError):
            return f"{server} gives no answer within {_SECONDS:g} s"
        return f"{server} can't be reached"
    return f"{server} has no model {served.model!r}" if listed and served.model not in listed else ""


def _names(answer: bytes) -> set[str]:
    """Return the names in a list of models; none if it is no such list."""
    try:
        return {str(each["id"]) for each in json.loads(answer)["data"]}
    except (ValueError, KeyError, TypeError):
        return set()
