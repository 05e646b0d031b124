"""What a trained checkpoint can be asked for, as ``vocabulary.json`` beside its ``model_index.json``.

`sensorium.image_generation.prompts.vocabulary` reads it and says what of a prompt training never saw.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensorium.image_generation.prompts.vocabulary import FILE, words_of
from training.starter_diffusion import phrases
from training.starter_diffusion.configuration import Settings, tomllib
from training.starter_diffusion.pictures import Manifest
from training.starter_diffusion.text_states import captions_of

_HERE = Path(__file__).parent


def describe(manifest: Manifest, settings: Settings) -> dict[str, Any]:
    """Return the things with their plurals, other names for them, and all words of the captions."""
    things = {name: [phrases.plural(name)] if phrases.countable(name) else [] for name in manifest.vocabulary}
    synonyms = {
        form: known
        for said, known in _synonyms(settings).items()
        if known in things
        for form in (said, *([phrases.plural(said)] if phrases.countable(known) else []))
    }
    words = {word for caption in captions_of(manifest, settings) for word in words_of(caption)}
    return {"things": things, "synonyms": dict(sorted(synonyms.items())), "words": sorted(words)}


def write(checkpoint: Path, manifest: Manifest, settings: Settings) -> None:
    """Write the file into a checkpoint folder."""
    text = json.dumps(describe(manifest, settings), indent=1, ensure_ascii=False)
    (checkpoint / FILE).write_text(text, encoding="utf-8")


def _synonyms(settings: Settings) -> Mapping[str, str]:
    path = _HERE / settings.data.concepts
    if not path.is_file():
        return {}
    synonyms: dict[str, str] = tomllib.loads(path.read_text(encoding="utf-8")).get("synonyms", {})
    return synonyms
