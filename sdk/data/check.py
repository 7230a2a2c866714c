"""Checks a prepared folder: signature, papers, pictures, and that no split leaks into another."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from pathlib import Path

from sdk.attest import Attested, check_folder
from sdk.data.prepared import Prepared
from sdk.data.splits import HELD_OUT, SPLITS
from sdk.types import JSON, Watch

_MOST_NAMED = 5


def check(folder: Path, watch: Watch, roots: bytes = b"") -> tuple[Attested, list[str]]:
    """Return who signed, and what is wrong with the contents, one sentence each.

    Raises:
        VerifyError: there is no signature.
        DataError: the folder is not a prepared data set.
    """
    attested = check_folder(folder, roots)
    prepared = Prepared.open(folder)
    problems = [*_papers(prepared.items), *_leaks(prepared.items)]
    changed: list[str] = []
    for row, item in enumerate(prepared.items):
        if row % 256 == 0:
            watch.step(row, len(prepared.items))
        if hashlib.sha256(prepared.pixels[row].tobytes()).hexdigest() != item.get("sha256"):
            changed.append(str(item.get("id")))
    if changed:
        problems.append(f"{len(changed)} pictures are not those of their papers: {_few(changed)}")
    return attested, problems


def _papers(items: list[dict[str, JSON]]) -> list[str]:
    found = []
    for field in ("id", "licence", "caption", "sha256", "split"):
        without = [str(item.get("id", "?")) for item in items if not item.get(field)]
        if without:
            found.append(f"{len(without)} items have no {field}: {_few(without)}")
    twice = [name for name, n in Counter(str(i.get("id")) for i in items).items() if n > 1]
    if twice:
        found.append(f"{len(twice)} ids occur twice: {_few(twice)}")
    unknown = {str(item.get("split")) for item in items} - set(SPLITS)
    if unknown:
        found.append(f"unknown splits: {', '.join(sorted(unknown))}")
    wrong = [str(item["id"]) for row, item in enumerate(items) if item.get("row") != row]
    if wrong:
        found.append(f"{len(wrong)} items are in another row than they say: {_few(wrong)}")
    return found


def _leaks(items: list[dict[str, JSON]]) -> list[str]:
    """A family in training and held out, or the same pixels in two splits."""
    found = []
    splits: dict[str, set[str]] = defaultdict(set)
    pixels: dict[str, set[str]] = defaultdict(set)
    for item in items:
        splits[str(item.get("family"))].add(str(item.get("split")))
        pixels[str(item.get("sha256"))].add(str(item.get("split")))
    leaked = [name for name, where in splits.items() if HELD_OUT in where and len(where) > 1]
    if leaked:
        found.append(f"{len(leaked)} families are held out and trained on: {_few(leaked)}")
    same = [digest[:12] for digest, where in pixels.items() if len(where) > 1]
    if same:
        found.append(f"{len(same)} pictures are in two splits: {_few(same)}")
    return found


def _few(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
