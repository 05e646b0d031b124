"""The settings that checkpoints keep in JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def json_table(path: Path) -> dict[str, Any]:
    """Return the table that a file holds; empty where there is none, or none that can be read."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}
