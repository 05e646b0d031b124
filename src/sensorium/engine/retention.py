"""Deleting what is old, and the oldest of what is too much: ended jobs with their files and events, and uploads."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sensorium.engine.job_files import JobFiles
from sensorium.engine.job_store import JobStore
from sensorium.operations.media import UPLOAD, Media
from sensorium.record import Record

_FRESH_SECONDS = 60.0
"""For so long nothing is deleted for room: whoever waits for it must have the time to fetch or use it."""
_STRAY_SECONDS = 24 * 3600.0
"""How old files must be at least that no job and no upload of the database owns: one may be on its way there."""


@dataclass(frozen=True, eq=False, repr=False)
class Swept(Record):
    """What was deleted.

    Attributes:
        jobs: How many jobs.
        uploads: How many uploads.
        freed: Bytes of their files; where a job still uses one, its bytes are freed with that.
    """

    jobs: int
    uploads: int
    freed: int


def sweep(store: JobStore, files: JobFiles, now: float, keep_seconds: float, keep_bytes: int) -> Swept:
    """Delete ended jobs and unused uploads by age, then the oldest ones for room.

    Jobs that wait or run stay, and so does what a search index or a voice holds. Uploads that were to live until a
    moment go then; those that were sent for a purpose don't go by age. What is dated in the future, because the clock
    was wrong then or is now, goes for room only, after all else.

    Args:
        store: Knows the jobs and uploads.
        files: Has their files.
        now: Seconds since 1970.
        keep_seconds: How long jobs are kept after their end, and uploads after their last use.
        keep_bytes: How many bytes the files of results and the uploads may take together.

    Raises:
        StorageError: The database is away, or a file can't be deleted.
    """
    jobs, uploads = files.job_sizes(), files.upload_sizes()
    surplus = sum(jobs.values()) + sum(uploads.values()) - keep_bytes
    oldest = now - keep_seconds
    swept = Swept(0, 0, 0)
    for name in store.expired_uploads(now):
        size = uploads.pop(name, 0)
        surplus -= size
        _delete(store, files, False, name)
        swept = Swept(0, swept.uploads + 1, swept.freed + size)
    held = files.indexed() | {Media(UPLOAD + upload) for upload in store.recordings()}
    lasting = store.lasting_uploads()
    held_jobs = {reference.artifact[0] for reference in held if reference.artifact}
    for moment, is_job, name in _oldest_first(store, max(oldest, now - _FRESH_SECONDS), now + _FRESH_SECONDS):
        size = (jobs if is_job else uploads).pop(name, 0)
        if name in held_jobs if is_job else UPLOAD + name in held:
            continue
        too_old = moment < oldest and (is_job or name not in lasting)
        if too_old or (surplus > 0 and size):
            surplus -= size
            _delete(store, files, is_job, name)
            swept = Swept(swept.jobs + is_job, swept.uploads + (not is_job), swept.freed + size)
    _delete_strays(store, files, jobs, uploads, now - max(keep_seconds, _STRAY_SECONDS))
    store.forget_strikes(oldest)
    return swept


def _oldest_first(store: JobStore, before: float, after: float) -> list[tuple[float, bool, str]]:
    ended = [*store.ended(before=before), *store.ended(after=after)]
    jobs = [(moment, True, job) for job, moment in ended]
    uploads = [(used, False, upload) for upload, used in store.unused_uploads(before=before, after=after)]
    return sorted(jobs + uploads)


def _delete(store: JobStore, files: JobFiles, is_job: bool, name: str) -> None:
    # Files go first: a job without files is deleted next time, files without a job would be strays.
    if is_job:
        files.delete_job(name)
        store.delete_jobs([name])
    else:
        files.delete_upload(name)
        store.delete_uploads([name])


def _delete_strays(
    store: JobStore, files: JobFiles, jobs: Collection[str], uploads: Collection[str], before: float
) -> None:
    """Delete old files that no job and no upload in the database owns: an engine has crashed in between."""
    for job in {job for job in jobs if files.job_made(job) < before} - store.known(jobs):
        files.delete_job(job)
    for upload in {upload for upload in uploads if files.upload_made(upload) < before} - store.known_uploads(uploads):
        files.delete_upload(upload)
