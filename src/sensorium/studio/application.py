"""The page as an application that a server mounts, one page a language."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import gradio.processing_utils
from fastapi import FastAPI

from sensorium.engine.interface import Engine
from sensorium.studio.address import PAGE
from sensorium.studio.fetched_models import FetchedModels
from sensorium.studio.page import build_page
from sensorium.studio.sound_stream import add_sound_stream
from sensorium.studio.theme import script, style, theme
from sensorium.studio.watched_jobs import WatchedJobs
from sensorium.studio.wording import LANGUAGES, Wording
from sensorium.studio.workroom import Visitor, Workroom, forget_shown


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
    _fetch_nothing()
    forget_shown(folder)
    application = FastAPI(openapi_url=None)
    add_sound_stream(application, engine, visitor_of)
    for language in LANGUAGES:
        room = Workroom(engine, jobs, fetched, Path(folder), Wording(language), visitor_of)
        page = build_page(room)
        # Only then does Gradio see to it that a file which a visitor names was put on the page before.
        page.has_launched = True
        gr.mount_gradio_app(
            application,
            page,
            f"{PAGE}/{language}",
            root_path=f"{PAGE}/{language}",
            footer_links=[],
            run_history=False,
            show_error=False,
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


def _fetch_nothing() -> None:
    """Let Gradio fetch nothing for visitors: what may be fetched, and from where, is for operations to decide."""
    for name in ("async_ssrf_protected_download", "ssrf_protected_download", "save_url_to_cache"):
        assert hasattr(gradio.processing_utils, name), name
        setattr(gradio.processing_utils, name, _refused)


def _refused(*place: Any, **options: Any) -> Any:
    raise ValueError("the page takes files, and no addresses of files")
