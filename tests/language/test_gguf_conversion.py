"""A Llama's GGUF file without torch and transformers: the same weights, tokens and words as with them."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensorium import LanguageModel
from sensorium.language.ctranslate2_language_model import convert
from sensorium.language.fast_tokenizer import FastTokenizer
from sensorium.language.gguf import _to_bfloat16
from sensorium.language.gguf_conversion import LlamaFile
from sensorium.language.messages import TextPart, Turn, read_conversation
from sensorium.models.catalog import Checkpoint
from tests.language.tiny_language_models import tiny_causal_language_model, write_gguf

CHECKPOINT = Checkpoint("tiny", "text-generation", "gguf")
TALKS = [
    [{"role": "user", "content": "What colour is the car?"}],
    [
        {"role": "system", "content": "  Be brief.\n"},
        {"role": "user", "content": "Die Straße ist naß. 猫が好き 🦊\tПривет 12345 don't"},
        {"role": "assistant", "content": "<|im_end|> is a token.\n\n  "},
        {"role": "user", "content": "¿Dónde?   <|im_start|>"},
    ],
]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_causal_language_model(tmp_path_factory.mktemp("tiny") / "source")


def _tensors(file: Path) -> dict[str, Any]:
    """Return what a ``model.bin`` of CTranslate2 holds."""
    data, place = file.read_bytes(), 0

    def take(form: str) -> Any:
        nonlocal place
        (value,) = struct.unpack_from(f"<{form}", data, place)
        place += struct.calcsize(form)
        return value

    def text() -> str:
        size = take("H")
        return str(take(f"{size}s")[:-1].decode())

    _, found = (take("I"), text(), take("I")), {}
    kinds: dict[int, Any] = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16, 5: np.uint16}
    for _ in range(take("I")):
        name = text()
        shape = [take("I") for _ in range(take("B"))]
        kind, size = take("B"), take("I")
        values = np.frombuffer(data, kinds[kind], size // np.dtype(kinds[kind]).itemsize, place).reshape(shape)
        place += size
        # bfloat16 is the upper half of float32
        found[name] = (values.astype(np.uint32) << 16).view(np.float32) if kind == 5 else values
    for _ in range(take("I")):
        alias = text()
        found[alias] = text()
    return found


@pytest.mark.parametrize("quantised", ["", "Q4_1", "Q8_0"])
def test_weights_and_tokens_are_those_of_transformers(source: Path, tmp_path: Path, quantised: str) -> None:
    from transformers import AutoTokenizer

    file = write_gguf(source, tmp_path / "tiny.gguf", quantised=quantised)
    ours, theirs, between = tmp_path / "ours", tmp_path / "theirs", tmp_path / "between"
    for folder in (ours, theirs, between):
        folder.mkdir()
    llama = LlamaFile(file)
    assert llama.is_plain
    llama.convert(ours, "ctranslate2")
    _to_bfloat16(file, between, CHECKPOINT)
    convert(between, theirs)
    one, other = (_tensors(folder / "ctranslate2" / "model.bin") for folder in (ours, theirs))
    assert one.keys() == other.keys()
    assert [name for name in one if not np.array_equal(one[name], other[name])] == []
    assert len(one) > 20
    for name in ("config.json", "vocabulary.json"):
        read = [json.loads((folder / "ctranslate2" / name).read_text()) for folder in (ours, theirs)]
        assert read[0] == read[1]
    reference = AutoTokenizer.from_pretrained(tmp_path, gguf_file=file.name)
    _same_tokens(FastTokenizer(ours, CHECKPOINT), reference)


def _same_tokens(tokenizer: FastTokenizer, reference: Any) -> None:
    for talk in TALKS:
        tokens = tokenizer.encode(read_conversation(talk))
        # Words are joined to turns first, which leaves out nothing of these.
        rendered = reference.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
        assert tokens == reference(rendered, add_special_tokens=False).input_ids
        assert tokenizer.text(tokens) == reference.decode(tokens, skip_special_tokens=True)
        assert tokenizer.names(tokens) == reference.convert_ids_to_tokens(tokens)
    assert tokenizer.ends == {reference.eos_token_id}
    for letter in range(0, len(reference), 7):
        assert tokenizer.text([letter]) == reference.decode([letter], skip_special_tokens=True)


def test_the_starter_s_tokens_are_those_of_transformers() -> None:
    from transformers import AutoTokenizer

    backend: Any = LanguageModel().backend
    _same_tokens(backend.tokenizer, AutoTokenizer.from_pretrained(backend._weights.parent))


def test_a_tokenizer_of_the_hub_s_layout_without_a_template(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = tiny_causal_language_model(tmp_path / "plain", chat=False)
    tokenizer = FastTokenizer(folder, CHECKPOINT)
    assert not tokenizer.has_chat_template
    turns = [Turn("user", (TextPart("Once upon a time"),))]
    assert tokenizer.encode(turns) == AutoTokenizer.from_pretrained(folder)("Once upon a time").input_ids


def test_what_templates_may_use(tmp_path: Path, source: Path) -> None:
    from transformers import AutoTokenizer

    template = (
        "{{ bos_token }}{%- for message in messages %}\n"
        "    {%- if message.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}\n"
        "    {%- if loop.index > 3 %}{% break %}{% endif %}\n"
        "{{ message | tojson }}\n"
        "{% endfor %}{{ strftime_now('%Y') }}{% if add_generation_prompt %}>{% endif %}{{ tools is none }}"
    )
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    (tmp_path / "chat_template.jinja").write_text(template)
    tokenizer, reference = FastTokenizer(tmp_path, CHECKPOINT), AutoTokenizer.from_pretrained(tmp_path)
    talk = [{"role": "user", "content": "a <b> 'c' ß"}]
    expected = reference.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
    assert tokenizer.text(tokenizer.encode(read_conversation(talk))) == reference.decode(
        reference(expected, add_special_tokens=False).input_ids, skip_special_tokens=True
    )


_RUN = """
import sys
if {blocked}:
    for name in ("torch", "transformers", "accelerate"):
        sys.modules[name] = None
from sensorium import LanguageModel
print(LanguageModel({model!r}).generate("Hello", max_new_tokens=4))
loaded = {{"torch", "transformers"}} & {{name for name in sys.modules if sys.modules[name] is not None}}
print(sorted(loaded))
"""


def _run(model: str | None, *, blocked: bool) -> list[str]:
    program = _RUN.format(model=model, blocked=blocked)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.splitlines()


@pytest.mark.usefixtures("sensorium_home")
def test_a_file_is_converted_and_answers_without_torch(source: Path, tmp_path: Path) -> None:
    file = write_gguf(source, tmp_path / "tiny.gguf")
    *answer, loaded = _run(str(file), blocked=True)
    assert loaded == "[]"
    assert "\n".join(answer).strip() == LanguageModel(file).generate("Hello", max_new_tokens=4)


def test_the_starter_answers_without_importing_torch() -> None:
    LanguageModel().load()
    assert _run(None, blocked=False)[-1] == "[]"
