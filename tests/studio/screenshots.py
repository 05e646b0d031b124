"""Pictures of every tab, wide and narrow, light and dark, in both languages: ``python -m tests.studio.screenshots``.

They are written to ``screenshots/``, which git ignores, to be looked at.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from sensorium.studio.page import TABS
from sensorium.studio.wording import LANGUAGES
from tests.real_browser import chromium
from tests.server.conftest import served
from tests.studio.conftest import LONG, NARROW, WIDE, go_to

_FOLDER = Path("screenshots")
_EXAMPLES = {name: f"#{name}-example" for name in TABS} | {"see": "#see-classify-example"}


def main() -> None:
    """Write all pictures; every tab shows what came of its example."""
    _FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as data,
        served(Path(data)) as (address, _),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=str(chromium()))
        page = browser.new_page()
        page.set_default_timeout(LONG)
        page.goto(f"{address}/studio/en/")
        for tab in TABS:
            _try_example(page, tab)
        for language in LANGUAGES:
            for dark in (False, True):
                for width, viewport in (("wide", WIDE), ("narrow", NARROW)):
                    context = browser.new_context(viewport=viewport, color_scheme="dark" if dark else "light")  # type: ignore[arg-type]
                    page = context.new_page()
                    page.set_default_timeout(LONG)
                    page.goto(f"{address}/studio/{language}/")
                    page.get_by_role("tab").first.wait_for()
                    for tab in TABS:
                        go_to(page, tab)
                        page.wait_for_timeout(1500)
                        name = f"{tab}-{language}-{width}-{'dark' if dark else 'light'}.png"
                        page.screenshot(path=_FOLDER / name, full_page=True)
                        print(_FOLDER / name, flush=True)
                    context.close()
        browser.close()


def _try_example(page: Page, tab: str) -> None:
    go_to(page, tab)
    button = page.locator(_EXAMPLES[tab])
    if button.count():
        button.first.click()
        page.locator(f"[id^={tab}][id$=-status] p[role=status]", has_text="Done").first.wait_for()


if __name__ == "__main__":
    main()
