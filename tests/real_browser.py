"""Chromium for the tests that open a page."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.debian_packages import cache_folder, fetching, open_package


def chromium() -> Path:
    """Return the machine's Chromium or Chrome, or else Debian's, unpacked in the cache without installing it."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return Path(found)
    starter = cache_folder() / "chromium" / "start"
    if not starter.is_file():
        _unpack(starter.parent)
    return starter


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
