"""What every status code means, what most likely caused it, and what to do.

    explained("assertion.dataHash.mismatch").means

The table is sdk/explain.toml.  A code that is not in it is explained by its family.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Explanation:
    """Three sentences about a status code."""

    means: str
    cause: str
    do: str


_UNKNOWN = Explanation(
    "the manifest breaks a rule of C2PA", "see the code's name", "ask whoever signed it"
)


@cache
def table() -> Mapping[str, Explanation]:
    """Return every code that is known."""
    raw = tomllib.loads((files("sdk") / "explain.toml").read_text("utf-8"))
    sentences: dict[str, str] = raw["sentences"]
    codes: dict[str, list[str]] = raw["codes"]
    return {
        code: Explanation(*(sentences.get(sentence, sentence) for sentence in three))
        for code, three in codes.items()
    }


def explained(code: str) -> Explanation:
    """Explain a code, whatever it is."""
    return table().get(code, _UNKNOWN)
