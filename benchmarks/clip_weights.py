"""A CLIP of ViT-B/32's size with random weights: they cost the same as trained ones."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import cache_folder
from sensorium.models import catalog
from tests.checkpoints.clip import write_clip_tokenizer

NAME = "clip-vit-base-patch32"


def make_checkpoint(folder: Path, *, text_layers: int) -> Path:
    """Fill a folder with what the hub's repository holds, at the first call.

    Args:
        folder: Where; returned.
        text_layers: Of the text encoder; 12 in the published checkpoint.
    """
    if not (folder / "model.safetensors").is_file():
        import torch
        from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

        torch.manual_seed(0)
        vocabulary = write_clip_tokenizer(folder)
        CLIPImageProcessorPil().save_pretrained(folder)
        end = vocabulary["<|endoftext|>"]
        text = {
            "num_hidden_layers": text_layers,
            "bos_token_id": vocabulary["<|startoftext|>"],
            "eos_token_id": end,
            "pad_token_id": end,
        }
        model = CLIPModel(CLIPConfig(text_config=text))
        with torch.no_grad():
            # Fresh weights give all photos nearly the same row; wider ones tell them apart, as trained ones do.
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.mul_(3)
        model.save_pretrained(folder)
    return folder


def hub_with_clip() -> Path:
    """Return a folder for ``HF_HOME`` whose hub's cache holds the checkpoint under its published name, in full size."""
    home = cache_folder("hub-with-random-clip")
    checkpoint = catalog.named(NAME)
    kept = home / "hub" / f"models--{checkpoint.repository.replace('/', '--')}"
    make_checkpoint(kept / "snapshots" / checkpoint.revision, text_layers=12)
    return home
