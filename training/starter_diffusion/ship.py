"""Puts an exported checkpoint into the package: ``python -m training.starter_diffusion.ship run/checkpoint``.

The parts that training made are copied into the package's data; the files of the two catalog entries are described
anew. The text encoder is not copied: the catalog says from which parcel it comes.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import sensorium
from sensorium.image_generation.prompts.vocabulary import FILE as VOCABULARY
from sensorium.models import catalog
from sensorium.models.catalog import CheckpointFile
from training.starter_diffusion.pipeline import CONTROL

PAINTER, NETWORK = "painter-starter", "painter-starter-canny"
PARTS = {
    PAINTER: (
        "model_index.json",
        VOCABULARY,
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "tokenizer/tokenizer_config.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    ),
    NETWORK: ("config.json", "diffusion_pytorch_model.safetensors"),
}
"""The files that the package carries, by catalog entry."""
SHARED = {
    "text_encoder/model.safetensors": "text/model.safetensors",
    "tokenizer/tokenizer.json": "text/tokenizer.json",
}
"""Files that are those of the starter's image-text encoder."""
_SHARED_WITH = "conse-starter"
_DATA = "image_generation/data"


def main() -> None:
    """Read the command line, ship."""
    parser = argparse.ArgumentParser(description="Put an exported checkpoint into the package.")
    parser.add_argument("checkpoint", type=Path, help="what export wrote, with its ControlNet")
    package = Path(sensorium.__file__).parent
    for path, size in ship(parser.parse_args().checkpoint, package).items():
        print(f"{path}: {size / 1e6:.2f} MB")


def ship(checkpoint: Path, package: Path) -> dict[str, int]:
    """Copy the parts, describe them in the catalog.

    Args:
        checkpoint: What `export` wrote, with its ControlNet.
        package: The folder of the package ``sensorium``.

    Returns:
        The bytes of each file that the package carries now.
    """
    sources = {PAINTER: checkpoint, NETWORK: checkpoint / CONTROL}
    missing = [
        str(sources[name] / part) for name in PARTS for part in PARTS[name] if not (sources[name] / part).is_file()
    ]
    if missing:
        raise SystemExit(f"The checkpoint is not complete: {', '.join(missing)}")
    sizes = {}
    for name, parts in PARTS.items():
        folder = f"{_DATA}/{name.replace('-', '_')}"
        shutil.rmtree(package / folder, ignore_errors=True)
        files = []
        for part in parts:
            content = (sources[name] / part).read_bytes()
            target = package / folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            sizes[f"{folder}/{part}"] = len(content)
            digest = hashlib.sha256(content).hexdigest()
            files.append(CheckpointFile(part, len(content), digest, carried=f"{folder}/{part}"))
        if name == PAINTER:
            files += _shared()
        _describe(package / "models" / "cards" / f"{name}.toml", files)
    return sizes


def _shared() -> Iterator[CheckpointFile]:
    theirs = {file.path: file for file in catalog.named(_SHARED_WITH).files}
    for path, their_path in SHARED.items():
        file = theirs[their_path]
        yield CheckpointFile(path, file.size_bytes, file.sha256, file.parts)


def _describe(card: Path, files: list[CheckpointFile]) -> None:
    """Replace the tables of files at the end of a catalog entry."""
    head = card.read_text(encoding="utf-8").partition("[[files]]")[0].rstrip("\n")
    tables = []
    for file in files:
        lines = ["[[files]]", f'path = "{file.path}"', f"bytes = {file.size_bytes}", f'sha256 = "{file.sha256}"']
        if file.carried:
            lines.append(f'carried = "{file.carried}"')
        else:
            parts = [f'    {{ package = "{part.package}", member = "{part.member}" }},' for part in file.parts]
            lines += ["parts = [", *parts, "]"]
        tables.append("\n".join(lines))
    card.write_text("\n\n".join([head, *tables]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
