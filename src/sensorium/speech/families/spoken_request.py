"""Language models that hear, and whose processors have no request to transcribe: they are asked in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sensorium.speech.recogniser import Samples


@dataclass(frozen=True)
class Words:
    """What a family is asked, in the words that it was trained with.

    Attributes:
        transcribe: To write down what is said.
        translate: To translate it into English.
    """

    transcribe: str
    translate: str


_GRANITE = Words("can you transcribe the speech into a written format?", "can you translate the speech into English?")
WORDS: Mapping[str, Words] = {"granite_speech": _GRANITE, "granite_speech_plus": _GRANITE}
"""By ``model_type``, from the pages of their checkpoints."""


@dataclass(frozen=True)
class SpokenRequest:
    """Asks a model about sound.

    Attributes:
        processor: With a chat template, and a token that stands for the sound.
        words: What it is asked.
    """

    processor: Any
    words: Words

    def __call__(self, audio: Sequence[Samples], task: str = "transcribe", return_tensors: str = "pt") -> Any:
        """Return the inputs of the model for windows of sound."""
        question = self.words.translate if task == "translate" else self.words.transcribe
        turn = {"role": "user", "content": f"{self.processor.audio_token}{question}"}
        asked = self.processor.tokenizer.apply_chat_template([turn], tokenize=False, add_generation_prompt=True)
        return self.processor(text=[asked] * len(audio), audio=list(audio), return_tensors=return_tensors)
