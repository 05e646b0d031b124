"""What a film shows, from the facts that are seen in its key frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.video.key_frames import key_frames, new_looking
from sensorium.video.video_story import Moment, VideoStory, listen
from sensorium.vision_language.starter.captions import contents, sureness
from sensorium.vision_language.starter.colours import describe_colours
from sensorium.vision_language.starter.phrases import Phrase, capitalised, sentence
from sensorium.vision_language.starter.scene import Scene, SceneReader

if TYPE_CHECKING:
    from sensorium.speech.speech_to_text import SpeechToText
    from sensorium.video.film import Film


@dataclass(frozen=True, eq=False, repr=False)
class SceneMoment(Moment):
    """A stretch of a film in which the picture stays about the same, with the facts seen in it.

    Attributes:
        scene: The facts seen in that frame of the stretch where recognition was surest.
    """

    scene: Scene


SceneStory: TypeAlias = VideoStory[SceneMoment]


def read_story(
    film: Film,
    *,
    scenes: SceneReader,
    speech: SpeechToText,
    num_frames: int | None = None,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> SceneStory:
    """Look at a film's key moments and listen to its sound track.

    Args:
        film: The film.
        scenes: Recognises what frames show.
        speech: Transcribes the sound track.
        num_frames: How many frames to look at; None for a number that suits the film.
        progress: Told the frames seen and the seconds transcribed so far.
        cancel: Stops at the next frame or sentence.

    Raises:
        InputError: The file is no film or has no frames.
        CancelledError: ``cancel`` was set.
    """
    info = film.probe()
    frames = key_frames(film, info, num_frames)
    seen: list[tuple[float, Scene]] = []
    for done, (frame, is_new) in enumerate(zip(frames, new_looking(frames), strict=True)):
        check_cancelled(cancel)
        report(progress, "looking", done, len(frames), "frames")
        seen.append((frame.time, scenes.read(frame.image, cancel=cancel) if is_new else seen[-1][1]))
    report(progress, "looking", len(frames), len(frames), "frames")
    sentences, language = listen(film, info, speech, progress=progress, cancel=cancel)
    return VideoStory(
        duration=info.duration,
        moments=tuple(_merged(seen, info.duration)),
        actions=(),
        sentences=sentences,
        has_audio=info.has_audio,
        language=language,
        frames=len(frames),
    )


def _merged(seen: Iterable[tuple[float, Scene]], duration: float) -> list[SceneMoment]:
    """Join consecutive frames that show the same things into one moment, described by the surest of these frames."""
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
        moments.append(SceneMoment(round(start, 2), round(max(start, end), 2), _caption(best), sureness(best), best))
    return moments


def _caption(scene: Scene) -> Phrase:
    """Say what is seen; if nothing is recognised, say which colours the picture has."""
    shown = contents(scene)
    if shown:
        return sentence(capitalised(shown))
    light = "Darkness" if scene.brightness < 0.1 else "Nothing that can be recognised for sure"
    if scene.monochrome:
        return sentence(light)
    return sentence(light + "; the picture is {colours}", colours=describe_colours(scene.colours_of("picture")))


def _shows(scene: Scene) -> tuple[frozenset[str], int]:
    return frozenset(tag.name for tag in scene.tags if tag.sure), len(scene.people)


def _sureness(scene: Scene) -> float:
    return sum(tag.confidence for tag in scene.tags if tag.sure) + sum(person.score for person in scene.people)
