"""Embeddings (textual inversion): words of a prompt that stand for vectors from a file, used for one call."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias

from sensorium.errors import InputError, UnsupportedError
from sensorium.image_generation.diffusion.additions.added_file import AddedFile, find_added
from sensorium.image_generation.diffusion.additions.named_files import embedding_files, recorded_source
from sensorium.image_generation.prompts.learned_words import LearnedWords, stands_in
from sensorium.language.written_language import require_characters
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.source import MediaSource, ResolvedMedia
from sensorium.models.single_file import EMBEDDING, UNKNOWN, Content, WeightsFile
from sensorium.models.weight_files import PICKLES

if TYPE_CHECKING:
    from sensorium.image_generation.picture_settings import PictureSettings

EmbeddingFiles: TypeAlias = MediaSource | Iterable[MediaSource | tuple[MediaSource, str]]
"""A file, or several, each alone or in a pair with the word that stands for it in the prompt."""

_ENCODERS = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}
"""From the components of a pipeline to the names that files for Stable Diffusion XL have for them."""
_ALONE = ("emb_params", "string_to_param.*", "*")
"""What AUTOMATIC1111's web interface, and conversions of its files, call the vectors for the only text encoder."""


@dataclass(frozen=True)
class Embedding(AddedFile):
    """An embedding of a call.

    Attributes:
        source: A file of the caller's, or what somebody sent.
        word: What stands for it in the prompt.
    """

    word: str

    @property
    def words(self) -> tuple[str, ...]:
        """Its word, and what diffusers' file calls it itself, such as ``<cat-toy>``."""
        own = [name for name in self.tensor_names.values() if name.startswith("<") and name.endswith(">")]
        return tuple(dict.fromkeys([self.word, *own]))

    @property
    def tensor_names(self) -> dict[str, str]:
        """The file's tensors by the component that they are for; empty if it is no embedding."""
        return _tensor_names(self.shapes)


def read_embeddings(given: EmbeddingFiles, limits: Limits = DEFAULT_LIMITS) -> tuple[Embedding, ...]:
    """Return embeddings from what a caller wrote: files, alone or with words. The usual word is the file's stem.

    Raises:
        InputError: They are none, can't be fetched, or files on this machine may not be named.
    """
    alone = isinstance(given, (str, os.PathLike, bytes, ResolvedMedia)) or hasattr(given, "read")
    each: Any = [given] if alone else given
    try:
        return tuple(dict.fromkeys(_read(item, limits) for item in each))
    except (TypeError, ValueError):
        raise InputError(
            f"The embeddings {given!r} are no files, and no pairs of file and word",
            "Write embeddings=['easynegative.safetensors'], or [('file.safetensors', 'word')]",
        ) from None


def _read(item: Any, limits: Limits) -> Embedding:
    file, word = item if isinstance(item, (tuple, list)) else (item, None)
    if not isinstance(word, (str, type(None))):
        raise TypeError(word)
    found = AddedFile(find_added(file, "Embedding", limits))
    return Embedding(found.source, (found.stem if word is None else word).strip())


def check_embeddings(embeddings: Sequence[Embedding]) -> None:
    """Refuse files that can't be embeddings, and words that can't stand for them; nothing is loaded.

    Raises:
        InputError: A file is missing, a pickle or something else than an embedding, or a word is empty or there twice.
    """
    words: dict[str, Embedding] = {}
    for embedding in embeddings:
        _check_file(embedding)
        require_characters(embedding.word, what="word of an embedding")
        if not embedding.word:
            raise InputError(f"The embedding {embedding.name!r} has an empty word", "Name a word for it")
        other = words.setdefault(embedding.word.lower(), embedding)
        if other is not embedding:
            raise InputError(
                f"The word {embedding.word!r} stands for two embeddings, {other.name!r} and {embedding.name!r}",
                "Give one of them another word",
            )


def _check_file(embedding: Embedding) -> None:
    if isinstance(embedding.source, Path) and not os.path.isfile(embedding.source):  # noqa: PTH113 - pathlib's raises an error for a long name
        raise InputError(f"There is no embedding {str(embedding.source)!r}", "Name the .safetensors file itself")
    if not embedding.shapes:
        if PurePosixPath(embedding.name).suffix.lower() in PICKLES:
            raise InputError(
                f"The embedding {embedding.name!r} is a pickle, which can run any code when it is opened, so it is "
                "never opened",
                "Fetch the .safetensors file that most publishers offer beside it, or convert it, if you trust it, as "
                "docs/models.md shows",
            )
        raise InputError(
            f"The embedding {embedding.name!r} is not a safetensors file, or it is cut off or damaged", "Fetch it again"
        )
    content = _content(embedding)
    if not embedding.tensor_names or content.family not in (EMBEDDING, UNKNOWN):
        raise InputError(
            f"The file {embedding.name!r} is no embedding: it is {content.description}",
            content.use or "Name it as the model",
        )


def found_embeddings(given: Sequence[Embedding], *prompts: str) -> tuple[Embedding, ...]:
    """Return the embeddings of the user's own folder whose stems stand in one of the prompts as words.

    Files that can't be read are among them, so that it can be told that they are not used.

    Args:
        given: What the call gives; their words stand for these.
        prompts: With or without attention weights.

    Raises:
        InputError: The folder isn't there.
    """
    taken = {word.lower() for each in given for word in each.words}
    own = (Embedding(file, file.stem) for file in embedding_files().alone() if file.stem.lower() not in taken)
    return tuple(each for each in own if stands_in((each.word,), *prompts) and (each.tensor_names or not each.shapes))


def describe_embeddings(embeddings: Sequence[Embedding]) -> tuple[Mapping[str, Any], ...]:
    """Return name, sha256 and word of each file, for the settings of a picture."""
    return tuple({"name": each.name, "sha256": each.sha256, "word": each.word} for each in embeddings)


def same_embeddings(settings: PictureSettings, given: Sequence[Embedding]) -> tuple[Embedding, ...]:
    """Return the embeddings that a picture was made with, with the words that stood for them.

    Raises:
        InputError: One is not among those given, or those can't be embeddings.
    """
    check_embeddings(given)
    return tuple(
        Embedding(recorded_source("embedding", each, given, embedding_files()), each["word"])
        for each in settings.embeddings
    )


def used_embeddings(embeddings: Sequence[Embedding], *prompts: str) -> tuple[Embedding, ...]:
    """Return those whose words stand in one of the prompts."""
    return tuple(each for each in embeddings if stands_in(each.words, *prompts))


def unused_notes(embeddings: Sequence[Embedding], *prompts: str) -> tuple[str, ...]:
    """Return a sentence for each embedding whose word stands in none of the prompts."""
    used = used_embeddings(embeddings, *prompts)
    return tuple(_unused_note(each) for each in embeddings if each not in used)


def _unused_note(embedding: Embedding) -> str:
    escaped = re.sub(r"([()\[\]\\])", r"\\\1", embedding.word)
    brackets = f" (with its brackets it is written {escaped})" if escaped != embedding.word else ""
    return (
        f"The word {embedding.word!r} of the embedding {embedding.name!r} stands neither in the prompt nor in the "
        f"negative prompt, so it changes nothing{brackets}"
    )


def learned_words(pipeline: Any, embeddings: Sequence[Embedding], checkpoint: str) -> dict[str, LearnedWords]:
    """Open embeddings for the text encoders of a pipeline.

    Args:
        pipeline: One of diffusers, for Stable Diffusion 1, 2 or XL.
        embeddings: The files.
        checkpoint: Its name, for messages.

    Returns:
        For each text encoder, by its component's name, what its words mean.

    Raises:
        InputError: A file was made for another family.
    """
    widths = _widths(pipeline)
    vectors: dict[str, dict[str, Any]] = {name: {} for name in widths}
    for embedding in embeddings:
        tensors = _tensors(embedding, widths, checkpoint)
        for name, tensor in tensors.items():
            for word in embedding.words:
                vectors[name].setdefault(word, tensor)
    return {name: LearnedWords(of_encoder) for name, of_encoder in vectors.items()}


def fits(pipeline: Any, embedding: Embedding) -> bool:
    """Return whether an embedding was made for text encoders like those of a Stable Diffusion 1, 2 or XL pipeline."""
    return _fits(embedding, _widths(pipeline))


def refuse_embeddings(checkpoint: str, embeddings: Sequence[Embedding]) -> None:
    """Refuse embeddings for a checkpoint that can't use any.

    Raises:
        UnsupportedError: There are some.
    """
    if embeddings:
        raise UnsupportedError(
            f"The checkpoint {checkpoint!r} takes no embeddings (textual inversion), such as {embeddings[0].name!r}: "
            "it doesn't read prompts with CLIP alone",
            "Choose a checkpoint of Stable Diffusion 1, 2 or XL",
        )


def _tensors(embedding: Embedding, widths: Mapping[str, int], checkpoint: str) -> dict[str, Any]:
    names = embedding.tensor_names
    if not _fits(embedding, widths):
        raise InputError(
            f"The embedding {embedding.name!r} doesn't fit {checkpoint!r}: its vectors have "
            f"{_listed(_held(embedding))} numbers, "
            f"and those of this checkpoint's words {_listed(widths)}",
            f"It is {_content(embedding).description}: use it with a checkpoint of its family",
        )
    from safetensors.torch import load_file

    with embedding.as_file() as file:
        tensors = load_file(file)
    return {part: tensors[names[part]].reshape(-1, width) for part, width in widths.items()}


def _widths(pipeline: Any) -> dict[str, int]:
    """Return how many numbers the text encoders of a pipeline have for a word."""
    encoders = {name: pipeline.components.get(name) for name in _ENCODERS}
    return {
        name: int(encoder.get_input_embeddings().weight.shape[-1])
        for name, encoder in encoders.items()
        if encoder is not None
    }


def _held(embedding: Embedding) -> dict[str, int]:
    return {part: embedding.shapes[name][-1] for part, name in embedding.tensor_names.items()}


def _fits(embedding: Embedding, widths: Mapping[str, int]) -> bool:
    held = _held(embedding)
    for_two = "text_encoder_2" in held and "text_encoder_2" not in widths
    return not for_two and all(held.get(part) == width for part, width in widths.items())


def _content(embedding: Embedding) -> Content:
    return WeightsFile(Path(embedding.name), embedding.shapes, "", {}).content


def _listed(widths: Mapping[str, int]) -> str:
    return " and ".join(str(widths[part]) for part in _ENCODERS if part in widths)


def _tensor_names(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    flat = [name for name, shape in shapes.items() if len(shape) in (1, 2) and all(shape)]
    of_xl = {part: name for part, name in _ENCODERS.items() if name in flat}
    if of_xl:
        return of_xl
    # In diffusers' layout the only tensor's name is the word.
    alone = flat if len(shapes) == 1 else [name for name in _ALONE if name in flat]
    return {"text_encoder": alone[0]} if alone else {}
