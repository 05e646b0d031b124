"""Chromium for the tests that open a page."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.debian_packages import cache_folder, fetching, open_package

_FONT = "fonts-wqy-microhei"
"""The smallest package that has Chinese letters."""


def chromium() -> Path:
    """Return the machine's Chromium or Chrome, or else Debian's, unpacked in the cache without installing it.

    The latter has a font for Chinese with it, which a machine without a screen seldom has.
    """
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return Path(found)
    starter = cache_folder() / "chromium" / "start"
    if not starter.is_file():
        _unpack(starter.parent)
    with_font = starter.with_name("start-with-font")
    if not with_font.is_file():
        _add_font(starter, with_font)
    return with_font


def _add_font(starter: Path, with_font: Path) -> None:
    folder = cache_folder() / _FONT
    with fetching(_FONT) as temporary:
        if not (folder / "fonts.conf").is_file():  # the font alone may be there, for tests that draw writing
            shutil.copytree(open_package(_FONT, temporary), folder, dirs_exist_ok=True)
            (folder / "fonts.conf").write_text(
                "<fontconfig>"
                '<include ignore_missing="yes">/etc/fonts/fonts.conf</include>'
                f"<dir>{folder}/usr/share/fonts</dir><cachedir>{folder}/cache</cachedir>"
                "</fontconfig>\n"
            )
        written = temporary / with_font.name
        written.write_text(f'#!/bin/sh\nexport FONTCONFIG_FILE={folder}/fonts.conf\nexec {starter} "$@"\n')
        written.chmod(0o755)
        written.rename(with_font)


def _unpack(target: Path) -> None:
    with fetching("chromium") as folder:
        if target.is_dir():
            return
        root = open_package("chromium", folder, with_missing_dependencies=True)
        # Some packages keep libraries of their own in a folder below the usual one.
        libraries = sorted({file.parent for file in (root / "usr/lib").glob("*-linux-gnu/**/*.so*")})
        places = [target / path.relative_to(root) for path in libraries]
        start = root / "start"
        start.write_text(
            "#!/bin/sh\n"
            f"export LD_LIBRARY_PATH={':'.join(map(str, places))}:$LD_LIBRARY_PATH\n"
            f'exec {target}/usr/lib/chromium/chromium --no-sandbox "$@"\n'
        )
        start.chmod(0o755)
        ran = subprocess.run(
            [root / "usr/lib/chromium/chromium", "--version"],
            env={**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, (
            "a test opens a page in Chromium, which is not installed and could not be run unpacked; "
            f"install it: apt-get install chromium ({ran.stderr.strip()[:300]})"
        )
        root.rename(target)
