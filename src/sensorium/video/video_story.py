"""What happens in a film: key moments with what is seen in them, and what is said, on one time line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium.answer import Evidence
from sensorium.media.video import VideoFrame, VideoInfo, probe_video, sample_frames
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.record import Record
from sensorium.vision_language.answering import capitalised, contents, sureness
from sensorium.vision_language.colours import describe_colours
from sensorium.vision_language.scene import Scene, SceneReader

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

    from sensorium.media.source import MediaSource
    from sensorium.speech.speech_to_text import SpeechToText

_FEWEST_FRAMES, _MOST_FRAMES = 16, 48
_SECONDS_A_FRAME = 10.0
_MOST_SCENES = 16
# Finding scenes decodes the whole film; for longer ones that costs more than it tells.
_LONGEST_FOR_SCENES = 900.0
_FRAME_SIDE = 512
_SAME_PICTURE = 0.012


@dataclass(frozen=True, eq=False, repr=False)
class Moment(Record):
    """A stretch of a film over which the same is seen.

    Attributes:
        start: Where it begins, in seconds.
        end: Where it ends, in seconds.
        caption: What is seen, in a sentence or two.
        scene: The facts seen in its surest frame.
    """

    start: float
    end: float
    caption: str
    scene: Scene


@dataclass(frozen=True, eq=False, repr=False)
class Sentence(Record):
    """Something that is said in a film.

    Attributes:
        start: Where it begins, in seconds.
        end: Where it ends, in seconds.
        text: The words, in the language that is spoken.
    """

    start: float
    end: float
    text: str


@dataclass(frozen=True, eq=False, repr=False)
class VideoStory(Record):
    """A film on one time line.

    Attributes:
        duration: Seconds.
        moments: What is seen, in the order of time.
        sentences: What is said, in the order of time.
        has_audio: Whether there is a sound track.
        language: Code of the language that is spoken; "" where nothing is.
        frames: How many frames were looked at.
    """

    duration: float
    moments: tuple[Moment, ...]
    sentences: tuple[Sentence, ...]
    has_audio: bool
    language: str
    frames: int

    def evidence(self) -> tuple[Evidence, ...]:
        """Return everything that is seen and said, in the order of time."""
        seen = [moment_evidence(moment) for moment in self.moments]
        said = [sentence_evidence(sentence) for sentence in self.sentences]
        return tuple(sorted([*seen, *said], key=lambda item: (item.start or 0.0, item.kind)))

    def text(self) -> str:
        """Return the time line in words, one line a moment or sentence, each with its time."""
        lines = [f"[{span(item.start, item.end)}] {item.text}" for item in self.evidence()]
        if not self.has_audio:
            lines.append("The film has no sound track.")
        elif not self.sentences:
            lines.append("Nothing is said.")
        return "\n".join(lines)


def clock(seconds: float | None) -> str:
    """Return a time as ``00:12`` or ``1:00:12``."""
    whole = round(seconds or 0.0)
    minutes, rest = divmod(whole, 60)
    return f"{minutes:02d}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def span(start: float | None, end: float | None) -> str:
    """Return a stretch of time as ``00:12-00:15``, or as one time if it is shorter than a second shown."""
    first, last = clock(start), clock(end)
    return first if first == last else f"{first}-{last}"


def moment_evidence(moment: Moment) -> Evidence:
    """Return a moment as something that an answer rests on."""
    return Evidence("frame", moment.caption, sureness(moment.scene), moment.start, moment.end)


def sentence_evidence(sentence: Sentence) -> Evidence:
    """Return a sentence as something that an answer rests on."""
    return Evidence("transcript", f'It is said: "{sentence.text}"', None, sentence.start, sentence.end)


def read_story(
    video: MediaSource,
    *,
    scenes: SceneReader,
    speech: SpeechToText,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> VideoStory:
    """Look at a film's key moments and listen to its sound track.

    At least 16 frames spread over the whole film, one each ten seconds up to 48, and where the scene changes.

    Args:
        video: Path, address, data URI, bytes or open file.
        scenes: Looks at frames.
        speech: Listens.
        progress: Told the frames seen and the seconds heard.
        cancel: Stops at the next frame or sentence.

    Raises:
        InputError: The file is no film or has no frames.
        CancelledError: ``cancel`` was set.
    """
    info = probe_video(video)
    frames = _key_frames(video, info)
    seen = _look(frames, scenes, progress, cancel)
    sentences: tuple[Sentence, ...] = ()
    language = ""
    if info.has_audio:
        heard = speech.transcribe(video, progress=progress, cancel=cancel)
        sentences = tuple(Sentence(segment.start, segment.end, segment.text.strip()) for segment in heard.segments)
        language = heard.language if sentences else ""
    return VideoStory(
        duration=info.duration,
        moments=tuple(_merged(seen, info.duration)),
        sentences=sentences,
        has_audio=info.has_audio,
        language=language,
        frames=len(frames),
    )


def _key_frames(video: MediaSource, info: VideoInfo) -> list[VideoFrame]:
    count = min(_MOST_FRAMES, max(_FEWEST_FRAMES, round(info.duration / _SECONDS_A_FRAME)))
    frames = {frame.time: frame for frame in sample_frames(video, count, minimum_side=_FRAME_SIDE)}
    if info.duration <= _LONGEST_FOR_SCENES:
        for frame in sample_frames(video, _MOST_SCENES, scenes=True, minimum_side=_FRAME_SIDE):
            frames.setdefault(frame.time, frame)
    return [frames[time] for time in sorted(frames)]


def _look(
    frames: list[VideoFrame], scenes: SceneReader, progress: ProgressCallback | None, cancel: Cancellation | None
) -> list[tuple[float, Scene]]:
    seen: list[tuple[float, Scene]] = []
    before: np.ndarray | None = None
    for done, frame in enumerate(frames):
        check_cancelled(cancel)
        report(progress, "looking", done, len(frames), "frames")
        sketch = _sketch(frame.image)
        # A frame that looks like the one before it shows the same; a still picture in a film is looked at once.
        still = before is not None and float(abs(sketch - before).mean()) < _SAME_PICTURE
        seen.append((frame.time, seen[-1][1] if still else scenes.read(frame.image, cancel=cancel)))
        before = sketch
    report(progress, "looking", len(frames), len(frames), "frames")
    return seen


def _sketch(image: PIL.Image.Image) -> np.ndarray:
    import numpy as np

    return np.asarray(image.convert("RGB").resize((32, 32)), dtype=np.float32) / 255


def _merged(seen: Iterable[tuple[float, Scene]], duration: float) -> list[Moment]:
    """Join frames in a row that show the same into one moment, told by the surest of them."""
    groups: list[tuple[float, list[Scene]]] = []
    for time, scene in seen:
        if groups and _shows(groups[-1][1][-1]) == _shows(scene):
            groups[-1][1].append(scene)
        else:
            groups.append((time, [scene]))
    ends = [*(start for start, _ in groups[1:]), duration]
    moments = []
    for (start, alike), end in zip(groups, ends, strict=True):
        best = max(alike, key=_sureness)
        moments.append(Moment(round(start, 2), round(max(start, end), 2), _caption(best), best))
    return moments


def _caption(scene: Scene) -> str:
    """Say what is seen; its colours only where they are all that can be told."""
    shown = contents(scene)
    if shown:
        return f"{capitalised(shown)}."
    light = "Darkness" if scene.brightness < 0.1 else "Nothing that can be recognised for sure"
    colours = "" if scene.monochrome else f"; the picture is {describe_colours(scene.colours_of('picture'))}"
    return f"{light}{colours}."


def _shows(scene: Scene) -> tuple[frozenset[str], int]:
    return frozenset(tag.name for tag in scene.tags if tag.sure), len(scene.people)


def _sureness(scene: Scene) -> float:
    return sum(tag.confidence for tag in scene.tags if tag.sure) + sum(person.score for person in scene.people)
