"""Undo disguises word by word, as a reader would who knows the language.

`sdk.reading` offers what a text may mean; here a vocabulary decides, one word at a time, so that
"1girl" stays and "k1ll" becomes "kill", and letters that stood apart become words again.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from itertools import product

from sdk import Reading, readings

DISGUISED = 2
"""Digits and signs for letters from which a text is taken to be written so throughout."""
MAX_RUN = 400
"""Letters of one run that are segmented; a longer one is no message."""
LEAST_WORDS = 3
"""A sentence that is judged by itself has so many; shorter ones say too little."""
_UNIT = re.compile(
    r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]{2}|[^\W\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]+"
)
"""A word, or two letters of a script that puts no spaces between words."""
_END = re.compile(r"(?<=[.!?])\s+|\n+|;\s+|(?<=[。！？])")
_WORD = re.compile(r"[^\W_]+(?:[@$|€+!][^\W_]+)*|[@$][^\W_]+")
_SIGN = re.compile(r"[0134578@$|€+!]")
_LETTERS = tuple(str.maketrans("013457@$!|€+8", f"o{one}eastasiletb") for one in "il")
"""As `sdk.reading` reads signs in words; here in bare numbers too."""


class Restorer:
    """Holds the vocabulary: word → how often it was seen in training."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        total = sum(counts.values())
        self._cost = {word: -math.log(n / total) for word, n in counts.items()}
        self._unknown = math.log(total) + 2.0
        self._longest = max(map(len, counts), default=1)

    def restore(self, text: str) -> str:
        """Return the text without its disguise, in lower case, or as it was where it has none."""
        views = {reading.kind: reading for reading in reversed(readings(text))}
        if len(views) == 1:
            return text
        folded = views.get("folded", views["raw"])
        plain, disguised = self._unsign(folded, views, text)
        if disguised >= DISGUISED:  # then numbers are words too: "4 m4n" is "a man"
            plain, _ = self._unsign(folded, views, text, numbers=True)
        apart = [reading for reading in readings(plain) if reading.kind == "joined"]
        if apart:  # with digits as they are, and read as letters
            plain = min(map(self._close, apart), key=self._strangeness)
        return text if plain == text.lower() else plain

    def _unsign(
        self, folded: Reading, views: Mapping[str, Reading], text: str, *, numbers: bool = False
    ) -> tuple[str, int]:
        """Read lookalikes, digits and signs as letters where that makes a word; and how many."""
        others = [views[kind] for kind in ("leet", "leet-l") if kind in views]
        out, at, disguised = [], 0, 0
        for word in _WORD.finditer(folded.text):
            span = slice(word.start(), word.end())
            out.append(folded.text[at : word.start()])
            written = text[slice(*folded.span(word.start(), word.end()))].lower()
            if word[0] in self._cost or written == word[0]:
                read = word[0]
            else:
                read = _unaccented(written, word[0])
            if _SIGN.search(read) and (numbers or read not in self._cost):
                choices = {reading.text[span] for reading in others}
                choices |= {read.translate(table) for table in _LETTERS if numbers}
                best = self._best(read, choices)
                disguised += len(_SIGN.findall(read)) if best != read else 0
                read = best
            out.append(read)
            at = word.end()
        return "".join([*out, folded.text[at:]]), disguised

    def _best(self, written: str, choices: set[str]) -> str:
        known = [c for c in choices if c in self._cost and not any(map(str.isdigit, c))]
        if not known:  # "ki11": each 1 may be an i or an l
            known = [choice for choice in _mixtures(choices) if choice in self._cost]
        return min(known, key=self._cost.__getitem__, default=written)

    def _close(self, reading: Reading) -> str:
        out, at = [], 0
        for start, end in reading.joined:
            run = reading.text[start:end]
            words = self._segment(run) if end - start <= MAX_RUN else run
            out += [reading.text[at:start], words]
            at = end
        return "".join([*out, reading.text[at:]])

    def _strangeness(self, text: str) -> float:
        """Minus the log probability of all words."""
        words = [word[0] for word in _WORD.finditer(text)]
        return sum(self._cost.get(word, self._unknown * len(word)) for word in words)

    def _segment(self, run: str) -> str:
        """Split letters into the most probable words (Viterbi over single word frequencies)."""
        best = [0.0] + [math.inf] * len(run)
        back = [0] * (len(run) + 1)
        for end in range(1, len(run) + 1):
            for start in range(max(0, end - self._longest), end):
                word = run[start:end]
                cost = self._cost.get(word, self._unknown * len(word))
                if best[start] + cost < best[end]:
                    best[end], back[end] = best[start] + cost, start
        words = []
        end = len(run)
        while end:
            words.append(run[back[end] : end])
            end = back[end]
        return " ".join(reversed(words))


def sentence_case(text: str) -> str:
    """Lower case with a capital in front and no full stop: how the gate reads every text.

    Its training data are written in many ways, and case tells the source: read as written, an
    unsafe prompt lost 2.5 of 5.8 logits by lower case alone.
    """
    lower = text.strip().rstrip(".").lower()
    return lower[:1].upper() + lower[1:]


def sentences(text: str) -> list[str]:
    """The sentences of a text that has several, each of LEAST_WORDS and more."""
    found = [part for part in _END.split(text) if len(_UNIT.findall(part)) >= LEAST_WORDS]
    return found if len(found) > 1 else []


def _unaccented(written: str, folded: str) -> str:
    """Keep accents and other alphabets where nothing else was changed; else what was folded."""
    if not any("a" <= char <= "z" for char in written):
        return unicodedata.normalize("NFKC", written)  # a word in another alphabet, or full width
    bare = "".join(c for c in unicodedata.normalize("NFD", written) if not unicodedata.combining(c))
    return written if bare == folded else folded


def _mixtures(choices: set[str]) -> list[str]:
    """Every letter from any of the choices, for up to 64 mixtures."""
    columns = [sorted(set(column)) for column in zip(*choices, strict=True)]
    if math.prod(map(len, columns)) > 64:
        return []
    return ["".join(letters) for letters in product(*columns)]
