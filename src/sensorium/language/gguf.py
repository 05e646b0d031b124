"""Language models in GGUF files: converted once, because opening the file itself takes half a minute."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.language.ctranslate2_language_model import WEIGHTS, CTranslate2LanguageModel, convert
from sensorium.language.gguf_conversion import LlamaFile
from sensorium.models import device as devices
from sensorium.models import store
from sensorium.models.catalog import Checkpoint
from sensorium.models.thread_safe import loading_weights
from sensorium.quiet import quiet_transformers
from sensorium.unfinished import temporary_folder

if TYPE_CHECKING:
    from sensorium.language.causal_language_model import CausalLanguageModel

# What both CTranslate2 and transformers' GGUF reader know.
_CTRANSLATE2_ARCHITECTURES = {"llama", "mistral", "qwen2", "phi3", "gemma2"}


def open_gguf(
    folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str
) -> CausalLanguageModel | CTranslate2LanguageModel:
    """Open a causal language model from a single ``.gguf`` file.

    On a CPU it runs in int8 through CTranslate2 where that knows the architecture; otherwise, and for any ``dtype``
    but ``"auto"``, in torch.

    Args:
        folder: The folder that holds the file.
        checkpoint: Its catalog entry; ``hub_files`` names the file where the folder holds several.
        device: Where to run.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.

    Raises:
        UnsupportedError: transformers doesn't read this architecture from GGUF.
        ModelUnavailableError: There is no such file, or it is damaged.
    """
    file = _only_file(folder, checkpoint)
    version = ""
    if not checkpoint.files:
        # A user's own file may change under the same name; its conversion must not be taken for the new one's.
        state = file.stat()
        version = (
            "-" + hashlib.sha256(f"{file.resolve()} {state.st_size} {state.st_mtime_ns}".encode()).hexdigest()[:12]
        )
    architecture = _header_field(file, b"general.architecture")
    if architecture is None:
        raise _damaged(file, checkpoint)
    if device == "cpu" and dtype == "auto" and architecture in _CTRANSLATE2_ARCHITECTURES:
        int8 = store.derive(checkpoint, f"ctranslate2-int8{version}", lambda target: _to_int8(file, target, checkpoint))
        return CTranslate2LanguageModel(int8, checkpoint=checkpoint)
    devices.prepare_torch()
    from sensorium.language.causal_language_model import CausalLanguageModel

    converted = store.derive(checkpoint, f"bfloat16{version}", lambda target: _to_bfloat16(file, target, checkpoint))
    return CausalLanguageModel(converted, checkpoint=checkpoint, device=device, dtype=dtype)


def _only_file(folder: Path, checkpoint: Checkpoint) -> Path:
    named = [folder / name for name in checkpoint.hub_files if name.endswith(".gguf")]
    files = named or sorted(folder.glob("*.gguf"))
    if len(files) == 1 and files[0].is_file():
        return files[0]
    raise ModelUnavailableError(
        f"The checkpoint {checkpoint.name!r} has {len(files)} .gguf files, and one is needed",
        "Name the .gguf file itself",
    )


def _to_int8(file: Path, target: Path, checkpoint: Checkpoint) -> None:
    try:
        llama = LlamaFile(file)
        if llama.is_plain:
            llama.convert(target, WEIGHTS)
            return
    except (ValueError, KeyError, IndexError, TypeError, UnicodeDecodeError) as error:
        raise _damaged(file, checkpoint) from error
    devices.prepare_torch()
    with temporary_folder("sensorium-gguf-", target) as temporary:
        _to_bfloat16(file, temporary, checkpoint)
        convert(temporary, target)


def _to_bfloat16(file: Path, target: Path, checkpoint: Checkpoint) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _require_known(file)
    try:
        with loading_weights, quiet_transformers(), _quiet_reader():
            AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(target)
            model: Any = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.bfloat16)
    except (OSError, ValueError, KeyError, IndexError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the system's word, such as a full disk; transformers' own have no number
        raise _damaged(file, checkpoint) from error
    # transformers refuses to save what it thinks is still quantised.
    for name in ("hf_quantizer", "is_quantized", "quantization_method"):
        model.__dict__.pop(name, None)
    del model.config.quantization_config
    with quiet_transformers():
        model.save_pretrained(target)


@contextmanager
def _quiet_reader() -> Iterator[None]:
    """Keep transformers' GGUF reader from drawing a progress bar, which its own switch doesn't turn off."""
    from transformers import modeling_gguf_pytorch_utils

    reader: Any = modeling_gguf_pytorch_utils
    bar = reader.tqdm
    reader.tqdm = partial(bar, disable=True)
    try:
        yield
    finally:
        reader.tqdm = bar


def _require_known(file: Path) -> None:
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    architecture = _header_field(file, b"general.architecture")
    if architecture not in GGUF_SUPPORTED_ARCHITECTURES:
        raise UnsupportedError(
            f"The file {file.name} holds a model of architecture {architecture!r}, which can't be read from GGUF",
            "Use the same model in safetensors form, or a GGUF of Llama, Mistral, Qwen, Gemma or Phi",
        )


def _header_field(file: Path, key: bytes) -> str | None:
    """Return a text field from the first bytes of a GGUF file: reading the whole header would take a second."""
    with file.open("rb") as stream:
        head = stream.read(4096)
    place = head.find(key)
    if not head.startswith(b"GGUF") or place < 0:
        return None
    # After the key come the type of the value (8 for text), its length, and the text.
    kind, length = place + len(key), place + len(key) + 4
    if int.from_bytes(head[kind:length], "little") != 8:
        return None
    size = int.from_bytes(head[length : length + 8], "little")
    return head[length + 8 : length + 8 + size].decode("utf-8", "replace") if size < 64 else None


def _damaged(file: Path, checkpoint: Checkpoint) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"The file {file.name} of the checkpoint {checkpoint.name!r} is not a complete GGUF file",
        "Fetch it again",
    )
