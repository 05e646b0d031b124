"""Networks that were taught who speaks in a short mixture: window by window, with voices compared between windows.

Source: Yang et al. 2021, "SUPERB: Speech processing Universal PERformance Benchmark", whose task SD they were trained
for: two people, and in each recording the numbers are given out anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import UnsupportedError
from sensorium.models.catalog import Checkpoint
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled
from sensorium.speech.families.torch_diarizer import TorchDiarizer
from sensorium.speech.kept_sound import KeptSound
from sensorium.speech.recogniser import SAMPLE_RATE
from sensorium.speech.speaker_turns import Activity
from sensorium.speech.voice_matching import LEAST_SPEECH, same_voices

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sensorium.speech.diarizer import Samples

_WINDOW = 20
"""Seconds that are heard at once. The mixtures that such networks are trained with are about as long."""
_SHORTEST = SAMPLE_RATE
"""Samples; a shorter last window is filled up with silence, because the network needs some frames."""
_LEAST_WEIGHT = 0.01
"""Seconds. A voice counts as much as was heard of it alone; one that was never alone counts a little."""
_SPEAKER = re.compile(r"label_\d+|\W*(speaker|spk)\W*\d*", re.IGNORECASE)


class FrameDiarizer(TorchDiarizer):
    """A checkpoint such as ``microsoft/wavlm-base-plus-sd`` or ``anton-l/wav2vec2-base-superb-sd``."""

    part = "AutoFeatureExtractor"
    within = float(_WINDOW)

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        super().__init__(folder, checkpoint=checkpoint, device=device, dtype=dtype)
        labels = list(self.model.config.id2label.values())
        if not all(_SPEAKER.fullmatch(str(label)) for label in labels):
            raise UnsupportedError(
                f"The checkpoint {checkpoint.name!r} tells {', '.join(map(str, labels[:5]))} apart, and not speakers",
                "'sensorium models list --task speaker-diarization' shows checkpoints that do",
            )
        self.most_speakers = len(labels)

    def listen(
        self, blocks: Iterable[Samples], *, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> Iterator[Activity]:
        """Yield who is heard, window by window."""
        windows = _windows(blocks)
        first = next(windows, None)
        second = next(windows, None)
        people = _People(self, progress, cancel)
        begun = [window for window in (first, second) if window is not None]
        for number, window in enumerate(chain(begun, windows)):
            check_cancelled(cancel)
            heard = self._heard(window, number * _WINDOW, cancel)
            yield heard if second is None else people.recognised(heard)

    def _heard(self, window: Samples, start: float, cancel: Cancellation | None) -> Activity:
        import numpy as np

        filled = np.pad(window, (0, max(0, _SHORTEST - len(window))))
        inputs = self.processor(filled, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with self.running(cancel):
            active = self.active(self.model(**self.prepared(inputs)).logits)
        # A convolution leaves out the frame at the end that it sees only half of.
        step = getattr(self.model.config, "inputs_to_logits_ratio", None) or len(filled) / len(active)
        frames = max(1, round(len(window) / step))
        active = np.pad(active, ((0, max(0, frames - len(active))), (0, 0)), mode="edge")[:frames]
        return Activity(start, step / SAMPLE_RATE, active, window)


class _People:
    """The people heard so far, known by their voices."""

    def __init__(self, diarizer: FrameDiarizer, progress: ProgressCallback | None, cancel: Cancellation | None) -> None:
        self._diarizer = diarizer
        self._told: dict[str, Any] = {"progress": progress, "cancel": cancel}
        self._sums: list[NDArray[np.float32]] = []

    def recognised(self, heard: Activity) -> Activity:
        """Return who is heard in a window, with the numbers that the same people had in those before it."""
        import numpy as np

        speaking = [number for number in range(heard.active.shape[1]) if heard.active[:, number].any()]
        speaking.sort(key=lambda number: int(np.argmax(heard.active[:, number])))
        voices = {number: self._voice(heard, number) for number in speaking}
        known = {person: total / np.linalg.norm(total) for person, total in enumerate(self._sums)}
        people = same_voices({number: vector for number, (vector, _) in voices.items()}, known)
        for number in speaking:
            vector, seconds = voices[number]
            if number not in people:
                people[number] = self._newcomer(vector, seconds, known.keys() - set(people.values()))
            self._sums[people[number]] = self._sums[people[number]] + vector * max(seconds, _LEAST_WEIGHT)
        active = np.zeros((len(heard.active), len(self._sums)), bool)
        for number in speaking:
            active[:, people[number]] = heard.active[:, number]
        return Activity(heard.start, heard.frame, active, heard.samples)

    def _voice(self, heard: Activity, number: int) -> tuple[NDArray[np.float32], float]:
        """Return the vector of a voice, and how many seconds of it were heard alone."""
        alone = heard.alone(number)
        return self._diarizer.voice(alone, **self._told), len(alone) / SAMPLE_RATE

    def _newcomer(self, vector: NDArray[np.float32], seconds: float, absent: set[int]) -> int:
        """Return the number of somebody who sounds like nobody before: a new one, unless too little was heard."""
        import numpy as np

        if seconds < LEAST_SPEECH and absent:
            return max(absent, key=lambda person: float(self._sums[person] @ vector))
        self._sums.append(np.zeros_like(vector))
        return len(self._sums) - 1


def _windows(blocks: Iterable[Samples]) -> Iterator[Samples]:
    sound, start, length = KeptSound(blocks), 0, _WINDOW * SAMPLE_RATE
    while True:
        sound.read_to(start + length)
        window = sound.between(start, start + length)
        if not len(window):
            return
        yield window
        start += length
        sound.forget(start)
