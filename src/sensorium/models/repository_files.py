"""Which of a repository's files make a checkpoint: its own listing decides, a catalog entry only prefers.

The same rule chooses what is fetched and tells whether a folder is complete.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Any

from sensorium.models.adapter_repositories import refuse_adapters
from sensorium.models.foreign_layouts import foreign_layout
from sensorium.models.quantization import unopenable
from sensorium.models.weight_files import PICKLES, Read, RefusedError, choose_weights, is_weight, without_weights

DESCRIPTIONS = (".json", ".txt", ".model", ".jinja", ".tiktoken")
"""Files beside the weights: configuration, tokenizer, chat template."""
CARD = "README.md"
VOICES = (
    "speaker_embeddings/*.npy",
    "default-voice.safetensors",
    "voices/*.safetensors",
    "embeddings/*.safetensors",
)
"""The voices that checkpoints (Bark, Phonon, Pocket TTS) keep in files of their own: arrays of numbers, no pickles."""

_PIPELINE = "model_index.json"
_CONFIG = "config.json"
_OPTIONAL_COMPONENTS = ("safety_checker", "feature_extractor")
"""Components that a diffusers pipeline can do without."""
_WITHOUT_WEIGHTS = ("Tokenizer", "TokenizerFast", "Processor", "ProcessorFast", "FeatureExtractor", "Scheduler")
_ELSEWHERE = "consolidated"
"""How Mistral's and Meta's own programs call their weights."""


def choose_files(
    names: Sequence[str], read: Read, patterns: Sequence[str] = (), without: Sequence[str] = ()
) -> list[str]:
    """Choose what to fetch from a repository.

    Weights are safetensors files; if there are none, CTranslate2's files; if there are none either, the only GGUF file.
    Pickled weights are never chosen. Of the same weights in several precisions, in one file and in shards, or in the
    layouts of several libraries, one copy is chosen. In diffusers' layout, the files of the components that
    ``model_index.json`` names are chosen; in others, the files beside ``config.json``.

    Args:
        names: The paths of all of the repository's files.
        read: Returns the text of one of them; only descriptions are read.
        patterns: The glob patterns of a catalog entry. Of the weights that they name, complete ones are preferred;
            where they are missing, others are chosen as without patterns. Of a repository that holds many models, an
            entry names the files of one, each by its path: then those and no others are chosen.
        without: The components of a diffusers pipeline that are left out.

    Raises:
        RefusedError: The repository can't become usable. The message names the component and the file.
    """
    preferred = [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]
    if _PIPELINE not in names and any(map(_names_weights_in_a_folder, patterns)):
        return _exactly(names, patterns)
    if _PIPELINE in names:
        weights, described = _components(names, read, preferred, without)
        if not weights:
            raise without_weights(names, "the repository")
    else:
        weights = _beside_config(names, read, preferred)
        elsewhere = _others_folders(names, read)
        described = [name for name in names if name.partition("/")[0] not in elsewhere and _is_described(name)]
    if patterns and set(weights) <= set(preferred):
        elsewhere = _others_folders(names, read) | set(without)
        described = [name for name in preferred if not is_weight(name) and ".safetensors.index" not in name]
        described = [name for name in described if name.partition("/")[0] not in elsewhere]
        described += [name for name in preferred if _is_voice(name)]
    elif _PIPELINE not in names:
        described += [name for name in names if _is_voice(name)]
    return list(dict.fromkeys([*described, *weights]))


def _names_weights_in_a_folder(pattern: str) -> bool:
    return "/" in pattern and is_weight(pattern) and not set(pattern) & set("*?[")


def _exactly(names: Sequence[str], paths: Sequence[str]) -> list[str]:
    absent = [path for path in paths if path not in names]
    if absent:
        raise RefusedError(f"the repository has no {absent[0]}", "Choose another checkpoint")
    return list(paths)


def _components(
    names: Sequence[str], read: Read, preferred: Sequence[str], without: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Choose the weights and the descriptions of the components that ``model_index.json`` names."""
    weights: list[str] = []
    described = [name for name in names if "/" not in name and _is_described(name)]
    for component, (library, class_name) in _named_components(_json(read, _PIPELINE)).items():
        if component in without:
            continue
        inside = [name for name in names if PurePosixPath(name).parent.as_posix() == component]
        if f"{component}/{library}.py" in inside:
            raise RefusedError(
                f"the component {component!r} brings program code of its own ({component}/{library}.py), "
                "which is never run",
                "Choose a checkpoint whose components diffusers or transformers know",
            )
        if not inside and component not in _OPTIONAL_COMPONENTS:
            raise RefusedError(
                f"the component {component!r}, which {_PIPELINE} names, is missing",
                "Name a repository in which all components are there",
            )
        if f"{component}/{_CONFIG}" in inside and not class_name.endswith(_WITHOUT_WEIGHTS):
            try:
                weights += choose_weights(inside, read, what=f"the component {component!r}", preferred=preferred)
            except RefusedError:
                if component in _OPTIONAL_COMPONENTS:
                    continue
                raise
        described += [name for name in inside if _is_description(name)]
    return weights, described


def _named_components(index: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the components with their libraries and classes; unused ones are left out."""
    named = {name: value for name, value in index.items() if isinstance(value, list) and len(value) == 2}
    return {name: (str(value[0]), str(value[1])) for name, value in named.items() if value[0] and value[1]}


def _others_folders(names: Sequence[str], read: Read) -> set[str]:
    """Return the folders that don't belong to the model in the root."""
    folders = {name.partition("/")[0] for name in names if "/" in name}
    if _PIPELINE in names:
        return folders - set(_named_components(_json(read, _PIPELINE)))
    return {
        folder
        for folder in folders
        if any(name.startswith(f"{folder}/") and (is_weight(name) or name.endswith(f"/{_CONFIG}")) for name in names)
    }


def _beside_config(names: Sequence[str], read: Read, preferred: Sequence[str]) -> list[str]:
    """Choose the weights of a repository that is one model, as transformers, CTranslate2 and llama.cpp lay it out."""
    root = [name for name in names if "/" not in name]
    config = _json(read, _CONFIG) if _CONFIG in root else {}
    offered = [name for name in root if name.endswith(".safetensors")]
    _refuse_foreign_layout(root, read)
    if offered and (how := unopenable(config, root)):
        raise RefusedError(
            f"the repository's weights ({offered[0]}) are quantized {how}, which no machine opens here",
            "Name the repository that holds them in full or half precision",
        )
    configured = str(config.get("transformers_weights") or "")
    stem = PurePosixPath(configured).name.partition(".safetensors")[0].partition(".")[0]
    try:
        return choose_weights(root, read, what="the repository", preferred=preferred, stem=stem)
    except RefusedError as error:
        refusal = error
    # Before the adapters: what was merged and converted often keeps their tags and settings.
    if whole := _ctranslate2(root) or ([] if offered else _gguf(names)):
        return whole
    refuse_adapters(names, read)
    if offered and (config.get("model_type") or any(map(_stem_is_usual, offered))):
        raise refusal
    return _only(root, ".safetensors") or _nothing(names)


def _refuse_foreign_layout(root: Sequence[str], read: Read) -> None:
    """Refuse weights that only their authors' own program opens.

    Raises:
        RefusedError: They are that.
    """
    weights = [name for name in root if name.endswith((".safetensors", *PICKLES))]
    if _CONFIG not in root or not weights or _ctranslate2(root):
        return
    found = foreign_layout(_json(read, _CONFIG))
    if found is not None:
        raise RefusedError(f"the repository {found.reason}", found.remedy)


def _stem_is_usual(name: str) -> bool:
    return name.startswith(("model.", "model-", "diffusion_pytorch_model"))


def _ctranslate2(root: Sequence[str]) -> list[str]:
    """Return the weights of a CTranslate2 model: ``model.bin``, which is no pickle if a vocabulary lies beside it."""
    vocabularies = {f"{kind}vocabulary.{suffix}" for kind in ("", "shared_") for suffix in ("txt", "json")}
    return ["model.bin"] if "model.bin" in root and vocabularies & set(root) else []


def _only(root: Sequence[str], suffix: str) -> list[str]:
    """Return the only weights of a kind: a single file with everything in it.

    Raises:
        RefusedError: There are several, or they are for another library's program.
    """
    found = sorted(name for name in root if name.endswith(suffix))
    if any(name.startswith(_ELSEWHERE) for name in found):
        raise RefusedError(
            f"the repository has its weights only in the layout of its authors' own program ({found[0]})",
            "Name a repository that transformers can open",
        )
    if len(found) > 1:
        raise RefusedError(
            f"the repository holds {len(found)} files of weights, such as {found[0]} and {found[1]}",
            "Download the one that you want and name that file",
        )
    return found


def _gguf(names: Sequence[str]) -> list[str]:
    found = sorted(name for name in names if name.endswith(".gguf"))
    if len(found) > 1 or any("/" in name for name in found):
        raise RefusedError(
            f"the repository holds {len(found)} GGUF files, such as {found[0]}"
            if len(found) > 1
            else f"the repository holds its GGUF file in a folder ({found[0]})",
            "Download the one that you want and name that file",
        )
    return found


def _nothing(names: Sequence[str]) -> list[str]:
    """Refuse a repository whose root has no weights.

    Raises:
        RefusedError: Always.
    """
    if deeper := sorted(name for name in names if name.endswith(".safetensors")):
        raise RefusedError(
            f"the repository has no weights beside its {_CONFIG}, only in the folder "
            f"{PurePosixPath(deeper[0]).parent.as_posix()!r} ({deeper[0]})",
            "Download the folder that you want and name it",
        )
    raise without_weights(names, "the repository")


def _is_described(name: str) -> bool:
    return _is_description(name) or name == CARD


def _is_voice(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in VOICES)


def _is_description(name: str) -> bool:
    unwanted = ".safetensors.index" in name or name.endswith((".bin.index.json", "params.json", "trainer_state.json"))
    return name.endswith(DESCRIPTIONS) and not unwanted


def _json(read: Read, name: str) -> Mapping[str, Any]:
    try:
        document = json.loads(read(name))
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise RefusedError(f"the repository's {name} is not valid", "Name another repository")
    return document
