"""Decides whether a prompt is about one person of whom nothing is said, and where that stands.

    place_for("a photo of a doctor in a hospital")      # Place before "doctor"
    place_for("a female doctor")                        # None: it says who

The guard knows what it lets through; whatever it does not know stays as it is written.  A prompt
is changed only where all of this holds:

1. exactly one noun of `ROLES`, in the singular, with `a` or `an`, or at the very beginning;
2. every word before it is of `MEDIA` or `ADJECTIVES`: no name, no animal, no "dressed as";
3. the word behind it is of `BEHIND`, or a comma or nothing is: no "nurse shark", no "pilot's seat";
4. no word anywhere is of `SAYS` (gender, age, skin, origin, faith, pregnancy, dress and hair that
   stand for them, kinship, pronouns), of `MANY` (groups), `PAST` (history, rulers) or `NAMES`;
5. nothing is written with a capital letter but the first word: names have one;
6. nothing but plain English sentences: no other letters, digits, weights or tags.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass

from sdk_rewriter_balance.words import (
    ADJECTIVES,
    BEHIND,
    MANY,
    MEDIA,
    NAMES,
    PAST,
    ROLES,
    SAYS,
)

MOST = 1000
"""Characters; longer prompts are left alone."""
_WORD = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*(?:'[A-Za-z]*)?")
_PLAIN = re.compile(r"[A-Za-z \t\n,.;!?'\"\-]*")
_ARTICLES = frozenset({"a", "an"})
_STOPS = SAYS | MANY | PAST | NAMES


@dataclass(frozen=True, slots=True)
class Place:
    """Where a modifier goes."""

    before: int
    """Characters that stay as they are: all in front of the article, or of the person."""
    article: str
    """As it was written; empty where there is none."""
    start: int
    """Where the person begins, adjectives included."""


def place_for(
    prompt: str, others: Sequence[str] = (), taken: Set[str] = frozenset()
) -> Place | None:
    """Return where a modifier may be put; None where the prompt is to stay as it is.

    `others` are the other texts of the request, which may say who is meant, or not meant; `taken`
    are words of the modifiers.
    """
    if len(prompt) > MOST or not _PLAIN.fullmatch(prompt):
        return None
    found = list(_WORD.finditer(prompt))
    words = [match[0].lower() for match in found]
    if any(match[0][0].isupper() for match in found[1:]):
        return None
    said = {part for text in (prompt, *others) for part in _parts_of(text)}
    if said & _STOPS or set(words) & taken:
        return None
    roles = [at for at, word in enumerate(words) if word in ROLES]
    if len(roles) != 1 or set(words[: roles[0]]) - MEDIA - ADJECTIVES - _ARTICLES:
        return None
    role = roles[0]
    behind = prompt[found[role].end() :]
    alone = not behind.strip(" .!?") or behind[0] in ",.;"
    if not alone and not (role + 1 < len(words) and words[role + 1] in BEHIND):
        return None
    first = role
    while first and words[first - 1] in ADJECTIVES:
        first -= 1
    if "," in prompt[found[first].start() : found[role].start()]:
        return None  # a list of tags, no sentence
    if first and words[first - 1] in _ARTICLES:
        article = found[first - 1]
        return Place(article.start(), article[0], found[first].start())
    return Place(0, "", 0) if first == 0 and found[0].start() == 0 else None


def _parts_of(text: str) -> set[str]:
    """Every word, and what it is made of: `nun's`, `dark-skinned`, `nuns` are seen as `nun`, …"""
    found = set()
    for word in _WORD.findall(text.lower()):
        for part in (word, *re.split(r"[-']", word)):
            found |= {part, part.removesuffix("s"), part.removesuffix("es")}
    return found
