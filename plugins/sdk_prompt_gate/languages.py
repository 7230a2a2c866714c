"""Tell a prompt's language by script and by small words, well enough to pick a calibration.

Not a language identifier: what it does not know is `en`.  Fourteen languages, those that the
encoder was trained on and that prompts were written in for calibration.
"""

from __future__ import annotations

import re

SCRIPTS = (
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    (
        "ja",
        re.compile(
            r"[\u3040-\u30ff][\u3040-\u30ff\u3400-\u9fff]*|[\u3400-\u9fff]+[\u3040-\u30ff]+"
        ),
    ),
    ("zh", re.compile(r"[\u3400-\u9fff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
SMALL_WORDS = {
    "en": "a an the of in on with and is are at by to for from his her",
    "de": "ein eine einem einer der die das und mit im auf von zu ist sich bei vor",
    "fr": "un une le la les des du et avec dans sur de en est d l qui aux",
    "es": "un una el la los las del y con en de sobre es por una al",
    "it": "un una il lo la gli i del della di con e nel nella su che è",
    "pt": "um uma o os da de com e na em sobre ao são não",
    "nl": "een de het en van met op in is zijn voor bij naar aan",
    "pl": "w na z i do się jest o przy nad w ze oraz",
    "tr": "bir ve ile için içinde üzerinde olan bu çok da de",
}
LANGUAGES = (*SMALL_WORDS, *(name for name, _ in SCRIPTS))
OTHER = "other"
"""A text that is not English and in no language of LANGUAGES that can be told."""
_LISTS = {name: frozenset(words.split()) for name, words in SMALL_WORDS.items()}
_MARKS = {
    "de": "äöüß", "fr": "éèêàçœ", "es": "ñáíóúé", "it": "àèìòù", "pt": "ãõáéíóúç", "pl": "ąćęłńśźż",
    "tr": "ığşçöü",
}  # fmt: skip


def language(text: str) -> str:
    """Return the likeliest of LANGUAGES."""
    if not text.isascii():
        letters = sum(char.isalpha() for char in text) or 1
        for name, script in SCRIPTS:
            if sum(map(len, script.findall(text))) * 3 >= letters:
                return name
    lower = text.lower()
    words = re.findall(r"[^\W\d_]+", lower)
    votes = {name: float(sum(word in known for word in words)) for name, known in _LISTS.items()}
    for name, marks in _MARKS.items():
        votes[name] += 0.5 * sum(lower.count(mark) for mark in marks)
    best = max(votes, key=lambda name: votes[name])
    return best if votes[best] > votes["en"] else "en"
