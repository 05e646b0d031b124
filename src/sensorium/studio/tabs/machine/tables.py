"""Tables of the tab, as HTML that readers of screens understand."""

from __future__ import annotations

import html
from collections.abc import Sequence


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; its first column names the rows."""
    head = "".join(f"<th scope='col'>{html.escape(each)}</th>" for each in heads)
    body = "".join(
        f"<tr><th scope='row'>{html.escape(first)}</th>{''.join(f'<td>{html.escape(each)}</td>' for each in rest)}</tr>"
        for first, *rest in rows
    )
    return (
        f"<div class='machine-table' tabindex='0' role='group' aria-label=\"{html.escape(caption)}\"><table>"
        f"<caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def hint(text: str, title: str = "") -> str:
    """Return a line that explains, below the title of what would be there."""
    heading = f"<h2 class='machine-title'>{html.escape(title)}</h2>" if title else ""
    return f"{heading}<p class='hint'>{html.escape(text)}</p>"


def size(count: float) -> str:
    """Return a number of bytes as people read it."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"
