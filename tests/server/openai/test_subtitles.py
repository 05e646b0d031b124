"""What Bazarr sends, and what whisper-asr-webservice answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import jiwer
import psutil

from sensorium.media.audio import read_audio
from tests import real_media
from tests.server.conftest import served
from tests.speech.conftest import words_of
from tests.subtitle_reader import read_cues

CLIP = real_media.speech_clips("en")[0]
FRENCH = real_media.speech_clips("fr")[0]


def bare(path: Path) -> bytes:
    """Return a recording as Bazarr sends it: samples without a header."""
    return (read_audio(path, sample_rate=16_000) * 32767).astype("<i2").tobytes()


def words_wrong(text: str) -> float:
    return float(jiwer.wer(words_of(CLIP.text.replace("mister", "Mr.")), words_of(text)))


def test_bazarr_gets_subtitles_for_bare_samples(raw: httpx2.Client) -> None:
    asked = {"task": "transcribe", "language": "en", "output": "srt", "encode": "false"}
    answer = raw.post("/asr", params=asked, files={"audio_file": bare(CLIP.path)})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["asr-engine"]
    assert answer.headers["x-sensorium-model"] == "whisper-base"
    assert words_wrong(" ".join(cue.text for cue in read_cues(answer.text))) < 0.1


def test_bazarr_gets_the_language(raw: httpx2.Client) -> None:
    answer = raw.post("/detect-language", params={"encode": "false"}, files={"audio_file": bare(FRENCH.path)})
    found = answer.json()
    assert (found["detected_language"], found["language_code"]) == ("french", "fr")
    assert 0.5 < found["confidence"] <= 1


def test_every_output(raw: httpx2.Client) -> None:
    def said(output: str, **more: str) -> httpx2.Response:
        answer = raw.post("/asr", params={"output": output, **more}, files={"audio_file": CLIP.path.read_bytes()})
        assert answer.status_code == 200
        assert answer.headers["content-disposition"] == f'attachment; filename="subtitles.{output}"'
        return answer

    assert words_wrong(said("txt").text) < 0.1
    assert said("vtt").text.startswith("WEBVTT\n")
    assert said("tsv").text.startswith("start\tend\ttext\n")
    document = said("json", word_timestamps="true").json()
    assert document["language"] == "en"
    assert words_wrong(document["text"]) < 0.1
    assert document["segments"][0]["words"][0]["word"] == document["text"].split()[0]


def test_translated_subtitles_are_english(raw: httpx2.Client) -> None:
    asked = {"task": "translate", "language": "fr", "output": "json"}
    said = raw.post("/asr", params=asked, files={"audio_file": FRENCH.path.read_bytes()}).json()
    assert said["text"]


def test_what_is_wrong_is_named(raw: httpx2.Client) -> None:
    clip = {"audio_file": CLIP.path.read_bytes()}
    assert raw.post("/asr", params={"language": "Klingon"}, files=clip).json()["error"]["param"] == "language"
    assert raw.post("/asr", params={"output": "docx"}, files=clip).status_code == 400
    assert raw.post("/asr", files={"film": b"x"}).json()["error"]["param"] == "audio_file"
    assert raw.post("/asr", files={"audio_file": b""}).status_code == 400
    assert raw.post("/asr", params={"encode": "true"}, files={"audio_file": b"no sound"}).status_code == 400
    assert raw.post("/asr", json={}).status_code == 400
    broken = {"content-type": "multipart/form-data; boundary=x"}
    for body in (b"--x\r\nContent-Disposition: form-data; name=audio_file\r\n\r\nabc", b"--y--", b""):
        assert raw.post("/asr", content=body, headers=broken).status_code == 400
    silence = {"audio_file": bytes(64_000)}
    assert raw.post("/detect-language", params={"encode": "false"}, files=silence).status_code == 400
    assert raw.post("/asr", params={"encode": "false"}, files=silence).text == ""


def test_hours_go_to_the_disk_with_bounded_memory(tmp_path: Path) -> None:
    hour = 2 * 16_000 * 3600
    head = b'--b\r\nContent-Disposition: form-data; name="audio_file"; filename="audio_file"\r\n\r\n'
    tail = b"\r\n--b--\r\n"

    def body(hours: int) -> Iterator[bytes]:
        yield head
        for _ in range(hours * 3600):
            yield bytes(hour // 3600)
        yield tail

    with (
        served(tmp_path, "--largest-recording", str(2 * hour + 1000)) as (address, process),
        httpx2.Client(base_url=address, trust_env=False, timeout=600) as http,
    ):
        form = {"content-type": "multipart/form-data; boundary=b"}
        asked = {"encode": "false", "output": "srt", "language": "en"}
        http.post("/asr", params=asked, files={"audio_file": bytes(32_000)})
        front = psutil.Process(process.pid)
        before = front.memory_info().rss
        answer = http.post("/asr", params=asked, content=body(2), headers=form)
        assert answer.status_code == 200, answer.text
        assert answer.text == ""
        assert front.memory_info().rss - before < 60_000_000
        assert http.post("/asr", params=asked, content=body(3), headers=form).status_code == 413
