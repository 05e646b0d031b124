"""Weighted prompts of any length, held against what diffusers' pipelines make of plain short ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from sensorium.errors import InputError, UnsupportedError
from sensorium.image_generation.prompts.embedding import (
    MAXIMUM_CHUNKS,
    PromptEmbeddings,
    can_embed,
    chunked,
    embed_prompts,
    read_tokens,
)
from tests.checkpoints.clip import write_clip_tokenizer

PLAIN = "a photo of a cat, two dogs in the grass"
NEGATIVE = "a bus, a cup of coffee"


def text_encoder(tokenizer: Any, *, size: int = 32, projected: bool = False, seed: int = 0) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=size,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        projection_dim=24,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    model = (CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # A trained encoder's states have a mean; that of a fresh one is exactly zero.
            parameter.add_(0.2) if name.endswith("final_layer_norm.bias") else parameter.mul_(4)
    return model


def unet(states: int, **options: Any) -> Any:
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        cross_attention_dim=states,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        **options,
    )


def autoencoder() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(block_out_channels=(8,), norm_num_groups=4, latent_channels=4)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return open_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def open_tokenizer(folder: Path, **options: str) -> Any:
    from transformers import CLIPTokenizer

    write_clip_tokenizer(folder)
    return CLIPTokenizer.from_pretrained(folder, **options)


@pytest.fixture(scope="module")
def stable_diffusion(tokenizer: Any) -> Any:
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    return StableDiffusionPipeline(
        vae=autoencoder(),
        text_encoder=text_encoder(tokenizer),
        tokenizer=tokenizer,
        unet=unet(32),
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@pytest.fixture(scope="module")
def xl(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    second = open_tokenizer(tmp_path_factory.mktemp("tokenizer_2"), pad_token="!")
    return StableDiffusionXLPipeline(
        vae=autoencoder(),
        text_encoder=text_encoder(tokenizer),
        text_encoder_2=text_encoder(second, size=48, projected=True, seed=1),
        tokenizer=tokenizer,
        tokenizer_2=second,
        unet=unet(80),
        scheduler=EulerDiscreteScheduler(),
    )


def difference(ours: PromptEmbeddings, theirs: tuple[torch.Tensor, ...]) -> float:
    found = [
        tensor
        for tensor in (
            ours.prompt_embeds,
            ours.negative_prompt_embeds,
            ours.pooled_prompt_embeds,
            ours.negative_pooled_prompt_embeds,
        )
        if tensor is not None
    ]
    assert [tensor.shape for tensor in found] == [tensor.shape for tensor in theirs]
    return max((one - other).abs().max().item() for one, other in zip(found, theirs, strict=True))


@pytest.mark.parametrize("name", ["stable_diffusion", "xl"])
def test_a_short_plain_prompt_is_what_diffusers_makes_of_it(
    name: str, request: pytest.FixtureRequest, parity: Callable[[str, str, str], None]
) -> None:
    pipeline = request.getfixturevalue(name)
    largest = 0.0
    for prompt, negative in (
        (PLAIN, NEGATIVE),
        (PLAIN, ""),
        ("", ""),
        (PLAIN, None),
        ("cat " * 75, "cat " * 75),
    ):
        options = {"num_images_per_prompt": 1, "do_classifier_free_guidance": True}
        with torch.no_grad():
            theirs = pipeline.encode_prompt(prompt, device="cpu", negative_prompt=negative, **options)
        ours = embed_prompts(pipeline, prompt, negative)
        largest = max(largest, difference(ours, theirs))
        assert ours.dropped == ""
    parity(
        f"Prompt embedding, {'Stable Diffusion XL' if name == 'xl' else 'Stable Diffusion 1 and 2'}",
        f"diffusers.{type(pipeline).__name__}.encode_prompt",
        "identical" if largest == 0 else f"largest difference {largest:.0e}",
    )
    assert largest == 0


@pytest.mark.parametrize(
    ("prompt", "weight"), [("a (cat:1000)", "1,000"), ("a (cat:-101)", "-101"), ("(" * 60 + "cat", "304")]
)
def test_weights_have_limits(prompt: str, weight: str, stable_diffusion: Any) -> None:
    for prompts in ((prompt, ""), ("a dog", prompt)):
        with pytest.raises(InputError, match=f"The words 'cat' have the weight {weight}"):
            embed_prompts(stable_diffusion, *prompts)


@pytest.mark.parametrize("name", ["stable_diffusion", "xl"])
def test_weights_move_the_words_that_they_stand_at(name: str, request: pytest.FixtureRequest) -> None:
    pipeline = request.getfixturevalue(name)
    plain = embed_prompts(pipeline, "a photo of a cat").prompt_embeds[0]
    one = embed_prompts(pipeline, "(a photo of a cat:1.0)").prompt_embeds[0]
    assert torch.equal(plain, one)
    strong = embed_prompts(pipeline, "a photo of a (cat:1.5)").prompt_embeds[0]
    words = read_tokens(pipeline.tokenizer, "a photo of a (cat:1.5)")
    stretched = strong / plain
    scale = stretched[0].median()
    for position, token in enumerate(words, start=1):
        assert torch.allclose(stretched[position], token.weight * scale, rtol=1e-3)
    assert words[-1].weight == 1.5
    if name == "xl":
        assert scale == 1
    else:
        assert scale != 1
        assert strong.mean().item() == pytest.approx(plain.mean().item(), rel=1e-3)


def test_a_mean_of_zero_is_left_alone(stable_diffusion: Any) -> None:
    from sensorium.image_generation.prompts.embedding import _weighted

    states = torch.randn(1, 77, 32)
    states -= states.mean((1, 2), keepdim=True)
    weights = torch.ones(1, 77)
    weights[0, 3] = 1.5
    changed = _weighted(states, weights, keep_mean=True)
    assert torch.allclose(changed[0, 4], states[0, 4])
    assert torch.allclose(changed[0, 3], 1.5 * states[0, 3])


@pytest.mark.parametrize("name", ["stable_diffusion", "xl"])
def test_a_long_prompt_is_read_in_chunks(name: str, request: pytest.FixtureRequest) -> None:
    pipeline = request.getfixturevalue(name)
    first, second = "a cat, " * 25, "two dogs in the street"
    found = embed_prompts(pipeline, first + second, NEGATIVE)
    assert found.prompt_embeds.shape[1] == found.negative_prompt_embeds.shape[1] == 2 * 77
    assert torch.allclose(found.prompt_embeds[:, :77], embed_prompts(pipeline, first).prompt_embeds, atol=1e-5)
    assert torch.allclose(found.prompt_embeds[:, 77:], embed_prompts(pipeline, second).prompt_embeds, atol=1e-5)
    # The negative prompt fills up with a chunk that says nothing.
    assert torch.allclose(found.negative_prompt_embeds[:, 77:], embed_prompts(pipeline, "").prompt_embeds, atol=1e-5)
    if name == "xl":
        assert torch.allclose(
            found.pooled_prompt_embeds, embed_prompts(pipeline, first).pooled_prompt_embeds, atol=1e-5
        )
    assert found.dropped == ""


def test_break_starts_a_chunk_of_its_own(stable_diffusion: Any) -> None:
    found = embed_prompts(stable_diffusion, "a cat BREAK (two dogs:1.2) BREAK").prompt_embeds
    assert found.shape[1] == 2 * 77
    assert torch.allclose(found[:, :77], embed_prompts(stable_diffusion, "a cat").prompt_embeds, atol=1e-5)
    assert torch.allclose(found[:, 77:], embed_prompts(stable_diffusion, "(two dogs:1.2)").prompt_embeds, atol=1e-5)


def test_chunks_end_at_commas_or_between_words(tokenizer: Any) -> None:
    def words(prompt: str) -> list[list[str]]:
        chunks = chunked(read_tokens(tokenizer, prompt), 75)
        return [tokenizer.decode([token.id for token in chunk]).split() for chunk in chunks]

    near = words("cat " * 60 + ", " + "dog " * 20)
    assert [chunk[-1] for chunk in near] == [",", "dog"]
    assert [len(chunk) for chunk in near] == [61, 20]
    assert [len(chunk) for chunk in words("cat " * 10 + ", " + "dog " * 100)] == [75, 36]
    halved = words("cat " * 74 + "catastronaut")
    assert len(halved[0]) == 74
    assert "".join(halved[1]) == "catastronaut"
    assert [len(chunk) for chunk in words("")] == [0]
    endless = chunked(read_tokens(tokenizer, "q" * 300), 75)
    assert [len(chunk) for chunk in endless] == [75, 75, 75, 75]


def test_words_beyond_the_last_chunk_are_named(stable_diffusion: Any) -> None:
    fits = "a bus, " * (25 * MAXIMUM_CHUNKS)
    found = embed_prompts(stable_diffusion, fits + "The End (is near:1.2), really")
    assert found.dropped == "The End is near, really"
    assert found.prompt_embeds.shape[1] == MAXIMUM_CHUNKS * 77
    assert embed_prompts(stable_diffusion, "a cat", fits + "(text:1.2)").dropped == "text"


def test_the_pipeline_paints_from_embeddings(stable_diffusion: Any) -> None:
    options = {"num_inference_steps": 2, "height": 8, "width": 8, "output_type": "np"}
    stable_diffusion.set_progress_bar_config(disable=True)

    def paint(**prompts: Any) -> Any:
        return stable_diffusion(**prompts, **options, generator=torch.Generator().manual_seed(0)).images

    short = paint(**embed_prompts(stable_diffusion, PLAIN, NEGATIVE).arguments())
    assert (short == paint(prompt=PLAIN, negative_prompt=NEGATIVE)).all()
    long = paint(**embed_prompts(stable_diffusion, f"({PLAIN}:1.2), " * 9, NEGATIVE).arguments())
    assert long.shape == short.shape
    assert (long != short).any()


def test_pipelines_with_other_text_encoders_are_refused(stable_diffusion: Any, xl: Any) -> None:
    class Flux:
        components: ClassVar = {
            "tokenizer": 1,
            "text_encoder": 2,
            "tokenizer_2": 3,
            "text_encoder_2": 4,
            "transformer": 5,
        }

    assert can_embed(stable_diffusion)
    assert can_embed(xl)
    assert not can_embed(Flux())
    with pytest.raises(UnsupportedError, match="Flux has text encoders that take no attention weights"):
        embed_prompts(Flux(), "a cat")
