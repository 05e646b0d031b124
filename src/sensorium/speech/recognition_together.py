"""Short recordings that are recognised together: each is a single window, and windows of one length are one batch."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from typing import TYPE_CHECKING, TypeAlias

from sensorium.errors import CancelledError, SensoriumError
from sensorium.progress import check_cancelled, report
from sensorium.speech.recognition import RecognitionRun, filled_up
from sensorium.speech.transcription import Transcription

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sensorium.speech.families.whisper_ctranslate2 import Encoded
    from sensorium.speech.voice_activity import Window

Outcome: TypeAlias = Transcription | SensoriumError | None
"""The transcription of a recording, why there is none, or None if it is longer than a window."""


@dataclass(frozen=True, eq=False)
class _Short:
    """A recording that is a single window, as the ``number``-th of those that are recognised together."""

    number: int
    run: RecognitionRun
    window: Window


def transcribe_together(runs: Sequence[RecognitionRun]) -> list[Outcome]:
    """Transcribe short recordings; each gets the text that it gets alone.

    Args:
        runs: The recordings, all for one backend. Each has its own options, is told its own progress, and may be
            cancelled without the others.

    Returns:
        For each recording its transcription, or the error that says why there is none, `CancelledError` among them; or
        None if it is longer than a window, and so gains nothing here.
    """
    outcomes: dict[int, Outcome] = {}
    short: list[_Short] = []
    for number, run in enumerate(runs):
        try:
            windows = _first_windows(run)
        except SensoriumError as error:
            outcomes[number] = error
            continue
        if len(windows) == 1:
            short.append(_Short(number, run, windows[0]))
        else:
            outcomes[number] = None if windows else run.transcription([])
    for batch in _batches(short, runs[0].backend.batch_size if runs else 1):
        outcomes.update(_recognised(batch))
    return [outcomes[number] for number in range(len(runs))]


def _first_windows(run: RecognitionRun) -> list[Window]:
    """Return the windows of a recording, of which two are enough to tell that it isn't short."""
    check_cancelled(run.cancel)
    report(run.progress, "transcribing", 0.0, run.total(), "seconds")
    return list(islice(run.windows(), 2))


def _batches(short: list[_Short], size: int) -> Iterator[list[_Short]]:
    """Yield recordings that are filled up to the same length."""
    for _, group in groupby(sorted(short, key=_length), key=_length):
        recordings = list(group)
        yield from (recordings[start : start + size] for start in range(0, len(recordings), size))


def _recognised(batch: list[_Short]) -> Iterator[tuple[int, Outcome]]:
    """Recognise recordings of one length; yield each one's number and outcome."""
    waiting = yield from _without_cancelled(batch)
    if not waiting:
        return
    backend = waiting[0].run.backend
    encoded = backend.encode([each.window.samples for each in waiting], longest=_length(waiting[0]))
    understood = yield from _understood(waiting, encoded)
    for places in _of_one_prompt(waiting, understood):
        group = yield from _without_cancelled([waiting[place] for place in places])
        if group:
            part = backend.some(encoded, [place for place in places if waiting[place] in group])
            yield from _decoded(group, part)


def _understood(waiting: list[_Short], encoded: Encoded) -> Generator[tuple[int, Outcome], None, list[int]]:
    """Find out the languages; return the places of those whose language the model knows, yield why not for others."""
    backend = waiting[0].run.backend
    unknown = [place for place, each in enumerate(waiting) if not each.run.options.language]
    found = backend.language_probabilities(backend.some(encoded, unknown)) if unknown else []
    detected = dict(zip(unknown, found, strict=True))
    understood = []
    for place, each in enumerate(waiting):
        try:
            each.run.settle_language(partial(detected.__getitem__, place))
        except SensoriumError as error:
            yield each.number, error
        else:
            understood.append(place)
    return understood


def _of_one_prompt(waiting: list[_Short], places: list[int]) -> list[list[int]]:
    """Return some places, those together for whom the decoder is told the same."""
    groups: dict[Hashable, list[int]] = {}
    for place in places:
        run = waiting[place].run
        told = (run.language, run.options.task, run.options.initial_prompt, run.options.hotwords)
        groups.setdefault(told, []).append(place)
    return list(groups.values())


def _decoded(group: list[_Short], encoded: Encoded) -> Iterator[tuple[int, Outcome]]:
    run = group[0].run
    recognitions = run.backend.recognise(
        encoded,
        language=run.language,
        task=run.options.task,
        initial_prompt=run.options.initial_prompt,
        hotwords=run.options.hotwords,
        needs_words=lambda place, text: group[place].run.needs_words(group[place].window, text),
    )
    done = yield from _without_cancelled(group)
    for each, recognition in zip(group, recognitions, strict=True):
        if each in done:
            segments = list(each.run.segments_in(each.window, recognition))
            yield each.number, each.run.transcription(segments)


def _without_cancelled(recordings: list[_Short]) -> Generator[tuple[int, Outcome], None, list[_Short]]:
    """Return those that nobody has cancelled; yield the outcomes of the others."""
    left = []
    for each in recordings:
        try:
            check_cancelled(each.run.cancel)
        except CancelledError as error:
            yield each.number, error
        else:
            left.append(each)
    return left


def _length(recording: _Short) -> float:
    return filled_up(recording.window)
