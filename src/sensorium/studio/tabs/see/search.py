"""See, search: pictures and moments of films, found by words or by a picture."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from sensorium.errors import InputError, NotFoundError
from sensorium.media.collect import suffixes_of
from sensorium.operations.retrieval import DEFAULT_INDEX, Index, Search
from sensorium.studio.job_panel import PRIVATE, Event, JobPanel
from sensorium.studio.recipes import recipe_box
from sensorium.studio.tabs.see.cards import card, cards, empty, moment, picture, sound
from sensorium.studio.watched_jobs import WatchedJob
from sensorium.studio.wording import Wording
from sensorium.studio.workroom import Workroom
from sensorium.text.stretches import clock

_QUIET: dict[str, Any] = {**PRIVATE, "show_progress": "hidden"}
_MOST = 48
_SUFFIXES = suffixes_of("image", "video")
_SHOWN: dict[str, Callable[[str, Any], str]] = {
    "image": lambda path, _: picture(path),
    "moment": moment,
    "sound": sound,
}
"""How what was found is shown, by its kind; of anything else, such as a text, the name is enough."""


def build(room: Workroom, page: gr.Blocks) -> None:
    """Put the part on the page."""
    words = room.words
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            files = gr.File(
                label=words("see.index_files"),
                file_count="multiple",
                file_types=list(_SUFFIXES),
                height=160,
                elem_id="see-index-files",
            )
            folder = gr.UploadButton(
                words("see.index_folder"), file_count="directory", size="sm", elem_id="see-index-folder"
            )
            with gr.Row():
                add = gr.Button(words("see.index_go"), elem_id="see-index-go", min_width=120)
                example = gr.Button(words("see.example"), elem_id="see-search-example", min_width=120)
            with gr.Accordion(words("see.index_options"), open=False):
                index = gr.Textbox(
                    DEFAULT_INDEX, label=words("see.index_name"), info=words("see.index_info"), elem_id="see-index-name"
                )
                every = gr.Slider(0.5, 10, 2, step=0.5, label=words("see.every"), elem_id="see-every")
            changes: Any = gr.HTML("", elem_id="see-index-results", render=False)

            async def show_changes(watched: WatchedJob, request: gr.Request) -> list[Any]:
                return [_changes(watched.job.result, words)]

            indexing = JobPanel(room, "see-index", ("index",), [changes], show_changes)
            changes.render()
        with gr.Column(scale=3, min_width=300):
            text = gr.Textbox(label=words("see.look_for"), placeholder=words("see.look_for_hint"), elem_id="see-query")
            with gr.Accordion(words("see.by_picture"), open=False, elem_id="see-by-picture"):
                like = gr.File(label=words("see.like"), file_types=["image"], height=110, elem_id="see-query-picture")
            with gr.Row(equal_height=True):
                limit = gr.Slider(1, _MOST, 12, step=1, label=words("see.limit"), elem_id="see-limit", scale=2)
                moments = gr.Checkbox(label=words("see.all_moments"), elem_id="see-all-moments", scale=2, min_width=180)
                go = gr.Button(words("see.search_go"), variant="primary", elem_id="see-search-go", min_width=120)
            found: Any = gr.HTML(empty(words("see.search_empty")), elem_id="see-search-results", render=False)

            async def show_found(watched: WatchedJob, request: gr.Request) -> list[Any]:
                return [await _found(room, watched, request)]

            searching = JobPanel(room, "see-search", ("search",), [found], show_found)
            found.render()
            recipe_box(room, searching)

    async def make_index(request: gr.Request, files: Sequence[str] | None, index: str, every: float) -> Index:
        if not files:
            raise InputError(words("see.no_files"), words("see.files_remedy"))
        media = tuple([await room.hand_over(file, request) for file in files])
        return Index(files=media, index=index or None, every=every)

    async def make_search(
        request: gr.Request, text: str, like: str | None, limit: int, moments: bool, index: str
    ) -> Search:
        image = await room.hand_over(like, request) if like else None
        return Search(text=text or None, image=image, limit=limit, all_moments=moments, index=index or None)

    async def search_when_indexed(request: gr.Request, job: str, *values: Any) -> Search:
        # The search begins when its index is there; the other panel shows how far that is.
        await room.engine.result(job, owner=room.owner(request))
        return await make_search(request, *values)

    async def fill() -> tuple[list[str], str, None]:
        example = [*await room.examples.photos(), await room.examples.film()]
        return [str(file) for file in example], words("see.example_query"), None

    folder.upload(_pictures_and_films, [folder], [files], **_QUIET)
    query = [text, like, limit, moments, index]
    indexing.starts_with(Event(add.click, [files, index, every], make_index))
    searching.starts_with(Event(go.click, query, make_search), Event(text.submit, query, make_search))
    filled = example.click(fill, None, [files, text, like], **_QUIET)
    (indexed,) = indexing.starts_with(Event(filled.then, [files, index, every], make_index))
    searching.starts_with(Event(indexed.then, [indexing.job, *query], search_when_indexed))
    indexing.resumes_with(page)
    searching.resumes_with(page)


def _pictures_and_films(chosen: Sequence[str]) -> list[str]:
    """Return what of a folder the field for files takes."""
    return [path for path in chosen if Path(path).suffix.lower() in _SUFFIXES]


def _changes(result: Mapping[str, Any] | None, words: Wording) -> str:
    if result is None:
        return ""
    told = words("see.indexed", files=result["files"], added=result["added"], updated=result["updated"])
    left_out = "".join(
        f"<li>{html.escape(each['name'])}: {html.escape(each['reason'])}</li>" for each in result["skipped"]
    )
    skipped = f"<p>{html.escape(words('see.skipped'))}</p><ul>{left_out}</ul>" if left_out else ""
    warned = "".join(f"<p class=quiet>{html.escape(warning)}.</p>" for warning in result.get("warnings", ()))
    return f"<p>{html.escape(told)}</p>{skipped}{warned}"


async def _found(room: Workroom, watched: WatchedJob, request: gr.Request) -> str:
    words, result = room.words, watched.job.result
    if result is None:
        return empty(words("see.search_empty")) if watched.ended else empty(words("see.searching"))
    shown = [await _match(room, match, request) for match in result["matches"]]
    return cards(shown, words("see.matches")) if shown else empty(words("see.nothing_found"))


async def _match(room: Workroom, match: Mapping[str, Any], request: gr.Request) -> str:
    words = room.words
    score = words("see.score", score=f"{match['score']:.2f}")
    if match.get("writing"):
        score = words("see.written", writing=match["writing"])
    told = score if match["time"] is None else f"{words('see.at', time=clock(match['time']))} · {score}"
    try:
        path = await room.media_of(match["media"], request)
    except NotFoundError as error:
        return card("", match["name"], f"<p class=quiet>{html.escape(told)}</p><p>{html.escape(str(error))}</p>")
    show = _SHOWN.get(match["kind"])
    return card(show(path, match["time"]) if show else "", match["name"], f"<p class=quiet>{html.escape(told)}</p>")
