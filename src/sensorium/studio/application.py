"""The page as an application that a server mounts, one page a language."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI

from sensorium import settings
from sensorium.engine.interface import Engine
from sensorium.studio.fetched_models import FetchedModels
from sensorium.studio.page import build_page
from sensorium.studio.sound_stream import add_sound_stream
from sensorium.studio.theme import script, style, theme
from sensorium.studio.watched_jobs import WatchedJobs
from sensorium.studio.wording import LANGUAGES, Wording
from sensorium.studio.workroom import Visitor, Workroom

PATH = "/studio"


def create_studio(
    engine: Engine,
    jobs: WatchedJobs,
    fetched: FetchedModels,
    *,
    visitor_of: Callable[[Any], Visitor],
    largest: int,
) -> FastAPI:
    """Return the pages below ``/studio/LANGUAGE/``. Takes seconds: Gradio is large.

    Args:
        engine: Runs jobs.
        jobs: Watches them for the pages.
        fetched: Fetches models for the pages.
        visitor_of: Says who sent a request.
        largest: Bytes that a file may have which a visitor puts on a page.
    """
    folder = engine.folder_of("studio")
    settings.keep_page_files_in(folder)
    application = FastAPI(openapi_url=None)
    add_sound_stream(application, engine, visitor_of)
    for language in LANGUAGES:
        room = Workroom(engine, jobs, fetched, Path(folder), Wording(language), visitor_of)
        gr.mount_gradio_app(
            application,
            build_page(room),
            f"{PATH}/{language}",
            root_path=f"{PATH}/{language}",
            footer_links=[],
            run_history=False,
            show_error=True,
            max_file_size=largest,
            ssr_mode=False,
            enable_monitoring=False,
            pwa=False,
            mcp_server=False,
            theme=theme(),
            css=style(),
            js=script(language),
        )
    return application
