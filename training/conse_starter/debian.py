"""Files out of a Debian package, without installing it."""

from __future__ import annotations

import subprocess
from pathlib import Path


def open_package(name: str, folder: Path) -> Path:
    """Download a package with ``apt-get`` into a folder, open it there, and return where its files are."""
    subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", name], cwd=folder, check=True)
    files = folder / name
    subprocess.run(["dpkg-deb", "-x", next(folder.glob(f"{name}_*.deb")), files], check=True)
    return files
