"""What does `sensorium serve` give, and what does it cost, against what a user would write or do without it?

- 64 clients that ask at the same time, against the same model behind a plain FastAPI handler (`plain_fastapi`), each
  server in a process of its own, one after the other. Both get the same bodies: no text comes twice, so that no
  answer comes from memory; pictures are small JPEG files as data URIs.
- One client that asks again and again, against calling the task in this process: what a request costs on top.
- From "nothing is loaded" to the first result in a worker forked from the clean parent, against one that imports anew.
- A picture that is cancelled while it is painted: when the worker is free for the next job.
- A command on a server whose model is warm, against the same command by itself.

    python -m benchmarks.serving [--requests 10]
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import itertools
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from PIL import Image

from benchmarks.__main__ import table as as_table
from benchmarks.clip_weights import NAME as REAL_SIZE
from benchmarks.clip_weights import hub_with_clip
from benchmarks.measure import process_time, row, seconds
from benchmarks.served import ask_together, plain_fastapi, sensorium_serve
from sensorium.engine.engine import LocalEngine
from sensorium.engine.options import EngineOptions
from sensorium.engine.worker_process import clean_parent
from sensorium.operations.operation import Operation
from sensorium.operations.registry import operation_named
from tests.real_media import photo, photos

CLIENTS = 64
MODELS = {REAL_SIZE: "CLIP ViT-B/32, random weights", "conse-starter": "the starter's encoder"}
WORDS = ("cat", "dog", "street", "cup", "bird", "rocket", "tree", "car", "bus", "astronaut", "grass", "coffee")
KINDS = {"embed-texts": "embed", "embed-images": "embed", "classify": "classify"}
AIM = "; aim: 3 times"
LABELS = ["a cat", "a dog", "a cup of coffee", "a street", "a rocket"]
PROMPT = "a red apple on a table"


def bodies(kind: str, clients: int, requests: int, **more: Any) -> list[list[bytes]]:
    """Return the requests of each client: ``embed-texts``, ``embed-images`` or ``classify``."""
    texts, pictures = unseen_texts(), itertools.cycle(small_pictures())

    def one() -> bytes:
        if kind == "embed-texts":
            return json.dumps({"texts": [next(texts)], **more}).encode()
        if kind == "embed-images":
            return json.dumps({"images": [next(pictures)], **more}).encode()
        return json.dumps({"image": next(pictures), "labels": LABELS, **more}).encode()

    return [[one() for _ in range(requests)] for _ in range(clients)]


def unseen_texts() -> Iterator[str]:
    """Yield sentences; none comes twice in this process."""
    for words in _combinations:
        yield "a photo of a " + " and a ".join(words)


_combinations = itertools.permutations(WORDS, 4)


def small_pictures() -> list[str]:
    """Return real photographs of 320 pixels' width as data URIs."""
    found = []
    for path in sorted(photos().values()):
        with Image.open(path) as image:
            small, file = image.convert("RGB"), io.BytesIO()
        small.thumbnail((320, 320))
        small.save(file, "JPEG", quality=85)
        found.append("data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode())
    return found


def many_clients(clients: int, requests: int) -> Iterator[dict[str, Any]]:
    """Yield rows: many clients at the same time, against a plain handler."""
    for model, described in MODELS.items():
        with (
            tempfile.TemporaryDirectory() as folder,
            sensorium_serve(Path(folder)) as (ours, server),
            plain_fastapi(model) as (plain, peer),
        ):
            for kind, operation in KINDS.items():
                theirs, own = plain + f"/{kind}", ours + f"/v1/sensorium/{operation}"
                ask_together(theirs, bodies(kind, 4, 2), peer.pid)  # loads, and warms
                ask_together(own, bodies(kind, 4, 2, model=model), server.pid)
                plainly = ask_together(theirs, bodies(kind, clients, requests), peer.pid)
                served = ask_together(own, bodies(kind, clients, requests, model=model), server.pid)
                yield row(
                    f"{clients} clients, {kind} of one each, {described}",
                    str(served),
                    f"plain FastAPI handler: {plainly}",
                    served.rate / plainly.rate,
                    f"processor time {1000 * served.cpu_each:.1f} against {1000 * plainly.cpu_each:.1f} ms a request: "
                    f"{plainly.cpu_each / served.cpu_each:.2f} times less{AIM if model == REAL_SIZE else ''}",
                )


def overhead(requests: int) -> Iterator[dict[str, Any]]:
    """Yield a row: what a request costs over the call of the task."""
    from sensorium import CLIP

    def body(text: str) -> dict[str, Any]:
        return {"texts": [text], "model": "conse-starter"}

    with (
        tempfile.TemporaryDirectory() as folder,
        sensorium_serve(Path(folder)) as (address, _),
        httpx2.Client(base_url=address, timeout=600, trust_env=False) as http,
        CLIP("conse-starter") as clip,
    ):
        over_http, direct = [], []
        texts = unseen_texts()
        for _ in range(requests + 5):
            document, text = body(next(texts)), next(texts)
            over_http.append(seconds(partial(http.post, "/v1/sensorium/embed", json=document)))
            direct.append(seconds(partial(clip.text_rows, text)))
    requested, called = (statistics.median(took[5:]) for took in (over_http, direct))
    yield row(
        "one client, embed of one text, the starter's encoder: a request against a call",
        f"{1000 * requested:.2f} ms",
        f"calling the task: {1000 * called:.2f} ms",
        note=f"{1000 * (requested - called):.2f} ms on top by the medians of {requests}, "
        f"{1000 * (min(over_http) - min(direct)):.2f} ms by the quickest; aim: under 5 ms; "
        "the client's own HTTP is in it",
    )


def cold_workers(runs: int) -> Iterator[dict[str, Any]]:
    """Yield rows: from nothing loaded to the first result, in a forked worker and in one that imports anew."""
    jobs = {
        f"first embedding, {MODELS[REAL_SIZE]}": operation_named("embed")(texts=[PROMPT], model=REAL_SIZE),
        "first painting of 2 steps, the starter's painter": operation_named("imagine")(prompt=PROMPT, steps=2, seed=1),
    }
    for question, operation in jobs.items():
        forked, anew = (asyncio.run(_first_results(operation, preload, runs)) for preload in (True, False))
        yield row(
            f"a model's cold start: {question}",
            f"{forked:.2f} s in a forked worker",
            f"a worker that imports anew: {anew:.2f} s",
            anew / forked,
            f"aim: 4 times; quickest of {runs}, files in the system's cache",
        )


async def _first_results(operation: Operation, preload: bool, runs: int) -> float:
    """Return the least time from submitting to the result while nothing is loaded."""
    took = []
    with tempfile.TemporaryDirectory() as folder:
        engine = LocalEngine(EngineOptions(data=Path(folder), preload=preload))
        await engine.start()
        try:
            if preload:
                await _wait_until_imported()
            for _ in range(runs):
                begun = time.perf_counter()
                await _done(engine, operation)
                took.append(time.perf_counter() - begun)
                for model in engine.models():
                    await engine.unload(model.name)
        finally:
            await engine.close()
            await asyncio.to_thread(clean_parent.end)
    return min(took)


async def _wait_until_imported() -> None:
    """Wait until the clean parent serves: it answers the first request for a worker only then."""

    def fork() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            child = clean_parent.fork(theirs)
        child.kill()
        child.wait()

    await asyncio.to_thread(fork)


async def _done(engine: LocalEngine, operation: Operation) -> None:
    job = await engine.result((await engine.submit(operation, durable=False)).id)
    if job.state != "done":
        raise RuntimeError(f"{operation.name} ended as {job.state}: {job.error}")


def cancelled_painting(runs: int) -> Iterator[dict[str, Any]]:
    """Yield a row: how soon a worker is free whose picture is cancelled."""
    took, step = asyncio.run(_cancelled(runs))
    yield row(
        "cancelling a picture while it is painted: until the worker is free, the starter's painter",
        f"{1000 * statistics.median(took):.0f} ms, {1000 * max(took):.0f} ms at most",
        f"one denoising step: {1000 * step:.0f} ms",
        note=f"{statistics.median(took) / step:.1f} steps, {max(took) / step:.1f} at most of {runs}; aim: within one",
    )


async def _cancelled(runs: int) -> tuple[list[float], float]:
    """Return the seconds from cancelling to the end of each job, and those of a denoising step."""
    took, steps = [], []
    imagine = operation_named("imagine")
    with tempfile.TemporaryDirectory() as folder:
        engine = LocalEngine(EngineOptions(data=Path(folder)))
        await engine.start()
        try:
            for number in range(runs + 1):
                job = await engine.submit(imagine(prompt=PROMPT, steps=50, seed=number))
                at = []
                async for event in engine.events(job.id):
                    if event.document["type"] == "progress" and event.document.get("unit") == "steps":
                        at.append((event.document["done"], time.perf_counter()))
                    if at and at[-1][0] >= 8:
                        break
                step = (at[-1][1] - at[0][1]) / (at[-1][0] - at[0][0])
                await asyncio.sleep(step * number / (runs + 1))  # in another part of the step each time
                begun = time.perf_counter()
                ended = await engine.cancel(job.id)
                if number:  # the first one warms
                    took.append(time.perf_counter() - begun)
                    steps.append(step)
                if ended.state != "cancelled":
                    raise RuntimeError(f"the painting ended as {ended.state}")
        finally:
            await engine.close()
            await asyncio.to_thread(clean_parent.end)
    return took, statistics.median(steps)


def command_on_a_server(runs: int) -> Iterator[dict[str, Any]]:
    """Yield a row: a command on a warm server against the same by itself."""
    command: Sequence[str | Path] = [
        sys.executable,
        "-m",
        "sensorium",
        "classify",
        photo("chelsea"),
        "--labels",
        "cat,dog",
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        sensorium_serve(Path(folder)) as (address, _),
    ):
        there = [*command, "--server", address]
        process_time(there, runs=1)
        warm, cold = process_time(there, runs=runs), process_time(command, runs=runs)
    yield row(
        "sensorium classify --server, warm, from Enter to the result",
        f"{warm.wall:.2f} s",
        f"sensorium classify: {cold.wall:.2f} s",
        cold.wall / warm.wall,
        "the starter's encoder; quickest of several runs",
    )


def run(requests: int = 10, runs: int = 3) -> list[dict[str, Any]]:
    """Measure."""
    os.environ |= {"HF_HOME": str(hub_with_clip()), "SENSORIUM_OFFLINE": "1"}  # for the servers and workers too
    return [
        *many_clients(CLIENTS, requests),
        *overhead(20 * requests),
        *cold_workers(runs),
        *cancelled_painting(2 * runs),
        *command_on_a_server(runs),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving")
    parser.add_argument("--requests", type=int, default=10, help="of each of the clients")
    print(as_table(run(parser.parse_args().requests)))
