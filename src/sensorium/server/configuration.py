"""The configuration: a TOML file, and what the command line says in place of it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensorium.errors import InputError
from sensorium.server.keys import known_keys
from sensorium.server.options import ServerOptions


def configured(file: Path | None, given: Mapping[str, Any]) -> ServerOptions:
    """Return the options of a server.

    Args:
        file: A TOML file with the same names; None for none.
        given: Options that replace those of the file.

    Raises:
        InputError: The file or that of the keys can't be read, or an option or a key is unknown or wrong.
    """
    options = ServerOptions(**{**(_table(file) if file is not None else {}), **given})
    shares = known_keys(options.keys).queue_shares
    return options.model_copy(update={"queue_shares": {**shares, **options.queue_shares}}) if shares else options


def _table(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"The configuration {str(file)!r} can't be read: {reason[:1].lower()}{reason[1:]}",
            "Name a TOML file with lines such as port = 8756",
        ) from None
