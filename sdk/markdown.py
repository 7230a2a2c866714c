"""Words of others inside Markdown that we write: model cards and data set cards.

    plain("Mara | <b>Lind</b>")           # r"Mara \\| &lt;b&gt;Lind&lt;/b&gt;"

A licence, an attribution or a consent comes from whoever made a data set.  Untreated it could end a
table's cell, begin a heading, a link or a script, and so speak in the card's own voice.
"""

from __future__ import annotations

from html import escape

_SIGNS = frozenset("\\`*_{}[]()#+!|~")


def plain(text: object) -> str:
    """One line of Markdown that shows `text` and does nothing else.

    Every run of white space becomes one space.  Punctuation that CommonMark 0.31, section 2.4,
    lets a backslash escape is escaped where it could begin something.
    """
    line = escape(" ".join(str(text).split()), quote=False)
    return "".join(f"\\{sign}" if sign in _SIGNS else sign for sign in line)
