"""``sensorium classify``, on real photographs with the starter encoder."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sensorium.media import image, source
from tests.cli.conftest import Run, documents

pytestmark = pytest.mark.usefixtures("loaded_clip")


def test_classify_is_a_table_one_row_a_picture(run: Run, desk: Path) -> None:
    result = run("classify", "cat.jpg", "photos", "--labels", "cat,cup of coffee,rocket")
    assert (result.exit_code, result.stderr) == (0, "")
    header, *rows = result.stdout.splitlines()
    assert header.split() == ["FILE", "BEST", "SCORES"]
    best = header.index("BEST")
    scores = header.index("SCORES")
    assert [row[:best].strip() for row in rows] == [
        "cat.jpg",
        *(str(Path("photos", name)) for name in ("cat.png", "coffee.png", "rocket.jpg")),
    ]
    assert [row[best:scores].strip() for row in rows] == ["cat", "cat", "cup of coffee", "rocket"]
    label, score = rows[0][scores:].split()[:2]
    assert label == "cat"
    assert float(score) > 0.9


def test_classify_says_when_it_is_not_sure(run: Run, desk: Path) -> None:
    result = run("classify", "cat.jpg", "--labels", "bicycle,spreadsheet", "--top", "1")
    assert result.exit_code == 0
    row = result.stdout.splitlines()[1]
    assert "not sure" in row
    assert ("bicycle" in row) != ("spreadsheet" in row)


def test_classify_as_json_is_one_document_a_picture(run: Run, desk: Path) -> None:
    result = run("classify", "cat.jpg", "photos/rocket.jpg", "-l", "cat, rocket", "--json")
    assert result.exit_code == 0
    cat, rocket = documents(result.stdout)
    assert cat["input"] == "cat.jpg"
    assert cat["labels"][0]["label"] == "cat"
    assert sum(entry["score"] for entry in cat["labels"]) == pytest.approx(1, abs=1e-5)
    assert (cat["sure"], cat["model"]) == (True, "conse-starter")
    assert rocket["labels"][0]["label"] == "rocket"


def test_one_bad_picture_never_stops_the_others(run: Run, desk: Path) -> None:
    (desk / "photos" / "broken.png").write_bytes((desk / "cat.jpg").read_bytes()[:2000])
    (desk / "notes.png").write_text("no picture")
    result = run("classify", "notes.png", "gone.png", "photos", "--labels", "cat,rocket", "--json", "-q")
    assert result.exit_code == 1
    answers = {document["input"]: document for document in documents(result.stdout)}
    assert len(answers) == 6
    bad = {name for name, document in answers.items() if "error" in document}
    assert bad == {"notes.png", "gone.png", str(Path("photos", "broken.png"))}
    assert answers["notes.png"]["error"]["type"] == "InputError"
    errors = result.stderr.splitlines()
    assert len(errors) == 3
    assert all(line.startswith("Error: ") for line in errors)


def test_only_bad_pictures_is_bad_input(run: Run, desk: Path) -> None:
    (desk / "notes.png").write_text("no picture")
    result = run("classify", "notes.png", "--labels", "cat,rocket")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1


def test_a_picture_on_standard_input(run: Run, desk: Path) -> None:
    result = run("classify", "-", "-l", "cat,rocket", "--json", input=(desk / "cat.jpg").read_bytes())
    assert result.exit_code == 0
    (document,) = documents(result.stdout)
    assert (document["input"], document["labels"][0]["label"]) == ("-", "cat")
    empty = run("classify", "-", "-l", "cat,rocket", input=b"")
    assert empty.exit_code == 2
    assert "Standard input is empty" in empty.stderr


@pytest.mark.parametrize("name", ["two\nlines.jpg", "🐈 小猫.jpg", "-dash.jpg", "[bracket].jpg", "a'b\"c.jpg"])
def test_names_that_trip_programs(run: Run, desk: Path, name: str) -> None:
    (desk / "cat.jpg").rename(desk / name)
    result = run("classify", "-l", "cat,rocket", "--", name)
    assert (result.exit_code, result.stderr) == (0, "")
    _, row = result.stdout.splitlines()
    assert row.startswith(name.replace("\n", "\\n") + " ")
    assert " cat " in row
    (document,) = documents(run("classify", "-l", "cat,rocket", "--json", "--", name).stdout)
    assert document["input"] == name


def test_labels_are_needed(run: Run, desk: Path) -> None:
    result = run("classify", "cat.jpg", "--labels", " , ")
    assert result.exit_code == 2
    assert "There are no labels to choose from" in result.stderr


def test_the_device_is_handed_on(run: Run, desk: Path) -> None:
    result = run("classify", "cat.jpg", "--labels", "cat,dog", "--device", "cuda:7")
    assert result.exit_code == 2
    assert "'cuda:7'" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["classify", "cat.jpg", "--labels", "cat,dog"], ["caption", "cat.jpg"], ["ask", "cat.jpg", "What is it?"]],
    ids=lambda arguments: arguments[0],
)
def test_a_picture_is_found_and_decoded_once(
    run: Run, desk: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    calls: list[str] = []

    def count(module: ModuleType, name: str) -> None:
        function = getattr(module, name)

        def counted(*given: Any, **more: Any) -> Any:
            calls.append(name)
            return function(*given, **more)

        monkeypatch.setattr(module, name, counted)

    count(source, "_from_path")
    count(image, "_decode")
    assert run(*arguments).exit_code == 0
    assert calls == ["_from_path", "_decode"]


def test_labels_that_mean_nothing_are_told_once_and_all_of_them(run: Run, desk: Path) -> None:
    result = run("classify", "cat.jpg", "photos", "--labels", "cat,ᑐᑦᓯᐊᕕᕐᔪᐊᖅ,日落,ꦲꦏ")
    assert result.exit_code == 2
    assert result.stderr.count("understand") == 1
    assert "ᑐᑦᓯᐊᕕᕐᔪᐊᖅ" in result.stderr
    assert "ꦲꦏ" in result.stderr
    assert "日落" not in result.stderr
    assert "cat.jpg" not in result.stderr
