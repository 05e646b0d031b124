"""Tiny Stable Cascade, Würstchen and Kandinsky 2.1 in the hub's layout: each a prior and a decoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.checkpoints.diffusion import clip_text
from tests.checkpoints.unclip import tiny_decoder, tiny_prior


def tiny_stable_cascade(folder: Path, *, seed: int = 0) -> Path:
    """Build what ``stable-cascade`` and ``stable-cascade-prior`` are, and return the decoder's folder."""
    import torch
    from diffusers import (
        DDPMWuerstchenScheduler,
        StableCascadeDecoderPipeline,
        StableCascadePriorPipeline,
        StableCascadeUNet,
    )

    torch.manual_seed(seed)
    prior, decoder = folder / "prior-repository", folder / "decoder"
    tokenizer, text_encoder = clip_text(prior / "tokenizer", hidden_size=32, projection=32)
    residual, attention = ["SDCascadeResBlock", "SDCascadeTimestepBlock"], "SDCascadeAttnBlock"
    StableCascadePriorPipeline(
        prior=StableCascadeUNet(
            conditioning_dim=32,
            block_out_channels=(32, 32),
            num_attention_heads=(2, 2),
            down_num_layers_per_block=(1, 1),
            up_num_layers_per_block=(1, 1),
            clip_image_in_channels=32,
            clip_text_in_channels=32,
            clip_text_pooled_in_channels=32,
            switch_level=(False,),
        ),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        scheduler=DDPMWuerstchenScheduler(),
        image_encoder=None,
        feature_extractor=None,
    ).save_pretrained(prior)
    tokenizer, text_encoder = clip_text(decoder / "tokenizer", hidden_size=32, projection=32)
    StableCascadeDecoderPipeline(
        decoder=StableCascadeUNet(
            in_channels=4,
            out_channels=4,
            conditioning_dim=32,
            block_out_channels=(8, 16, 32, 32),
            num_attention_heads=(-1, -1, 1, 2),
            down_num_layers_per_block=(1, 1, 1, 1),
            up_num_layers_per_block=(1, 1, 1, 1),
            down_blocks_repeat_mappers=(1, 1, 1, 1),
            up_blocks_repeat_mappers=(3, 3, 2, 2),
            block_types_per_layer=(residual, residual, [*residual, attention], [*residual, attention]),
            clip_text_pooled_in_channels=32,
            effnet_in_channels=16,
            dropout=(0.1, 0.1, 0.1, 0.1),
        ),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        scheduler=DDPMWuerstchenScheduler(),
        vqgan=_autoencoder(),
    ).save_pretrained(decoder)
    _named_as_in_2023(decoder, "vqgan")
    return _named_in_card(decoder, prior)


def tiny_wuerstchen(folder: Path, *, seed: int = 0) -> Path:
    """Build what ``wuerstchen`` and ``wuerstchen-prior`` are, and return the decoder's folder."""
    import torch
    from diffusers import DDPMWuerstchenScheduler, WuerstchenDecoderPipeline, WuerstchenPriorPipeline
    from diffusers.pipelines.deprecated.wuerstchen import WuerstchenDiffNeXt, WuerstchenPrior

    torch.manual_seed(seed)
    prior, decoder = folder / "prior-repository", folder / "decoder"
    tokenizer, text_encoder = clip_text(prior / "tokenizer", hidden_size=32)
    network = WuerstchenPrior(c_in=16, c=32, c_cond=32, c_r=16, depth=2, nhead=2)
    WuerstchenPriorPipeline(
        prior=network, text_encoder=text_encoder, tokenizer=tokenizer, scheduler=DDPMWuerstchenScheduler()
    ).save_pretrained(prior)
    tokenizer, text_encoder = clip_text(decoder / "tokenizer", hidden_size=32)
    WuerstchenDecoderPipeline(
        decoder=WuerstchenDiffNeXt(
            c_cond=32,
            c_hidden=[16, 32, 32, 32],
            nhead=[-1, 2, 2, 2],
            blocks=[1, 1, 1, 1],
            clip_embd=32,
        ),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        scheduler=DDPMWuerstchenScheduler(),
        vqgan=_autoencoder(),
        latent_dim_scale=10.67,
    ).save_pretrained(decoder)
    for name, of_library in (("decoder", "decoder"), ("decoder", "vqgan"), ("prior-repository", "prior")):
        _named_as_in_2023(folder / name, of_library)
    return _named_in_card(decoder, prior)


def tiny_kandinsky_2_1(folder: Path, *, seed: int = 0) -> Path:
    """Build what ``kandinsky-2-1`` and ``kandinsky-2-1-prior`` are, and return the decoder's folder."""
    import torch
    from diffusers import DDIMScheduler, KandinskyPipeline, UNet2DConditionModel, VQModel
    from diffusers.pipelines.kandinsky.text_encoder import MCLIPConfig, MultilingualCLIP
    from transformers import XLMRobertaTokenizer

    prior, decoder = tiny_prior(folder / "prior-repository", seed=seed), folder / "decoder"
    index = prior / "model_index.json"
    index.write_text(index.read_text().replace("KandinskyV22PriorPipeline", "KandinskyPriorPipeline"))
    movq = VQModel.from_pretrained(tiny_decoder(folder / "newer", prior="") / "movq")
    torch.manual_seed(seed)
    tokenizer = _words(XLMRobertaTokenizer)
    text_encoder = MultilingualCLIP(
        MCLIPConfig(
            numDims=16,
            transformerDimensions=32,
            hidden_size=32,
            intermediate_size=37,
            num_attention_heads=4,
            num_hidden_layers=2,
            vocab_size=len(tokenizer),
            max_position_embeddings=514,
            pad_token_id=1,
        )
    )
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=8,
        addition_embed_type="text_image",
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        block_out_channels=(32, 64),
        layers_per_block=1,
        encoder_hid_dim=32,
        encoder_hid_dim_type="text_image_proj",
        cross_attention_dim=16,
        attention_head_dim=4,
        resnet_time_scale_shift="scale_shift",
    )
    KandinskyPipeline(
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1, thresholding=False),
        movq=movq,
    ).save_pretrained(decoder)
    return _named_in_card(decoder, prior)


def _words(tokenizer: Any) -> Any:
    words = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -10.0), ("▁", -3.0)]
    words += [(f"▁{word}", -2.0) for word in ("a", "red", "cat")]
    words += [(letter, -4.0) for letter in "abcdefghijklmnopqrstuvwxyz,"]
    return tokenizer(vocab=words, model_max_length=512)


def _autoencoder() -> Any:
    from diffusers.pipelines.deprecated.wuerstchen import PaellaVQModel

    return PaellaVQModel(bottleneck_blocks=1, embed_dim=16, num_vq_embeddings=8)


def _named_as_in_2023(folder: Path, component: str) -> None:
    index = folder / "model_index.json"
    document = json.loads(index.read_text())
    document[component][0] = "wuerstchen"
    index.write_text(json.dumps(document))


def _named_in_card(decoder: Path, prior: Path) -> Path:
    (decoder / "README.md").write_text(f"---\nprior:\n- {prior}\n---\n")
    return decoder
