"""What a file, its headers and its folder say about training on it.

    do_not_train(data, {"x-robots-tag": "noai"})        # "x-robots-tag: noai"; "" where nothing is

Read: what `sdk.optout` finds in the file; `noai` and `noimageai` in robots headers or columns; the
headers of TDMRep (W3C community report 2024, section 5); and for folders `tdmrep.json` and
`ai.txt`.  What is not clear counts as no: rules that cannot be read as well.
A file without a signal says nothing; that is not permission, its licence is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sdk.errors import DataError
from sdk.optout import reservation

_ROBOTS = re.compile(r"\bno(?:image)?ai\b", re.IGNORECASE)
_WELL_KNOWN = (".well-known/tdmrep.json", "tdmrep.json")
_AI_TXT = "ai.txt"


def do_not_train(data: bytes, fields: Mapping[str, str] | None = None) -> str:
    """Say which signal forbids training on a picture; empty where none does.

    `data` is the file, empty where only headers or columns are known; `fields` are those.
    """
    return _in_fields(fields or {}) or (reservation(data) if data else "")


def _in_fields(fields: Mapping[str, str]) -> str:
    for name, value in fields.items():
        key = name.lower().replace("_", "-")
        if "robots" in key and (found := _ROBOTS.search(value)):
            return f"{key}: {found[0].lower()}"
        if key == "tdm-reservation" and value.strip() not in ("", "0"):
            return f"tdm-reservation: {value.strip()[:20]}"
        if key in ("noai", "noimageai") and value.strip().lower() not in ("", "0", "false", "no"):
            return key
        if "datamining" in key.replace("-", "") and "prohibited" in value.lower():
            return f"iptc {value.rsplit('/', 1)[-1][:60]}"
    return ""


def reserved(folder: Path) -> Callable[[str], str]:
    """Read the rules of a folder; the answer says which file forbids a path in it, or "".

    Raises:
        DataError: `tdmrep.json` or `ai.txt` is there and cannot be read.
    """
    return Reservations.of(folder).forbid


@dataclass(frozen=True, slots=True)
class Reservations:
    """Rules of a folder: path patterns with what they say."""

    rules: tuple[tuple[str, bool, str], ...] = ()
    """(pattern, whether training is forbidden, the file that says so)."""

    @classmethod
    def of(cls, folder: Path) -> Reservations:
        """Read `tdmrep.json` and `ai.txt` of a folder.

        Raises:
            DataError: one of them is there and cannot be read.
        """
        rules: list[tuple[str, bool, str]] = []
        for name in _WELL_KNOWN:
            if (folder / name).is_file():
                rules += _tdmrep(folder / name, name)
        if (folder / _AI_TXT).is_file():
            rules += _ai_txt(folder / _AI_TXT)
        return cls(tuple(rules))

    def forbid(self, path: str) -> str:
        """Say which file forbids a path relative to the folder; the longest pattern decides."""
        fitting = [rule for rule in self.rules if _fits(rule[0], "/" + path)]
        if not fitting:
            return ""
        longest = max(len(pattern) for pattern, _, _ in fitting)
        no = [rule for rule in fitting if len(rule[0]) == longest and rule[1]]
        return f"{no[0][2]}: {no[0][0]}" if no else ""


def _tdmrep(path: Path, name: str) -> list[tuple[str, bool, str]]:
    """TDMRep section 4: an array of objects with `location` and `tdm-reservation`."""
    try:
        listed = json.loads(path.read_text("utf-8"))
        if not isinstance(listed, list):
            raise TypeError("no array")
        return [(str(r["location"]), int(r["tdm-reservation"]) != 0, name) for r in listed]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise DataError(
            f"asked for the rules in {name}, found no such file as TDMRep describes ({exc}); "
            "mend it: a reservation must not be guessed"
        ) from exc


def _ai_txt(path: Path) -> list[tuple[str, bool, str]]:
    """Spawning's ai.txt: `Disallow:` and `Allow:` with path patterns, for any user agent."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, ValueError) as exc:
        raise DataError(f"asked for the rules in {_AI_TXT}, found {exc}; mend the file") from exc
    rules = []
    for line in lines:
        word, _, pattern = line.partition("#")[0].partition(":")
        if word.strip().lower() in ("allow", "disallow") and pattern.strip():
            rules.append((pattern.strip(), word.strip().lower() == "disallow", _AI_TXT))
    return rules


def _fits(pattern: str, path: str) -> bool:
    """RFC 9309, 2.2.3: `*` is anything, `$` the end; else a prefix."""
    end = pattern.endswith("$")
    body = pattern.removesuffix("$")
    expression = ".*".join(re.escape(part) for part in body.split("*"))
    start = "" if body.startswith(("/", "*")) else ".*/"
    return re.match(start + expression + ("$" if end else ""), path) is not None
