"""Text generation by a causal language model: ``LanguageModel``."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Unpack

from sensorium.answer import Answer
from sensorium.arguments import checked
from sensorium.errors import InputError, UnsupportedError
from sensorium.language.media_parts import read_media, with_warnings
from sensorium.language.messages import MediaKind, Message, Turn, read_conversation, user_turn
from sensorium.language.sampling import Sampling, SamplingOptions, choose_sampling
from sensorium.language.text_pieces import read_answer
from sensorium.language.text_writer import TextWriter
from sensorium.language.written_language import require_language
from sensorium.media.container import WarningCallback
from sensorium.media.input_warnings import InputWarnings
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.streaming import ResultStream
from sensorium.task import Task

_LONGEST_ANSWER = 128
_LONGEST_REPLY = 256


class LanguageModel(Task[TextWriter]):
    """Answers a prompt, or the last turn of a conversation, with text.

    Any causal language model that transformers knows, as a folder with ``config.json`` and safetensors, or as a
    single ``.gguf`` file (converted once, then kept); or any model behind an OpenAI-compatible server.

    Args:
        model: Catalog name, hub id, local folder, a ``.gguf`` file, ``openai:NAME@BASE_URL``, or None for the
            profile's default.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.
        quantize: ``"8bit"``, ``"4bit"`` (with the package bitsandbytes), or None.

    Raises:
        ModelUnavailableError: No checkpoint of that name is known for this task.
    """

    task: ClassVar[str] = "text-generation"
    families: ClassVar[Mapping[str, str]] = {
        "gguf": "sensorium.language.gguf:open_gguf",
        "causal-language-model": "sensorium.language.causal_language_model:CausalLanguageModel",
        "openai": "sensorium.language.endpoint_language_model:EndpointLanguageModel",
    }

    quantizable = True

    def _family(self, folder: Path) -> str:
        family = super()._family(folder)
        if family in self.families:
            return family
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

        return "causal-language-model" if family in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES else family

    @property
    def _on_torch(self) -> bool:
        # A GGUF file runs without torch on a CPU. Where it doesn't, its loader imports torch.
        return super()._on_torch and self.checkpoint.family != "gguf"

    @property
    def context_window(self) -> int | None:
        """How many tokens prompt and answer may have together; None where only the model's server knows."""
        return self.backend.context_window

    @checked
    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return how many tokens a conversation takes, the chat template's own tokens included.

        Raises:
            InputError: The turns are out of order or empty.
            UnsupportedError: The model runs behind a server, which alone has the tokenizer; or the conversation holds
                pictures, recordings or films.
        """
        turns = self._read_media(read_conversation(messages))
        with self.lease() as backend:
            return backend.count_tokens(turns)

    @checked
    def generate(
        self,
        prompt: str,
        context: str | Sequence[str] | None = None,
        *,
        system: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        **options: Unpack[SamplingOptions],
    ) -> Answer:
        """Answer one prompt.

        A checkpoint without a chat template (a base model) continues the prompt instead of answering it.

        Args:
            prompt: What to answer.
            context: Facts to answer from, written before the prompt; a list is one fact a line.
            system: How to behave, for checkpoints with a chat template.
            progress: Told the tokens written so far.
            cancel: Stops after the token being written.
            options: See `SamplingOptions`; ``max_new_tokens`` is 128 by default, and nothing is penalised.

        Returns:
            The answer, without prompt or special tokens.

        Raises:
            InputError: The prompt is empty, a number is out of range, or prompt and answer don't fit the window.
            UnsupportedError: The prompt is in a script that the checkpoint was not trained on.
            CancelledError: ``cancel`` was set.
        """
        if not isinstance(prompt, str) or not prompt.strip():
            raise InputError("The prompt is empty", "Write what the model should answer")
        facts = context if isinstance(context, str) else "\n".join(context or ())
        content = f"{facts.strip()}\n\n{prompt.strip()}" if facts.strip() else prompt.strip()
        turns = read_conversation([user_turn(content)], system=system)
        sampling = choose_sampling(_LONGEST_ANSWER, **_plain(options))
        return self._stream(turns, sampling, continue_text=True, progress=progress, cancel=cancel).finish()

    @checked
    def chat(
        self,
        messages: Sequence[Message],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        **options: Unpack[SamplingOptions],
    ) -> Answer:
        """Answer the last turn of a conversation.

        Args:
            messages: Turns of system, user and assistant, the last one the user's. Several turns of one role in a row
                are one. Nothing of it is ever cut: a conversation beyond the window is an error that names the counts.
            progress: Told the tokens written so far.
            cancel: Stops after the token being written.
            options: See `SamplingOptions`; ``max_new_tokens`` is 256 by default, and nothing is penalised.

        Raises:
            InputError: The turns are out of order or empty, or the conversation doesn't fit the window.
            UnsupportedError: The checkpoint has no chat template, doesn't know the script of the last turn, or takes no
                pictures, recordings or films.
            CancelledError: ``cancel`` was set.
        """
        return self.stream(messages, progress=progress, cancel=cancel, **options).finish()

    @checked
    def stream(
        self,
        messages: Sequence[Message],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        **options: Unpack[SamplingOptions],
    ) -> ResultStream[str, Answer]:
        """Like `chat`, but give the answer piece by piece as it is written; then ``result`` is what `chat` returns.

        The input is checked at once, not at the first piece. Closing the stream stops the model.
        """
        turns = read_conversation(messages)
        sampling = choose_sampling(_LONGEST_REPLY, **_plain(options))
        return self._stream(turns, sampling, continue_text=False, progress=progress, cancel=cancel)

    def _stream(
        self,
        turns: Sequence[Turn],
        sampling: Sampling,
        *,
        continue_text: bool,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> ResultStream[str, Answer]:
        require_language(turns[-1].text, self.checkpoint, what="prompt")
        warnings = InputWarnings()
        turns = self._read_media(turns, warnings)

        def start(backend: TextWriter) -> Generator[str, None, Answer]:
            if not backend.holds_conversations and not continue_text:
                raise UnsupportedError(
                    f"The checkpoint {self.model!r} has no chat template: it continues text and holds no conversation",
                    "Use generate(), or choose a checkpoint whose name says 'instruct' or 'chat'",
                )
            written = backend.write(turns, sampling, progress=progress, cancel=cancel)
            return with_warnings(read_answer(written, sampling, model=self.model), warnings)

        return ResultStream(self.leased(start, progress=progress, cancel=cancel))

    def _read_media(self, turns: Sequence[Turn], on_warning: WarningCallback | None = None) -> list[Turn]:
        # A server decides itself what its model sees and hears.
        takes: tuple[MediaKind, ...] = ("image", "audio") if self.checkpoint.endpoint else ()
        return read_media(turns, takes=takes, checkpoint=self.checkpoint, limits=self.limits, on_warning=on_warning)


def _plain(options: SamplingOptions) -> SamplingOptions:
    """Return the options without the penalty that a checkpoint may recommend: a prompt's own words may come again."""
    return {"repetition_penalty": 1.0, **options}
