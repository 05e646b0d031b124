"""Tokens as a checkpoint's own tokenizers count them, and the words that are not read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.image_generation.prompt_engineer import PromptEngineer
from sensorium.image_generation.prompts.tokens import count_tokens
from tests.checkpoints import diffusion


@pytest.fixture(scope="module")
def stable_diffusion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return diffusion.tiny_stable_diffusion(tmp_path_factory.mktemp("hub") / "tiny-sd")


@pytest.fixture(scope="module")
def xl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return diffusion.tiny_stable_diffusion_xl(tmp_path_factory.mktemp("hub") / "tiny-xl")


@pytest.fixture(scope="module")
def sd3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return diffusion.tiny_stable_diffusion_3(tmp_path_factory.mktemp("hub") / "tiny-sd3")


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return diffusion.tiny_flux(tmp_path_factory.mktemp("hub") / "tiny-flux")


def test_a_short_prompt_fits(stable_diffusion: Path) -> None:
    found = PromptEngineer().count_tokens("a photo of (a cat:1.3)", stable_diffusion)
    assert found == {
        "model": "tiny-sd",
        "counts": ({"tokenizer": "tokenizer", "tokens": 5, "window": 75, "beyond": ""},),
        "chunks": 1,
        "lost": "",
    }
    assert count_tokens("", stable_diffusion).counts[0].tokens == 0
    assert count_tokens(r"a \(cat\)", stable_diffusion).counts[0].tokens == 4


def test_the_words_beyond_the_window_are_told_as_they_were_written(stable_diffusion: Path, xl: Path) -> None:
    prompt = "cat " * 74 + "Astronaut [BIRD], The End"
    found = count_tokens(prompt, stable_diffusion)
    assert found.counts[0].beyond == "BIRD, The End"
    assert found.chunks == 2
    assert found.lost == ""
    # Half a word is no word.
    assert count_tokens("cat " * 74 + "catastronaut Bird", stable_diffusion).counts[0].beyond == "catastronaut Bird"
    both = count_tokens(prompt, xl)
    assert [(count.tokenizer, count.beyond) for count in both.counts] == [
        ("tokenizer", "BIRD, The End"),
        ("tokenizer_2", "BIRD, The End"),
    ]


def test_words_beyond_the_last_chunk_are_lost(stable_diffusion: Path) -> None:
    found = count_tokens("a bus, " * 400 + "The End", stable_diffusion)
    assert found.chunks == 16
    assert found.lost == "The End"


def test_encoders_that_read_no_chunks_lose_what_is_beyond_the_largest_window(sd3: Path, flux: Path) -> None:
    for folder, windows in ((sd3, [75, 75, 255]), (flux, [75, 511])):
        found = count_tokens("a cat (red:1.3) " * 10, folder)
        assert [count.window for count in found.counts] == windows
        assert found.chunks == 1
        assert found.lost == ""
        assert found.counts[0].beyond
        # No brackets are taken out: these text encoders read them.
        assert found.counts[-1].tokens > 10 * 4
        long = count_tokens("cat " * (windows[-1]) + "The End", folder)
        assert long.counts[-1].beyond == long.lost == "The End"


def test_as_many_tokens_as_the_pipelines_themselves_read(xl: Path, flux: Path) -> None:
    from transformers import CLIPTokenizer, T5Tokenizer

    prompt = "two dogs, an astronaut and a cup of coffee"
    for folder, name, tokenizer_class, signs in (
        (xl, "tokenizer_2", CLIPTokenizer, 2),
        (flux, "tokenizer_2", T5Tokenizer, 1),
    ):
        theirs = len(tokenizer_class.from_pretrained(folder / name)(prompt).input_ids)
        counts = {count.tokenizer: count.tokens for count in count_tokens(prompt, folder).counts}
        assert counts[name] == theirs - signs


def test_checkpoints_whose_tokens_cannot_be_counted(
    stable_diffusion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(ModelUnavailableError, match=r"not on this machine.*'sensorium models pull org/absent'"):
        count_tokens("a cat", "org/absent")
    with pytest.raises(UnsupportedError, match="behind a server"):
        count_tokens("a cat", "openai:gpt-image-1")
    copied = Path(shutil.copytree(stable_diffusion, tmp_path / "copied"))
    shutil.rmtree(copied / "tokenizer")
    with pytest.raises(ModelUnavailableError, match="CLIPTokenizer are missing or damaged"):
        count_tokens("a cat", copied)
    (copied / "model_index.json").write_text('{"_class_name": "KandinskyV22Pipeline", "unet": ["diffusers", "U"]}')
    with pytest.raises(UnsupportedError, match="'copied' has no tokenizer"):
        count_tokens("a cat", copied)
    (copied / "model_index.json").write_text("{")
    with pytest.raises(ModelUnavailableError, match="can't be read"):
        count_tokens("a cat", copied)
    (copied / "model_index.json").unlink()
    with pytest.raises(UnsupportedError, match=r"has no model_index\.json"):
        count_tokens("a cat", copied)
