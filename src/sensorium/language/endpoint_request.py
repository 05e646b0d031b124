"""A conversation as a request to an OpenAI-compatible server, and its answer."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sensorium.answer import Ending
from sensorium.language.media_parts import SOUND_RATE
from sensorium.language.messages import Part, TextPart, Turn
from sensorium.language.sampling import Sampling
from sensorium.language.stop_sequences import StopSequences
from sensorium.language.thoughts import LONGEST_THOUGHTS, MARKS, Thoughts, untold_thoughts
from sensorium.models.catalog import Checkpoint
from sensorium.models.endpoint import nothing_said, stream_chat
from sensorium.progress import Cancellation, ProgressCallback, report
from sensorium.streaming import ResultStream

if TYPE_CHECKING:
    import numpy as np
    import openai
    import PIL.Image
    from numpy.typing import NDArray

_LONGEST_SIDE = 2048
"""Beyond it no server of today sees more; a 24-megapixel photo would only be a large upload."""
_JPEG_QUALITY = 92
_MOST_STOPS = 4
"""OpenAI takes no more; those beyond are looked for here only."""


def answer_of_endpoint(
    client: openai.OpenAI,
    checkpoint: Checkpoint,
    turns: Sequence[Turn],
    sampling: Sampling,
    *,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> Generator[str, None, Ending]:
    """Give an answer's text as it comes, and return how it ended; the request is made at the first piece.

    Args:
        client: From `sensorium.models.endpoint.open_client`.
        checkpoint: Names the model and the server.
        turns: The conversation, its media read.
        sampling: The server decides what of the seed it honours.
        progress: Told the pieces that have come; most servers send one a token.
        cancel: Hangs up.

    Raises:
        UnsupportedError: The model refuses to answer.
        InputError: The server refuses the request.
        ModelUnavailableError: The server can't be reached, refuses, or breaks off in the middle.
        CancelledError: ``cancel`` was set.
    """
    messages = [{"role": turn.role, "content": _content(turn)} for turn in turns]
    pieces = stream_chat(client, checkpoint, messages, cancel=cancel, **_options(sampling))
    return _answer(pieces, checkpoint, sampling, progress)


def _answer(
    pieces: Generator[str, None, Ending],
    checkpoint: Checkpoint,
    sampling: Sampling,
    progress: ProgressCallback | None,
) -> Generator[str, None, Ending]:
    """Pass on the answer without thoughts, up to the first stop sequence: not every server looks for all of them."""
    stops, thoughts = StopSequences(sampling.stop), _Thoughts(sampling.thinking, sampling.max_new_tokens)
    written, said = 0, ""
    with closing(pieces):
        stream = ResultStream(pieces)
        for piece in filter(None, stream):
            answer = thoughts.let_through(piece)
            written += thoughts.over
            report(progress, "writing" if thoughts.over else "thinking", written, sampling.max_new_tokens, "tokens")
            shown = stops.let_through(answer)
            said += shown
            yield shown
            # Then the server's count, which would have come at the end, is missing.
            if stops.found:
                return Ending("stop", usage=None)
            if sampling.thinking and written >= sampling.max_new_tokens:
                return Ending("length", usage=None)
    rest = stops.let_through(thoughts.rest()) + ("" if stops.found else stops.rest())
    yield rest
    ending = stream.result
    if thoughts.going_on or (thoughts.came and ending.finish_reason == "length" and not (said + rest).strip()):
        raise nothing_said(checkpoint)
    if sampling.thinking and not thoughts.came and not (ending.usage and ending.usage.reasoning_tokens):
        ending = replace(ending, warnings=(*ending.warnings, untold_thoughts(checkpoint.name)))
    return replace(ending, finish_reason="length") if thoughts.cut and not stops.found else ending


class _Thoughts(Thoughts):
    """Those of a model behind a server, whose chat template may have opened them where nobody here sees it.

    Args:
        asked: Whether the model was asked to think: then a text that begins without a mark is held back until a closing
            mark tells that it was thoughts, or its end that it was the answer.
        longest: Of such an answer, in pieces: the server was allowed more, for thoughts.

    Attributes:
        cut: Whether such an answer was longer.
    """

    def __init__(self, asked: bool, longest: int) -> None:
        super().__init__(MARKS)
        self._unsure = "" if asked else None
        self._left, self._end = longest, 0
        self.cut = False

    def let_through(self, piece: str) -> str:
        if self._unsure is None:
            return super().let_through(piece)
        self._unsure += piece
        self._left -= 1
        if self._left >= 0:
            self._end = len(self._unsure)
        if self._may_be_mark(self._unsure.lstrip()):
            return ""
        opened = any(self._unsure.lstrip().startswith(mark.opening) for mark in self.marks)
        closed = next((mark for mark in self.marks if mark.closing in self._unsure), None)
        if not opened and closed is None:
            return ""
        text, self._unsure = self._unsure, None
        return super().let_through(text if opened or closed is None else closed.opening + text)

    def rest(self) -> str:
        text, self._unsure = (self._unsure or "")[: self._end], None
        self.cut = bool(text) and self._left < 0
        return (super().let_through(text) if text else "") + super().rest()


def _options(sampling: Sampling) -> dict[str, Any]:
    options: dict[str, Any] = {
        # Servers count thoughts and answer together, and look for stop sequences in both.
        "max_tokens": sampling.max_new_tokens + LONGEST_THOUGHTS * sampling.thinking,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "chat_template_kwargs": {"enable_thinking": sampling.thinking},
    }
    if sampling.stop and not sampling.thinking:
        options["stop"] = list(sampling.stop[:_MOST_STOPS])
    if sampling.repetition_penalty not in (None, 1):
        # Not in OpenAI's own protocol; vLLM and others take it, and those that don't say so.
        options["extra_body"] = {"repetition_penalty": sampling.repetition_penalty}
    return options


def _content(turn: Turn) -> str | list[dict[str, Any]]:
    return [_written(part) for part in turn.parts] if turn.media else turn.text


def _written(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if part.kind == "audio":
        return {"type": "input_audio", "input_audio": {"data": _as_wav(part.source), "format": "wav"}}
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{_as_jpeg(part.source)}"}}


def _as_jpeg(image: PIL.Image.Image) -> str:
    if max(image.size) > _LONGEST_SIDE:
        image = image.copy()
        image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_JPEG_QUALITY)
    return base64.b64encode(file.getvalue()).decode()


def _as_wav(samples: NDArray[np.float32]) -> str:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SOUND_RATE)
        sound.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return base64.b64encode(file.getvalue()).decode()
