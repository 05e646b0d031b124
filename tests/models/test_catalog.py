"""The catalog: every entry complete, and names resolved as users write them."""

from __future__ import annotations

import re
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from sensorium.errors import InputError, ModelUnavailableError, SensoriumError
from sensorium.image_generation.control_maps import CONTROL_KINDS
from sensorium.models import catalog, device
from sensorium.models.device import HARDWARE

ENTRIES = catalog.entries()
TASK = "speech-to-text"

WITHOUT_STARTER = {
    "depth-estimation",
    "image-prompt",
    "image-segmentation",
    "object-detection",
    "speaker-diarization",
    "speech-component",
    "video-classification",
}
"""No package carries weights for these tasks."""
CHOSEN_BY_NAME = {"image-control", "image-prompt", "speech-component", "text-embedding"}
"""Tasks without a default beyond the starter: each kind of control and family of voices names what it needs, each
painter the IP-Adapter that was made for it, and only the starter has an encoder of texts alone."""
WITHOUT_LANGUAGE = {
    "depth-estimation",
    "image-segmentation",
    "nudity-detection",
    "object-detection",
    "people-detection",
    "pose-estimation",
    "speaker-diarization",
    "speech-component",
}
UNPINNED = {
    "videollama3-2b": "named in the documentation of transformers, where no commit is given",
    "eomt-large-ade": "no document that names a commit was found",
    "vitpose-plus-large": "no document that names a commit was found",
    "videomae-large-kinetics": "no document that names a commit was found",
    "pocket-tts": "named in the documentation of transformers, where no commit is given",
    "pocket-tts-audio-tokenizer": "named in the documentation of transformers, where no commit is given",
    "bark-small": "a proposed change, whose name is known and whose commit is not",
}
"""Hub entries without a commit, with the reason."""
CHAPTER = {
    "openai/clip-vit-base-patch32": "image-text-similarity",
    "Salesforce/blip2-opt-2.7b": "image-question-answering",
    "liuhaotian/llava-v1.5-7b": "image-chat",
    "openai/clip-vit-large-patch14": "image-text-similarity",
    "stabilityai/stable-diffusion-2-1": "text-to-image",
    "runwayml/stable-diffusion-v1-5": "text-to-image",
    "lllyasviel/sd-controlnet-openpose": "image-control",
    "lllyasviel/ControlNet": "pose-estimation",
    "tiny": "speech-to-text",
    "base": "speech-to-text",
    "small": "speech-to-text",
    "medium": "speech-to-text",
    "large": "speech-to-text",
    "facebook/mms-tts-eng": "text-to-speech",
    "MCG-NJU/videomae-base": "video-classification",
}
"""Every checkpoint that the chapter names, by the chapter's name."""


@pytest.fixture(params=ENTRIES, ids=lambda entry: entry.name)
def entry(request: pytest.FixtureRequest) -> catalog.Checkpoint:
    checkpoint: catalog.Checkpoint = request.param
    return checkpoint


def test_every_entry_says_what_it_is_and_what_it_can_not_do(entry: catalog.Checkpoint) -> None:
    for text in (entry.description, entry.limits):
        assert text.endswith(".")
        assert len(text) > 20
        assert "TO BE MEASURED" not in text
    assert entry.licence
    assert entry.citation
    assert bool(entry.languages) or entry.task in WITHOUT_LANGUAGE
    assert entry.size_bytes > 0
    assert entry.memory_bytes > 0


def test_every_entry_can_be_had(entry: catalog.Checkpoint) -> None:
    for file in entry.files:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.size_bytes > 0
        assert not Path(file.path).is_absolute()
        assert ".." not in Path(file.path).parts
        assert bool(file.parts) + bool(file.carried) <= 1
        for part in file.parts:
            assert re.fullmatch(r"[\w.-]+==[\w.]+", part.package)
    assert len({file.path for file in entry.files}) == len(entry.files)
    for component in entry.components:
        assert not catalog.named(component).components
    if entry.repository:
        pinned = re.fullmatch(r"[0-9a-f]{40}", entry.revision)
        assert bool(pinned) != (entry.name in UNPINNED), "hub entries are pinned to a commit"
        assert entry.hub_files
    had = [file.parts or file.carried for file in entry.files]
    assert entry.repository or entry.components or entry.installed or (had and all(had))


def test_every_controlnet_names_its_map_and_its_base() -> None:
    for entry in catalog.entries("image-control"):
        assert entry.control in CONTROL_KINDS
        assert catalog.named(entry.base).task == "text-to-image"


def test_no_entry_fetches_pickled_weights_from_the_hub(entry: catalog.Checkpoint) -> None:
    for pattern in entry.hub_files:
        if pattern == "model.bin":
            assert "ctranslate2" in entry.family, "CTranslate2's own format"
            continue
        assert re.search(r"\.(safetensors|json|txt|model|jinja|npy)$", pattern)


def test_every_file_carries_its_entrys_name() -> None:
    names = [path.name for path in files("sensorium.models").joinpath("cards").iterdir()]
    assert sorted(names) == sorted(f"{entry.name.replace('/', '--')}.toml" for entry in ENTRIES)


def test_one_default_for_each_task_and_profile() -> None:
    for task in {task for entry in ENTRIES for task in (entry.task, *entry.also_for)}:
        starters, standard = (catalog.defaults(task, profile) for profile in ("starter", "standard"))
        assert len(starters) == (task not in WITHOUT_STARTER), task
        assert len(standard) <= 1, task
        best = Counter(machine for entry in catalog.defaults(task, "best") for machine in entry.hardware)
        assert best == ({} if task in CHOSEN_BY_NAME else dict.fromkeys(HARDWARE, 1)), task


def test_profiles_are_known_and_the_best_has_reasons(entry: catalog.Checkpoint) -> None:
    assert set(entry.profiles) <= set(catalog.PROFILES)
    assert set(entry.by_name) <= set(entry.profiles)
    assert set(entry.hardware) <= set(HARDWARE)
    best = "best" in entry.profiles
    assert best == bool(entry.hardware) == (len(entry.reason) > 20 and entry.reason.endswith("."))
    assert best == bool(entry.figure) == bool(entry.figure_source) == bool(re.fullmatch(r"20\d\d-[01]\d", entry.chosen))
    assert "best" in entry.by_name or not entry.better_for
    assert entry.commercial_use in {"yes", "no", "limited"}


@pytest.mark.parametrize("machine", HARDWARE)
def test_the_best_depends_on_the_machine(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HARDWARE", machine)
    device.hardware_class.cache_clear()
    found = catalog.resolve(None, task="image-chat", profile="best")
    device.hardware_class.cache_clear()
    assert machine in found.hardware
    assert found == catalog.resolve(None, task="image-question-answering", profile="best")


@pytest.mark.parametrize(("name", "task"), CHAPTER.items())
def test_the_chapters_checkpoints_resolve_to_living_ones_of_the_standard_profile(name: str, task: str) -> None:
    found = catalog.resolve(name, task=task)
    assert "standard" in found.profiles
    assert found.repository
    assert re.fullmatch(r"[0-9a-f]{40}", found.revision)
    assert found.licence
    assert found.size_bytes
    assert found.memory_bytes
    assert not found.repository.startswith(("stabilityai/stable-diffusion-2", "runwayml/", "liuhaotian/"))


def test_weights_that_do_several_tasks_are_one_entry() -> None:
    llava = catalog.resolve("liuhaotian/llava-v1.5-7b", task="image-question-answering")
    assert llava == catalog.resolve("llava-1.5-7b", task="image-chat")
    assert catalog.resolve(None, task="image-question-answering", profile="standard").name == "blip2-opt-2.7b"
    assert "llava-1.5-7b" in {entry.name for entry in catalog.entries("image-question-answering")}


def test_a_task_without_a_starter_says_what_to_pull() -> None:
    with pytest.raises(ModelUnavailableError) as caught:
        catalog.resolve(None, task="video-classification", profile="starter")
    assert str(caught.value) == (
        "The profile 'starter' has no checkpoint for video-classification. Pull one where there is network: "
        "'sensorium models pull videomae-base-kinetics', then use it with --profile standard, or "
        "SENSORIUM_PROFILE=standard."
    )
    with pytest.raises(ModelUnavailableError, match="Name one with model=…"):
        catalog.resolve(None, task="image-control", profile="standard")


def test_no_name_means_two_checkpoints() -> None:
    names = [
        (task, name)
        for entry in ENTRIES
        for task in (entry.task, *entry.also_for)
        for name in {entry.name, entry.repository, *entry.aliases} - {""}
        if (task, name) != ("image-prompt", "h94/IP-Adapter")  # many files, of which a painter chooses
    ]
    assert [pair for pair, count in Counter(names).items() if count > 1] == []


def test_a_name_an_alias_and_a_hub_id_mean_the_same() -> None:
    expected = catalog.named("whisper-base")
    for name in ("whisper-base", "base", "openai/whisper-base", "Systran/faster-whisper-base", None):
        assert catalog.resolve(name, task=TASK) == expected


def test_any_hub_id_is_taken() -> None:
    found = catalog.resolve("someone/whisper-finetuned", task=TASK)
    assert (found.name, found.repository, found.task) == (
        "someone/whisper-finetuned",
        "someone/whisper-finetuned",
        TASK,
    )


def test_a_local_folder_and_a_gguf_file_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my model"
    folder.mkdir()
    assert catalog.resolve(folder, task=TASK).folder == str(folder)
    monkeypatch.chdir(tmp_path)
    assert catalog.resolve("./my model", task=TASK).folder == str(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert catalog.resolve("~/my model", task=TASK).folder == str(folder)
    (folder / "small.gguf").touch()
    found = catalog.resolve(folder / "small.gguf", task="text-generation")
    assert (found.name, found.folder, found.hub_files) == ("small", str(folder), ("small.gguf",))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("whisper-bse", "No checkpoint for speech-to-text is called 'whisper-bse'. Did you mean 'whisper-base'?"),
        ("/no/such/folder", "There is no folder '/no/such/folder'"),
        ("../elsewhere", "There is no folder '../elsewhere'"),
        ("blazepose", "The checkpoint 'blazepose' is for people-detection, not for speech-to-text"),
        ("a/b/c", "No checkpoint for speech-to-text is called 'a/b/c'"),
        ("line\nbreak", r"No checkpoint for speech-to-text is called 'line\nbreak'"),
        ("", "No checkpoint for speech-to-text is called ''"),
        ("long" * 100, "No checkpoint for speech-to-text is called 'longlong"),
        ("long" * 100 + ".gguf", "No checkpoint for speech-to-text is called 'longlong"),
        ("org/" + "long" * 100, "No checkpoint for speech-to-text is called 'org/longlong"),
    ],
)
def test_unknown_names_are_explained(asked: str, sentence: str) -> None:
    with pytest.raises(ModelUnavailableError) as caught:
        catalog.resolve(asked, task=TASK)
    assert str(caught.value).startswith(sentence)
    assert caught.value.remedy


def test_the_profile_decides_what_none_means(monkeypatch: pytest.MonkeyPatch) -> None:
    assert catalog.current_profile() == "starter"
    monkeypatch.setenv("SENSORIUM_PROFILE", "best")
    assert catalog.current_profile() == "best"
    assert "starter" in catalog.resolve(None, task=TASK, profile="starter").profiles


def test_unknown_profiles_and_empty_ones_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"no profile 'medium'.*Choose starter, standard, best"):
        catalog.resolve(None, task=TASK, profile="medium")
    monkeypatch.setenv("SENSORIUM_PROFILE", "bst")
    with pytest.raises(InputError, match="no profile 'bst'"):
        catalog.resolve(None, task=TASK)
    with pytest.raises(ModelUnavailableError, match="The profile 'starter' has no checkpoint for weather forecasts"):
        catalog.resolve(None, task="weather forecasts", profile="starter")


def test_a_stand_in_of_the_users_choice_is_named_as_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", "medium=base, openai/other = whisper-base")
    assert catalog.resolve("medium", task=TASK).name == "whisper-base"
    assert catalog.resolve("openai/other", task=TASK).name == "whisper-base"
    for unreadable in ("medium", "medium=", "=base"):
        monkeypatch.setenv("SENSORIUM_SUBSTITUTE", unreadable)
        with pytest.raises(InputError, match="can't be read"):
            catalog.resolve("medium", task=TASK)


@pytest.mark.parametrize(
    ("name", "content", "family"),
    [("config.json", '{"model_type": "clip"}', "clip"), ("model_index.json", '{"_class_name": "Pipe"}', "Pipe")],
)
def test_a_folders_family_is_read_from_its_configuration(tmp_path: Path, name: str, content: str, family: str) -> None:
    (tmp_path / name).write_text(content)
    assert catalog.family_of(tmp_path) == family


@pytest.mark.parametrize("content", [None, "", "{", "[]", '"text"', "\xff"])
def test_a_folder_that_holds_no_checkpoint_is_explained(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "config.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(SensoriumError, match=r"(is not valid JSON|holds no checkpoint)"):
        catalog.family_of(tmp_path)


def test_what_is_made_of_components_is_as_large_as_they_are() -> None:
    whole = catalog.named("socratic-video-qa")
    assert whole.size_bytes == sum(catalog.named(name).size_bytes for name in whole.components)


def test_a_substitute_replaces_the_profiles_default_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", "whisper-base=whisper-tiny")
    assert catalog.resolve(None, task=TASK).name == "whisper-tiny"
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", "openai/whisper-base=whisper-small")
    assert catalog.resolve(None, task=TASK).name == "whisper-small"


def test_a_substitute_stands_in_for_all_names_of_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", "whisper-medium=whisper-base")
    for name in ("medium", "whisper-medium", "openai/whisper-medium", "Systran/faster-whisper-medium"):
        assert catalog.resolve(name, task=TASK).name == "whisper-base"
    assert catalog.resolve("small", task=TASK).name == "whisper-small"


@pytest.mark.parametrize("substitute", ["{folder}", "~/whisper", "../whisper", "openai:whisper@http://inner:8000/v1"])
def test_strangers_are_told_nothing_of_what_stands_in_for_a_checkpoint(
    substitute: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    substitute = substitute.format(folder=tmp_path)
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", f"whisper-medium={substitute}")
    with catalog.names_only():
        for asked in ("medium", "whisper-medium"):
            with pytest.raises(ModelUnavailableError, match="SENSORIUM_SUBSTITUTE") as caught:
                catalog.resolve(asked, task=TASK)
            assert asked in caught.value.message
            assert substitute not in str(caught.value)
        monkeypatch.setenv("SENSORIUM_SUBSTITUTE", "whisper-medium=whisper-base")
        assert catalog.resolve("medium", task=TASK).name == "whisper-base"


def test_a_folder_with_an_adapter_is_called_one_and_its_base_is_named(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base", "peft_type": "LORA"}')
    (tmp_path / "adapter_model.safetensors").touch()
    with pytest.raises(ModelUnavailableError, match=r"adapter \(LORA\) for org/base"):
        catalog.family_of(tmp_path)
