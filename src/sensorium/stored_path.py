"""Where a file lies, as a `Path` also for what lies in an object store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    _Base = Path
else:
    _Base = type(Path())

_ADDRESS = re.compile(r"[A-Za-z][\w+.-]+://")
_SHORTENED = re.compile(r"^([A-Za-z][\w+.-]+):[\\/](?![\\/])")


class StoredPath(_Base):
    """An address such as ``s3://bucket/cat.jpg``: has a name, a suffix and a parent, and reads as it was written.

    `Path` alone takes the two slashes for one. Make it by `path_or_address`. No file of this machine is found by it.
    """

    __slots__ = ("_address",)
    _address: str

    def __str__(self) -> str:
        """Return the address."""
        try:
            return self._address
        except AttributeError:
            # What was made of another one, such as its parent.
            return _SHORTENED.sub(r"\1://", super().__str__()).replace("\\", "/")

    def __fspath__(self) -> str:
        """Return the address."""
        return str(self)

    def __reduce__(self) -> tuple[object, ...]:
        """Say how to make it in another process."""
        return path_or_address, (str(self),)


def path_or_address(text: str) -> Path:
    """Return the path of a file of this machine, or the address of one in an object store."""
    if not _ADDRESS.match(text):
        return Path(text)
    address = StoredPath(text)
    address._address = text
    return address
