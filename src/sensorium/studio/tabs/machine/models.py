"""The loaded models: their memory, and buttons that unload them or keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from sensorium import settings
from sensorium.engine.job import ModelState
from sensorium.errors import InputError, SensoriumError
from sensorium.studio.choice import choice, chosen_of, offered
from sensorium.studio.job_panel import PRIVATE, JobPanel
from sensorium.studio.tabs.machine.tables import hint, size, table
from sensorium.studio.workroom import Workroom

_HIDDEN: dict[str, Any] = {**PRIVATE, "show_progress": "hidden"}


class LoadedModels:
    """The part of the tab.

    Args:
        room: What it works with.
    """

    def __init__(self, room: Workroom) -> None:
        self._room = room
        words = room.words
        gr.HTML(hint(words("machine.profile", profile=settings.profile())), elem_id="machine-profile")
        self.shown = gr.HTML("", elem_id="machine-models")
        self.chosen = choice(words("machine.model"), "machine-model")
        with gr.Row():
            unload, pin, unpin = (
                gr.Button(words(f"machine.{name}"), size="sm", elem_id=f"machine-{name}")
                for name in ("unload", "pin", "unpin")
            )
        self.told = gr.HTML("", elem_id="machine-models-told", elem_classes="told")
        for button, act in ((unload, self._unload), (pin, self._pin), (unpin, self._unpin)):
            button.click(act, [self.chosen], [self.told], **_HIDDEN)

    @property
    def outputs(self) -> list[Any]:
        """What `drawn` is for."""
        return [self.shown, self.chosen]

    @staticmethod
    def seen(models: Sequence[ModelState]) -> Any:
        """Return what `drawn` depends on."""
        return [(each.name, each.state, each.pinned, each.memory // 10**7, each.gpu_memory // 10**7) for each in models]

    def drawn(self, models: Sequence[ModelState]) -> list[Any]:
        """Return the table, and what can be chosen."""
        words = self._room.words
        offers = offered((each.name, each.name) for each in models)
        if not models:
            return [hint(words("machine.no_models"), words("machine.models")), offers]
        heads = [words(f"machine.{name}") for name in ("model", "device", "state", "memory", "gpu", "kept")]
        rows = [
            (
                each.name,
                each.device,
                words(f"machine.state_{each.state}"),
                size(each.memory),
                size(each.gpu_memory) if each.gpu_memory else "–",
                words("machine.yes" if each.pinned else "machine.no"),
            )
            for each in models
        ]
        return [table(words("machine.models"), heads, rows), offers]

    async def _unload(self, chosen: Mapping[str, Any], request: gr.Request) -> str:
        async def act(name: str) -> str:
            await self._room.engine.unload(name)
            return self._room.words("machine.unloaded", model=name)

        return await self._done(chosen, request, act)

    async def _pin(self, chosen: Mapping[str, Any], request: gr.Request) -> str:
        return await self._done(chosen, request, lambda name: self._pinned(name, True))

    async def _unpin(self, chosen: Mapping[str, Any], request: gr.Request) -> str:
        return await self._done(chosen, request, lambda name: self._pinned(name, False))

    async def _pinned(self, name: str, pinned: bool) -> str:
        await self._room.engine.pin(name, pinned)
        return self._room.words("machine.pinned" if pinned else "machine.unpinned", model=name)

    async def _done(self, chosen: Mapping[str, Any], request: gr.Request, act: Any) -> str:
        try:
            self._room.require_administrator(request, self._room.words("machine.models"))
            model = chosen_of(chosen)
            if not model:
                raise InputError(self._room.words("machine.none_chosen"))
            return JobPanel.said(await act(model))
        except SensoriumError as error:
            return JobPanel.said(str(error), "alert")
