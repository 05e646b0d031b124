from __future__ import annotations

import pickle
from pathlib import Path

import PIL.Image
import pytest

from sensorium import SearchIndex, SpeechToText
from sensorium.errors import CancelledError
from sensorium.progress import Event, Finished, Note, Preview, Progress, all_events, check_cancelled
from tests import real_media

EVENTS: list[Event] = [
    Progress("painting", 1, 4),
    Preview(PIL.Image.new("RGB", (8, 8)), 1),
    Note("One word of the prompt has no effect"),
    Finished("a picture"),
]


class Asked:
    """A cancellation that is no threading.Event: it stops a call when it was asked a number of times."""

    def __init__(self, times: int) -> None:
        self.left = times

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_one_callback_gets_all_events_and_the_other_its_own_kind() -> None:
    everything: list[Event] = []
    progress: list[Event] = []
    both, alone = all_events(progress.append, everything.append), all_events(progress.append, None)
    assert both is not None
    assert alone is not None
    for event in EVENTS:
        both(event)
    assert everything == EVENTS
    assert progress == EVENTS[:1]
    for event in EVENTS:
        alone(event)
    assert progress == EVENTS[:1] * 2
    only_report = all_events(None, everything.append)
    assert only_report is not None
    only_report(EVENTS[0])
    assert everything[-1] == EVENTS[0]
    assert all_events(None, None) is None


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_events_go_to_another_process(event: Event) -> None:
    assert pickle.loads(pickle.dumps(event)) == event


def test_whatever_says_is_set_cancels() -> None:
    check_cancelled(None)
    check_cancelled(Asked(1))
    with pytest.raises(CancelledError):
        check_cancelled(Asked(0))


def test_a_callback_for_events_and_a_cancellation_of_one_s_own_serve_a_call(tmp_path: Path) -> None:
    events: list[Event] = []
    clip = real_media.speech_clips("en")[0]
    SpeechToText().transcribe(clip.path, progress=events.append)
    assert {type(event) for event in events} == {Progress}
    with pytest.raises(CancelledError):
        SearchIndex(tmp_path / "index").add(real_media.photo("chelsea"), cancel=Asked(0))
