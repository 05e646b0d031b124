"""LLaVA and ImageQA on tiny image-text-to-text checkpoints, held against transformers' own code on the same files."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

from sensorium import ImageQA, LLaVA
from sensorium.errors import (
    CancelledError,
    InputError,
    InsufficientMemoryError,
    MissingDependencyError,
    ModelUnavailableError,
    UnsupportedError,
)
from sensorium.models import device
from sensorium.progress import Progress
from sensorium.suitability import tasks_for
from tests.language.tiny_language_models import tiny_causal_language_model
from tests.refusals import refused
from tests.vision_language.conftest import TinyCheckpoint

EXAMPLES = Path(__file__).parents[3] / "examples"
FAMILIES = (
    *("llava", "llava_next", "llava_onevision", "qwen2_vl", "qwen2_5_vl", "qwen3_vl"),
    *("idefics3", "smolvlm", "internvl"),
)
ASKED = [{"role": "user", "content": "What is this?"}]
TALK = [
    {"role": "user", "content": "What is the difference, and where?"},
    {"role": "assistant", "content": "The second one has a person."},
    {"role": "user", "content": "What colour is it?"},
]
LENGTH = 24

Picture = PIL.Image.Image
Turn = dict[str, Any]


def as_parts(turns: list[Turn], pictures: list[Picture]) -> list[Turn]:
    """Return a conversation in the form that transformers documents; the pictures join the first turn of the user."""
    parts: list[Turn] = [
        {"role": turn["role"], "content": [{"type": "text", "text": turn["content"]}]}
        if isinstance(turn["content"], str)
        else dict(turn)
        for turn in turns
    ]
    first = next(turn for turn in parts if turn["role"] == "user")
    first["content"] = [*({"type": "image", "image": picture} for picture in pictures), *first["content"]]
    return parts


def pictures_in(turns: list[Turn]) -> list[Picture]:
    """Return the pictures that stand in turns themselves."""
    parts = [part for turn in turns if not isinstance(turn["content"], str) for part in turn["content"]]
    return [part["image"] for part in parts if part["type"] == "image"]


def by_the_processor(folder: Path, pictures: list[Picture], turns: list[Turn]) -> Any:
    """Return inputs as transformers' documentation makes them."""
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(folder).apply_chat_template(
        as_parts(turns, pictures), add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )


def by_hand(folder: Path, pictures: list[Picture], turns: list[Turn]) -> Any:
    """Return inputs for processors that don't open without torchvision: their parts, put together as they do it."""
    from transformers import AutoImageProcessor, AutoTokenizer

    template = folder / "chat_template.json"
    text = (
        json.loads(template.read_text())["chat_template"]
        if template.is_file()
        else (folder / "chat_template.jinja").read_text()
    )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template(
        as_parts(turns, pictures), chat_template=text, add_generation_prompt=True, tokenize=False
    )
    family = json.loads((folder / "config.json").read_text())["model_type"]
    pictures = [*pictures, *pictures_in(turns)]
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    options, placeholder, runs = EXPANSIONS[family]
    nested = family in ("smolvlm", "llava_onevision")
    images = processor([pictures] if nested else pictures, return_tensors="pt", **options)
    expanded = iter(runs(folder, images))
    prompt = re.sub(re.escape(placeholder), lambda _: next(expanded), prompt)
    inputs = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
    if family.startswith("qwen"):
        kinds = inputs["input_ids"] == tokenizer.convert_tokens_to_ids(placeholder)
        inputs["mm_token_type_ids"] = kinds.long()
    return {**inputs, **MORE.get(family, dict)(images)}


def _qwen_runs(folder: Path, images: Any) -> list[str]:
    return ["<|image_pad|>" * (int(grid.prod()) // 4) for grid in images["image_grid_thw"]]


def _internvl_runs(folder: Path, images: Any) -> list[str]:
    return [f"<img>{'<IMG_CONTEXT>' * 4 * int(patches)}</img>" for patches in images["num_patches"]]


def _onevision_runs(folder: Path, images: Any) -> list[str]:
    """As many tokens as the model makes features of each picture."""
    from transformers import LlavaOnevisionForConditionalGeneration

    model = LlavaOnevisionForConditionalGeneration.from_pretrained(folder)
    features = model.get_image_features(**images).pooler_output
    return ["<image>" * len(rows) for rows in features]


def _smolvlm_runs(folder: Path, images: Any) -> list[str]:
    from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

    rows, columns = images["rows"][0], images["cols"][0]
    own = {
        "image_token": "<image>",
        "fake_token_around_image": "<fake_token_around_image>",
        "global_image_token": "<global-img>",
    }
    return [get_image_prompt_string(row, column, 4, **own) for row, column in zip(rows, columns, strict=True)]


Expansion = tuple[dict[str, Any], str, Callable[[Path, Any], list[str]]]
EXPANSIONS: dict[str, Expansion] = {
    **dict.fromkeys(("qwen2_vl", "qwen2_5_vl", "qwen3_vl"), ({}, "<|image_pad|>", _qwen_runs)),
    "internvl": ({"crop_to_patches": True}, "<IMG_CONTEXT>", _internvl_runs),
    "llava_onevision": ({}, "<image>", _onevision_runs),
    "smolvlm": ({"return_row_col_info": True}, "<image>", _smolvlm_runs),
}
MORE: dict[str, Callable[[Any], dict[str, Any]]] = {
    "internvl": lambda images: {"pixel_values": images["pixel_values"]},
    "smolvlm": lambda images: {name: images[name] for name in ("pixel_values", "pixel_attention_mask")},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_transformers(
    family: str,
    tiny: TinyCheckpoint,
    pictures: list[Picture],
    generated: list[list[list[int]]],
    parity: Callable[[str, str, str], None],
) -> None:
    from transformers import AutoModelForImageTextToText

    folder = tiny(family)
    model = AutoModelForImageTextToText.from_pretrained(folder)
    prepare = by_hand if family in EXPANSIONS else by_the_processor
    answers = []
    with LLaVA(folder) as llava:
        for shown, turns in ((pictures[:1], ASKED), (pictures[1:2], ASKED), (pictures[:2], TALK)):
            inputs = prepare(folder, shown, turns)
            theirs = model.generate(**inputs, max_new_tokens=LENGTH, do_sample=False)[0].tolist()
            answer = llava.chat(shown, turns, max_new_tokens=LENGTH)
            assert generated[-1][0] == theirs
            assert len(theirs) > inputs["input_ids"].shape[1]
            streamed = "".join(llava.stream(shown, turns, max_new_tokens=LENGTH))
            assert generated[-1][0] == theirs
            assert streamed.strip() == answer
            answers.append(answer)
    # The check means something: another picture gets another answer.
    assert answers[0] != answers[1]
    called = "AutoProcessor + generate" if prepare is by_the_processor else "image processor, tokenizer + generate"
    parity(f"LLaVA: {family}", f"{type(model).__name__}: {called}", "token-identical")


@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_in_later_turns_equal_transformers(
    family: str, tiny: TinyCheckpoint, pictures: list[Picture], generated: list[list[list[int]]]
) -> None:
    from transformers import AutoModelForImageTextToText

    talk: list[Turn] = [
        {"role": "user", "content": "I have two pictures."},
        {"role": "assistant", "content": "Show me."},
        {"role": "user", "content": [{"type": "image", "image": pictures[0]}, {"type": "text", "text": "One."}]},
        {"role": "assistant", "content": "And the other?"},
        {"role": "user", "content": [{"type": "image", "image": pictures[1]}, {"type": "text", "text": "Compare."}]},
    ]
    prepare = by_hand if family in EXPANSIONS else by_the_processor
    inputs = prepare(tiny(family), [], talk)
    theirs = AutoModelForImageTextToText.from_pretrained(tiny(family)).generate(
        **inputs, max_new_tokens=8, do_sample=False
    )
    with LLaVA(tiny(family)) as llava:
        answer = llava.chat(None, talk, max_new_tokens=8)
        assert generated[-1] == theirs.tolist()
        assert answer.usage is not None
        assert answer.usage.prompt_tokens == inputs["input_ids"].shape[1]
        # The same pictures elsewhere are another conversation.
        turned = [*talk[:2], talk[4], talk[3], talk[2]]
        llava.chat([], turned, max_new_tokens=8)
        assert generated[-1] != theirs.tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_text_alone_is_a_conversation_too(family: str, tiny: TinyCheckpoint, generated: list[list[list[int]]]) -> None:
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    folder = tiny(family)
    kept = folder / "chat_template.json"
    template = (
        json.loads(kept.read_text())["chat_template"]
        if kept.is_file()
        else (folder / "chat_template.jinja").read_text()
    )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template(
        as_parts(TALK, []), chat_template=template, add_generation_prompt=True, tokenize=False
    )
    start = tokenizer.bos_token
    inputs = tokenizer(prompt, add_special_tokens=not (start and prompt.startswith(start)), return_tensors="pt")
    inputs.pop("token_type_ids", None)
    theirs = AutoModelForImageTextToText.from_pretrained(folder).generate(**inputs, max_new_tokens=8, do_sample=False)
    with LLaVA(folder) as llava:
        answer = llava.chat(None, TALK, max_new_tokens=8)
        assert generated[-1] == theirs.tolist()
        assert answer.finish_reason == ("stop" if answer.usage.completion_tokens < 8 else "length")  # type: ignore[union-attr]


@pytest.mark.parametrize("options", [{}, {"temperature": 1.0, "seed": 5}, {"stop": ["e", "a"]}])
def test_a_stream_ends_with_the_result_of_the_whole_call(
    options: dict[str, Any], tiny: TinyCheckpoint, pictures: list[Picture]
) -> None:
    with LLaVA(tiny("llava")) as llava:
        whole = llava.chat(pictures[0], TALK, max_new_tokens=LENGTH, **options)
        stream = llava.stream(pictures[0], TALK, max_new_tokens=LENGTH, **options)
        assert "".join(stream).strip() == whole == stream.result
        assert stream.result.origin() == whole.origin()
        assert whole.seed == options.get("seed")
        if "stop" in options:
            assert whole.finish_reason == "stop"
            assert not {"e", "a"} & set(whole)


def test_several_turns_of_one_role_are_one(tiny: TinyCheckpoint, pictures: list[Picture]) -> None:
    apart = [{"role": "user", "content": "What is this?"}, {"role": "user", "content": "Be exact."}]
    together = [{"role": "user", "content": "What is this?\n\nBe exact."}]
    with LLaVA(tiny("llava")) as llava:
        expected = llava.chat(pictures[0], together, max_new_tokens=8)
        assert llava.chat(pictures[0], apart, max_new_tokens=8) == expected


def test_recordings_and_films_are_refused(tiny: TinyCheckpoint) -> None:
    with LLaVA(tiny("llava")) as llava:
        for kind, remedy in (("audio", "SpeechToText"), ("video", "VideoQA")):
            with pytest.raises(UnsupportedError, match=f"'llava' takes none.*{remedy}"):
                llava.chat(None, [{"role": "user", "content": [{"type": kind, kind: "file"}, "What is it?"]}])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_gives_the_tokens_of_one_at_a_time(
    family: str, tiny: TinyCheckpoint, pictures: list[Picture], generated: list[list[list[int]]]
) -> None:
    questions = ["What is this?", "What is the person in the middle of this picture doing?", "Where?"]
    with ImageQA(tiny(family)) as image_qa:
        together = image_qa.answer_question(pictures, questions)
        (passes,) = generated
        assert len(passes) == 3
        alone = [image_qa.answer_question(picture, text) for picture, text in zip(pictures, questions, strict=True)]
        assert len(generated) == 4
        assert together == alone
        assert [answer.origin() for answer in together] == [answer.origin() for answer in alone]
        assert len({answer.usage["prompt_tokens"] for answer in together}) > 1  # type: ignore[index]
        assert len(set(together)) == 3
        captions = image_qa.generate_caption(pictures)
        assert captions == [image_qa.generate_caption(picture) for picture in pictures]
    assert together[0].model == family


@pytest.mark.parametrize("family", ["qwen2_vl", "blip2-opt"])
@pytest.mark.usefixtures("slow_tokenizers")
def test_threads_that_ask_about_one_picture_and_about_several(
    family: str, tiny: TinyCheckpoint, pictures: list[Picture]
) -> None:
    questions = ["What is this?", "Where?"]
    with ImageQA(tiny(family)) as image_qa:

        def ask(several: bool) -> Any:
            if several:  # padded to the longest
                return image_qa.answer_question(pictures[:2], questions)
            return image_qa.answer_question(pictures[0], questions[0])

        expected = [ask(True), ask(False)]
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(ask, [True, False] * 4)) == expected * 4


def test_long_lists_go_in_groups_with_progress(tiny: TinyCheckpoint, pictures: list[Picture]) -> None:
    told: list[Progress] = []
    with ImageQA(tiny("qwen2_vl")) as image_qa:
        answers = image_qa.generate_caption(pictures * 2, progress=told.append)
    assert len(answers) == 6
    assert answers[:3] == answers[3:]
    assert [report.done for report in told if report.stage == "captioning"] == [0, 4, 6]


def test_the_pictures_are_in_the_first_turn_of_the_user(
    tiny: TinyCheckpoint, pictures: list[Picture], generated: list[list[list[int]]]
) -> None:
    from transformers import AutoTokenizer

    with LLaVA(tiny("llava")) as llava:
        llava.chat(pictures[0], TALK, system="Be brief.", max_new_tokens=2)
    text = AutoTokenizer.from_pretrained(tiny("llava")).decode(generated[-1][0])
    assert re.search(r"Be brief\. USER: (<image>){16}\s+What is the difference", text)
    assert text.count("<image>") == 16


def test_answers_carry_neither_prompt_nor_special_tokens(tiny: TinyCheckpoint, pictures: list[Picture]) -> None:
    from transformers import AutoTokenizer

    for family in FAMILIES:
        with LLaVA(tiny(family)) as llava:
            answer = llava.chat(pictures[0], ASKED, max_new_tokens=40, temperature=2.0, seed=3)
        special = AutoTokenizer.from_pretrained(tiny(family)).all_special_tokens
        assert not [token for token in special if token in answer]
        assert "What is this?" not in answer


def test_weights_are_shared_between_tasks(tiny: TinyCheckpoint, pictures: list[Picture]) -> None:
    with LLaVA(tiny("llava")) as llava, ImageQA(tiny("llava")) as image_qa:
        assert llava.backend._model is image_qa.backend._model  # type: ignore[attr-defined]


class TestSampling:
    """Repeatable by its seed, whatever else the process does."""

    def test_a_seed_repeats_an_answer(self, tiny: TinyCheckpoint, pictures: list[Picture]) -> None:
        with LLaVA(tiny("llava")) as llava:
            first = llava.chat(pictures[0], ASKED, max_new_tokens=LENGTH, temperature=1.0, seed=7)
            torch.manual_seed(99)
            state = torch.random.get_rng_state()
            again = llava.chat(pictures[0], ASKED, max_new_tokens=LENGTH, temperature=1.0, seed=7)
            assert torch.equal(torch.random.get_rng_state(), state)
            other = llava.chat(pictures[0], ASKED, max_new_tokens=LENGTH, temperature=1.0, seed=8)
            streamed = "".join(llava.stream(pictures[0], ASKED, max_new_tokens=LENGTH, temperature=1.0, seed=7))
        assert first == again == streamed.strip()
        assert other != first
        assert (first.seed, first.to_dict()["seed"]) == (7, 7)

    def test_a_drawn_seed_is_told_and_repeats(self, tiny: TinyCheckpoint, pictures: list[Picture]) -> None:
        with LLaVA(tiny("llava")) as llava:
            drawn = llava.chat(pictures[0], ASKED, max_new_tokens=LENGTH, temperature=1.5)
            again = llava.chat(pictures[0], ASKED, max_new_tokens=LENGTH, temperature=1.5, seed=drawn.seed)
            certain = llava.chat(pictures[0], ASKED, max_new_tokens=LENGTH)
        assert drawn == again
        assert certain.seed is None
        assert "seed" not in certain.to_dict()

    def test_a_tiny_top_p_is_the_likeliest_token(self, tiny: TinyCheckpoint, pictures: list[Picture]) -> None:
        with LLaVA(tiny("llava")) as llava:
            narrow = llava.chat(pictures[0], ASKED, max_new_tokens=LENGTH, temperature=1.0, top_p=1e-6, seed=1)
            assert narrow == llava.chat(pictures[0], ASKED, max_new_tokens=LENGTH)

    def test_two_threads_do_not_disturb_each_other(self, tiny: TinyCheckpoint, pictures: list[Picture]) -> None:
        with LLaVA(tiny("llava")) as llava:

            def write(seed: int) -> str:
                return llava.chat(pictures[0], ASKED, max_new_tokens=LENGTH, temperature=1.0, seed=seed)

            alone = [write(seed) for seed in range(4)]
            found: dict[int, str] = {}
            threads = [
                threading.Thread(target=lambda seed=seed: found.update({seed: write(seed)}))  # type: ignore[misc]
                for seed in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert [found[seed] for seed in range(4)] == alone

    @pytest.mark.parametrize(
        ("wrong", "complaint"),
        [
            ({"max_new_tokens": 0}, "max_new_tokens is 0"),
            ({"temperature": -0.1}, "temperature -0.1 is not between"),
            ({"temperature": 3.0}, "temperature 3.0 is not between"),
            ({"temperature": float("nan")}, "temperature nan is not between"),
            ({"top_p": 0.0}, "top_p is 0.0"),
            ({"top_p": 1.5}, "top_p is 1.5"),
            ({"seed": -1}, "seed -1 is not between"),
        ],
    )
    def test_numbers_are_checked_before_anything_is_loaded(
        self, tmp_path: Path, wrong: dict[str, Any], complaint: str
    ) -> None:
        llava = LLaVA(tmp_path)
        with pytest.raises(InputError, match=re.escape(complaint)):
            llava.chat("nowhere.jpg", ASKED, **wrong)
        with pytest.raises(InputError, match=re.escape(complaint)):
            llava.stream("nowhere.jpg", ASKED, **wrong)


class TestStopping:
    """Streams end when they are told to, and leave no thread behind."""

    @staticmethod
    def _threads() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "sensorium-generate"]

    def test_closing_a_stream_stops_the_model(self, tiny: TinyCheckpoint, pictures: list[Picture]) -> None:
        told: list[Progress] = []
        with LLaVA(tiny("qwen2_vl")) as llava:
            pieces = llava.stream(pictures[0], ASKED, max_new_tokens=900, temperature=1.0, seed=1, progress=told.append)
            next(pieces)
            next(pieces)
            pieces.close()
            assert self._threads() == []
            written = [report.done for report in told if report.stage == "writing"]
            assert 2 <= len(written) < 500
            assert llava.chat(pictures[0], ASKED, max_new_tokens=3)

    def test_a_stream_that_is_thrown_away_stops_too(self, tiny: TinyCheckpoint, pictures: list[Picture]) -> None:
        with LLaVA(tiny("qwen2_vl")) as llava:
            llava.stream(pictures[0], ASKED, max_new_tokens=900)
            pieces = llava.stream(pictures[0], ASKED, max_new_tokens=900, temperature=1.0, seed=1)
            next(pieces)
            del pieces
            assert self._threads() == []

    def test_another_call_waits_for_a_stream_that_nobody_reads(
        self, tiny: TinyCheckpoint, pictures: list[Picture]
    ) -> None:
        with LLaVA(tiny("llava")) as llava:
            pieces = llava.stream(pictures[0], ASKED, max_new_tokens=LENGTH)
            first = next(pieces)
            whole = llava.chat(pictures[0], ASKED, max_new_tokens=LENGTH)
            assert (first + "".join(pieces)).strip() == whole

    @pytest.mark.parametrize("streamed", [True, False])
    def test_cancel_stops_within_a_token(self, tiny: TinyCheckpoint, pictures: list[Picture], streamed: bool) -> None:
        cancel = threading.Event()
        told: list[Progress] = []

        def watch(report: Progress) -> None:
            told.append(report)
            if report.stage == "writing" and report.done == 5:
                cancel.set()

        with LLaVA(tiny("qwen2_vl")) as llava:
            call: Any = llava.chat if not streamed else lambda *given, **more: list(llava.stream(*given, **more))
            with pytest.raises(CancelledError):
                call(pictures[0], ASKED, max_new_tokens=900, temperature=1.0, seed=1, progress=watch, cancel=cancel)
            assert self._threads() == []
            assert max(report.done for report in told if report.stage == "writing") <= 6
            with pytest.raises(CancelledError):
                list(llava.stream(pictures[0], ASKED, cancel=cancel))


class TestRefusals:
    """One plain sentence and a remedy for what can't be done."""

    def test_beyond_the_context_window(self, tiny: TinyCheckpoint, pictures: list[Picture]) -> None:
        with LLaVA(tiny("llava")) as llava:
            with pytest.raises(InputError, match=r"31 tokens with its 1 picture, and the answer may have 512.*256 in"):
                llava.chat(pictures[0], ASKED)
            with pytest.raises(InputError, match=r"with its 20 pictures.*fewer pictures"):
                llava.stream([pictures[0]] * 20, ASKED, max_new_tokens=8)

    def test_words_that_the_checkpoint_reserves(self, tiny: TinyCheckpoint, pictures: list[Picture]) -> None:
        with LLaVA(tiny("llava")) as llava:
            for word in ("<image>", "</s>"):
                with pytest.raises(InputError, match=f"{word}.*reserves for itself"):
                    llava.chat(pictures[0], [{"role": "user", "content": f"What is {word} here?"}])
            said = [ASKED[0], {"role": "assistant", "content": "A cat</s>."}, ASKED[0]]
            plain = [ASKED[0], {"role": "assistant", "content": "A cat."}, ASKED[0]]
            assert llava.chat(pictures[0], said, max_new_tokens=9) == llava.chat(pictures[0], plain, max_new_tokens=9)

    def test_a_template_without_system_prompts(self, tiny: TinyCheckpoint, pictures: list[Picture]) -> None:
        with (
            LLaVA(tiny("llava_next")) as llava,
            pytest.raises(UnsupportedError, match=r"can't write this conversation with a system prompt.*Leave out"),
        ):
            llava.chat(pictures[0], ASKED, system="Be brief.", max_new_tokens=4)

    def test_a_checkpoint_of_another_family(self, tiny: TinyCheckpoint, tmp_path: Path) -> None:
        text_only = tiny_causal_language_model(tmp_path / "words-only")
        with pytest.raises(UnsupportedError, match=r"LLaVA can't use 'words-only': its family is 'llama'"):
            LLaVA(text_only).load()
        for name in ("blip-caption", "blip2-opt"):
            with refused(UnsupportedError, name, "image-question-answering", "image-chat"):
                LLaVA(tiny(name)).load()
            assert tasks_for(ImageQA(tiny(name)).checkpoint, tiny(name)) == ("image-question-answering",)

    def test_a_checkpoint_without_a_chat_template(self, tiny: TinyCheckpoint, tmp_path: Path) -> None:
        shutil.copytree(tiny("llava"), tmp_path / "untalkative")
        (tmp_path / "untalkative" / "chat_template.json").unlink()
        assert tasks_for(LLaVA(tmp_path / "untalkative").checkpoint, tmp_path / "untalkative") == ()
        for task in (LLaVA, ImageQA):
            with pytest.raises(UnsupportedError, match="'untalkative' has no chat template"):
                task(tmp_path / "untalkative").load()

    @pytest.mark.parametrize("kind", ["Llama4ImageProcessor", "Cohere2VisionImageProcessor"])
    def test_a_processor_that_needs_torchvision(self, kind: str, tiny: TinyCheckpoint, tmp_path: Path) -> None:
        shutil.copytree(tiny("llava"), tmp_path / "other")
        settings = json.loads((tmp_path / "other" / "preprocessor_config.json").read_text())
        (tmp_path / "other" / "preprocessor_config.json").write_text(
            json.dumps({**settings, "image_processor_type": kind})
        )
        with refused(MissingDependencyError, "'other'", "pip install torchvision==", torch.__version__):
            LLaVA(tmp_path / "other").load()

    def test_a_processor_class_that_needs_torchvision(self, tiny: TinyCheckpoint, tmp_path: Path) -> None:
        folder = shutil.copytree(tiny("llava"), tmp_path / "other")
        settings = json.loads((folder / "processor_config.json").read_text())
        (folder / "processor_config.json").write_text(json.dumps({**settings, "processor_class": "PixtralProcessor"}))
        with refused(MissingDependencyError, "'other'", "pip install torchvision==", torch.__version__):
            LLaVA(folder).load()

    def test_a_processor_with_a_part_of_its_own(self, tiny: TinyCheckpoint, tmp_path: Path) -> None:
        folder = shutil.copytree(tiny("llava"), tmp_path / "other")
        settings = json.loads((folder / "processor_config.json").read_text())
        settings["processor_class"] = "InstructBlipProcessor"
        (folder / "processor_config.json").write_text(json.dumps(settings))
        with refused(UnsupportedError, "'other'", "qformer_tokenizer") as refusal:
            LLaVA(folder).load()
        assert "torchvision" not in str(refusal.value)

    @pytest.mark.parametrize(
        ("file", "complaint"),
        [
            ("model.safetensors", "model.safetensors is missing"),
            ("preprocessor_config.json", "files of its AutoImageProcessor are missing"),
            ("tokenizer.json", "files of its AutoTokenizer are missing|tokenizer's tokenizer.json or .* is missing"),
            ("config.json", "has no config.json"),
        ],
    )
    def test_a_half_downloaded_checkpoint(
        self, tiny: TinyCheckpoint, tmp_path: Path, file: str, complaint: str
    ) -> None:
        shutil.copytree(tiny("llava"), tmp_path / "half")
        (tmp_path / "half" / file).unlink()
        with pytest.raises(ModelUnavailableError, match=complaint):
            LLaVA(tmp_path / "half").load()

    def test_a_missing_shard(self, tiny: TinyCheckpoint, tmp_path: Path) -> None:
        from transformers import LlavaForConditionalGeneration

        shutil.copytree(tiny("llava"), tmp_path / "shards")
        (tmp_path / "shards" / "model.safetensors").unlink()
        LlavaForConditionalGeneration.from_pretrained(tiny("llava")).save_pretrained(
            tmp_path / "shards", max_shard_size="100KB"
        )
        with LLaVA(tmp_path / "shards"):
            pass
        max((tmp_path / "shards").glob("*.safetensors")).unlink()
        with pytest.raises(ModelUnavailableError, match=r"model-\d+-of-\d+\.safetensors is missing"):
            LLaVA(tmp_path / "shards").load()

    def test_out_of_memory(
        self, tiny: TinyCheckpoint, pictures: list[Picture], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from transformers import GenerationMixin

        def full(*arguments: Any, **options: Any) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

        with LLaVA(tiny("llava")) as llava:
            monkeypatch.setattr(GenerationMixin, "generate", full)
            for call in (llava.chat, lambda *given, **more: list(llava.stream(*given, **more))):
                with pytest.raises(InsufficientMemoryError, match=r"needs more memory than is left.*smaller pictures"):
                    call(pictures[0], ASKED, max_new_tokens=4)
        monkeypatch.setattr(device, "available_memory", lambda: 1000)
        with pytest.raises(InsufficientMemoryError, match=r"The weights need 0\.0 GB"):
            LLaVA(tiny("llava")).load()

    def test_a_text_file_called_jpg(self, tiny: TinyCheckpoint, tmp_path: Path) -> None:
        (tmp_path / "letter.jpg").write_text("Dear reader, this is no picture.\n" * 20)
        with pytest.raises(InputError, match=r"letter\.jpg is not a picture"):
            LLaVA(tiny("llava")).chat(tmp_path / "letter.jpg", ASKED)

    def test_a_picture_too_narrow_for_the_processor(self, tiny: TinyCheckpoint) -> None:
        with (
            LLaVA(tiny("qwen2_vl")) as llava,
            pytest.raises(InputError, match=r"can't take one of the pictures; the narrowest is 2000 × 3 pixels"),
        ):
            llava.chat([PIL.Image.new("RGB", (40, 30)), PIL.Image.new("RGB", (2000, 3))], ASKED)

    def test_no_language_is_refused_where_none_is_known(self, tiny: TinyCheckpoint, pictures: list[Picture]) -> None:
        with LLaVA(tiny("llava")) as llava:
            assert llava.chat(pictures[0], [{"role": "user", "content": "图片里有什么？"}], max_new_tokens=4)


def test_a_hub_id_takes_the_same_path(
    tiny: TinyCheckpoint, pictures: list[Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--HuggingFaceTB--SmolVLM-tiny"
    shutil.copytree(tiny("idefics3"), repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    with LLaVA("HuggingFaceTB/SmolVLM-tiny") as hub, LLaVA(tiny("idefics3")) as folder:
        answer = hub.chat(pictures[0], ASKED, max_new_tokens=LENGTH)
        assert answer.model == "HuggingFaceTB/SmolVLM-tiny"
        assert answer == folder.chat(pictures[0], ASKED, max_new_tokens=LENGTH)


def test_older_checkpoints_whose_processor_counts_no_tokens(
    tiny: TinyCheckpoint, pictures: list[Picture], tmp_path: Path
) -> None:
    shutil.copytree(tiny("llava"), tmp_path / "llava")
    settings = json.loads((tmp_path / "llava" / "processor_config.json").read_text())
    del settings["patch_size"], settings["vision_feature_select_strategy"]
    (tmp_path / "llava" / "processor_config.json").write_text(json.dumps(settings))
    with LLaVA(tmp_path / "llava") as older, LLaVA(tiny("llava")) as newer:
        expected = newer.chat(pictures[0], ASKED, max_new_tokens=LENGTH)
        assert older.chat(pictures[0], ASKED, max_new_tokens=LENGTH) == expected


def test_a_template_that_wants_text_gets_text(
    tiny: TinyCheckpoint, pictures: list[Picture], tmp_path: Path, generated: list[list[list[int]]]
) -> None:
    from transformers import AutoTokenizer

    template = "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + ' ' }}{% endfor %}Bot:"
    shutil.copytree(tiny("llava"), tmp_path / "plain")
    (tmp_path / "plain" / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    with LLaVA(tmp_path / "plain") as llava:
        llava.chat(pictures[0], ASKED, max_new_tokens=2)
    text = AutoTokenizer.from_pretrained(tiny("llava")).decode(generated[-1][0])
    assert re.search(r"user: (<image>){16}\s+What is this\? Bot:", text)


def test_the_example_of_the_chapter_runs_on_the_standard_profile(
    tiny: TinyCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.checkpoints.vision_language import tiny_llava

    folder = tiny_llava(tmp_path / "roomy", context=2048)
    shutil.copy(_photo(), tmp_path / "complex_scene.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENSORIUM_PROFILE", "standard")
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", f"llava-1.5-7b={folder}")
    runpy.run_path(str(EXAMPLES / "llava.py"))
    assert len(capsys.readouterr().out) > 40


def _photo() -> Path:
    from tests.real_media import photo

    return photo("messi")
