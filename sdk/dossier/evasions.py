"""Six ways in which people disguise words, for measuring; each changes 60 % of the words.

    EVASIONS["leet"]("a red apple", random.Random(0))      # "4 r3d appl3"

Lookalike letters are Cyrillic ones that read as Latin (Unicode Technical Standard 39); typing
mistakes swap, drop, double or replace one letter inside a word of four and more.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

SHARE = 0.6
Disguise = Callable[[str, random.Random], str]
_LOOKALIKES = str.maketrans("aceopxyisj", "асеорхуіѕј")
_LEET = str.maketrans("aeiost", "431057")
_WIDE = {c: c + 0xFEE0 for c in range(0x21, 0x7F)}


def _words(change: Callable[[str], str]) -> Disguise:
    def disguise(text: str, dice: random.Random) -> str:
        return " ".join(change(w) if dice.random() < SHARE else w for w in text.split(" "))

    return disguise


def mistype(text: str, dice: random.Random) -> str:
    """Make one typing mistake in about 60 % of the words of four letters and more."""
    words = text.split(" ")
    for i, word in enumerate(words):
        if len(word) >= 4 and dice.random() < SHARE:
            words[i] = _mistyped(word, dice)
    return " ".join(words)


def _mistyped(word: str, dice: random.Random) -> str:
    at, kind = dice.randrange(1, len(word) - 1), dice.random()
    if kind < 0.4:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind < 0.7:
        return word[:at] + word[at + 1 :]
    if kind < 0.85:
        return word[:at] + word[at] + word[at:]
    return word[:at] + dice.choice("abcdefghijklmnopqrstuvwxyz") + word[at + 1 :]


EVASIONS: Mapping[str, Disguise] = {
    "homoglyph": _words(lambda word: word.lower().translate(_LOOKALIKES)),
    "zero-width": _words("\u200b".join),
    "full-width": _words(lambda word: word.translate(_WIDE)),
    "leet": _words(lambda word: word.lower().translate(_LEET)),
    "spaced": _words(" ".join),
    "typo": mistype,
}
