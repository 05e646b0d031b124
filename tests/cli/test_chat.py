"""``sensorium chat``, ``ask`` and ``caption`` on checkpoints in the hub's layout and behind a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.checkpoints.vision_language import tiny_blip, tiny_blip_2, tiny_llava
from tests.cli.conftest import Run, documents
from tests.openai_server import OpenAIServer, images_in, serve_openai


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llava(tmp_path_factory.mktemp("checkpoints") / "tiny-llava", context=1024)


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with serve_openai() as running:
        yield running


def test_a_folder_and_sampling(run: Run, desk: Path, llava: Path) -> None:
    options = ["--model", llava, "--temperature", "1", "--top-p", "0.9", "--max-tokens", "12", "--json"]
    first, second = documents(run("chat", "cat.jpg", *options, "--seed", "5", input="What is it?\nWhere?\n").stdout)
    assert (first["model"], first["seed"], first["question"]) == ("tiny-llava", 5, "What is it?")
    assert documents(run("chat", "cat.jpg", *options, "--seed", "5", input="What is it?\n").stdout) == [first]
    (other,) = documents(run("chat", "cat.jpg", *options, "--seed", "6", input="What is it?\n").stdout)
    assert other["text"] != first["text"]
    assert second["question"] == "Where?"
    (marked,) = documents(run("chat", "cat.jpg", *options, "--seed", "5", input="\ufeffWhat is it?\r\n").stdout)
    assert marked == first


def test_the_history_is_kept_and_gone_on_with(run: Run, desk: Path, server: OpenAIServer) -> None:
    asked = run(
        "chat", "cat.jpg", "--history", "t.json", "-m", server.model(), "--system", "Be brief.", input="What?\n"
    )
    assert (asked.exit_code, asked.stdout) == (0, "A cat on a mat.\n")
    server.answer = lambda body: ["Brown."]
    for again in (["--history", "t.json"], ["cat.jpg", "--history", "t.json"]):
        assert run("chat", *again, input="What colour?\n").stdout == "Brown.\n"
    said = [turn["content"] for turn in json.loads((desk / "t.json").read_text())["turns"]]
    assert said == ["What?", "A cat on a mat.", *["What colour?", "Brown."] * 2]
    body = server.requests[-1].body
    assert (len(images_in(body)), body["messages"][0]["content"]) == (1, "Be brief.")


def test_what_does_not_go_together(run: Run, desk: Path, server: OpenAIServer) -> None:
    run("chat", "cat.jpg", "--history", "t.json", "-m", server.model(), input="What?\n")
    kept = (desk / "t.json").read_bytes()
    for arguments, complaint in (
        (["photos/coffee.png", "--history", "t.json"], "about other pictures"),
        (["--history", "t.json", "--system", "Be rude."], "system prompt of its own"),
        (["cat.jpg", "--temperature", "3"], "temperature 3.0 is not between"),
    ):
        refused = run("chat", *arguments, input="What?\n")
        assert refused.exit_code != 0
        assert complaint in refused.stderr
        assert (desk / "t.json").read_bytes() == kept
    (desk / "t.json").write_text("{}")
    assert "not a saved conversation" in run("chat", "--history", "t.json", input="What?\n").stderr


def test_words_alone_and_a_stop(run: Run, desk: Path, server: OpenAIServer) -> None:
    said = run("chat", "-m", server.model(), "--stop", "mat", "--stop", "dog", input="What?\n")
    assert (said.exit_code, said.stdout) == (0, "A cat on a \n")
    body = server.requests[-1].body
    assert (images_in(body), body["stop"]) == ([], ["mat", "dog"])


def test_numbers_are_looked_at_before_anything_is_loaded(run: Run, desk: Path) -> None:
    refused = run("chat", "cat.jpg", "-m", "nobody/knows", "--temperature", "3")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "temperature 3.0 is not between" in refused.stderr


def test_captions_and_questions_by_the_checkpoints_of_the_chapter(
    run: Run, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opt = tiny_blip_2(tmp_path / "tiny-opt")
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", f"blip2-opt-2.7b={opt}")
    (caption,) = documents(run("caption", "cat.jpg", "--profile", "standard", "--json").stdout)
    assert caption["model"] == "tiny-opt"
    (answer,) = documents(run("ask", "cat.jpg", "What is it?", "--model", "blip2-opt-2.7b", "--json").stdout)
    assert (answer["model"], answer["question"]) == ("tiny-opt", "What is it?")


def test_a_head_that_can_not_is_one_line_with_the_remedy(run: Run, desk: Path, tmp_path: Path) -> None:
    blip = tiny_blip(tmp_path / "tiny-blip")
    refused = run("ask", "cat.jpg", "What is it?", "--model", blip)
    assert refused.exit_code != 0
    assert refused.stderr.count("\n") == 1
    assert "Salesforce/blip-vqa-base" in refused.stderr


def test_captions_of_many_pictures_go_through_the_model_together(
    run: Run, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sensorium.vision_language.families.blip import BlipCaptioner

    passes: list[int] = []
    caption = BlipCaptioner.caption

    def counting(self: BlipCaptioner, images: Any, **options: Any) -> Any:
        passes.append(len(images))
        return caption(self, images, **options)

    blip = tiny_blip(tmp_path / "tiny-blip")
    monkeypatch.setattr(BlipCaptioner, "caption", counting)
    together = run("caption", "cat.jpg", "photos/coffee.png", "photos/rocket.jpg", "--model", blip)
    assert (together.exit_code, passes) == (0, [3])
    (desk / "broken.jpg").write_text("This is no picture.")
    alone = run("caption", "cat.jpg", "broken.jpg", "photos/coffee.png", "photos/rocket.jpg", "--model", blip)
    assert (alone.exit_code, passes) == (1, [3, 3])
    assert alone.stdout == together.stdout
    assert "broken.jpg is not a picture" in alone.stderr
