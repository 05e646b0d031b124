"""How a conversation about pictures, and perhaps sound, becomes the inputs of an image-text-to-text model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import InputError, UnsupportedError
from sensorium.language.messages import TextPart, Turn
from sensorium.language.thoughts import ThinkingStyle
from sensorium.models.catalog import Checkpoint
from sensorium.models.image_processor import open_image_processor
from sensorium.models.json_files import json_table
from sensorium.models.pretrained import open_part
from sensorium.models.spoiled_files import SPOILED
from sensorium.quiet import quiet_transformers
from sensorium.text.spoken_form import number_in_words
from sensorium.vision_language.families.heard_recordings import recordings_of

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.vision_language.families.heard_recordings import Samples

IMAGE_TOKEN = "<image>"
"""What stands for a picture where a processor doesn't say."""
_OTHERS = "llava-hf/llava-1.5-7b-hf or HuggingFaceTB/SmolVLM-Instruct"
_PROBE = "What colour is it?"


def open_processor(folder: Path, *, checkpoint: Checkpoint) -> Any:
    """Open a checkpoint's processor: its tokenizer, its image processor in Pillow's form, its settings.

    The part for films needs torchvision, so it is left out: a film's frames go through the image processor.

    Raises:
        ModelUnavailableError: Files are missing or damaged.
        UnsupportedError: transformers has no processor for this checkpoint, or none that can be opened like all others.
        MissingDependencyError: It needs torchvision, which is not installed.
    """
    from transformers import AutoConfig

    config = open_part(AutoConfig, folder, checkpoint=checkpoint)
    processor = open_without_films(_processor_class(folder, checkpoint, config), folder, checkpoint=checkpoint)
    if getattr(processor, "patch_size", 0) is None:
        # LLaVA checkpoints from before the processor counted the image tokens itself; CLIP has one beside the patches.
        processor.patch_size = config.vision_config.patch_size
        processor.vision_feature_select_strategy = config.vision_feature_select_strategy
        processor.num_additional_image_tokens = int(config.vision_config.model_type == "clip_vision_model")
    return processor


def open_without_films(processor_class: Any, folder: Path, *, checkpoint: Checkpoint) -> Any:
    """Open a processor of a known class without its part for films.

    Raises:
        ModelUnavailableError: Files are missing or damaged.
        UnsupportedError: The processor has a part that can't be opened like all others.
        MissingDependencyError: It needs torchvision, which is not installed.
    """
    from transformers import AutoFeatureExtractor, AutoTokenizer

    parts: dict[str, Any] = {}
    for name in processor_class.get_attributes():
        if name == "image_processor":
            parts[name] = open_image_processor(folder, checkpoint=checkpoint, instead=_OTHERS)
        elif name == "tokenizer":
            parts[name] = open_part(AutoTokenizer, folder, checkpoint=checkpoint)
        elif name == "feature_extractor":
            parts[name] = open_part(AutoFeatureExtractor, folder, checkpoint=checkpoint)
        elif name == "video_processor":
            parts[name] = None
        else:
            raise _no_processor(checkpoint, f"it has a part {name!r}, which no generic way opens")
    if "video_processor" in parts:
        # Some processors read its settings when they open; these are the same for pictures.
        parts["video_processor"] = parts.get("image_processor")
    return open_part(_Assembly(processor_class, list(parts.values())), folder, checkpoint=checkpoint)


class _Assembly:
    """A processor class that is opened with parts that are open already."""

    def __init__(self, processor_class: Any, parts: list[Any]) -> None:
        self.__name__ = processor_class.__name__
        self._processor_class, self._parts = _without_video(processor_class), parts

    def from_pretrained(self, folder: Path, **options: Any) -> Any:
        settings, _ = self._processor_class.get_processor_dict(folder, local_files_only=True)
        return self._processor_class.from_args_and_dict(self._parts, settings)


def _processor_class(folder: Path, checkpoint: Checkpoint, config: Any) -> Any:
    import transformers
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    name = _named_class(folder)
    found = getattr(transformers, name, None) if name else None
    if found is None and type(config) in PROCESSOR_MAPPING:
        found = PROCESSOR_MAPPING[type(config)]
    if found is None:
        raise _no_processor(checkpoint, "the installed transformers has none for it")
    if not hasattr(found, "get_attributes"):
        raise _no_processor(checkpoint, f"{found.__name__} is of a kind that no generic way opens")
    return found


def _named_class(folder: Path) -> str:
    """Return the processor class that the checkpoint's own files name, as transformers looks it up; "" if none does."""
    files = ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json")
    named = (json_table(folder / file).get("processor_class") for file in files)
    return str(next(filter(None, named), ""))


def _without_video(processor_class: Any) -> Any:
    """Return the class without its insistence on a part for films, which needs torchvision."""

    def check(self: Any, name: str, part: Any) -> Any:
        return None if name == "video_processor" else processor_class.check_argument_for_proper_class(self, name, part)

    module: Any = sys.modules[processor_class.__module__]
    if getattr(module, "num2words", module) is None:
        # SmolVLM insists on num2words, which it needs only to tell how many frames a film has.
        module.num2words = number_in_words
    return type(processor_class.__name__, (processor_class,), {"check_argument_for_proper_class": check})


def _no_processor(checkpoint: Checkpoint, reason: str) -> UnsupportedError:
    return UnsupportedError(
        f"The checkpoint {checkpoint.name!r} needs a processor that doesn't run here: {reason}",
        f"Choose another checkpoint, such as {_OTHERS}",
    )


class ChatFormat:
    """A checkpoint's way of writing a conversation about pictures and recordings.

    Args:
        processor: From `open_processor`.
        checkpoint: For the words of an error.

    Attributes:
        style: How the checkpoint thinks.

    Raises:
        UnsupportedError: The checkpoint has no chat template.
    """

    def __init__(self, processor: Any, *, checkpoint: Checkpoint) -> None:
        self._name = checkpoint.name
        self._processor = processor
        if not processor.chat_template:
            # Many checkpoints keep the template with the tokenizer only.
            processor.chat_template = getattr(processor.tokenizer, "chat_template", None)
        if not processor.chat_template:
            raise UnsupportedError(
                f"The checkpoint {self._name!r} has no chat template: it was not made for conversations",
                f"Choose one that was, such as {_OTHERS}",
            )
        self.image_token = _picture_word(processor)
        self._audio_token = _text(getattr(processor, "audio_token", None))
        self.style = ThinkingStyle.of(processor.chat_template, processor.tokenizer.added_tokens_decoder)
        self._reserved = reserved_words(processor)
        self._takes_parts = self._shows_parts()

    def render(self, turns: Sequence[Turn], *, thinking: bool = False) -> str:
        """Return a conversation as the text that the processor takes, up to where the answer begins.

        Args:
            turns: Words, pictures and recordings; each of them is told where it stands.
            thinking: Whether the model may think before it answers.

        Raises:
            InputError: A turn contains one of the words that the checkpoint reserves for itself.
            UnsupportedError: Its template can't write this conversation, such as one with a system prompt.
        """
        images, sounds = len(pictures_of(turns)), len(recordings_of(turns))
        text = self._apply([{"role": turn.role, "content": self._content(turn)} for turn in turns], thinking)
        if text is not None and text.count(self.image_token) == images and self._writes(sounds, text):
            return text
        system = any(turn.role == "system" for turn in turns)
        media = f" with {images} pictures" + f" and {sounds} recordings" * bool(sounds)
        raise UnsupportedError(
            f"The chat template of {self._name!r} can't write this conversation"
            + (" with a system prompt" if system else media),
            "Leave out the system prompt" if system else "Give fewer of them, or choose another checkpoint",
        )

    def _writes(self, sounds: int, text: str) -> bool:
        """Tell whether a text has a place for each recording; models that hear nothing have a word for none."""
        return text.count(self._audio_token) == sounds if self._audio_token else not sounds

    def _content(self, turn: Turn) -> Any:
        if self._takes_parts:
            return [
                {"type": "text", "text": self._plain(part.text, turn.role)}
                if isinstance(part, TextPart)
                else {"type": part.kind}
                for part in turn.parts
            ]
        media = {"image": self.image_token, "audio": self._audio_token}
        return "\n".join(
            self._plain(part.text, turn.role) if isinstance(part, TextPart) else media[part.kind] for part in turn.parts
        )

    def _plain(self, text: str, role: str) -> str:
        """Return words of a turn, of which none is one that the checkpoint reserves for itself."""
        for word in self._reserved:
            if word not in text:
                continue
            if role != "assistant":
                raise InputError(
                    f"A turn contains {word!r}, which {self._name!r} reserves for itself", "Leave it out of the text"
                )
            text = text.replace(word, "")
        return text

    def _shows_parts(self) -> bool:
        """Tell whether the template writes content that is a list of parts; older ones want a string."""
        parts = [{"type": "image"}, {"type": "text", "text": _PROBE}]
        text = self._apply([{"role": "user", "content": parts}])
        return text is not None and self.image_token in text and text.count(_PROBE) == 1 and "'type'" not in text

    def _apply(self, turns: list[dict[str, Any]], thinking: bool = False) -> str | None:
        from jinja2 import TemplateError
        from transformers import ProcessorMixin

        render = ProcessorMixin.apply_chat_template
        try:
            # The base class's way: some processors' own one reaches into the part for films, which isn't there.
            chosen = self.style.arguments(thinking)
            with quiet_transformers():
                return str(render(self._processor, turns, add_generation_prompt=True, tokenize=False, **chosen))
        except (TemplateError, *SPOILED):
            return None


def pictures_of(turns: Sequence[Turn]) -> list[PIL.Image.Image]:
    """Return the pictures of a conversation in their order."""
    return [part.source for turn in turns for part in turn.media if part.kind == "image"]


def prepare_inputs(
    processor: Any,
    images: Sequence[Sequence[PIL.Image.Image]],
    texts: Sequence[str],
    *,
    recordings: Sequence[Samples] = (),
) -> Any:
    """Return a model's inputs for one or several conversations, padded on the left.

    Args:
        processor: From `open_processor`.
        images: The pictures of each conversation, upright and RGB.
        texts: Each conversation as `ChatFormat.render` wrote it.
        recordings: What is heard in all of them, one after the other: mono samples at 16 kHz.

    Raises:
        InputError: The image processor refuses a picture; Qwen-VL's does if it is 200 times as long as wide.
    """
    start = processor.tokenizer.bos_token
    try:
        with quiet_transformers():
            return processor(
                text=list(texts),
                images=[list(pictures) for pictures in images] if any(images) else None,
                # Of text and recordings alike.
                padding=len(texts) > 1 or bool(recordings),
                return_tensors="pt",
                **({"audio": list(recordings)} if recordings else {}),
                # A template that writes the start token itself must not get a second one.
                add_special_tokens=not (start and texts[0].startswith(start)),
            )
    except (ValueError, ZeroDivisionError, IndexError) as error:
        if not any(images):
            raise InputError(
                "This model can't take one of the recordings", "Give one that is longer, or choose another checkpoint"
            ) from error
        narrowest = min((picture.size for pictures in images for picture in pictures), key=_narrowness, default=(0, 0))
        raise InputError(
            f"This model can't take one of the pictures; the narrowest is {narrowest[0]} × {narrowest[1]} pixels",
            "Crop it, or choose another checkpoint",
        ) from error


def _narrowness(size: tuple[int, int]) -> float:
    return min(size) / max(size)


def reserved_words(processor: Any) -> list[str]:
    """Return the words that stand for a picture, the end of a turn and the like, and so for nothing a user writes."""
    tokenizer = processor.tokenizer
    added = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    return sorted(
        {token for token in [_picture_word(processor), *added, *tokenizer.all_special_tokens] if token.strip()}
    )


def _picture_word(processor: Any) -> str:
    """Return what a chat template writes where a picture stands; Qianfan-OCR's processor puts its token there later."""
    names = ("image_placeholder_token", "image_token")
    return next(filter(None, (_text(getattr(processor, name, None)) for name in names)), IMAGE_TOKEN)


def _text(token: Any) -> str:
    return "" if token is None else str(getattr(token, "content", token))
