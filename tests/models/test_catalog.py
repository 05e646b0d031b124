"""The catalog: every entry complete, and names resolved as users write them."""

from __future__ import annotations

import re
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from sensorium.errors import InputError, ModelUnavailableError, SensoriumError
from sensorium.models import catalog

ENTRIES = catalog.entries()
TASK = "speech-to-text"


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
    assert entry.languages or entry.task == "people-detection"
    assert entry.size_bytes > 0
    assert entry.memory_bytes > 0


def test_every_entry_can_be_had(entry: catalog.Checkpoint) -> None:
    for file in entry.files:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.size_bytes > 0
        assert not Path(file.path).is_absolute()
        assert ".." not in Path(file.path).parts
        for part in file.parts:
            assert re.fullmatch(r"[\w.-]+==[\w.]+", part.package)
    assert len({file.path for file in entry.files}) == len(entry.files)
    for component in entry.components:
        assert not catalog.named(component).components
    if entry.repository:
        assert re.fullmatch(r"[0-9a-f]{40}", entry.revision), "hub entries are pinned to a commit"
    assert entry.repository or entry.components or entry.installed or any(file.parts for file in entry.files)


def test_no_entry_fetches_pickled_weights_from_the_hub(entry: catalog.Checkpoint) -> None:
    for pattern in entry.hub_files:
        assert not re.search(r"pytorch_model.*|\.(pt|pth|ckpt|pkl|msgpack|h5)$", pattern)
        if pattern.endswith(".bin"):
            assert pattern == "model.bin", "CTranslate2's own format"
            assert "ctranslate2" in entry.family


def test_every_file_carries_its_entrys_name() -> None:
    names = [path.name for path in files("sensorium.models").joinpath("catalog").iterdir()]
    assert sorted(names) == sorted(f"{entry.name.replace('/', '--')}.toml" for entry in ENTRIES)


def test_one_default_for_each_task_and_profile() -> None:
    defaults = Counter((entry.task, profile) for entry in ENTRIES for profile in entry.profiles)
    assert [pair for pair, count in defaults.items() if count > 1] == []
    assert {profile for _, profile in defaults} <= set(catalog.PROFILES)
    starters = {task for task, profile in defaults if profile == "starter"}
    assert starters == {entry.task for entry in ENTRIES}


def test_no_name_means_two_checkpoints() -> None:
    names = [(entry.task, name) for entry in ENTRIES for name in {entry.name, entry.repository, *entry.aliases} if name]
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
