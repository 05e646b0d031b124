"""Operations on films, with the starter, on one real film of seven seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from sensorium.errors import CancelledError, InputError, UnsupportedError
from sensorium.media.audio import read_audio
from sensorium.media.source import resolve
from sensorium.media.video_writer import write_video
from sensorium.operations.operation import ModelOperation
from sensorium.operations.tasks import Tasks
from sensorium.operations.video import AskFilm, ClassifyFilm, DescribeFilm, FindMoment, Moderate
from sensorium.progress import Progress
from tests import real_media
from tests.checkpoints.video import ACTIONS, tiny_videomae
from tests.operations.listening import Listening, through_json
from tests.operations.unheard import Unheard
from tests.refusals import refused

CATS = {"name": "no cats", "ordinary": ["a cup"], "labels": [{"name": "cats", "threshold": 0.5, "shows": "a cat"}]}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A cat, then a cup of coffee, while a human voice reads a sentence."""
    frames = []
    for name in ("chelsea", "coffee"):
        with Image.open(real_media.photo(name)) as photo:
            frames += [photo.convert("RGB").resize((448, 320))] * 18
    speech = read_audio(real_media.speech_clips("en")[0].path)
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return str(write_video(path, frames, 5, audio=speech, sample_rate=16000))


@pytest.fixture(scope="module")
def tasks() -> Iterator[Tasks]:
    tasks = Tasks()
    yield tasks
    tasks.close()


def test_a_film_is_described_with_times(film: str, tasks: Tasks) -> None:
    told = through_json(DescribeFilm(film=film), tasks)
    assert "cat" in told
    kinds = {item.kind for item in told.evidence}
    assert {"tag", "transcript"} & kinds
    assert all(item.start is not None for item in told.evidence)


def test_a_question_is_answered_from_what_was_seen_before(film: str, tasks: Tasks) -> None:
    heard = Listening()
    answer = AskFilm(film=film, question="When does the coffee appear?").run(tasks, heard)
    assert any(2 < (item.start or 0) < 6 for item in answer.evidence)
    assert through_json(AskFilm(film=film, question="When does the coffee appear?"), tasks) == answer


def test_the_moment_of_a_thing_is_found(film: str, tasks: Tasks) -> None:
    found = through_json(FindMoment(film=film, text="a cup of coffee", limit=1), tasks)
    assert [round(moment.start) for moment in found.moments] == [4]


def test_stretches_are_labelled_with_labels_or_with_actions(film: str, tasks: Tasks, tmp_path: Path) -> None:
    labelled = through_json(ClassifyFilm(film=film, labels=("cat", " cat", "airplane"), top_k=1), tasks)
    assert [item.label for item in labelled.labels] == ["cat"]
    actions = ClassifyFilm(film=film, model=str(tiny_videomae(tmp_path / "tiny-videomae")), top_k=2)
    assert {item.label for item in through_json(actions, tasks).labels} <= set(ACTIONS)
    with refused(UnsupportedError, "socratic-video-qa"):
        ClassifyFilm(film=film).run(tasks, Unheard())


def test_films_and_pictures_are_judged_by_a_policy_that_comes_as_data(film: str, tasks: Tasks) -> None:
    judged = through_json(Moderate(source=film, policy=CATS), tasks)
    assert (judged.flagged, judged.policy) == (True, "no cats")
    assert judged.moments[0].start == 0
    picture = through_json(Moderate(source=str(real_media.photo("coffee")), policy=CATS), tasks)
    assert (picture.flagged, picture.moments[0].start) == (False, None)
    shipped = through_json(Moderate(source=film, labels=("weapons",)), tasks)
    assert {moment.label for moment in shipped.moments} == {"weapons"}


def test_bytes_and_files_that_were_resolved_before_are_media_too(film: str) -> None:
    found = resolve(film)
    for source in (found, found.read()):
        tasks = Tasks(find_media=lambda reference, source=source: source)
        moments = FindMoment(film="upload:1", text="a cat").run(tasks, Unheard()).moments
        assert moments[0].start == 0
        tasks.close()


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: AskFilm(film="film.mp4", question=" "), ("question",)),
        (lambda: AskFilm(film="film.mp4", question="What?", num_frames=1000), ("num_frames", "1000", "768")),
        (lambda: DescribeFilm(film="film.mp4", num_frames=0), ("num_frames", "0")),
        (lambda: DescribeFilm(film=""), ("film",)),
        (lambda: FindMoment(film="film.mp4", text=""), ("text",)),
        (lambda: FindMoment(film="film.mp4", text="a cat", limit=0), ("limit", "0")),
        (lambda: ClassifyFilm(film="film.mp4", labels=(" ",)), ("label",)),
        (lambda: ClassifyFilm(film="film.mp4", top_k=0), ("top_k", "0")),
        (lambda: Moderate(source="film.mp4", policy={**CATS, "ordinary": []}), ("no cats", "ordinary")),
        (lambda: Moderate(source="film.mp4", policy=CATS, labels=("dogs",)), ("no cats", "dogs", "cats")),
        (lambda: Moderate(source="film.mp4", labels=()), ("label",)),
    ],
)
def test_what_no_checkpoint_could_do_is_refused_before_any_is_opened(
    make: Callable[[], ModelOperation], names: tuple[str, ...]
) -> None:
    with refused(InputError, *names):
        make()


def test_a_file_that_is_no_film_is_named(tasks: Tasks) -> None:
    recording = str(real_media.speech_clips("en")[0].path)
    with refused(InputError, Path(recording).name):
        FindMoment(film=recording, text="a cat").run(tasks, Unheard())


def test_looking_at_a_film_stops_at_the_next_frame(film: str, tasks: Tasks, tmp_path: Path) -> None:
    longer = tmp_path / "again.mp4"
    longer.write_bytes(Path(film).read_bytes())
    heard = Listening(until=lambda event: isinstance(event, Progress) and event.unit == "frames" and event.done >= 1)
    with pytest.raises(CancelledError):
        FindMoment(film=str(longer), text="a cat").run(tasks, heard)
    with pytest.raises(CancelledError):
        DescribeFilm(film=str(longer)).run(tasks, Listening(until=lambda event: event.unit == "frames"))


def test_all_checkpoints_that_are_opened_are_told_the_most_important_first() -> None:
    def opened(operation: ModelOperation) -> list[str]:
        return [checkpoint.name for checkpoint in operation.checkpoints()]

    assert opened(DescribeFilm(film="film.mp4")) == ["socratic-video-qa"]
    parts = {"language_model": "smollm2-1.7b", "speech": "whisper-tiny"}
    asked = AskFilm(film="film.mp4", question="What is said?", **parts)
    assert opened(asked) == ["socratic-video-qa", "smollm2-1.7b", "whisper-tiny"]
    assert opened(AskFilm(film="film.mp4", question="What?", model="qwen3-vl-2b")) == ["qwen3-vl-2b"]
    assert opened(FindMoment(film="film.mp4", text="a cat")) == ["conse-starter"]
    assert opened(FindMoment(film="film.mp4", text="a cat", encoder="clip-vit-base-patch32")) == [
        "clip-vit-base-patch32"
    ]
    assert opened(ClassifyFilm(film="film.mp4")) == ["socratic-video-qa"]
    assert opened(ClassifyFilm(film="film.mp4", labels=("cat",))) == ["conse-starter"]
    assert opened(Moderate(source="film.mp4", profile="standard")) == ["clip-vit-base-patch32", "open-nsfw"]
