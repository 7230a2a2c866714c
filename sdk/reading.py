"""The ways in which a person would read a text that was written to fool a program.

    readings("p0rn")            # "p0rn" as it stands, and "porn"
    readings("a red apple")     # one reading: nothing to undo

A filter looks at every reading, because each undoing has victims of its own: "1girl" becomes
"igirl".  The first reading is the text as it stands, in lower case.  What is undone: width and
style variants (NFKC), invisible characters, accents, letters of other alphabets that look Latin,
digits and signs used as letters, and letters that are spaced or dotted apart.  What is not:
misspellings, other languages, pictures made of letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A text as it may be read, with the way back to what was written."""

    kind: str
    """`raw` (lower case), `folded`, `leet`, `leet-l` (1 read as l) or `joined`."""
    text: str
    origin: Sequence[int]
    """For each character of `text`, where it comes from in the original."""
    joined: tuple[tuple[int, int], ...] = ()
    """Spans of `text` that were letters standing apart."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where text[start:end] stands in the original; end > start."""
        return self.origin[start], self.origin[end - 1] + 1


def readings(text: str) -> tuple[Reading, ...]:
    """Return the raw reading first, then each that differs from those before it."""
    found = [_raw(text)]
    folded = found[0] if text.isascii() else _fold(text)
    leet = _translate(folded, "leet", _LEET)
    leet_l = _translate(folded, "leet-l", _LEET_L)
    apart = _join(folded)
    joined = [apart, _translate(apart, "joined", _LEET), _translate(apart, "joined", _LEET_L)]
    for reading in (folded, leet, leet_l, *joined):
        if all(reading.text != known.text for known in found):
            found.append(reading)
    return tuple(found)


def _raw(text: str) -> Reading:
    lower = text.lower()
    if len(lower) == len(text):
        return Reading(kind="raw", text=lower, origin=range(len(text)))
    return _spell("raw", text, str.lower)


def _spell(kind: str, text: str, change: Callable[[str], str]) -> Reading:
    """Change every character by itself; what it becomes may have any length."""
    out: list[str] = []
    origin: list[int] = []
    for at, char in enumerate(text):
        new = change(char)
        out.append(new)
        origin.extend([at] * len(new))
    return Reading(kind=kind, text="".join(out), origin=origin)


def _fold(text: str) -> Reading:
    plain = _spell("folded", text, _plain)
    latin = sum("a" <= char <= "z" for char in plain.text)
    others = [char for char in plain.text if char > "\x7f" and char.isalpha()]
    # A text that is mostly Latin has no business with other alphabets, and one of lookalikes only
    # may be a disguise; else only words that mix are folded.
    whole = latin > len(others) or all(char in _LOOKALIKES for char in others)
    chars = list(plain.text)
    for word in re.finditer(r"\w+", plain.text):
        mixed = any("a" <= char <= "z" for char in word[0])
        if mixed or whole:
            chars[word.start() : word.end()] = [_LOOKALIKES.get(c, c) for c in word[0]]
    return Reading(kind="folded", text="".join(chars), origin=plain.origin)


@lru_cache(maxsize=8192)
def _plain(char: str) -> str:
    """One character without width, style, accents and case; nothing for an invisible one."""
    if char < "\x80":
        return char.lower()
    if unicodedata.category(char) == "Cf" or char in _INVISIBLE:
        return ""
    wide = unicodedata.normalize("NFKC", char).lower()
    return "".join(_unaccented(c) for c in wide)


def _unaccented(char: str) -> str:
    if "\u0300" <= char <= "\u036f" or "\u20d0" <= char <= "\u20ff":
        return ""
    if char in "йё":  # letters of their own; folding them would break Russian words
        return char
    base = unicodedata.normalize("NFD", char)[0] if char < "\u0530" or char > "\u1e00" else char
    # Hangul syllables and kana decompose too, into what nobody writes.
    return base if base < "\u0530" else char


def _translate(reading: Reading, kind: str, table: Mapping[int, int]) -> Reading:
    """Read signs as letters, in words that hold both; not sizes, counts and punctuation."""
    if not _SIGN.search(reading.text):
        return reading
    chars = list(reading.text)
    for token in _TOKEN.finditer(reading.text):
        core = token[0]
        if not _SIGN.search(core) or not _LETTER.search(core) or _MEASURE.fullmatch(core):
            continue
        chars[token.start() : token.end()] = core.translate(table)
    return replace(reading, kind=kind, text="".join(chars))


def _join(reading: Reading) -> Reading:
    """Close up runs of three or more single letters: `p o r n`, `p.o.r.n`, `p-o-r-n`."""
    runs = [run for run in _SPACED.finditer(reading.text) if _LETTER.search(run[0])]
    if not runs:
        return reading
    out: list[str] = []
    origin: list[int] = []
    joined: list[tuple[int, int]] = []
    at = 0
    for run in runs:
        kept = [i for i in range(run.start(), run.end()) if reading.text[i].isalnum()]
        for i in [*range(at, run.start()), *kept]:
            out.append(reading.text[i])
            origin.append(reading.origin[i])
        joined.append((len(out) - len(kept), len(out)))
        at = run.end()
    out.append(reading.text[at:])
    origin.extend(reading.origin[at:])
    return Reading(kind="joined", text="".join(out), origin=origin, joined=tuple(joined))


_SIGN = re.compile(r"[0134578@$!|€+]")
_LETTER = re.compile(r"[^\W\d_]")
_TOKEN = re.compile(r"[\w@$|€+]+(?:[!@$|€+]+[\w@$|€+]+)*")
_MEASURE = re.compile(
    r"\d+(?:x\d+|[kdpmxsg]|[mckp]m|px|fps|ft|kg|hd|am|pm|yo|st|nd|rd|th|girls?|boys?|others?)"
    r"|[a-z]\d+"
)
"""8k, 3d, 50mm, 1024x768, 19th, f16, 1girl (a tag of anime boards): digits meant as digits."""
_SPACED = re.compile(r"(?<!\w)[^\W_](?:[\s._\-*~/|,'`]{1,2}[^\W_]){2,}(?!\w)")
_LEET = str.maketrans("013457@$!|€+8", "oieastasiletb")
_LEET_L = str.maketrans("013457@$!|€+8", "oleastaslletb")
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u2800\u3164\uffa0") | {
    chr(c) for block in (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0)) for c in block
}
"""Characters without ink that are not of category Cf: fillers, blank Braille, variation selectors
(Unicode 15.1, Default_Ignorable_Code_Point)."""


def _pairs(alphabet: str, latin: str) -> dict[str, str]:
    return dict(zip(alphabet, latin, strict=True))


_LOOKALIKES = {
    **_pairs("авекмнорстухіјѕԁһԛԝӏґгпьъзчё", "abekmhopctyxijsdhqwlrrnbb34e"),  # Cyrillic
    **_pairs("αβγδεζηικλμνορστυχωϲϳ", "abydeznikluvoptuxxwcj"),  # Greek
    **_pairs("օոսցհւԁ", "onughld"),  # Armenian
    **_pairs("ɑɡɩɪɴʀʏıłøđħŧʟʜɢʙᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢꜱꜰ", "agiinryilodhtlhgbacdejkmoptuvwzsf"),
}
"""Small letters that are taken for Latin ones.  A selection, by eye, of what Unicode Technical
Standard 39 lists as confusables; Cyrillic г п ь and Greek γ μ are read as Latin in mixed words."""
