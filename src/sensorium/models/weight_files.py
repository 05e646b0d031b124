"""The safetensors files of one folder: which of them are the weights, and why none can be used."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
"""Weights that could run code when they are opened: never fetched."""
OTHER_FORMATS = (".onnx", ".h5", ".msgpack", ".tflite", ".mlmodel", ".ot", ".pb", ".nemo", ".xml", ".engine")

CONVERTED = "model.safetensors"
"""What pickled weights become."""

_STEMS = ("model", "diffusion_pytorch_model")
"""What transformers and diffusers call the weights."""
_HALF = "fp16"
_SUFFIX = ".safetensors"
_SHARD = re.compile(r"-\d{5}-of-\d{5}")

Read = Callable[[str], str]
"""Returns the text of one of the repository's small files."""


class RefusedError(Exception):
    """The repository can't be used; the message is half a sentence for the user.

    Attributes:
        remedy: One sentence that tells what to do about it; may be empty.
        everywhere: Whether any other repository would be refused just now, too.
    """

    def __init__(self, reason: str, remedy: str = "", *, everywhere: bool = False) -> None:
        self.remedy, self.everywhere = remedy, everywhere
        super().__init__(reason)


ANOTHER_REPOSITORY = "Name a repository that holds these weights as safetensors files"
_COMPLETE = "Name a repository in which these files are complete"


@dataclass(frozen=True)
class _Set:
    """The same weights in one precision: one file, or shards with the index that names them."""

    stem: str
    variant: str
    single: str = ""
    shards: tuple[str, ...] = ()
    index: str = ""


def choose_weights(
    names: Sequence[str], read: Read, *, what: str, preferred: Sequence[str] = (), stem: str = ""
) -> list[str]:
    """Choose a complete set of weights from the files of one folder, and leave all copies of it.

    One file comes before shards, full precision before half precision, unless ``preferred`` says otherwise.

    Args:
        names: The paths of the folder's files.
        read: Reads an index of shards.
        what: The component in the words of an error: ``"the component 'unet'"``, ``"the repository"``.
        preferred: The paths that are wanted if they are complete.
        stem: What ``config.json`` calls the weights; "" where it doesn't say.

    Returns:
        The weights, and the index of shards.

    Raises:
        RefusedError: No set is complete, or all are of a kind that can't be opened. The message names the file.
    """
    wanted = [name for name in preferred if name in set(names)]
    stems = (stem,) if stem else _STEMS
    for offered, of_stems in ((wanted, None), (names, stems)):
        sets = [each for each in _sets(offered) if of_stems is None or each.stem in of_stems]
        for candidate in sorted(sets, key=lambda each: _rank(each, stems)):
            files = _files(candidate, names, read)
            if files and candidate.variant in ("", _HALF):
                return files
    raise _refusal(names, read, what, stems)


def is_weight(name: str) -> bool:
    """Return whether a path is that of weights, in whatever format."""
    return name.endswith((_SUFFIX, ".gguf", *PICKLES, *OTHER_FORMATS))


def _rank(candidate: _Set, stems: Sequence[str]) -> tuple[int, int, bool]:
    """Return what sorts the sets of a folder: the one to take first."""
    return (
        _place(candidate.variant, ("", _HALF)),
        _place(candidate.stem, stems),
        not candidate.single,
    )


def _place(word: str, order: Sequence[str]) -> int:
    return order.index(word) if word in order else len(order)


def _sets(names: Iterable[str]) -> list[_Set]:
    singles: dict[tuple[str, str], str] = {}
    shards: dict[tuple[str, str], list[str]] = {}
    indexes: dict[tuple[str, str], str] = {}
    for path in names:
        name = PurePosixPath(path).name
        if name.endswith(".json") and ".index." in name and _SUFFIX in name:
            stem, *rest = name.split(".")
            indexes[stem, ".".join(part for part in rest if part not in ("safetensors", "index", "json"))] = path
        elif name.endswith(_SUFFIX):
            whole = _SHARD.sub("", name).removesuffix(_SUFFIX)
            key = (whole.partition(".")[0], whole.partition(".")[2])
            if whole == name.removesuffix(_SUFFIX):
                singles[key] = path
            else:
                shards.setdefault(key, []).append(path)
    sets = [_Set(*key, single=path) for key, path in singles.items()]
    return sets + [
        _Set(*key, shards=tuple(sorted(shards.get(key, ()))), index=indexes.get(key, ""))
        for key in sorted(shards.keys() | indexes.keys())
    ]


def _files(candidate: _Set, names: Sequence[str], read: Read) -> list[str]:
    """Return the files of a set, or nothing if it isn't complete."""
    if candidate.single:
        return [candidate.single]
    shards = _named_shards(candidate, read)
    return [*shards, candidate.index] if shards and set(shards) <= set(names) else []


def _named_shards(candidate: _Set, read: Read) -> list[str]:
    """Return the shards that an index names; none if it can't be read."""
    if not candidate.index:
        return []
    try:
        named = set(json.loads(read(candidate.index))["weight_map"].values())
    except (ValueError, KeyError, AttributeError, TypeError):
        return []
    folder = PurePosixPath(candidate.index).parent
    return sorted(str(folder / shard) for shard in named if isinstance(shard, str))


def _refusal(names: Sequence[str], read: Read, what: str, stems: Sequence[str]) -> RefusedError:
    sets = sorted((each for each in _sets(names) if each.stem in stems), key=lambda each: _rank(each, stems))
    for each in sets:
        if each.index and (absent := [shard for shard in _named_shards(each, read) if shard not in set(names)]):
            return RefusedError(f"{what} lacks {absent[0]}, which {each.index} names", _COMPLETE)
        if each.index and not _named_shards(each, read):
            return RefusedError(f"{what} has an index of its weights that names none, {each.index}", _COMPLETE)
        if each.shards and not each.index:
            return RefusedError(f"{what} has {each.shards[0]}, but no index that says what is in it", _COMPLETE)
        if each.single:
            return RefusedError(
                f"{what} has its weights only in the variant {each.variant!r} ({each.single}), which is not opened",
                "Name a repository that holds them in full precision, or in half precision as 'fp16'",
            )
    others = sorted(name for name in names if name.endswith(_SUFFIX))
    if others:
        return RefusedError(
            f"{what} has its weights only as {others[0]}; {' or '.join(stems)}{_SUFFIX} is what is opened",
            "Name a repository in the layout of transformers or diffusers",
        )
    return without_weights(names, what)


def without_weights(names: Sequence[str], what: str) -> RefusedError:
    """Return the error for files among which there are no safetensors files."""
    if pickled := sorted(name for name in names if name.endswith(PICKLES)):
        return RefusedError(
            f"{what} has only pickled weights ({pickled[0]}), which could run code and are never fetched",
            ANOTHER_REPOSITORY,
        )
    if other := sorted(name for name in names if name.endswith(OTHER_FORMATS)):
        return RefusedError(f"{what} has no safetensors weights, only {other[0]}", ANOTHER_REPOSITORY)
    return RefusedError(f"{what} has no safetensors weights", ANOTHER_REPOSITORY)
