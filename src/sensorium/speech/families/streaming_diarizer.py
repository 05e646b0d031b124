"""Streaming Sortformer: who speaks, chunk by chunk, with a cache of what each speaker has said.

Sources: Park et al. 2024, "Sortformer"; Medennikov et al. 2025, "Streaming Sortformer: Speaker Cache-Based Online
Speaker Diarization with Arrival-Time Ordering".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.models.catalog import Checkpoint
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled
from sensorium.speech.families.torch_diarizer import TorchDiarizer
from sensorium.speech.kept_sound import KeptSound
from sensorium.speech.recogniser import SAMPLE_RATE
from sensorium.speech.speaker_turns import Activity

if TYPE_CHECKING:
    from sensorium.speech.diarizer import Samples


@dataclass(frozen=True)
class _Chunk:
    """What goes through the model at once, counted in the encoder's frames.

    Attributes:
        begin: Where what is looked back at begins.
        start: Where the chunk begins.
        stop: Where it ends.
        end: Where what is looked ahead at ends.
    """

    begin: int
    start: int
    stop: int
    end: int


class StreamingDiarizer(TorchDiarizer):
    """A checkpoint such as ``nvidia/Nemotron-3-Diarization``.

    It hears chunks as long as those into which the model itself would cut the whole recording, with the same cache, so
    that the same comes out; but neither the sound nor its spectrogram is ever in memory as a whole.
    """

    part = "AutoProcessor"
    within = None

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        super().__init__(folder, checkpoint=checkpoint, device=device, dtype=dtype)
        self.most_speakers = self.model.config.head_config.num_speakers
        self._features: Any = self.processor.feature_extractor
        self._step: int = self.model.config.audio_config.subsampling_factor
        self._hop: int = self._features.hop_length
        self._reach: int = self._features.n_fft // 2

    def listen(
        self, blocks: Iterable[Samples], *, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> Iterator[Activity]:
        """Yield who is heard, chunk by chunk."""
        sound, cache, seconds = KeptSound(blocks), self._cache(), self._hop / SAMPLE_RATE
        start = 0
        while chunk := self._next(sound, start):
            check_cancelled(cancel)
            with self.running(cancel):
                logits = self.model(
                    self._heard(sound, chunk),
                    speaker_cache=cache,
                    num_lookahead_frames=chunk.end - chunk.stop,
                    num_lookback_frames=chunk.start - chunk.begin,
                ).logits
                active = self.active(logits)
            first = chunk.start * self._step
            samples = sound.between(first * self._hop, (first + len(active)) * self._hop)
            yield Activity(first * seconds, seconds, active, samples)
            start = chunk.stop
            sound.forget(self._first_sample(max(0, start - self.model.config.chunk_left_context)))

    def _cache(self) -> Any:
        from transformers.models.nemotron3_diarization.modeling_nemotron3_diarization import (
            Nemotron3DiarizationSpeakerCache,
        )

        config = self.model.config
        return Nemotron3DiarizationSpeakerCache(
            config.streaming_config,
            fifo_length=config.fifo_length,
            speaker_cache_update_period=config.speaker_cache_update_period,
        )

    def _next(self, sound: KeptSound, start: int) -> _Chunk | None:
        """Read as far as the next chunk needs; return it, or None at the end of the recording."""
        config = self.model.config
        stop = start + config.chunk_length
        end = stop + config.chunk_right_context
        sound.read_to((end * self._step - 1) * self._hop + self._reach)
        if sound.ended:
            whole = -(-(sound.stop // self._hop) // self._step)
            stop, end = min(stop, whole), min(end, whole)
        return _Chunk(max(0, start - config.chunk_left_context), start, stop, end) if start < stop else None

    def _heard(self, sound: KeptSound, chunk: _Chunk) -> Any:
        """Return the spectrogram of a chunk, of shape [1, frames, bands], as it is in that of the whole recording."""
        first, last = chunk.begin * self._step, chunk.end * self._step
        until = (last - 1) * self._hop + self._reach
        is_last = sound.ended and until >= sound.stop
        found = self._features(
            sound.between(self._first_sample(chunk.begin), until),
            sampling_rate=SAMPLE_RATE,
            center=first == 0,
            is_last_audio_chunk=is_last and first > 0,
            return_tensors="pt",
        )
        frames = min(last, sound.stop // self._hop) - first
        return self.prepared(found).input_features[:, :frames]

    def _first_sample(self, frame: int) -> int:
        """Return the first sample of which an encoder's frame is made."""
        return max(0, frame * self._step * self._hop - self._reach) if frame else 0
