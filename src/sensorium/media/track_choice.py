"""Which of a file's sound tracks is heard: the one that is named, has the language, or in which somebody speaks."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sensorium.errors import InputError
from sensorium.media.container import OpenMedia, WarningCallback, open_media, warn
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.resampling import resample
from sensorium.media.sound_track import decode_mono
from sensorium.media.source import MediaSource, ResolvedMedia, resolve
from sensorium.progress import Cancellation, check_cancelled
from sensorium.text.languages import LANGUAGES, language_code

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Stretch: TypeAlias = tuple[float, float]

TrackName: TypeAlias = int | str
"""Number of a sound track, from 1, or the language that it is marked with."""

_PLACES = (0.02, 0.2, 0.38, 0.56, 0.74, 0.92)
_PROBE_SECONDS = 20.0
"""A long track is heard for so long at these places."""
_SHORT = 180.0
"""A track up to so many seconds is heard as a whole."""
_MUCH = 0.2
"""A track in which somebody speaks for this part of the time isn't compared with others."""
_LITTLE = 0.5
"""Seconds of speech that may be a mistake of the detector."""
_ENOUGH = 60.0
"""Seconds of speech after which no more is heard."""
_MOST_LISTED = 8
"""How many tracks are named in a message."""
_SURE = 0.5
"""How sure the detector must be that somebody speaks."""


@dataclass(frozen=True)
class SoundTrack:
    """A sound track of a file.

    Attributes:
        number: Its number among the sound tracks, from 1.
        language: Code of the language that it is marked with, such as "en" or "tlh"; "" without a mark.
        title: What it is called; "" without a title.
        usual: Whether it is no commentary and no description for the blind.
        default: Whether it is marked as the one to play.
    """

    number: int
    language: str
    title: str
    usual: bool
    default: bool

    def __str__(self) -> str:
        marks = [LANGUAGES.get(self.language, self.language), f"“{self.title}”" if self.title else ""]
        words = " ".join(filter(None, marks))
        return f"{self.number} ({words})" if words else str(self.number)

    def has_language(self, language: str) -> bool:
        """Return whether it is marked with a language, given as a code, a locale or an English name."""
        code = _code(language)
        return bool(code) and code == self.language


def choose_track(
    source: MediaSource,
    *,
    track: TrackName | None = None,
    languages: Sequence[str] = (),
    limits: Limits = DEFAULT_LIMITS,
    on_warning: WarningCallback | None = None,
    cancel: Cancellation | None = None,
) -> int:
    """Choose the sound track of a file that somebody who wants to know what is said would choose.

    That is the track that is named; else, of those marked with one of the languages if there are any, the first in
    which somebody speaks. What a player would play comes before others, and comments on the film come after them.

    Args:
        source: Path, address, data URI, bytes or open file; sound or film.
        track: Number of the track, from 1, or the language that it is marked with.
        languages: Codes of the languages of which one is spoken, as far as known.
        limits: What the file may cost.
        on_warning: Told in one sentence that there are several, if none is named; None for the log.
        cancel: Set it to stop.

    Returns:
        Its number.

    Raises:
        InputError: The file can't be read, or has no such track.
        CancelledError: It was stopped.
    """
    media = resolve(source, limits=limits, cancel=cancel)
    with open_media(media, limits=limits, cancel=cancel) as opened:
        tracks, track = _tracks(opened), require_track(track)
        duration = opened.stated_duration
        if len(tracks) < 2 or track is not None:
            return _named(tracks, track, opened)
    wanted = [each for each in tracks if any(map(each.has_language, languages))]
    unmarked = [each for each in tracks if not each.language]
    groups = [group for group in (wanted, unmarked) if group and languages] or [tracks]
    chosen = _first_speaking(_Hearing(media, limits, cancel), groups, duration)
    asked = " or ".join(LANGUAGES.get(each, each) for each in languages)
    unknown = f", none is marked as {asked}" if languages and groups == [tracks] and not unmarked else ""
    warn(
        on_warning,
        f"{media.name} has {len(tracks)} sound tracks: {_listed(tracks)}; number {chosen.number} was heard{unknown}, "
        "and the option track chooses another one",
    )
    return chosen.number


def require_track(track: Any) -> TrackName | None:
    """Return what names a sound track, digits as a number; None if none is named.

    Raises:
        InputError: It is no number from 1, and no text.
    """
    if isinstance(track, str) and track.strip().isdecimal():
        track = int(track)
    if track is None or (type(track) is int and track >= 1) or (isinstance(track, str) and track.strip()):
        return track
    raise InputError(
        f"No sound track is called {track!r}", "Give its number, from 1, or the language it is marked with"
    )


def _listed(tracks: Sequence[SoundTrack]) -> str:
    return ", ".join([*map(str, tracks[:_MOST_LISTED]), *(["…"] if len(tracks) > _MOST_LISTED else [])])


def _tracks(media: OpenMedia) -> list[SoundTrack]:
    """Return the tracks that can be decoded."""
    from av.stream import Disposition

    found = []
    for number, stream in enumerate(media.container.streams.audio, 1):
        if stream.codec_context is None:
            continue
        language = _code(stream.metadata.get("language", ""))
        title = " ".join((stream.metadata.get("title") or stream.metadata.get("name", "")).split())[:40]
        beside = stream.disposition & (Disposition.comment | Disposition.visual_impaired | Disposition.descriptions)
        default = bool(stream.disposition & Disposition.default)
        found.append(SoundTrack(number, language, title, not beside, default))
    return found


def _code(language: str) -> str:
    """Return the code of a language, those that no recogniser knows included; "" for marks that name none."""
    try:
        return language_code(language)
    except InputError:
        plain = language.strip().lower()
        return "" if plain in {"und", "mul", "zxx", "mis", "qaa"} else plain


def _named(tracks: list[SoundTrack], track: TrackName | None, media: OpenMedia) -> int:
    if isinstance(track, str):
        number = next((each.number for each in tracks if each.has_language(track)), None)
        if number is None:
            media.sound_track()
            raise InputError(
                f"{media.name} has no sound track that is marked with the language {track[:40]!r}",
                f"Name one by its number: {_listed(tracks)}",
            )
        return number
    number = (tracks[0].number if tracks else 1) if track is None else track
    media.sound_track(number)
    return number


def _first_speaking(hearing: _Hearing, groups: Sequence[list[SoundTrack]], duration: float | None) -> SoundTrack:
    """Return the first track in which somebody speaks, of the first group that has one; else the first track."""
    in_order = [sorted(group, key=lambda each: (not each.usual, not each.default, each.number)) for group in groups]
    if sum(map(len, in_order)) > 1:
        for group in in_order:
            if (found := _speaking(hearing, group, duration)) is not None:
                return found
    return in_order[0][0]


def _speaking(hearing: _Hearing, tracks: Sequence[SoundTrack], duration: float | None) -> SoundTrack | None:
    """Return the first track in which somebody speaks, and not much less than in another one; None if there is none."""
    whole: list[Stretch] = [(0.0, math.inf)]
    stretches = whole
    if duration is not None and duration > _SHORT:
        stretches = [(duration * place, duration * place + _PROBE_SECONDS) for place in _PLACES]
    spoken: list[float] = []
    for each in tracks:
        seconds, part = hearing.speech(each.number, stretches, enough=_ENOUGH)
        if part >= _MUCH:
            return each
        spoken.append(seconds)
    most = max(spoken)
    if most > _LITTLE:
        return tracks[next(place for place, seconds in enumerate(spoken) if seconds >= most / 2)]
    if stretches is not whole:
        for each in tracks:
            if hearing.speech(each.number, whole, enough=2 * _LITTLE)[0] > _LITTLE:
                return each
    return None


@dataclass(frozen=True)
class _Hearing:
    """Hears whether somebody speaks in the tracks of a file."""

    media: ResolvedMedia
    limits: Limits
    cancel: Cancellation | None

    def speech(self, number: int, stretches: Sequence[Stretch], *, enough: float) -> tuple[float, float]:
        """Return for how many seconds somebody speaks, and for which part of the time.

        Args:
            number: The track.
            stretches: Where to hear it, in seconds.
            enough: So many seconds of speech are enough.
        """
        from sensorium.media.voice_detector import FRAME, SAMPLE_RATE, VoiceDetector

        spoken = heard = 0
        for begin, end in stretches:
            detector = VoiceDetector()
            with closing(self._samples(number, begin, end)) as pieces:
                for samples in pieces:
                    check_cancelled(self.cancel)
                    whole = samples[: len(samples) // FRAME * FRAME]
                    if len(whole):
                        spoken += int((detector.probabilities(whole) > _SURE).sum())
                        heard += len(whole) // FRAME
                    if spoken * FRAME >= enough * SAMPLE_RATE:
                        break
        return spoken * FRAME / SAMPLE_RATE, spoken / max(heard, 1)

    def _samples(self, number: int, begin: float, end: float) -> Generator[NDArray[np.float32]]:
        """Yield what can be decoded of a stretch of a track; what is wrong with it, its reader tells later."""
        from sensorium.media.voice_detector import SAMPLE_RATE

        with contextlib.suppress(InputError), open_media(self.media, limits=self.limits, cancel=self.cancel) as media:
            pieces = decode_mono(media, track=number, start=begin, voices=True, on_warning=lambda sentence: None)
            for piece in resample(pieces, SAMPLE_RATE):
                if piece.position >= end * SAMPLE_RATE:
                    return
                yield piece.samples[max(0, round(begin * SAMPLE_RATE) - piece.position) :]
