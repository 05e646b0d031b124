"""PaliGemma's way of asking about a picture: no conversation, but a line that begins with the words of a task.

Source: Beyer et al. 2024, PaliGemma: A Versatile 3B VLM for Transfer; Steiner et al. 2024, PaliGemma 2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sensorium.errors import InputError, UnsupportedError
from sensorium.language.messages import TextPart, Turn
from sensorium.language.thoughts import ThinkingStyle
from sensorium.models.catalog import Checkpoint
from sensorium.vision_language.families.image_text_processor import pictures_of, reserved_words
from sensorium.vision_language.image_qa import CAPTION_REQUEST

_CAPTION = "caption en"
_ANSWER = "answer en"
_ITS_OWN_WORDS = re.compile(r"((answer|question|caption|cap|describe) [a-z]{2}\b|(detect|segment) \S|ocr$)")
"""The tasks of the checkpoints that were tuned on a mixture of them."""


class PaliGemmaFormat:
    """Writes a question as ``answer en …`` and the request for a caption as ``caption en``.

    A question that begins with words of a task (``caption de``, ``detect cat``, ``ocr``) is written as it is.

    Args:
        processor: From `open_processor`.
        checkpoint: For the words of an error.

    Attributes:
        style: That it doesn't think.
    """

    def __init__(self, processor: Any, *, checkpoint: Checkpoint) -> None:
        self._name = checkpoint.name
        self._image_token = str(processor.image_token)
        self._reserved = reserved_words(processor)
        self.style = ThinkingStyle()

    def render(self, turns: Sequence[Turn], *, thinking: bool = False) -> str:
        """Return a question about one picture as the text that the processor takes; there is no thinking to ask for.

        Raises:
            InputError: The question contains one of the words that the checkpoint reserves for itself.
            UnsupportedError: It is more than one question about one picture.
        """
        if [turn.role for turn in turns] != ["user"] or len(pictures_of(turns)) != 1:
            raise UnsupportedError(
                f"The checkpoint {self._name!r} takes one question about one picture, and no conversation",
                "Ask a single question, or choose a checkpoint that was made for conversations",
            )
        text = " ".join(part.text for part in turns[0].parts if isinstance(part, TextPart)).strip()
        word = next((word for word in self._reserved if word in text), None)
        if word is not None:
            raise InputError(
                f"The question contains {word!r}, which {self._name!r} reserves for itself", "Leave it out of the text"
            )
        if text == CAPTION_REQUEST:
            return self._image_token + _CAPTION
        return self._image_token + (text if _ITS_OWN_WORDS.match(text) else f"{_ANSWER} {text}")
