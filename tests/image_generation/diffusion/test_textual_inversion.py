"""Embeddings paint as diffusers paints with them, are there for one call, and other files are called what they are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from safetensors.torch import save_file

from sensorium import TextToImage
from sensorium.errors import InputError, UnsupportedError
from sensorium.image_generation.prompts.embedding import chunked, read_tokens, window_of
from sensorium.image_generation.prompts.learned_words import LearnedWords
from sensorium.media.limits import Limits
from sensorium.media.source import resolve
from tests.checkpoints.diffusion import tiny_flux, tiny_lora, tiny_stable_diffusion_xl
from tests.refusals import refused

Parity = Callable[[str, str, str], None]

FEW: dict[str, Any] = {"steps": 2, "seed": 1, "width": 64, "height": 64}
WIDTH = 32
"""Of the words of the tiny text encoders."""


def vectors(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def xl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TextToImage]:
    with TextToImage(tiny_stable_diffusion_xl(tmp_path_factory.mktemp("xl") / "xl")) as painter:
        yield painter


def reference(folder: Path, class_name: str, load: Callable[[Any], None], **call: Any) -> PIL.Image.Image:
    import diffusers

    pipeline = getattr(diffusers, class_name).from_pretrained(folder, use_safetensors=True, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    load(pipeline)
    image: PIL.Image.Image = pipeline(
        num_inference_steps=2, width=64, height=64, generator=torch.Generator().manual_seed(1), **call
    ).images[0]
    return image


@pytest.mark.parametrize(
    ("layout", "shape"),
    [("emb_params", 1), ("emb_params", 3), ("<cat-toy>", 1), ("<cat-toy>", 2), ("<cat-toy>", 0)],
)
def test_the_layouts_that_people_have(
    painter: TextToImage, stable_diffusion: Path, tmp_path: Path, parity: Parity, layout: str, shape: int
) -> None:
    learned = vectors(shape) if shape else vectors(1)[0]
    file = tmp_path / "bad-hands-5.v1.safetensors"
    save_file({layout: learned}, file)
    ours = painter.generate("a cat", "blurry, bad-hands-5.v1, dog", embeddings=file, **FEW)
    theirs = reference(
        stable_diffusion,
        "StableDiffusionPipeline",
        lambda pipeline: pipeline.load_textual_inversion({"word": learned}, token="bad-hands-5.v1"),
        prompt="a cat",
        negative_prompt="blurry, bad-hands-5.v1, dog",
    )
    assert ours[0].tobytes() == theirs.tobytes()
    assert ours.notes == ()
    without = painter.generate("a cat", "blurry, bad-hands-5.v1, dog", **FEW)[0]
    assert without.tobytes() != theirs.tobytes()
    assert without.settings.embeddings == ()
    parity(f"textual inversion, {layout} {list(learned.shape)}", "load_textual_inversion", "the same pixels")


def test_the_two_text_encoders_of_xl(xl: TextToImage, tmp_path: Path, parity: Parity) -> None:
    save_file({"clip_l": vectors(2), "clip_g": vectors(2, seed=1)}, tmp_path / "style.safetensors")

    def load(pipeline: Any) -> None:
        for end, seed in (("", 0), ("_2", 1)):
            parts = {part: getattr(pipeline, f"{part}{end}") for part in ("text_encoder", "tokenizer")}
            pipeline.load_textual_inversion({"word": vectors(2, seed)}, token="style", **parts)

    theirs = reference(Path(xl.checkpoint.folder), "StableDiffusionXLPipeline", load, prompt="a style cat, style")
    ours = xl.generate("a style cat, style", embeddings=tmp_path / "style.safetensors", **FEW)[0]
    assert ours.tobytes() == theirs.tobytes()
    parity("textual inversion, clip_l and clip_g", "load_textual_inversion", "the same pixels")


def test_a_text_encoder_gets_no_tokens_beyond_its_own(xl: TextToImage, tmp_path: Path) -> None:
    """With old configurations transformers takes the largest token for the end of the text."""
    save_file({"clip_l": vectors(1), "clip_g": vectors(1, seed=1)}, tmp_path / "style.safetensors")
    seen: list[torch.Tensor] = []
    with xl.lease() as backend:
        module: Any = backend
        encoder, tokenizer = module.components["text_encoder_2"], module.components["tokenizer_2"]
    watching = encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        xl.generate("style, a cat", embeddings=tmp_path / "style.safetensors", **FEW)
    finally:
        watching.remove()
    read = seen[0][0, :3].tolist()
    assert read == [tokenizer.bos_token_id, 0, tokenizer.convert_tokens_to_ids(",</w>")]


def test_with_weights_and_in_long_prompts(painter: TextToImage, tmp_path: Path) -> None:
    save_file({"emb_params": vectors(3)}, tmp_path / "ink.safetensors")
    file = tmp_path / "ink.safetensors"

    def painted(prompt: str) -> bytes:
        return painter.generate(prompt, embeddings=file, **FEW)[0].tobytes()

    assert painted("a cat, (ink:1.0)") == painted("a cat, ink")
    assert len({painted(prompt) for prompt in ("a cat, ink", "a cat, (ink:1.4)", "a cat", "a cat, [ink]")}) == 4
    long = "a cat and a dog, " * 20
    assert painted(f"{long} ink") != painted(f"{long} dog")
    assert painted("a cat, drink") == painter.generate("a cat, drink", **FEW)[0].tobytes()


def test_the_vectors_of_a_word_stay_in_one_chunk(stable_diffusion: Path) -> None:
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(stable_diffusion / "tokenizer")
    learned = LearnedWords({"ink": vectors(10), "bad-hands-5": vectors(3)})
    for words in range(60, 76):
        tokens = read_tokens(tokenizer, f"{'cat ' * words}Ink cat bad-hands-5", learned=learned)
        found = [[token.id for token in chunk if token.id < 0] for chunk in chunked(tokens, window_of(tokenizer))]
        together = [*range(-1, -11, -1)], [*range(-11, -14, -1)]
        assert [ids for ids in found if ids] in ([[*together[0], *together[1]]], [*map(list, together)])
        assert tokens[words].rest == "Ink cat bad-hands-5"


def test_nothing_stays_behind(painter: TextToImage, tmp_path: Path) -> None:
    save_file({"emb_params": vectors(2)}, tmp_path / "ink.safetensors")
    with painter.lease() as backend:
        module: Any = backend
        tokenizer, encoder = module.components["tokenizer"], module.components["text_encoder"]
    before = len(tokenizer), encoder.get_input_embeddings().weight.clone()
    painter.generate("a cat, ink", embeddings=tmp_path / "ink.safetensors", **FEW)
    with pytest.raises(InputError):
        painter.generate("ink, " * 2000, embeddings=tmp_path / "ink.safetensors", **FEW)
    assert len(tokenizer) == before[0]
    assert torch.equal(encoder.get_input_embeddings().weight, before[1])
    assert not encoder.get_input_embeddings()._forward_hooks


def test_several_words_and_files_that_were_sent(painter: TextToImage, stable_diffusion: Path, tmp_path: Path) -> None:
    save_file({"emb_params": vectors(2)}, tmp_path / "bad-hands.safetensors")
    save_file({"<toy>": vectors(1, seed=3)}, tmp_path / "learned_embeds.safetensors")
    one, other = tmp_path / "bad-hands.safetensors", tmp_path / "learned_embeds.safetensors"
    by_names = painter.generate("a <toy>", "Bad-Hands", embeddings=[one, other], **FEW)[0]
    assert [(each["name"], each["word"]) for each in by_names.settings.embeddings] == [
        ("bad-hands.safetensors", "bad-hands"),
        ("learned_embeds.safetensors", "learned_embeds"),
    ]
    assert by_names.settings.embeddings[0]["sha256"] == hashlib.sha256(one.read_bytes()).hexdigest()
    careful = TextToImage(stable_diffusion, limits=Limits(allow_files=False))
    sent = [(one.read_bytes(), "v.2"), replace(resolve(other), name="C:\\mine/toy.safetensors")]
    by_words = careful.generate("a toy", "v.2", embeddings=sent, **FEW)[0]
    assert by_words.tobytes() == by_names.tobytes()
    with refused(InputError, "can't be named here"):
        careful.generate("a cat", embeddings=one)


def test_a_word_that_stands_nowhere_is_told(painter: TextToImage, tmp_path: Path) -> None:
    save_file({"emb_params": vectors(2)}, tmp_path / "bad-hands.safetensors")
    painted = painter.generate("a cat", "bad hands", embeddings=tmp_path / "bad-hands.safetensors", **FEW)
    assert any("'bad-hands'" in note for note in painted.notes)
    assert painted[0].settings.embeddings == ()
    bracketed = [(tmp_path / "bad-hands.safetensors", "hands (v2)")]
    (note,) = painter.generate("a cat, hands (v2)", embeddings=bracketed, **FEW).notes
    assert r"hands \(v2\)" in note
    assert painter.generate(r"a cat, hands \(v2\)", embeddings=bracketed, **FEW).notes == ()


def test_a_picture_is_painted_again(painter: TextToImage, tmp_path: Path) -> None:
    save_file({"emb_params": vectors(2)}, tmp_path / "ink.safetensors")
    file = (tmp_path / "ink.safetensors").rename(tmp_path / "renamed.safetensors")
    made = painter.generate("a cat, ink", embeddings=[(file, "ink")], **FEW)[0]
    made.save(tmp_path / "made.png")
    assert painter.paint_again(made.settings, embeddings=file).tobytes() == made.tobytes()
    with refused(InputError, "renamed.safetensors", "Give that very file"):
        painter.paint_again(made.settings)


def test_the_folder_of_ones_own(
    painter: TextToImage, xl: TextToImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stems are words of prompts; what doesn't fit stays a word, and so does what no prompt says."""
    folder = tmp_path / "embeddings"
    (folder / "negative").mkdir(parents=True)
    save_file({"emb_params": vectors(2)}, folder / "negative" / "bad-hands.safetensors")
    save_file({"emb_params": torch.zeros(1, 768)}, folder / "cat.safetensors")
    expected = painter.generate("a cat", "bad-hands", embeddings=folder / "negative/bad-hands.safetensors", **FEW)[0]
    plain = painter.generate("a dog", **FEW)[0]
    monkeypatch.setenv("SENSORIUM_EMBEDDINGS", str(folder))
    painted = painter.generate("a cat", "bad-hands", **FEW)
    assert painted[0].tobytes() == expected.tobytes()
    assert [each["word"] for each in painted[0].settings.embeddings] == ["bad-hands"]
    assert any("cat.safetensors" in note for note in painted.notes)
    assert painter.paint_again(painted[0].settings).tobytes() == expected.tobytes()
    assert painter.generate("a dog", **FEW)[0].tobytes() == plain.tobytes()
    assert any("bad-hands" in note for note in xl.generate("a dog", "bad-hands", **FEW).notes)
    monkeypatch.setenv("SENSORIUM_EMBEDDINGS", str(tmp_path / "absent"))
    with refused(InputError, "SENSORIUM_EMBEDDINGS", "absent"):
        painter.generate("a cat", **FEW)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("easy.pt", "pickle", ("easy.pt", "pickle", "docs/models.md")),
        ("easy.bin", "pickle", ("easy.bin", "pickle", "docs/models.md")),
        ("easy.safetensors", "text", ("easy.safetensors", "damaged")),
        ("ink.safetensors", "lora", ("ink.safetensors", "a LoRA", "--lora")),
        ("absent.safetensors", "", ("absent.safetensors",)),
    ],
)
def test_files_that_are_no_embeddings(
    painter: TextToImage, stable_diffusion: Path, tmp_path: Path, name: str, content: str, told: tuple[str, ...]
) -> None:
    file = tmp_path / name
    if content == "pickle":
        torch.save({"string_to_param": {"*": vectors(1)}}, file)
    elif content == "lora":
        tiny_lora(file, stable_diffusion)
    elif content:
        file.write_text(content)
    with refused(InputError, *told):
        painter.generate("a cat", embeddings=file)


def test_embeddings_of_another_family(
    painter: TextToImage, xl: TextToImage, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    save_file({"emb_params": torch.zeros(1, 768)}, tmp_path / "one.safetensors")
    save_file({"clip_l": vectors(1), "clip_g": vectors(1)}, tmp_path / "xl.safetensors")
    with refused(InputError, "one.safetensors", "768", str(WIDTH), "Stable Diffusion 1"):
        painter.generate("a cat, one", embeddings=tmp_path / "one.safetensors", **FEW)
    with refused(InputError, "one.safetensors", "768", f"{WIDTH} and {WIDTH}"):
        xl.generate("a cat, one", embeddings=tmp_path / "one.safetensors", **FEW)
    with refused(InputError, "xl.safetensors", f"{WIDTH} and {WIDTH}"):
        painter.generate("a cat, xl", embeddings=tmp_path / "xl.safetensors", **FEW)
    with (
        TextToImage(tiny_flux(tmp_path_factory.mktemp("flux") / "flux")) as flux,
        refused(UnsupportedError, "'flux'", "one.safetensors"),
    ):
        flux.generate("a cat, one", embeddings=tmp_path / "one.safetensors", **FEW)


def test_words_that_can_not_be(painter: TextToImage, tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 1)):
        save_file({"emb_params": vectors(1, seed)}, tmp_path / f"{name}.safetensors")
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    with refused(InputError, "'Ink'", "one.safetensors", "two.safetensors"):
        painter.generate("a cat", embeddings=[(one, "ink"), (two, "Ink")])
    with refused(InputError, "one.safetensors", "empty"):
        painter.generate("a cat", embeddings=[(one, " ")])
    with refused(InputError, "int"):
        painter.generate("a cat", embeddings=[5])  # type: ignore[list-item]
