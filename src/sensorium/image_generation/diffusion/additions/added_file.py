"""Files that a call adds to a checkpoint, such as LoRA files and embeddings; only their headers are read here."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from sensorium.errors import InputError
from sensorium.media.limits import Limits
from sensorium.media.source import MediaSource, ResolvedMedia, is_path, resolve
from sensorium.models.single_file import SUFFIX
from sensorium.unfinished import temporary_folder

_BLOCK = 1 << 20


@dataclass(frozen=True)
class AddedFile:
    """A safetensors file of a call.

    Attributes:
        source: A file of the caller's, or what somebody sent.
    """

    source: Path | ResolvedMedia

    @property
    def name(self) -> str:
        """The file's name in messages and in the settings of a picture, without folders."""
        return re.split(r"[/\\]", self.source.name)[-1]

    @property
    def stem(self) -> str:
        """What people call it: the file's name without its suffix."""
        return self.name.removesuffix(SUFFIX)

    def open(self) -> BinaryIO:
        """Open it for reading bytes."""
        return self.source.open("rb") if isinstance(self.source, Path) else self.source.open()

    @contextmanager
    def as_file(self) -> Iterator[Path]:
        """Have it as a file whose suffix says safetensors: diffusers would unpickle any other."""
        path = self.source if isinstance(self.source, Path) else self.source.path
        if path is not None and path.suffix == SUFFIX:
            yield path
            return
        with temporary_folder("sensorium-") as folder:
            file = folder / f"added{SUFFIX}"
            if path is not None:
                file.symlink_to(path.absolute())
            else:
                with self.open() as source, file.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
            yield file

    @cached_property
    def sha256(self) -> str:
        """The sum of its bytes."""
        found = hashlib.sha256()
        with self.open() as file:
            while block := file.read(_BLOCK):
                found.update(block)
        return found.hexdigest()

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """From the name of each tensor to its shape; empty if it is no safetensors file, or cut off or damaged."""
        from safetensors import SafetensorError, safe_open

        wrong = (OSError, ValueError, SafetensorError, InputError)
        with suppress(*wrong), self.as_file() as file, safe_open(file, framework="numpy") as opened:
            return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.offset_keys()}
        return {}


def find_added(file: MediaSource, kind: str, limits: Limits) -> Path | ResolvedMedia:
    """Return a file that a caller names or sends.

    Args:
        file: A path, an address, bytes …
        kind: What it is called in a message: "LoRA", say.
        limits: Whether files on this machine may be named.

    Raises:
        InputError: It can't be fetched, or files on this machine may not be named.
    """
    if not is_path(file):
        return resolve(file, limits=limits)
    if not limits.allow_files:
        raise InputError(f"{kind} files are files on this machine, which can't be named here", "Send the data itself")
    return Path(file)  # type: ignore[arg-type]
