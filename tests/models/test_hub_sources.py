"""Checkpoints whose first place on the hub is gone: the other places that the catalog names, in their order."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sensorium import CLIP
from sensorium.errors import ModelUnavailableError
from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint
from sensorium.models.hub_source import HubSource
from sensorium.models.pickle_conversion import convert
from tests.checkpoints.clip import tiny_clip
from tests.cli.conftest import Run, run  # noqa: F401 - a fixture
from tests.models.model_hub import ModelHub
from tests.refusals import refused

FIRST, SECOND = "1" * 40, "2" * 40
WEIGHTS = bytes(range(250)) * 4
SUM = hashlib.sha256(WEIGHTS).hexdigest()
TEXTS = {"config.json": b'{"model_type": "clip"}', "tokenizer.json": b"{}"}
WHOLE = {**TEXTS, "model.safetensors": WEIGHTS}
PICKLED = {**TEXTS, "pytorch_model.bin": WEIGHTS}
AT_ONCE = {"Retry-After": "0"}  # the hub's client tries five times more, and waits as long as it is told
AT_RISK = {
    "bark-small",
    "speecht5-tts",
    "speecht5-hifigan",
    "clip-vit-base-patch32",
    "chinese-clip-vit-base-patch16",
    "wavlm-base-plus-sv",
    "segformer-b5-ade",
}


def entry(*sources: HubSource) -> Checkpoint:
    return Checkpoint("model", "testing", repository="org/model", revision=FIRST, sources=sources)


def test_a_place_that_is_gone_is_followed_by_the_next_and_the_log_names_both(
    hub: ModelHub, caplog: pytest.LogCaptureFixture
) -> None:
    hub.commits["other/mirror", SECOND] = WHOLE
    checkpoint = entry(HubSource("other/mirror", SECOND, SUM))
    with caplog.at_level(logging.INFO, "sensorium.models"):
        folder = store.locate(checkpoint)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    told = [record.getMessage() for record in caplog.records if not record.getMessage().startswith("hub: ")]
    assert told == [
        "fetching model from the hub (org/model at 111111111111)",
        "the hub (org/model at 111111111111): the hub's repository has no such revision",
        "fetching model from the hub (other/mirror at 222222222222)",
    ]
    hub.requests.clear()
    assert store.is_present(checkpoint)
    assert store.locate(checkpoint) == folder
    assert hub.requests == []


def test_the_first_place_is_enough_where_it_is_there(hub: ModelHub) -> None:
    hub.commits["org/model", FIRST] = WHOLE
    hub.commits["other/mirror", SECOND] = WHOLE
    store.locate(entry(HubSource("other/mirror", SECOND)))
    assert hub.fetched("other/mirror") == []
    assert sorted(hub.fetched()) == sorted(WHOLE)


def test_a_branch_counts_only_with_the_same_weights(hub: ModelHub) -> None:
    checkpoint = entry(HubSource("org/model", "main", SUM))
    hub.files = {**WHOLE, "model.safetensors": WEIGHTS[::-1]}
    with refused(ModelUnavailableError, "org/model at main", "model.safetensors", "sha256"):
        store.locate(checkpoint)
    assert "model.safetensors" not in hub.fetched()
    store.locate(Checkpoint("plain", "testing", repository="org/model"))  # as other programs might
    assert not store.is_present(checkpoint)
    hub.files = WHOLE
    hub.commits["org/model", SECOND] = WHOLE
    hub.refs["org/model", "main"] = SECOND
    assert (store.locate(checkpoint) / "model.safetensors").read_bytes() == WEIGHTS
    assert store.is_present(checkpoint)


@pytest.mark.parametrize("refusal", [(429, AT_ONCE), (500, AT_ONCE)])
def test_a_hub_that_is_out_of_order_is_asked_once(hub: ModelHub, refusal: tuple[int, dict[str, str]]) -> None:
    hub.refusal = refusal
    with refused(ModelUnavailableError, "org/model at 111111111111", str(refusal[0])) as caught:
        store.locate(entry(HubSource("other/mirror", SECOND), HubSource("org/model", SECOND, "", "pytorch_model.bin")))
    assert "other/mirror" not in caught.value.message
    assert "pickle" not in caught.value.message


def test_a_pickle_is_fetched_only_when_the_user_says_so(hub: ModelHub) -> None:
    hub.commits["org/model", SECOND] = PICKLED
    checkpoint = entry(HubSource("org/model", SECOND, SUM, "pytorch_model.bin"))
    with refused(ModelUnavailableError, "pytorch_model.bin", "sensorium models pull model --convert-pickle"):
        store.locate(checkpoint)
    assert hub.fetched() == []
    with refused(ModelUnavailableError, "pytorch_model.bin", "something else than weights"):
        store.locate(checkpoint, convert_pickle=True)
    assert not store.is_present(checkpoint)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("whole") / "clip")


def pickled_clip(clip: Path) -> dict[str, bytes]:
    """Return the files of a CLIP as they were before there were safetensors."""
    from io import BytesIO

    from safetensors.torch import load_file

    files = {path.name: path.read_bytes() for path in clip.iterdir() if path.suffix != ".safetensors"}
    written = BytesIO()
    torch.save(load_file(clip / "model.safetensors"), written)
    return {**files, "pytorch_model.bin": written.getvalue()}


def test_pull_converts_the_pickle_of_the_owner_s_commit(
    hub: ModelHub,
    clip: Path,
    run: Run,  # noqa: F811
    parity: Callable[[str, str, str], None],
) -> None:
    """All proposals that add safetensors to CLIP's repository are gone; its owner's commit is there."""
    name = "clip-vit-base-patch32"
    last = catalog.named(name).sources[-1]
    files = pickled_clip(clip)
    hub.commits = {(last.repository, last.revision): files}
    with pytest.MonkeyPatch.context() as patch:  # the sum that the catalog expects is that of the real file
        sum_ = hashlib.sha256(files["pytorch_model.bin"]).hexdigest()
        known = replace(catalog.named(name), sources=(*catalog.named(name).sources[:-1], replace(last, sha256=sum_)))
        patch.setattr(catalog, "_read_catalog", lambda: {name: known})
        assert "--convert-pickle" in run("models", "pull", name).stderr
        pulled = run("models", "pull", name, "--convert-pickle")
        assert pulled.stderr.count("Fetching clip-vit-base-patch32 from the hub") == len(known.hub_sources())
        assert "Converting pytorch_model.bin" in pulled.stderr
        with CLIP(name, device="cpu") as ours, CLIP(clip, device="cpu") as theirs:
            texts = ["a cat", "a dog"]
            np.testing.assert_array_equal(ours.encode_text(texts), theirs.encode_text(texts))
        folder = store.locate(known)
        assert {path.name for path in folder.iterdir()} == {*files, "model.safetensors"} - {"pytorch_model.bin"}
        assert "already here" in run("models", "pull", name).stdout
        assert store.remove(known) > 0
        assert not store.is_present(known)
    parity("CLIP, converted from a pickle", "the same weights as safetensors", "identical vectors")


class Danger:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return Path.touch, (Path("danger"),)


@pytest.mark.parametrize(
    "holds",
    [{"weight": torch.ones(2), "danger": Danger()}, [torch.ones(2)], {"weight": torch.ones(2), "epoch": 3}, b"cut"],
)
def test_what_is_no_table_of_weights_is_refused_and_not_run(
    holds: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("source", "target"):
        (tmp_path / name).mkdir()
    file = tmp_path / "source" / "pytorch_model.bin"
    file.write_bytes(holds) if isinstance(holds, bytes) else torch.save(holds, file)
    with refused(ModelUnavailableError, "pytorch_model.bin", "something else than weights"):
        convert(tmp_path / "source", "pytorch_model.bin", tmp_path / "target", None)
    assert not (tmp_path / "danger").exists()


def test_tied_weights_are_both_there(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    for name in ("source", "target"):
        (tmp_path / name).mkdir()
    whole = torch.arange(6.0).reshape(2, 3)
    torch.save({"embedding": whole, "head": whole, "column": whole[:, 1]}, tmp_path / "source" / "pytorch_model.bin")
    convert(tmp_path / "source", "pytorch_model.bin", tmp_path / "target", None)
    read = load_file(tmp_path / "target" / "model.safetensors")
    assert torch.equal(read["embedding"], whole)
    assert torch.equal(read["head"], whole)
    assert torch.equal(read["column"], whole[:, 1])


def test_entries_at_risk_name_a_second_place_that_can_not_change() -> None:
    with_sources = {entry.name for entry in catalog.entries() if entry.sources}
    assert with_sources == AT_RISK
    for name in with_sources:
        for source in catalog.named(name).sources:
            assert source.is_pinned or len(source.sha256) == 64, f"{name}: {source} may change"
            assert source != catalog.named(name).hub_sources()[0]


def test_what_is_not_pinned_says_so() -> None:
    for each in catalog.entries():
        if each.repository and not each.files and not each.hub_sources()[0].is_pinned:
            assert "ot pinned" in each.limits, each.name
