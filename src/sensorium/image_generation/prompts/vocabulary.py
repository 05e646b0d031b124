"""What a small painter knows: prompts that name what it never saw get a plain note.

A checkpoint folder may hold a ``vocabulary.json`` beside its ``model_index.json``: a JSON object with ``things`` (from
the name of each thing that training showed to its other forms, such as the plural), ``synonyms`` (from other names to
those) and ``words`` (all words of the captions). Checkpoints that learned from the whole web have none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensorium.errors import ModelUnavailableError
from sensorium.image_generation.prompts.weights import without_weights
from sensorium.models.catalog import Checkpoint, defaults

FILE = "vocabulary.json"

_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")
_FUNCTION_WORDS = """
    a an the some any this that these those one its his her their my your our it he she they there here
    of in on at by to from with without for as into onto over under above below behind between beside near next inside
    outside around through across against along before after up down off out and or but nor not no so than then too very
    is are was be been being has have had do does while where which who whose what when how only just also each every
    all both more most less many much few other another same such like per
    """
_PICTURE_WORDS = """
    picture pictures image images photo photos photograph photographs photography photorealistic realistic drawing
    drawings draw drawn sketch painting paintings paint painted illustration illustrations artwork art render rendered
    rendering icon icons style styles styled scene view shot quality high highly detail details detailed best beautiful
    masterpiece resolution sharp focus professional colour color colours colors coloured colored background close-up
    showing shows depicting make show please simple nice cute pretty
    """
_NAMES_NOTHING = frozenset(_FUNCTION_WORDS.split() + _PICTURE_WORDS.split())
_MOST_WORDS = 4
_LONGEST_WORD = 30
_SIZES_APART = 2


@dataclass(frozen=True)
class Vocabulary:
    """What a checkpoint was trained on.

    Attributes:
        things: From every form of a thing's name, in words, to the name.
        synonyms: From names that no caption gave to a thing, in words, to those that they gave.
        words: All words of its captions.
    """

    things: Mapping[tuple[str, ...], str]
    synonyms: Mapping[tuple[str, ...], str]
    words: frozenset[str]

    def notes(self, prompt: str, checkpoint: Checkpoint) -> tuple[str, ...]:
        """Say in sentences what of a prompt the checkpoint never saw; nothing if it knows all of it.

        Args:
            prompt: With or without attention syntax.
            checkpoint: Whose vocabulary this is.
        """
        named, called_otherwise, unseen = self._read(without_weights(prompt))
        name = f"The checkpoint {checkpoint.name!r}"
        notes = [f"{name} learned {known!r}, not {said!r}: write that" for said, known in called_otherwise]
        if not named and not called_otherwise:
            english = " by their English names" if checkpoint.languages == ("en",) else ""
            count = f"{len(set(self.things.values()))} everyday things{english}"
            those = f"; {_listed(unseen)} {'is' if len(unseen) == 1 else 'are'} not among them" if unseen else ""
            notes.append(f"{name} knows {count}{those or ', and the prompt names none of them'}{_remedy(checkpoint)}")
        elif unseen:
            words = "word" if len(unseen) == 1 else "words"
            notes.append(f"{name} never saw the {words} {_listed(unseen)}{_remedy(checkpoint)}")
        return tuple(notes)

    def size_notes(self, size: tuple[int, int], native_side: int, checkpoint: Checkpoint) -> tuple[str, ...]:
        """Say in a sentence that a picture is far larger or smaller than what the checkpoint learned to paint.

        Args:
            size: Width and height of the picture, in pixels.
            native_side: Side of the square that the checkpoint was trained on, in pixels.
            checkpoint: Whose vocabulary this is.
        """
        if native_side / _SIZES_APART < min(size) and max(size) < native_side * _SIZES_APART:
            return ()
        return (
            f"The checkpoint {checkpoint.name!r} learned to paint {native_side}×{native_side} pixels: in "
            f"{size[0]}×{size[1]} things repeat or fall apart. Paint at its own size, and enlarge the picture",
        )

    def _read(self, text: str) -> tuple[list[str], list[tuple[str, str]], list[str]]:
        """Return the things that a text names, those that it calls otherwise, and the words never seen, each once."""
        words = [part for word in words_of(text) for part in self._parts(word)]
        longest = max(map(len, (*self.things, *self.synonyms)), default=1)
        named, called_otherwise, unseen = [], [], []
        position = 0
        while position < len(words):
            for length in range(longest, 0, -1):
                phrase = tuple(words[position : position + length])
                if phrase in self.things:
                    named.append(self.things[phrase])
                    break
                if phrase in self.synonyms:
                    called_otherwise.append((" ".join(phrase), self.synonyms[phrase]))
                    break
            else:
                length = 1
                word = words[position]
                if word not in self.words and word not in _NAMES_NOTHING:
                    unseen.append(word)
            position += length
        return named, list(dict.fromkeys(called_otherwise)), list(dict.fromkeys(unseen))

    def _parts(self, word: str) -> list[str]:
        """Return the parts of a hyphenated word that is not known as a whole, such as "red-car"; else the word."""
        known = word in self.words or any(word in phrase for phrase in (*self.things, *self.synonyms))
        return [word] if known or word in _NAMES_NOTHING else word.split("-")


def read_vocabulary(folder: Path, checkpoint: Checkpoint) -> Vocabulary | None:
    """Read the vocabulary of a checkpoint; None if it has none.

    Raises:
        ModelUnavailableError: Its file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        table: Any = json.loads(path.read_text(encoding="utf-8"))
        things = {
            tuple(words_of(form)): name for name, forms in table["things"].items() for form in (name, *map(str, forms))
        }
        synonyms = {tuple(words_of(said)): str(known) for said, known in table["synonyms"].items()}
        return Vocabulary(things, synonyms, frozenset(map(str, table["words"])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ModelUnavailableError(
            f"The checkpoint {checkpoint.name!r} can't be opened: its {FILE} is damaged",
            f"Copy all of its files to {checkpoint.folder!r} again"
            if checkpoint.folder
            else f"Remove it with 'sensorium models remove {checkpoint.name}', then pull it again",
        ) from None


def words_of(text: str) -> list[str]:
    """Return the words of a text in order, in small letters, without punctuation and possessive endings."""
    return [match[0].removesuffix("'s") for match in _WORD.finditer(text.replace("’", "'").casefold())]


def _listed(words: Sequence[str]) -> str:
    shown = [f"{word[:_LONGEST_WORD]}…" if len(word) > _LONGEST_WORD else word for word in words[:_MOST_WORDS]]
    quoted = [f"'{word}'" for word in shown]
    if len(words) > _MOST_WORDS:
        return f"{', '.join(quoted)} and {len(words) - _MOST_WORDS} more"
    return " and ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1])))


def _remedy(checkpoint: Checkpoint) -> str:
    larger = [entry.name for entry in defaults(checkpoint.task, "standard") if entry.name != checkpoint.name]
    if not larger:
        return ""
    return f". Pull a larger checkpoint: 'sensorium models pull {larger[0]}', then use --profile standard"
