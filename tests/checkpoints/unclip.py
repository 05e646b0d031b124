"""A tiny Kandinsky 2.2 in the hub's on-disk layout: a prior and a decoder, which are two repositories there."""

from __future__ import annotations

from pathlib import Path

from tests.checkpoints.clip import write_clip_tokenizer

_EMBEDDING = 16
"""Size of the image embedding that the prior hands to the decoder."""

_IMAGE_SIDE = 32


def tiny_kandinsky(
    folder: Path, *, prior: str = "kandinsky-community/kandinsky-2-2-prior", seed: int = 0
) -> tuple[Path, Path]:
    """Build both halves of ``kandinsky-community/kandinsky-2-2-decoder`` and its prior, with hidden sizes of tens.

    Args:
        folder: Created; gets the sub-folders ``prior`` and ``decoder``.
        prior: What the decoder's model card names as its prior.
        seed: Of the weights.

    Returns:
        The folders of the prior and of the decoder.
    """
    return tiny_prior(folder / "prior", seed=seed), tiny_decoder(folder / "decoder", prior=prior, seed=seed)


def tiny_prior(folder: Path, *, embedding: int = _EMBEDDING, seed: int = 0) -> Path:
    """Build a prior like ``kandinsky-community/kandinsky-2-2-prior``: from a text to an image embedding."""
    import torch
    from diffusers import KandinskyV22PriorPipeline, PriorTransformer, UnCLIPScheduler
    from transformers import (
        CLIPImageProcessorPil,
        CLIPTextConfig,
        CLIPTextModelWithProjection,
        CLIPTokenizer,
        CLIPVisionConfig,
        CLIPVisionModelWithProjection,
    )

    vocabulary = write_clip_tokenizer(folder / "tokenizer")
    text = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=embedding,
        intermediate_size=2 * embedding,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        projection_dim=embedding,
        bos_token_id=vocabulary["<|startoftext|>"],
        eos_token_id=vocabulary["<|endoftext|>"],
        pad_token_id=vocabulary["<|endoftext|>"],
    )
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=_IMAGE_SIDE,
        patch_size=8,
        projection_dim=embedding,
    )
    torch.manual_seed(seed)
    transformer = PriorTransformer(
        num_attention_heads=2, attention_head_dim=12, embedding_dim=embedding, num_layers=1, num_embeddings=77
    )
    image_encoder = CLIPVisionModelWithProjection(vision)
    with torch.no_grad():
        # The trained ones are far from 0 and 1; at 0 the embedding would be nothing whatever the prompt.
        transformer.clip_std.fill_(1.0)
        # Fresh weights give all images nearly the same row; wider ones tell them apart, as trained ones do.
        for parameter in image_encoder.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    KandinskyV22PriorPipeline(
        prior=transformer,
        image_encoder=image_encoder,
        text_encoder=CLIPTextModelWithProjection(text),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        scheduler=UnCLIPScheduler(
            variance_type="fixed_small_log",
            prediction_type="sample",
            num_train_timesteps=1000,
            clip_sample=True,
            clip_sample_range=5.0,
        ),
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": _IMAGE_SIDE}, crop_size={"height": _IMAGE_SIDE, "width": _IMAGE_SIDE}
        ),
    ).save_pretrained(folder)
    for file in (folder / "model_index.json", folder / "image_processor" / "preprocessor_config.json"):
        # The hub's files name the class that wants torchvision.
        file.write_text(file.read_text().replace("CLIPImageProcessorPil", "CLIPImageProcessor"))
    return folder


def tiny_decoder(folder: Path, *, prior: str, embedding: int = _EMBEDDING, seed: int = 0) -> Path:
    """Build a decoder like ``kandinsky-community/kandinsky-2-2-decoder``: from an image embedding to pixels."""
    import torch
    from diffusers import DDPMScheduler, KandinskyV22Pipeline, UNet2DConditionModel, VQModel

    torch.manual_seed(seed + 1)
    unet = UNet2DConditionModel(
        sample_size=32,
        in_channels=4,
        out_channels=8,
        addition_embed_type="image",
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        block_out_channels=(32, 64),
        layers_per_block=1,
        encoder_hid_dim=embedding,
        encoder_hid_dim_type="image_proj",
        cross_attention_dim=embedding,
        attention_head_dim=4,
        resnet_time_scale_shift="scale_shift",
    )
    movq = VQModel(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
        up_block_types=("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=8,
        norm_type="spatial",
        num_vq_embeddings=12,
        vq_embed_dim=4,
    )
    scheduler = DDPMScheduler(
        beta_schedule="linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        prediction_type="epsilon",
        variance_type="learned_range",
    )
    KandinskyV22Pipeline(unet=unet, scheduler=scheduler, movq=movq).save_pretrained(folder)
    (folder / "README.md").write_text(f"---\nlicense: apache-2.0\nprior:\n- {prior}\ntags:\n- text-to-image\n---\n")
    return folder
