"""Six ways in which people disguise words, for measuring; each changes 60 % of the words."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from .examples import mistype

SHARE = 0.6
_LOOKALIKES = str.maketrans("aceopxyisj", "асеорхуіѕј")
_LEET = str.maketrans("aeiost", "431057")
_WIDE = {c: c + 0xFEE0 for c in range(0x21, 0x7F)}


def _words(change: Callable[[str], str]) -> Callable[[str, random.Random], str]:
    def disguise(text: str, dice: random.Random) -> str:
        words = text.split(" ")
        return " ".join(change(w) if dice.random() < SHARE else w for w in words)

    return disguise


EVASIONS: Mapping[str, Callable[[str, random.Random], str]] = {
    "homoglyph": _words(lambda word: word.lower().translate(_LOOKALIKES)),
    "zero-width": _words("\u200b".join),
    "full-width": _words(lambda word: word.translate(_WIDE)),
    "leet": _words(lambda word: word.lower().translate(_LEET)),
    "spaced": _words(" ".join),
    "typo": lambda text, dice: mistype(text, dice, SHARE),
}
