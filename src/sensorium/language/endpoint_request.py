"""A conversation as a request to an OpenAI-compatible server, and its answer."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from sensorium.answer import Ending
from sensorium.language.media_parts import SOUND_RATE
from sensorium.language.messages import Part, TextPart, Turn
from sensorium.language.sampling import Sampling
from sensorium.language.stop_sequences import StopSequences
from sensorium.models.catalog import Checkpoint
from sensorium.models.endpoint import stream_chat
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
    return _until_stop(pieces, sampling, progress)


def _until_stop(
    pieces: Generator[str, None, Ending], sampling: Sampling, progress: ProgressCallback | None
) -> Generator[str, None, Ending]:
    """Pass on what comes, up to the first stop sequence: not every server looks for it, or for all of them."""
    stops = StopSequences(sampling.stop)
    with closing(pieces):
        stream = ResultStream(pieces)
        for written, piece in enumerate(filter(None, stream), 1):
            report(progress, "writing", written, sampling.max_new_tokens, "tokens")
            yield stops.let_through(piece)
            if stops.found:
                # The server's count would have come at the end.
                return Ending("stop", usage=None)
    yield stops.rest()
    return stream.result


def _options(sampling: Sampling) -> dict[str, Any]:
    options: dict[str, Any] = {
        "max_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
    }
    if sampling.stop:
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
