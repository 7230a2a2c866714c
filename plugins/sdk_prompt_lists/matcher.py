"""Finds many terms in a text in one pass over its words.

A term is a key in a table under its first word, with the words that must follow: a text of n
words costs n look-ups, however many terms there are.  Scripts that put no spaces between words are
searched with one regular expression instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from sdk import Reading, readings

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Hit(Generic[Value]):
    """A term that was found."""

    start: int
    """Characters of the searched text, [start, end)."""
    end: int
    value: Value


class Matcher(Generic[Value]):
    """Terms with a value each; later terms of the same words replace earlier ones."""

    def __init__(self, terms: Iterable[tuple[str, Value]]) -> None:
        self._tails: dict[str, dict[tuple[str, ...], Value]] = {}
        self._unspaced: dict[str, Value] = {}
        for term, value in terms:
            # Terms are folded like texts, so that "pornografía" also finds "pornografia".
            for reading in readings(term)[:2]:
                if reading.kind in ("raw", "folded"):
                    self._add(reading.text, value)
        found = sorted(self._unspaced, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, found))) if found else None

    def _add(self, term: str, value: Value) -> None:
        if _UNSPACED.search(term):
            self._unspaced[term] = value
            return
        words = [match[0] for match in _WORD.finditer(term)]
        if not words:
            return
        for last in _plurals(words[-1]):
            first, *rest = [*words[:-1], last]
            self._tails.setdefault(first, {})[tuple(rest)] = value

    def search(self, reading: Reading) -> list[Hit[Value]]:
        """Every occurrence, in order of its first word; hits may overlap."""
        text = reading.text
        words = [(m.start(), m.end(), m[0]) for m in _WORD.finditer(text)]
        hits: list[Hit[Value]] = []
        for at, (start, _, word) in enumerate(words):
            for rest, value in self._tails.get(word, {}).items():
                stop = at + len(rest)
                if stop < len(words) and all(
                    words[at + 1 + k][2] == follow for k, follow in enumerate(rest)
                ):
                    hits.append(Hit(start, words[stop][1], value))
        if self._pattern and not text.isascii():
            found = self._pattern.finditer(text)
            hits += [Hit(m.start(), m.end(), self._unspaced[m[0]]) for m in found]
        for start, end in reading.joined:
            hits += self._inside(text, start, end)
        return hits

    def _inside(self, text: str, start: int, end: int) -> list[Hit[Value]]:
        """Single words of four letters and more anywhere in letters that stood apart."""
        hits: list[Hit[Value]] = []
        for left in range(start, end - 3):
            for right in range(left + 4, min(end, left + 24) + 1):
                tails = self._tails.get(text[left:right], {})
                if () in tails:
                    hits.append(Hit(left, right, tails[()]))
        return hits


def _plurals(word: str) -> tuple[str, ...]:
    if len(word) < 3 or not word.isascii() or word.endswith("s"):
        return (word,)
    return (word, f"{word}s", f"{word}es") if word.endswith(("x", "h")) else (word, f"{word}s")


_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)
"""Thai, Lao, Burmese, Khmer, kana, Han; and Hangul, whose words carry their particles."""
