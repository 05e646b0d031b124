from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import sensorium
from sensorium import suitability
from sensorium.errors import UnsupportedError
from sensorium.models import catalog
from sensorium.suitability import tasks_for
from sensorium.task import Task

SOURCE = Path(sensorium.__file__).parent


def folder_of(where: Path, **config: str) -> Path:
    """Write the one file of a checkpoint that tells what it is."""
    where.mkdir()
    name = "model_index.json" if "_class_name" in config and "Pipeline" in config["_class_name"] else "config.json"
    (where / name).write_text(json.dumps(config))
    return where


def tasks_of_folder(folder: Path) -> tuple[str, ...]:
    return tasks_for(catalog.resolve(folder, task="any"), folder)


def test_every_system_is_known() -> None:
    defined = {
        f"sensorium.{'.'.join(file.relative_to(SOURCE).with_suffix('').parts)}:{name}"
        for file in SOURCE.rglob("*.py")
        for name in re.findall(
            r"^class (\w+)\((?:Task\[|(?:Recognising|FrameComparing)Task\))",
            file.read_text(encoding="utf-8"),
            flags=re.MULTILINE,
        )
        if name not in {"RecognisingTask", "FrameComparingTask"}
    }
    assert set(suitability._SYSTEMS) == defined


@pytest.mark.parametrize(
    ("config", "tasks"),
    [
        ({"model_type": "clip"}, {"image-text-similarity"}),
        ({"model_type": "whisper"}, {"speech-to-text"}),
        ({"model_type": "vits"}, {"text-to-speech"}),
        ({"model_type": "llama"}, {"text-generation"}),
        ({"model_type": "siglip"}, {"image-text-similarity"}),
        ({"model_type": "llava"}, {"image-chat", "image-question-answering", "video-question-answering"}),
        ({"model_type": "videomae"}, {"video-classification", "video-question-answering"}),
        ({"model_type": "depth_anything"}, {"depth-estimation"}),
        ({"_class_name": "ControlNetModel"}, {"image-control"}),
        ({"_class_name": "StableDiffusionXLPipeline"}, {"text-to-image"}),
        ({"_class_name": "KandinskyV22Pipeline"}, {"text-to-image"}),
        ({"_class_name": "AudioLDMPipeline"}, set()),
        ({"model_type": "thermometer"}, set()),
        ({}, set()),
    ],
)
def test_a_folder_tells_what_it_is_good_for(tmp_path: Path, config: dict[str, str], tasks: set[str]) -> None:
    folder = folder_of(tmp_path / "checkpoint", **config)
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert set(tasks_of_folder(folder)) == tasks


def test_a_chat_model_without_a_template_cant_be_asked(tmp_path: Path) -> None:
    assert tasks_of_folder(folder_of(tmp_path / "checkpoint", model_type="llava")) == ()


def test_entries_of_the_catalog_that_open_by_an_auto_class_are_of_use(tmp_path: Path) -> None:
    """Their family is no task's own: the Auto class of transformers knows it."""
    entry = catalog.named("dfine-xlarge")
    assert entry.family == "d_fine"
    assert tasks_for(entry, folder_of(tmp_path / "checkpoint", model_type="d_fine")) == ("object-detection",)


def test_an_empty_folder_is_good_for_nothing(tmp_path: Path) -> None:
    assert tasks_of_folder(tmp_path) == ()


def test_a_model_behind_a_server_does_what_has_such_a_backend() -> None:
    tasks = tasks_for(catalog.resolve("openai:gpt", task="any"), None)
    assert {"image-chat", "text-generation", "text-to-image"} <= set(tasks)
    assert "speech-to-text" not in tasks


TASKS = [
    item
    for item in (getattr(sensorium, name) for name in sensorium.__all__)
    if isinstance(item, type) and issubclass(item, Task)
]


@pytest.mark.parametrize("system", TASKS)
def test_a_checkpoint_for_something_else_is_told_in_words(system: type[Task[object]], tmp_path: Path) -> None:
    family, purpose = (
        ("vits", "text-to-speech") if system.task != "text-to-speech" else ("clip", "image-text-similarity")
    )
    with pytest.raises(UnsupportedError) as refusal:
        system(folder_of(tmp_path / "other", model_type=family)).load()
    assert refusal.value.message == (
        f"{system.__name__} can't use 'other': "
        f"its family is {family!r}, which is for {purpose} and not for {system.task}"
    )
    assert refusal.value.remedy == f"'sensorium models list --task {system.task}' shows checkpoints for it"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model_type": "thermometer"}, "its family is 'thermometer', none for image-text-similarity"),
        ({}, "its config.json names no family, none for image-text-similarity"),
    ],
)
def test_an_unknown_family_is_told(tmp_path: Path, config: dict[str, str], reason: str) -> None:
    with pytest.raises(UnsupportedError, match=f"CLIP can't use 'other': {reason}"):
        sensorium.CLIP(folder_of(tmp_path / "other", **config)).load()


def test_a_model_behind_a_server_for_another_task_is_told() -> None:
    with pytest.raises(UnsupportedError, match=r"a model behind a server does .*image-chat.*, but not speech-to-text"):
        sensorium.SpeechToText("openai:whisper-1").load()
