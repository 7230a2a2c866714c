"""Reads term lists: the built-in ones, the user's files and terms given in the settings."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from sdk import PluginError

CATEGORIES = ("sexual", "sexual_minors", "violence", "hate", "self_harm", "illegal")
"""What the built-in lists cover."""
STRENGTHS: Mapping[str, float] = {"certain": 0.97, "likely": 0.60, "hint": 0.20}
"""Score of a term: see terms/README.md for what a strength promises."""
MAX_FILE_BYTES = 32 * 1024 * 1024


@dataclass(slots=True)
class Lexicon:
    """All terms of one filter, by what they are for."""

    scored: dict[str, dict[str, float]] = field(default_factory=dict)
    """Category → term → score."""
    minors: dict[str, set[str]] = field(default_factory=lambda: {"clear": set(), "open": set()})
    phrases: dict[str, set[str]] = field(
        default_factory=lambda: {
            "innocent": set(),
            "protective": set(),
            "avoided": set(),
            "turned": set(),
        }
    )

    def add(self, category: str, score: float, terms: Iterable[object]) -> None:
        """Take terms into a category; the higher score wins."""
        known = self.scored.setdefault(category, {})
        for term in terms:
            if not isinstance(term, str):
                raise PluginError(
                    f"asked for a term of {category!r}, found {term!r}; give words as text"
                )
            if clean := " ".join(term.lower().split()):
                known[clean] = max(score, known.get(clean, 0.0))

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) over every term and score, sorted."""
        whole = {
            "scored": self.scored,
            "minors": {k: sorted(v) for k, v in self.minors.items()},
            "phrases": {k: sorted(v) for k, v in self.phrases.items()},
        }
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def builtin() -> Lexicon:
    """Read the lists that ship with this plugin."""
    lexicon = Lexicon()
    for category in CATEGORIES:
        table = _shipped(category)
        for strength, score in STRENGTHS.items():
            lexicon.add(category, score, table.get(strength, []))
    for kind, terms in _shipped("minors").items():
        home = lexicon.minors if kind in lexicon.minors else lexicon.phrases
        home["innocent" if kind == "phrases" else kind].update(terms)
    for kind, terms in _shipped("phrases").items():
        lexicon.phrases[kind].update(terms)
    return lexicon


def take_terms(lexicon: Lexicon, terms: object) -> None:
    """Take `{category: [terms]}`, or `minors`, from the settings.

    Raises:
        PluginError: not a table of lists of text.
    """
    if not isinstance(terms, Mapping):
        raise PluginError(f'asked for terms {terms!r}; give a table like {{violence = ["…"]}}')
    for category, listed in terms.items():
        if isinstance(listed, str) or not isinstance(listed, Sequence):
            raise PluginError(f"asked for terms of {category!r}: {listed!r}; give a list of texts")
        if category == "minors":
            lexicon.minors["clear"].update(str(term).lower() for term in listed)
        else:
            lexicon.add(str(category), STRENGTHS["certain"], listed)


def take_file(lexicon: Lexicon, entry: object) -> None:
    """Take one file of the settings: `{path, category, score = 0.97}`.

    A `.txt` file has one term a line, `#` starts a comment.  A `.json` file is a list of terms,
    of objects with a `name`, or a table of such lists (languages, kinds), all of which are taken.

    Raises:
        PluginError: keys are wrong, or the file is missing, too large or of another shape.
    """
    if not isinstance(entry, Mapping) or not {"path", "category"} <= set(entry):
        raise PluginError(f'asked for a list file {entry!r}; give {{path = "…", category = "…"}}')
    if unknown := sorted(set(entry) - {"path", "category", "score"}):
        raise PluginError(
            f"asked for a list file with {', '.join(unknown)}; keys: path, category, score"
        )
    score = entry.get("score", STRENGTHS["certain"])
    if isinstance(score, bool) or not isinstance(score, (int, float)) or not 0 < score <= 1:
        raise PluginError(f"asked for a list with score {score!r}; give a number above 0, up to 1")
    terms = _read(Path(str(entry["path"])).expanduser())
    lexicon.add(str(entry["category"]), float(score), terms)


def _read(path: Path) -> list[str]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PluginError(
                f"asked for the list {path}, found over {MAX_FILE_BYTES:,} bytes; split it"
            )
        text = path.read_text("utf-8")
        terms = _names(json.loads(text)) if path.suffix == ".json" else _lines(text)
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as exc:
        raise PluginError(
            f"asked for the list {path}, found {exc}; give a UTF-8 .txt (one term a line) or .json"
        ) from exc
    if not terms:
        raise PluginError(f"asked for the list {path}, found no terms; fill it or leave it out")
    return terms


def _lines(text: str) -> list[str]:
    stripped = (line.split("#", 1)[0].strip() for line in text.splitlines())
    return [line for line in stripped if line]


def _names(found: object) -> list[str]:
    if isinstance(found, str):
        return [found]
    if isinstance(found, Mapping):
        if isinstance(found.get("name"), str):
            return [found["name"]]
        return [
            name for part in found.values() if not isinstance(part, str) for name in _names(part)
        ]
    if isinstance(found, list):
        return [name for part in found for name in _names(part)]
    return []


def _shipped(name: str) -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "terms" / f"{name}.toml").read_text("utf-8"))
