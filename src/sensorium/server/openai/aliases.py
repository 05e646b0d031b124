"""The names of OpenAI's models, which programs have built in, and what answers to them here."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from fastapi import Request

from sensorium.server.options import ServerOptions


def model_for(request: Request, name: str | None, task: str) -> str | None:
    """Return the ``model`` of an operation for the name that a client gave; None for the profile's choice.

    Args:
        request: Of the client.
        name: What it calls the model; None or "" if it left that out.
        task: What the model does, as the catalog calls it.
    """
    if not name:
        return None
    return aliases(request.app.state.options).get(task, {}).get(name, name) or None


def aliases(options: ServerOptions) -> Mapping[str, Mapping[str, str]]:
    """Return what names stand for, by what the models do: the shipped table with the configuration's changes."""
    changed = options.aliases
    return {task: {**_shipped().get(task, {}), **changed.get(task, {})} for task in {*_shipped(), *changed}}


@cache
def _shipped() -> Mapping[str, Mapping[str, str]]:
    text = files("sensorium.server.openai").joinpath("aliases.toml").read_text(encoding="utf-8")
    table: Mapping[str, Mapping[str, str]] = tomllib.loads(text)
    return table
