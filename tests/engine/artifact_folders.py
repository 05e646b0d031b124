"""Folders for the files of jobs, as a worker makes them with the first file."""

from __future__ import annotations

from pathlib import Path

from sensorium.engine.job_files import JobFiles


def artifact_folder(files: JobFiles, job: str, *, durable: bool = True) -> Path:
    """Make a job's folder; return it."""
    folder = files.artifact_folder(job, durable=durable)
    for each in (folder.parent, folder):
        each.mkdir(exist_ok=True, mode=0o700)
    return folder
