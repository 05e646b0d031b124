"""Where the file of a reference lies in a folder, so that the path alone tells reference and name again."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import quote, unquote

from sensorium.operations.media import Media, Origin

_LONGEST = 200
_UNSAFE = re.compile(r"[/\\\0]|^\.")


def reference_path(folder: Path, reference: Media, name: str) -> Path:
    """Return the path for the file of a reference.

    Args:
        folder: Of a job or a search index.
        reference: Names the file.
        name: What its owner calls it; printable.
    """
    return folder / reference_folder(reference) / (_shortened(_UNSAFE.sub("-", name)) or "file")


def reference_folder(reference: Media) -> str:
    """Return the name of the folder for the file of a reference."""
    if reference.upload is not None or reference.artifact is not None:
        quoted = quote(reference, safe="", errors="surrogatepass")
        if len(quoted) <= _LONGEST:
            return quoted
    return hashlib.sha256(reference.encode("utf-8", "surrogatepass")).hexdigest()


def reference_of(folder: str) -> Media | None:
    """Return the upload or artifact for which there is a folder of this name, or None."""
    reference = Media(unquote(folder))
    return reference if reference.upload is not None or reference.artifact is not None else None


def origin_of(path: Path) -> Origin | None:
    """Return reference and name of a file that an index holds; None if it was deleted, or is none."""
    reference = reference_of(path.parent.name)
    return Origin(reference, path.name) if reference is not None and path.is_file() else None


def _shortened(name: str) -> str:
    """Keep the end: the suffix says what it is."""
    return name.encode("utf-8", "replace")[-_LONGEST:].decode("utf-8", "ignore")
