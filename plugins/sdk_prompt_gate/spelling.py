"""Undo typing mistakes: a letter swapped, lost, added or replaced in a word that nobody knows.

Known is what the training prompts hold, what the encoder's tokenizer holds as one piece, and what
is made of such a word by an ending.  All else is read as the likeliest known word one mistake away,
if there is one: how often it was seen, times how often people make that mistake.  First letters
are taken to be right.  English only; a text in another language is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

LEAST = 8
"""A word is what was meant only if this many training prompts hold it."""
SHORTEST = 4
"""Letters; shorter words are near too many others."""
_WORD = re.compile(r"[^\W_]+")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SWAPPED, _LOST, _LOST_LAST, _DOUBLED, _ADDED, _REPLACED = 1.0, 0.8, 0.3, 0.6, 0.15, 0.03
"""How often each mistake is made, against swapping; chosen, each of 25 wrong letters alone."""
_ENDINGS = ("s", "es", "ed", "d", "ing", "er", "ers", "ly", "y", "ness", "less", "ish")


class Speller:
    """Repairs words by the vocabulary of the training prompts.

    Args:
        counts: word → how many English training prompts hold it.
        whole: whether the encoder's tokenizer holds a word as one piece.
    """

    def __init__(self, counts: Mapping[str, int], whole: Callable[[str], bool]) -> None:
        self._counts, self._whole = counts, whole

    def repair(self, text: str) -> str:
        """Return the text with unknown words read as known ones, or as it was."""
        out, at = [], 0
        for word in _WORD.finditer(text):
            found = word[0].lower()
            meant = self._meant(found)
            if meant != found:
                out += [text[at : word.start()], meant]
                at = word.end()
        return "".join([*out, text[at:]])

    def _meant(self, word: str) -> str:
        if len(word) < SHORTEST - 1 or not (word.isascii() and word.isalpha()):
            return word
        if self._known(word) or any(map(self._known, _stems(word))):
            return word
        best, highest = word, 0.0
        for candidate, likely in _one_mistake_away(word):
            seen = self._counts.get(candidate, 0)
            if len(candidate) >= SHORTEST and seen >= LEAST and seen * likely > highest:
                best, highest = candidate, seen * likely
        return best

    def _known(self, word: str) -> bool:
        return word in self._counts or self._whole(word) or self._whole(word.capitalize())


def _stems(word: str) -> Iterator[str]:
    """What a word may be made of by an ending: "slitting" of "slit", "raking" of "rake"."""
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < 3:
            continue
        yield stem
        if ending[0] in "eiy":
            yield f"{stem}e"
            if stem[-1] == stem[-2]:
                yield stem[:-1]
            if stem.endswith("i"):
                yield f"{stem[:-1]}y"


def _one_mistake_away(word: str) -> Iterator[tuple[str, float]]:
    """Every text that becomes `word` by one mistake after its first letter; how likely that is."""
    for i in range(1, len(word)):
        before, here, after = word[:i], word[i], word[i + 1 :]
        if after and after[0] != here:
            yield before + after[0] + here + after[1:], _SWAPPED
        yield before + after, _DOUBLED if here == word[i - 1] else _ADDED
        for letter in _LETTERS:
            yield before + letter + here + after, _LOST
            if letter != here:
                yield before + letter + after, _REPLACED
    for letter in _LETTERS:
        yield word + letter, _LOST_LAST
