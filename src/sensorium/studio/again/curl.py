"""The requests that do a job again."""

from __future__ import annotations

import json
import shlex
from pathlib import PurePath
from urllib.parse import quote

from sensorium.operations.media import ARTIFACT
from sensorium.studio.again.wish import Wish

_ID = """sed -E 's/.*"{name}": ?"([^"]*)".*/\\1/'"""


def curl_of(wish: Wish, address: str, *, with_key: bool) -> str:
    """Return lines for a shell: files are sent first, what was made is fetched last.

    Args:
        wish: What is to be done.
        address: The server's.
        with_key: Whether it wants a key, which the lines take from the environment.
    """
    curl = "curl -sSf" + (' -H "Authorization: Bearer $SENSORIUM_API_KEY"' if with_key else "")
    sent = {media: name for media, name in wish.names.items() if not media.startswith(ARTIFACT)}
    lines = []
    for number, name in enumerate(sent.values(), 1):
        where = shlex.quote(f"{address}/v1/sensorium/uploads?name={quote(PurePath(name).name)}")
        data = shlex.quote(f"@{name}")
        lines.append(f"file{number}=$({curl} {where} --data-binary {data} \\\n  | {_ID.format(name='id')})")
    body = _expanded(json.dumps(wish.sent, ensure_ascii=False, indent=2))
    for number, media in enumerate(sent, 1):
        body = body.replace(_expanded(json.dumps(media, ensure_ascii=False)), f'"upload:$file{number}"')
    ask = (
        f"{curl} {address}/v1/sensorium/{wish.operation} -H 'Content-Type: application/json' -d @- <<JSON\n{body}\nJSON"
    )
    if not wish.artifacts:
        return "\n".join([*lines, ask])
    lines += [f"answer=$({ask}\n)", f'job=$(echo "$answer" | {_ID.format(name="job")})']
    for name in wish.artifacts:
        lines.append(f'{curl} -o {shlex.quote(name)} "{address}/v1/sensorium/jobs/$job/artifacts/{quote(name)}"')
    return "\n".join(lines)


def _expanded(text: str) -> str:
    """Return a text that a shell reads as it is where it looks for variables."""
    return text.replace("\\", "\\\\").replace("$", "\\$").replace("`", "\\`")
