"""Operations that write prompts and count their tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sensorium.errors import InputError, ModelUnavailableError
from sensorium.media.limits import Limits
from sensorium.media.source import resolve
from sensorium.operations.operation import Operation
from sensorium.operations.prompts import BuildPrompt, CountTokens
from sensorium.operations.tasks import Tasks
from tests.operations.unheard import Unheard
from tests.refusals import refused

END = "photorealistic, highly detailed, 8k uhd, dslr, masterpiece, best quality"


def run(operation: Operation, tasks: Tasks | None = None) -> Any:
    """Send an operation and its result through JSON; return what the client gets."""
    result = type(operation).of(json.loads(operation.model_dump_json())).run(tasks or Tasks(), Unheard())
    received = operation.result_type().from_dict(json.loads(json.dumps(result.to_dict())))
    assert received == result
    return received


def test_a_prompt_is_put_together() -> None:
    built = run(BuildPrompt(subject="a cat", details=["green eyes"], lighting="dusk", negatives=["text"]))
    assert built.prompts == (f"a cat, {END.replace('dslr,', 'dslr, green eyes, dusk,')}",)
    assert built.negative_prompt.startswith("ugly")
    assert built.negative_prompt.endswith("text")
    assert built.seed is None
    assert run(BuildPrompt(subject="a cat", style=None)).prompts == ("a cat, masterpiece, best quality",)


def test_variations_from_lists_of_words() -> None:
    lists = {"colour": ["red", "blue", "# not this"], "car": ["{fast|slow} __colour__ car"]}
    choices = {"subject": "a __car__", "style": None, "wildcards": lists}
    every = run(BuildPrompt(**choices, all_variations=True)).prompts
    assert {prompt.removesuffix(", masterpiece, best quality") for prompt in every} == {
        *("a fast red car", "a fast blue car", "a slow red car", "a slow blue car")
    }
    drawn = run(BuildPrompt(**choices, variations=3, seed=5))
    assert (len(drawn.prompts), drawn.seed) == (3, 5)
    assert set(drawn.prompts) < set(every)
    assert run(BuildPrompt(**choices, seed=5)).prompts == drawn.prompts[:1]
    assert run(BuildPrompt(**choices, variations=2)).seed is not None
    assert run(BuildPrompt(**choices)).prompts == ("a __car__, masterpiece, best quality",)


def test_styles_that_were_sent(tmp_path: Path) -> None:
    kept = tmp_path / "0a1b"
    kept.write_text('[styles]\n"rough" = "16-bit"\n[negative]\n"rough" = "smooth"\n')
    tasks = Tasks(limits=Limits(allow_files=False), find_media=lambda reference: resolve(kept))
    built = run(BuildPrompt(subject="a cat", style="rough", styles="upload:1"), tasks)
    assert built.prompts == ("a cat, 16-bit, masterpiece, best quality",)
    assert built.negative_prompt.endswith(", smooth")
    kept.write_text("[styles")
    with refused(InputError, "0a1b", "TOML"):
        run(BuildPrompt(subject="a cat", styles="upload:1"), tasks)
    kept.write_bytes(b"\xff")
    with refused(InputError, "0a1b", "TOML"):
        run(BuildPrompt(subject="a cat", styles="upload:1"), tasks)
    with refused(InputError, str(tmp_path / "absent.toml")):
        run(BuildPrompt(subject="a cat", styles=str(tmp_path / "absent.toml")))
    with refused(InputError, "secret.toml"):
        run(BuildPrompt(subject="a cat", styles="secret.toml"), Tasks(limits=Limits(allow_files=False)))


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"subject": " "}, ("no subject",)),
        ({"subject": "a cat", "style": "watercolour"}, ("'watercolour'", "'watercolor'")),
        ({"subject": "a cat", "variations": 0}, ("0 variations",)),
        ({"subject": "a cat", "variations": 2, "all_variations": True}, ("variations",)),
        ({"subject": "a {red|green cat", "variations": 2}, ("a {red|green cat", "never closed")),
        ({"subject": "a __colour__ cat", "seed": 1}, ("__colour__",)),
        ({"subject": "a __color__ cat", "seed": 1, "wildcards": {"colour": ["red"]}}, ("__color__", "__colour__")),
        ({"subject": "a __colour__ cat", "seed": 1, "wildcards": {"colour": ["# red"]}}, ("__colour__", "empty")),
        ({"subject": "a cat", "details": "green eyes"}, ("'details'",)),
    ],
)
def test_what_can_not_be_written(fields: dict[str, Any], names: tuple[str, ...]) -> None:
    with refused(InputError, *names):
        BuildPrompt(**fields).run(Tasks(), Unheard())


def test_tokens_are_counted_without_any_model_in_memory() -> None:
    operation = CountTokens(prompt="a (cat:1.3)")
    assert operation.checkpoints() == ()
    length = run(operation)
    assert length.model == "painter-starter"
    assert length.counts[0].tokens > 1
    assert (length.chunks, length.lost) == (1, "")
    with refused(ModelUnavailableError, "stable-diffusion-2-1"):
        run(CountTokens(prompt="a cat", model="stable-diffusion-2-1"))
    with refused(InputError, "count-tokens", "'prompt'"):
        CountTokens.of({})
