"""Where commands write their files to: never over what they read, and as it is said."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import stat
import subprocess
import threading
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from sensorium.cli.outputs import STANDARD_OUTPUT, output_path
from sensorium.errors import InputError
from sensorium.image_generation.generated_image import GeneratedImage
from sensorium.image_generation.picture_settings import PictureSettings
from sensorium.operations.tasks import Tasks
from sensorium.speech.speech_to_text import SpeechToText
from tests import real_media
from tests.cli.conftest import Run
from tests.processes import SENSORIUM
from tests.refusals import refused

CONSENT = "--consent 'I am the speaker'"
OVER_AN_INPUT = [
    ("control {} --map-only -c canny -o {}", "photo.png"),
    ("control {} 'a castle' -c canny -o {}", "photo.png"),
    ("control 'a castle' --map canny={} -o {}", "photo.png"),
    ("control photo.png 'a castle' -c canny --init {} -o {}", "mask.png"),
    ("control photo.png 'a castle' -c canny --controlnet canny={} -o {}", "mask.png"),
    ("control {} 'a castle' -c canny -o out.png --save-map {}", "photo.png"),
    ("control photo.png --again {} -o {}", "painted.png"),
    ("imagine --again {} -o {}", "painted.png"),
    ("imagine --like {} -m kandinsky-2-2 -o {}", "photo.png"),
    ("imagine 'a cat' --lora {}:0.5 -o {}", "photo.png"),
    ("edit {} 'a dog' -o {}", "photo.png"),
    ("edit photo.png 'a dog' --mask {} -o {}", "mask.png"),
    ("speak --file {} -o {}", "story.wav"),
    ("speak hello --voice {} -o {}", "talk.wav"),
    (f"clone hello --reference {{}} {CONSENT} -o {{}}", "talk.wav"),
    ("transcribe {} -f srt -o {}", "talk.wav"),
    ("translate {} -f json -o {}", "talk.wav"),
    ("embed {} -o {}", "photo.npy"),
    ("chat {} --history {}", "photo.png"),
]


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with pictures, a recording and a text."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(real_media.photo("chelsea"), "photo.png")
    shutil.copy("photo.png", "photo.npy")
    shutil.copy("photo.png", "mask.png")
    shutil.copy(real_media.speech_clips("en")[0].path, "talk.wav")
    Path("story.wav").write_text("Once upon a time.")
    settings = PictureSettings("text-to-image", "a cat", "", 1, 64, 64, "painter-starter")
    GeneratedImage.of(PIL.Image.new("RGB", (64, 64)), settings).save("painted.png")
    return tmp_path


@pytest.fixture
def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a checkpoint is a failure."""

    def fail(*arguments: object, **options: object) -> None:
        raise AssertionError("a checkpoint is opened")

    monkeypatch.setattr(Tasks, "open", fail)


def content(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files in a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("server", [[], ["--server", "http://127.0.0.1:9"]], ids=["here", "there"])
@pytest.mark.parametrize(("command", "file"), OVER_AN_INPUT)
@pytest.mark.usefixtures("nothing_is_loaded")
def test_no_output_replaces_an_input(run: Run, desk: Path, command: str, file: str, server: list[str]) -> None:
    other = f"other{Path(file).suffix}"
    os.link(file, other)
    before = content(desk)
    for name in (f"./{file}", other):
        result = run(*shlex.split(command.format(file, name)), *server)
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"The output {Path(name)} is also an input" in " ".join(result.stderr.split())
    assert content(desk) == before


@pytest.mark.usefixtures("nothing_is_loaded")
def test_no_output_of_several_replaces_an_input(run: Run, desk: Path) -> None:
    Path("talks").mkdir()
    for name in ("first.wav", "second.txt"):  # what is in a file decides, not what it is called
        shutil.copy("talk.wav", Path("talks", name))
    before = content(desk)
    result = run("transcribe", "talks", "-f", "txt", "-o", "talks")
    assert (result.exit_code, "talks/second.txt" in result.stderr) == (2, True)
    assert content(desk) == before


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--save-map", "z.png", "-o", "./z.png"], "z.png"),
        (["--save-map", "z-1.png", "-o", "z.png", "--num-images", "2"], "z-1.png"),
        (["--save-map", "link.png", "-o", "z.png"], "z.png"),
        (["--save-map", "-", "-o", "-"], "stdout"),
    ],
)
@pytest.mark.usefixtures("nothing_is_loaded")
def test_no_output_replaces_another(run: Run, desk: Path, more: list[str], named: str) -> None:
    Path("link.png").symlink_to("z.png")
    before = content(desk)
    result = run("control", "photo.png", "a castle", "-c", "canny", *more)
    assert (result.exit_code, named in result.stderr) == (2, True)
    assert "Two files would both be written" in result.stderr
    assert content(desk) == before


@pytest.mark.usefixtures("nothing_is_loaded")
def test_standard_input_is_an_input_too(desk: Path) -> None:
    before = content(desk)
    command = [*SENSORIUM, "control", "-", "--map-only", "-c", "canny", "-o", "photo.png"]
    with Path("photo.png").open("rb") as picture:
        done = subprocess.run(command, stdin=picture, capture_output=True, text=True)
    assert (done.returncode, "photo.png is also an input" in done.stderr) == (2, True)
    assert content(desk) == before


def test_subtitles_of_the_library_replace_no_recording_either(desk: Path) -> None:
    before = content(desk)
    with refused(InputError, "talk.wav"):
        SpeechToText().generate_subtitles("talk.wav", "./talk.wav", format="srt")
    assert content(desk) == before


def test_each_recording_of_a_folder_gets_a_file(run: Run) -> None:
    for name in ("talks/C1.wav", "talks/C1.mp3", "talks/day 2/C1.wav"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy("talk.wav", name)
    result = run("transcribe", "talks", "-f", "srt", "-o", "texts")
    written = ["texts/C1.mp3.srt", "texts/C1.wav.srt", "texts/day 2/C1.srt"]
    assert (result.exit_code, result.stdout.splitlines()) == (0, written)
    assert all("Dashwood" in Path(name).read_text() for name in written)


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_names_of_standard_output(name: str) -> None:
    assert output_path(name) == STANDARD_OUTPUT


def test_files_of_every_kind_go_to_standard_output(run: Run, desk: Path) -> None:
    before = content(desk)
    drawn = run("control", "photo.png", "--map-only", "-c", "canny", "-o", "-")
    assert PIL.Image.open(io.BytesIO(drawn.stdout_bytes)).format == "PNG"
    assert "canny map" in drawn.stderr
    embedded = run("embed", "photo.png", "-o", "-")
    assert np.load(io.BytesIO(embedded.stdout_bytes)).shape[0] == 1
    written = run("transcribe", "talk.wav", "-f", "srt", "-o", "-")
    assert content(desk) == before
    assert run("transcribe", "talk.wav", "-o", "talk.srt").exit_code == 0
    assert (written.exit_code, written.stdout_bytes) == (0, Path("talk.srt").read_bytes())


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("imagine 'a cat' --num-images 2 -o -", "2 pictures"),
        ("control photo.png 'a castle' -c canny -c depth --save-map - -o a.png", "2 maps"),
        ("transcribe talk.wav photo.png -o -", "takes one text"),
        ("imagine 'a cat' -o - --json", "the JSON"),
        ("embed photo.png -o - --json", "the JSON"),
        ("speak hello -o - --json", "the JSON"),
        ("transcribe talk.wav -o - --json", "the JSON"),
    ],
)
@pytest.mark.usefixtures("nothing_is_loaded")
def test_what_standard_output_does_not_take(run: Run, desk: Path, command: str, named: str) -> None:
    result = run(*shlex.split(command))
    assert (result.exit_code, named in result.stderr) == (2, True), result.stderr


def test_what_is_no_plain_file_stays_what_it_is(run: Run, desk: Path) -> None:
    os.mkfifo("pipe.png")
    Path("link.png").symlink_to("real.png")
    came: list[bytes] = []
    reader = threading.Thread(target=lambda: came.append(Path("pipe.png").read_bytes()))
    reader.start()
    with Path(os.devnull).open("wb") as nowhere:
        for name in ("pipe.png", "link.png", f"/dev/fd/{nowhere.fileno()}"):
            assert run("control", "photo.png", "--map-only", "-c", "canny", "-o", name).exit_code == 0
    reader.join(60)
    assert came == [Path("real.png").read_bytes()]
    assert stat.S_ISFIFO(Path("pipe.png").stat().st_mode)
    assert Path("link.png").is_symlink()
    assert not [path.name for path in desk.iterdir() if path.name.startswith(".")]


def test_a_file_keeps_its_mode_and_a_new_one_gets_the_usual(run: Run) -> None:
    Path("kept.png").touch(mode=0o640)
    before = os.umask(0o027)
    try:
        for name in ("kept.png", "new.png"):
            assert run("control", "photo.png", "--map-only", "-c", "canny", "-o", name).exit_code == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path("kept.png").stat().st_mode) == 0o640
    assert stat.S_IMODE(Path("new.png").stat().st_mode) == 0o640


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_stop_nothing(desk: Path, closed: str) -> None:
    for command, made in (("control photo.png --map-only -c canny -o map.png", "map.png"), ("models path", None)):
        line = f"{shlex.join(SENSORIUM)} {command} {closed}"
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, input="")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "" if ">&-" in closed.split() else done.stdout != ""
        assert made is None or PIL.Image.open(made).format == "PNG"


@pytest.mark.parametrize(
    ("command", "named"),
    [("caption - <&-", "Standard input is empty"), ("control photo.png --map-only -c canny -o - >&-", "is closed")],
)
def test_what_needs_a_closed_stream_says_so(command: str, named: str) -> None:
    done = subprocess.run(["sh", "-c", f"{shlex.join(SENSORIUM)} {command}"], capture_output=True, text=True, input="")
    assert (done.returncode, named in done.stderr) == (2, True)
