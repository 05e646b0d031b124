"""How a conversation looks: what both sides say, as HTML, with a pencil at each question."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from sensorium.studio.tabs.see.cards import empty, picture
from sensorium.studio.tabs.see.conversation import Said
from sensorium.studio.wording import Wording

CHOOSE = """element.addEventListener('click', event => {
    const pencil = event.target.closest('button[data-turn]');
    if (pencil) trigger('click', {turn: Number(pencil.dataset.turn)});
});"""
"""What makes the pencils tell the page their question's number."""


def talk_of(said: Sequence[Said], paths: Mapping[str, str], words: Wording, *, writing: bool = False) -> str:
    """Return a conversation.

    Args:
        said: What was said.
        paths: Where its pictures lie, as far as they are still there.
        words: The page's.
        writing: Whether more is to come.
    """
    if not said:
        return empty(words("see.chat_empty"))
    turns = "".join(_turn(number, each, paths, words) for number, each in enumerate(said))
    waiting = '<li class="assistant waiting" aria-hidden="true"><p>…</p></li>' if writing else ""
    # The outer box turns its content upside down, so that it shows the end as more is written.
    return (
        f'<div class="talk" tabindex="0" role="log" aria-label="{html.escape(words("see.conversation"))}">'
        f"<ol>{turns}{waiting}</ol></div>"
    )


def _turn(number: int, said: Said, paths: Mapping[str, str], words: Wording) -> str:
    pictures = "".join(picture(paths[each]) for each in said.pictures if each in paths)
    text = f"<p>{html.escape(said.text)}</p>" if said.text else ""
    who = f'<span class="who">{html.escape(words(f"see.{said.role}"))}</span>'
    return f'<li class="{said.role}">{who}{pictures}{text}{_pencil(number, said, words)}</li>'


def _pencil(number: int, said: Said, words: Wording) -> str:
    if said.role != "user":
        return ""
    label = html.escape(words("see.change", question=said.text))
    return f'<button type="button" data-turn="{number}" aria-label="{label}" title="{label}">✎</button>'
