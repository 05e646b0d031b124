"""Models that think before they answer: thoughts are off by default, and never a part of the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sensorium import LanguageModel
from sensorium.answer import Answer, Usage
from sensorium.errors import UnsupportedError
from sensorium.language.sampling import Sampling
from sensorium.language.text_pieces import TextReader
from sensorium.language.thoughts import MARKS, ThinkingStyle, Thoughts
from sensorium.progress import Progress
from tests.checkpoints.thinking import ANSWER, THOUGHTS, tiny_thinking_language_model
from tests.language.tiny_language_models import tiny_causal_language_model, write_gguf
from tests.refusals import refused

_ASKED = [{"role": "user", "content": "What colour is the car?"}]


@pytest.fixture(scope="module")
def thinking(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a checkpoint that thinks in a style; each is built once."""
    built: dict[tuple[str, bool], Path] = {}

    def build(style: str = "switch", *, endless: bool = False) -> Path:
        if (style, endless) not in built:
            folder = tmp_path_factory.mktemp("models") / f"{style}{'-endless' * endless}"
            built[style, endless] = tiny_thinking_language_model(folder, style=style, endless=endless)
        return built[style, endless]

    return build


def _by_transformers(folder: Path, **switch: Any) -> str:
    """Return all that transformers lets the model write, with thoughts and marks."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template(_ASKED, tokenize=False, add_generation_prompt=True, **switch)
    ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).input_ids
    written = model.generate(ids, max_new_tokens=32, do_sample=False, pad_token_id=1)
    return str(tokenizer.decode(written[0, ids.shape[1] :]))


@pytest.mark.parametrize("style", ["switch", "always", "channel"])
def test_an_answer_is_what_follows_the_thoughts(thinking: Callable[..., Path], style: str, parity: Any) -> None:
    folder = thinking(style)
    with LanguageModel(folder) as model:
        told: list[Progress] = []
        stream = model.stream(_ASKED, max_new_tokens=2, thinking=True, progress=told.append)
        pieces = list(stream)
        plain = model.chat(_ASKED, max_new_tokens=2)
    whole = _by_transformers(folder)
    marks = {"channel": ("<|channel>thought", "<channel|>")}.get(style, ("", "</think>"))
    assert whole.startswith(marks[0] + "".join(THOUGHTS) + marks[1])
    expected = whole.rpartition(marks[1])[2].removesuffix("<|im_end|>").strip()
    assert "".join(pieces).strip() == stream.result == expected == "".join(ANSWER)
    thoughts = {"switch": 5, "always": 5, "channel": 6}[style]  # with the marks, and the space after them
    assert stream.result.usage is not None
    assert stream.result.usage.reasoning_tokens == thoughts
    assert stream.result.usage.completion_tokens == thoughts + 2
    # The length is the answer's: two tokens are enough for it, however much was thought; it did not come to the end.
    assert stream.result.finish_reason == "length"
    assert [report.stage for report in told if report.unit == "tokens"][:2] == ["thinking"] * 2
    assert plain == stream.result
    assert plain.usage is not None
    assert plain.usage.reasoning_tokens == (0 if style == "switch" else thoughts)
    parity(f"Llama that thinks ({style})", "answer after the thoughts that transformers gives", "same text")


def test_thinking_is_switched_by_the_template(thinking: Callable[..., Path]) -> None:
    folder = thinking()
    assert _by_transformers(folder, enable_thinking=False) == "Red.<|im_end|>"
    with LanguageModel(folder) as model:
        answer = model.generate("What colour is the car?")
    assert answer == "Red."
    assert (answer.finish_reason, answer.usage) == ("stop", Usage(answer.usage.prompt_tokens, 2))  # type: ignore[union-attr]


def test_stop_sequences_look_at_the_answer_alone(thinking: Callable[..., Path]) -> None:
    with LanguageModel(thinking()) as model:
        answer = model.chat(_ASKED, stop=["see", "."], thinking=True)
    assert (answer, answer.finish_reason) == ("Red", "stop")


@pytest.mark.parametrize(("style", "asked", "remedy"), [("switch", True, "without"), ("always", False, "checkpoint")])
def test_thoughts_without_end_are_no_answer(
    thinking: Callable[..., Path], style: str, asked: bool, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensorium.language.text_pieces.LONGEST_THOUGHTS", 40)
    with LanguageModel(thinking(style, endless=True)) as model, refused(UnsupportedError, "40", remedy):
        model.chat(_ASKED, thinking=asked)


def test_who_can_not_think_says_so(tmp_path: Path) -> None:
    with LanguageModel(tiny_causal_language_model(tmp_path / "llama")) as model:
        told = model.chat(_ASKED, max_new_tokens=2, thinking=True)
        assert told == model.chat(_ASKED, max_new_tokens=2)
    assert len(told.warnings) == 1
    assert "think" in told.warnings[0]


@pytest.mark.parametrize("quantised", ["", "Q8_0"])
def test_gguf_files_think_too(thinking: Callable[..., Path], quantised: str, tmp_path: Path) -> None:
    file = write_gguf(thinking(), tmp_path / "thinking.gguf", quantised=quantised)
    with LanguageModel(file, device="cpu") as model:
        loud, quiet = model.chat(_ASKED, thinking=True), model.chat(_ASKED)
    assert loud == quiet == "Red."
    assert loud.usage is not None
    assert quiet.usage is not None
    assert (loud.usage.reasoning_tokens, quiet.usage.reasoning_tokens) == (5, 0)


def _read(words: Sequence[str]) -> TextReader:
    """Read tokens that are words; the last one ends the text."""
    style = ThinkingStyle(MARKS)
    reader = TextReader(
        "model",
        [0],
        Sampling(9),
        text_of=lambda some: "".join(words[one] for one in some),
        ends=[len(words) - 1],
        style=style,
    )
    for token in range(len(words)):
        reader.add(token)
    reader.rest()
    return reader


def test_who_says_nothing_after_its_thoughts_says_nothing() -> None:
    # As of silence, or of an empty page.
    reader = _read(["<|channel>", "thought", "\n", "<channel|>", ""])
    assert (reader.text, reader.ending().finish_reason) == ("", "stop")
    with refused(UnsupportedError, "model", "4"):
        _read(["<|channel>", "thought", "\n", "Hm", ""]).ending()


def _let_through(pieces: Sequence[str], prompt: str = "") -> str:
    thoughts = Thoughts(MARKS, prompt)
    return "".join([*map(thoughts.let_through, pieces), thoughts.rest()])


@pytest.mark.parametrize(
    ("text", "prompt", "answer"),
    [
        ("<think>\nWell\n</think>\n\nYes.", "", "Yes."),
        ("Well\n</think>\n\nYes.", "assistant\n<think>\n", "Yes."),
        ("\n</think>\n\n<think>Hm</think>Yes.", "", "Yes."),
        ("<|channel|>analysis<|message|>Hm<|start|>assistant<|channel|>final<|message|>Yes.", "", "Yes."),
        ("<|channel|>final<|message|>Yes.", "", "Yes."),
        ("[THINK]<think>[/THINK]Yes.", "", "Yes."),
        # What is written later on is part of the answer.
        ("Write <think>so</think>.", "", "Write <think>so</think>."),
        (" <thin", "", " <thin"),
        ("<think>Hm", "", ""),
    ],
)
def test_thoughts_are_held_back_however_the_text_is_cut(text: str, prompt: str, answer: str) -> None:
    assert {_let_through([text[:cut], text[cut:]], prompt) for cut in range(len(text))} == {answer}
    assert _let_through(list(text), prompt) == answer


def test_templates_are_told_by_the_variables_that_they_know() -> None:
    assert ThinkingStyle.of("{% if enable_thinking %}", {}).arguments(False) == {"enable_thinking": False}
    assert ThinkingStyle.of({"default": "{{ thinking }}"}, {}).arguments(True) == {"thinking": True}
    budget = ThinkingStyle.of("{{ thinking_budget }}", {})
    assert (budget.arguments(False), budget.arguments(True)) == ({"thinking_budget": 0}, {})
    assert not ThinkingStyle.of("{{ messages }}", {}).possible
    assert not ThinkingStyle.of(None, {}).possible


def test_the_tokens_of_several_answers_add_up() -> None:
    assert Usage(1, 5, 2) + Usage(1, 1) == Usage(2, 6, 2)
    assert Answer.from_dict(Answer("a", model="b", usage=Usage(1, 5, 2)).to_dict()).usage == Usage(1, 5, 2)
