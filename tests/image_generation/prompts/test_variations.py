"""Prompts with choices and lists of words."""

from __future__ import annotations

import collections
import time
from pathlib import Path

import pytest

from sensorium.errors import InputError
from sensorium.image_generation.prompt_engineer import PromptEngineer
from sensorium.image_generation.prompts.variations import MAXIMUM_VARIATIONS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "animal").mkdir()
    (tmp_path / "colour.txt").write_text("# warm\nred\n\n  orange \n# cold\nblue\n", encoding="utf-8")
    (tmp_path / "animal" / "bird.txt").write_text("heron\n{a|two} __colour__ wrens\n", encoding="utf-8")
    (tmp_path / "french.txt").write_text("\ufeffété\r\nœuvre\r\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def engineer(folder: Path) -> PromptEngineer:
    return PromptEngineer(wildcards=folder)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a car", ["a car"]),
        ("{red|green} car", ["red car", "green car"]),
        ("{red|green|} car", ["red car", "green car", " car"]),
        ("{a|b}{c|d}", ["ac", "ad", "bc", "bd"]),
        ("{a|{b|c} d}", ["a", "b d", "c d"]),
        ("{a|a|b}", ["a", "b"]),
        ("{3::a|b}", ["a", "b"]),
        ("{0::a|b}", ["b"]),
        ("{2$$a|b|c}", ["a, b", "a, c", "b, c"]),
        ("{1-2$$a|b}", ["a", "b", "a, b"]),
        ("{2$$ and $$a|b|c}", ["a and b", "a and c", "b and c"]),
        ("{2$$a|{b|c}}", ["a, b", "a, c"]),
        ("__colour__ car", ["red car", "orange car", "blue car"]),
        ("{2$$__colour__}", ["red, orange", "red, blue", "orange, blue"]),
        (
            "__animal/bird__",
            ["heron", *(f"{number} {colour} wrens" for number in ("a", "two") for colour in ("red", "orange", "blue"))],
        ),
        ("__french__", ["été", "œuvre"]),
        (r"\{a\|b\} {c|d\|e}", ["{a|b} c", "{a|b} d|e"]),
        ("a | b, snake_case, __ , (word:1.3) [x]", ["a | b, snake_case, __ , (word:1.3) [x]"]),
        ("costs {5$|6$}", ["costs 5$", "costs 6$"]),
    ],
)
def test_all_variations(engineer: PromptEngineer, prompt: str, expected: list[str]) -> None:
    found = engineer.all_variations(prompt)
    assert found == expected
    assert found.seed is None
    assert set(engineer.variations(prompt, 50, seed=1)) == set(expected)


def test_a_seed_gives_the_same_ones_again(engineer: PromptEngineer) -> None:
    prompt = "{a|b|c|d} {e|f|g|h} __colour__ {2$$x|y|z}"
    found = engineer.variations(prompt, 20, seed=7)
    assert found.seed == 7
    assert engineer.variations(prompt, 20, seed=7) == found
    assert engineer.variations(prompt, 5, seed=7) == found[:5]
    assert engineer.variations(prompt, 20, seed=8) != found
    unasked = engineer.variations(prompt, 20)
    assert unasked.seed is not None
    assert engineer.variations(prompt, 20, seed=unasked.seed) == unasked
    assert found.to_dict() == {"prompts": list(found), "seed": 7}


def test_nothing_comes_twice_while_there_is_something_left(engineer: PromptEngineer) -> None:
    found = engineer.variations("{a|b|c} {d|e|f}", 9, seed=3)
    assert len(set(found)) == 9
    assert len(engineer.variations("{a|b}", 5, seed=3)) == 5


def test_numbers_make_options_likelier(engineer: PromptEngineer) -> None:
    drawn = [engineer.variations("{9::a|b}", 1, seed=seed)[0] for seed in range(500)]
    assert 400 < collections.Counter(drawn)["a"] < 490


def test_every_draw_is_one_of_all(engineer: PromptEngineer) -> None:
    prompt = "{1-3$$a|__colour__|{b|c} d} {2::x|y}"
    everything = set(engineer.all_variations(prompt))
    drawn = engineer.variations(prompt, 200, seed=0)
    assert set(drawn) <= everything
    assert len(set(drawn)) == len(everything)


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("", "The prompt is empty"),
        ("  ", "The prompt is empty"),
        ("a {red|green car", "opens a brace that is never closed"),
        ("a {red|{green} car", "opens a brace that is never closed"),
        ("a red} car", "closes a brace that was never opened"),
        ("{3$$a|b}", "asks for 3 of 2 options"),
        ("{0$$a|b}", "asks for 0 of 2 options"),
        ("{2-1$$a|b}", "asks for 2-1 of 2 options"),
        ("{0::a|0::b}", "never to be taken"),
        ("{" * 1000 + "a" + "}" * 1000, "choices inside choices"),
    ],
)
def test_prompts_that_cannot_be_read(engineer: PromptEngineer, prompt: str, reason: str) -> None:
    for use in (lambda: engineer.all_variations(prompt), lambda: engineer.variations(prompt, 3)):
        with pytest.raises(InputError, match=reason) as raised:
            use()
        assert "\n" not in str(raised.value)


def test_a_missing_wildcard_names_the_folder_and_what_is_there(engineer: PromptEngineer, folder: Path) -> None:
    with pytest.raises(InputError) as raised:
        engineer.all_variations("a __vehicle__")
    assert f"no file vehicle.txt in the folder of wildcards '{folder}'" in str(raised.value)
    assert "It has __animal/bird__, __colour__, __french__" in str(raised.value)
    with pytest.raises(InputError, match="Did you mean __colour__"):
        engineer.all_variations("a __color__ car")
    with pytest.raises(InputError, match="no folder of wildcards is named"):
        PromptEngineer().all_variations("a __colour__ car")
    with pytest.raises(InputError, match="There is no such folder"):
        PromptEngineer(wildcards=folder / "absent").all_variations("a __colour__ car")
    for number in range(30):
        (folder / f"list{number:02d}.txt").write_text("word\n")
    with pytest.raises(InputError, match="__list16__ and more"):
        engineer.all_variations("a __vehicle__")
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="It holds no text files at all"):
        PromptEngineer(wildcards=folder / "empty").all_variations("a __colour__ car")


def test_no_file_outside_the_folder_is_read(folder: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    assert PromptEngineer(wildcards=inner).all_variations("__../colour__") == ["__../colour__"]


def test_lists_that_cannot_be_used(engineer: PromptEngineer, folder: Path) -> None:
    (folder / "latin.txt").write_bytes("gr\xfcn".encode("latin-1"))
    (folder / "nothing.txt").write_text("# nothing\n\n")
    (folder / "odd.txt").write_text("{red|green\n")
    for name, reason in (("latin", "not UTF-8"), ("nothing", "is empty"), ("odd", "A line of the wildcard __odd__ op")):
        with pytest.raises(InputError, match=reason):
            engineer.all_variations(f"__{name}__")


def test_wildcards_that_contain_themselves(engineer: PromptEngineer, folder: Path) -> None:
    (folder / "a.txt").write_text("one __b__\n")
    (folder / "b.txt").write_text("two {__c__|x}\n")
    (folder / "c.txt").write_text("three __b__\n")
    for use in (lambda: engineer.all_variations("__a__"), lambda: engineer.variations("__a__", 2)):
        with pytest.raises(InputError, match="The wildcard __b__ contains itself: b → c → b"):
            use()


def test_lists_that_grow_without_end_are_stopped_at_once(engineer: PromptEngineer, folder: Path) -> None:
    started = time.monotonic()
    for number in range(40):
        (folder / f"grow{number}.txt").write_text(f"__grow{number + 1}__ __grow{number + 1}__\n")
        (folder / f"empty{number}.txt").write_text(f"__empty{number + 1}____empty{number + 1}__\n")
    (folder / "grow40.txt").write_text("word\n")
    (folder / "empty40.txt").write_text("{1$$}\n")
    for name in ("grow0", "empty0"):
        with pytest.raises(InputError, match="grows to more than 20,000 characters"):
            engineer.variations(f"__{name}__", 2)
    with pytest.raises(InputError, match="grows to more than 20,000 characters"):
        engineer.all_variations("__grow0__")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("count", [0, -1, MAXIMUM_VARIATIONS + 1, 10**12])
def test_counts_have_limits(engineer: PromptEngineer, count: int) -> None:
    with pytest.raises(InputError, match=f"There can't be {count:,} variations"):
        engineer.variations("{a|b}", count)
    with pytest.raises(InputError, match=f"limit can't be {count:,} variations"):
        engineer.all_variations("{a|b}", limit=count)


def test_too_many_variations_are_refused_before_any_is_made(engineer: PromptEngineer) -> None:
    huge = "{a|b|c|d|e|f|g|h|i|j}" * 500
    with pytest.raises(InputError, match="stands for more than 1,000 variations"):
        engineer.all_variations(huge)
    assert len(engineer.variations(huge, 3, seed=0)) == 3
    assert len(engineer.all_variations("{a|b|c|d|e|f|g|h|i|j}" * 3, limit=1000)) == 1000
    with pytest.raises(InputError, match="more than 999 variations"):
        engineer.all_variations("{a|b|c|d|e|f|g|h|i|j}" * 3, limit=999)
