"""What a repository says to sentence-transformers: how tokens become one vector, and what words precede a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import UnsupportedError
from sensorium.models.catalog import Checkpoint
from sensorium.models.json_files import json_table

if TYPE_CHECKING:
    from sensorium.vision_language.embeddable import Role

_PROMPTS = "config_sentence_transformers.json"
_POOLING = "1_Pooling/config.json"
_NAMES: dict[Role, tuple[str, ...]] = {
    "query": ("query", "Retrieval-query", "SearchQuery", "Retrieval"),
    "document": ("document", "Retrieval-document", "Document"),
}
"""How repositories call the words before what is looked for and what is to be found, best first."""
_MEAN = "mean"


@dataclass(frozen=True)
class SentenceSettings:
    """What is said of texts.

    Attributes:
        prompts: The words before a text, by what it is.
    """

    prompts: Mapping[Role, str]


def read_sentence_settings(folder: Path, checkpoint: Checkpoint) -> SentenceSettings:
    """Read a repository's settings for sentence-transformers; a folder without them says nothing.

    Raises:
        UnsupportedError: The tokens are to become a vector in another way than by their mean.
    """
    pooling = _poolings(json_table(folder / _POOLING))
    if pooling not in ([], [_MEAN]):
        raise UnsupportedError(
            f"{checkpoint.name!r} makes its vectors by {' and '.join(pooling)}, which is not done here",
            "Choose a checkpoint that takes the mean of all tokens",
        )
    named = json_table(folder / _PROMPTS).get("prompts")
    named = named if isinstance(named, dict) else {}
    found = {
        role: next((named[name] for name in names if isinstance(named.get(name), str)), "")
        for role, names in _NAMES.items()
    }
    return SentenceSettings(found)


def _poolings(settings: Mapping[str, Any]) -> list[str]:
    """Return the ways of pooling that are named; older files have a switch for each."""
    mode = settings.get("pooling_mode")
    if mode is not None:
        return [str(each) for each in mode] if isinstance(mode, list) else [str(mode)]
    switches = [name for name, value in settings.items() if name.startswith("pooling_mode_") and value is True]
    return [name.removeprefix("pooling_mode_").removesuffix("_tokens") for name in switches]
