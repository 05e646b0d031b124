"""Keys: who has one, what it allows, and how one is made. Only their digests are kept, and none is ever logged."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sensorium import settings
from sensorium.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9][\w.@+-]{0,63}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SHORTEST = 16
_LONGEST = 512
_ONLY_KEY = "default"
"""Whose the key of ``SENSORIUM_API_KEY`` is."""


class Key(BaseModel):
    """A key that the server knows."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """Who has it: the owner of what is made with it."""
    digest: str
    """The SHA-256 of the key, as 64 hexadecimal digits."""
    admin: bool = False
    """Whether it may pause the queue, load and unload models, and see what belongs to others."""
    concurrency: Annotated[int | None, Field(ge=1)] = None
    """How many requests it may have open at the same time; by default as many as every key."""
    queue: Annotated[int | None, Field(ge=1)] = None
    """How many of its jobs may wait; by default as many as every owner's."""


class KeyRing:
    """The keys that a server knows.

    Args:
        keys: All of them.

    Raises:
        InputError: Two have the same name, or are the same key.
    """

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = tuple(keys)
        for attribute in ("name", "digest"):
            seen: set[str] = set()
            for key in self._keys:
                if getattr(key, attribute) in seen:
                    raise InputError(
                        f"The key {key.name!r} is given twice", "Give each its own name, and each name its own key"
                    )
                seen.add(getattr(key, attribute))

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def find(self, shown: str) -> Key | None:
        """Return the key that a client has shown; it takes as long whichever it is, and if it is none."""
        digest = digest_of(shown)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    @property
    def queue_shares(self) -> dict[str, int]:
        """How many jobs may wait, by owner, where that was said."""
        return {key.name: key.queue for key in self._keys if key.queue is not None}


def known_keys(file: Path | None) -> KeyRing:
    """Return the keys of a file and of the environment.

    Args:
        file: A TOML file with a table for each name: ``key`` or ``sha256``, and what else `Key` has; None for none.

    Raises:
        InputError: The file can't be read, or something in it or in the environment is no key.
    """
    keys = [] if file is None else list(_keys_in(file))
    single = settings.api_key()
    if single:
        keys.append(Key(name=_ONLY_KEY, digest=_checked(single, "SENSORIUM_API_KEY"), admin=True))
    for pair in filter(None, map(str.strip, settings.api_keys().split(","))):
        name, _, key = (part.strip() for part in pair.partition("="))
        if not key or not _NAME.fullmatch(name):
            raise InputError("SENSORIUM_API_KEYS can't be read", "Write it like SENSORIUM_API_KEYS='anna=KEY,ben=KEY'")
        keys.append(Key(name=name, digest=_checked(key, f"The key of {name!r} in SENSORIUM_API_KEYS")))
    return KeyRing(keys)


def new_key(name: str, file: Path, *, admin: bool = False) -> str:
    """Make a key, and add its digest to a file; return the key itself, which is nowhere else.

    Args:
        name: Who gets it.
        file: Made if it isn't there yet, readable for its owner alone.
        admin: Whether it is an administrator's.

    Raises:
        InputError: The name can't be one or has a key already, or the file can't be used.
    """
    if not _NAME.fullmatch(name):
        _no_name(name)
    if file.exists() and any(key.name == name for key in _keys_in(file)):
        raise InputError(f"{name!r} has a key in {str(file)!r} already", "Take that one out, or choose another name")
    key = f"sk-sensorium-{secrets.token_urlsafe(32)}"
    entry = f'["{name}"]\nsha256 = "{digest_of(key)}"\n' + ("admin = true\n" if admin else "")
    try:
        with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+", encoding="utf-8") as stream:
            stream.seek(0)
            before = stream.read()
            stream.write(entry if before[-1:] in ("", "\n") else f"\n{entry}")
    except OSError as error:
        _unreadable(file, error)
    return key


def digest_of(key: str) -> str:
    """Return the SHA-256 of a key as hexadecimal digits."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _keys_in(file: Path) -> Iterable[Key]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        _unreadable(file, error)
    for name, table in tables.items():
        if not _NAME.fullmatch(name):
            _no_name(name)
        where = f"The key {name!r} in {str(file)!r}"
        if not isinstance(table, dict):
            raise InputError(f"{where} isn't a table", f'Write [{name}], and below it sha256 = "…" or key = "…"')
        yield _key_of(name, table, where)


def _key_of(name: str, table: Mapping[str, Any], where: str) -> Key:
    options = dict(table)
    given = [options.pop(each, None) for each in ("key", "sha256")]
    plain, digest = given
    if (plain is None) == (digest is None) or not all(isinstance(each, str | None) for each in given):
        raise InputError(f"{where} needs either key or sha256, as text", "Give one of the two")
    if digest is not None and not _DIGEST.fullmatch(digest.lower()):
        raise InputError(f"{where} has a sha256 that isn't 64 hexadecimal digits", "Make one with 'sensorium keys new'")
    if "digest" in options or "name" in options:
        raise InputError(f"{where} has an unknown setting", "It may have key, sha256, admin, concurrency and queue")
    try:
        return Key(name=name, digest=digest.lower() if digest is not None else _checked(plain, where), **options)
    except ValidationError as error:
        wrong = str(error.errors()[0]["loc"][0])  # its value isn't said: it may be a key in the wrong place
        remedy = "It may have key, sha256, admin (true or false), concurrency and queue (numbers from 1 on)"
        raise InputError(f"{where} has a setting {wrong!r} that can't be used", remedy) from None


def _checked(key: Any, where: str) -> str:
    """Return the digest of a key that somebody has thought of."""
    if not _SHORTEST <= len(key) <= _LONGEST or not key.isascii() or not key.isprintable() or " " in key:
        raise InputError(
            f"{where} can't be one: it needs {_SHORTEST} to {_LONGEST} ASCII characters without spaces",
            "Make one with 'sensorium keys new'",
        )
    return digest_of(key)


def _no_name(name: str) -> NoReturn:
    raise InputError(
        f"{name[:80]!r} can't be the name of a key",
        "Use up to 64 letters, digits and . _ - + @, a letter or digit first",
    )


def _unreadable(file: Path, error: Exception) -> NoReturn:
    # What TOML says of a mistake may quote the line that it stands in.
    reason = getattr(error, "strerror", None) or "it isn't TOML"
    raise InputError(
        f"The keys {str(file)!r} can't be read: {reason[:1].lower()}{reason[1:]}",
        "Name a file that 'sensorium keys new NAME FILE' has made",
    ) from None
