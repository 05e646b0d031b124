"""What a long run keeps on disk: its state, written whole or not at all, and a log of one JSON line per report."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

STOP = threading.Event()
"""Set from outside, it ends a run after the step at hand, saved."""

_REPORT_EVERY = 20.0  # seconds
_MINUTE = 60.0


def save(path: Path, state: Any) -> None:
    """Write a state beside its place, then move it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    torch.save(state, partial)
    partial.replace(path)


def load(path: Path, belongs_to: str) -> dict[str, Any] | None:
    """Return a saved state, or None if there is none.

    Args:
        path: Where it lies.
        belongs_to: Digest of the settings.

    Raises:
        SystemExit: It was made with other settings.
    """
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if state["settings"] != belongs_to:
        raise SystemExit(f"{path} was made with other settings or pictures: remove it, or choose another folder")
    return state


@dataclass(frozen=True)
class Limit:
    """When a run must stop.

    Attributes:
        deadline: By `time.monotonic`.
        final: Nobody will go on later: the learning rate falls as the deadline nears.
    """

    deadline: float = float("inf")
    final: bool = False


class Averaged:
    """A moving average of a network's weights: it paints better than the weights themselves.

    Args:
        network: Whose weights.
        decay: How slowly it follows, below 1. Early on it follows faster, lest the random beginning linger.
    """

    def __init__(self, network: torch.nn.Module, decay: float) -> None:
        self._decay = decay
        self.weights = {name: value.detach().clone().float() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def follow(self, network: torch.nn.Module, step: int) -> None:
        """Move a little towards the present weights."""
        decay = min(self._decay, (1 + step) / (10 + step))
        names, values = zip(*network.state_dict().items(), strict=True)
        mine = [self.weights[name] for name in names]
        torch._foreach_lerp_(mine, [value.detach().float() for value in values], 1 - decay)


class Run:
    """The loop around a training step: resumes, reports, saves, stops in time.

    Args:
        name: Of the stage; names its files.
        folder: Where state and log lie.
        belongs_to: Digest of the settings that the state depends on.
        parts: Everything with ``state_dict`` and ``load_state_dict`` that must survive.
        averaged: The moving average, if there is one.
        save_every: Seconds between two saves.

    Attributes:
        step: How many steps are done.
        progress: What part of the whole run is done, 0 to 1: decides the learning rate.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        belongs_to: str,
        parts: dict[str, Any],
        averaged: Averaged | None = None,
        save_every: float = 3 * _MINUTE,
    ) -> None:
        self._name, self._folder, self._belongs_to = name, folder, belongs_to
        self._parts, self._averaged, self._save_every = parts, averaged, save_every
        self.step = 0
        self.progress = 0.0
        state = load(self.path, belongs_to)
        if state is not None:
            self.step = state["step"]
            for part, value in state["parts"].items():
                parts[part].load_state_dict(value)
            if averaged is not None:
                averaged.weights = state["averaged"]

    @property
    def path(self) -> Path:
        """The file with the state."""
        return self._folder / f"{self._name}.pt"

    def steps(self, total: int, batch: int, limit: Limit, each: Callable[[int], torch.Tensor]) -> bool:
        """Run steps until all are done or time is up; return whether all are done.

        Args:
            total: Number of the last step.
            batch: Samples a step, for the log.
            limit: When to stop.
            each: Makes the step of a number and returns the loss, a scalar.
        """
        losses: list[torch.Tensor] = []
        begun = reported = saved = time.monotonic()
        first = at_report = self.step
        while self.step < total and time.monotonic() < limit.deadline and not STOP.is_set():
            self.progress = self.step / total
            if limit.final:
                self.progress = max(self.progress, (time.monotonic() - begun) / (limit.deadline - begun))
            losses.append(each(self.step).detach())
            self.step += 1
            now = time.monotonic()
            if now - reported >= _REPORT_EVERY or self.step == total:
                speed = (self.step - at_report) * batch / max(now - reported, 1e-9)
                self._report(float(torch.stack(losses).mean()), speed, batch)
                losses, reported, at_report = [], now, self.step
            if now - saved >= self._save_every:
                self._save()
                saved = time.monotonic()
        if self.step != first:
            self._save()
            self._write({"stage": self._name, "ran_seconds": round(time.monotonic() - begun), "step": self.step})
        return self.step >= total

    def _report(self, loss: float, speed: float, batch: int) -> None:
        line = {"stage": self._name, "step": self.step, "samples": self.step * batch, "loss": round(loss, 5)}
        self._write({**line, "samples_per_second": round(speed, 1), "at": time.strftime("%Y-%m-%dT%H:%M:%S")})

    def _write(self, line: dict[str, Any]) -> None:
        text = json.dumps(line)
        print(text, flush=True)
        with (self._folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(f"{text}\n")

    def _save(self) -> None:
        parts = {name: part.state_dict() for name, part in self._parts.items()}
        averaged = self._averaged.weights if self._averaged is not None else {}
        state = {"settings": self._belongs_to, "step": self.step, "parts": parts, "averaged": averaged}
        save(self.path, state)


def warmed(rate: float, step: int, progress: float, warm: int) -> float:
    """Return the learning rate of a step: a short rise, a long plateau, a fall to a twentieth over the last third."""
    return rate * min(1.0, (step + 1) / warm, max(0.05, 3 * (1 - progress)))


def shuffled(count: int, batch: int, seed: int, step: int) -> torch.Tensor:
    """Return the numbers of a step's samples; a pass over all goes by before any comes again.

    The same step always gets the same samples, so that a resumed run goes on as if it had not stopped.
    """
    chosen: list[torch.Tensor] = []
    position = step * batch
    while batch > 0:
        turn, start = divmod(position, count)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + turn)
        part = torch.randperm(count, generator=generator)[start : start + batch]
        chosen.append(part)
        position, batch = position + len(part), batch - len(part)
    return torch.cat(chosen)


def generator_for(seed: int, step: int, device: str) -> torch.Generator:
    """Return a step's own source of noise."""
    return torch.Generator(device).manual_seed(seed * 1_000_003 + step)


def parameters(network: torch.nn.Module) -> Iterator[torch.nn.Parameter]:
    """Return what is trained."""
    return (parameter for parameter in network.parameters() if parameter.requires_grad)


def weights_digest(network: torch.nn.Module) -> str:
    """Return the sum of a network's weights."""
    total = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        total.update(name.encode() + value.contiguous().cpu().numpy().tobytes())
    return total.hexdigest()[:16]
