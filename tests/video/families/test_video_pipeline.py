"""The chapter's pipeline on a tiny VideoMAE, with the starter's or tiny models as its other parts."""

from __future__ import annotations

import itertools
import json
import runpy
import threading
from pathlib import Path
from typing import Any

import pytest

from sensorium import VideoQA
from sensorium.answer import Evidence
from sensorium.errors import CancelledError, InputError, ModelUnavailableError
from sensorium.progress import Progress
from sensorium.video.families.timeline_answering import cited, thinned
from tests.checkpoints.video import ACTIONS, tiny_videomae
from tests.checkpoints.vision_language import tiny_blip
from tests.language.tiny_language_models import tiny_causal_language_model
from tests.openai_server import serve_openai


@pytest.fixture(scope="module")
def videomae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_videomae(tmp_path_factory.mktemp("hub") / "tiny-videomae")


@pytest.fixture(scope="module")
def pipeline(videomae: Path) -> VideoQA:
    return VideoQA(videomae)


def test_a_description_tells_what_is_seen_done_and_said(pipeline: VideoQA, story: Path) -> None:
    told: list[Progress] = []
    description = pipeline.describe(story, progress=told.append)
    print(description)
    assert {item.kind for item in description.evidence} == {"frame", "action", "transcript"}
    starts = [item.start for item in description.evidence]
    assert starts == sorted(starts)  # type: ignore[type-var]
    assert "tabby cat" in description
    assert any(f"Action: {action}." in description for action in ACTIONS)
    assert "lives in Sweden" in description
    assert description.model == "tiny-videomae (socratic-image-qa + whisper-base)"
    assert {"pictures", "stretches", "seconds"} <= {report.unit for report in told}
    told.clear()
    assert [moment.caption for moment in pipeline.moments(story, progress=told.append)]
    assert not told, "the film is looked at once"


def test_a_language_model_answers_from_the_time_line_and_the_times_it_names_are_the_evidence(
    videomae: Path, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serve_openai() as server:
        server.answer = lambda body: ["A cat is seen ", "at [00:01]."]
        video_qa = VideoQA(videomae, language_model=server.model())
        answer = video_qa.answer_video_question(story, "Which animal is shown?")
        server.answer = lambda body: ["Nobody can tell."]
        vague = video_qa.answer_video_question(story, "Why?")
    system, user = server.requests[0].body["messages"]
    assert "name the times that you rely on" in system["content"]
    assert "[00:00-00:0" in user["content"]
    assert 'It is said: "This is Chelsea' in user["content"]
    assert user["content"].endswith("Question: Which animal is shown?")
    assert answer == "A cat is seen at [00:01]."
    assert answer.model == "tiny-videomae (socratic-image-qa + whisper-base + openai:tiny)"
    assert {item.kind for item in answer.evidence} == {"frame", "action", "transcript"}
    assert all((item.start or 0) <= 2 for item in answer.evidence)
    assert len(vague.evidence) > len(answer.evidence)


def test_a_film_without_sound_needs_no_recogniser(pipeline: VideoQA, silent: Path) -> None:
    description = pipeline.describe(silent)
    assert description.endswith("The film has no sound track.")
    assert description.model == "tiny-videomae (socratic-image-qa)"


def test_parts_are_chosen_by_name(videomae: Path, silent: Path, tmp_path: Path) -> None:
    blip = tiny_blip(tmp_path / "tiny-blip")
    llama = tiny_causal_language_model(tmp_path / "tiny-llama")
    video_qa = VideoQA(videomae, captioner=blip, language_model=llama, num_frames=2)
    # The model's window of 128 tokens holds no question at all beside the instructions.
    with pytest.raises(InputError, match="'tiny-llama' holds 128 in all"):
        video_qa.answer_video_question(silent, "What is shown?")
    assert video_qa.describe(silent).model == "tiny-videomae (tiny-blip)"
    assert len(video_qa.moments(silent)) <= 2
    with pytest.raises(ModelUnavailableError, match="nonsense"):
        VideoQA(videomae, captioner="nonsense").describe(silent)


def test_the_chapters_default_is_made_of_the_catalogs_parts(
    videomae: Path, silent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blip = tiny_blip(tmp_path / "tiny-blip")
    monkeypatch.setenv("SENSORIUM_PROFILE", "standard")
    monkeypatch.setenv(
        "SENSORIUM_SUBSTITUTE", f"videomae-base-kinetics={videomae},blip2-opt-2.7b={blip},smollm2-1.7b=smollm2-135m"
    )
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    video_qa = VideoQA()
    answer = video_qa.answer_video_question(silent, "What happens?")
    assert answer
    assert answer.model == "videomae-video-qa (tiny-blip + smollm2-135m)"


def test_the_example_runs_under_the_chapters_profile(
    videomae: Path,
    silent: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    blip = tiny_blip(tmp_path / "tiny-blip")
    monkeypatch.setenv("SENSORIUM_PROFILE", "standard")
    monkeypatch.setenv(
        "SENSORIUM_SUBSTITUTE", f"videomae-base-kinetics={videomae},blip2-opt-2.7b={blip},smollm2-1.7b=smollm2-135m"
    )
    (tmp_path / "video.mp4").write_bytes(silent.read_bytes())
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(Path(__file__).parents[3] / "examples" / "video_qa.py"))
    assert capsys.readouterr().out.strip()


def test_a_hub_id_works_without_a_catalog_entry(silent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    # What the hub's client leaves behind: the files of one commit, and which commit "main" is.
    repository = tmp_path / "hub" / "models--someone--videomae-small"
    tiny_videomae(repository / "snapshots" / ("a" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    found = VideoQA("someone/videomae-small").classify(silent)
    assert found.model == "someone/videomae-small"
    assert found.labels[0].label in ACTIONS


@pytest.mark.parametrize("unit", ["pictures", "stretches", "seconds"])
def test_cancel_stops_each_part(videomae: Path, story: Path, tmp_path: Path, unit: str) -> None:
    # A film that no other object has seen: what is known of one is shared with the weights.
    unseen = tmp_path / f"{unit}.mp4"
    unseen.write_bytes(story.read_bytes())
    cancel = threading.Event()

    def stop(report: Progress) -> None:
        if report.unit == unit:
            cancel.set()

    with pytest.raises(CancelledError):
        VideoQA(videomae).describe(unseen, progress=stop, cancel=cancel)


def test_a_long_time_line_is_thinned_out_evenly_but_for_what_the_question_names() -> None:
    items = [
        Evidence("frame", "A rocket." if index == 37 else "A street.", None, float(index), index + 1.0)
        for index in range(100)
    ]
    given = thinned(items, "When does the rocket start?", lambda some: len(some) <= 11)
    assert len(given) == 11
    times = [item.start or 0.0 for item in given]
    assert times == sorted(times)
    assert 37.0 in times
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert max(gaps) < 25
    assert thinned(items, "?", lambda some: True) == tuple(items)
    assert thinned(items, "?", lambda some: False) == ()


def test_evidence_is_what_the_answer_names() -> None:
    items = [Evidence("frame", f"Thing {index}.", None, index * 10.0, index * 10.0 + 5) for index in range(10)]
    assert cited("It is at [00:12] and 01:24.", items) == (items[1], items[8])
    assert cited("It lasts.", items) == tuple(items)


def test_results_become_json(pipeline: VideoQA, silent: Path) -> None:
    found: Any = json.loads(json.dumps(pipeline.classify(silent, top_k=1).to_dict()))
    assert found["windows"][0]["labels"][0]["label"] in ACTIONS
    moment = json.loads(json.dumps(pipeline.moments(silent)[0].to_dict()))
    assert set(moment) == {"start", "end", "caption", "confidence"}
