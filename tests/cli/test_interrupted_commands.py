"""Ctrl-C, SIGTERM and SIGHUP in the middle of each command that writes: nothing half-written stays."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import PIL.Image
import pytest

from sensorium.cli import interrupt
from sensorium.cli.interrupt import cancel, listen_to_signals
from sensorium.cli.terminal import Terminal
from sensorium.image_generation.generated_image import GeneratedImage
from sensorium.image_generation.picture_settings import PictureSettings
from sensorium.progress import Progress
from sensorium.speech.speech_to_text import SpeechToText
from tests import real_media
from tests.checkpoints.speech import tiny_csm
from tests.cli.conftest import Run, documents
from tests.processes import SENSORIUM, running, telling, wait_for

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LONG = "A long text. " * 3000

Interrupt = Callable[[int, str, float], None]
"""Chooses the signal, the stage of the work ("" for what is printed), and how far that has come."""

every_signal = pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> Iterator[None]:
    """The starter's painter and recogniser, loaded, so that commands in this process find them loaded."""
    from sensorium import TextToImage

    with TextToImage(), SpeechToText():
        yield


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with pictures and a long recording; temporary files lie in it too."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    shutil.copy(real_media.photo("chelsea"), "photo.png")
    recording = real_media.speech_clips("en")[0].path
    shutil.copy(recording, "talk.wav")
    Path("talks").mkdir()
    for name in ("a.wav", "b.wav", "c.wav"):
        shutil.copy(recording, Path("talks", name))
    Path("photos").mkdir()
    for column in range(70):
        PIL.Image.new("RGB", (64, 64), (column, 255 - 3 * column, 90)).save(Path("photos", f"{column:03}.png"))
    settings = PictureSettings("text-to-image", "a cat", "", 1, 64, 64, "painter-starter", steps=50)
    GeneratedImage.of(PIL.Image.new("RGB", (64, 64)), settings).save("painted.png")
    return tmp_path


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Interrupt]:
    """Send a signal to this process as soon as a stage of the work has made some progress, or something is printed.

    The program would end at once where a step of a model takes too long; here that step is waited for.
    """
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)
    listen_to_signals()
    monkeypatch.setattr(interrupt, "_end_within", lambda job, grace: job.ended.wait(120) and job.join())
    sent: list[int] = []

    def interrupt_in(number: int, stage: str, at_least: float) -> None:
        def send() -> None:
            if not sent:
                sent.append(number)
                os.kill(os.getpid(), number)
                cancel.wait(60)

        def progress(terminal: Terminal, event: Progress) -> None:
            if stage and event.stage.startswith(stage) and event.done >= at_least:
                send()

        monkeypatch.setattr(Terminal, "progress", progress)
        if not stage:
            monkeypatch.setattr(Terminal, "write", lambda terminal, text: send())

    yield interrupt_in
    for number, handler in handlers.items():
        signal.signal(number, handler)
    cancel.clear()
    assert len(sent) == 1


COMMANDS = {
    "speak": (["speak", LONG, "-o", "out.mp3"], "speaking"),
    "speak-to-pipe": (["speak", LONG, "-o", "-"], "speaking"),
    "transcribe": (["transcribe", "talk.wav", "-o", "out.srt"], "transcribing"),
    "translate": (["translate", "talk.wav", "-o", "out.vtt"], "transcribing"),
    "imagine": (["imagine", "a cat", "--steps", "900", "-o", "out.png"], "painting"),
    "imagine-again": (["imagine", "--again", "painted.png", "-o", "out.png"], "painting"),
    "edit": (["edit", "photo.png", "a cat", "--steps", "900", "-o", "out.webp"], "painting"),
    "control": (["control", "photo.png", "a cat", "-c", "canny", "--steps", "900", "-o", "out.jpg"], "painting"),
    "control-map": (["control", "photo.png", "--map-only", "-c", "canny", "-o", "out.png"], "making"),
    "embed": (["embed", "photos", "-o", "out.npy"], "encoding"),
}


@every_signal
@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_stays(run: Run, desk: Path, interrupted: Interrupt, name: str, number: signal.Signals) -> None:
    arguments, stage = COMMANDS[name]
    out = Path(arguments[-1])
    if out.suffix:
        out.write_bytes(b"what was there")
    before = {path: path.stat().st_size for path in desk.rglob("*")}
    interrupted(number, stage, 1 if stage in ("speaking", "painting", "encoding") else 0)
    result = run(*arguments)
    assert (result.exit_code, result.stdout_bytes) == (130, b"")
    assert result.stderr.endswith("Cancelled.\n")
    assert {path: path.stat().st_size for path in desk.rglob("*")} == before


@every_signal
def test_what_is_finished_of_several_stays(
    run: Run, desk: Path, interrupted: Interrupt, number: signal.Signals
) -> None:
    interrupted(number, "talks/b.wav", 0)
    result = run("transcribe", "talks", "-o", "texts", "-f", "srt")
    assert (result.exit_code, result.stdout) == (130, "texts/a.srt\n")
    assert [path.name for path in Path("texts").iterdir()] == ["a.srt"]
    assert list(Path("temporary").iterdir()) == []


@every_signal
def test_what_is_finished_of_an_index_is_kept(
    run: Run, desk: Path, interrupted: Interrupt, number: signal.Signals
) -> None:
    interrupted(number, "indexing", 10)
    assert run("index", "photos", "--to", "pictures").exit_code == 130
    (document,) = documents(run("index", "photos", "--to", "pictures", "--json").stdout)
    assert document["unchanged"] >= 10
    assert document["unchanged"] + document["added"] == document["files"] == 70
    assert list(Path("temporary").iterdir()) == []


@every_signal
def test_a_voice_is_cloned_or_not_at_all(
    run: Run,
    desk: Path,
    interrupted: Interrupt,
    number: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", f"csm-1b={tiny_csm(tmp_path_factory.mktemp('csm') / 'tiny-csm')}")
    interrupted(number, "speaking", 1)
    reference = ["--reference", real_media.speech_clips("en")[0].path, "--reference-text", "Words"]
    before = set(desk.rglob("*"))
    result = run("clone", LONG, *reference, "--consent", "I am the speaker", "-o", "out.opus")
    assert (result.exit_code, result.stdout) == (130, "")
    assert set(desk.rglob("*")) == before


@every_signal
def test_a_conversation_keeps_what_was_answered(
    run: Run, desk: Path, interrupted: Interrupt, number: signal.Signals
) -> None:
    Path("talk.json").touch()
    assert run("chat", "photo.png", "--history", "talk.json", input="What is it?\n").exit_code == 0
    before = Path("talk.json").read_bytes()
    interrupted(number, "", 0)
    assert run("chat", "--history", "talk.json", input="And what else?\n").exit_code == 130
    assert Path("talk.json").read_bytes() == before
    assert not [path for path in desk.iterdir() if path.name.startswith(".")]


_STUBBORN = """
import sys, time
from pathlib import Path
from sensorium.cli.interrupt import end_program, interruptible, listen_to_signals
from sensorium.media.atomic_file import atomic_file
from sensorium.unfinished import temporary_folder

def work():
    with atomic_file("out.png") as file, temporary_folder("sensorium-", Path("temporary")) as folder:
        file.write_bytes(b"half")
        (folder / "part").write_bytes(b"half")
        print("at work", flush=True)
        time.sleep(1000)

listen_to_signals()
try:
    interruptible(work, grace=0.1)
except KeyboardInterrupt:
    end_program(130)
"""


@every_signal
def test_nothing_stays_of_what_does_not_stop(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "temporary").mkdir()
    with running([sys.executable, "-c", _STUBBORN], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        assert job.stdout.readline() == "at work\n"
        job.send_signal(number)
        assert job.wait(60) == 130
    assert list(tmp_path.rglob("*")) == [tmp_path / "temporary"]


@every_signal
def test_programs_end_by_every_signal(tmp_path: Path, number: signal.Signals) -> None:
    with running([*telling("speaking", tmp_path / "sign"), "speak", LONG, "-o", tmp_path / "out.wav"]) as job:
        wait_for(tmp_path / "sign", job)
        job.send_signal(number)
        assert job.wait(60) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["sign"]


def test_a_program_that_was_told_to_ignore_the_end_of_its_terminal_goes_on(tmp_path: Path) -> None:
    talk = [*telling("speaking", tmp_path / "sign"), "speak", "A long text. " * 50, "-o", tmp_path / "out.wav"]
    with running(["nohup", *talk], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as job:
        wait_for(tmp_path / "sign", job)
        job.send_signal(signal.SIGHUP)
        assert job.wait(60) == 0
    assert (tmp_path / "out.wav").is_file()


@every_signal
def test_a_server_ends_by_every_signal(tmp_path: Path, number: signal.Signals) -> None:
    command = [*SENSORIUM, "serve", "--port", "0", "--json", "--data", tmp_path / "data"]
    with running(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert "address" in server.stdout.readline()
        server.send_signal(number)
        assert server.wait(60) == 0
