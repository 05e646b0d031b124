"""Short recordings that are recognised together: each is a single window, and windows of one length are one batch."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TYPE_CHECKING, TypeAlias

from sensorium.errors import CancelledError, SensoriumError, UnsupportedError
from sensorium.progress import check_cancelled, report
from sensorium.speech.language_pieces import hear
from sensorium.speech.recognition import Recognised, RecognitionRun, filled_up
from sensorium.speech.spoken_languages import Passage
from sensorium.speech.transcription import Segment, Transcription

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sensorium.speech.recognised_text import Recognition
    from sensorium.speech.recogniser import Encoded
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
    for place in [place for place, passages in understood.items() if len(passages) > 1]:
        yield waiting[place].number, _by_itself(waiting[place], understood.pop(place), encoded)
    languages = {place: passage.language for place, (passage,) in understood.items()}
    for places in _of_one_prompt(waiting, languages):
        group = yield from _without_cancelled([waiting[place] for place in places])
        if group:
            places = [place for place in places if waiting[place] in group]
            yield from _decoded(group, backend.some(encoded, places), [understood[place][0] for place in places])


def _understood(
    waiting: list[_Short], encoded: Encoded
) -> Generator[tuple[int, Outcome], None, dict[int, list[Passage]]]:
    """Find out the languages; return the passages of each place, yield why not for those whose language isn't known."""
    unknown = {place: each.window for place, each in enumerate(waiting) if not each.run.named_language}
    run = waiting[0].run
    listener = run.listener if unknown else None
    found = hear(listener, run.heard(listener, encoded), unknown) if listener else []
    heard = {each.number: each for each in found}
    understood = {}
    for place, each in enumerate(waiting):
        languages, named = each.run.languages, each.run.named_language
        try:
            if named:
                understood[place] = languages.named([each.window], named)
            else:
                understood[place] = (
                    languages.followed([heard[place]]) if place in heard else languages.unknown([each.window])
                )
        except SensoriumError as error:
            yield each.number, error
    return understood


def _by_itself(recording: _Short, passages: list[Passage], encoded: Encoded) -> Outcome:
    """Recognise a recording in which several languages are spoken: its parts go through the model one by one."""
    run = recording.run
    try:
        recognised = run.recognised(passages, encoded)
    except SensoriumError as error:
        return error
    return _transcription(run, recognised)


def _of_one_prompt(waiting: list[_Short], languages: Mapping[int, str]) -> list[list[int]]:
    """Return the places, those together for whom the decoder is told the same."""
    groups: dict[Hashable, list[int]] = {}
    for place, language in languages.items():
        options = waiting[place].run.options
        told = (language, options.task, options.initial_prompt, options.hotwords)
        groups.setdefault(told, []).append(place)
    return list(groups.values())


def _decoded(group: list[_Short], encoded: Encoded, passages: list[Passage]) -> Iterator[tuple[int, Outcome]]:
    run = group[0].run
    try:
        recognitions = run.backend.recognise(
            encoded,
            run.told(passages[0].language),
            needs_words=lambda place, text: group[place].run.needs_words(group[place].window, text),
        )
    except UnsupportedError as error:  # the language that they have in common
        yield from ((each.number, error) for each in group)
        return
    done = yield from _without_cancelled(group)
    for each, passage, recognition in zip(group, passages, recognitions, strict=True):
        if each in done:
            yield each.number, _written_down(each.run, passage, recognition)


def _written_down(run: RecognitionRun, passage: Passage, recognition: Recognition) -> Outcome:
    try:
        return _transcription(run, run.filled_out(passage, recognition))
    except (CancelledError, UnsupportedError) as error:
        return error


def _transcription(run: RecognitionRun, recognised: Sequence[Recognised]) -> Transcription:
    segments: list[Segment] = []
    for each in recognised:
        segments += run.segments_in(each, first=len(segments))
    return run.transcription(segments)


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
