"""How long do 16 frames of a film take, evenly spread, against the chapter's OpenCV loop and a plain PyAV loop?

The films are real ones, encoded to 640x360 H.264 with a key frame every 250 frames at most: 10 seconds, and half an
hour (the same minute over and over). All three ways must give the same pictures before anything is timed. The floor
is the decoder alone: packets in memory, nothing decoded but what the wanted frames are predicted from.

    python -m benchmarks.frame_sampling [--runs 5]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from benchmarks.__main__ import table as as_table
from benchmarks.measure import cache_folder, row
from sensorium.media.video import sample_frames
from sensorium.threads import thread_count
from tests import real_media
from tests.films import repeated

COUNT = 16
Pictures = list[NDArray[np.uint8]]


def films() -> dict[str, Path]:
    """Return the films, made at first use."""
    folder = cache_folder("frame_sampling")
    short, minute, long = (folder / f"{name}.mp4" for name in ("10-seconds", "part", "30-minutes"))
    if not short.exists():
        _encode(short, 250)
    if not long.exists():
        _encode(minute, 1125)
        repeated(minute, folder / "making.mp4", 40).replace(long)
    return {"10 seconds": short, "30 minutes": long}


def _encode(path: Path, count: int) -> None:
    rate = Fraction(25)
    making = path.with_name("making-" + path.name)
    with av.open(str(making), "w") as container:
        stream: Any = container.add_stream("libx264", rate=rate, options={"preset": "medium", "crf": "23", "g": "250"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for index, frame in zip(range(count), _real_frames(), strict=False):
            frame.pts, frame.time_base, frame.pict_type = index, 1 / rate, 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    making.replace(path)


def _real_frames() -> Iterator[Any]:
    for name in ("Megamind", "vtest", "tree"):
        with av.open(str(real_media.film(name))) as container:
            for frame in container.decode(video=0):
                yield frame.reformat(640, 360, "yuv420p")


def ours(path: Path) -> Pictures:
    """Sample as Sensorium does."""
    return [np.asarray(frame.image) for frame in sample_frames(path, COUNT)]


def chapter(path: Path) -> Pictures:
    """Sample as the chapter does (its ``_extract_frames``)."""
    import cv2

    cap = cv2.VideoCapture(str(path))
    frame_count = int(cap.get(cv2.CAP_PROP_FRAME_COUNT))
    frames = []
    for idx in np.linspace(0, frame_count - 1, COUNT, dtype=int):
        cap.set(cv2.CAP_PROP_POS_FRAMES, idx)
        ret, frame = cap.read()
        if ret:
            frames.append(np.asarray(frame[:, :, ::-1], np.uint8))
    cap.release()
    return frames


def plain(path: Path) -> Pictures:
    """Sample as one would write it with PyAV: for each frame, seek and decode up to it."""
    pictures = []
    with av.open(str(path)) as container:
        stream: Any = container.streams.video[0]
        stream.thread_type = "AUTO"
        for ticks in _wanted(stream):
            container.seek(ticks, stream=stream)
            frame: Any
            for frame in container.decode(stream):
                if frame.pts is not None and frame.pts >= ticks:
                    pictures.append(np.asarray(frame.to_image()))
                    break
    return pictures


def _wanted(stream: Any) -> list[int]:
    """Return the timestamps of the wanted frames of a film with a constant rate."""
    step = stream.duration // stream.frames
    return [int(index) * step for index in np.linspace(0, stream.frames - 1, COUNT, dtype=int)]


def floor(path: Path) -> float:
    """Return the seconds that decoding alone takes, from packets in memory."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        groups: dict[int, tuple[list[Any], set[int]]] = {}
        for ticks in _wanted(stream):
            container.seek(ticks, stream=stream)
            packets: list[Any] = []
            for packet in container.demux(stream):
                if packet.size == 0 or (packet.dts or 0) > ticks:
                    break
                packets.append(packet)
            key = packets[0].pts
            wanted = groups.get(key, ([], set()))[1] | {ticks}
            groups[key] = (packets, wanted)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = thread_count()
        spent = 0.0
        for packets, wanted in groups.values():
            container.seek(0)
            start = time.perf_counter()
            for packet in packets:
                packet.stream = stream
                stream.codec_context.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
                packet.decode()
            stream.codec_context.decode(None)
            spent += time.perf_counter() - start
    return spent


def check_equal(path: Path) -> None:
    """Make sure that all ways give the same pictures.

    Raises:
        RuntimeError: They don't.
    """
    reference = ours(path)
    for way in (chapter, plain):
        pictures = way(path)
        same = len(pictures) == len(reference) and all(
            np.abs(one.astype(int) - other).max() <= 2 for one, other in zip(reference, pictures, strict=True)
        )
        if not same:
            raise RuntimeError(f"{way.__name__} gives other pictures of {path.name}")


def measure(ways: Mapping[str, Callable[[Path], Any]], path: Path, runs: int) -> dict[str, float]:
    """Return the seconds of each way at its quickest, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            start = time.perf_counter()
            result = way(path)
            times[name].append(result if isinstance(result, float) else time.perf_counter() - start)
    return {name: min(taken) for name, taken in times.items()}


def run(runs: int = 5) -> list[dict[str, Any]]:
    """Measure."""
    rows = []
    for length, path in films().items():
        check_equal(path)
        ways = {"ours": ours, "chapter": chapter, "plain": plain, "floor": floor}
        taken = {name: 1000 * spent for name, spent in measure(ways, path, runs).items()}
        note = f"same pictures; decoding alone takes {taken['floor']:.0f} ms"
        for name, peer in (("chapter", "the chapter's OpenCV loop"), ("plain", "a plain PyAV loop")):
            rows.append(
                row(
                    f"{COUNT} frames of a film of {length}",
                    f"{taken['ours']:.0f} ms",
                    f"{peer}: {taken[name]:.0f} ms",
                    taken[name] / taken["ours"],
                    note,
                )
            )
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frame_sampling", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="how often each way is timed")
    print(as_table(run(parser.parse_args().runs)))
