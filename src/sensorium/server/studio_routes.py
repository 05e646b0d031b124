"""Which of Gradio's routes the page needs. The others are closed: some fetch from elsewhere, some run what is sent."""

from __future__ import annotations

import re
from urllib.parse import unquote

_GET = re.compile(
    r"config|theme\.css|manifest\.json|favicon\.ico|robots\.txt|(?:assets|static|svelte)/.+"
    r"|gradio_api/(?:startup-events|heartbeat/.+|upload_progress|file[=/].+)|"
)
_POST = frozenset({"gradio_api/run/predict", "gradio_api/upload", "gradio_api/component_server/"})
_FILE = re.compile(r"gradio_api/file[=/](.*)", re.DOTALL)
_ELSEWHERE = re.compile(r"[\s\x00-\x1f]*(?:[a-z][a-z0-9+.-]*:|[/\\]{2})", re.IGNORECASE)
_DECODINGS = 4


def is_needed(method: str, route: str) -> bool:
    """Return whether the page asks for a route.

    Args:
        method: Of the request.
        route: The path below that of the page in one language.
    """
    if method == "POST":
        return route in _POST
    if method != "GET" or _GET.fullmatch(route) is None:
        return False
    file = _FILE.fullmatch(route)
    return file is None or not _is_elsewhere(file[1])


def is_file(route: str) -> bool:
    """Return whether a route gives a file that somebody has put on the page or that a job has made."""
    return _FILE.fullmatch(route) is not None


def _is_elsewhere(file: str) -> bool:
    """Return whether a file is named by an address, however often that is encoded: Gradio would fetch it."""
    for _ in range(_DECODINGS):
        if _ELSEWHERE.match(file):
            return True
        file = unquote(file)
    return _ELSEWHERE.match(file) is not None
