"""A folder with a Whisper for CTranslate2, checked before CTranslate2 reads it: it believes what files say.

What is wrong in small things is put right in a folder beside it that lasts as long as the weights are read: settings
that name what isn't there, a spectrogram of another size, a missing tokenizer.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.models import store
from sensorium.models.catalog import Checkpoint
from sensorium.models.fetching_anew import fetch_anew
from sensorium.speech.families.ctranslate2_file import UnknownFormatError
from sensorium.speech.families.whisper_settings import checked_settings, feature_settings, valid_heads
from sensorium.speech.families.whisper_shapes import WhisperSizes, whisper_sizes
from sensorium.speech.families.whisper_vocabulary import END_OF_TEXT, tokenizer_from
from sensorium.unfinished import temporary_folder

WEIGHTS = "model.bin"
_VOCABULARIES = ("vocabulary.json", "vocabulary.txt")
_FRAMES = 3000
_TOKENIZER_FORM = "tokenizer-1"
"""The number grows when `tokenizer_from` changes."""
START = "<|startoftranscript|>"
NO_TIMESTAMPS = "<|notimestamps|>"


@dataclass(frozen=True)
class CheckedWhisper:
    """A folder that CTranslate2 can read.

    Attributes:
        folder: With weights, settings, vocabulary and tokenizer.
        sizes: How large the Whisper is.
        words: All words by their numbers.
        heads_known: Whether the checkpoint says which attention heads tell when words are spoken.
    """

    folder: Path
    sizes: WhisperSizes
    words: Sequence[str]
    heads_known: bool


@contextmanager
def checked_whisper(folder: Path, checkpoint: Checkpoint, state: str) -> Iterator[CheckedWhisper]:
    """Check a folder; give one that CTranslate2 can read.

    Args:
        folder: Somebody's Whisper for CTranslate2.
        checkpoint: Its catalog entry.
        state: Letters that are others when its files have changed.

    Raises:
        ModelUnavailableError: Files are missing or damaged, or are no Whisper's.
        UnsupportedError: It hears less than 30 seconds at once.
    """
    try:
        sizes = whisper_sizes(folder / WEIGHTS)
    except UnknownFormatError as error:
        raise damaged(checkpoint, f"of its {WEIGHTS}, {error}") from error
    try:
        words = _words(folder)
        settings = _object(folder / "config.json")
    except ValueError as error:
        raise damaged(checkpoint, str(error)) from error
    if len(words) != sizes.words:
        raise damaged(checkpoint, f"its vocabulary has {len(words)} words instead of {sizes.words}")
    if missing := {START, END_OF_TEXT, NO_TIMESTAMPS}.difference(words):
        raise damaged(checkpoint, f"its vocabulary lacks {', '.join(sorted(missing))}")
    if sizes.frames < _FRAMES:
        raise UnsupportedError(
            f"The checkpoint {checkpoint.name!r} hears {sizes.frames / 100:g} seconds at once, and 30 are needed",
            "Choose another checkpoint",
        )
    replaced = _replacements(folder, settings, words, sizes)
    known = bool(valid_heads(settings.get("alignment_heads"), sizes))
    if not replaced and (folder / "tokenizer.json").is_file():
        yield CheckedWhisper(folder, sizes, words, known)
        return
    with temporary_folder("sensorium-whisper-") as mended:
        for file, content in replaced.items():
            (mended / file).write_text(json.dumps(content), encoding="utf-8")
        for source in (folder / WEIGHTS, *(folder / vocabulary for vocabulary in _VOCABULARIES)):
            if source.is_file():
                _link(source, mended / source.name)
        _link(_tokenizer(folder, checkpoint, words, state), mended / "tokenizer.json")
        for file in ("config.json", "preprocessor_config.json"):
            if file not in replaced and (folder / file).is_file():
                shutil.copyfile(folder / file, mended / file)
        yield CheckedWhisper(mended, sizes, words, known)


def damaged(checkpoint: Checkpoint, reason: str) -> ModelUnavailableError:
    """Return the error of a folder that can't be used."""
    return ModelUnavailableError(
        f"The checkpoint {checkpoint.name!r} is damaged, or not a Whisper for CTranslate2: {reason}",
        fetch_anew(checkpoint),
    )


def _replacements(
    folder: Path, settings: Mapping[str, Any], words: Sequence[str], sizes: WhisperSizes
) -> dict[str, dict[str, Any]]:
    """Return the files of settings that must be others, with their content."""
    replaced: dict[str, dict[str, Any]] = {}
    checked = checked_settings(settings, words, sizes)
    if checked != settings:
        replaced["config.json"] = checked
    features = feature_settings(sizes.mel_bands)
    if _features(folder / "preprocessor_config.json") != features:
        replaced["preprocessor_config.json"] = dict(features)
    return replaced


def _features(path: Path) -> dict[str, Any] | None:
    """Return what a file says of spectrograms, as faster-whisper understands it; None if it isn't understood."""
    usual = feature_settings(80)
    try:
        found = _object(path) if path.is_file() else {}
    except ValueError:
        return None
    return {name: found.get(name, value) for name, value in usual.items()}


def _words(folder: Path) -> list[str]:
    """Return all words of a vocabulary, from the file that CTranslate2 takes."""
    listed, lines = (folder / name for name in _VOCABULARIES)
    if not listed.is_file():
        return _text(lines).removesuffix("\n").split("\n")
    words = _json(listed)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"its {listed.name} is no list of words")
    return words


def _object(path: Path) -> dict[str, Any]:
    content = _json(path)
    if not isinstance(content, dict):
        raise ValueError(f"its {path.name} is no JSON object")
    return content


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"its {path.name} is no JSON") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"its {path.name} is no text") from error
    except OSError as error:
        raise ValueError(f"its {path.name} can't be read: {error.strerror}") from error


def _tokenizer(folder: Path, checkpoint: Checkpoint, words: Sequence[str], state: str) -> Path:
    """Return the tokenizer's file; where the folder has none, one that is made of the vocabulary once, and kept."""
    if (folder / "tokenizer.json").is_file():
        return folder / "tokenizer.json"

    def build(target: Path) -> None:
        try:
            tokenizer_from(words).save(str(target / "tokenizer.json"))
        except ValueError as error:
            raise damaged(checkpoint, f"it has no tokenizer.json, and of its vocabulary {error}") from error

    return store.derive(checkpoint, f"{_TOKENIZER_FORM}-{state}", build) / "tokenizer.json"


def _link(source: Path, target: Path) -> None:
    """Let a file be in another folder too; where no link can be made it is copied."""
    for link in (os.symlink, os.link):
        try:
            link(source.resolve(), target)
            return
        except OSError:
            continue
    shutil.copyfile(source, target)
