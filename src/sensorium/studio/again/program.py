"""The program that does a job again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sensorium.studio.again.wish import Wish

_CHOICE = ("profile", "device", "dtype", "quantize", "base", "vae", "without", "aligner", "diarizer")
_SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
_NUMBERS = ("num_images", "steps", "guidance_scale", "width", "height", "seed")
_PROMPTED = ("negative_prompt", *_NUMBERS, "scheduler", "safety")
_SAMPLING = ("max_new_tokens", "temperature", "top_p", "seed", "repetition_penalty", "stop")


class _Program:
    """A program in the making, which notes which fields it has said.

    Args:
        fields: What is to be said.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields
        self.said: set[str] = {*_CHOICE, "model"}
        self.imports: list[str] = []
        self.lines: list[str] = []

    def field(self, name: str, default: Any = None) -> Any:
        """Return a field as it is, and note that it is said."""
        self.said.add(name)
        return self.fields.get(name, default)

    def literal(self, name: str) -> str:
        """Return a field as it is written, and note that it is said."""
        return written(self.field(name))

    def keywords(self, *names: str, **called: str) -> str:
        """Return those of some fields that are given as ``, name=value``; `called` says which names differ."""
        pairs = [(name, name) for name in names] + list(called.items())
        return "".join(f", {keyword}={self.literal(name)}" for name, keyword in pairs if name in self.fields)

    def opened(self, kind: str, *, model: str = "model", how: str = "", keywords: str = "") -> str:
        """Import a class; return the call that makes one, of the checkpoint that is asked for."""
        self.imports.append(kind)
        choice = f"{keywords}{self.keywords(*_CHOICE)}"
        first = f", {self.literal(model)}" if model in self.fields else ""
        return f"{kind}{how}({f'{first}{choice}'.removeprefix(', ')})"

    def text(self) -> str:
        """Return the program."""
        public = [name for name in self.imports if " " not in name]
        others = [name for name in self.imports if " " in name]
        head = [*others, *([f"from sensorium import {', '.join(sorted(public))}"] if public else [])]
        return "\n".join([*head, "", *self.lines])


def program_of(wish: Wish) -> tuple[str, tuple[str, ...]]:
    """Return the program, and the fields that it can't say.

    Returns:
        "" for the program if no public class does it.
    """
    if wish.operation not in _PROGRAMS:
        return "", ()
    program = _Program(wish.fields)
    _PROGRAMS[wish.operation](program)
    return program.text(), tuple(name for name in wish.fields if name not in program.said)


def written(value: Any) -> str:
    """Return a value as a program writes it."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{written(name)}: {written(each)}" for name, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(written, value)) + "]"
    return repr(value)


_SPEAKERS = ("speakers", "voices")


def _print(kind: str, method: str, *fields: str, keywords: Sequence[str] = ()) -> Callable[[_Program], None]:
    """Return what writes a call whose result is printed."""

    def write(program: _Program) -> None:
        given = ", ".join(program.literal(name) for name in fields)
        program.lines.append(f"print({program.opened(kind)}.{method}({given}{program.keywords(*keywords)}))")

    return write


def _read_film(program: _Program) -> None:
    reader = program.opened("TextReader")
    program.imports.append("read_film")
    program.lines.append(f"print(read_film({program.literal('film')}{program.keywords('every')}, reader={reader}))")


def _about_a_film(method: str, *fields: str, keywords: Sequence[str] = ()) -> Callable[[_Program], None]:
    def write(program: _Program) -> None:
        parts = program.keywords("captioner", "language_model", "speech", "encoder", "num_frames")
        opened = program.opened("VideoQA", keywords=parts)
        given = ", ".join(program.literal(name) for name in fields)
        program.lines.append(f"print({opened}.{method}({given}{program.keywords(*keywords, 'track')}))")

    return write


def _moderate(program: _Program) -> None:
    opened = program.opened("VideoQA", model="", keywords=program.keywords(model="encoder"))
    keywords = program.keywords("policy", "labels")
    program.lines.append(f"print({opened}.moderate({program.literal('source')}{keywords}))")


def _transcribe(program: _Program, task: str = "") -> None:
    names = ("language", "word_timestamps", "segment_timestamps", "initial_prompt", "hotwords", "languages", "track")
    given = f"{program.literal('audio')}{task}{program.keywords(*names, *_SPEAKERS)}"
    program.lines += [f"said = {program.opened('SpeechToText')}.transcribe({given})", "print(said.text)"]


def _translate(program: _Program) -> None:
    _transcribe(program, ', task="translate"')


def _subtitle(program: _Program) -> None:
    file = written(f"subtitles.{program.field('format', 'srt')}")
    task = ', task="translate"' if program.field("translate") else ""
    given = f"{program.literal('audio')}, {file}{program.keywords('language', 'track', *_SPEAKERS)}{task}"
    program.lines.append(f"print({program.opened('SpeechToText')}.generate_subtitles({given}))")


def _speak(program: _Program) -> None:
    given = f"{program.literal('text')}, {written('speech.' + program.field('format', 'mp3'))}"
    keywords = program.keywords("voice", "speed", "seed", "language")
    program.lines.append(f"print({program.opened('TextToSpeech')}.synthesize({given}{keywords}))")


def _clone(program: _Program) -> None:
    file = written("speech." + program.field("format", "mp3"))
    given = f"{program.literal('text')}, {program.literal('reference')}, {file}"
    keywords = program.keywords("consent", "reference_text", "track", "speed", "seed", "language")
    program.lines.append(f"print({program.opened('TextToSpeech', how='.for_cloning')}.clone({given}{keywords}))")


def _prompt(program: _Program, default: str = "") -> str:
    """Return how the prompt is written; a style's words are added before."""
    prompt = written(program.field("prompt", default))
    if program.field("style") is None:
        return prompt
    program.imports.append("PromptEngineer")
    program.lines.append(f"prompt = PromptEngineer().build_prompt({prompt}, style={program.literal('style')})")
    return "prompt"


def _added(program: _Program) -> str:
    """Return how LoRA files and embeddings are written."""
    loras = [f"({written(each.get('file') or each['name'])}, {each['weight']})" for each in program.field("lora") or ()]
    embeddings = [
        f"({written(each['file'])}, {written(each['word'])})" if each.get("word") else written(each["file"])
        for each in program.field("embedding") or ()
    ]
    likenesses = [_likeness(each) for each in program.field("ip_adapter") or ()]
    if likenesses:
        program.imports.append("IPAdapter")
    named = (("lora", loras), ("embeddings", embeddings), ("ip_adapter", likenesses))
    return "".join(f", {name}=[{', '.join(files)}]" for name, files in named if files)


def _likeness(table: Mapping[str, Any]) -> str:
    adapter = table.get("file") or table.get("model")
    model = f", {written(adapter)}" if adapter else ""
    scale = f", scale={table['scale']}" if "scale" in table else ""
    part = f", part={written(table['part'])}" if "part" in table else ""
    return f"IPAdapter({written(table['images'])}{model}{scale}{part})"


def _save(program: _Program) -> None:
    suffix = _SUFFIXES[program.field("format", "png")]
    quality = program.keywords("quality")
    program.lines += [
        "for number, picture in enumerate(pictures, 1):",
        f'    picture.save(f"picture-{{number}}{suffix}"{quality})',
    ]


def _imagine(program: _Program) -> None:
    prompt = _prompt(program)
    given = f"{prompt}{program.keywords(*_PROMPTED)}{_added(program)}"
    program.lines.append(f"pictures = {program.opened('TextToImage')}.generate({given})")
    _save(program)


def _edit(program: _Program) -> None:
    prompt = _prompt(program)
    mask = program.field("mask")
    pictures = f"{program.literal('image')}, {written(mask)}" if mask else program.literal("image")
    given = f"{pictures}, {prompt}{program.keywords('strength', 'image_guidance_scale', *_PROMPTED)}{_added(program)}"
    method = "inpaint" if mask else "img2img"
    program.lines.append(f"pictures = {program.opened('TextToImage')}.{method}({given})")
    _save(program)


def _vary(program: _Program) -> None:
    prompt = _prompt(program)
    words = f", prompt={prompt}" if program.field("prompt") else ""
    given = f"{program.literal('image')}{words}{program.keywords('prompt_weight', *_NUMBERS)}"
    program.lines.append(f"pictures = {program.opened('TextToImage')}.variations({given})")
    _save(program)


def _control(program: _Program) -> None:
    kinds = list(program.field("controls", ("openpose",)))
    given = f"{program.literal('reference')}, {program.literal('prompt')}, {written(kinds)}"
    maps = program.field("maps", {})
    if maps:
        given += f", control_image={written([maps.get(kind) for kind in kinds])}"
    for name, keyword, usual in (("weights", "weights", 1.0), ("start", "start", 0.0), ("end", "end", 1.0)):
        numbers = program.field(name, {})
        if numbers:
            given += f", control_{keyword}={written([numbers.get(kind, usual) for kind in kinds])}"
    given += f"{program.keywords('strength', *_PROMPTED, image='init_image', mask='mask_image')}{_added(program)}"
    opened = program.opened("ControlNetGenerator", keywords=program.keywords("controlnets", "annotators"))
    program.lines.append(f"pictures = {opened}.generate({given})")
    _save(program)
    if program.field("map_format", "png") is not None:
        program.lines += [
            "for number, drawn in enumerate(pictures.control_images, 1):",
            f'    drawn.save(f"map-{{number}}{_SUFFIXES[program.field("map_format", "png")]}")',
        ]


def _paint_again(program: _Program) -> None:
    program.imports.append("from sensorium.image_generation.generated_image import read_settings")
    suffix = _SUFFIXES[program.field("format", "png")]
    given = f"read_settings({program.literal('picture')}){program.keywords(image='init_image', mask='mask_image')}"
    kinds = program.field("controls") or ()
    if kinds:
        maps = program.field("maps", {})
        ready = f", control_image={written([maps.get(kind) for kind in kinds])}" if maps else ""
        given += f"{program.keywords(reference='reference_image')}{ready}{_added(program)}"
        opened = program.opened("ControlNetGenerator", keywords=program.keywords("controlnets", "annotators"))
    else:
        given += _added(program)
        opened = program.opened("TextToImage")
    program.lines.append(f'{opened}.paint_again({given}).save("picture{suffix}")')


def _index(program: _Program) -> None:
    folder = written(program.field("index", None) or "index")
    program.said.add("origins")
    given = f"{program.literal('files')}{program.keywords('every')}{program.keywords(read='reads')}"
    program.imports.append("SearchIndex")
    choice = program.keywords("model", "dimensions", *_CHOICE)
    program.lines.append(f"print(SearchIndex({folder}{choice}).add({given}))")


def _search(program: _Program) -> None:
    folder = written(program.field("index", None) or "index")
    given = program.keywords("text", "image", "sound", "limit", "under", "all_moments").removeprefix(", ")
    program.imports.append("SearchIndex")
    choice = program.keywords("model", *_CHOICE)
    program.lines += [
        f"for match in SearchIndex({folder}{choice}).search({given}):",
        "    print(match)",
    ]


def _embed(program: _Program) -> None:
    program.lines.append(f"clip = {program.opened('CLIP')}")
    role = program.keywords("role")
    for name, method in (("images", "encode_image"), ("texts", "encode_text"), ("sounds", "encode_sound")):
        if program.field(name):
            told = role if name == "texts" else ""
            program.lines.append(f"print(clip.{method}({program.literal(name)}{told}))")


def _chat(program: _Program) -> None:
    files, history = [], []
    for message in program.field("messages"):
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        files += [part["image"] for part in parts if part["type"] == "image"]
        text = "\n".join(part["text"] for part in parts if part["type"] == "text")
        history.append({"role": message["role"], "content": text})
    program.lines += ["history = [", *(f"    {written(message)}," for message in history), "]"]
    sampling = program.keywords("system", *_SAMPLING)
    program.lines.append(f"print({program.opened('LLaVA')}.chat({written(files or None)}, history{sampling}))")


def _build_prompt(program: _Program) -> None:
    program.imports.append("PromptEngineer")
    styles = program.field("styles")
    made = f"PromptEngineer({written(styles) if styles else ''})"
    style = program.keywords("style")
    given = f"{program.literal('subject')}{style}{program.keywords('details', 'lighting', 'camera')}"
    negative = f"{program.keywords(negatives='additional')}{style}".removeprefix(", ")
    program.lines += [
        f"engineer = {made}",
        f"print(engineer.build_prompt({given}))",
        f"print(engineer.get_negative_prompt({negative}))",
    ]


_PROGRAMS: Mapping[str, Callable[[_Program], None]] = {
    "ask": _print("ImageQA", "answer_question", "image", "question"),
    "ask-film": _about_a_film("answer_video_question", "film", "question"),
    "build-prompt": _build_prompt,
    "caption": _print("ImageQA", "generate_caption", "image"),
    "chat": _chat,
    "classify": _print("CLIP", "zero_shot_classification", "image", "labels"),
    "classify-film": _about_a_film("classify", "film", keywords=("labels", "top_k")),
    "clone": _clone,
    "control": _control,
    "describe-film": _about_a_film("describe", "film"),
    "detect-language": _print("SpeechToText", "detect_language", "audio", keywords=("track",)),
    "diarize": _print("SpeakerDiarization", "diarize", "audio", keywords=("voices", "track")),
    "edit": _edit,
    "embed": _embed,
    "find-moment": _about_a_film("search", "film", "text", keywords=("limit",)),
    "imagine": _imagine,
    "index": _index,
    "moderate": _moderate,
    "paint-again": _paint_again,
    "read": _print("TextReader", "read", "image"),
    "read-film": _read_film,
    "search": _search,
    "speak": _speak,
    "subtitle": _subtitle,
    "transcribe": _transcribe,
    "translate": _translate,
    "vary": _vary,
}
