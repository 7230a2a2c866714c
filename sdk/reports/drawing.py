"""Draws what a file was made from: a tree of boxes, the file at its root."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from sdk.report import Report
from sdk.types import JSON

_WORDS: Mapping[str, str] = {
    "parentOf": "an edit of",
    "componentOf": "contains",
    "inputTo": "made with",
}


def drawn(report: Report) -> Iterator[str]:
    """Yield the tree as HTML; nothing where the manifest names no other file."""
    more = report.axes["chain"].more
    links = more.get("links")
    if not isinstance(links, list) or not links:
        return
    listed = [link for link in links if isinstance(link, dict)]
    root = str(report.axes["provenance"].more.get("manifest") or listed[0].get("child"))
    yield '<h3>What it was made from</h3>\n<ul class="tree"><li>'
    yield _node("this file", "", str(more.get("generator", "")), "")
    yield from _below(root, listed, {root})
    yield "</li></ul>"


def _below(label: str, links: list[dict[str, JSON]], seen: set[str]) -> Iterator[str]:
    own = [link for link in links if link.get("child") == label]
    if not own:
        return
    yield "<ul>"
    for link in own:
        word = _WORDS.get(str(link.get("relationship")), str(link.get("relationship")))
        by = str(link.get("generator") or "")
        yield f"<li>{_node(str(link.get('title')), word, by, _state(link))}"
        manifest = link.get("manifest")
        if isinstance(manifest, str) and manifest not in seen:
            seen.add(manifest)
            yield from _below(manifest, links, seen)
        yield "</li>"
    yield "</ul>"


def _state(link: Mapping[str, JSON]) -> str:
    if link.get("changed"):
        return '<span class="pill bad">changed</span>'
    if link.get("manifest") is None:
        return '<span class="pill none">no credentials</span>'
    return '<span class="pill ok">credentials verify</span>'


def _node(title: str, word: str, generator: str, state: str) -> str:
    how = f"<small>{escape(word)}</small>" if word else ""
    by = f"<small>by {escape(generator)}</small>" if generator else ""
    return f'<div class="node">{how}{escape(title)} {state}{by}</div>'
