"""The tab that shows what the machine does: models, the queue, finished jobs; and what is an administrator's."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from sensorium.client import Client
from tests.models.local_index import serving
from tests.models.model_hub import ModelHub
from tests.server.conftest import served
from tests.server.test_keys import ANNA, BEN, CHIEF
from tests.studio.conftest import LONG, Open, go_to

LOOK = 30_000
"""Milliseconds in which the tab has looked again."""


def choose(page: Page, field: str, option: str) -> None:
    """Choose what contains a text, as soon as it is offered."""
    found = page.locator(f"#{field} option", has_text=option).first
    found.wait_for(state="attached")
    page.locator(f"#{field} select").select_option(found.get_attribute("value"))


def test_models_jobs_and_their_files(open_page: Open, studio: str) -> None:
    with Client(studio) as client:
        job = client.submit("imagine", {"prompt": "a red house", "seed": 5, "steps": 2})
        list(client.events(job.id))
        page = open_page("machine")
        page.locator("#machine-profile", has_text="starter").wait_for()
        page.locator("#machine-models td", has_text="MB").or_(
            page.locator("#machine-models td", has_text="GB")
        ).first.wait_for()
        page.locator("#machine-pin").click()
        page.locator("#machine-models td", has_text="yes").wait_for()
        page.locator("#machine-unpin").click()
        page.locator("#machine-models-told", has_text="may be unloaded").wait_for()

        page.locator("#machine-pause").click()
        page.locator("#machine-queue", has_text="Paused").wait_for()
        first, second = (client.submit("imagine", {"prompt": f"a {name} house"}) for name in ("red", "blue"))
        page.locator("#machine-queue tbody tr").nth(1).wait_for()
        choose(page, "machine-job", second.id[:8])
        page.locator("#machine-earlier").click()
        expect(page.locator("#machine-queue tbody tr").first).to_contain_text(second.id[:8], timeout=LOOK)
        choose(page, "machine-job", first.id[:8])
        page.locator("#machine-cancel").click()
        expect(page.locator("#machine-queue tbody tr")).to_have_count(1, timeout=LOOK)
        assert client.job(first.id).state == "cancelled"
        page.locator("#machine-resume").click()
        page.locator("#machine-queue", has_text="Nothing runs").wait_for()
        assert client.job(second.id).state == "done"

        page.locator("#machine-finished tbody tr", has_text="cancelled").first.wait_for()
        page.locator("#machine-finished tbody tr", has_text="done").first.wait_for()
        choose(page, "machine-finished-job", "imagine")
        page.locator("#machine-delete").click()
        page.locator("#machine-finished-told", has_text="deleted").wait_for()


def test_a_finished_job_is_opened_in_its_tab_and_its_file_fetched(open_page: Open, studio: str) -> None:
    with Client(studio) as client:
        job = client.submit("imagine", {"prompt": "a red house", "seed": 5, "steps": 2})
        list(client.events(job.id))
    page = open_page("machine")
    page.locator("#machine-finished tbody tr", has_text="done").first.wait_for()
    page.locator("#machine-files").click()
    with page.expect_download() as fetched:
        page.locator("#machine-made a[download]").first.click()
    assert Path(fetched.value.path()).read_bytes().startswith(b"\x89PNG")
    page.locator("#machine-open").click()
    page.locator("#paint-status p[role=status]", has_text="Done").wait_for()
    page.locator("#paint-gallery img").first.wait_for()
    expect(page.locator("#tab-paint-button")).to_have_attribute("aria-selected", "true")


def test_a_model_that_there_is_not_is_refused_by_its_name(open_page: Open) -> None:
    page = open_page("machine")
    page.locator("#machine-fetching button").first.click()
    page.locator("#machine-fetch-name input").fill("no such model")
    page.locator("#machine-fetch-name input").press("Enter")
    page.locator("#machine-fetch").click()
    page.locator("#machine-fetch-told p[role=alert]", has_text="no such model").wait_for()


def test_a_model_is_fetched_with_its_progress_and_stopped(
    browser: Browser, tmp_path: Path, sensorium_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = ModelHub("org/model", {"config.json": b'{"model_type": "clip"}', "model.safetensors": b"0" * 60_000_000})
    hub.bytes_per_second = 500_000
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    with serving(hub) as site:
        monkeypatch.setenv("HF_ENDPOINT", site.address)
        with served(tmp_path / "data") as (address, _), closing(browser.new_context()) as context:
            page = context.new_page()
            page.set_default_timeout(LONG)
            page.goto(f"{address}/studio/en/")
            go_to(page, "machine")
            page.locator("#machine-fetching button").first.click()
            page.locator("#machine-fetch-name input").fill("org/model")
            page.locator("#machine-fetch-name input").press("Enter")
            page.locator("#machine-fetch").click()
            page.locator("#machine-fetched progress").wait_for()
            page.locator("#machine-stop").click()
            page.locator("#machine-fetched", has_text="stopped").wait_for()
            hub.bytes_per_second = 0.0
            page.locator("#machine-fetch").click()
            page.locator("#machine-fetched", has_text="org/model is on this machine").wait_for()


def test_what_concerns_everybody_is_an_administrators_and_jobs_are_their_owners(
    browser: Browser, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text(f'[anna]\nkey = "{ANNA}"\n[ben]\nkey = "{BEN}"\n[chief]\nkey = "{CHIEF}"\nadmin = true\n')
    with served(tmp_path / "data", "--keys", str(keys)) as (address, _):
        headers = {"authorization": f"Bearer {ANNA}"}
        fields = {"subject": "a cat"}
        httpx2.post(
            f"{address}/v1/sensorium/build-prompt?background=true", json=fields, headers=headers, trust_env=False
        ).raise_for_status()
        for key in (ANNA, BEN, CHIEF):
            context = browser.new_context()
            page = logged_in(context.new_page(), address, key)
            seen = "build-prompt" if key == ANNA else "Nothing is finished"
            page.locator("#machine-finished", has_text=seen).wait_for()
            page.locator("#machine-pause").click()
            if key == CHIEF:
                page.locator("#machine-queue", has_text="Paused").wait_for()
            else:
                page.locator("#machine-queue-told p[role=alert]", has_text="is for administrators").wait_for()
                page.locator("#machine-unload").click()
                page.locator("#machine-models-told p[role=alert]", has_text="is for administrators").wait_for()
                page.locator("#machine-fetching button").first.click()
                page.locator("#machine-fetch").click()
                page.locator("#machine-fetch-told p[role=alert]", has_text="is for administrators").wait_for()
            context.close()


def logged_in(page: Page, address: str, key: str) -> Page:
    """Show a key where the page asks for it; go to the tab."""
    page.set_default_timeout(LONG)
    page.goto(f"{address}/studio")
    page.locator("#key").fill(key)
    page.get_by_role("button").click()
    page.get_by_role("tab").first.wait_for()
    go_to(page, "machine")
    return page
