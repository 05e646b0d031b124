"""The line for a shell that does a job again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sensorium.studio.again.wish import Wish

_SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
_OPENING = {
    "model": "--model",
    "profile": "--profile",
    "device": "--device",
    "dtype": "--dtype",
    "quantize": "--quantize",
}
_HEARING = {
    "language": "--language",
    "aligner": "--aligner",
    "hotwords": "--hotwords",
    "word_timestamps": "--words",
    "words": "--words",
    "speakers": "--speakers",
    "voices": "--voice",
    "diarizer": "--diarizer",
    "track": "--track",
}
_WATCHING = {
    "captioner": "--captioner",
    "language_model": "--writer",
    "speech": "--listener",
    "num_frames": "--frames",
    "track": "--track",
}
_SPEAKING = {"speed": "--speed", "seed": "--seed", "language": "--language"}
_PAINTING = {
    "num_images": "--num-images",
    "steps": "--steps",
    "guidance_scale": "--guidance-scale",
    "width": "--width",
    "height": "--height",
    "seed": "--seed",
    "style": "--style",
}
_PROMPTED = {
    **_PAINTING,
    "negative_prompt": "--negative-prompt",
    "scheduler": "--scheduler",
    "lora": "--lora",
    "embedding": "--embedding",
    "ip_adapter": "--ip-adapter-image",
    "safety": "--safety",
}
_PARTS = {"base": "--base", "vae": "--vae", "without": "--without"}
_LONG = 88


@dataclass(frozen=True)
class _Spelling:
    """How a command says an operation.

    Attributes:
        command: Its name.
        arguments: The fields that stand without an option, in their order; those that aren't given are left out.
        options: From other fields to options.
        always: Fields that are said even if they are as by default, because the command's default is another one.
        flags: What stands there in any case.
        implied: Fields that another part of the line says.
    """

    command: str
    arguments: Sequence[str] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    always: Mapping[str, Any] = field(default_factory=dict)
    flags: Sequence[str] = ()
    implied: Sequence[str] = ()


_SPELLINGS = {
    "ask": _Spelling("ask", ("image", "question")),
    "ask-film": _Spelling("watch", ("film", "question"), _WATCHING),
    "build-prompt": _Spelling(
        "prompt",
        ("subject",),
        {
            "style": "--style",
            "details": "--detail",
            "lighting": "--lighting",
            "camera": "--camera",
            "negatives": "--negative",
            "styles": "--styles",
            "variations": "--variations",
            "seed": "--seed",
            "all_variations": "--all-variations",
        },
    ),
    "caption": _Spelling("caption", ("image",)),
    "read": _Spelling("read", ("image",)),
    "read-film": _Spelling("watch", ("film",), flags=("--read",)),
    "classify": _Spelling("classify", ("image",), {"labels": "--labels"}),
    "classify-film": _Spelling(
        "watch", ("film",), {"labels": "--labels", "top_k": "--top", "encoder": "--encoder"}, {"top_k": 5}
    ),
    "clone": _Spelling(
        "clone",
        ("text",),
        {
            **_SPEAKING,
            "reference": "--reference",
            "consent": "--consent",
            "reference_text": "--reference-text",
            "track": "--track",
        },
        implied=("format",),
    ),
    "control": _Spelling(
        "control",
        ("reference", "prompt"),
        {
            **_PROMPTED,
            "controls": "--control",
            "weights": "--weight",
            "maps": "--map",
            "image": "--init",
            "mask": "--mask",
            "strength": "--strength",
            "controlnets": "--controlnet",
            "annotators": "--annotator",
        },
        {"controls": ("openpose",)},
        implied=("format", "map_format"),
    ),
    "control-map": _Spelling(
        "control", ("image",), {"control": "--control", "settings": "--set"}, flags=("--map-only",), implied=("format",)
    ),
    "count-tokens": _Spelling("prompt", ("prompt",), flags=("--tokens",)),
    "describe-film": _Spelling("watch", ("film",), _WATCHING),
    "detect-language": _Spelling("detect-language", ("audio",), {"aligner": "--aligner", "track": "--track"}),
    "diarize": _Spelling("diarize", ("audio",), {"voices": "--voice", "track": "--track"}),
    "edit": _Spelling(
        "edit",
        ("image", "prompt"),
        {
            **_PROMPTED,
            **_PARTS,
            "mask": "--mask",
            "strength": "--strength",
            "image_guidance_scale": "--image-guidance-scale",
        },
        implied=("format",),
    ),
    "embed": _Spelling(
        "embed",
        ("images",),
        {"texts": "--text", "sounds": "--sound", "role": "--role", "dimensions": "--dimensions"},
    ),
    "find-moment": _Spelling(
        "watch", ("film",), {"text": "--find", "limit": "--top", "encoder": "--encoder"}, {"limit": 5}
    ),
    "imagine": _Spelling("imagine", ("prompt",), {**_PROMPTED, **_PARTS}, implied=("format",)),
    "index": _Spelling(
        "index",
        ("files",),
        {"index": "--to", "every": "--every", "read": "--read", "dimensions": "--dimensions"},
        implied=("origins",),
    ),
    "moderate": _Spelling("moderate", ("source",), {"labels": "--labels"}),
    "paint-again": _Spelling(
        "imagine",
        (),
        {
            "picture": "--again",
            "image": "--image",
            "mask": "--mask",
            "lora": "--lora",
            "embedding": "--embedding",
            "ip_adapter": "--ip-adapter-image",
            **_PARTS,
        },
        implied=("format",),
    ),
    "remove-from-index": _Spelling("index", ("files",), {"index": "--to"}, flags=("--remove",), implied=("origins",)),
    "search": _Spelling(
        "search",
        ("text",),
        {
            "image": "--image",
            "sound": "--sound",
            "index": "--index",
            "limit": "--limit",
            "under": "--under",
            "all_moments": "--all-moments",
        },
    ),
    "speak": _Spelling("speak", ("text",), {**_SPEAKING, "voice": "--voice"}, implied=("format",)),
    "subtitle": _Spelling("transcribe", ("audio",), _HEARING, implied=("format", "translate")),
    "transcribe": _Spelling("transcribe", ("audio",), _HEARING),
    "translate": _Spelling("translate", ("audio",), _HEARING),
    "vary": _Spelling(
        "imagine",
        ("prompt",),
        {**_PAINTING, "image": "--like", "prompt_weight": "--prompt-weight"},
        implied=("format",),
    ),
}
_ON_THE_SERVER = ("index", "remove-from-index", "search")
"""What they work with lies there."""


def command_of(wish: Wish, address: str) -> tuple[str, tuple[str, ...]]:
    """Return the command line, and the fields that it can't say.

    Args:
        wish: What is to be done.
        address: The server's.
    """
    if wish.operation == "chat":
        return _chat(wish)
    spelling = _spelling(wish)
    fields = {**spelling.always, **wish.fields}
    words = ["sensorium", spelling.command, *_arguments(spelling, fields)]
    options = [*((flag,) for flag in spelling.flags), *_options({**spelling.options, **_OPENING}, fields)]
    options += [("-o", file) for file in _output(wish)]
    if "map_format" not in wish.fields and wish.operation == "control":
        options.append(("--save-map", "map.png"))
    if wish.operation in _ON_THE_SERVER:
        options.append(("--server", address))
    said = {*spelling.arguments, *spelling.options, *_OPENING, *spelling.implied}
    return _line(words, options), tuple(name for name in wish.fields if name not in said or _unsaid(name, wish))


def _spelling(wish: Wish) -> _Spelling:
    spelling, fields = _SPELLINGS[wish.operation], wish.fields
    match wish.operation:
        case "subtitle" if fields.get("translate"):
            return _with(spelling, command="translate")
        case "classify-film" if "labels" not in fields:
            return _with(spelling, flags=("--actions",))
        case "control-map" if "model" in fields:
            return _with(spelling, options={**spelling.options, "model": "--annotator"})
        case "paint-again" if fields.get("controls"):
            options = {"picture": "--again", "image": "--init", "mask": "--mask", "maps": "--map"}
            options |= {"lora": "--lora", "embedding": "--embedding", "ip_adapter": "--ip-adapter-image"}
            networks = {"controlnets": "--controlnet", "annotators": "--annotator"}
            return _Spelling("control", ("reference",), {**options, **networks}, implied=("format", "controls"))
    return spelling


def _with(spelling: _Spelling, **changes: Any) -> _Spelling:
    return _Spelling(**{**vars(spelling), **changes})


def _arguments(spelling: _Spelling, fields: Mapping[str, Any]) -> list[str]:
    given = [fields[name] for name in spelling.arguments if fields.get(name)]
    words = [str(word) for value in given for word in (value if isinstance(value, (list, tuple)) else [value])]
    return ["--", *words] if any(word.startswith("-") for word in words) else words


def _options(options: Mapping[str, str], fields: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, value in fields.items():
        option = options.get(name)
        if option is None or value is None or value is False:
            continue
        if value is True:
            yield (option,)
        elif name == "labels":
            yield (option, ",".join(value))
        elif name == "ip_adapter":
            yield from (words for each in value for words in _likeness(each))
        elif option == "--annotator" and isinstance(value, str):
            yield (option, f"{fields.get('control', 'openpose')}={value}")
        else:
            yield from ((option, word) for word in _spelt(value))


def _spelt(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{name}={each}" for name, each in value.items()]
    if isinstance(value, (list, tuple)):
        return [_added(each) if isinstance(each, Mapping) else str(each) for each in value]
    return [str(value)]


def _likeness(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return how the pictures that a painted one is to look like are written, and what reads them."""
    yield from (("--ip-adapter-image", image) for image in table["images"])
    adapter = table.get("file") or table.get("model")
    if adapter:
        yield ("--ip-adapter", adapter)
    if "scale" in table:
        yield ("--ip-adapter-scale", str(table["scale"]))
    if "part" in table:
        yield ("--ip-adapter-part", table["part"])


def _added(file: Mapping[str, Any]) -> str:
    """Return how a LoRA file or an embedding is written."""
    if "weight" in file:
        return f"{file.get('file') or file['name']}={file['weight']}"
    return f"{file['word']}={file['file']}" if file.get("word") else str(file["file"])


def _output(wish: Wish) -> list[str]:
    form = wish.fields.get("format")
    match wish.operation:
        case "imagine" | "edit" | "vary" | "control" | "control-map" | "paint-again":
            return [f"picture{_SUFFIXES[form or 'png']}"]
        case "speak" | "clone":
            return [f"speech.{form or 'mp3'}"]
        case "subtitle":
            return [f"subtitles.{form or 'srt'}"]
    return []


def _unsaid(name: str, wish: Wish) -> bool:
    """Return whether a command has an option for a field, but not for this value of it."""
    value = wish.fields[name]
    return (
        (name == "labels" and value is not None and any("," in label for label in value))
        or (name == "ip_adapter" and value is not None and len(value) > 1)
        or (name == "format" and value in ("pcm", "aac", "m4a"))
        or (name == "map_format" and value is not None)
        or (name == "style" and value is None)
    )


def _line(words: Sequence[str], options: Sequence[tuple[str, ...]]) -> str:
    """Return words and options as a shell reads them, long ones on lines of their own."""
    parts = [" ".join(shlex.quote(word) for word in words), *map(_quoted, options)]
    if "--" in words:  # nothing behind it is an option
        end = words.index("--")
        parts = [shlex.join(words[:end]), *map(_quoted, options), shlex.join(words[end:])]
    whole = " ".join(parts)
    return whole if len(whole) <= _LONG else " \\\n  ".join(parts)


def _quoted(option: tuple[str, ...]) -> str:
    if len(option) > 1 and option[1].startswith("-"):
        return shlex.quote(f"{option[0]}={option[1]}")
    return shlex.join(option)


def _chat(wish: Wish) -> tuple[str, tuple[str, ...]]:
    """Return the command that is asked what the user asked, line by line."""
    files: list[str] = []
    questions: list[str] = []
    behaviour: list[str] = []
    for message in wish.fields["messages"]:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        files += [part["image"] for part in parts if part["type"] == "image"]
        text = " ".join(" ".join(part["text"] for part in parts if part["type"] == "text").split())
        {"user": questions, "system": behaviour}.get(message["role"], []).append(text)
    names = {"system": "--system", "temperature": "--temperature", "top_p": "--top-p", "seed": "--seed"}
    names |= {"max_new_tokens": "--max-tokens", "stop": "--stop", **_OPENING}
    fields = {**({"system": behaviour[0]} if behaviour else {}), **wish.fields}
    asked = f"printf '%s\\n' {shlex.join(questions)} | "
    line = _line(["sensorium", "chat", *files], list(_options(names, fields)))
    return asked + line, tuple(name for name in wish.fields if name not in (*names, "messages"))
